//! Live updates: sends the newest update of a card, when nothing that is owed waits.
//!
//! Where the app may, the card is an entity whose text Feishu types out as it grows; otherwise the message's card is
//! replaced. An update that fails is tried again only until there is a newer one.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    ApiRequest, DeliveryAdvice, EntityChange, OutgoingContent, RequestFailure, Transport,
    attempt::retry_wait,
    card_change::Effort,
    lane::{Lane, LaneEnd},
    rate_limit::Priority,
};
use crate::{
    ids::{MessageId, SlotId},
    mail::{CardRecord, StoreError, live_cards::CardUpdate, store::UpdateMark},
    render::{
        document::Document,
        ladder::{self, CardSnapshot},
    },
};

/// The time between two replacements of a message's card. Feishu allows 5 a second; its own programs keep to this.
const REPLACE_INTERVAL: Duration = Duration::from_millis(1_500);

/// The time between two updates of an entity. Feishu allows 10 operations a second on one.
const ENTITY_INTERVAL: Duration = Duration::from_millis(300);

/// The time after which streaming is switched on again. Feishu ends it 10 minutes after it was last switched on.
const STREAMING_RENEWAL: Duration = Duration::from_secs(9 * 60);

/// Maximum number of failed tries to create an entity; then the card is sent without one.
const MAX_FAILED_ENTITIES: u32 = 2;

/// How long an unconfirmed change may still arrive: longer than anything between here and Feishu holds it.
const UNCONFIRMED_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// What the courier knows of a live card.
#[derive(Debug, Default)]
pub(in crate::mail) struct CardState {
    /// The card's record; `None` before it was read.
    card: Option<CardRecord>,
    /// The fallback that is on record; the outer `None` before one was recorded.
    fallback: Option<Option<Document>>,
    /// What the card shows; `None` when that is not known.
    shown: Option<CardContent>,
    /// When streaming was last switched on.
    streaming_since: Option<Instant>,
    /// The number of the last operation on the entity.
    sequence: i32,
    /// When the last change was sent of which it is not known whether Feishu took it. It may arrive after a later one.
    unconfirmed_since: Option<Instant>,
    /// Number of failed tries to create an entity for this card, those that were everybody's trouble apart.
    failed_entities: u32,
    /// Number of failed updates in a row.
    failures: u32,
    not_before: Option<Instant>,
    over: bool,
}

/// What a card shows: everything but the streamed text as a hash, and the streamed text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CardContent {
    shape: u64,
    text: Option<String>,
}

impl CardContent {
    fn of(snapshot: &CardSnapshot) -> Self {
        Self { shape: snapshot.shape, text: snapshot.stream.clone() }
    }
}

impl CardState {
    /// When the next update may be sent.
    pub(in crate::mail) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Whether no update can be sent any more.
    pub(in crate::mail) fn is_over(&self) -> bool {
        self.over
    }

    /// What the final update needs: the card's record, the number of the last operation on its entity, and whether an
    /// unconfirmed change may still arrive.
    pub(super) fn into_parts(self) -> (Option<CardRecord>, i32, bool) {
        let unconfirmed = self.is_unconfirmed();
        (self.card, self.sequence, unconfirmed)
    }

    fn is_unconfirmed(&self) -> bool {
        self.unconfirmed_since.is_some_and(|since| since.elapsed() < UNCONFIRMED_LIFETIME)
    }
}

/// How sending an update ended.
enum UpdateOutcome {
    /// The chat shows it.
    Shown,
    /// It can be tried again, not before this time if Feishu names one.
    Retry(Option<Duration>),
    /// It is refused; the next update may not be.
    Refused,
    /// No update of this card can be shown.
    Impossible,
    /// The card has its final update, or is about to get it.
    Superseded,
}

impl<T: Transport> Lane<T> {
    /// Sends an update if that can be done now; nobody waits for it.
    pub(super) async fn send_update(
        &mut self,
        slot: SlotId,
        update: CardUpdate,
        mut state: CardState,
    ) -> Result<(), LaneEnd> {
        let outcome = match self.read_card(slot, &mut state).await? {
            Some(mut card) => {
                let outcome = self.show_update(&update, &mut card, &mut state).await?;
                state.card = Some(card);
                outcome
            }
            None => UpdateOutcome::Retry(None),
        };
        let mut again = None;
        let wait = match outcome {
            UpdateOutcome::Shown => {
                state.failures = 0;
                let is_entity = state.card.as_ref().is_some_and(|card| card.entity.is_some());
                if is_entity { ENTITY_INTERVAL } else { REPLACE_INTERVAL }
            }
            UpdateOutcome::Retry(after) => {
                // Where Feishu names a time, the wait need not grow.
                state.failures += u32::from(after.is_none());
                again = Some(update);
                retry_wait(state.failures, after, fastrand::f64()).max(ENTITY_INTERVAL)
            }
            UpdateOutcome::Refused => {
                state.failures += 1;
                retry_wait(state.failures, None, fastrand::f64()).max(REPLACE_INTERVAL)
            }
            UpdateOutcome::Impossible => {
                state.over = true;
                Duration::ZERO
            }
            UpdateOutcome::Superseded => {
                // The final update, which waits, has to know of an unconfirmed change.
                if state.is_unconfirmed() {
                    self.context.live_cards.put_back(slot, state, None);
                } else {
                    self.context.live_cards.remove(slot);
                }
                return Ok(());
            }
        };
        state.not_before = Some(Instant::now() + wait);
        self.context.live_cards.put_back(slot, state, again);
        Ok(())
    }

    /// What is known of the card; `None` when the database does not answer now.
    async fn read_card(&self, slot: SlotId, state: &mut CardState) -> Result<Option<CardRecord>, LaneEnd> {
        let known = state.card.take().or_else(|| self.unrecorded_card(slot));
        if known.is_some() {
            return Ok(known);
        }
        match self.context.store.card(slot).await {
            Ok(card) => Ok(Some(card.unwrap_or_else(|| CardRecord::new(slot, Timestamp::now())))),
            Err(StoreError::Stopped) => Err(LaneEnd),
            Err(StoreError::Busy | StoreError::Conflict(_) | StoreError::Failed(_)) => Ok(None),
        }
    }

    async fn show_update(
        &mut self,
        update: &CardUpdate,
        card: &mut CardRecord,
        state: &mut CardState,
    ) -> Result<UpdateOutcome, LaneEnd> {
        if card.gone {
            return Ok(UpdateOutcome::Impossible);
        }
        if let Some(outcome) = self.create_entity(update, card, state).await? {
            return Ok(outcome);
        }
        let words = self.context.transport.words();
        let snapshot = ladder::snapshot(&update.document, words, card.entity.is_some());
        if let Some(outcome) = self.record_update(update, card, state).await? {
            return Ok(outcome);
        }
        if card.message_id.is_none()
            && let Some(outcome) = self.send_first(update, card, state, &snapshot).await?
        {
            return Ok(outcome);
        }
        let Some(message_id) = card.message_id.clone() else { return Ok(UpdateOutcome::Refused) };
        let changed = self.change_shown(card, state, &message_id, &snapshot).await?;
        let Err(RequestFailure { advice, reason, .. }) = changed else { return Ok(UpdateOutcome::Shown) };
        state.shown = None;
        Ok(match advice {
            DeliveryAdvice::Retry { after, .. } => UpdateOutcome::Retry(after),
            DeliveryAdvice::CardGone
            | DeliveryAdvice::NotForThisApp
            | DeliveryAdvice::TargetGone
            | DeliveryAdvice::Undeliverable => {
                tracing::info!(%reason, "a card cannot be changed any more, its final update is sent as a new message");
                card.gone = true;
                self.record_card(card).await;
                UpdateOutcome::Impossible
            }
            DeliveryAdvice::StreamClosed
            | DeliveryAdvice::StaleSequence
            | DeliveryAdvice::Unacceptable(_) => {
                tracing::debug!(%reason, "a live update is refused");
                UpdateOutcome::Refused
            }
        })
    }

    /// Creates the entity of a card that was not sent yet, unless that failed too often or the app may not. There is an
    /// outcome when it is to be tried again.
    async fn create_entity(
        &self,
        update: &CardUpdate,
        card: &mut CardRecord,
        state: &mut CardState,
    ) -> Result<Option<UpdateOutcome>, LaneEnd> {
        let permission = self.context.live_cards.entity_permission();
        let was_sent = card.message_id.is_some() || card.unsure || card.entity.is_some();
        if was_sent || state.failed_entities >= MAX_FAILED_ENTITIES || !permission.may_try(Instant::now()) {
            return Ok(None);
        }
        let snapshot = ladder::snapshot(&update.document, self.context.transport.words(), true);
        let request = ApiRequest::CreateEntity { card: snapshot.card };
        match self.attempt(&request, Priority::Optional).await? {
            Ok(entity) => {
                permission.granted();
                (card.entity, state.streaming_since) = (entity, Some(Instant::now()));
            }
            Err(RequestFailure { advice: DeliveryAdvice::NotForThisApp, reason, .. }) => {
                permission.denied(&reason, Instant::now());
            }
            Err(RequestFailure { advice: DeliveryAdvice::Retry { after, own, .. }, reason, .. }) => {
                state.failed_entities += u32::from(own);
                if state.failed_entities < MAX_FAILED_ENTITIES {
                    return Ok(Some(UpdateOutcome::Retry(after)));
                }
                tracing::debug!(%reason, "failed to create a card entity, the card is sent without");
            }
            Err(failure) => {
                tracing::debug!(reason = %failure.reason, "a card entity is refused, the card is sent without");
            }
        }
        Ok(None)
    }

    /// Records the fallback, and that the first message is about to be sent. There is an outcome when the update must
    /// not be sent.
    async fn record_update(
        &self,
        update: &CardUpdate,
        card: &CardRecord,
        state: &mut CardState,
    ) -> Result<Option<UpdateOutcome>, LaneEnd> {
        let first = card.message_id.is_none();
        if !first && state.fallback.as_ref() == Some(&update.fallback) {
            return Ok(None);
        }
        let mark = UpdateMark {
            to: self.to.clone(),
            reply_to: update.reply_to.clone(),
            card: CardRecord { unsure: first, ..card.clone() },
            fallback: update.fallback.clone(),
        };
        Ok(match self.context.store.begin_update(mark).await {
            Ok(true) => {
                state.fallback = Some(update.fallback.clone());
                None
            }
            Ok(false) => Some(UpdateOutcome::Superseded),
            Err(StoreError::Stopped) => return Err(LaneEnd),
            Err(error) => {
                tracing::debug!(%error, "failed to record a live update");
                Some(UpdateOutcome::Retry(None))
            }
        })
    }

    /// Sends the message that shows the card. There is an outcome when it is not shown.
    async fn send_first(
        &self,
        update: &CardUpdate,
        card: &mut CardRecord,
        state: &mut CardState,
        snapshot: &CardSnapshot,
    ) -> Result<Option<UpdateOutcome>, LaneEnd> {
        let content = match &card.entity {
            Some(entity) => OutgoingContent::Entity(entity.clone()),
            None => OutgoingContent::Card(snapshot.card.clone()),
        };
        let mut request = ApiRequest::Send {
            to: self.to.clone(),
            reply_to: update.reply_to.clone(),
            content,
            uuid: card.slot.to_string(),
        };
        let mut sent = self.attempt(&request, Priority::Optional).await?;
        if let ApiRequest::Send { reply_to: target @ Some(_), .. } = &mut request
            && sent.as_ref().is_err_and(|failure| failure.advice == DeliveryAdvice::TargetGone)
        {
            *target = None;
            sent = self.attempt(&request, Priority::Optional).await?;
        }
        let failure = match sent {
            Ok(message_id) => {
                // A message that was there before shows what was sent first.
                state.shown = (!card.unsure).then(|| CardContent::of(snapshot));
                (card.message_id, card.unsure) = (message_id.map(MessageId::from), false);
                self.record_card(card).await;
                return Ok(None);
            }
            Err(failure) => failure,
        };
        tracing::debug!(reason = %failure.reason, "the first live update of a card is not shown");
        Ok(Some(match failure.advice {
            DeliveryAdvice::Retry { after, outcome_known, .. } => {
                card.unsure |= !outcome_known;
                UpdateOutcome::Retry(after)
            }
            DeliveryAdvice::Undeliverable => UpdateOutcome::Impossible,
            DeliveryAdvice::TargetGone
            | DeliveryAdvice::CardGone
            | DeliveryAdvice::StreamClosed
            | DeliveryAdvice::StaleSequence
            | DeliveryAdvice::NotForThisApp
            | DeliveryAdvice::Unacceptable(_) => {
                card.entity = None;
                UpdateOutcome::Refused
            }
        }))
    }

    /// Changes the card that is in the chat, unless it shows this already.
    async fn change_shown(
        &mut self,
        card: &CardRecord,
        state: &mut CardState,
        message_id: &MessageId,
        snapshot: &CardSnapshot,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let content = CardContent::of(snapshot);
        if state.shown.as_ref() == Some(&content) {
            return Ok(Ok(()));
        }
        let changed = match card.entity.as_deref() {
            None => {
                let (message_id, card) = (message_id.clone(), snapshot.card.clone());
                let request = ApiRequest::Update { message_id, card };
                let updated = self.attempt(&request, Priority::Optional).await?;
                if let Err(RequestFailure {
                    advice: DeliveryAdvice::Retry { outcome_known: false, .. },
                    ..
                }) = updated
                {
                    state.unconfirmed_since = Some(Instant::now());
                }
                updated.map(|_| ())
            }
            Some(entity) => self.change_shown_entity(card, entity, state, snapshot).await?,
        };
        if changed.is_ok() {
            state.shown = Some(content);
        }
        Ok(changed)
    }

    /// Changes an entity: only its streamed text, if nothing else is new.
    async fn change_shown_entity(
        &mut self,
        card: &CardRecord,
        entity: &str,
        state: &mut CardState,
        snapshot: &CardSnapshot,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        if state.streaming_since.is_none_or(|since| since.elapsed() >= STREAMING_RENEWAL) {
            let started = self.start_streaming(card, entity, state).await?;
            if started.is_err() {
                return Ok(started);
            }
        }
        let same_shape = state.shown.as_ref().is_some_and(|shown| shown.shape == snapshot.shape);
        if let Some(text) = snapshot.stream.as_ref().filter(|text| same_shape && !text.is_empty()) {
            let mut streamed = self.stream(card, entity, state, text).await?;
            // Feishu ended streaming early: switched on once more, and if that does not help, the card is replaced.
            if streamed.as_ref().is_err_and(|failure| failure.advice == DeliveryAdvice::StreamClosed) {
                let started = self.start_streaming(card, entity, state).await?;
                if started.is_err() {
                    return Ok(started);
                }
                streamed = self.stream(card, entity, state, text).await?;
            }
            match streamed {
                Err(RequestFailure {
                    advice: DeliveryAdvice::StreamClosed | DeliveryAdvice::Unacceptable(_),
                    ..
                }) => {}
                done => return Ok(done),
            }
        }
        let change = EntityChange::Replace(snapshot.card.clone());
        self.change_entity(Effort::Optional, card.made, entity, &mut state.sequence, change).await
    }

    async fn stream(
        &mut self,
        card: &CardRecord,
        entity: &str,
        state: &mut CardState,
        text: &str,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let change = EntityChange::Stream(text.to_owned());
        self.change_entity(Effort::Optional, card.made, entity, &mut state.sequence, change).await
    }

    /// Switches streaming on for the next 10 minutes.
    async fn start_streaming(
        &mut self,
        card: &CardRecord,
        entity: &str,
        state: &mut CardState,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let change = EntityChange::Streaming(true);
        let started =
            self.change_entity(Effort::Optional, card.made, entity, &mut state.sequence, change).await?;
        if started.is_ok() {
            state.streaming_since = Some(Instant::now());
        }
        Ok(started)
    }

    /// Records what is known of a card. If that fails, the card's state still has it.
    async fn record_card(&self, card: &CardRecord) {
        if let Err(error) = self.context.store.record_card(card.clone()).await {
            tracing::debug!(%error, "failed to record what is known of a card");
        }
    }
}
