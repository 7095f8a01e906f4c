//! Pieces that no card has room for, cut into smaller ones.

use super::write::is_active;
use super::{InlineToken, MarkdownPiece, PieceKind};

/// The least that a piece is cut to: a link that goes on in the next one is written there again.
const LEAST: usize = 4_096;

impl MarkdownPiece {
    /// The most bytes that it takes in the JSON of a card.
    pub(in crate::render) fn bytes(&self) -> usize {
        let words = |tokens: &[InlineToken]| -> usize {
            let breaks = tokens.iter().filter(|token| matches!(token, InlineToken::Break)).count();
            breaks * self.indent() + tokens.iter().map(cost).sum::<usize>()
        };
        self.around()
            + match &self.body {
                PieceKind::Words(tokens) | PieceKind::Heading(_, tokens) => words(tokens),
                PieceKind::Code { text, .. } => {
                    fence_bytes(text) + text.chars().map(json_bytes).sum::<usize>()
                }
                PieceKind::Table(table) => {
                    let code = table.aligned();
                    let aligned = fence_bytes(&code) + code.chars().map(json_bytes).sum::<usize>();
                    aligned.max(8 * table.cells() + table.tokens().map(cost).sum::<usize>())
                }
                PieceKind::Rule => 3,
            }
    }

    /// What stands before it: an empty line, what its line begins with, and its marker.
    fn around(&self) -> usize {
        let quote = self.place.quote.map_or(0, |(_, depth)| 2 * depth);
        let heading = if self.is_heading() { 7 } else { 0 };
        4 + quote + self.indent() + heading + self.place.marker.as_ref().map_or(0, |marker| marker.len() + 1)
    }

    /// What each of its lines begins with.
    fn indent(&self) -> usize {
        let quote = self.place.quote.map_or(0, |(_, depth)| 2 * depth);
        let list = self.place.list.map_or(0, |(_, depth)| 4 * (depth + 2));
        quote + list
    }
}

/// The piece, or several that take so many bytes each; fewer than 4,096 are taken for that.
pub(in crate::render) fn cut(piece: MarkdownPiece, most: usize) -> Vec<MarkdownPiece> {
    let most = most.max(LEAST);
    if piece.bytes() <= most {
        return vec![piece];
    }
    let piece = piece.without_table();
    let room = most.saturating_sub(piece.around() + piece.indent());
    let bodies: Vec<PieceKind> = match &piece.body {
        PieceKind::Words(tokens) | PieceKind::Heading(_, tokens) => {
            PieceCutter::new(room, piece.indent()).all(tokens).into_iter().map(PieceKind::Words).collect()
        }
        PieceKind::Code { language, text } => {
            let texts = lines(text, room.saturating_sub(fence_bytes(text).min(room / 2)));
            texts.into_iter().map(|text| PieceKind::Code { language: language.clone(), text }).collect()
        }
        PieceKind::Table(_) | PieceKind::Rule => return vec![piece],
    };
    let mut place = piece.place;
    let mut pieces = Vec::new();
    for body in bodies {
        pieces.push(MarkdownPiece { body, place: place.clone(), source: None });
        place.marker = None;
    }
    pieces
}

/// What a character of code takes in JSON.
fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\t' => 2,
        other if other.is_control() => 3,
        other => other.len_utf8(),
    }
}

/// What a character of words takes in JSON at most.
fn word_bytes(character: char) -> usize {
    match character {
        ':' | '&' => 5,
        other if is_active(other) => 6,
        other => json_bytes(other),
    }
}

/// What a token takes in JSON at most, apart from the line that a break begins.
fn cost(token: &InlineToken) -> usize {
    match token {
        InlineToken::Text(text) => {
            // What means something at the beginning of a line only.
            let start =
                text.trim_start().starts_with(|first: char| first.is_ascii_digit() || "-+=".contains(first));
            usize::from(start) * 4 + text.chars().map(word_bytes).sum::<usize>()
        }
        InlineToken::Code(code) => 11 + code.chars().map(word_bytes).sum::<usize>(),
        InlineToken::Break => 4,
        // The sign and a space.
        InlineToken::Open(_) | InlineToken::Close(_) => 5,
        InlineToken::LinkOpen(target) => 4 + target.len(),
        InlineToken::LinkClose(_) => 0,
    }
}

fn fence_bytes(text: &str) -> usize {
    2 * super::languages::fence(text).len() + 40
}

/// A text in pieces that take so many bytes in JSON, of whole lines where they fit.
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
        for character in line.chars() {
            if used + json_bytes(character) > room {
                pieces.push(std::mem::take(&mut piece));
                used = 0;
            }
            piece.push(character);
            used += json_bytes(character);
        }
    }
    pieces.extend((!piece.is_empty()).then_some(piece));
    pieces
}

/// Fills one piece after the other with words.
struct PieceCutter {
    room: usize,
    /// What a line that a break begins takes more.
    line: usize,
    done: Vec<Vec<InlineToken>>,
    now: Vec<InlineToken>,
    used: usize,
    /// Emphases and links that are open.
    open: Vec<InlineToken>,
}

impl PieceCutter {
    fn new(room: usize, line: usize) -> Self {
        Self { room, line, done: Vec::new(), now: Vec::new(), used: 0, open: Vec::new() }
    }

    fn all(mut self, tokens: &[InlineToken]) -> Vec<Vec<InlineToken>> {
        for token in tokens {
            match token {
                InlineToken::Text(text) => self.words(text, InlineToken::Text),
                InlineToken::Code(code) => self.words(code, InlineToken::Code),
                // Rather between two lines than inside one.
                InlineToken::Break if self.used > self.room / 4 * 3 => self.finish(),
                InlineToken::Break => self.push(InlineToken::Break, 4 + self.line),
                InlineToken::Open(_) | InlineToken::LinkOpen(_) => {
                    if self.used + cost(token) > self.room {
                        self.finish();
                    }
                    self.push(token.clone(), cost(token));
                    self.open.push(token.clone());
                }
                InlineToken::Close(_) | InlineToken::LinkClose(_) => {
                    self.push(token.clone(), cost(token));
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

    fn push(&mut self, token: InlineToken, cost: usize) {
        self.used += cost;
        self.now.push(token);
    }

    /// Takes words, in as many pieces as they need, cut behind a space where there is one.
    fn words(&mut self, words: &str, token: fn(String) -> InlineToken) {
        let mut rest = words;
        while !rest.is_empty() {
            // What closes them counts here already.
            let closing = 12 + 5 * self.open.len();
            let free = self.room.saturating_sub(self.used + closing);
            let mut bytes = 0;
            let mut space = None;
            let mut end = rest.len();
            for (at, character) in rest.char_indices() {
                bytes += word_bytes(character);
                if bytes > free {
                    end = at;
                    break;
                }
                if character == ' ' && bytes > free / 2 {
                    space = Some(at + 1);
                }
            }
            if end < rest.len() {
                end = space.unwrap_or(end);
            }
            if end == 0 && self.has_words() {
                self.finish();
                continue;
            }
            // A character finds room in an empty piece.
            let end = end.max(rest.chars().next().map_or(0, char::len_utf8));
            let piece = token(rest[..end].to_owned());
            let bytes = cost(&piece);
            self.push(piece, bytes);
            rest = &rest[end..];
            if !rest.is_empty() {
                self.finish();
            }
        }
    }

    fn has_words(&self) -> bool {
        self.now
            .iter()
            .any(|token| matches!(token, InlineToken::Text(_) | InlineToken::Code(_) | InlineToken::Break))
    }

    /// Ends the piece and begins the next with what is open.
    fn finish(&mut self) {
        let mut piece = std::mem::take(&mut self.now);
        if piece.iter().any(|token| closes(token).is_none()) {
            piece.extend(self.open.iter().rev().filter_map(closes));
            self.done.push(piece);
        }
        self.now.clone_from(&self.open);
        self.used = self.open.iter().map(cost).sum();
    }
}

/// What ends what this begins.
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
