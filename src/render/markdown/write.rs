//! Writing pieces in Feishu's dialect.

use super::{Emphasis, HAIR_SPACE, InlineToken, MarkdownPiece, Nesting, PieceKind};
use crate::render::fence::{fence_for, fenced};

/// Writes pieces one below the other.
pub(in crate::render) fn write(pieces: &[MarkdownPiece]) -> String {
    let mut out = String::new();
    // The nesting of the piece before, whether it was in a list, and the depth at which that list began.
    let mut before: Option<&Nesting> = None;
    let mut in_list = false;
    let mut base = 0;
    for piece in pieces {
        let nesting = &piece.nesting;
        let same = |a: Option<(usize, usize)>, b: Option<(usize, usize)>| {
            a.map(|(number, _)| number) == b.map(|(number, _)| number)
        };
        let in_same_quote = before.is_some_and(|before| same(before.quote, nesting.quote));
        let goes_on = in_list
            && in_same_quote
            && nesting.list.is_some()
            && before.is_some_and(|before| same(before.list, nesting.list));
        let quote = "> ".repeat(nesting.quote.map_or(0, |(_, depth)| depth));
        if before.is_some() {
            out.push_str(match (goes_on, &nesting.marker) {
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
        let depth = nesting.list.map_or(0, |(_, depth)| depth);
        base = if goes_on { base.min(depth) } else { depth };
        in_list = goes_on || nesting.marker.is_some();
        let mut indent = " ".repeat(4 * (depth - base));
        if goes_on && nesting.marker.is_none() {
            indent.push_str("    ");
        }
        out.push_str(&quote);
        out.push_str(&indent);
        if let Some(marker) = &nesting.marker {
            out.push_str(marker);
            out.push(' ');
            indent.push_str("    ");
        }
        match &piece.kind {
            PieceKind::Text(tokens) => LineSyntax::new(format!("{quote}{indent}")).write(tokens, &mut out),
            PieceKind::Heading(level, tokens) => {
                out.push_str(&"#".repeat(*level));
                out.push(' ');
                LineSyntax::in_heading().write(tokens, &mut out);
            }
            PieceKind::Code { language, text } => out.push_str(&fenced(language, text)),
            PieceKind::Table(table) => table.write(&mut out),
            PieceKind::Rule => out.push_str("---"),
        }
        before = Some(nesting);
    }
    out
}

/// The place where tokens are written: a paragraph, a heading or a table cell.
pub(super) struct LineSyntax {
    /// The beginning of a line after a break. `None` where everything must be on one line.
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

    /// Appends tokens to `out`, which is empty or ends with white space.
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
                InlineToken::Open(mark) => {
                    let follows_close = matches!(tokens[..at].last(), Some(InlineToken::Close(_)));
                    open(*mark, follows_close, &tokens[at + 1..], out);
                }
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

    /// Inline code, or plain text where backticks cannot hold it.
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

/// Whether a character is punctuation to CommonMark: roughly, neither letter nor digit nor white space.
fn is_punctuation(character: char) -> bool {
    !character.is_alphanumeric() && !character.is_whitespace()
}

/// The first character that the tokens will be written as; a space at the end of a line.
fn first(tokens: &[InlineToken]) -> char {
    match tokens.first() {
        Some(InlineToken::Text(text)) => match text.chars().next() {
            Some(first) if has_meaning(first) || "-+=".contains(first) => '&',
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

/// Opens an emphasis. CommonMark recognizes it only if no white space follows, and punctuation follows only after white
/// space or punctuation; a hair space ensures that.
fn open(mark: Emphasis, follows_close: bool, rest: &[InlineToken], out: &mut String) {
    let before = out.chars().next_back().unwrap_or(' ');
    let follows = first(rest);
    // Otherwise the mark would join the one that ended just before.
    let touches = follows_close && mark.sign().starts_with(before);
    if touches || (is_punctuation(follows) && !before.is_whitespace() && !is_punctuation(before)) {
        out.push(HAIR_SPACE);
    }
    out.push_str(mark.sign());
}

/// Closes an emphasis, with the rule of [`open`] in reverse.
fn close(mark: Emphasis, rest: &[InlineToken], out: &mut String) {
    let before = out.chars().next_back().unwrap_or(' ');
    out.push_str(mark.sign());
    let follows = first(rest);
    if is_punctuation(before) && !follows.is_whitespace() && !is_punctuation(follows) {
        out.push(HAIR_SPACE);
    }
}

/// Whether a character has a meaning anywhere in Feishu's dialect.
pub(super) fn has_meaning(character: char) -> bool {
    matches!(character, '*' | '~' | '<' | '>' | '[' | ']' | '#' | '_' | '$' | '\\' | '`' | '|')
}

/// Writes text so that it is shown and no character has a meaning.
fn escape(text: &str, at_start: bool, out: &mut String) {
    let mut characters = text.char_indices().peekable();
    // The digits at the start, which could become the number of a list item.
    let number = text.bytes().take_while(u8::is_ascii_digit).count();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let has_meaning_here = has_meaning(character)
            || match character {
                // Emoji such as `:OK:`, and URLs.
                ':' => next.is_none_or(|next| next.is_alphanumeric() || next == '/'),
                // Character references.
                '&' => next.is_none_or(|next| next.is_ascii_alphanumeric() || next == '#'),
                // Lists, rules and underlined headings.
                '-' | '+' | '=' => at_start && at == 0,
                '.' | ')' => at_start && number > 0 && at == number,
                _ => false,
            };
        if has_meaning_here {
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

/// The text of tokens without markup, in one line.
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

/// A part of a cut piece as Markdown, for texts and files that hold only a part of a paragraph.
pub(in crate::render) fn as_typed(piece: &MarkdownPiece) -> String {
    let mut out = piece.nesting.marker.iter().map(|marker| format!("{marker} ")).collect::<String>();
    match &piece.kind {
        PieceKind::Text(tokens) => typed(tokens, &mut out),
        PieceKind::Heading(level, tokens) => {
            out.push_str(&"#".repeat(*level));
            out.push(' ');
            typed(tokens, &mut out);
        }
        PieceKind::Code { language, text } => {
            let fence = fence_for(text);
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
