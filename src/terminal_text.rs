//! What a program wrote to a terminal, as text that a person can read. Pure.
//!
//! Commands that Claude runs colour their output and redraw progress bars. Here the colours are dropped and a line that
//! was redrawn is kept as it looked in the end.

use unicode_width::UnicodeWidthChar as _;

/// The text as a terminal would show it: escape sequences are dropped, a carriage return goes back to the start of the
/// line so that what follows overwrites it, and a backspace deletes. Other control characters are written as escapes.
#[must_use]
pub(crate) fn readable(text: &str) -> String {
    if !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return text.to_owned();
    }
    let mut screen = Line::default();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        rest = match character {
            '\u{1b}' => escape(after, &mut screen),
            '\u{9b}' => control_sequence(after, &mut screen),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => control_string(after),
            '\r' if after.starts_with('\n') => after,
            '\n' => {
                screen.finish(&mut out);
                out.push('\n');
                after
            }
            '\r' => {
                screen.column = 0;
                after
            }
            '\u{8}' => {
                screen.backspace();
                after
            }
            '\t' => {
                screen.put("\t".to_owned(), 1);
                after
            }
            other if other.is_control() => {
                screen.put(other.escape_unicode().to_string(), 1);
                after
            }
            other => {
                screen.write(other);
                after
            }
        };
    }
    screen.finish(&mut out);
    out
}

/// Columns that are left blank at most when the cursor is beyond the end of the line.
const MAX_GAP_COLUMNS: usize = 1_000;

/// The line that is being written, one cell for each column. A wide character has an empty cell after its own.
#[derive(Default)]
struct Line {
    cells: Vec<String>,
    column: usize,
}

impl Line {
    fn write(&mut self, character: char) {
        match character.width().unwrap_or(0) {
            // A combining character belongs to the cell before it.
            0 => {
                let column = self.column.min(self.cells.len());
                let mut before = self.cells[..column].iter_mut().rev();
                match before.find(|cell| !cell.is_empty()) {
                    Some(cell) => cell.push(character),
                    None => self.put(character.to_string(), 1),
                }
            }
            width => self.put(character.to_string(), width),
        }
    }

    fn put(&mut self, cell: String, width: usize) {
        self.column = self.column.min(self.cells.len() + MAX_GAP_COLUMNS);
        let end = self.column + width;
        if self.cells.len() < self.column {
            self.cells.resize(self.column, " ".to_owned());
        }
        if self.cells.len() < end {
            self.cells.resize(end, String::new());
        }
        self.cells[self.column] = cell;
        self.cells[self.column + 1..end].iter_mut().for_each(String::clear);
        self.column = end;
    }

    /// Deletes the character before the cursor at the end of the line; anywhere else the cursor only moves.
    fn backspace(&mut self) {
        if self.column < self.cells.len() || self.cells.is_empty() {
            self.column = self.column.saturating_sub(1);
            return;
        }
        while self.cells.pop().is_some_and(|cell| cell.is_empty()) {}
        self.column = self.cells.len();
    }

    /// Erases from the cursor to the end of the line (0), from its start to the cursor (1), or all of it (2).
    fn erase(&mut self, part: u32) {
        match part {
            0 => self.cells.truncate(self.column),
            1 if self.column + 1 < self.cells.len() => {
                let erased = (self.column + 1).min(MAX_GAP_COLUMNS);
                self.cells.iter_mut().take(erased).for_each(|cell| " ".clone_into(cell));
            }
            _ => self.cells.clear(),
        }
    }

    fn finish(&mut self, out: &mut String) {
        out.extend(self.cells.drain(..));
        self.column = 0;
    }
}

/// What follows an escape sequence, which begins after its escape character.
fn escape<'a>(rest: &'a str, screen: &mut Line) -> &'a str {
    match rest.chars().next() {
        Some('[') => control_sequence(&rest[1..], screen),
        Some(']' | 'P' | 'X' | '^' | '_') => control_string(&rest[1..]),
        // Intermediate characters and one that ends it.
        Some(' '..='~') => {
            let rest = rest.trim_start_matches(|c| matches!(c, ' '..='/'));
            match rest.chars().next() {
                Some(last @ '0'..='~') => &rest[last.len_utf8()..],
                Some(_) | None => rest,
            }
        }
        Some(_) | None => rest,
    }
}

/// What follows a control sequence: parameters, intermediate characters and the one that says what it does.
fn control_sequence<'a>(rest: &'a str, screen: &mut Line) -> &'a str {
    let parameters = rest.len() - rest.trim_start_matches(|c| matches!(c, '0'..='?')).len();
    let (parameters, rest) = rest.split_at(parameters);
    let rest = rest.trim_start_matches(|c| matches!(c, ' '..='/'));
    let number = || parameters.split(';').next().unwrap_or_default().parse::<u32>().ok();
    let Some(action @ '@'..='~') = rest.chars().next() else { return rest };
    let columns = || usize::try_from(number().unwrap_or(1)).unwrap_or(usize::MAX);
    match action {
        'K' => screen.erase(number().unwrap_or(0)),
        'G' => screen.column = columns().saturating_sub(1).min(screen.cells.len()),
        'D' => screen.column = screen.column.saturating_sub(columns()),
        _ => {}
    }
    &rest[action.len_utf8()..]
}

/// What follows a control string such as a window's title: it ends with BEL or ST, or, if that is missing, with the
/// line.
fn control_string(rest: &str) -> &str {
    for (at, character) in rest.char_indices() {
        match character {
            '\u{7}' | '\u{9c}' => return &rest[at + character.len_utf8()..],
            '\u{1b}' => return rest[at + 1..].strip_prefix('\\').unwrap_or(&rest[at..]),
            '\n' => return &rest[at..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminals_output_is_read_as_it_looked_in_the_end() {
        let cases = [
            ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
            ("\u{1b}[31merror\u{1b}[0m: no", "error: no"),
            ("\u{1b}[1;38;5;196mbold\u{1b}[m \u{1b}[4:3mcurly\u{1b}[0m", "bold curly"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;https://a.example\u{1b}\\link\u{1b}]8;;\u{1b}\\ after", "link after"),
            ("\u{1b}]0;never ended\nnext", "\nnext"),
            ("\u{9b}32mgreen\u{9b}0m", "green"),
            ("\u{1b}(Bascii\u{1b}=keys\u{1b}7", "asciikeys"),
            ("\u{1b}Pq#0;2;0\u{1b}\\sixel", "sixel"),
            (" 10%\r 50%\r100%\ndone", "100%\ndone"),
            ("Downloading 10%\r\u{1b}[KDone\n", "Done\n"),
            ("Downloading\u{1b}[2K\rDone", "Done"),
            ("abcdef\rXY", "XYcdef"),
            ("a\r\nb\r\n", "a\nb\n"),
            ("ab\u{8}c", "ac"),
            ("N\u{8}NA\u{8}A_\u{8}x", "NAx"),
            ("字字\u{8}a", "字a"),
            ("\u{8}\u{8}a", "a"),
            ("bell\u{7} nul\u{0} del\u{7f}", "bell\\u{7} nul\\u{0} del\\u{7f}"),
            ("step 1\u{1b}[1Gstep 2", "step 2"),
            ("e\u{301}\rx", "x"),
            ("cut off \u{1b}[3", "cut off "),
            ("cut off \u{1b}", "cut off "),
            ("\u{1b}[?25lhidden\u{1b}[?25h", "hidden"),
            ("gone\u{1b}[1K", ""),
        ];
        for (text, shown) in cases {
            assert_eq!(readable(text), shown, "{text:?}");
        }
    }

    #[test]
    fn long_output_is_read_in_linear_time() {
        let bar = (0..200_000).map(|n| format!("{n}\r")).collect::<String>();
        assert_eq!(readable(&bar), "199999");
        for hard in ["\u{1b}]".repeat(100_000), "\u{1b}[".repeat(100_000), "a\u{8}".repeat(100_000)] {
            assert!(readable(&hard).len() <= hard.len());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_is_left(text in "([\u{1b}\u{8}\r\n\u{9b}a-c;0-9\\[\\]K字\u{301}]|\\PC){0,60}") {
            proptest::prop_assert!(!readable(&text).contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')));
        }
    }
}
