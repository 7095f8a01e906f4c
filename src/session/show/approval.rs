//! The card that asks whether a tool may be used: all that would run, and the ways to decide. Pure.

use jiff::Zoned;

use super::{
    TurnContext, one_line,
    request::{TOOL, decide},
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

/// So many characters of what Claude says that a command is for.
const PURPOSE: usize = 300;

pub(super) fn asking(
    scene: &TurnContext,
    ask: &OpenRequest,
    until: &Zoned,
    open: usize,
    about: &RequestRef,
) -> Document {
    let (words, request) = (scene.words, &ask.request);
    let mut blocks = what(request);
    blocks.extend(purpose(scene, request));
    if let Some(columns) = permission::out_of_sight(&blocks) {
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
    let button = |label, look, choice| decide(label, look, about, choice);
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
        Block::small(words.decide_until(&scene.clock(until))),
        Block::Buttons { buttons },
        Block::Form {
            fields: vec![Field::Words { name: REASON.to_owned(), placeholder: words.deny_why_hint() }],
            buttons: vec![button(words.deny_why_button(), ButtonStyle::Plain, Verdict::DenyWhy)],
        },
        Block::typed(if ask.is_allowable() {
            words.how_to_decide(&further, open)
        } else {
            words.how_to_deny()
        }),
    ]);
    let head = words.asks_for(&one_line(&request.tool, TOOL), &scene.project_name());
    let preview = preview(request);
    Document { preview: Some(preview), ..Document::new(blocks).headed(Tone::Asking, head) }
}

/// All that would run.
pub(super) fn what(request: &PermissionRequest) -> Vec<Block> {
    permission::blocks(&request.tool, &request.input)
}

/// What Claude says that a command is for: in a line of its own, so that it is taken for nothing else.
fn purpose(scene: &TurnContext, request: &PermissionRequest) -> Option<Block> {
    let said = permission::purpose(&request.tool, &request.input)?;
    Some(Block::small(scene.words.claude_says(&one_line(&visible(said), PURPOSE))))
}

fn preview(request: &PermissionRequest) -> String {
    let what = ["command", "file_path", "url"].iter().find_map(|field| request.input[field].as_str());
    let what = what.map(|what| format!(": {}", one_line(what, 60))).unwrap_or_default();
    format!("🔐 {}{what}", one_line(&request.tool, TOOL))
}
