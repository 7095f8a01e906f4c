//! The documents that people see of a session: running turns, answers, and Claude's requests. Pure.
//!
//! A document is made only from the part of a turn that it shows. A turn with 500 tool calls and megabytes of text costs no
//! more than a short one. `render::ladder` decides in which form a document is sent.

pub(crate) mod approval;
pub(crate) mod ended;
pub(crate) mod pace;
pub(crate) mod plan;
pub(crate) mod press;
pub(crate) mod question;
pub(crate) mod request;
pub(crate) mod running;
pub(crate) mod work;

use std::path::Path;

use jiff::Zoned;
use uuid::Uuid;

use crate::{graphemes, ids::ConvId, words::Words};

/// The turn that a document is about, and the chat that it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnContext<'a> {
    /// The session of the turn.
    pub(crate) conv_id: &'a ConvId,
    /// The turn. A turn that Claude started by itself has an id given by the daemon.
    pub(crate) turn: Uuid,
    /// The project's directory.
    pub(crate) project: &'a Path,
    /// Whether the chat is a group chat.
    pub(crate) group: bool,
    /// The sentences, in the language of the chat.
    pub(crate) words: Words,
    /// The current time, in the time zone used in the chat.
    pub(crate) now: &'a Zoned,
}

impl TurnContext<'_> {
    /// The name of the project's directory, in one line.
    #[must_use]
    pub(crate) fn project_name(&self) -> String {
        let name = self.project.file_name().unwrap_or(self.project.as_os_str());
        one_line(&name.to_string_lossy(), MAX_NAME_CHARS)
    }

    /// A time of day, with the date if that is not today.
    fn clock(&self, time: &Zoned) -> String {
        let format = if time.date() == self.now.date() { "%H:%M" } else { "%m-%d %H:%M" };
        time.strftime(format).to_string()
    }
}

/// Characters of a project's name in a heading.
const MAX_NAME_CHARS: usize = 60;

/// The beginning of a text as one line of at most `max_chars` characters. Reads no more of the text than that.
fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for c in word.chars() {
            // Control characters and marks that change the direction of writing do not belong into a heading.
            let shown = if c.is_control() || is_invisible(c) { ' ' } else { c };
            if length + 1 >= max_chars {
                // The character may belong to the one before it.
                let whole = format!("{line}{shown}");
                line.truncate(graphemes::floor(&whole, line.len()));
                line.push('…');
                return line;
            }
            line.push(shown);
            length += 1;
        }
    }
    line
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `max_bytes` bytes from the end of a text, starting at the beginning of a line if one is near.
fn ending(text: &str, max_bytes: usize) -> &str {
    let Some(from) = text.len().checked_sub(max_bytes).filter(|&from| from > 0) else { return text };
    let from = graphemes::ceil(text, from);
    let rest = &text[from..];
    match rest.find('\n') {
        Some(newline) if newline < rest.len() / 2 => &rest[newline + 1..],
        Some(_) | None => rest,
    }
}

/// At most `max_bytes` bytes from the start of a text, up to the end of a line if one is near; and whether that is the
/// whole text.
fn opening(text: &str, max_bytes: usize) -> (&str, bool) {
    if text.len() <= max_bytes {
        return (text, true);
    }
    let to = graphemes::floor(text, max_bytes);
    let part = &text[..to];
    let to = part.rfind('\n').filter(|&newline| newline > to / 2).unwrap_or(to);
    (&part[..to], false)
}

#[cfg(test)]
mod tests;
