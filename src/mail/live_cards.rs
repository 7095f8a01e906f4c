//! What is shown while it happens: the newest picture of each card that changes, for the courier to bring to Feishu as
//! fast as that takes it.
//!
//! Nothing here is kept over a restart, and a picture that was not brought when the next one comes is never brought.
//! The last word of a card is a post of the outbox; with it the card is off the stage.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{Recipient, call::WakeSet, courier::CardState, scope::CardScopeState};
use crate::{
    ids::{MessageId, SlotId},
    render::document::Document,
};

/// A picture of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardUpdate {
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
pub struct LiveCards {
    house: Arc<LiveCardsState>,
}

#[derive(Debug, Default)]
struct LiveCardsState {
    scenes: Mutex<BTreeMap<SlotId, LiveCard>>,
    /// For the courier: whose pictures are new.
    bell: WakeSet<Recipient>,
    scope: CardScopeState,
}

/// A card on the stage.
#[derive(Debug)]
struct LiveCard {
    to: Recipient,
    /// The newest picture, until somebody brings it.
    picture: Option<CardUpdate>,
    screen: CardState,
}

/// What a lane may do for the stage.
#[derive(Debug)]
pub(super) enum DueUpdate {
    /// Bring this picture.
    Now(SlotId, Box<(CardUpdate, CardState)>),
    /// Wait until then.
    At(Instant),
    /// Nothing.
    Nothing,
}

impl LiveCards {
    /// Shows this in the place of what the card showed before; nothing where no picture can come any more.
    pub fn show(&self, slot: SlotId, picture: CardUpdate) {
        let to = picture.to.clone();
        let scene = LiveCard { to: to.clone(), picture: None, screen: CardState::default() };
        {
            let mut scenes = self.scenes();
            let scene = scenes.entry(slot).or_insert(scene);
            if scene.screen.is_over() {
                return;
            }
            scene.picture = Some(picture);
        }
        self.house.bell.ring([to].into());
    }

    /// Takes a card off the stage that gets no last word; if it is in the chat already, it stays as it is.
    pub fn clear(&self, slot: SlotId) {
        self.scenes().remove(&slot);
    }

    /// Whether cards are redrawn whole because the app may not make the entities whose text is typed out.
    #[must_use]
    pub fn is_redrawn(&self) -> bool {
        self.house.scope.is_denied()
    }

    /// What is known of the app's permission to make card entities.
    pub(super) fn scope(&self) -> &CardScopeState {
        &self.house.scope
    }

    /// Takes a card off the stage because its last word is about to be sent; what is known of it.
    pub(super) fn end(&self, slot: SlotId) -> Option<CardState> {
        self.scenes().remove(&slot).map(|scene| scene.screen)
    }

    /// Takes the picture of a recipient's that is due first.
    pub(super) fn due(&self, to: &Recipient, now: Instant) -> DueUpdate {
        let mut scenes = self.scenes();
        let waiting = scenes.iter_mut().filter(|(_, scene)| scene.picture.is_some() && scene.to == *to);
        let Some((slot, scene)) = waiting.min_by_key(|(_, scene)| scene.screen.not_before()) else {
            return DueUpdate::Nothing;
        };
        match scene.screen.not_before() {
            Some(at) if at > now => DueUpdate::At(at),
            Some(_) | None => match scene.picture.take() {
                Some(picture) => {
                    DueUpdate::Now(*slot, Box::new((picture, std::mem::take(&mut scene.screen))))
                }
                None => DueUpdate::Nothing,
            },
        }
    }

    /// Gives back what is known of a card, and a picture that is to be tried again unless there is a newer one.
    pub(super) fn put_back(&self, slot: SlotId, screen: CardState, again: Option<CardUpdate>) {
        if let Some(scene) = self.scenes().get_mut(&slot) {
            scene.screen = screen;
            scene.picture = scene.picture.take().or(again);
            if scene.screen.is_over() {
                scene.picture = None;
            }
        }
    }

    /// Whose pictures are new since the last call; waits until there are some. For one caller.
    pub(super) async fn fresh(&self) -> BTreeSet<Recipient> {
        self.house.bell.take().await
    }

    fn scenes(&self) -> MutexGuard<'_, BTreeMap<SlotId, LiveCard>> {
        self.house.scenes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
