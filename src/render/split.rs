//! Splitting a long text into messages that Feishu accepts. Pure.
//!
//! What holds for every text and limit:
//! - The bodies of the parts, joined, give the text back.
//! - No part is longer than the limit, including its header and added fences.
//! - A line that fits into a part is not cut.
//! - A code block that continues in the next part is closed and opened again with the same fence and language.
//! - The work is linear in the length of the text.
//!
//! Lengths are counted in characters (Unicode scalar values).

use std::fmt;

use super::fence::{Fence, fence_line};
use crate::graphemes;

/// Characters of a message, unless another limit is given.
pub const DEFAULT_LIMIT: usize = 4_000;

/// The smallest limit. A smaller one is raised to this, as the header and fences need some room.
pub const MIN_LIMIT: usize = 64;

/// One message: `header`, `open`, `body` and `close`, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextPart<'a> {
    /// `[2/3]` and a newline, or nothing if there is only one part.
    pub header: String,
    /// The line that opens the fence again, with its newline, or nothing.
    pub open: String,
    /// A part of the text, unchanged.
    pub body: &'a str,
    /// The line that closes a fence which continues in the next part, or nothing.
    pub close: String,
}

impl fmt::Display for TextPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}{}", self.header, self.open, self.body, self.close)
    }
}

/// Splits a text into messages. An empty text gives none.
#[must_use]
pub fn split(text: &str, limit: usize) -> Vec<String> {
    parts(text, limit).iter().map(ToString::to_string).collect()
}

/// Splits a text into parts that keep the text apart from what is added to it. A text within `limit` is one part,
/// unchanged.
#[must_use]
pub fn parts(text: &str, limit: usize) -> Vec<TextPart<'_>> {
    let limit = limit.max(MIN_LIMIT);
    if text.is_empty() {
        return Vec::new();
    }
    if text.chars().nth(limit).is_none() {
        return vec![TextPart {
            header: String::new(),
            open: String::new(),
            body: text,
            close: String::new(),
        }];
    }
    // The width of the headers depends on the number of parts. Start with the fewest digits possible and add one until
    // the result fits.
    let mut digits = text.chars().count().div_ceil(limit).to_string().len();
    loop {
        let mut parts = TextCutter::new(text, limit - "[/]\n".len() - 2 * digits).cut_all();
        let total = parts.len();
        if total.to_string().len() <= digits {
            for (at, part) in parts.iter_mut().enumerate() {
                part.header = format!("[{}/{total}]\n", at + 1);
            }
            return parts;
        }
        digits += 1;
    }
}

/// Goes through the lines and fills one part after the other.
struct TextCutter<'a> {
    text: &'a str,
    /// Characters of a part without its header.
    room: usize,
    done: Vec<TextPart<'a>>,
    /// The current part: `open` and the bytes `start..end` of the text, together `used` characters.
    start: usize,
    end: usize,
    open: String,
    used: usize,
    /// The fence that is open at `end`, if any.
    fence: Option<Fence>,
    /// Start and length in characters of the line that opened the fence, while it is the last line of the part.
    opening: Option<(usize, usize)>,
}

impl<'a> TextCutter<'a> {
    fn new(text: &'a str, room: usize) -> Self {
        Self {
            text,
            room,
            done: Vec::new(),
            start: 0,
            end: 0,
            open: String::new(),
            used: 0,
            fence: None,
            opening: None,
        }
    }

    fn cut_all(mut self) -> Vec<TextPart<'a>> {
        for line in self.text.split_inclusive('\n') {
            self.line(line);
        }
        self.cut();
        self.done
    }

    fn line(&mut self, line: &str) {
        let chars = line.chars().count();
        let (after, is_fence) = match &self.fence {
            Some(fence) if fence.is_closed_by(line) => (None, true),
            Some(fence) => (Some(fence.clone()), false),
            None => {
                let opened = Fence::opened_by(line, self.room);
                let is_fence = opened.is_some();
                (opened, is_fence)
            }
        };
        let reserve = after.as_ref().map_or(0, Fence::closing_bytes);
        let opens = is_fence && after.is_some();

        if self.used + chars + reserve > self.room {
            let again = self.fence.as_ref().map_or(0, |fence| fence.open.chars().count());
            if is_fence || again + chars + reserve <= self.room {
                self.cut_before(chars + reserve);
            }
        }
        self.fence = after;
        if self.used + chars + reserve > self.room {
            self.chop(line, reserve);
            return;
        }
        self.opening = opens.then_some((self.end, chars));
        self.take(line.len(), chars);
    }

    fn take(&mut self, bytes: usize, chars: usize) {
        self.end += bytes;
        self.used += chars;
    }

    /// Ends the part before a line that needs `next` characters. If the last line has just opened a fence, it moves to the
    /// next part together with its code, provided both fit.
    fn cut_before(&mut self, next: usize) {
        match self.opening.take() {
            Some((at, chars)) if at > self.start && chars + next <= self.room => {
                self.finish(at, String::new());
                self.used = chars;
            }
            _ => self.cut(),
        }
    }

    /// Ends the current part, unless it is empty.
    fn cut(&mut self) {
        self.opening = None;
        if self.start == self.end {
            return;
        }
        let close = self.fence.as_ref().map_or_else(String::new, |fence| {
            let newline = if self.text[..self.end].ends_with('\n') { "" } else { "\n" };
            format!("{newline}{}", fence.close)
        });
        self.finish(self.end, close);
        self.open = self.fence.as_ref().map_or_else(String::new, |fence| fence.open.clone());
        self.used = self.open.chars().count();
    }

    fn finish(&mut self, at: usize, close: String) {
        let body = &self.text[self.start..at];
        self.done.push(TextPart { header: String::new(), open: std::mem::take(&mut self.open), body, close });
        self.start = at;
    }

    /// Cuts a line that is too long for any part.
    fn chop(&mut self, mut line: &str, reserve: usize) {
        self.opening = None;
        while !line.is_empty() {
            let free = self.room.saturating_sub(self.used + reserve);
            let Some((limit, _)) = line.char_indices().nth(free) else {
                self.take(line.len(), line.chars().count());
                return;
            };
            // A new part is better than a few characters at the end of this one.
            if free < self.room / 8 && self.start < self.end {
                self.cut();
                continue;
            }
            let at = cut_point(line, limit, free);
            self.take(at, line[..at].chars().count());
            line = &line[at..];
            self.cut();
        }
    }
}

/// Characters before the limit among which a cut looks for the boundary of a user-perceived character.
const MAX_CLUSTER_CHARS: usize = 32;

/// Where to cut a line of which `limit` bytes (`chars` characters) fit: after white space or punctuation in the last
/// quarter, or else as late as possible without cutting a user-perceived character.
fn cut_point(line: &str, limit: usize, chars: usize) -> usize {
    let mut latest = None;
    let backwards = line[..limit].char_indices().rev();
    for (back, (start, before)) in backwards.enumerate() {
        let cut = start + before.len_utf8();
        if back > (chars / 4).max(MAX_CLUSTER_CHARS) || back + 1 >= chars {
            break;
        }
        let is_good = back <= chars / 4 && (before.is_whitespace() || "。，、；：！？".contains(before));
        let is_possible = back <= MAX_CLUSTER_CHARS && latest.is_none();
        if (is_good || is_possible) && may_cut(line, cut) {
            if is_good {
                return cut;
            }
            latest = Some(cut);
        }
    }
    latest.unwrap_or(limit)
}

/// Whether a line may be cut at this byte: not inside a user-perceived character, and not so that the remainder looks
/// like a fence.
fn may_cut(line: &str, at: usize) -> bool {
    // Only the first six characters, as the rest may be long.
    let after = &line[at..];
    let head = after.char_indices().nth(6).map_or(after, |(end, _)| &after[..end]);
    fence_line(head).is_none() && graphemes::is_boundary(line, at)
}

#[cfg(test)]
mod tests;
