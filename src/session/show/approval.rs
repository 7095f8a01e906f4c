//! The card of a permission request: everything that would run, and the ways to decide. Pure.

use jiff::Zoned;

use super::{
    TurnContext, one_line,
    request::{MAX_TOOL_CHARS, decide},
};
use crate::{
    card_action::{REASON, RequestRef, Verdict},
    claude::wire::PermissionRequest,
    render::{
        document::{Block, ButtonStyle, Document, Field, Tone},
        permission::{self, visible},
    },
    session::turn::OpenRequest,
};

/// Characters of Claude's description of a command.
const MAX_PURPOSE_CHARS: usize = 300;

pub(super) fn asking(
    context: &TurnContext,
    ask: &OpenRequest,
    until: &Zoned,
    open: usize,
    about: &RequestRef,
) -> Document {
    let (words, request) = (context.words, &ask.permission);
    let mut blocks = what(request);
    blocks.extend(purpose(context, request));
    if let Some(columns) = permission::columns_out_of_sight(&blocks) {
        blocks.push(Block::small(words.goes_on_sideways(columns)));
    }
    if let Some(why) = &request.reason {
        blocks.push(Block::small(words.why_asked(&visible(why))));
    }
    if let Some(path) = &request.blocked_path {
        blocks.push(Block::small(words.concerns(&visible(path))));
    }
    if request.subagent {
        blocks.push(Block::small(words.asked_by_subagent()));
    }
    let button = |label, style, verdict| decide(label, style, about, verdict);
    let (mut buttons, mut further) = (Vec::new(), Vec::new());
    if ask.is_allowable() {
        buttons.push(button(words.allow_button(), ButtonStyle::Primary, Verdict::Allow));
    } else {
        blocks.push(Block::text(words.too_much_to_allow()));
    }
    if !request.rules.is_empty() && ask.is_allowable() {
        let rules: Vec<String> = request.rules.iter().map(ToString::to_string).collect();
        blocks.push(Block::small(words.rule(&visible(&rules.join(", ")))));
        buttons.push(button(words.allow_rule_button(), ButtonStyle::Plain, Verdict::AllowRule));
        further.push("always");
    }
    if ask.takes_edits() && ask.is_allowable() {
        blocks.push(Block::small(words.edits_mean()));
        buttons.push(button(words.allow_edits_button(), ButtonStyle::Plain, Verdict::AllowEdits));
        further.push("edits");
    }
    buttons.push(button(words.deny_button(), ButtonStyle::Danger, Verdict::Deny));
    blocks.extend([
        Block::small(words.decide_until(&context.clock(until))),
        Block::Buttons { buttons },
        Block::Form {
            fields: vec![Field::Input { name: REASON.to_owned(), placeholder: words.deny_why_hint() }],
            buttons: vec![button(words.deny_why_button(), ButtonStyle::Plain, Verdict::DenyWhy)],
        },
        Block::typed_hint(if ask.is_allowable() {
            words.decide_typed(&further, open)
        } else {
            words.deny_typed()
        }),
    ]);
    let head = words.asks_for(&one_line(&request.tool, MAX_TOOL_CHARS), &context.project_name());
    let preview = preview(request);
    Document { preview: Some(preview), ..Document::new(blocks).headed(Tone::Asking, head) }
}

/// Everything that would run.
pub(super) fn what(request: &PermissionRequest) -> Vec<Block> {
    permission::blocks(&request.tool, &request.input)
}

/// Claude's description of a command, on one line, so that nobody takes part of it for something else.
fn purpose(context: &TurnContext, request: &PermissionRequest) -> Option<Block> {
    let purpose = permission::purpose(&request.tool, &request.input)?;
    Some(Block::small(context.words.claude_says(&one_line(&visible(purpose), MAX_PURPOSE_CHARS))))
}

/// The text for the list of chats: the tool and what it works on.
fn preview(request: &PermissionRequest) -> String {
    let what = ["command", "file_path", "url"].iter().find_map(|field| request.input[field].as_str());
    let what = what.map(|what| format!(": {}", one_line(what, 60))).unwrap_or_default();
    format!("🔐 {}{what}", one_line(&request.tool, MAX_TOOL_CHARS))
}
