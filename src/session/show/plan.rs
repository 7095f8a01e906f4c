//! The card of a plan that waits for approval. Pure.

use jiff::Zoned;

use super::{TurnContext, request::decide};
use crate::{
    card_action::{REASON, RequestRef, Verdict},
    render::document::{Block, ButtonStyle, Document, Field, Tone},
};

pub(super) fn asking(scene: &TurnContext, plan: Option<&str>, until: &Zoned, about: &RequestRef) -> Document {
    let words = scene.words;
    let button = |label, look, choice| decide(label, look, about, choice);
    let blocks = vec![
        whole(scene, plan),
        Block::small(words.edits_mean()),
        Block::small(words.decide_until(&scene.clock(until))),
        Block::Buttons {
            buttons: vec![
                button(words.approve_button(), ButtonStyle::Primary, Verdict::Allow),
                button(words.approve_edits_button(), ButtonStyle::Plain, Verdict::AllowEdits),
            ],
        },
        Block::Form {
            fields: vec![Field::Words { name: REASON.to_owned(), placeholder: words.keep_planning_hint() }],
            buttons: vec![button(words.keep_planning_button(), ButtonStyle::Plain, Verdict::DenyWhy)],
        },
        Block::typed(words.plan_typed()),
    ];
    let head = words.plan_head(&scene.project_name());
    Document { preview: Some(head.clone()), ..Document::new(blocks).headed(Tone::Asking, head) }
}

/// The plan.
pub(super) fn whole(scene: &TurnContext, plan: Option<&str>) -> Block {
    match plan.unwrap_or_default().trim() {
        "" => Block::text(scene.words.no_plan()),
        plan => Block::markdown(plan),
    }
}
