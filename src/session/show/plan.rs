//! The card of a plan that waits for approval. Pure.

use jiff::Zoned;

use super::{TurnContext, request::decide};
use crate::{
    card_action::{REASON, RequestRef, Verdict},
    render::document::{Block, ButtonStyle, Document, Field, Tone},
};

pub(super) fn asking(
    context: &TurnContext,
    plan: Option<&str>,
    until: &Zoned,
    about: &RequestRef,
) -> Document {
    let words = context.words;
    let button = |label, style, verdict| decide(label, style, about, verdict);
    let blocks = vec![
        whole(context, plan),
        Block::small(words.edits_mean()),
        Block::small(words.decide_until(&context.clock(until))),
        Block::Buttons {
            buttons: vec![
                button(words.approve_button(), ButtonStyle::Primary, Verdict::Allow),
                button(words.approve_edits_button(), ButtonStyle::Plain, Verdict::AllowEdits),
            ],
        },
        Block::Form {
            fields: vec![Field::Input { name: REASON.to_owned(), placeholder: words.keep_planning_hint() }],
            buttons: vec![button(words.keep_planning_button(), ButtonStyle::Plain, Verdict::DenyWhy)],
        },
        Block::typed_hint(words.plan_typed()),
    ];
    let head = words.plan_head(&context.project_name());
    Document { preview: Some(head.clone()), ..Document::new(blocks).headed(Tone::Asking, head) }
}

/// The text of the plan.
pub(super) fn whole(context: &TurnContext, plan: Option<&str>) -> Block {
    match plan.unwrap_or_default().trim() {
        "" => Block::text(context.words.no_plan()),
        plan => Block::markdown(plan),
    }
}
