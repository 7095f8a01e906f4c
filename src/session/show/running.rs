//! The card of a running turn: what Claude does now, what it did last, and what it says as it comes. Pure.

use std::time::{Duration, Instant};

use jiff::Zoned;

use super::{TurnContext, one_line, request::TOOL};
use crate::{
    card_action::CardAction,
    render::{
        document::{Block, Button, ButtonStyle, Document, Tone},
        tool,
    },
    session::turn::{ToolUse, Turn},
};

/// So many finished tools are shown.
const TOOLS: usize = 3;
/// What was said last is shown: between one and two of these, in bytes. Its beginning stays for a whole one of them, so
/// that Feishu types out what comes and does not draw all of it anew each time.
const STEP: usize = 4 << 10;

/// The card of the turn at `now`, which is the time that the scene tells.
#[must_use]
pub fn document(scene: &TurnContext, turn: &Turn, now: Instant) -> Document {
    let words = scene.words;
    let time = |at: Instant| scene.clock(&before(scene.now, now.saturating_duration_since(at)));
    let of = |after: Duration| time(turn.started() + after);
    let mut blocks = Vec::new();
    let tools = turn.tools();
    let running = turn.running_tool();
    blocks.push(Block::text(if turn.ending.is_some() {
        words.stopping()
    } else if let Some(ask) = turn.asks().next() {
        words.waits_for_you(&one_line(&ask.request.tool, TOOL), &of(ask.after))
    } else if let Some(tool) = running {
        words.since(&line(scene, tool), &of(tool.after))
    } else {
        let last =
            tools.last().map_or(Duration::ZERO, |tool| tool.end.as_ref().map_or(tool.after, |end| end.0));
        words.thinking(&of(last))
    }));
    // As many as it takes to find some that have ended, from the end: most have.
    let recent = tools.iter().rev().take(TOOLS + RUNNING).filter(|tool| tool.is_error.is_some());
    let recent: Vec<&ToolUse> = recent.take(TOOLS).collect();
    let before = tools.len() - recent.len() - usize::from(running.is_some());
    let mut done: Vec<String> = Vec::new();
    if before > 0 && !recent.is_empty() {
        done.push(words.more_before(before));
    }
    done.extend(recent.iter().rev().map(|tool| {
        let sign = if tool.is_error == Some(true) { "✗" } else { "✓" };
        format!("{sign} {}", line(scene, tool))
    }));
    blocks.extend(done.into_iter().map(Block::small));
    let said = said(turn);
    if !said.is_empty() {
        blocks.push(Block::Stream { text: said });
    }
    if turn.ending.is_none() {
        let act = CardAction::Stop { conv_id: scene.conv_id.clone(), turn: turn.id() };
        blocks.push(Block::Buttons {
            buttons: vec![Button::new(words.stop_button(), ButtonStyle::Danger, act)],
        });
        blocks.push(Block::typed(words.stop_typed()));
    }
    let head = words.working(&scene.project_name());
    Document {
        group: scene.group,
        preview: Some(head.clone()),
        ..Document::new(blocks).headed(Tone::Working, head)
    }
}

/// Tools of a turn that run at a time, more than there ever are.
const RUNNING: usize = 32;

fn line(scene: &TurnContext, tool: &ToolUse) -> String {
    tool::line(&tool.name, &tool.input, scene.project)
}

fn before(now: &Zoned, ago: Duration) -> Zoned {
    now.checked_sub(ago).unwrap_or_else(|_| now.clone())
}

/// The end of what was said, from the beginning of a line.
fn said(turn: &Turn) -> String {
    let (said, left_out) = turn.said(2 * STEP);
    if left_out == 0 {
        return said;
    }
    let from = left_out.next_multiple_of(STEP) - left_out;
    let from = said.ceil_char_boundary(from.min(said.len()));
    let rest = &said[from..];
    let line = rest.find('\n').filter(|&newline| newline < STEP / 2).map_or(0, |newline| newline + 1);
    format!("…\n\n{}", &rest[line..])
}

#[cfg(test)]
mod tests;
