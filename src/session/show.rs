//! What people see of a session's turns, and of what Claude asks in them: as documents. Pure.
//!
//! Every document is made from what is shown in it, never from the whole of a turn: one of 500 tool calls and megabytes
//! of text costs no more than a short one. What a document becomes on the way to Feishu is `render::ladder`'s.

pub mod approval;
pub mod ended;
pub mod pace;
pub mod plan;
pub mod question;
pub mod request;
pub mod running;
pub mod work;

use std::path::Path;

use jiff::Zoned;
use uuid::Uuid;

use crate::{ids::ConvId, words::Words};

/// Whose documents they are.
#[derive(Clone, Copy, Debug)]
pub struct TurnContext<'a> {
    /// The session.
    pub conv_id: &'a ConvId,
    /// The turn; of one that nobody asked for, the id that it was given.
    pub turn: Uuid,
    /// The project's directory.
    pub project: &'a Path,
    /// Whether the chat is a group.
    pub group: bool,
    /// For what the bot itself says.
    pub words: Words,
    /// Now, in the zone in which times are told.
    pub now: &'a Zoned,
}

impl TurnContext<'_> {
    /// The project's name, in one line.
    #[must_use]
    pub fn project_name(&self) -> String {
        let name = self.project.file_name().unwrap_or(self.project.as_os_str());
        one_line(&name.to_string_lossy(), NAME)
    }

    /// A time as a clock shows it, with the day if it is another one.
    fn clock(&self, time: &Zoned) -> String {
        let format = if time.date() == self.now.date() { "%H:%M" } else { "%m-%d %H:%M" };
        time.strftime(format).to_string()
    }
}

/// A name in a heading is cut after so many characters.
const NAME: usize = 60;

/// The beginning of a text in one line of `most` characters at most; of what follows nothing is read.
fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for c in word.chars() {
            // What would turn the reading direction or ring a bell is nothing to show in a heading.
            let shown = if c.is_control() || is_invisible(c) { ' ' } else { c };
            if length + 1 >= most {
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

/// The end of a text, `most` bytes of it at most, from the beginning of a line where there is one near.
fn ending(text: &str, most: usize) -> &str {
    let Some(mut from) = text.len().checked_sub(most).filter(|&from| from > 0) else { return text };
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let rest = &text[from..];
    match rest.find('\n') {
        Some(newline) if newline < rest.len() / 2 => &rest[newline + 1..],
        Some(_) | None => rest,
    }
}

/// The beginning of a text, `most` bytes of it at most, to the end of a line where there is one near; whether that is
/// all of it.
fn opening(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, true);
    }
    let mut to = most;
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    let part = &text[..to];
    let to = part.rfind('\n').filter(|&newline| newline > to / 2).unwrap_or(to);
    (&part[..to], false)
}

#[cfg(test)]
mod tests;
