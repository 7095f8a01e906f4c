//! Markdown as Claude writes it, translated to what Feishu's cards render. Pure.
//!
//! The text is read as CommonMark with tables, strikethrough and task lists ([`read`]), which gives [`MarkdownPiece`]s: paragraphs,
//! list items, tables, blocks of code, one after the other. They are written ([`write`]) in Feishu's dialect
//! (facts: its documentation of the card element `markdown`):
//! - what means something in it is written as `&#NN;` wherever it is meant as a character, so that no text becomes a
//!   mention, a tag or an emoji;
//! - fences and tables stand at the beginning of a line, whatever list or quote they are in; lists nest by four spaces;
//! - links lead to http and https only, others are shown with where they lead; a URL in the text becomes a link of its
//!   own, so that what follows it is not taken for a part of it;
//! - a line break stays one.
//!
//! The work is linear in the length of the text. Nothing nests deeper than [`DEEPEST`].

mod cut;
mod flow;
mod languages;
mod read;
mod stress;
mod table;
mod urls;
mod write;

#[cfg(test)]
mod tests;

pub(super) use cut::{cut, lines};
pub(super) use languages::fenced;
pub(super) use read::read;
pub(super) use stress::{prepared, without_hair};
pub(super) use write::{as_typed, write};

use std::ops::Range;

/// A space that nobody sees, yet white space to CommonMark: an emphasis between a letter and a punctuation mark counts
/// only beside white space.
const HAIR: char = '\u{200a}';

/// How deep lists are shown to nest; what is deeper is shown at this depth.
const DEEPEST: usize = 5;

/// How deep quotes are shown to nest.
const DEEPEST_QUOTE: usize = 2;

/// A part of a text that stands in lines of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MarkdownPiece {
    pub(super) body: PieceKind,
    /// Where it stands in the lists and quotes around it.
    place: Nesting,
    /// The bytes that it was written as; none of a piece of a piece.
    pub(super) source: Option<Range<usize>>,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PieceKind {
    Words(Vec<InlineToken>),
    Heading(usize, Vec<InlineToken>),
    Code { language: String, text: String },
    Table(table::Table),
    Rule,
}

/// Where a piece stands. Of quotes and of lists the outermost one counts, by a number that no other has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Nesting {
    quote: Option<(usize, usize)>,
    list: Option<(usize, usize)>,
    /// `-` or `3.` at the beginning of a list's item.
    marker: Option<String>,
}

/// What a line is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InlineToken {
    /// Characters that mean themselves.
    Text(String),
    /// Inline code.
    Code(String),
    Break,
    Open(Emphasis),
    Close(Emphasis),
    LinkOpen(String),
    LinkClose(String),
}

/// An emphasis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emphasis {
    Emphasis,
    Strong,
    Strike,
}

impl Emphasis {
    fn sign(self) -> &'static str {
        match self {
            Self::Emphasis => "*",
            Self::Strong => "**",
            Self::Strike => "~~",
        }
    }
}

impl MarkdownPiece {
    /// A piece that stands in no list and no quote.
    pub(super) fn plain(body: PieceKind, source: Option<Range<usize>>) -> Self {
        Self { body, place: Nesting::default(), source }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.body, PieceKind::Table(_))
    }

    pub(super) fn is_heading(&self) -> bool {
        matches!(self.body, PieceKind::Heading(..))
    }

    /// The same with a table as a block of code.
    pub(super) fn without_table(self) -> Self {
        match self.body {
            PieceKind::Table(table) => {
                Self { body: PieceKind::Code { language: String::new(), text: table.aligned() }, ..self }
            }
            PieceKind::Words(_) | PieceKind::Heading(..) | PieceKind::Code { .. } | PieceKind::Rule => self,
        }
    }
}

/// A whole text in Feishu's dialect, with so many tables; more become blocks of code. With it, how many there are.
pub(super) fn translate(text: &str, most_tables: usize) -> (String, usize) {
    let mut tables = 0;
    let pieces: Vec<MarkdownPiece> = read(&prepared(text))
        .into_iter()
        .map(|piece| match piece.is_table() {
            true if tables < most_tables => {
                tables += 1;
                piece
            }
            true => piece.without_table(),
            false => piece,
        })
        .collect();
    (write(&pieces), tables)
}
