//! Preparing a text for the parser: cleaning it, and protecting what only looks like Markdown.
//!
//! A character that must not be taken for Markdown is replaced by a stand-in, one of Unicode's noncharacters, which means
//! nothing to the parser. Whatever is read from the text is `restored`. The stand-ins take the place of single
//! characters, so nothing is added to the text except hair spaces.

use std::borrow::Cow;

use super::{HAIR_SPACE, cjk_emphasis, literal};
use crate::render::card::sanitized;
use crate::render::fence::{Fence, fence_line};

/// The characters that can be protected, in the order of their stand-ins.
const PROTECTED: [char; 6] = ['\\', '*', '_', '~', '|', '`'];

/// The stand-in for the first of [`PROTECTED`].
const FIRST_STAND_IN: char = '\u{fdd0}';

/// The text for the parser.
pub(in crate::render) fn prepare(text: &str) -> String {
    // Whatever hair spaces there are afterwards were added here.
    let text = sanitized(text).replace(HAIR_SPACE, "\u{2009}");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if let Some(fence) = Fence::opened_by(content(line), usize::MAX) {
            let block = code_block(&lines[at..], &fence);
            out.push_str(line);
            for line in &lines[at + 1..at + block.lines] {
                out.push_str(&without_fence(line, block.nests));
            }
            out.extend(lines.get(at + block.lines).filter(|_| block.is_closed).copied());
            at += block.lines + usize::from(block.is_closed);
            continue;
        }
        let rows = table_rows(&lines[at..]);
        if rows > 0 {
            for row in &lines[at..at + rows] {
                out.push_str(&literal::protected(&literal::with_pipes_protected(row), true));
            }
            at += rows;
            continue;
        }
        let line = literal::protected(line, false);
        out.push_str(&cjk_emphasis::with_hair_spaces(&line));
        at += 1;
    }
    out
}

/// A part of a prepared text, without stand-ins and without the hair spaces that were added.
pub(in crate::render) fn as_written(text: &str) -> String {
    restored(text).replace(HAIR_SPACE, "")
}

/// Text that was read from a prepared text, without stand-ins.
pub(super) fn restored(text: &str) -> String {
    let original = |character: char| {
        let stand_in = u32::from(character).checked_sub(u32::from(FIRST_STAND_IN));
        let protected = stand_in.and_then(|at| usize::try_from(at).ok()).and_then(|at| PROTECTED.get(at));
        protected.copied().unwrap_or(character)
    };
    text.chars().map(original).collect()
}

/// The stand-in for a character, or the character itself if it cannot be protected.
pub(super) fn stand_in(character: char) -> char {
    let at = PROTECTED.iter().position(|protected| *protected == character);
    let stand_in = at.and_then(|at| u32::try_from(at).ok()).map(|at| u32::from(FIRST_STAND_IN) + at);
    stand_in.and_then(char::from_u32).unwrap_or(character)
}

/// A line without the quote marks and indentation before it.
fn content(line: &str) -> &str {
    line.trim_start_matches([' ', '\t', '>'])
}

/// Levels of code blocks in code blocks. Bounds the work on a text with many fences that are never closed.
const MAX_NESTED_FENCES: usize = 8;

/// A fenced code block.
struct FencedBlock {
    /// Its lines, including the one that opens it but not the one that closes it.
    lines: usize,
    is_closed: bool,
    /// Whether it contains fences of its own, which must not close it.
    nests: bool,
}

/// The code block that the first line opens. In a block with an info string, a fence with an info string opens a nested
/// block, provided that every block is closed in the end: a document in Markdown, for example, which contains code.
fn code_block(lines: &[&str], fence: &Fence) -> FencedBlock {
    let has_info = fence_line(content(lines.first().copied().unwrap_or_default()))
        .is_some_and(|(.., info)| !info.trim().is_empty());
    let (mut depth, mut first_close) = (1_usize, None);
    for (at, line) in lines.iter().enumerate().skip(1) {
        let line = content(line);
        if fence.is_closed_by(line) {
            first_close.get_or_insert(at);
            depth -= 1;
            if depth == 0 {
                return FencedBlock { lines: at, is_closed: true, nests: first_close != Some(at) };
            }
        } else if has_info && fence.is_nested_by(line) {
            depth += 1;
            if depth > MAX_NESTED_FENCES {
                break;
            }
        }
    }
    // Some block stays open: then CommonMark's rule is the better guess.
    let first_close = first_close.or_else(|| {
        let mut lines = lines.iter().enumerate().skip(1);
        lines.find(|(_, line)| fence.is_closed_by(content(line))).map(|(at, _)| at)
    });
    match first_close {
        Some(at) => FencedBlock { lines: at, is_closed: true, nests: false },
        None => FencedBlock { lines: lines.len(), is_closed: false, nests: false },
    }
}

/// A line of code, in which no fence can close the block around it.
fn without_fence(line: &str, nests: bool) -> Cow<'_, str> {
    if nests && fence_line(content(line)).is_some() {
        line.chars().map(|c| if matches!(c, '`' | '~') { stand_in(c) } else { c }).collect::<String>().into()
    } else {
        line.into()
    }
}

/// The number of lines of the table that begins here; 0 if none does.
fn table_rows(lines: &[&str]) -> usize {
    let is_delimiter = |line: &&str| {
        let line = content(line).trim_end();
        line.contains('|')
            && line.contains('-')
            && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ' | '\t'))
    };
    let is_row = |line: &&&str| line.contains('|') && Fence::opened_by(content(line), usize::MAX).is_none();
    match lines {
        [head, delimiter, rows @ ..] if head.contains('|') && is_delimiter(delimiter) => {
            2 + rows.iter().take_while(is_row).count()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hair_spaces_are_added_where_emphasis_needs_them_and_never_in_code() {
        let line = "**注意：**请看**“这”**里\n";
        let text = format!("{line}~~~\n```\n{line}~~~\n`{}`\n**奇。**数**\n", line.trim());
        let spaced = "**注意：**\u{200a}请看\u{200a}**“这”**\u{200a}里\n";
        assert_eq!(prepare(&text), text.replacen(line, spaced, 1));
        assert_eq!(as_written(&prepare(&text)), text);
    }

    proptest::proptest! {
        #[test]
        fn a_prepared_text_can_be_restored(text in "([`~|*_\\\\>a-c字 \n-]|```md\n|```\n|\\PC){0,80}") {
            let clean = sanitized(&text);
            proptest::prop_assert_eq!(as_written(&prepare(&text)), clean.replace(HAIR_SPACE, "\u{2009}"));
        }
    }
}
