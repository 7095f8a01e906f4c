//! Emphasis in languages that are written without spaces.
//!
//! In `**注意：**请看` CommonMark sees no emphasis, because the closing mark is between a punctuation mark and a letter.
//! Claude often writes this, so a hair space is added where it makes the mark count.

use std::borrow::Cow;

use super::HAIR_SPACE;

/// The line with hair spaces where emphasis needs them.
pub(super) fn with_hair_spaces(line: &str) -> Cow<'_, str> {
    let marks = if line.contains("**") { marks(line) } else { Vec::new() };
    // With an odd number of marks, it is unclear which belong together.
    if marks.is_empty() || !marks.len().is_multiple_of(2) {
        return Cow::Borrowed(line);
    }
    let mut out = String::new();
    let mut done = 0;
    for (n, at) in marks.into_iter().enumerate() {
        let before = line[..at].chars().next_back();
        let after = line[at + 2..].chars().next();
        let (Some(before), Some(after)) = (before, after) else { continue };
        let begins = n.is_multiple_of(2);
        let (inside, outside) = if begins { (after, before) } else { (before, after) };
        if is_punctuation(inside) && outside.is_alphanumeric() && !(inside.is_ascii() && outside.is_ascii()) {
            let at = if begins { at } else { at + 2 };
            out.push_str(&line[done..at]);
            out.push(HAIR_SPACE);
            done = at;
        }
    }
    out.push_str(&line[done..]);
    Cow::Owned(out)
}

fn is_punctuation(character: char) -> bool {
    !character.is_alphanumeric() && !character.is_whitespace()
}

/// The positions of `**` outside of inline code. None if the line has longer runs of asterisks.
fn marks(line: &str) -> Vec<usize> {
    let bytes = line.as_bytes();
    let mut marks = Vec::new();
    let (mut at, mut code) = (0, false);
    while at < bytes.len() {
        let run = || bytes[at..].iter().take_while(|byte| **byte == bytes[at]).count();
        match bytes[at] {
            b'\\' => at += 2,
            b'`' => {
                code = !code;
                at += run();
            }
            b'*' => {
                let run = run();
                if run > 2 {
                    return Vec::new();
                }
                if run == 2 && !code {
                    marks.push(at);
                }
                at += run;
            }
            _ => at += 1,
        }
    }
    marks
}
