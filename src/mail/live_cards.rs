//! Live cards: the newest update of each card that changes while a turn runs. The courier sends them as fast as Feishu
//! takes them.
//!
//! They are in memory only and do not survive a restart. An update that was not sent when the next one comes is never
//! sent. The final update of a card is a post of the outbox; with it the card stops being live.

mod entity_permission;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{Recipient, courier::CardState, wake_set::WakeSet};
use crate::{
    ids::{MessageId, SlotId},
    render::document::Document,
};
use entity_permission::EntityPermission;

/// An update of a live card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CardUpdate {
    /// The chat or the person that has or gets the card.
    pub(crate) to: Recipient,
    /// The message that the card replies to.
    pub(crate) reply_to: Option<MessageId>,
    /// What the card shows now. A [`crate::render::document::Block::Stream`] is typed out where Feishu can do that.
    pub(crate) document: Document,
    /// What the card shows if the daemon ends before the final update; `None` where something else will say it, as for
    /// the card of an interrupted turn.
    pub(crate) fallback: Option<Document>,
}

/// The handle of the live cards. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveCards {
    shared: Arc<LiveCardsState>,
}

#[derive(Debug, Default)]
struct LiveCardsState {
    cards: Mutex<BTreeMap<SlotId, LiveCard>>,
    /// The recipients of new updates, for the courier.
    fresh: WakeSet<Recipient>,
    entity_permission: EntityPermission,
}

#[derive(Debug)]
struct LiveCard {
    to: Recipient,
    /// The newest update, until a lane takes it.
    update: Option<CardUpdate>,
    /// What the courier knows of the card; the default while a lane sends an update of it.
    state: CardState,
}

/// What a lane can do for the live cards of its recipient.
#[derive(Debug)]
pub(super) enum DueUpdate {
    /// Send this update.
    Now(SlotId, Box<(CardUpdate, CardState)>),
    /// Wait until then.
    At(Instant),
    /// There is none.
    Nothing,
}

impl LiveCards {
    /// Sets what a card shows next, in place of an update that was not sent. Does nothing where no update can be sent
    /// any more.
    pub(crate) fn show(&self, slot: SlotId, update: CardUpdate) {
        let to = update.to.clone();
        {
            let mut cards = self.cards();
            let card = cards.entry(slot).or_insert_with(|| LiveCard {
                to: to.clone(),
                update: None,
                state: CardState::default(),
            });
            if card.state.is_over() {
                return;
            }
            card.update = Some(update);
        }
        self.shared.fresh.add([to].into());
    }

    /// Removes a card that gets no final update. If it is in the chat already, it stays as it is.
    pub(crate) fn remove(&self, slot: SlotId) {
        self.cards().remove(&slot);
    }

    /// Whether cards are replaced as a whole because the app may not create card entities, whose text is typed out.
    #[must_use]
    pub(crate) fn is_redrawn(&self) -> bool {
        self.shared.entity_permission.is_denied()
    }

    /// What is known of the app's permission to create card entities.
    pub(super) fn entity_permission(&self) -> &EntityPermission {
        &self.shared.entity_permission
    }

    /// Removes a card whose final update is about to be sent; what the courier knows of it.
    pub(super) fn take_state(&self, slot: SlotId) -> Option<CardState> {
        self.cards().remove(&slot).map(|card| card.state)
    }

    /// Takes the update of a recipient that is due first.
    pub(super) fn take_due(&self, to: &Recipient, now: Instant) -> DueUpdate {
        let mut cards = self.cards();
        let waiting = cards.iter_mut().filter(|(_, card)| card.update.is_some() && card.to == *to);
        let Some((slot, card)) = waiting.min_by_key(|(_, card)| card.state.not_before()) else {
            return DueUpdate::Nothing;
        };
        match card.state.not_before() {
            Some(at) if at > now => DueUpdate::At(at),
            Some(_) | None => match card.update.take() {
                Some(update) => DueUpdate::Now(*slot, Box::new((update, std::mem::take(&mut card.state)))),
                None => DueUpdate::Nothing,
            },
        }
    }

    /// Returns what the courier knows of a card, and an update to try again unless there is a newer one.
    pub(super) fn put_back(&self, slot: SlotId, state: CardState, again: Option<CardUpdate>) {
        if let Some(card) = self.cards().get_mut(&slot) {
            card.state = state;
            card.update = card.update.take().or(again);
            if card.state.is_over() {
                card.update = None;
            }
        }
    }

    /// The recipients of updates that came since the last call; waits until there are some. For one caller.
    pub(super) async fn fresh_lanes(&self) -> BTreeSet<Recipient> {
        self.shared.fresh.take().await
    }

    fn cards(&self) -> MutexGuard<'_, BTreeMap<SlotId, LiveCard>> {
        self.shared.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
