//! The parts of a document, and what each is on every rung.

use std::borrow::Cow;
use std::ops::Range;

use super::beginning;
use crate::render::card::{self, CardFrame};
use crate::render::document::{Document, Heading, LongAnswers};
use crate::render::layout::{Atom, CardCapacity, CardLayout, Detail, pack};
use crate::render::{limits, plain_text};
use crate::words::Words;

/// A part of a document: one card, or a file.
#[derive(Clone, Debug)]
pub(super) enum DocumentPart {
    /// These atoms, which fit on a card.
    Cards(Range<usize>),
    /// The same in a document whose full text is sent as a file.
    Beginning(Range<usize>),
    /// The file with the full text.
    File,
}

/// A document divided into parts.
#[derive(Debug)]
pub(super) struct DocumentParts {
    layout: CardLayout,
    cards: Vec<Range<usize>>,
    /// Whether the last part is a file with the full text.
    file: bool,
    /// The document as plain text.
    full_text: String,
    heading: Option<Heading>,
    preview: Option<String>,
    name: String,
    full_text_path: Option<Box<str>>,
    words: Words,
}

impl DocumentParts {
    pub(super) fn of(document: &Document, words: Words) -> Self {
        let full_text = plain_text::of(document);
        let long = beginning::main_text_chars(document);
        // This much text never fits on the maximum number of cards, so there is no need to try.
        let enormous = full_text.len() > 2 * limits::MAX_CARDS * limits::MAX_CARD_BYTES;
        let mut parts = Self {
            layout: CardLayout::of(&Document::default(), false),
            cards: Vec::new(),
            file: enormous || (document.long == LongAnswers::File && long > limits::LONG_ANSWER_CHARS),
            full_text,
            heading: document.heading.clone(),
            preview: document.preview.clone(),
            name: name(document.name.as_deref()),
            full_text_path: document.full_text_path.clone(),
            words,
        };
        if !parts.file {
            parts.lay_out(document);
            parts.file = parts.cards.len() > limits::MAX_CARDS;
        }
        if parts.file {
            parts.lay_out(&beginning::of(document, words));
            // If even that is too many cards, keep the first and the last ones, which have the buttons.
            let extra = parts.cards.len().saturating_sub(limits::MAX_CARDS);
            parts.cards.drain(1..=extra).for_each(drop);
        }
        parts
    }

    /// Fills cards with a document. Folds are left out, the last first, if that makes it fit on one card.
    fn lay_out(&mut self, document: &Document) {
        self.layout = CardLayout::of(document, false);
        let room = self.room(limits::MAX_CARD_BYTES);
        let atoms = &self.layout.atoms;
        let rest: Vec<Atom> = atoms.iter().filter(|atom| !atom.is_fold()).cloned().collect();
        if pack(atoms, room).len() > 1 && pack(&rest, room).len() == 1 {
            let mut kept = atoms.clone();
            while pack(&kept, room).len() > 1 {
                let Some(last) = kept.iter().rposition(Atom::is_fold) else { break };
                kept.remove(last);
            }
            self.layout.atoms = kept;
        }
        self.cards = pack(&self.layout.atoms, room);
    }

    /// The beginning of a text that is sent as a file. `None` if the text is no longer than that.
    pub(super) fn preview(&self, text: &str) -> Option<String> {
        text.chars().nth(limits::FILE_PREVIEW_CHARS)?;
        let first = beginning::first(text, limits::FILE_PREVIEW_CHARS, false);
        Some(format!("{}\n{}", first.trim_end(), self.words.whole_in_the_file()))
    }

    pub(super) fn count(&self) -> usize {
        self.cards.len() + usize::from(self.file)
    }

    pub(super) fn get(&self, at: usize) -> Option<DocumentPart> {
        match self.cards.get(at) {
            Some(range) if self.file => Some(DocumentPart::Beginning(range.clone())),
            Some(range) => Some(DocumentPart::Cards(range.clone())),
            None => (self.file && at == self.cards.len()).then_some(DocumentPart::File),
        }
    }

    /// The part as a card with everything. `None` for a file.
    pub(super) fn card(&self, part: &DocumentPart) -> Option<String> {
        let range = part.range()?;
        let elements = self.layout.elements(&self.layout.atoms[range.clone()], Detail::Whole);
        let number = (self.cards.len() > 1).then(|| {
            let at = self.cards.iter().position(|card| *card == range).unwrap_or(0);
            (at + 1, self.cards.len())
        });
        Some(self.framed(number, range.start == 0, elements))
    }

    /// The part as a reduced card. `None` if there is nothing to leave out.
    pub(super) fn reduced(&self, part: &DocumentPart) -> Option<String> {
        let range = part.range()?;
        let whole = self.layout.elements(&self.layout.atoms[range.clone()], Detail::Whole);
        let elements = self.layout.elements(&self.layout.atoms[range.clone()], Detail::Reduced);
        if elements == whole {
            return None;
        }
        let number = (self.cards.len() > 1).then(|| {
            let at = self.cards.iter().position(|card| *card == range).unwrap_or(0);
            (at + 1, self.cards.len())
        });
        Some(self.framed(number, range.start == 0, elements))
    }

    /// The part as small cards. None if that is only one card.
    pub(super) fn cards(&self, part: &DocumentPart) -> Vec<String> {
        let Some(range) = part.range() else { return Vec::new() };
        let (small, cards) = self.small(&range);
        if cards.len() < 2 {
            return Vec::new();
        }
        let total = cards.len();
        let framed = cards.into_iter().enumerate().map(|(at, card)| {
            let elements = small.elements(&small.atoms[card], Detail::Reduced);
            // With numbers of their own, they would be confused with the parts of the document.
            let number = (self.cards.len() == 1).then_some((at + 1, total));
            self.framed(number, range.start == 0 && at == 0, elements)
        });
        framed.collect()
    }

    fn small(&self, range: &Range<usize>) -> (CardLayout, Vec<Range<usize>>) {
        let small = self.layout.small(&self.layout.atoms[range.clone()]);
        let cards = pack(&small.atoms, self.room(limits::MAX_SMALL_CARD_BYTES));
        (small, cards)
    }

    /// The text of a part without its first `cards` small cards. Borrowed if it is the full text of the document.
    pub(super) fn text(&self, part: &DocumentPart, cards: usize) -> Cow<'_, str> {
        let Some(range) = part.range() else { return Cow::Borrowed(&self.full_text) };
        if cards == 0 && self.cards.len() == 1 && !self.file {
            return Cow::Borrowed(&self.full_text);
        }
        let heading = self.heading.as_ref().filter(|_| range.start == 0 && cards == 0);
        let text = if cards == 0 {
            self.layout.text(&self.layout.atoms[range])
        } else {
            let (small, ranges) = self.small(&range);
            let from = ranges.get(cards).map_or(small.atoms.len(), |range| range.start);
            small.text(&small.atoms[from..])
        };
        let texts = heading.map(|heading| heading.text.clone()).into_iter().chain([text]);
        Cow::Owned(texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n"))
    }

    /// The messages, or if there are too many, the first and the last ones with a note in between.
    pub(super) fn abridged(&self, texts: Vec<String>) -> Vec<String> {
        let total = texts.len();
        let Some(left_out) = total.checked_sub(limits::MAX_TEXTS).filter(|left_out| *left_out > 0) else {
            return texts;
        };
        let notice = self.words.left_out(total, left_out, self.full_text_path.as_deref());
        let half = limits::MAX_TEXTS / 2;
        let (beginning, end) = (texts.iter().take(half), texts.iter().skip(half + left_out));
        beginning.cloned().chain([notice]).chain(end.cloned()).collect()
    }

    /// The name of the file, which ends with `.md`.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// What fits on a card of this size, whatever is around the atoms.
    fn room(&self, bytes: usize) -> CardCapacity {
        let number = Some("[9999/9999]".to_owned());
        let frame = CardFrame { number, ..self.frame(true) };
        // Without a heading, the number is an element of its own.
        let around = frame.bytes() + card::small("[9999/9999]").bytes();
        CardCapacity { bytes: bytes - around.min(bytes / 2), elements: limits::MAX_CARD_ELEMENTS - 1 }
    }

    fn frame(&self, is_first: bool) -> CardFrame<'_> {
        CardFrame {
            heading: self.heading.as_ref().filter(|_| is_first),
            preview: self.preview.as_deref(),
            ..CardFrame::default()
        }
    }

    fn framed(
        &self,
        number: Option<(usize, usize)>,
        is_first: bool,
        mut elements: Vec<card::CardElement>,
    ) -> String {
        let number = number.map(|(at, total)| format!("[{at}/{total}]"));
        let frame = CardFrame { number: number.clone(), ..self.frame(is_first) };
        if let Some(number) = number.filter(|_| frame.heading.is_none()) {
            elements.insert(0, card::small(&number));
        }
        frame.around(&elements)
    }
}

impl DocumentPart {
    fn range(&self) -> Option<Range<usize>> {
        match self {
            Self::Cards(range) | Self::Beginning(range) => Some(range.clone()),
            Self::File => None,
        }
    }
}

/// A short file name without characters that a file system or a person could trip over.
fn name(wanted: Option<&str>) -> String {
    let is_fine = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let name: String = wanted.unwrap_or_default().chars().filter(|c| is_fine(*c)).take(60).collect();
    let name = name.trim_matches(['.', ' ']);
    format!("{}.md", if name.is_empty() { "answer" } else { name })
}
