//! The card of what Claude asks: while it waits, once it is decided about, and if nobody could decide any more. Pure.
//!
//! A card is found again by its slot. What it shows after the decision is short enough to stay one card, as the change
//! of a card is not to fill the chat again with what it showed before.

use jiff::Zoned;

use super::{TurnContext, approval, one_line, opening, plan, question};
use crate::{
    card_action::{CardAction, RequestRef, Verdict},
    claude::wire::RequestMatter,
    render::{
        document::{Block, Button, ButtonStyle, Document, Tone},
        permission::visible,
    },
    session::turn::{OpenRequest, RequestOutcome},
};

/// Of what a decided request showed, so many bytes stay.
const KEPT: usize = 6 << 10;

/// The card that asks, until `until`; `open` requests are open now, with this one.
#[must_use]
pub fn asking(scene: &TurnContext, ask: &OpenRequest, until: &Zoned, open: usize) -> Document {
    let about = ask.about(scene.conv_id);
    let document = match &ask.matter {
        RequestMatter::Tool => approval::asking(scene, ask, until, open, &about),
        RequestMatter::Questions(questions) => question::asking(scene, questions, until, &about),
        RequestMatter::Plan(plan) => plan::asking(scene, plan.as_deref(), until, &about),
    };
    Document { group: scene.group, ..document }
}

/// The card once it is known what became of the request, at `at`.
#[must_use]
pub fn decided(scene: &TurnContext, ask: &OpenRequest, decided: &RequestOutcome, at: &Zoned) -> Document {
    let words = scene.words;
    let is_plan = matches!(ask.matter, RequestMatter::Plan(_));
    let is_question = matches!(ask.matter, RequestMatter::Questions(_));
    let mut blocks = match decided {
        RequestOutcome::Answered(answers) => question::answers(answers),
        RequestOutcome::Allowed
        | RequestOutcome::AllowedRules(_)
        | RequestOutcome::AllowedEdits
        | RequestOutcome::Denied(_)
        | RequestOutcome::Expired
        | RequestOutcome::Withdrawn => what(scene, ask),
    };
    shorten(&mut blocks, KEPT);
    let time = scene.clock(at);
    let by = || Block::small(words.by_whom(scene.group, &time));
    let (tone, head) = match decided {
        RequestOutcome::Allowed | RequestOutcome::AllowedRules(_) | RequestOutcome::AllowedEdits
            if is_plan =>
        {
            (Tone::Good, words.approved())
        }
        RequestOutcome::Allowed | RequestOutcome::AllowedRules(_) | RequestOutcome::AllowedEdits => {
            (Tone::Good, words.allowed())
        }
        RequestOutcome::Denied(_) if is_plan => (Tone::Past, words.kept_planning()),
        RequestOutcome::Denied(_) if is_question => (Tone::Past, words.unanswered()),
        RequestOutcome::Denied(_) => (Tone::Bad, words.denied()),
        RequestOutcome::Answered(_) => (Tone::Good, words.answered()),
        RequestOutcome::Expired => (Tone::Past, words.expired()),
        RequestOutcome::Withdrawn => (Tone::Past, words.withdrawn()),
    };
    match decided {
        RequestOutcome::Allowed | RequestOutcome::Answered(_) | RequestOutcome::Denied(None) => {
            blocks.push(by())
        }
        RequestOutcome::AllowedRules(rules) => {
            blocks.extend(
                rules.iter().map(|rule| Block::small(words.rule_made(&short(&visible(&rule.to_string()))))),
            );
            blocks.push(by());
        }
        RequestOutcome::AllowedEdits => blocks.extend([Block::small(words.edits_accepted()), by()]),
        RequestOutcome::Denied(Some(reason)) => {
            blocks.extend([Block::text(words.reason_given(&short(reason))), by()])
        }
        RequestOutcome::Expired => blocks.push(Block::small(words.nobody_decided(&time))),
        RequestOutcome::Withdrawn => blocks.push(Block::small(words.withdrawn_at(&time))),
    }
    closed(scene, ask, blocks, tone, &head)
}

/// The card if the daemon ends before anything became of the request.
#[must_use]
pub fn fallback(scene: &TurnContext, ask: &OpenRequest) -> Document {
    let mut blocks = what(scene, ask);
    shorten(&mut blocks, KEPT);
    blocks.push(Block::small(scene.words.expired_by_restart()));
    closed(scene, ask, blocks, Tone::Past, &scene.words.expired())
}

/// The sentence that reminds of a request.
#[must_use]
pub fn reminder(scene: &TurnContext, ask: &OpenRequest, until: &Zoned) -> String {
    let time = scene.clock(until);
    match ask.matter {
        RequestMatter::Tool => scene.words.reminder(&one_line(&ask.request.tool, TOOL), &time),
        RequestMatter::Questions(_) => scene.words.reminder_question(&time),
        RequestMatter::Plan(_) => scene.words.reminder_plan(&time),
    }
}

/// A tool's name in a heading is cut after so many characters.
pub(super) const TOOL: usize = 60;

/// A button that decides.
pub(super) fn decide(label: String, look: ButtonStyle, about: &RequestRef, choice: Verdict) -> Button {
    Button::new(label, look, CardAction::Decide { about: about.clone(), choice })
}

/// All that was asked.
fn what(scene: &TurnContext, ask: &OpenRequest) -> Vec<Block> {
    match &ask.matter {
        RequestMatter::Tool => approval::what(&ask.request),
        RequestMatter::Questions(questions) => question::questions(questions),
        RequestMatter::Plan(plan) => vec![plan::whole(scene, plan.as_deref())],
    }
}

/// A card without buttons; its head says what became of what.
fn closed(scene: &TurnContext, ask: &OpenRequest, blocks: Vec<Block>, tone: Tone, became: &str) -> Document {
    let project = scene.project_name();
    let head = match ask.matter {
        RequestMatter::Tool => format!("{became} · {} · {project}", one_line(&ask.request.tool, TOOL)),
        RequestMatter::Questions(_) | RequestMatter::Plan(_) => format!("{became} · {project}"),
    };
    Document { group: scene.group, ..Document::new(blocks).headed(tone, head) }
}

fn short(text: &str) -> String {
    match opening(text, 1 << 10) {
        (all, true) => all.to_owned(),
        (part, false) => format!("{part}…"),
    }
}

/// Cuts what is shown down to `most` bytes.
fn shorten(blocks: &mut Vec<Block>, most: usize) {
    let mut left = most;
    for at in 0..blocks.len() {
        let text = match &mut blocks[at] {
            Block::Markdown { text }
            | Block::Text { text }
            | Block::Small { text }
            | Block::Code { text, .. } => text,
            Block::Stream { .. }
            | Block::Fold { .. }
            | Block::Rule
            | Block::Row { .. }
            | Block::Buttons { .. }
            | Block::Form { .. }
            | Block::Typed { .. } => continue,
        };
        let (part, all) = opening(text, left);
        let cut = part.len();
        left -= cut;
        if !all {
            text.truncate(cut);
            text.push_str("\n…");
            blocks.truncate(at + 1);
            return;
        }
    }
}

#[cfg(test)]
mod tests;
