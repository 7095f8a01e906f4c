//! Bringing a picture: one card's newest, when nothing that is owed waits.
//!
//! Where the app may, the card is an entity, whose text Feishu types out as it grows; else the message is patched. A
//! picture that fails is tried again only as long as there is no newer one.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    ApiRequest, DeliveryAdvice, EntityChange, OutgoingContent, RequestFailure, Transport,
    lane::{Lane, LaneEnd, PostEnd},
};
use crate::{
    ids::{MessageId, SlotId},
    mail::{
        CardRecord, StoreError,
        card::UpdateMark,
        live_cards::CardUpdate,
        rate_limit::{Priority, backoff},
    },
    render::{
        document::Document,
        ladder::{self, CardSnapshot},
    },
};

/// Feishu: a message can be patched 5 times a second; its own programs do it so often.
const BETWEEN_PATCHES: Duration = Duration::from_millis(1_500);

/// Feishu: 10 operations a second on an entity.
const BETWEEN_OPERATIONS: Duration = Duration::from_millis(300);

/// Feishu: streaming ends 10 minutes after it was last switched on.
const REARM: Duration = Duration::from_secs(9 * 60);

/// So many tries to make an entity may fail before the card is sent without.
const MOST_UNMADE: u32 = 2;

/// A change that was not confirmed is not made any more after so long: whatever is between has given it up.
const DOUBT: Duration = Duration::from_secs(5 * 60);

/// A card on the stage as Feishu has it.
#[derive(Debug, Default)]
pub(in crate::mail) struct CardState {
    /// What is known of it; none before it was looked up.
    card: Option<CardRecord>,
    /// The epitaph that is on record.
    epitaph: Option<Option<Document>>,
    /// What the card shows; none when that is not known.
    shows: Option<CardContent>,
    /// When streaming was last switched on.
    streaming: Option<Instant>,
    /// The number of the last operation on the entity.
    sequence: i32,
    /// When a change of the message was last sent of which it is not known whether Feishu makes it, or has made it: it
    /// may come after a later one.
    in_doubt: Option<Instant>,
    /// Entities that could not be made for it, by what is not everybody's trouble.
    unmade: u32,
    failures: u32,
    not_before: Option<Instant>,
    over: bool,
}

/// What a card shows: the shape, and the streamed text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CardContent {
    shape: u64,
    text: Option<String>,
}

impl CardState {
    /// When the next picture may come.
    pub(in crate::mail) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Whether no picture can come any more.
    pub(in crate::mail) fn is_over(&self) -> bool {
        self.over
    }

    /// What the card's last word needs to know.
    pub(super) fn leave(self) -> (Option<CardRecord>, i32, bool) {
        let in_doubt = self.is_in_doubt();
        (self.card, self.sequence, in_doubt)
    }

    fn is_in_doubt(&self) -> bool {
        self.in_doubt.is_some_and(|since| since.elapsed() < DOUBT)
    }
}

/// What became of a picture.
enum UpdateOutcome {
    /// It is in the chat.
    Yes,
    /// It may be later.
    Later(Option<Duration>),
    /// It is not, but another one may be.
    No,
    /// Nor can any other.
    Never,
    /// The card has its last word, or is about to have it.
    Ended,
}

impl<D: Transport> Lane<D> {
    /// Brings a picture, or not; nobody waits for it.
    pub(super) async fn picture(
        &mut self,
        slot: SlotId,
        picture: CardUpdate,
        mut screen: CardState,
    ) -> Result<(), LaneEnd> {
        let shown = match self.lookup(slot, &mut screen).await? {
            Some(mut card) => {
                let shown = self.project(&picture, &mut card, &mut screen).await?;
                screen.card = Some(card);
                shown
            }
            None => UpdateOutcome::Later(None),
        };
        let mut again = None;
        let wait = match shown {
            UpdateOutcome::Yes => {
                screen.failures = 0;
                let is_entity = screen.card.as_ref().is_some_and(|card| card.entity.is_some());
                if is_entity { BETWEEN_OPERATIONS } else { BETWEEN_PATCHES }
            }
            UpdateOutcome::Later(after) => {
                // Where a time is named for it, it need not wait longer.
                screen.failures += u32::from(after.is_none());
                again = Some(picture);
                backoff(screen.failures, after, fastrand::f64()).max(BETWEEN_OPERATIONS)
            }
            UpdateOutcome::No => {
                screen.failures += 1;
                backoff(screen.failures, None, fastrand::f64()).max(BETWEEN_PATCHES)
            }
            UpdateOutcome::Never => {
                screen.over = true;
                Duration::ZERO
            }
            UpdateOutcome::Ended => {
                // The last word, which waits, has to know.
                if screen.is_in_doubt() {
                    self.office.stage.put_back(slot, screen, None);
                } else {
                    self.office.stage.end(slot);
                }
                return Ok(());
            }
        };
        screen.not_before = Some(Instant::now() + wait);
        self.office.stage.put_back(slot, screen, again);
        Ok(())
    }

    async fn lookup(&self, slot: SlotId, screen: &mut CardState) -> Result<Option<CardRecord>, LaneEnd> {
        let of_slot = |ended: &PostEnd| ended.card.clone().filter(|card| card.slot == slot);
        let known = screen.card.take().or_else(|| self.unrecorded.iter().rev().find_map(of_slot));
        if known.is_some() {
            return Ok(known);
        }
        match self.office.store.card(slot).await {
            Ok(card) => Ok(Some(card.unwrap_or_else(|| CardRecord::new(slot, Timestamp::now())))),
            Err(StoreError::Stopped) => Err(LaneEnd),
            Err(StoreError::Busy | StoreError::Conflict(_) | StoreError::Failed(_)) => Ok(None),
        }
    }

    async fn project(
        &mut self,
        picture: &CardUpdate,
        card: &mut CardRecord,
        screen: &mut CardState,
    ) -> Result<UpdateOutcome, LaneEnd> {
        if card.gone {
            return Ok(UpdateOutcome::Never);
        }
        let words = self.office.deliver.words();
        let untried = card.message_id.is_none() && !card.unsure && card.entity.is_none();
        if untried && screen.unmade < MOST_UNMADE && self.office.stage.scope().may_make(Instant::now()) {
            let made = ladder::moment(&picture.document, words, true);
            let errand = ApiRequest::Make { card: made.card };
            match self.attempt(&errand, Priority::Spare).await? {
                Ok(entity) => {
                    self.office.stage.scope().granted();
                    (card.entity, screen.streaming) = (entity, Some(Instant::now()));
                }
                Err(RequestFailure { advice: DeliveryAdvice::NotForThisApp, reason, .. }) => {
                    self.office.stage.scope().denied(&reason, Instant::now());
                }
                Err(RequestFailure { advice: DeliveryAdvice::Retry { after, own, .. }, reason, .. }) => {
                    screen.unmade += u32::from(own);
                    if screen.unmade < MOST_UNMADE {
                        return Ok(UpdateOutcome::Later(after));
                    }
                    tracing::debug!(%reason, "no card entity can be made, the card is sent as it is");
                }
                Err(refused) => {
                    tracing::debug!(reason = %refused.reason, "a card entity is refused, the card is sent as it is");
                }
            }
        }
        let moment = ladder::moment(&picture.document, words, card.entity.is_some());
        if let Some(not) = self.mark(picture, card, screen).await? {
            return Ok(not);
        }
        if card.message_id.is_none()
            && let Some(not) = self.first(picture, card, screen, &moment).await?
        {
            return Ok(not);
        }
        let Some(message_id) = card.message_id.clone() else { return Ok(UpdateOutcome::No) };
        let changed = self.next(card, screen, &message_id, &moment).await?;
        let Err(RequestFailure { advice, reason, .. }) = changed else { return Ok(UpdateOutcome::Yes) };
        screen.shows = None;
        Ok(match advice {
            DeliveryAdvice::Retry { after, .. } => UpdateOutcome::Later(after),
            DeliveryAdvice::CardGone
            | DeliveryAdvice::NotForThisApp
            | DeliveryAdvice::TargetGone
            | DeliveryAdvice::Undeliverable => {
                tracing::info!(%reason, "a card cannot be changed any more, its last word comes as a new message");
                card.gone = true;
                self.learn(card).await;
                UpdateOutcome::Never
            }
            DeliveryAdvice::StreamClosed | DeliveryAdvice::Sequence | DeliveryAdvice::Unacceptable(_) => {
                tracing::debug!(%reason, "a picture is refused");
                UpdateOutcome::No
            }
        })
    }

    /// Puts on record that a message is about to be sent, and the epitaph. The answer is there when the picture must
    /// not be shown.
    async fn mark(
        &self,
        picture: &CardUpdate,
        card: &CardRecord,
        screen: &mut CardState,
    ) -> Result<Option<UpdateOutcome>, LaneEnd> {
        let first = card.message_id.is_none();
        if !first && screen.epitaph.as_ref() == Some(&picture.epitaph) {
            return Ok(None);
        }
        let mark = UpdateMark {
            to: self.to.clone(),
            reply_to: picture.reply_to.clone(),
            card: CardRecord { unsure: first, ..card.clone() },
            epitaph: picture.epitaph.clone(),
        };
        Ok(match self.office.store.picture_begins(mark).await {
            Ok(true) => {
                screen.epitaph = Some(picture.epitaph.clone());
                None
            }
            Ok(false) => Some(UpdateOutcome::Ended),
            Err(StoreError::Stopped) => return Err(LaneEnd),
            Err(error) => {
                tracing::debug!(%error, "a picture could not be put on record");
                Some(UpdateOutcome::Later(None))
            }
        })
    }

    /// Sends the message that shows the card from then on.
    async fn first(
        &self,
        picture: &CardUpdate,
        card: &mut CardRecord,
        screen: &mut CardState,
        moment: &CardSnapshot,
    ) -> Result<Option<UpdateOutcome>, LaneEnd> {
        let content = match &card.entity {
            Some(entity) => OutgoingContent::Entity(entity.clone()),
            None => OutgoingContent::Card(moment.card.clone()),
        };
        let mut errand = ApiRequest::Send {
            to: self.to.clone(),
            reply_to: picture.reply_to.clone(),
            content,
            uuid: card.slot.to_string(),
        };
        let mut sent = self.attempt(&errand, Priority::Spare).await?;
        if let ApiRequest::Send { reply_to: target @ Some(_), .. } = &mut errand
            && sent.as_ref().is_err_and(|refused| refused.advice == DeliveryAdvice::TargetGone)
        {
            *target = None;
            sent = self.attempt(&errand, Priority::Spare).await?;
        }
        let refused = match sent {
            Ok(message_id) => {
                // One that was there before shows what was sent first.
                let shows = CardContent { shape: moment.shape, text: moment.stream.clone() };
                screen.shows = (!card.unsure).then_some(shows);
                (card.message_id, card.unsure) = (message_id.map(MessageId::from), false);
                self.learn(card).await;
                return Ok(None);
            }
            Err(refused) => refused,
        };
        tracing::debug!(reason = %refused.reason, "the first picture of a card is not shown");
        Ok(Some(match refused.advice {
            DeliveryAdvice::Retry { after, outcome_known, .. } => {
                card.unsure |= !outcome_known;
                UpdateOutcome::Later(after)
            }
            DeliveryAdvice::Undeliverable => UpdateOutcome::Never,
            DeliveryAdvice::TargetGone
            | DeliveryAdvice::CardGone
            | DeliveryAdvice::StreamClosed
            | DeliveryAdvice::Sequence
            | DeliveryAdvice::NotForThisApp
            | DeliveryAdvice::Unacceptable(_) => {
                card.entity = None;
                UpdateOutcome::No
            }
        }))
    }

    /// Changes the card that is in the chat.
    async fn next(
        &self,
        card: &CardRecord,
        screen: &mut CardState,
        message_id: &MessageId,
        moment: &CardSnapshot,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let shows = CardContent { shape: moment.shape, text: moment.stream.clone() };
        if screen.shows.as_ref() == Some(&shows) {
            return Ok(Ok(()));
        }
        let done = match card.entity.as_deref() {
            None => {
                let errand = ApiRequest::Update { message_id: message_id.clone(), card: moment.card.clone() };
                let patched = self.attempt(&errand, Priority::Spare).await?;
                if let Err(RequestFailure {
                    advice: DeliveryAdvice::Retry { outcome_known: false, .. },
                    ..
                }) = patched
                {
                    screen.in_doubt = Some(Instant::now());
                }
                patched.map(|_| ())
            }
            Some(entity) => self.stream(card, entity, screen, moment).await?,
        };
        if done.is_ok() {
            screen.shows = Some(shows);
        }
        Ok(done)
    }

    /// Changes an entity: its text alone, if that is all that is new.
    async fn stream(
        &self,
        card: &CardRecord,
        entity: &str,
        screen: &mut CardState,
        moment: &CardSnapshot,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        if screen.streaming.is_none_or(|since| since.elapsed() >= REARM) {
            let armed = self.arm(card, entity, screen).await?;
            if armed.is_err() {
                return Ok(armed);
            }
        }
        let same_shape = screen.shows.as_ref().is_some_and(|shows| shows.shape == moment.shape);
        if let Some(text) = moment.stream.as_ref().filter(|text| same_shape && !text.is_empty()) {
            let stream = || EntityChange::Stream(text.clone());
            let mut streamed = self.operate(card.made, entity, &mut screen.sequence, stream()).await?;
            // Feishu has ended it early: once more, and then in the other way.
            if streamed.as_ref().is_err_and(|refused| refused.advice == DeliveryAdvice::StreamClosed) {
                let armed = self.arm(card, entity, screen).await?;
                if armed.is_err() {
                    return Ok(armed);
                }
                streamed = self.operate(card.made, entity, &mut screen.sequence, stream()).await?;
            }
            match streamed {
                Err(RequestFailure {
                    advice: DeliveryAdvice::StreamClosed | DeliveryAdvice::Unacceptable(_),
                    ..
                }) => {}
                done => return Ok(done),
            }
        }
        let whole = EntityChange::Replace(moment.card.clone());
        self.operate(card.made, entity, &mut screen.sequence, whole).await
    }

    /// Switches streaming on for the next 10 minutes.
    async fn arm(
        &self,
        card: &CardRecord,
        entity: &str,
        screen: &mut CardState,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let armed =
            self.operate(card.made, entity, &mut screen.sequence, EntityChange::Streaming(true)).await?;
        if armed.is_ok() {
            screen.streaming = Some(Instant::now());
        }
        Ok(armed)
    }

    /// Puts on record what is known of a card. What cannot be written is known on the stage.
    async fn learn(&self, card: &CardRecord) {
        if let Err(error) = self.office.store.card_known(card.clone()).await {
            tracing::debug!(%error, "what is known of a card could not be noted");
        }
    }
}
