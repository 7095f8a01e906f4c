//! The card of a request of Claude's: while it waits, after the decision, and if nobody can decide any more. Pure.
//!
//! After the decision the card is shortened so that it stays a single card: changing it must not fill the chat again.

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

/// Bytes that stay of the content of a decided request.
const MAX_DECIDED_BYTES: usize = 6 << 10;

/// The card of an open request, which expires at `until`. `open` is the number of open requests, including this one.
#[must_use]
pub(crate) fn asking(context: &TurnContext, ask: &OpenRequest, until: &Zoned, open: usize) -> Document {
    let about = ask.about(context.conv_id);
    let document = match &ask.matter {
        RequestMatter::Tool => approval::asking(context, ask, until, open, &about),
        RequestMatter::Questions(questions) => question::asking(context, questions, until, &about),
        RequestMatter::Plan(plan) => plan::asking(context, plan.as_deref(), until, &about),
    };
    Document { group: context.group, ..document }
}

/// The card of a request that was decided or expired at `at`.
#[must_use]
pub(crate) fn decided(
    context: &TurnContext,
    ask: &OpenRequest,
    decided: &RequestOutcome,
    at: &Zoned,
) -> Document {
    let words = context.words;
    let is_plan = matches!(ask.matter, RequestMatter::Plan(_));
    let is_question = matches!(ask.matter, RequestMatter::Questions(_));
    let mut blocks = match decided {
        RequestOutcome::Answered(answers) => question::answers(answers),
        RequestOutcome::Allowed
        | RequestOutcome::AllowedRules(_)
        | RequestOutcome::AllowedEdits
        | RequestOutcome::Denied(_)
        | RequestOutcome::Expired
        | RequestOutcome::Withdrawn => content(context, ask),
    };
    shorten(&mut blocks, MAX_DECIDED_BYTES);
    let time = context.clock(at);
    let by = || Block::small(words.by_whom(context.group, &time));
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
    closed(context, ask, blocks, tone, &head)
}

/// The card to show if the daemon ends while the request is open.
#[must_use]
pub(crate) fn fallback(context: &TurnContext, ask: &OpenRequest) -> Document {
    let mut blocks = content(context, ask);
    shorten(&mut blocks, MAX_DECIDED_BYTES);
    blocks.push(Block::small(context.words.expired_by_restart()));
    closed(context, ask, blocks, Tone::Past, &context.words.expired())
}

/// The sentence that reminds the user of an open request.
#[must_use]
pub(crate) fn reminder(context: &TurnContext, ask: &OpenRequest, until: &Zoned) -> String {
    let time = context.clock(until);
    match ask.matter {
        RequestMatter::Tool => context.words.reminder(&one_line(&ask.permission.tool, MAX_TOOL_CHARS), &time),
        RequestMatter::Questions(_) => context.words.reminder_question(&time),
        RequestMatter::Plan(_) => context.words.reminder_plan(&time),
    }
}

/// Characters of a tool's name in a heading.
pub(super) const MAX_TOOL_CHARS: usize = 60;

/// A button that decides about a request.
pub(super) fn decide(label: String, style: ButtonStyle, about: &RequestRef, verdict: Verdict) -> Button {
    Button::new(label, style, CardAction::Decide { about: about.clone(), choice: verdict })
}

/// The content of the request.
fn content(context: &TurnContext, ask: &OpenRequest) -> Vec<Block> {
    match &ask.matter {
        RequestMatter::Tool => approval::what(&ask.permission),
        RequestMatter::Questions(questions) => question::questions(questions),
        RequestMatter::Plan(plan) => vec![plan::whole(context, plan.as_deref())],
    }
}

/// A card without buttons; its heading says how the request ended.
fn closed(
    context: &TurnContext,
    ask: &OpenRequest,
    blocks: Vec<Block>,
    tone: Tone,
    outcome: &str,
) -> Document {
    let project = context.project_name();
    let head = match ask.matter {
        RequestMatter::Tool => {
            format!("{outcome} · {} · {project}", one_line(&ask.permission.tool, MAX_TOOL_CHARS))
        }
        RequestMatter::Questions(_) | RequestMatter::Plan(_) => format!("{outcome} · {project}"),
    };
    Document { group: context.group, ..Document::new(blocks).headed(tone, head) }
}

fn short(text: &str) -> String {
    match opening(text, 1 << 10) {
        (all, true) => all.to_owned(),
        (part, false) => format!("{part}…"),
    }
}

/// Shortens the blocks to `max_bytes` bytes of text.
fn shorten(blocks: &mut Vec<Block>, max_bytes: usize) {
    let mut left = max_bytes;
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
            | Block::TypedHint { .. } => continue,
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
