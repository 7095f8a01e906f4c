//! Pieces in Feishu's dialect.

use super::languages::fence;
use super::{Emphasis, HAIR, InlineToken, MarkdownPiece, Nesting, PieceKind, fenced};

/// Pieces one below the other.
pub(in crate::render) fn write(pieces: &[MarkdownPiece]) -> String {
    let mut out = String::new();
    // Where the last line stands, if it belongs to a list; and how deep the list begins.
    let mut before: Option<&Nesting> = None;
    let mut in_list = false;
    let mut base = 0;
    for piece in pieces {
        let place = &piece.place;
        let same = |a: Option<(usize, usize)>, b: Option<(usize, usize)>| {
            a.map(|(number, _)| number) == b.map(|(number, _)| number)
        };
        let in_same_quote = before.is_some_and(|before| same(before.quote, place.quote));
        let goes_on = in_list
            && in_same_quote
            && place.list.is_some()
            && before.is_some_and(|before| same(before.list, place.list));
        let quote = "> ".repeat(place.quote.map_or(0, |(_, depth)| depth));
        if before.is_some() {
            out.push_str(match (goes_on, &place.marker) {
                (true, Some(_)) => "\n",
                (true, None) => "  \n",
                (false, _) => "\n",
            });
            if !goes_on {
                if in_same_quote {
                    out.push_str(quote.trim_end());
                }
                out.push('\n');
            }
        }
        let depth = place.list.map_or(0, |(_, depth)| depth);
        base = if goes_on { base.min(depth) } else { depth };
        in_list = goes_on || place.marker.is_some();
        let mut indent = " ".repeat(4 * (depth - base));
        if goes_on && place.marker.is_none() {
            indent.push_str("    ");
        }
        out.push_str(&quote);
        out.push_str(&indent);
        if let Some(marker) = &place.marker {
            out.push_str(marker);
            out.push(' ');
            indent.push_str("    ");
        }
        match &piece.body {
            PieceKind::Words(tokens) => LineSyntax::new(format!("{quote}{indent}")).write(tokens, &mut out),
            PieceKind::Heading(level, tokens) => {
                out.push_str(&"#".repeat(*level));
                out.push(' ');
                LineSyntax::in_heading().write(tokens, &mut out);
            }
            PieceKind::Code { language, text } => out.push_str(&fenced(language, text)),
            PieceKind::Table(table) => table.write(&mut out),
            PieceKind::Rule => out.push_str("---"),
        }
        before = Some(place);
    }
    out
}

/// How the tokens of a line are written.
pub(super) struct LineSyntax {
    /// What a line begins with after a break; none where there can be no second line.
    prefix: Option<String>,
    table: bool,
}

impl LineSyntax {
    fn new(prefix: String) -> Self {
        Self { prefix: Some(prefix), table: false }
    }

    fn in_heading() -> Self {
        Self { prefix: None, table: false }
    }

    pub(super) fn in_table() -> Self {
        Self { prefix: None, table: true }
    }

    /// Writes tokens after what is in `out` already, which ends with white space.
    pub(super) fn write(&self, tokens: &[InlineToken], out: &mut String) {
        let mut at_start = true;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                InlineToken::Text(text) => {
                    let text = if at_start { text.trim_start_matches([' ', '\t', '\n']) } else { text };
                    escape(text, at_start, out);
                    at_start &= text.is_empty();
                    continue;
                }
                InlineToken::Break => {
                    match &self.prefix {
                        Some(prefix) => {
                            out.push_str("  \n");
                            out.push_str(prefix);
                        }
                        None if self.table => out.push_str("<br>"),
                        None => out.push(' '),
                    }
                    at_start = true;
                    continue;
                }
                InlineToken::Code(code) => self.code(code, at_start, out),
                InlineToken::Open(mark) => open(*mark, &tokens[at + 1..], out),
                InlineToken::Close(mark) => close(*mark, &tokens[at + 1..], out),
                InlineToken::LinkOpen(_) => out.push('['),
                InlineToken::LinkClose(target) => {
                    out.push_str("](");
                    out.push_str(target);
                    out.push(')');
                }
            }
            at_start = false;
        }
    }

    /// Inline code; where no backticks can hold it, the words alone.
    fn code(&self, code: &str, at_start: bool, out: &mut String) {
        if code.contains("``") || (self.table && code.contains('|')) || code.trim().is_empty() {
            escape(code, at_start, out);
        } else if code.contains('`') {
            out.push_str("`` ");
            out.push_str(code);
            out.push_str(" ``");
        } else {
            out.push('`');
            out.push_str(code);
            out.push('`');
        }
    }
}

/// Whether a character is punctuation to CommonMark. Without tables: whatever is no letter, no digit and no space.
fn is_punctuation(character: char) -> bool {
    !character.is_alphanumeric() && !character.is_whitespace()
}

/// The character that the tokens will begin with, as it is written; white space at the end of a line.
fn first(tokens: &[InlineToken]) -> char {
    match tokens.first() {
        Some(InlineToken::Text(text)) => match text.chars().next() {
            Some(first) if is_active(first) || "-+=".contains(first) => '&',
            Some(first) => first,
            None => first_of_rest(tokens),
        },
        Some(InlineToken::Code(_)) => '`',
        Some(InlineToken::Break) | None => ' ',
        Some(InlineToken::Open(mark) | InlineToken::Close(mark)) => mark.sign().chars().next().unwrap_or('*'),
        Some(InlineToken::LinkOpen(_)) => '[',
        Some(InlineToken::LinkClose(_)) => ']',
    }
}

fn first_of_rest(tokens: &[InlineToken]) -> char {
    tokens.get(1..).map_or(' ', first)
}

/// Begins an emphasis: what follows must not be white space, nor punctuation unless such stands before it.
fn open(mark: Emphasis, rest: &[InlineToken], out: &mut String) {
    let before = out.chars().next_back().unwrap_or(' ');
    let follows = first(rest);
    // A run of signs that ended just before would be taken for one with this.
    let touches = matches!(before, '*' | '~') && mark.sign().starts_with(before);
    if touches || (is_punctuation(follows) && !before.is_whitespace() && !is_punctuation(before)) {
        out.push(HAIR);
    }
    out.push_str(mark.sign());
}

/// Ends an emphasis: the same the other way round.
fn close(mark: Emphasis, rest: &[InlineToken], out: &mut String) {
    let before = out.chars().next_back().unwrap_or(' ');
    out.push_str(mark.sign());
    let follows = first(rest);
    if is_punctuation(before) && !follows.is_whitespace() && !is_punctuation(follows) {
        out.push(HAIR);
    }
}

/// Characters that mean something in Feishu's Markdown wherever they stand.
pub(super) fn is_active(character: char) -> bool {
    matches!(character, '*' | '~' | '<' | '>' | '[' | ']' | '#' | '_' | '$' | '\\' | '`' | '|')
}

/// Writes characters so that they are shown and mean nothing.
fn escape(text: &str, at_start: bool, out: &mut String) {
    let mut characters = text.char_indices().peekable();
    // Where a list's number would end, if the line begins with one.
    let number = text.bytes().take_while(u8::is_ascii_digit).count();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let means = is_active(character)
            || match character {
                // Emoji (`:OK:`) and URLs.
                ':' => next.is_none_or(|next| next.is_alphanumeric() || next == '/'),
                // Characters by number or name.
                '&' => next.is_none_or(|next| next.is_ascii_alphanumeric() || next == '#'),
                // Lists, rules and lines below headings.
                '-' | '+' | '=' => at_start && at == 0,
                '.' | ')' => at_start && number > 0 && at == number,
                _ => false,
            };
        if means {
            out.push_str("&#");
            out.push_str(&u32::from(character).to_string());
            out.push(';');
        } else {
            out.push(match character {
                '\n' | '\t' => ' ',
                other if other.is_control() => '\u{fffd}',
                other => other,
            });
        }
    }
}

/// The words alone, in one line.
pub(super) fn plain(tokens: &[InlineToken]) -> String {
    let mut out = String::new();
    let mut link = 0;
    for token in tokens {
        match token {
            InlineToken::Text(text) | InlineToken::Code(text) => {
                out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
            }
            InlineToken::Break => out.push(' '),
            InlineToken::Open(_) | InlineToken::Close(_) => {}
            InlineToken::LinkOpen(_) => link = out.len(),
            InlineToken::LinkClose(target) => {
                if out[link..] != *target {
                    out.push_str(&format!(" ({target})"));
                }
            }
        }
    }
    out
}

/// A piece of a piece as somebody would have typed it: for texts and files that hold only a part of a paragraph.
pub(in crate::render) fn as_typed(piece: &MarkdownPiece) -> String {
    let mut out = piece.place.marker.iter().map(|marker| format!("{marker} ")).collect::<String>();
    match &piece.body {
        PieceKind::Words(tokens) => typed(tokens, &mut out),
        PieceKind::Heading(level, tokens) => {
            out.push_str(&"#".repeat(*level));
            out.push(' ');
            typed(tokens, &mut out);
        }
        PieceKind::Code { language, text } => {
            let fence = fence(text);
            let newline = if text.ends_with('\n') { "" } else { "\n" };
            out.push_str(&format!("{fence}{language}\n{text}{newline}{fence}"));
        }
        PieceKind::Table(table) => table.write(&mut out),
        PieceKind::Rule => out.push_str("---"),
    }
    out
}

fn typed(tokens: &[InlineToken], out: &mut String) {
    for token in tokens {
        match token {
            InlineToken::Text(text) => out.push_str(text),
            InlineToken::Code(code) => out.push_str(&format!("`{code}`")),
            InlineToken::Break => out.push('\n'),
            InlineToken::Open(mark) | InlineToken::Close(mark) => out.push_str(mark.sign()),
            InlineToken::LinkOpen(_) => out.push('['),
            InlineToken::LinkClose(target) => out.push_str(&format!("]({target})")),
        }
    }
}
