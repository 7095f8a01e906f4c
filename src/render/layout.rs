//! Dividing a document into atoms, and filling cards with them. Pure.
//!
//! An atom is the smallest unit that is not divided between two cards: a paragraph, a table, a row of buttons, a form.
//! Each atom also knows the text it was made from, which is sent if Feishu accepts no card.

mod fold;
mod pack;

pub(super) use pack::{CardCapacity, pack};

use std::ops::Range;

use super::card::{self, CardElement, FieldNames};
use super::document::{Block, Button, Document, Field};
use super::markdown::{self, MarkdownPiece, PieceKind};
use super::{limits, plain_text};

/// How much of a document a card shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Everything, folds included.
    Whole,
    /// Only what is needed: no folds, and tables as code blocks.
    Reduced,
}

/// A part of a document that is not divided between cards.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    content: AtomContent,
    /// The index of its block in the document.
    block: usize,
    text: FallbackText,
    bytes: usize,
    count: usize,
}

/// What an atom looks like on a card.
#[derive(Clone, Debug)]
enum AtomContent {
    /// A piece of Markdown. Neighbouring pieces are written into one element.
    Piece(MarkdownPiece),
    /// The Markdown that is streamed.
    Stream(Vec<MarkdownPiece>),
    /// Elements that stay together.
    Elements(Vec<CardElement>),
    /// A panel that the reader can open.
    Fold(CardElement),
    /// A form. Its element is made when the other names on the card are known.
    Form(Vec<Field>, Vec<Button>),
}

/// The text of an atom, sent if Feishu accepts no card.
#[derive(Clone, Debug)]
enum FallbackText {
    /// A range of the prepared Markdown of its block.
    Source(Range<usize>),
    /// This text, as it stands.
    Text(String),
    /// Nothing: a text message does not show it.
    None,
}

/// A document divided into atoms.
#[derive(Clone, Debug)]
pub(super) struct CardLayout {
    pub(super) atoms: Vec<Atom>,
    group: bool,
    /// Whether the next streamed block becomes the element that Feishu types out.
    streaming: bool,
    /// For each block of Markdown, its text after [`markdown::prepare`].
    texts: Vec<Option<String>>,
}

/// Bytes of a Markdown element without its text.
const MARKDOWN_BYTES: usize = 64;

/// Bytes of an element of plain text without its text.
const PLAIN_TEXT_BYTES: usize = 128;

impl CardLayout {
    /// Divides a document into atoms.
    pub(super) fn of(document: &Document, streaming: bool) -> Self {
        let texts = vec![None; document.blocks.len()];
        let mut layout = Self { atoms: Vec::new(), group: document.group, streaming, texts };
        for (at, block) in document.blocks.iter().enumerate() {
            layout.block(at, block);
        }
        layout
    }

    fn block(&mut self, at: usize, block: &Block) {
        match block {
            Block::Stream { text } if self.streaming => {
                self.streaming = false;
                let pieces = markdown::read(&markdown::prepare(text));
                self.push(at, AtomContent::Stream(pieces), FallbackText::None);
            }
            Block::Markdown { text } | Block::Stream { text } => self.markdown(at, text),
            Block::Code { language, text } => {
                let kind = PieceKind::Code { language: language.clone(), text: card::sanitized(text) };
                self.pieces(at, MarkdownPiece::plain(kind, None), limits::MAX_PIECE_BYTES);
            }
            Block::Text { text } => self.plain_text(at, text, card::plain),
            Block::Small { text } => self.plain_text(at, text, card::small),
            Block::TypedHint { text } => self.plain_text(at, text, card::hint),
            Block::Fold { title, blocks } => {
                if let Some(panel) = fold::panel(title, blocks, self.group) {
                    self.push(at, AtomContent::Fold(panel), FallbackText::None);
                }
            }
            Block::Rule => {
                self.push(at, AtomContent::Elements(vec![card::rule()]), FallbackText::Text("---".into()))
            }
            Block::Row { text, small, buttons } => self.row(at, text, small.as_deref(), buttons),
            Block::Buttons { buttons } => self.buttons(at, buttons),
            Block::Form { fields, buttons } => self.form(at, fields, buttons),
        }
    }

    fn push(&mut self, block: usize, content: AtomContent, text: FallbackText) {
        let of = |elements: &[CardElement]| -> (usize, usize) {
            (elements.iter().map(CardElement::bytes).sum(), elements.iter().map(CardElement::count).sum())
        };
        let (bytes, count) = match &content {
            AtomContent::Piece(piece) => (piece.bytes(), 0),
            AtomContent::Stream(pieces) => {
                (pieces.iter().map(MarkdownPiece::bytes).sum::<usize>() + MARKDOWN_BYTES, 1)
            }
            AtomContent::Elements(elements) => of(elements),
            AtomContent::Fold(panel) => (panel.bytes(), panel.count()),
            AtomContent::Form(fields, buttons) => {
                let form = FieldNames::default().form(fields, buttons, self.group);
                // Names that are already in use on the card get a number.
                let names = 8 * (fields.len() + buttons.len() + 1);
                form.map_or((0, 0), |form| (form.bytes() + names, form.count()))
            }
        };
        self.atoms.push(Atom { content, block, text, bytes, count });
    }

    fn markdown(&mut self, at: usize, text: &str) {
        let text = markdown::prepare(text);
        let pieces = markdown::read(&text);
        // A piece begins at the start of its line, so that a list marker stays with it.
        let begins: Vec<usize> = pieces
            .iter()
            .map(|piece| {
                let start = piece.source.as_ref().map_or(0, |source| source.start);
                text[..start].rfind('\n').map_or(0, |newline| newline + 1)
            })
            .collect();
        for (n, mut piece) in pieces.into_iter().enumerate() {
            let begin = if n == 0 { 0 } else { begins[n] };
            let end = begins.get(n + 1).copied().unwrap_or(text.len()).max(begin);
            piece.source = Some(begin..end);
            self.pieces(at, piece, limits::MAX_PIECE_BYTES);
        }
        self.texts[at] = Some(text);
    }

    fn pieces(&mut self, at: usize, piece: MarkdownPiece, max_bytes: usize) {
        for piece in markdown::cut(piece, max_bytes) {
            let text = match &piece.source {
                Some(source) => FallbackText::Source(source.clone()),
                None => FallbackText::Text(markdown::as_typed(&piece)),
            };
            self.push(at, AtomContent::Piece(piece), text);
        }
    }

    /// Plain text, in as many elements as it needs.
    fn plain_text(&mut self, at: usize, text: &str, element: fn(&str) -> CardElement) {
        for part in markdown::lines(&card::sanitized(text), limits::MAX_ATOM_BYTES - PLAIN_TEXT_BYTES) {
            let shown = part.trim_end_matches('\n');
            let elements = if shown.is_empty() { Vec::new() } else { vec![element(shown)] };
            self.push(at, AtomContent::Elements(elements), FallbackText::Text(part));
        }
    }

    fn row(&mut self, at: usize, text: &str, small: Option<&str>, buttons: &[Button]) {
        let elements = card::row(text, small, buttons, self.group);
        if fit(&elements) {
            self.push(at, AtomContent::Elements(elements), FallbackText::Text(plain_text::row(text, small)));
            return;
        }
        self.plain_text(at, text, card::plain);
        if let Some(small) = small {
            self.plain_text(at, small, card::small);
        }
        self.buttons(at, buttons);
    }

    /// Buttons side by side, or one below the other if a row of them does not fit.
    fn buttons(&mut self, at: usize, buttons: &[Button]) {
        for buttons in buttons.chunks(limits::MAX_BUTTONS_PER_ROW) {
            let whole: Vec<CardElement> = card::button_row(buttons, self.group).into_iter().collect();
            if fit(&whole) {
                self.push(at, AtomContent::Elements(whole), FallbackText::None);
                continue;
            }
            for button in buttons {
                let one = card::button_row(std::slice::from_ref(button), self.group);
                self.push(at, AtomContent::Elements(one.into_iter().collect()), FallbackText::None);
            }
        }
    }

    /// A form. Labels that are too long for it are placed above it.
    fn form(&mut self, at: usize, fields: &[Field], buttons: &[Button]) {
        let label = |field: &Field| match field {
            Field::Label { text } => Some(text.clone()),
            Field::Choice { .. } | Field::Input { .. } => None,
        };
        let labels: Vec<String> = fields.iter().filter_map(label).collect();
        let bytes: usize = labels.iter().map(|label| markdown::translate(label, 0).0.len()).sum();
        let mut fields = fields.to_vec();
        if bytes > limits::MAX_FORM_LABEL_BYTES || labels.len() > limits::MAX_FORM_FIELDS / 2 {
            self.markdown(at, &labels.join("\n\n"));
            fields.retain(|field| label(field).is_none());
        }
        let options = plain_text::form(&fields).map_or(FallbackText::None, FallbackText::Text);
        self.push(at, AtomContent::Form(fields, buttons.to_vec()), options);
    }

    /// The text of these atoms as it was written.
    pub(super) fn text(&self, atoms: &[Atom]) -> String {
        let mut out = String::new();
        let mut before: Option<&Atom> = None;
        for atom in atoms {
            let text = match &atom.text {
                FallbackText::Source(range) => {
                    let text = self.texts.get(atom.block).and_then(Option::as_deref).unwrap_or_default();
                    text.get(range.clone()).map(markdown::as_written).unwrap_or_default()
                }
                FallbackText::Text(text) => text.clone(),
                FallbackText::None => continue,
            };
            let Some(last) = before.replace(atom) else {
                out.push_str(&text);
                continue;
            };
            if last.block != atom.block {
                out.push_str("\n\n");
            } else if !out.ends_with('\n')
                && matches!(atom.content, AtomContent::Piece(_) | AtomContent::Form(..))
            {
                out.push('\n');
            }
            out.push_str(&text);
        }
        out
    }

    /// The elements of a card with these atoms, from top to bottom.
    pub(super) fn elements(&self, atoms: &[Atom], detail: Detail) -> Vec<CardElement> {
        let mut names = FieldNames::default();
        let mut tables = match detail {
            Detail::Whole => limits::MAX_CARD_TABLES,
            Detail::Reduced => 0,
        };
        let mut elements = Vec::new();
        let mut run: Vec<MarkdownPiece> = Vec::new();
        let written = |run: &mut Vec<MarkdownPiece>| {
            let pieces = std::mem::take(run);
            let tables = pieces.iter().filter(|piece| piece.is_table()).count();
            (!pieces.is_empty()).then(|| card::markdown(&markdown::write(&pieces), tables))
        };
        let mut allowed = |piece: &MarkdownPiece| match piece.is_table() {
            true if tables > 0 => {
                tables -= 1;
                piece.clone()
            }
            true => piece.clone().without_table(),
            false => piece.clone(),
        };
        for atom in atoms {
            if let AtomContent::Piece(piece) = &atom.content {
                run.push(allowed(piece));
                continue;
            }
            elements.extend(written(&mut run));
            match &atom.content {
                AtomContent::Piece(_) => {}
                AtomContent::Stream(pieces) => {
                    let pieces: Vec<MarkdownPiece> = pieces.iter().map(&mut allowed).collect();
                    let tables = pieces.iter().filter(|piece| piece.is_table()).count();
                    elements.push(card::stream(&markdown::write(&pieces), tables));
                }
                AtomContent::Elements(more) => elements.extend(more.iter().cloned()),
                AtomContent::Fold(panel) if detail == Detail::Whole => elements.push(panel.clone()),
                AtomContent::Fold(_) => {}
                AtomContent::Form(fields, buttons) => {
                    elements.extend(names.form(fields, buttons, self.group))
                }
            }
        }
        elements.extend(written(&mut run));
        elements
    }
}

impl Atom {
    /// Whether it is a panel that the reader can open.
    pub(super) fn is_fold(&self) -> bool {
        matches!(self.content, AtomContent::Fold(_))
    }

    /// Whether it is a heading in Markdown, which stays with the text below it.
    fn is_heading(&self) -> bool {
        matches!(&self.content, AtomContent::Piece(piece) if piece.is_heading())
    }
}

impl CardLayout {
    /// The same atoms in smaller pieces and without folds.
    pub(super) fn small(&self, atoms: &[Atom]) -> Self {
        let mut small = Self { atoms: Vec::new(), texts: self.texts.clone(), ..*self };
        for atom in atoms.iter().filter(|atom| !atom.is_fold()) {
            match &atom.content {
                AtomContent::Piece(piece) => {
                    small.pieces(atom.block, piece.clone().without_table(), limits::MAX_ATOM_BYTES);
                }
                AtomContent::Stream(_)
                | AtomContent::Elements(_)
                | AtomContent::Fold(_)
                | AtomContent::Form(..) => {
                    small.atoms.push(atom.clone());
                }
            }
        }
        small
    }
}

/// Whether elements that belong together fit where they cannot be divided.
fn fit(elements: &[CardElement]) -> bool {
    elements.iter().map(CardElement::bytes).sum::<usize>() <= limits::MAX_ATOM_BYTES
        && elements.iter().map(CardElement::count).sum::<usize>() <= limits::MAX_ATOM_ELEMENTS
}
