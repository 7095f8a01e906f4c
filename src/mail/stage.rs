//! What is shown while it happens: the newest picture of each card that changes, for the courier to bring to Feishu as
//! fast as that takes it.
//!
//! Nothing here is kept over a restart, and a picture that was not brought when the next one comes is never brought.
//! The last word of a card is a post of the outbox; with it the card is off the stage.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::Recipient;
use crate::{
    ids::{MessageId, SlotId},
    render::document::Document,
};

/// A picture of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Where the card is or comes to.
    pub to: Recipient,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// What it says now; a [`crate::render::document::Block::Stream`] is typed out where Feishu can do that.
    pub document: Document,
    /// What the card says if the daemon ends before it has its last word; none where that word comes from elsewhere, as
    /// a cut turn's does.
    pub epitaph: Option<Document>,
}

/// The stage. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    pictures: Arc<Mutex<BTreeMap<SlotId, Picture>>>,
}

impl Stage {
    /// Shows this in the place of what the card showed before.
    pub fn show(&self, slot: SlotId, picture: Picture) {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, picture);
    }

    /// Takes a card off the stage that gets no last word; if it is in the chat already, it stays as it is.
    pub fn clear(&self, slot: SlotId) {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot);
    }
}
