//! Translating Claude's Markdown into the dialect that Feishu's cards render. Pure.
//!
//! [`prepare`] cleans a text and protects what only looks like Markdown. [`read`] parses it as CommonMark with tables, strikethrough and task lists, and divides it
//! into [`MarkdownPiece`]s: paragraphs, list items, tables and code blocks. [`write`] writes pieces in Feishu's dialect, as
//! its documentation of the card element `markdown` describes it:
//! - A character that would have a meaning in the dialect is written as `&#NN;`, so that no text becomes a mention, a tag
//!   or an emoji.
//! - Fences and tables start at the beginning of a line, even inside a list or quote. Nested lists are indented by four
//!   spaces.
//! - Only http and https links stay links; the target of any other link is written after its text. A URL in the text
//!   becomes a link of its own, so that Feishu does not add the text after it to the URL.
//! - A line break stays a line break.
//!
//! The work is linear in the length of the text. Lists are nested at most [`MAX_LIST_DEPTH`] levels below the first.

mod cjk_emphasis;
mod cut;
mod flow;
mod literal;
mod prepare;
mod read;
mod table;
mod urls;
mod write;

#[cfg(test)]
mod tests;

pub(super) use cut::{cut, lines};
pub(super) use prepare::{as_written, prepare};
pub(super) use read::read;
pub(super) use write::{as_typed, write};

use std::ops::Range;

/// A space that is too thin to see but is white space to CommonMark. Between a letter and a punctuation mark, emphasis is
/// recognized only beside white space.
const HAIR_SPACE: char = '\u{200a}';

/// Levels of nested lists; deeper items are shown at this level.
const MAX_LIST_DEPTH: usize = 5;

/// Levels of nested quotes.
const MAX_QUOTE_DEPTH: usize = 2;

/// A paragraph, a list item, a heading, a table, a code block or a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MarkdownPiece {
    pub(super) kind: PieceKind,
    /// The lists and quotes around it.
    nesting: Nesting,
    /// The bytes of the text that it was read from. `None` for part of a piece that was cut.
    pub(super) source: Option<Range<usize>>,
}

/// The kind of a piece, with its content.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PieceKind {
    Text(Vec<InlineToken>),
    Heading(usize, Vec<InlineToken>),
    Code { language: String, text: String },
    Table(table::Table),
    Rule,
}

/// The lists and quotes around a piece. Each is given as the unique number of the outermost one and the depth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Nesting {
    quote: Option<(usize, usize)>,
    list: Option<(usize, usize)>,
    /// `-` or `3.`, for the first piece of a list item.
    marker: Option<String>,
}

/// A part of a line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InlineToken {
    /// Text without any markup.
    Text(String),
    /// Inline code.
    Code(String),
    Break,
    Open(Emphasis),
    Close(Emphasis),
    LinkOpen(String),
    LinkClose(String),
}

/// A kind of emphasis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emphasis {
    Italic,
    Strong,
    Strike,
}

impl Emphasis {
    fn sign(self) -> &'static str {
        match self {
            Self::Italic => "*",
            Self::Strong => "**",
            Self::Strike => "~~",
        }
    }
}

impl MarkdownPiece {
    /// A piece that is in no list and no quote.
    pub(super) fn plain(kind: PieceKind, source: Option<Range<usize>>) -> Self {
        Self { kind, nesting: Nesting::default(), source }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.kind, PieceKind::Table(_))
    }

    pub(super) fn is_heading(&self) -> bool {
        matches!(self.kind, PieceKind::Heading(..))
    }

    /// The same piece, but a table becomes a code block.
    pub(super) fn without_table(self) -> Self {
        match self.kind {
            PieceKind::Table(table) => {
                Self { kind: PieceKind::Code { language: String::new(), text: table.aligned() }, ..self }
            }
            PieceKind::Text(_) | PieceKind::Heading(..) | PieceKind::Code { .. } | PieceKind::Rule => self,
        }
    }
}

/// A complete text in Feishu's dialect, and the number of tables in it. At most `max_tables` stay tables; the others
/// become code blocks.
pub(super) fn translate(text: &str, max_tables: usize) -> (String, usize) {
    let mut tables = 0;
    let pieces: Vec<MarkdownPiece> = read(&prepare(text))
        .into_iter()
        .map(|piece| match piece.is_table() {
            true if tables < max_tables => {
                tables += 1;
                piece
            }
            true => piece.without_table(),
            false => piece,
        })
        .collect();
    (write(&pieces), tables)
}

/// Whether a text shows nothing that can be read, such as an empty fence.
pub(crate) fn is_blank(text: &str) -> bool {
    let is_visible = |text: &str| text.chars().any(|c| !c.is_whitespace() && !is_invisible(c));
    let has_words = |tokens: &[InlineToken]| {
        tokens.iter().any(|token| match token {
            InlineToken::Text(text) | InlineToken::Code(text) => is_visible(text),
            InlineToken::Break
            | InlineToken::Open(_)
            | InlineToken::Close(_)
            | InlineToken::LinkOpen(_)
            | InlineToken::LinkClose(_) => false,
        })
    };
    !read(&prepare(text)).iter().any(|piece| match &piece.kind {
        PieceKind::Text(tokens) | PieceKind::Heading(_, tokens) => has_words(tokens),
        PieceKind::Code { text, .. } => is_visible(text),
        PieceKind::Table(table) => table.rows.iter().flatten().any(|cell| has_words(cell)),
        PieceKind::Rule => false,
    })
}

/// Whether a character takes no room and shows nothing.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}
