//! The blocks of a document as what cards are filled with. Pure.

mod fold;
mod pack;

pub(super) use pack::{CardRoom, pack};

use std::ops::Range;

use super::card::{self, CardElement, FieldNames};
use super::document::{Block, Button, Document, Field};
use super::markdown::{self, MarkdownPiece, PieceKind};
use super::{limits, source};

/// How much of a document a card shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// All of it.
    Whole,
    /// What cannot be spared: nothing that opens at a touch, no tables.
    Reduced,
}

/// What finds room on one card or on another.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    thing: AtomContent,
    /// The number of its block in the document.
    block: usize,
    text: FallbackText,
    bytes: usize,
    count: usize,
}

/// What an atom is on a card.
#[derive(Clone, Debug)]
enum AtomContent {
    /// Words in Markdown, which make one element with those beside them.
    Piece(MarkdownPiece),
    /// The words that are streamed.
    Stream(Vec<MarkdownPiece>),
    /// Elements that stay together.
    Elements(Vec<CardElement>),
    /// Something that opens at a touch.
    Fold(CardElement),
    /// A form. Its element is made where the names on the card are known.
    Form(Vec<Field>, Vec<Button>),
}

/// What an atom was written as: what is sent where no card is taken.
#[derive(Clone, Debug)]
enum FallbackText {
    /// A range of its block's prepared text.
    Part(Range<usize>),
    /// Words.
    Words(String),
    /// Nothing that a text shows.
    None,
}

/// A document as atoms.
#[derive(Clone, Debug)]
pub(super) struct CardLayout {
    pub(super) atoms: Vec<Atom>,
    group: bool,
    /// Whether the first place that can be streamed is one.
    streaming: bool,
    /// For each block that is Markdown its text, prepared.
    texts: Vec<Option<String>>,
}

/// Bytes of a Markdown element without its words.
const MARKDOWN_BYTES: usize = 64;

/// Bytes of an element of plain words without them.
const WORDS_BYTES: usize = 128;

impl CardLayout {
    /// The atoms of a document.
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
                let pieces = markdown::read(&markdown::prepared(text));
                self.push(at, AtomContent::Stream(pieces), FallbackText::None);
            }
            Block::Markdown { text } | Block::Stream { text } => self.markdown(at, text),
            Block::Code { language, text } => {
                let body = PieceKind::Code { language: language.clone(), text: card::shown(text) };
                self.pieces(at, MarkdownPiece::plain(body, None), limits::PIECE_BYTES);
            }
            Block::Text { text } => self.words(at, text, card::plain),
            Block::Small { text } => self.words(at, text, card::small),
            Block::Typed { text } => self.words(at, text, card::hint),
            Block::Fold { title, blocks } => {
                if let Some(panel) = fold::panel(title, blocks, self.group) {
                    self.push(at, AtomContent::Fold(panel), FallbackText::None);
                }
            }
            Block::Rule => {
                self.push(at, AtomContent::Elements(vec![card::rule()]), FallbackText::Words("---".into()))
            }
            Block::Row { text, small, buttons } => self.row(at, text, small.as_deref(), buttons),
            Block::Buttons { buttons } => self.buttons(at, buttons),
            Block::Form { fields, buttons } => self.form(at, fields, buttons),
        }
    }

    fn push(&mut self, block: usize, thing: AtomContent, text: FallbackText) {
        let of = |elements: &[CardElement]| -> (usize, usize) {
            (elements.iter().map(CardElement::bytes).sum(), elements.iter().map(CardElement::count).sum())
        };
        let (bytes, count) = match &thing {
            AtomContent::Piece(piece) => (piece.bytes(), 0),
            AtomContent::Stream(pieces) => {
                (pieces.iter().map(MarkdownPiece::bytes).sum::<usize>() + MARKDOWN_BYTES, 1)
            }
            AtomContent::Elements(elements) => of(elements),
            AtomContent::Fold(panel) => (panel.bytes(), panel.count()),
            AtomContent::Form(fields, buttons) => {
                let form = FieldNames::default().form(fields, buttons, self.group);
                // Names that others on the card have already become longer.
                let names = 8 * (fields.len() + buttons.len() + 1);
                form.map_or((0, 0), |form| (form.bytes() + names, form.count()))
            }
        };
        self.atoms.push(Atom { thing, block, text, bytes, count });
    }

    fn markdown(&mut self, at: usize, text: &str) {
        let text = markdown::prepared(text);
        let pieces = markdown::read(&text);
        // A piece begins where its line does, so that its marker goes with it.
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
            self.pieces(at, piece, limits::PIECE_BYTES);
        }
        self.texts[at] = Some(text);
    }

    fn pieces(&mut self, at: usize, piece: MarkdownPiece, most: usize) {
        for piece in markdown::cut(piece, most) {
            let text = match &piece.source {
                Some(source) => FallbackText::Part(source.clone()),
                None => FallbackText::Words(markdown::as_typed(&piece)),
            };
            self.push(at, AtomContent::Piece(piece), text);
        }
    }

    /// Words that are no Markdown, in as many elements as they need.
    fn words(&mut self, at: usize, text: &str, element: fn(&str) -> CardElement) {
        for part in markdown::lines(&card::shown(text), limits::ATOM_BYTES - WORDS_BYTES) {
            let shown = part.trim_end_matches('\n');
            let elements = if shown.is_empty() { Vec::new() } else { vec![element(shown)] };
            self.push(at, AtomContent::Elements(elements), FallbackText::Words(part));
        }
    }

    fn row(&mut self, at: usize, text: &str, small: Option<&str>, buttons: &[Button]) {
        let elements = card::row(text, small, buttons, self.group);
        if fit(&elements) {
            self.push(at, AtomContent::Elements(elements), FallbackText::Words(source::row(text, small)));
            return;
        }
        self.words(at, text, card::plain);
        if let Some(small) = small {
            self.words(at, small, card::small);
        }
        self.buttons(at, buttons);
    }

    /// Buttons in a line of some, or each in its own where that finds no room.
    fn buttons(&mut self, at: usize, buttons: &[Button]) {
        for buttons in buttons.chunks(limits::BUTTONS) {
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

    /// A form. Long labels stand above it.
    fn form(&mut self, at: usize, fields: &[Field], buttons: &[Button]) {
        let label = |field: &Field| match field {
            Field::Label { text } => Some(text.clone()),
            Field::Choice { .. } | Field::Words { .. } => None,
        };
        let labels: Vec<String> = fields.iter().filter_map(label).collect();
        let bytes: usize = labels.iter().map(|label| markdown::translate(label, 0).0.len()).sum();
        let mut fields = fields.to_vec();
        if bytes > limits::LABEL_BYTES || labels.len() > limits::FIELDS / 2 {
            self.markdown(at, &labels.join("\n\n"));
            fields.retain(|field| label(field).is_none());
        }
        let typed = source::form(&fields).map_or(FallbackText::None, FallbackText::Words);
        self.push(at, AtomContent::Form(fields, buttons.to_vec()), typed);
    }

    /// The words of some atoms as they were written.
    pub(super) fn text(&self, atoms: &[Atom]) -> String {
        let mut out = String::new();
        let mut before: Option<&Atom> = None;
        for atom in atoms {
            let words = match &atom.text {
                FallbackText::Part(range) => {
                    let text = self.texts.get(atom.block).and_then(Option::as_deref).unwrap_or_default();
                    text.get(range.clone()).map(markdown::without_hair).unwrap_or_default()
                }
                FallbackText::Words(words) => words.clone(),
                FallbackText::None => continue,
            };
            let Some(last) = before.replace(atom) else {
                out.push_str(&words);
                continue;
            };
            if last.block != atom.block {
                out.push_str("\n\n");
            } else if !out.ends_with('\n')
                && matches!(atom.thing, AtomContent::Piece(_) | AtomContent::Form(..))
            {
                out.push('\n');
            }
            out.push_str(&words);
        }
        out
    }

    /// Some atoms as elements of a card, from top to bottom.
    pub(super) fn elements(&self, atoms: &[Atom], detail: Detail) -> Vec<CardElement> {
        let mut names = FieldNames::default();
        let mut tables = match detail {
            Detail::Whole => limits::CARD_TABLES,
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
            if let AtomContent::Piece(piece) = &atom.thing {
                run.push(allowed(piece));
                continue;
            }
            elements.extend(written(&mut run));
            match &atom.thing {
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
    /// Whether it opens at a touch.
    pub(super) fn is_fold(&self) -> bool {
        matches!(self.thing, AtomContent::Fold(_))
    }

    /// Whether it is a heading inside the words: it stays with what it heads.
    fn is_heading(&self) -> bool {
        matches!(&self.thing, AtomContent::Piece(piece) if piece.is_heading())
    }
}

impl CardLayout {
    /// The same atoms in smaller pieces; nothing that opens at a touch.
    pub(super) fn small(&self, atoms: &[Atom]) -> Self {
        let mut small = Self { atoms: Vec::new(), texts: self.texts.clone(), ..*self };
        for atom in atoms.iter().filter(|atom| !atom.is_fold()) {
            match &atom.thing {
                AtomContent::Piece(piece) => {
                    small.pieces(atom.block, piece.clone().without_table(), limits::ATOM_BYTES);
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

fn fit(elements: &[CardElement]) -> bool {
    elements.iter().map(CardElement::bytes).sum::<usize>() <= limits::ATOM_BYTES
        && elements.iter().map(CardElement::count).sum::<usize>() <= limits::ATOM_ELEMENTS
}
