//! Cutting pieces that are too large for a card.

use super::write::has_meaning;
use super::{InlineToken, MarkdownPiece, PieceKind};
use crate::graphemes;

/// The smallest size that pieces are cut to. A link that continues in the next piece is repeated there and needs room.
const MIN_PIECE_BYTES: usize = 4_096;

impl MarkdownPiece {
    /// An upper bound for its bytes in the JSON of a card.
    pub(in crate::render) fn bytes(&self) -> usize {
        let text_bytes = |tokens: &[InlineToken]| -> usize {
            let breaks = tokens.iter().filter(|token| matches!(token, InlineToken::Break)).count();
            breaks * self.indent() + tokens.iter().map(token_bytes).sum::<usize>()
        };
        self.around()
            + match &self.kind {
                PieceKind::Text(tokens) | PieceKind::Heading(_, tokens) => text_bytes(tokens),
                PieceKind::Code { text, .. } => {
                    fence_bytes(text) + text.chars().map(json_bytes).sum::<usize>()
                }
                PieceKind::Table(table) => {
                    let code = table.aligned();
                    let aligned = fence_bytes(&code) + code.chars().map(json_bytes).sum::<usize>();
                    aligned.max(8 * table.cells() + table.tokens().map(token_bytes).sum::<usize>())
                }
                PieceKind::Rule => 3,
            }
    }

    /// Bytes around it: an empty line, the indentation and the marker.
    fn around(&self) -> usize {
        let quote = self.nesting.quote.map_or(0, |(_, depth)| 2 * depth);
        let heading = if self.is_heading() { 7 } else { 0 };
        4 + quote
            + self.indent()
            + heading
            + self.nesting.marker.as_ref().map_or(0, |marker| marker.len() + 1)
    }

    /// Bytes at the beginning of each of its lines.
    fn indent(&self) -> usize {
        let quote = self.nesting.quote.map_or(0, |(_, depth)| 2 * depth);
        let list = self.nesting.list.map_or(0, |(_, depth)| 4 * (depth + 2));
        quote + list
    }
}

/// Cuts a piece into pieces of at most `max_bytes` bytes (or 4,096, if that is less than 4,096). A table becomes code.
pub(in crate::render) fn cut(piece: MarkdownPiece, max_bytes: usize) -> Vec<MarkdownPiece> {
    let max_bytes = max_bytes.max(MIN_PIECE_BYTES);
    if piece.bytes() <= max_bytes {
        return vec![piece];
    }
    let piece = piece.without_table();
    let room = max_bytes.saturating_sub(piece.around() + piece.indent());
    let kinds: Vec<PieceKind> = match &piece.kind {
        PieceKind::Text(tokens) | PieceKind::Heading(_, tokens) => {
            PieceCutter::new(room, piece.indent()).cut_all(tokens).into_iter().map(PieceKind::Text).collect()
        }
        PieceKind::Code { language, text } => {
            let texts = lines(text, room.saturating_sub(fence_bytes(text).min(room / 2)));
            texts.into_iter().map(|text| PieceKind::Code { language: language.clone(), text }).collect()
        }
        PieceKind::Table(_) | PieceKind::Rule => return vec![piece],
    };
    let mut nesting = piece.nesting;
    let mut pieces = Vec::new();
    for kind in kinds {
        pieces.push(MarkdownPiece { kind, nesting: nesting.clone(), source: None });
        nesting.marker = None;
    }
    pieces
}

/// Bytes of a character of code in JSON.
fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\t' => 2,
        other if other.is_control() => 3,
        other => other.len_utf8(),
    }
}

/// Maximum bytes of a character of text in JSON; it may be written as `&#NN;`.
fn text_bytes(character: char) -> usize {
    match character {
        ':' | '&' => 5,
        other if has_meaning(other) => 6,
        other => json_bytes(other),
    }
}

/// Maximum bytes of a token in JSON, without the indentation after a break.
fn token_bytes(token: &InlineToken) -> usize {
    match token {
        InlineToken::Text(text) => {
            // These have a meaning only at the beginning of a line.
            let start =
                text.trim_start().starts_with(|first: char| first.is_ascii_digit() || "-+=".contains(first));
            usize::from(start) * 4 + text.chars().map(text_bytes).sum::<usize>()
        }
        InlineToken::Code(code) => 11 + code.chars().map(text_bytes).sum::<usize>(),
        InlineToken::Break => 4,
        // The mark and a hair space.
        InlineToken::Open(_) | InlineToken::Close(_) => 5,
        InlineToken::LinkOpen(target) => 4 + target.len(),
        InlineToken::LinkClose(_) => 0,
    }
}

fn fence_bytes(text: &str) -> usize {
    2 * crate::render::fence::fence_for(text).len() + 40
}

/// Divides a text into parts of at most `room` bytes in JSON, at line breaks where possible.
pub(in crate::render) fn lines(text: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut piece, mut used) = (String::new(), 0);
    for line in text.split_inclusive('\n') {
        let bytes: usize = line.chars().map(json_bytes).sum();
        if used + bytes > room && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            used = 0;
        }
        if bytes <= room {
            piece.push_str(line);
            used += bytes;
            continue;
        }
        let mut rest = line;
        while !rest.is_empty() {
            let mut bytes = 0;
            let over = rest.char_indices().find(|(_, character)| {
                bytes += json_bytes(*character);
                used + bytes > room
            });
            let Some((end, character)) = over else {
                used += bytes;
                piece.push_str(rest);
                break;
            };
            let end =
                if end == 0 && piece.is_empty() { character.len_utf8() } else { graphemes::floor(rest, end) };
            piece.push_str(&rest[..end]);
            pieces.extend((!piece.is_empty()).then(|| std::mem::take(&mut piece)));
            used = 0;
            rest = &rest[end..];
        }
    }
    pieces.extend((!piece.is_empty()).then_some(piece));
    pieces
}

/// Fills one piece after the other with tokens.
struct PieceCutter {
    room: usize,
    /// Bytes of the indentation after a break.
    indent: usize,
    done: Vec<Vec<InlineToken>>,
    current: Vec<InlineToken>,
    used: usize,
    /// The emphasis and links that are open.
    open: Vec<InlineToken>,
}

impl PieceCutter {
    fn new(room: usize, indent: usize) -> Self {
        Self { room, indent, done: Vec::new(), current: Vec::new(), used: 0, open: Vec::new() }
    }

    fn cut_all(mut self, tokens: &[InlineToken]) -> Vec<Vec<InlineToken>> {
        for token in tokens {
            match token {
                InlineToken::Text(text) => self.text(text, InlineToken::Text),
                InlineToken::Code(code) => self.text(code, InlineToken::Code),
                // A cut between two lines is better than one inside a line.
                InlineToken::Break if self.used > self.room / 4 * 3 => self.finish(),
                InlineToken::Break => self.push(InlineToken::Break, 4 + self.indent),
                InlineToken::Open(_) | InlineToken::LinkOpen(_) => {
                    if self.used + token_bytes(token) > self.room {
                        self.finish();
                    }
                    self.push(token.clone(), token_bytes(token));
                    self.open.push(token.clone());
                }
                InlineToken::Close(_) | InlineToken::LinkClose(_) => {
                    self.push(token.clone(), token_bytes(token));
                    let is_it = |open: &InlineToken| closes(open).as_ref() == Some(token);
                    if let Some(at) = self.open.iter().rposition(is_it) {
                        self.open.remove(at);
                    }
                }
            }
        }
        self.finish();
        self.done
    }

    fn push(&mut self, token: InlineToken, bytes: usize) {
        self.used += bytes;
        self.current.push(token);
    }

    /// Adds text, in as many pieces as it needs, cut after a space where possible.
    fn text(&mut self, text: &str, token: fn(String) -> InlineToken) {
        let mut rest = text;
        while !rest.is_empty() {
            // Leave room to close everything that is open.
            let closing = 12 + 5 * self.open.len();
            let free = self.room.saturating_sub(self.used + closing);
            let mut bytes = 0;
            let mut space = None;
            let mut end = rest.len();
            for (at, character) in rest.char_indices() {
                bytes += text_bytes(character);
                if bytes > free {
                    end = at;
                    break;
                }
                if character == ' ' && bytes > free / 2 {
                    space = Some(at + 1);
                }
            }
            if end < rest.len() {
                end = space.unwrap_or_else(|| graphemes::floor(rest, end));
            }
            if end == 0 && self.has_text() {
                self.finish();
                continue;
            }
            // At least one character always fits into an empty piece.
            let end = end.max(rest.chars().next().map_or(0, char::len_utf8));
            let piece = token(rest[..end].to_owned());
            let bytes = token_bytes(&piece);
            self.push(piece, bytes);
            rest = &rest[end..];
            if !rest.is_empty() {
                self.finish();
            }
        }
    }

    fn has_text(&self) -> bool {
        self.current
            .iter()
            .any(|token| matches!(token, InlineToken::Text(_) | InlineToken::Code(_) | InlineToken::Break))
    }

    /// Ends the piece and opens again in the next what was open.
    fn finish(&mut self) {
        let mut piece = std::mem::take(&mut self.current);
        if piece.iter().any(|token| closes(token).is_none()) {
            piece.extend(self.open.iter().rev().filter_map(closes));
            self.done.push(piece);
        }
        self.current.clone_from(&self.open);
        self.used = self.open.iter().map(token_bytes).sum();
    }
}

/// The token that closes what this token opens. `None` if it opens nothing.
fn closes(token: &InlineToken) -> Option<InlineToken> {
    match token {
        InlineToken::Open(mark) => Some(InlineToken::Close(*mark)),
        InlineToken::LinkOpen(target) => Some(InlineToken::LinkClose(target.clone())),
        InlineToken::Text(_)
        | InlineToken::Code(_)
        | InlineToken::Break
        | InlineToken::Close(_)
        | InlineToken::LinkClose(_) => None,
    }
}
