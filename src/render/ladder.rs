//! The ladder: the forms in which a document is tried until Feishu accepts one. Pure.
//!
//! The rungs are a card, a reduced card, several small cards, text in parts, and a file after a preview. A [`SendPlan`]
//! depends on the document alone, so a [`LadderPosition`] can be stored and is still valid after a restart.
//!
//! A document that fits on a card is one part; folds are left out if that makes it fit. A longer document has several
//! parts, one card each. If its reader prefers files, or if it would be too many cards, it has two: its beginning together
//! with everything that belongs below the text, and a file with the full text. Each part comes down the ladder on its own:
//! what Feishu has accepted stays, and nothing is sent twice.

mod beginning;
mod card_snapshot;
mod parts;
#[cfg(test)]
mod tests;

pub use card_snapshot::{CardSnapshot, snapshot};
pub(crate) use card_snapshot::{STREAM, words_below_card};
#[cfg(test)]
pub(crate) use tests::accepted::assert_accepted;

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::split;
use crate::words::Words;
use parts::{DocumentPart, DocumentParts};

/// All messages that may be sent for a document, on every rung.
#[derive(Debug)]
pub struct SendPlan {
    parts: DocumentParts,
    /// The full text as messages, made when first needed.
    texts: OnceLock<Vec<String>>,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutgoingPart {
    /// A card, as JSON of schema 2.0.
    Card(String),
    /// A text that fits into one message.
    Text(String),
    /// A file with the full text.
    File {
        /// The file name, which ends with `.md`.
        name: String,
        /// The content of the file.
        text: String,
    },
}

/// A position on the ladder: which message to send next. The outbox stores it as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LadderPosition {
    /// The index of the part, from 0.
    pub part: u32,
    /// The rung on which that part is tried.
    pub rung: Rung,
    /// The number of messages of the part that were accepted on this rung.
    pub taken: u32,
    /// The number of small cards that were accepted before the part came down from that rung.
    pub cards: u32,
    /// The number of texts that were accepted before the part came down from that rung.
    pub texts: u32,
    /// The number of parts of the plan that this position belongs to; 0 if nothing has been sent.
    pub of: u32,
}

/// A rung of the ladder, from the top down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// A card with everything.
    #[default]
    Card,
    /// The same card without folds and with tables as code.
    Reduced,
    /// Several small cards, one after the other.
    Cards,
    /// Text messages, headed `[1/3]` and so on.
    Text,
    /// A file after a preview.
    File,
}

impl SendPlan {
    /// The plan for a document. Sentences that the bot adds are in the language of `words`.
    #[must_use]
    pub fn of(document: &Document, words: Words) -> Self {
        Self { parts: DocumentParts::of(document, words), texts: OnceLock::new() }
    }

    /// The message at a position. `None` if everything has been sent.
    #[must_use]
    pub fn message(&self, position: &LadderPosition) -> Option<OutgoingPart> {
        let position = self.resolved(position);
        let part = self.parts.get(index(position.part))?;
        match position.rung {
            Rung::Card => self.parts.card(&part).map(OutgoingPart::Card),
            Rung::Reduced => self.parts.reduced(&part).map(OutgoingPart::Card),
            Rung::Cards => {
                self.parts.cards(&part).into_iter().nth(index(position.taken)).map(OutgoingPart::Card)
            }
            Rung::Text => {
                self.texts(&position, &part).get(index(position.taken)).cloned().map(OutgoingPart::Text)
            }
            Rung::File => Some(match self.preview(&position, &part) {
                Some(preview) if position.taken == 0 => OutgoingPart::Text(preview),
                Some(_) | None => OutgoingPart::File {
                    name: self.parts.name(),
                    text: self.remaining_text(&position, &part),
                },
            }),
        }
    }

    /// The position after Feishu has accepted the message at this one.
    #[must_use]
    pub fn next(&self, position: &LadderPosition) -> LadderPosition {
        let position = self.resolved(position);
        let Some(part) = self.parts.get(index(position.part)) else { return position };
        let messages = match position.rung {
            Rung::Card | Rung::Reduced => 1,
            Rung::Cards => self.parts.cards(&part).len(),
            Rung::Text => self.texts(&position, &part).len(),
            Rung::File => 1 + usize::from(self.preview(&position, &part).is_some()),
        };
        if index(position.taken) + 1 < messages {
            return LadderPosition { taken: position.taken + 1, ..position };
        }
        self.start_of(position.part.saturating_add(1))
    }

    /// The position after Feishu has refused the message at this one for good. `None` on the last rung. After the last rung
    /// of a document's beginning comes the file with the full text.
    #[must_use]
    pub fn lower(&self, position: &LadderPosition) -> Option<LadderPosition> {
        let position = self.resolved(position);
        let part = self.parts.get(index(position.part))?;
        let lower = match (position.rung, &part) {
            (Rung::Card, _) => LadderPosition { rung: Rung::Reduced, taken: 0, ..position },
            (Rung::Reduced, _) => LadderPosition { rung: Rung::Cards, taken: 0, ..position },
            (Rung::Cards, _) => {
                LadderPosition { rung: Rung::Text, cards: position.taken, taken: 0, ..position }
            }
            (Rung::Text, DocumentPart::Beginning(_)) => self.start_of(position.part.saturating_add(1)),
            (Rung::Text, DocumentPart::Cards(_)) => {
                LadderPosition { rung: Rung::File, texts: position.taken, taken: 0, ..position }
            }
            (Rung::File, DocumentPart::File) => LadderPosition { rung: Rung::Text, taken: 0, ..position },
            (Rung::File, DocumentPart::Cards(_))
                if position.taken == 0 && self.preview(&position, &part).is_some() =>
            {
                LadderPosition { taken: 1, ..position }
            }
            (Rung::Text, DocumentPart::File)
            | (Rung::File, DocumentPart::Cards(_) | DocumentPart::Beginning(_)) => return None,
        };
        let lower = self.resolved(&lower);
        // A part with only buttons has no text.
        if lower.rung == Rung::Text && self.texts(&lower, &part).is_empty() {
            let next = self.start_of(position.part.saturating_add(1));
            return self.parts.get(index(next.part)).map(|_| next);
        }
        Some(lower)
    }

    /// Whether the message at this position is the one with the buttons. If the document is changed later, this is the
    /// card to change.
    #[must_use]
    pub(crate) fn has_buttons(&self, position: &LadderPosition) -> bool {
        let position = self.resolved(position);
        let ends = match self.parts.get(index(position.part)) {
            Some(DocumentPart::Beginning(_)) => true,
            Some(DocumentPart::Cards(_)) => position.part + 1 == self.count(),
            Some(DocumentPart::File) | None => false,
        };
        ends && self.next(&position).part != position.part
    }

    fn start_of(&self, part: u32) -> LadderPosition {
        self.resolved(&LadderPosition { part, of: self.count(), ..LadderPosition::default() })
    }

    fn count(&self) -> u32 {
        u32::try_from(self.parts.count()).unwrap_or(u32::MAX)
    }

    /// The position, or the next one below it that has a message. A position of another plan (stored by another version of
    /// phonework) becomes the start of this one: something may be sent twice, but nothing is lost.
    fn resolved(&self, position: &LadderPosition) -> LadderPosition {
        let of = self.count();
        let is_of_another_plan = position.part > of || (position.of != 0 && position.of != of);
        let mut position = LadderPosition {
            of,
            ..if is_of_another_plan { LadderPosition::default() } else { position.clone() }
        };
        let Some(part) = self.parts.get(index(position.part)) else { return position };
        if matches!(part, DocumentPart::File) {
            if position.rung < Rung::Text {
                position.rung = Rung::File;
            }
        } else {
            if position.rung == Rung::Reduced && self.parts.reduced(&part).is_none() {
                position.rung = Rung::Cards;
            }
            if position.rung == Rung::Cards && self.parts.cards(&part).is_empty() {
                position.rung = Rung::Text;
            }
        }
        let messages = match position.rung {
            Rung::Card | Rung::Reduced | Rung::File => return position,
            Rung::Cards => self.parts.cards(&part).len(),
            Rung::Text => self.texts(&position, &part).len(),
        };
        if index(position.taken) >= messages {
            position.taken = 0;
        }
        position
    }

    /// The text of a part that was not accepted on cards, as messages.
    fn texts(&self, position: &LadderPosition, part: &DocumentPart) -> Cow<'_, [String]> {
        let texts = |text: &str| self.parts.abridged(split::split(text, split::DEFAULT_LIMIT));
        match self.parts.text(part, index(position.cards)) {
            // The full text; the only one that can be long.
            Cow::Borrowed(whole) => Cow::Borrowed(self.texts.get_or_init(|| texts(whole))),
            Cow::Owned(text) => Cow::Owned(texts(&text)),
        }
    }

    /// The message before a file that is sent as a last resort: the beginning of its text. `None` if some of the part has
    /// been accepted already, or if the text is no longer than the preview.
    fn preview(&self, position: &LadderPosition, part: &DocumentPart) -> Option<String> {
        let is_first = matches!(part, DocumentPart::Cards(_)) && (position.cards, position.texts) == (0, 0);
        is_first.then(|| self.parts.preview(&self.remaining_text(position, part))).flatten()
    }

    /// The text of a part that was accepted neither on cards nor as text.
    fn remaining_text(&self, position: &LadderPosition, part: &DocumentPart) -> String {
        let text = self.parts.text(part, index(position.cards));
        let bodies = split::parts(&text, split::DEFAULT_LIMIT);
        bodies.iter().skip(index(position.texts)).map(|part| part.body).collect()
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
