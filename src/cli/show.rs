//! Turns the daemon's replies into text for operators. Pure.
//!
//! Text that a chat user, a repository or Claude may have written passes through [`plain`] or [`block`], so that it cannot
//! move the cursor, change colours or hide anything on the terminal.

mod health;
mod people;
mod prometheus;
mod sessions;
mod table;
mod tail_entry;

use jiff::Timestamp;
use serde::Serialize;
use unicode_width::UnicodeWidthChar as _;

pub(crate) use self::health::health;
pub(crate) use self::people::people;
pub(crate) use self::prometheus::{absent, prometheus};
pub(crate) use self::sessions::sessions;
pub(crate) use self::table::{Cell, Column, TruncatedEnd, table};
pub(crate) use self::tail_entry::tail_entry;

/// The role of a piece of text, which decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// Ordinary text, in the terminal's own colour.
    #[default]
    Plain,
    /// What the reader looks for first.
    Strong,
    /// Less important text, dimmed.
    Faint,
    /// Good news, in green.
    Good,
    /// Something worth a look, in yellow.
    Notable,
    /// Something does not work.
    Bad,
}

/// Whether styles become colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Styles become colours.
    On,
    /// Text stays plain.
    Off,
}

impl Colour {
    /// The text with the escape codes of its style.
    #[must_use]
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Notable => "33",
            Style::Bad => "1;31",
        };
        match self {
            Self::On if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::On | Self::Off => text.to_owned(),
        }
    }
}

/// Whether the character is safe on a terminal: not a control character (C1 ones included), and nothing that changes the
/// direction of text, separates lines or is invisible.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text on one line, with unsafe characters escaped.
#[must_use]
pub(crate) fn plain(text: &str) -> String {
    if text.chars().all(is_harmless) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match c {
            '\n' | '\r' | '\t' => shown.extend(c.escape_default()),
            _ if is_harmless(c) => shown.push(c),
            _ => shown.extend(c.escape_unicode()),
        }
        shown
    })
}

/// Text of several lines, each indented by four columns. Tabs stay; otherwise as in [`plain`].
#[must_use]
pub(crate) fn block(text: &str) -> Vec<String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n')
        .map(|line| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let line = line.split('\t').map(plain).collect::<Vec<_>>().join("\t");
            if line.is_empty() { line } else { format!("    {line}") }
        })
        .collect()
}

/// JSON on one line that is safe on a terminal: what [`plain`] would escape is written as `\uXXXX`, which means the same
/// in JSON.
///
/// # Errors
/// When the value cannot be put into JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    use std::fmt::Write as _;

    let text = serde_json::to_string(value)?;
    if text.chars().all(is_harmless) {
        return Ok(text);
    }
    Ok(text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if is_harmless(c) {
            shown.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
        shown
    }))
}

/// The time between two moments in its largest unit: `5s`, `3m`, `2h`, `9d`. It is `0s` if `then` is later than `now`.
#[must_use]
pub(crate) fn between(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The duration of a turn or a call: `12ms`, `1.5s`, `2m 05s`.
#[must_use]
pub(crate) fn took(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        1000..60_000 => format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{}m {:02}s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

/// An amount of memory: `640 kB`, `8.4 MB`, `1.2 GB`.
#[must_use]
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

/// Number of terminal columns that the text takes. Chinese characters take two.
#[must_use]
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) use super::tail_entry::tests::entry;

    #[test]
    fn nothing_that_steers_a_terminal_is_shown() {
        assert_eq!(
            plain("a\x1b[31mb\u{9b}2J\x7f\r\n\t修\u{202e}"),
            r"a\u{1b}[31mb\u{9b}2J\u{7f}\r\n\t修\u{202e}"
        );
        assert_eq!(
            block("one\r\n\ttwo\x1b]0;x\x07\n\nthree\n"),
            ["    one", "    \ttwo\\u{1b}]0;x\\u{7}", "", "    three"]
        );
        for c in (0..=0x10ffff).filter_map(char::from_u32).filter(|c| c.is_control()) {
            let shown = plain(&c.to_string()) + &block(&c.to_string()).concat();
            assert!(!shown.contains(|c: char| c.is_control() && c != '\t'), "{c:?}");
        }
    }

    #[test]
    fn json_holds_no_control_character_and_means_the_same() {
        let value = "\x1b[2J\u{9b}\u{7f}\u{202e}\u{e0041}修\n\"";
        let shown = json(&value).unwrap();
        assert_eq!(shown, r#""\u001b[2J\u009b\u007f\u202e\udb40\udc41修\n\"""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), value);
    }

    #[test]
    fn times_and_sizes_are_short() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let ago = |seconds: i64| between(Timestamp::from_second(1_000_000_000 - seconds).unwrap(), now);
        assert_eq!(
            [-5, 0, 59, 60, 3599, 3600, 86_399, 86_400, 8_640_000].map(ago),
            ["0s", "0s", "59s", "1m", "59m", "1h", "23h", "1d", "100d"]
        );
        assert_eq!(
            [7, 1_540, 59_999, 60_000, 3_725_000].map(took),
            ["7ms", "1.5s", "59.9s", "1m 00s", "62m 05s"]
        );
        assert_eq!([1, 640_000, 8_412_000, 1_250_000_000].map(size), ["0 kB", "640 kB", "8.4 MB", "1.2 GB"]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!((width("shop"), width("商店"), width("é"), width("e\u{301}")), (4, 4, 1, 1));
    }

    #[test]
    fn without_colours_text_is_text() {
        assert_eq!(Colour::Off.paint(Style::Bad, "x"), "x");
        assert_eq!(Colour::On.paint(Style::Bad, "x"), "\x1b[1;31mx\x1b[0m");
        assert_eq!(Colour::On.paint(Style::Plain, "x"), "x");
    }
}
