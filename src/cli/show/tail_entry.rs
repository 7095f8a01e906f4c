//! An entry of `phonework tail` as text.

use jiff::tz::TimeZone;

use super::{Colour, Style, block, plain, took};
use crate::control::wire::{TailEntry, TailEntryKind};
use crate::terminal_text::readable;

/// The lines of an entry: time, session and headline, then its text, indented.
#[must_use]
pub(crate) fn tail_entry(entry: &TailEntry, zone: &TimeZone, colour: Colour) -> Vec<String> {
    let at = entry.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let (style, what) = headline(entry);
    let altered = if entry.altered { " (from an audit log that was changed)" } else { "" };
    // Missing entries may belong to any session.
    let session = match entry.conv_id.as_str() {
        "" => String::new(),
        conv_id => format!("{} ", colour.paint(Style::Strong, &plain(conv_id))),
    };
    let mut lines = vec![format!(
        "{} {session}{}{}",
        colour.paint(Style::Faint, &at),
        colour.paint(style, &what),
        colour.paint(Style::Bad, altered),
    )];
    lines.extend(text(entry));
    if let Some(bytes) = entry.cut.filter(|bytes| *bytes > 0) {
        lines.push(colour.paint(Style::Faint, &format!("    … {bytes} more bytes are in the audit log")));
    }
    lines
}

fn headline(entry: &TailEntry) -> (Style, String) {
    let tool = || plain(entry.tool.as_deref().unwrap_or("a tool"));
    match entry.kind {
        TailEntryKind::Prompt => (Style::Strong, format!("{} asks", plain(entry.user.as_str()))),
        TailEntryKind::Tool => match entry.failed {
            Some(true) => (Style::Notable, format!("{}, which failed", tool())),
            Some(false) | None => (Style::Plain, tool()),
        },
        TailEntryKind::Approval => {
            let by = entry.by.as_deref().map(|by| format!(" by {}", plain(by))).unwrap_or_default();
            let what = match entry.decision.as_deref() {
                Some(decision) => format!("{} {}{by}", tool(), plain(&decision.replace('_', " "))),
                None => format!("{} needs leave", tool()),
            };
            (Style::Notable, what)
        }
        TailEntryKind::Answer => (Style::Good, "Claude answers".to_owned()),
        TailEntryKind::Over => {
            let outcome = entry.outcome.as_deref().unwrap_or("over");
            let style = if outcome == "answered" { Style::Faint } else { Style::Bad };
            let after = entry.duration_ms.map(|ms| format!(" after {}", took(ms))).unwrap_or_default();
            let cost = entry.cost_usd.map(|cost| format!(", ${cost:.4}")).unwrap_or_default();
            (style, format!("{}{after}{cost}", plain(&outcome.replace('_', " "))))
        }
        TailEntryKind::Missed => {
            let count = entry.count.unwrap_or_default();
            (Style::Bad, format!("{count} entries were left out here, as this program was too slow"))
        }
    }
}

/// The text of an entry. The input of a tool is JSON and is shown field by field.
fn text(entry: &TailEntry) -> Vec<String> {
    let Some(text) = entry.text.as_deref().filter(|text| !text.is_empty()) else { return Vec::new() };
    let of_a_tool = matches!(entry.kind, TailEntryKind::Tool | TailEntryKind::Approval);
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(fields)) if of_a_tool => {
            fields.iter().flat_map(|(name, value)| field(name, value)).collect()
        }
        // Of what a tool was to do, nothing is hidden.
        Ok(_) | Err(_) if of_a_tool => block(text),
        Ok(_) | Err(_) => block(&readable(text)),
    }
}

fn field(name: &str, value: &serde_json::Value) -> Vec<String> {
    match value.as_str() {
        Some(text) if text.contains('\n') => {
            let lines = block(text).into_iter();
            let lines = lines.map(|line| if line.is_empty() { line } else { format!("    {line}") });
            block(&format!("{name}:")).into_iter().chain(lines).collect()
        }
        Some(text) => block(&format!("{name}: {text}")),
        None => block(&format!("{name}: {value}")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An entry of the session `c-k3v9x2mq` without optional fields.
    pub(crate) fn entry(second: i64, turn: &str, kind: TailEntryKind) -> TailEntry {
        let at = jiff::Timestamp::from_second(1_790_000_000 + second).unwrap();
        TailEntry::new(at, "c-k3v9x2mq".into(), "ou_anna".into(), turn.to_owned(), kind)
    }

    #[test]
    fn every_kind_of_entry_reads_well() {
        let text = |text: &str| Some(text.to_owned());
        let entries = [
            TailEntry { text: text("Fix the test,\nplease \x1b[2J"), ..entry(0, "t", TailEntryKind::Prompt) },
            TailEntry {
                tool: text("Bash"),
                text: text(
                    r#"{"command":"cargo test\n\u001b[2J","background":true,"description":"Run tests"}"#,
                ),
                failed: Some(true),
                ..entry(1, "t", TailEntryKind::Tool)
            },
            TailEntry {
                tool: text("Write"),
                text: text(r#"{"file_path": "/srv/shop/a.rs", "conte"#),
                ..entry(1, "t", TailEntryKind::Approval)
            },
            TailEntry {
                tool: text("Write"),
                decision: text("allowed"),
                by: text("ou_anna"),
                ..entry(2, "t", TailEntryKind::Approval)
            },
            TailEntry {
                tool: text("Bash"),
                decision: text("expired"),
                altered: true,
                ..entry(3, "t", TailEntryKind::Approval)
            },
            TailEntry {
                text: text("Done.\n\n\tSee a.rs\n"),
                cut: Some(70_000),
                ..entry(4, "t", TailEntryKind::Answer)
            },
            TailEntry {
                outcome: text("answered"),
                duration_ms: Some(64_000),
                cost_usd: Some(0.03125),
                ..entry(64, "t", TailEntryKind::Over)
            },
            TailEntry {
                outcome: text("timed_out"),
                duration_ms: Some(300_000),
                ..entry(70, "u", TailEntryKind::Over)
            },
            TailEntry { count: Some(12), conv_id: "".into(), ..entry(71, "", TailEntryKind::Missed) },
        ];
        let lines: Vec<String> =
            entries.iter().flat_map(|entry| tail_entry(entry, &TimeZone::UTC, Colour::Off)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        2026-09-21 14:13:20 c-k3v9x2mq ou_anna asks
            Fix the test,
            please 
        2026-09-21 14:13:21 c-k3v9x2mq Bash, which failed
            background: true
            command:
                cargo test
                \u{1b}[2J
            description: Run tests
        2026-09-21 14:13:21 c-k3v9x2mq Write needs leave
            {"file_path": "/srv/shop/a.rs", "conte
        2026-09-21 14:13:22 c-k3v9x2mq Write allowed by ou_anna
        2026-09-21 14:13:23 c-k3v9x2mq Bash expired (from an audit log that was changed)
        2026-09-21 14:13:24 c-k3v9x2mq Claude answers
            Done.

            	See a.rs
            … 70000 more bytes are in the audit log
        2026-09-21 14:14:24 c-k3v9x2mq answered after 1m 04s, $0.0312
        2026-09-21 14:14:30 c-k3v9x2mq timed out after 5m 00s
        2026-09-21 14:14:31 12 entries were left out here, as this program was too slow
        "#);
    }
}
