//! Turns and requests for the tests of this module, and documents as text.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::*;
use crate::claude::wire::{
    Assistant, ContentBlock as Said, FileChange, Hunk, PermissionRequest, PermissionRule, ToolEnd,
};
use crate::language::Language;
use crate::mail::Recipient;
use crate::render::document::{Block, Button, Document, Field, LongAnswers};
use crate::render::ladder::assert_accepted;
use crate::session::turn::{
    FinishedTurn, OpenRequest, Prompt, ReplyTarget, SessionGauges, ToolUse, Turn, TurnOutcome,
};

pub(super) const PROJECT: &str = "/home/ann/shop";
pub(super) const LOG: &str = "/home/ann/shop/.phonework/c-1.jsonl";

pub(super) fn now() -> Zoned {
    "2026-11-22T11:44:00Z".parse::<Timestamp>().unwrap().to_zoned(TimeZone::fixed(jiff::tz::offset(8)))
}

/// Calls `make` with the context of a private chat in English.
pub(super) fn in_english<T>(make: impl FnOnce(&TurnContext) -> T) -> T {
    let (conv_id, now) = (ConvId::from("c-1"), now());
    let words = Words(Language::En);
    let (turn, project) = (Uuid::from_u128(7), Path::new(PROJECT));
    make(&TurnContext { conv_id: &conv_id, turn, project, group: false, words, now: &now })
}

/// A document for a private chat as text, in English and in Chinese. Checks that Feishu accepts it.
pub(super) fn told(make: impl Fn(&TurnContext) -> Document) -> String {
    let [en, zh] = [Language::En, Language::Zh].map(|language| {
        let (conv_id, now) = (ConvId::from("c-1"), now());
        let words = Words(language);
        let project = Path::new(PROJECT);
        let turn = Uuid::from_u128(7);
        let document =
            make(&TurnContext { conv_id: &conv_id, turn, project, group: false, words, now: &now });
        assert_accepted(&document, words);
        read(&document)
    });
    format!("{en}\n\n————\n\n{zh}")
}

/// The texts of several cases, each below its name.
pub(super) fn each<T>(
    cases: impl IntoIterator<Item = (&'static str, T)>,
    tell: impl Fn(T) -> String,
) -> String {
    let told: Vec<_> = cases.into_iter().map(|(name, case)| format!("════ {name}\n{}", tell(case))).collect();
    told.join("\n\n")
}

/// A document as lines of text.
pub(super) fn read(document: &Document) -> String {
    let mut lines = Vec::new();
    lines.extend(document.heading.as_ref().map(|heading| format!("# [{:?}] {}", heading.tone, heading.text)));
    lines.extend(document.preview.as_ref().map(|preview| format!("preview: {preview}")));
    lines.extend(document.name.as_ref().map(|name| format!("file: {name}")));
    document.blocks.iter().for_each(|block| read_block(block, &mut lines));
    lines.join("\n")
}

fn read_block(block: &Block, lines: &mut Vec<String>) {
    let button = |button: &Button| {
        let confirm = button.confirm.as_ref().map(|ask| format!(" ({ask})")).unwrap_or_default();
        let act = serde_json::to_value(&button.action).unwrap();
        let detail = [&act["choice"], &act["option"]].into_iter().find(|value| !value.is_null());
        let detail = detail.map(|value| format!(":{value}")).unwrap_or_default();
        format!("[{} {:?} {}{detail}{confirm}]", button.label, button.style, act["do"].as_str().unwrap())
    };
    let buttons = |buttons: &[Button]| buttons.iter().map(button).collect::<Vec<_>>().join(" ");
    match block {
        Block::Markdown { text } => lines.push(format!("markdown: {text}")),
        Block::Stream { text } => lines.push(format!("stream: {text}")),
        Block::Text { text } => lines.push(format!("text: {text}")),
        Block::Small { text } => lines.push(format!("small: {text}")),
        Block::Code { language, text } => lines.push(format!("code {language}: {text}")),
        Block::Fold { title, blocks } => {
            lines.push(format!("▸ {title}"));
            let mut inside = Vec::new();
            blocks.iter().for_each(|block| read_block(block, &mut inside));
            lines.extend(inside.join("\n").lines().map(|line| format!("    {line}")));
        }
        Block::Rule => lines.push("———".to_owned()),
        Block::Row { text, small, buttons: with } => {
            lines.push(format!("row: {text} / {} {}", small.as_deref().unwrap_or_default(), buttons(with)));
        }
        Block::Buttons { buttons: with } => lines.push(buttons(with)),
        Block::Form { fields, buttons: with } => {
            lines.push("form:".to_owned());
            lines.extend(fields.iter().map(|field| match field {
                Field::Choice { name, placeholder, options, many } => {
                    format!("    {name}: {placeholder} {options:?} many: {many}")
                }
                Field::Input { name, placeholder } => format!("    {name}: {placeholder}"),
                Field::Label { text } => text.lines().map(|line| format!("    {line}\n")).collect(),
            }));
            lines.push(format!("    {}", buttons(with)));
        }
        Block::TypedHint { text } => lines.push(format!("typed: {text}")),
    }
}

pub(super) fn prompt() -> Prompt {
    Prompt {
        turn_id: Uuid::from_u128(7),
        mail: 1,
        text: "Mend the build".to_owned(),
        chat_id: "oc_1".into(),
        reply: ReplyTarget { to: Recipient::Chat("oc_1".into()), under: None },
        long: LongAnswers::Parts,
    }
}

pub(super) fn done(outcome: TurnOutcome) -> FinishedTurn {
    FinishedTurn {
        id: Uuid::from_u128(7),
        prompt: Some(prompt()),
        text: "It is **done**.\n\nAll tests pass.".to_owned(),
        outcome,
        took: Duration::from_millis(83_400),
        cost_usd: Some(0.0421),
        tools: Vec::new(),
        approvals: Vec::new(),
        gauges: SessionGauges {
            model: Some("claude-opus-5-5".to_owned()),
            mode: None,
            context: Some(45_200),
            window: Some(200_000),
        },
    }
}

pub(super) fn used(
    name: &str,
    input: Value,
    is_error: bool,
    output: &str,
    file: Option<FileChange>,
) -> ToolUse {
    let end =
        ToolEnd { tool_use_id: "t".into(), is_error, output: output.into(), cut: false, saved: None, file };
    ToolUse {
        id: "t".into(),
        name: name.into(),
        input,
        subagent: false,
        is_error: Some(is_error),
        after: Duration::from_secs(1),
        end: Some((Duration::from_secs(2), end)),
    }
}

pub(super) fn change(path: &str, lines: &[&str]) -> FileChange {
    let count = |sign: char| lines.iter().filter(|line| line.starts_with(sign)).count();
    let hunk =
        Hunk { old_start: 3, new_start: 3, lines: lines.iter().map(|&line| line.to_owned()).collect() };
    FileChange {
        path: path.to_owned(),
        created: false,
        added: count('+'),
        removed: count('-'),
        hunks: vec![hunk],
        cut: false,
    }
}

pub(super) fn asked(request: PermissionRequest) -> OpenRequest {
    let mut turn = Turn::new(Some(prompt()), Duration::from_secs(300), Instant::now());
    turn.add_message(
        Assistant { blocks: vec![Said::Text("1. Read\n2. Write".to_owned())], ..Assistant::default() },
        Instant::now(),
    );
    turn.ask(request, Duration::from_secs(600), Instant::now())
}

pub(super) fn bash() -> OpenRequest {
    asked(PermissionRequest {
        request_id: "r".to_owned(),
        tool: "Bash".to_owned(),
        input: json!({"command": "npm test -- --watch=false\nrm -rf build"}),
        rules: vec![PermissionRule { tool: "Bash".to_owned(), content: Some("npm test *".to_owned()) }],
        edits: true,
        reason: Some("It is not on the list.".to_owned()),
        ..PermissionRequest::default()
    })
}
