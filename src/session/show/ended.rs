//! The card of a turn that has ended: the answer, what went wrong, what was done, and what to do next. Pure.

use std::path::Path;
use std::time::Duration;

use super::{TurnContext, one_line, work};
use crate::{
    card_action::CardAction,
    render::document::{Block, Button, ButtonStyle, Document, LongAnswers, Tone},
    render::is_blank,
    session::turn::{FinishedTurn, TurnOutcome},
};

/// Characters of an answer for the list of chats.
const MAX_PREVIEW_CHARS: usize = 80;

/// The document that ends a turn: Claude's text unchanged, then what the bot adds. `log` is the audit file with the full
/// text. `None` for a turn that Claude started by itself and that was stopped before it had any text.
#[must_use]
pub(crate) fn document(context: &TurnContext, done: &FinishedTurn, log: &Path) -> Option<Document> {
    let remark = remark(context, done);
    let is_blank = is_blank(&done.text);
    if done.prompt.is_none() && is_blank && remark.is_none() {
        return None;
    }
    let mut blocks = Vec::new();
    if !is_blank {
        blocks.push(Block::markdown(&done.text));
    }
    let preview = if is_blank { remark.as_deref().unwrap_or_default() } else { &done.text };
    let preview = one_line(preview, MAX_PREVIEW_CHARS).replace("**", "").replace('`', "");
    blocks.extend(remark.map(Block::text));
    if was_run(&done.outcome) {
        blocks.extend(work::folds(context, done));
        blocks.push(Block::small(work::small_print(context, done)));
    }
    let buttons = buttons(context, done);
    if !buttons.is_empty() {
        let (buttons, commands): (Vec<Button>, Vec<&str>) = buttons.into_iter().unzip();
        let commands: Vec<&str> = commands.into_iter().filter(|command| !command.is_empty()).collect();
        blocks.push(Block::Buttons { buttons });
        blocks.push(Block::typed_hint(context.words.ended_typed(&commands.join(" · "))));
    }
    let document = Document {
        preview: Some(preview),
        group: context.group,
        long: done.prompt.as_ref().map_or(LongAnswers::Parts, |prompt| prompt.long),
        name: Some(file_name(context)),
        full_text_path: Some(log.display().to_string().into()),
        ..Document::new(blocks)
    };
    Some(match heading(context, done) {
        Some((tone, text)) => document.headed(tone, text),
        None => document,
    })
}

/// The final state of a card whose turn was stopped before it had an answer.
#[must_use]
pub(crate) fn stopped(context: &TurnContext) -> Document {
    let head = context.words.stopped_head(&context.project_name());
    let document = Document::new(vec![Block::text(context.words.stopped())]).headed(Tone::Past, head);
    Document { group: context.group, ..document }
}

/// Somebody who waits longer than this has probably put the phone away.
const AWAY_AFTER: Duration = Duration::from_secs(30);

/// Whether the answer of a turn that has a card is sent as a new message below that card. A change of a card notifies
/// nobody, and a card that other messages have `overtaken` is out of sight. An interrupted turn stays on its card, whose
/// buttons are removed later.
#[must_use]
pub(crate) fn is_below(done: &FinishedTurn, overtaken: bool) -> bool {
    done.outcome != TurnOutcome::Interrupted && (overtaken || done.took >= AWAY_AFTER)
}

/// The final state of a card whose turn is answered in a message below it.
#[must_use]
pub(crate) fn answered_below(context: &TurnContext) -> Document {
    let (words, time) = (context.words, context.clock(context.now));
    let document = Document::new(vec![Block::small(words.answered_below(&time))]);
    let document = document.headed(Tone::Past, words.over_head(&context.project_name()));
    Document { group: context.group, ..document }
}

/// The final state of the card of a turn that Claude started by itself, if the daemon ends first.
#[must_use]
pub(crate) fn interrupted(context: &TurnContext) -> Document {
    let head = context.words.cut_head(&context.project_name());
    let document = Document::new(vec![Block::text(context.words.cut_unasked())]).headed(Tone::Bad, head);
    Document { group: context.group, ..document }
}

/// What the bot adds about the way the turn ended.
fn remark(context: &TurnContext, done: &FinishedTurn) -> Option<String> {
    let (words, now, unasked) = (context.words, context.now, done.prompt.is_none());
    match &done.outcome {
        TurnOutcome::Answered if is_blank(&done.text) && !unasked => Some(words.no_text()),
        TurnOutcome::Answered => None,
        TurnOutcome::Failed(sentence) | TurnOutcome::Crashed(sentence) => Some(words.failed(sentence)),
        TurnOutcome::Stopped if is_blank(&done.text) && unasked => None,
        TurnOutcome::Stopped => Some(words.stopped()),
        TurnOutcome::TimedOut(limit) if unasked => Some(words.timed_out_unasked(*limit)),
        TurnOutcome::TimedOut(limit) => Some(words.timed_out(*limit)),
        TurnOutcome::Interrupted => Some(match &done.prompt {
            Some(prompt) => words.cut_by_stop(&prompt.text),
            None => words.cut_unasked(),
        }),
        TurnOutcome::UnknownCommand(name) => Some(words.unknown_command(name)),
        TurnOutcome::Limited { until, otherwise, .. } if *until <= now.timestamp() => {
            Some(words.failed(otherwise))
        }
        TurnOutcome::Limited { until, words: claudes, .. } => {
            Some(words.failed(&words.limited(*until, now, claudes.as_deref())))
        }
        TurnOutcome::Compacted => Some(words.compacted_as_asked()),
        TurnOutcome::Cleared => Some(words.cleared_as_asked()),
        TurnOutcome::OpenElsewhere(other) => Some(words.open_elsewhere(other, now)),
    }
}

/// The heading. A successful answer to a message needs none.
fn heading(context: &TurnContext, done: &FinishedTurn) -> Option<(Tone, String)> {
    let (words, project) = (context.words, context.project_name());
    let (tone, text) = match &done.outcome {
        TurnOutcome::Answered
        | TurnOutcome::Compacted
        | TurnOutcome::Cleared
        | TurnOutcome::UnknownCommand(_) => (Tone::Plain, None),
        TurnOutcome::Failed(_) | TurnOutcome::Crashed(_) | TurnOutcome::Limited { .. } => {
            (Tone::Bad, Some(words.failed_head(&project)))
        }
        TurnOutcome::Stopped | TurnOutcome::TimedOut(_) => (Tone::Past, Some(words.stopped_head(&project))),
        TurnOutcome::Interrupted => (Tone::Bad, Some(words.cut_head(&project))),
        TurnOutcome::OpenElsewhere(_) => (Tone::Past, Some(words.not_run_head(&project))),
    };
    let text = if done.prompt.is_none() { Some(words.unasked()) } else { text };
    text.map(|text| (tone, text))
}

fn was_run(outcome: &TurnOutcome) -> bool {
    match outcome {
        TurnOutcome::Answered
        | TurnOutcome::Failed(_)
        | TurnOutcome::Stopped
        | TurnOutcome::TimedOut(_)
        | TurnOutcome::Crashed(_)
        | TurnOutcome::Interrupted
        | TurnOutcome::Limited { .. }
        | TurnOutcome::Compacted
        | TurnOutcome::Cleared => true,
        TurnOutcome::UnknownCommand(_) | TurnOutcome::OpenElsewhere(_) => false,
    }
}

/// The buttons, each with the command that does the same; empty if there is none.
fn buttons(context: &TurnContext, done: &FinishedTurn) -> Vec<(Button, &'static str)> {
    let words = context.words;
    let (conv_id, turn) = (context.conv_id.clone(), context.turn);
    let go_on = || {
        let action = CardAction::Continue { conv_id: conv_id.clone(), turn };
        (Button::new(words.label_continue(), ButtonStyle::Plain, action), "/continue")
    };
    let again = || {
        let action = CardAction::Again { conv_id: conv_id.clone(), turn };
        let button = Button::new(words.label_again(), ButtonStyle::Plain, action);
        done.prompt.is_some().then_some((button, "/retry"))
    };
    let close = || {
        let action = CardAction::Close { conv_id: conv_id.clone() };
        let confirm = Some(words.confirm_close(&context.project_name()));
        (Button { confirm, ..Button::new(words.label_close_session(), ButtonStyle::Plain, action) }, "/close")
    };
    let dismiss = || {
        let action = CardAction::Dismiss { conv_id: conv_id.clone(), turn };
        (Button::new(words.label_dismiss(), ButtonStyle::Plain, action), "")
    };
    match &done.outcome {
        TurnOutcome::Answered
        | TurnOutcome::Failed(_)
        | TurnOutcome::Stopped
        | TurnOutcome::TimedOut(_)
        | TurnOutcome::Crashed(_) => [go_on()].into_iter().chain(again()).chain([close()]).collect(),
        TurnOutcome::Limited { .. } | TurnOutcome::OpenElsewhere(_) => {
            again().into_iter().chain([close()]).collect()
        }
        TurnOutcome::Interrupted => again().into_iter().chain([go_on(), dismiss()]).collect(),
        TurnOutcome::UnknownCommand(_) | TurnOutcome::Compacted | TurnOutcome::Cleared => Vec::new(),
    }
}

/// The project and the time, in characters that every file system accepts.
fn file_name(context: &TurnContext) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let project: String = context.project_name().chars().map(safe).collect();
    format!("{}-{}", project.trim_start_matches('.'), context.now.strftime("%Y-%m-%d-%H%M"))
}

#[cfg(test)]
mod tests;
