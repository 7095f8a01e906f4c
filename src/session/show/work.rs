//! What a turn did, in folds below its answer: edits as short diffs, and commands with the end of their output. Pure.

use std::collections::BTreeSet;
use std::path::Path;

use super::{TurnContext, ending, one_line, opening};
use crate::{
    claude::wire::{FileChange, SavedOutput},
    render::document::Block,
    session::turn::{FinishedTurn, ToolUse},
    words::dollars,
};

/// Bytes of code in a fold. Two folds and an answer of a few screens fit on one card.
const MAX_FOLD_CODE_BYTES: usize = 5 << 10;
/// Lines of one diff.
const MAX_DIFF_LINES: usize = 40;
/// Bytes from the start of a command.
const MAX_COMMAND_BYTES: usize = 300;
/// Bytes from the end of a command's output.
const MAX_OUTPUT_BYTES: usize = 700;

/// The folds of a turn that has ended.
pub(super) fn folds(context: &TurnContext, done: &FinishedTurn) -> Vec<Block> {
    edits(context, done).into_iter().chain(commands(context, done)).collect()
}

/// The changes to files. A plan is not one: Claude Code keeps plans in a folder of its own.
fn changes<'d>(context: &TurnContext, done: &'d FinishedTurn) -> Vec<&'d FileChange> {
    let is_plan = |change: &FileChange| {
        let path = Path::new(&change.path);
        let folder = path.parent().and_then(Path::file_name);
        folder.is_some_and(|folder| folder == "plans") && !path.starts_with(context.project)
    };
    let all = done.tools.iter().filter_map(|tool| tool.end.as_ref()?.1.file.as_ref());
    all.filter(|change| !is_plan(change)).collect()
}

fn edits(context: &TurnContext, done: &FinishedTurn) -> Option<Block> {
    let changes = changes(context, done);
    if changes.is_empty() {
        return None;
    }
    let added = changes.iter().map(|change| change.added).sum();
    let removed = changes.iter().map(|change| change.removed).sum();
    let mut blocks = Vec::new();
    let mut left = MAX_FOLD_CODE_BYTES;
    let mut shown = 0;
    for change in &changes {
        let diff = diff(change);
        if shown > 0 && diff.len() > left {
            break;
        }
        left = left.saturating_sub(diff.len());
        shown += 1;
        let path = Path::new(&change.path);
        let path = path.strip_prefix(context.project).unwrap_or(path).display();
        blocks.push(Block::text(format!("{path} +{} −{}", change.added, change.removed)));
        if !diff.is_empty() {
            blocks.push(Block::code("diff", diff));
        }
    }
    blocks.extend(left_out(context, changes.len() - shown));
    Some(Block::Fold { title: context.words.edits_title(changes.len(), added, removed), blocks })
}

/// A change as a unified diff of at most [`MAX_FOLD_CODE_BYTES`] bytes.
fn diff(change: &FileChange) -> String {
    let mut diff = String::new();
    let mut lines = 0;
    let mut cut = change.cut;
    for hunk in &change.hunks {
        if lines >= MAX_DIFF_LINES {
            cut = true;
            break;
        }
        diff.push_str(&format!("@@ -{} +{} @@\n", hunk.old_start, hunk.new_start));
        for line in &hunk.lines {
            lines += 1;
            if lines > MAX_DIFF_LINES {
                cut = true;
                break;
            }
            diff.push_str(line);
            diff.push('\n');
        }
    }
    let (part, whole) = opening(&diff, MAX_FOLD_CODE_BYTES);
    let (length, cut) = (part.len(), cut || !whole);
    diff.truncate(length);
    if cut {
        diff.push('…');
    }
    diff
}

fn commands(context: &TurnContext, done: &FinishedTurn) -> Option<Block> {
    let ran = |tool: &&ToolUse| tool.name == "Bash" && tool.end.is_some();
    let commands: Vec<&ToolUse> = done.tools.iter().filter(ran).collect();
    if commands.is_empty() {
        return None;
    }
    let failed = commands.iter().filter(|tool| tool.is_error == Some(true)).count();
    // The last commands say most about the result.
    let mut left = MAX_FOLD_CODE_BYTES;
    let mut shown = Vec::new();
    for tool in commands.iter().rev() {
        let text = command(context, tool);
        if text.len() > left {
            break;
        }
        left -= text.len();
        shown.push(Block::code("", text));
    }
    let mut blocks: Vec<Block> = left_out(context, commands.len() - shown.len()).into_iter().collect();
    blocks.extend(shown.into_iter().rev());
    Some(Block::Fold { title: context.words.commands_title(commands.len(), failed), blocks })
}

/// A command with its result and the end of its output.
fn command(context: &TurnContext, tool: &ToolUse) -> String {
    let command = tool.input["command"].as_str().unwrap_or_default();
    let (command, whole) = opening(command, MAX_COMMAND_BYTES);
    let sign = if tool.is_error == Some(true) { "✗" } else { "✓" };
    let mut text = format!("{sign} $ {command}{}", if whole { "" } else { "…" });
    let end = tool.end.as_ref().map(|(_, end)| end);
    let output = end.map_or("", |end| end.output.trim_end());
    let saved = end.and_then(|end| end.saved.as_ref());
    if let Some(SavedOutput { path, size }) = saved {
        let (shown, _) = opening(output, MAX_OUTPUT_BYTES);
        let note = context.words.output_saved(size, path);
        text.push_str(&format!("\n{shown}\n{note}"));
    } else if !output.is_empty() {
        let shown = ending(output, MAX_OUTPUT_BYTES);
        let cut = shown.len() < output.len() || end.is_some_and(|end| end.cut);
        text.push_str(if cut { "\n…\n" } else { "\n" });
        text.push_str(shown);
    }
    text
}

fn left_out(context: &TurnContext, more: usize) -> Option<Block> {
    (more > 0).then(|| Block::small(context.words.more_left_out(more)))
}

/// The project, the session, the model, and what the turn took and cost, in one line.
pub(super) fn small_print(context: &TurnContext, done: &FinishedTurn) -> String {
    let words = context.words;
    let changes = changes(context, done);
    let files: BTreeSet<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    let added = changes.iter().map(|change| change.added).sum();
    let removed = changes.iter().map(|change| change.removed).sum();
    let gauges = &done.gauges;
    let parts = [
        Some(context.project_name()),
        Some(context.conv_id.to_string()),
        gauges.model.as_deref().map(|model| one_line(model, 60)),
        Some(words.took(done.took)),
        done.cost_usd.and_then(dollars),
        gauges.context.map(|tokens| words.context_used(tokens, gauges.window)),
        (!files.is_empty()).then(|| words.files_changed(files.len(), added, removed)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
