//! The card of a running turn: what Claude is doing, its last tool calls, and its text as it grows. Pure.

use std::time::{Duration, Instant};

use super::{TurnContext, one_line, request::MAX_TOOL_CHARS};
use crate::{
    card_action::CardAction,
    render::{
        document::{Block, Button, ButtonStyle, Document, Tone},
        tool_line,
    },
    session::turn::{ToolUse, Turn},
};

/// Finished tool calls that are shown.
const SHOWN_TOOLS: usize = 3;
/// Bytes by which the start of the shown text moves. Between one and two steps of the text are shown. While the start
/// stays, Feishu types out only what is new; when it moves, Feishu redraws the whole text.
const TEXT_STEP_BYTES: usize = 4 << 10;

/// The card of the turn at `now`, the same moment as `context.now`.
#[must_use]
pub(crate) fn document(context: &TurnContext, turn: &Turn, now: Instant) -> Document {
    let words = context.words;
    let elapsed = |after: Duration| now.saturating_duration_since(turn.started() + after);
    let mut blocks = Vec::new();
    let tools = turn.tools();
    let running = turn.running_tool();
    blocks.push(Block::text(if turn.ending.is_some() {
        words.stopping()
    } else if let Some(ask) = turn.open_requests().next() {
        words.waits_for_you(&one_line(&ask.permission.tool, MAX_TOOL_CHARS), elapsed(ask.after))
    } else if let Some(tool) = running {
        words.running_for(&line(context, tool), elapsed(tool.after))
    } else {
        let last =
            tools.last().map_or(Duration::ZERO, |tool| tool.end.as_ref().map_or(tool.after, |end| end.0));
        words.thinking(elapsed(last))
    }));
    // Tool calls run in parallel, so look a little further back to find those that have ended.
    let recent =
        tools.iter().rev().take(SHOWN_TOOLS + MAX_RUNNING_TOOLS).filter(|tool| tool.is_error.is_some());
    let recent: Vec<&ToolUse> = recent.take(SHOWN_TOOLS).collect();
    let before = tools.len() - recent.len() - usize::from(running.is_some());
    let mut done: Vec<String> = Vec::new();
    if before > 0 && !recent.is_empty() {
        done.push(words.more_before(before));
    }
    done.extend(recent.iter().rev().map(|tool| {
        let sign = if tool.is_error == Some(true) { "✗" } else { "✓" };
        format!("{sign} {}", line(context, tool))
    }));
    blocks.extend(done.into_iter().map(Block::small));
    let text = text_so_far(turn);
    if !text.is_empty() {
        blocks.push(Block::Stream { text });
    }
    if turn.ending.is_none() {
        let action = CardAction::Stop { conv_id: context.conv_id.clone(), turn: turn.id() };
        blocks.push(Block::Buttons {
            buttons: vec![Button::new(words.stop_button(), ButtonStyle::Danger, action)],
        });
        blocks.push(Block::typed_hint(words.stop_typed()));
    }
    let head = words.working(&context.project_name());
    Document {
        group: context.group,
        preview: Some(head.clone()),
        ..Document::new(blocks).headed(Tone::Working, head)
    }
}

/// Maximum number of tool calls that run at the same time; more than Claude ever starts.
const MAX_RUNNING_TOOLS: usize = 32;

fn line(context: &TurnContext, tool: &ToolUse) -> String {
    tool_line::line(&tool.name, &tool.input, context.project)
}

/// The end of Claude's text so far, from the beginning of a line.
fn text_so_far(turn: &Turn) -> String {
    let (text, left_out) = turn.said(2 * TEXT_STEP_BYTES);
    if left_out == 0 {
        return text;
    }
    let from = left_out.next_multiple_of(TEXT_STEP_BYTES) - left_out;
    let from = text.ceil_char_boundary(from.min(text.len()));
    let rest = &text[from..];
    let line =
        rest.find('\n').filter(|&newline| newline < TEXT_STEP_BYTES / 2).map_or(0, |newline| newline + 1);
    format!("…\n\n{}", &rest[line..])
}

#[cfg(test)]
mod tests;
