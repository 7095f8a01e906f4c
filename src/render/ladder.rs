//! The ladder that a document comes down until Feishu takes it: card → the card reduced → several cards → text in parts
//! → a file with a preview. Pure.
//!
//! A [`SendPlan`] is a function of the document alone, so that a place on it can be kept and found again after a restart.
//! Each [`OutgoingPart`] comes down by itself: what was taken stays, and nothing is shown twice.
//!
//! A document is one part where a card has room for it: what opens at a touch is left out first. A longer one is several
//! parts, each a card of its own. One of which people would rather have a file, or that would be more cards than anybody
//! reads, is two: its beginning with all that belongs below, and a file with the whole.

mod beginning;
mod card_snapshot;
mod parts;
#[cfg(test)]
mod tests;

pub use card_snapshot::{CardSnapshot, STREAM, below, moment};
#[cfg(test)]
pub(crate) use tests::taken::is_taken;

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::split;
use crate::words::Words;
use parts::{DocumentPart, DocumentParts};

/// What is sent for a document, one message after the other.
#[derive(Debug)]
pub struct SendPlan {
    parts: DocumentParts,
    /// The whole document in texts, once somebody has asked for them.
    texts: OnceLock<Vec<String>>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutgoingPart {
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
pub struct LadderPosition {
    /// The part of the document, from 0.
    pub part: u32,
    /// How far that part has come down.
    pub rung: Rung,
    /// What of that part was taken on this rung already.
    pub taken: u32,
    /// What of it was taken on the rung of several cards, before it came down from there.
    pub cards: u32,
    /// What of it was taken as text, before it came down from there.
    pub texts: u32,
    /// How many parts there were when this was written down; 0 when nothing has been sent.
    pub of: u32,
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

impl SendPlan {
    /// The plan for a document. What the bot adds by itself is in `words`.
    #[must_use]
    pub fn of(document: &Document, words: Words) -> Self {
        Self { parts: DocumentParts::of(document, words), texts: OnceLock::new() }
    }

    /// What is sent at a place; none when all is sent.
    #[must_use]
    pub fn sheet(&self, place: &LadderPosition) -> Option<OutgoingPart> {
        let place = self.standing(place);
        let part = self.parts.get(at(place.part))?;
        match place.rung {
            Rung::Card => self.parts.card(&part).map(OutgoingPart::Card),
            Rung::Reduced => self.parts.reduced(&part).map(OutgoingPart::Card),
            Rung::Cards => self.parts.cards(&part).into_iter().nth(at(place.taken)).map(OutgoingPart::Card),
            Rung::Text => self.texts(&place, &part).get(at(place.taken)).cloned().map(OutgoingPart::Text),
            Rung::File => Some(match self.preview(&place, &part) {
                Some(preview) if place.taken == 0 => OutgoingPart::Text(preview),
                Some(_) | None => {
                    OutgoingPart::File { name: self.parts.name(), text: self.left(&place, &part) }
                }
            }),
        }
    }

    /// The place after this one, once Feishu has taken what is sent there.
    #[must_use]
    pub fn next(&self, place: &LadderPosition) -> LadderPosition {
        let place = self.standing(place);
        let Some(part) = self.parts.get(at(place.part)) else { return place };
        let sheets = match place.rung {
            Rung::Card | Rung::Reduced => 1,
            Rung::Cards => self.parts.cards(&part).len(),
            Rung::Text => self.texts(&place, &part).len(),
            Rung::File => 1 + usize::from(self.preview(&place, &part).is_some()),
        };
        if at(place.taken) + 1 < sheets {
            return LadderPosition { taken: place.taken + 1, ..place };
        }
        self.beginning_of(place.part.saturating_add(1))
    }

    /// The place below this one, once Feishu has refused for good what is sent there; none at the foot. Below the last
    /// rung of a document's beginning is the file that holds the whole.
    #[must_use]
    pub fn lower(&self, place: &LadderPosition) -> Option<LadderPosition> {
        let place = self.standing(place);
        let part = self.parts.get(at(place.part))?;
        let lower = match (place.rung, &part) {
            (Rung::Card, _) => LadderPosition { rung: Rung::Reduced, taken: 0, ..place },
            (Rung::Reduced, _) => LadderPosition { rung: Rung::Cards, taken: 0, ..place },
            (Rung::Cards, _) => LadderPosition { rung: Rung::Text, cards: place.taken, taken: 0, ..place },
            (Rung::Text, DocumentPart::Beginning(_)) => self.beginning_of(place.part.saturating_add(1)),
            (Rung::Text, DocumentPart::Cards(_)) => {
                LadderPosition { rung: Rung::File, texts: place.taken, taken: 0, ..place }
            }
            (Rung::File, DocumentPart::File) => LadderPosition { rung: Rung::Text, taken: 0, ..place },
            (Rung::File, DocumentPart::Cards(_))
                if place.taken == 0 && self.preview(&place, &part).is_some() =>
            {
                LadderPosition { taken: 1, ..place }
            }
            (Rung::Text, DocumentPart::File)
            | (Rung::File, DocumentPart::Cards(_) | DocumentPart::Beginning(_)) => return None,
        };
        let lower = self.standing(&lower);
        // Buttons alone are nothing without a card.
        if lower.rung == Rung::Text && self.texts(&lower, &part).is_empty() {
            let next = self.beginning_of(place.part.saturating_add(1));
            return self.parts.get(at(next.part)).map(|_| next);
        }
        Some(lower)
    }

    /// Whether what is sent at this place ends with what stands below the words, the buttons above all: of a document
    /// that is changed later, the card to change.
    #[must_use]
    pub fn has_buttons(&self, place: &LadderPosition) -> bool {
        let place = self.standing(place);
        let ends = match self.parts.get(at(place.part)) {
            Some(DocumentPart::Beginning(_)) => true,
            Some(DocumentPart::Cards(_)) => place.part + 1 == self.count(),
            Some(DocumentPart::File) | None => false,
        };
        ends && self.next(&place).part != place.part
    }

    fn beginning_of(&self, part: u32) -> LadderPosition {
        self.standing(&LadderPosition { part, of: self.count(), ..LadderPosition::default() })
    }

    fn count(&self) -> u32 {
        u32::try_from(self.parts.count()).unwrap_or(u32::MAX)
    }

    /// The place itself, or the first one down from there at which there is something. One that is no place of this plan,
    /// as another version of phonework may have written it, is its beginning: what was taken may be seen twice, but
    /// nothing is lost.
    fn standing(&self, place: &LadderPosition) -> LadderPosition {
        let of = self.count();
        let is_foreign = place.part > of || (place.of != 0 && place.of != of);
        let mut place =
            LadderPosition { of, ..if is_foreign { LadderPosition::default() } else { place.clone() } };
        let Some(part) = self.parts.get(at(place.part)) else { return place };
        if matches!(part, DocumentPart::File) {
            if place.rung < Rung::Text {
                place.rung = Rung::File;
            }
        } else {
            if place.rung == Rung::Reduced && self.parts.reduced(&part).is_none() {
                place.rung = Rung::Cards;
            }
            if place.rung == Rung::Cards && self.parts.cards(&part).is_empty() {
                place.rung = Rung::Text;
            }
        }
        let sheets = match place.rung {
            Rung::Card | Rung::Reduced | Rung::File => return place,
            Rung::Cards => self.parts.cards(&part).len(),
            Rung::Text => self.texts(&place, &part).len(),
        };
        if at(place.taken) >= sheets {
            place.taken = 0;
        }
        place
    }

    /// The words of a part that no card took, in messages.
    fn texts(&self, place: &LadderPosition, part: &DocumentPart) -> Cow<'_, [String]> {
        let texts = |text: &str| self.parts.abridged(split::split(text, split::DEFAULT_LIMIT));
        match self.parts.text(part, at(place.cards)) {
            // The only ones that can be many.
            Cow::Borrowed(whole) => Cow::Borrowed(self.texts.get_or_init(|| texts(whole))),
            Cow::Owned(text) => Cow::Owned(texts(&text)),
        }
    }

    /// What is sent before a file that is the last way for a part: its first words, unless some came already or these
    /// are all that was refused.
    fn preview(&self, place: &LadderPosition, part: &DocumentPart) -> Option<String> {
        let is_first = matches!(part, DocumentPart::Cards(_)) && (place.cards, place.texts) == (0, 0);
        is_first.then(|| self.parts.preview(&self.left(place, part))).flatten()
    }

    /// The words of a part that came neither on a card nor as text.
    fn left(&self, place: &LadderPosition, part: &DocumentPart) -> String {
        let text = self.parts.text(part, at(place.cards));
        let bodies = split::parts(&text, split::DEFAULT_LIMIT);
        bodies.iter().skip(at(place.texts)).map(|part| part.body).collect()
    }
}

fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
