//! The ladder that a document comes down until Feishu takes it: card → the card reduced → several cards → text in parts
//! → a file with a preview. Pure.
//!
//! A [`Plan`] is a function of the document alone, so that a place on it can be kept and found again after a restart.
//! Each [`Sheet`] comes down by itself: what was taken stays, and nothing is shown twice.

mod moment;

pub use moment::{Moment, STREAM, below, moment};

use serde::{Deserialize, Serialize};

use super::card::{Element, Frame, Names};
use super::document::Document;
use super::layout::{self, Detail};
use super::{limits, source, split};
use crate::words::Words;

/// What is sent for a document, one message after the other.
#[derive(Debug)]
pub struct Plan {
    whole: Option<String>,
    reduced: Option<String>,
    texts: Vec<String>,
    name: String,
    source: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// A card: JSON of schema 2.0.
    Card(String),
    /// A text, short enough for one message.
    Text(String),
    /// A file, and the text that stands for it where no file can be sent.
    File {
        /// Its name.
        name: String,
        /// What is in it.
        text: String,
    },
}

/// A place on the ladder: what is to be sent next. It is kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The part of the document, from 0.
    pub part: u32,
    /// How far that part has come down.
    pub rung: Rung,
    /// What of that part was taken on this rung already.
    pub taken: u32,
}

/// A rung of the ladder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// A card with all that belongs on it.
    #[default]
    Card,
    /// The same without what can be spared.
    Reduced,
    /// Several cards.
    Cards,
    /// Text in parts.
    Text,
    /// A file.
    File,
}

impl Plan {
    /// The plan for a document. What the bot adds by itself is in `words`.
    #[must_use]
    pub fn of(document: &Document, words: Words) -> Self {
        let _ = words;
        let source = source::of(document);
        let name = document.name.clone().unwrap_or_else(|| "answer".to_owned());
        Self {
            whole: card(document, Detail::Whole),
            reduced: card(document, Detail::Reduced),
            texts: split::split(&source, split::DEFAULT_LIMIT),
            name: format!("{name}.md"),
            source,
        }
    }

    /// What is sent at a place; none when all is sent.
    #[must_use]
    pub fn sheet(&self, place: &Place) -> Option<Sheet> {
        if place.part > 0 {
            return None;
        }
        match self.standing(place.rung) {
            Rung::Card => self.whole.clone().map(Sheet::Card),
            Rung::Reduced | Rung::Cards => self.reduced.clone().map(Sheet::Card),
            Rung::Text => {
                let at = usize::try_from(place.taken).unwrap_or(usize::MAX);
                self.texts.get(at).cloned().map(Sheet::Text)
            }
            Rung::File => Some(Sheet::File { name: self.name.clone(), text: self.source.clone() }),
        }
    }

    /// The place after this one, once Feishu has taken what is sent there.
    #[must_use]
    pub fn next(&self, place: &Place) -> Place {
        let rung = self.standing(place.rung);
        let after = Place { rung, taken: place.taken.saturating_add(1), ..place.clone() };
        match rung {
            Rung::Text if self.sheet(&after).is_some() => after,
            Rung::Card | Rung::Reduced | Rung::Cards | Rung::Text | Rung::File => {
                Place { part: place.part.saturating_add(1), ..Place::default() }
            }
        }
    }

    /// The place below this one, once Feishu has refused for good what is sent there; none at the foot.
    #[must_use]
    pub fn lower(&self, place: &Place) -> Option<Place> {
        let rung = match self.standing(place.rung) {
            Rung::Card => Rung::Reduced,
            Rung::Reduced | Rung::Cards => Rung::Text,
            Rung::Text => Rung::File,
            Rung::File => return None,
        };
        Some(Place { rung: self.standing(rung), taken: 0, ..place.clone() })
    }

    /// The rung itself, or the next one down on which there is something.
    fn standing(&self, rung: Rung) -> Rung {
        match rung {
            Rung::Card if self.whole.is_none() => self.standing(Rung::Reduced),
            Rung::Reduced | Rung::Cards if self.reduced.is_none() => Rung::Text,
            Rung::Card | Rung::Reduced | Rung::Cards | Rung::Text | Rung::File => rung,
        }
    }
}

/// The document as one card, if it fits.
fn card(document: &Document, detail: Detail) -> Option<String> {
    let elements = layout::elements(&document.blocks, document.group, detail, &mut Names::default());
    let frame = Frame {
        heading: document.heading.as_ref(),
        preview: document.preview.as_deref(),
        ..Frame::default()
    };
    fits(&frame, &elements).then(|| frame.around(&elements))
}

fn fits(frame: &Frame, elements: &[Element]) -> bool {
    let of = |what: fn(&Element) -> usize| elements.iter().map(what).sum::<usize>();
    frame.bytes() + of(Element::bytes) <= limits::CARD_BYTES
        && of(Element::count) <= limits::CARD_ELEMENTS
        && of(Element::tables) <= limits::CARD_TABLES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::cards;
    use crate::language::Language;
    use crate::render::document::{Block, Tone};

    fn check(card: &str) {
        let card = serde_json::from_str(card).unwrap();
        assert_eq!(cards::check(&card), Ok(()), "{card:#}");
    }

    #[test]
    fn a_document_comes_down_from_card_to_file() {
        let document = Document::new(vec![Block::markdown("**yes**\n"), Block::small("shop")])
            .headed(Tone::Good, "Done");
        let plan = Plan::of(&document, Words(Language::En));
        let mut place = Place::default();
        let mut sheets = vec![plan.sheet(&place).unwrap()];
        while let Some(lower) = plan.lower(&place) {
            place = lower;
            sheets.push(plan.sheet(&place).unwrap());
        }
        let text = "Done\n\n**yes**\n\n\nshop";
        assert_eq!(
            sheets[2..],
            [Sheet::Text(text.into()), Sheet::File { name: "answer.md".into(), text: text.into() }]
        );
        for sheet in &sheets[..2] {
            let Sheet::Card(card) = sheet else { panic!("{sheet:?}") };
            check(card);
        }
        assert_eq!(plan.sheet(&plan.next(&place)), None);
    }

    #[test]
    fn a_picture_is_one_card_and_shows_the_end_of_what_is_long() {
        let text = "line of text\n".repeat(100_000);
        let document =
            Document::new(vec![Block::small("Bash ls"), Block::Stream { text: format!("{text}END") }]);
        let shown = moment(&document, Words(Language::En), true);
        check(&shown.card);
        assert!(shown.card.len() <= limits::CARD_BYTES && shown.card.contains("END"));
        let stream = shown.stream.unwrap();
        assert!(stream.starts_with('…') && stream.ends_with("END"));
        let longer =
            Document::new(vec![Block::small("Bash ls"), Block::Stream { text: format!("{text}END.") }]);
        assert_eq!(moment(&longer, Words(Language::En), true).shape, shown.shape);
        let other = Document::new(vec![Block::small("Bash pwd"), Block::Stream { text }]);
        assert_ne!(moment(&other, Words(Language::En), true).shape, shown.shape);
        check(&below(Words(Language::Zh)));
    }
}
