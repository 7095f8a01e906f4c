//! The card of a turn that is over: the answer, what went wrong, what was done, and what can be done next. Pure.

use std::path::Path;
use std::time::Duration;

use super::{TurnContext, one_line, work};
use crate::{
    card_action::CardAction,
    render::document::{Block, Button, ButtonStyle, Document, LongAnswers, Tone},
    session::turn::{FinishedTurn, TurnOutcome},
};

/// What the list of chats shows of an answer, in characters.
const PREVIEW: usize = 80;

/// The document that ends a turn: Claude's words as they are, then what the bot has to say about it. `log` is where the
/// whole of it stands. None for a turn that nobody asked for and that was ended before it said a word.
#[must_use]
pub fn document(scene: &TurnContext, done: &FinishedTurn, log: &Path) -> Option<Document> {
    let remark = remark(scene, done);
    if done.prompt.is_none() && done.text.is_empty() && remark.is_none() {
        return None;
    }
    let mut blocks = Vec::new();
    if !done.text.is_empty() {
        blocks.push(Block::markdown(&done.text));
    }
    let preview = if done.text.is_empty() { remark.as_deref().unwrap_or_default() } else { &done.text };
    let preview = one_line(preview, PREVIEW).replace("**", "").replace('`', "");
    blocks.extend(remark.map(Block::text));
    if was_run(&done.outcome) {
        blocks.extend(work::panels(scene, done));
        blocks.push(Block::small(work::small_print(scene, done)));
    }
    let buttons = buttons(scene, done);
    if !buttons.is_empty() {
        let (buttons, commands): (Vec<Button>, Vec<&str>) = buttons.into_iter().unzip();
        let commands: Vec<&str> = commands.into_iter().filter(|command| !command.is_empty()).collect();
        blocks.push(Block::Buttons { buttons });
        blocks.push(Block::typed(scene.words.ended_typed(&commands.join(" · "))));
    }
    let document = Document {
        preview: Some(preview),
        group: scene.group,
        long: done.prompt.as_ref().map_or(LongAnswers::Parts, |prompt| prompt.long),
        name: Some(file_name(scene)),
        whole: Some(log.display().to_string().into()),
        ..Document::new(blocks)
    };
    Some(match head(scene, done) {
        Some((tone, text)) => document.headed(tone, text),
        None => document,
    })
}

/// The last word of a card whose turn was ended before anything came of it.
#[must_use]
pub fn stopped(scene: &TurnContext) -> Document {
    let head = scene.words.stopped_head(&scene.project_name());
    let document = Document::new(vec![Block::text(scene.words.stopped())]).headed(Tone::Past, head);
    Document { group: scene.group, ..document }
}

/// Who waits for longer has put his phone away.
const AWAY: Duration = Duration::from_secs(30);

/// Whether the end of a turn that was shown is a message of its own, below the card that showed it: the change of a card
/// notifies nobody, and one that other messages have `overtaken` is out of sight. What was cut stays on the card whose
/// buttons are taken off later.
#[must_use]
pub fn is_below(done: &FinishedTurn, overtaken: bool) -> bool {
    done.outcome != TurnOutcome::Cut && (overtaken || done.took >= AWAY)
}

/// The last word of a card whose turn has its answer in a message below.
#[must_use]
pub fn answered_below(scene: &TurnContext) -> Document {
    let (words, time) = (scene.words, scene.clock(scene.now));
    let document = Document::new(vec![Block::small(words.answered_below(&time))]);
    let document = document.headed(Tone::Past, words.over_head(&scene.project_name()));
    Document { group: scene.group, ..document }
}

/// The last word of a card whose turn nobody asked for, if the daemon ends before the turn does.
#[must_use]
pub fn interrupted(scene: &TurnContext) -> Document {
    let head = scene.words.cut_head(&scene.project_name());
    let document = Document::new(vec![Block::text(scene.words.cut_unasked())]).headed(Tone::Bad, head);
    Document { group: scene.group, ..document }
}

/// What the bot has to say about how the turn ended.
fn remark(scene: &TurnContext, done: &FinishedTurn) -> Option<String> {
    let (words, now, unasked) = (scene.words, scene.now, done.prompt.is_none());
    match &done.outcome {
        TurnOutcome::Answered if done.text.is_empty() && !unasked => Some(words.no_text()),
        TurnOutcome::Answered => None,
        TurnOutcome::Failed(sentence) | TurnOutcome::Crashed(sentence) => Some(words.failed(sentence)),
        TurnOutcome::Stopped if done.text.is_empty() && unasked => None,
        TurnOutcome::Stopped => Some(words.stopped()),
        TurnOutcome::TimedOut(limit) if unasked => Some(words.timed_out_unasked(*limit)),
        TurnOutcome::TimedOut(limit) => Some(words.timed_out(*limit)),
        TurnOutcome::Cut => Some(match &done.prompt {
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

/// An answer that was asked for and went well needs no head.
fn head(scene: &TurnContext, done: &FinishedTurn) -> Option<(Tone, String)> {
    let (words, project) = (scene.words, scene.project_name());
    let (tone, head) = match &done.outcome {
        TurnOutcome::Answered
        | TurnOutcome::Compacted
        | TurnOutcome::Cleared
        | TurnOutcome::UnknownCommand(_) => (Tone::Plain, None),
        TurnOutcome::Failed(_) | TurnOutcome::Crashed(_) | TurnOutcome::Limited { .. } => {
            (Tone::Bad, Some(words.failed_head(&project)))
        }
        TurnOutcome::Stopped | TurnOutcome::TimedOut(_) => (Tone::Past, Some(words.stopped_head(&project))),
        TurnOutcome::Cut => (Tone::Bad, Some(words.cut_head(&project))),
        TurnOutcome::OpenElsewhere(_) => (Tone::Past, Some(words.not_run_head(&project))),
    };
    let head = if done.prompt.is_none() { Some(words.unasked()) } else { head };
    head.map(|head| (tone, head))
}

fn was_run(outcome: &TurnOutcome) -> bool {
    match outcome {
        TurnOutcome::Answered
        | TurnOutcome::Failed(_)
        | TurnOutcome::Stopped
        | TurnOutcome::TimedOut(_)
        | TurnOutcome::Crashed(_)
        | TurnOutcome::Cut
        | TurnOutcome::Limited { .. }
        | TurnOutcome::Compacted
        | TurnOutcome::Cleared => true,
        TurnOutcome::UnknownCommand(_) | TurnOutcome::OpenElsewhere(_) => false,
    }
}

/// The buttons, each with the command that does the same, if there is one.
fn buttons(scene: &TurnContext, done: &FinishedTurn) -> Vec<(Button, &'static str)> {
    let words = scene.words;
    let (conv_id, turn) = (scene.conv_id.clone(), scene.turn);
    let go_on = || {
        let act = CardAction::Continue { conv_id: conv_id.clone(), turn };
        (Button::new(words.continue_button(), ButtonStyle::Plain, act), "/continue")
    };
    let again = || {
        let act = CardAction::Again { conv_id: conv_id.clone(), turn };
        let button = Button::new(words.again_button(), ButtonStyle::Plain, act);
        done.prompt.is_some().then_some((button, "/retry"))
    };
    let close = || {
        let act = CardAction::Close { conv_id: conv_id.clone() };
        let confirm = Some(words.close_confirm(&scene.project_name()));
        (Button { confirm, ..Button::new(words.close_button(), ButtonStyle::Plain, act) }, "/close")
    };
    let dismiss = || {
        let act = CardAction::Dismiss { conv_id: conv_id.clone(), turn };
        (Button::new(words.dismiss_button(), ButtonStyle::Plain, act), "")
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
        TurnOutcome::Cut => again().into_iter().chain([go_on(), dismiss()]).collect(),
        TurnOutcome::UnknownCommand(_) | TurnOutcome::Compacted | TurnOutcome::Cleared => Vec::new(),
    }
}

/// The project and the time, in letters that any file system takes.
fn file_name(scene: &TurnContext) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let project: String = scene.project_name().chars().map(safe).collect();
    format!("{}-{}", project.trim_start_matches('.'), scene.now.strftime("%Y-%m-%d-%H%M"))
}

#[cfg(test)]
mod tests;
