//! Bringing a picture: one card's newest, when nothing that is owed waits.
//!
//! Where the app may, the card is an entity, whose text Feishu types out as it grows; else the message is patched. A
//! picture that fails is tried again only as long as there is no newer one.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Advice, Content, Deliver, Errand, Operation, Refused,
    lane::{Ended, Gone, Lane},
};
use crate::{
    ids::{MessageId, SlotId},
    mail::{
        Card, StoreError,
        card::Mark,
        pacing::{Haste, backoff},
        stage::Picture,
    },
    render::{
        document::Document,
        ladder::{self, Moment},
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
pub(in crate::mail) struct Screen {
    /// What is known of it; none before it was looked up.
    card: Option<Card>,
    /// The epitaph that is on record.
    epitaph: Option<Option<Document>>,
    /// What the card shows; none when that is not known.
    shows: Option<Shows>,
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
struct Shows {
    shape: u64,
    text: Option<String>,
}

impl Screen {
    /// When the next picture may come.
    pub(in crate::mail) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Whether no picture can come any more.
    pub(in crate::mail) fn is_over(&self) -> bool {
        self.over
    }

    /// What the card's last word needs to know.
    pub(super) fn leave(self) -> (Option<Card>, i32, bool) {
        let in_doubt = self.is_in_doubt();
        (self.card, self.sequence, in_doubt)
    }

    fn is_in_doubt(&self) -> bool {
        self.in_doubt.is_some_and(|since| since.elapsed() < DOUBT)
    }
}

/// What became of a picture.
enum Shown {
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

impl<D: Deliver> Lane<D> {
    /// Brings a picture, or not; nobody waits for it.
    pub(super) async fn picture(
        &mut self,
        slot: SlotId,
        picture: Picture,
        mut screen: Screen,
    ) -> Result<(), Gone> {
        let shown = match self.lookup(slot, &mut screen).await? {
            Some(mut card) => {
                let shown = self.project(&picture, &mut card, &mut screen).await?;
                screen.card = Some(card);
                shown
            }
            None => Shown::Later(None),
        };
        let mut again = None;
        let wait = match shown {
            Shown::Yes => {
                screen.failures = 0;
                let is_entity = screen.card.as_ref().is_some_and(|card| card.entity.is_some());
                if is_entity { BETWEEN_OPERATIONS } else { BETWEEN_PATCHES }
            }
            Shown::Later(after) => {
                // Where a time is named for it, it need not wait longer.
                screen.failures += u32::from(after.is_none());
                again = Some(picture);
                backoff(screen.failures, after, fastrand::f64()).max(BETWEEN_OPERATIONS)
            }
            Shown::No => {
                screen.failures += 1;
                backoff(screen.failures, None, fastrand::f64()).max(BETWEEN_PATCHES)
            }
            Shown::Never => {
                screen.over = true;
                Duration::ZERO
            }
            Shown::Ended => {
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

    async fn lookup(&self, slot: SlotId, screen: &mut Screen) -> Result<Option<Card>, Gone> {
        let of_slot = |ended: &Ended| ended.card.clone().filter(|card| card.slot == slot);
        let known = screen.card.take().or_else(|| self.unrecorded.iter().rev().find_map(of_slot));
        if known.is_some() {
            return Ok(known);
        }
        match self.office.store.card(slot).await {
            Ok(card) => Ok(Some(card.unwrap_or_else(|| Card::new(slot, Timestamp::now())))),
            Err(StoreError::Stopped) => Err(Gone),
            Err(StoreError::Busy | StoreError::Conflict(_) | StoreError::Failed(_)) => Ok(None),
        }
    }

    async fn project(
        &mut self,
        picture: &Picture,
        card: &mut Card,
        screen: &mut Screen,
    ) -> Result<Shown, Gone> {
        if card.gone {
            return Ok(Shown::Never);
        }
        let words = self.office.deliver.words();
        let untried = card.message_id.is_none() && !card.unsure && card.entity.is_none();
        if untried && screen.unmade < MOST_UNMADE && self.office.stage.scope().may_make(Instant::now()) {
            let made = ladder::moment(&picture.document, words, true);
            let errand = Errand::Make { card: made.card };
            match self.attempt(&errand, Haste::Spare).await? {
                Ok(entity) => {
                    self.office.stage.scope().granted();
                    (card.entity, screen.streaming) = (entity, Some(Instant::now()));
                }
                Err(Refused { advice: Advice::NotForThisApp, reason, .. }) => {
                    self.office.stage.scope().denied(&reason, Instant::now());
                }
                Err(Refused { advice: Advice::Retry { after, own, .. }, reason, .. }) => {
                    screen.unmade += u32::from(own);
                    if screen.unmade < MOST_UNMADE {
                        return Ok(Shown::Later(after));
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
        let Some(message_id) = card.message_id.clone() else { return Ok(Shown::No) };
        let changed = self.next(card, screen, &message_id, &moment).await?;
        let Err(Refused { advice, reason, .. }) = changed else { return Ok(Shown::Yes) };
        screen.shows = None;
        Ok(match advice {
            Advice::Retry { after, .. } => Shown::Later(after),
            Advice::CardGone | Advice::NotForThisApp | Advice::TargetGone | Advice::Undeliverable => {
                tracing::info!(%reason, "a card cannot be changed any more, its last word comes as a new message");
                card.gone = true;
                self.learn(card).await;
                Shown::Never
            }
            Advice::StreamClosed | Advice::Sequence | Advice::Unacceptable(_) => {
                tracing::debug!(%reason, "a picture is refused");
                Shown::No
            }
        })
    }

    /// Puts on record that a message is about to be sent, and the epitaph. The answer is there when the picture must
    /// not be shown.
    async fn mark(&self, picture: &Picture, card: &Card, screen: &mut Screen) -> Result<Option<Shown>, Gone> {
        let first = card.message_id.is_none();
        if !first && screen.epitaph.as_ref() == Some(&picture.epitaph) {
            return Ok(None);
        }
        let mark = Mark {
            to: self.to.clone(),
            reply_to: picture.reply_to.clone(),
            card: Card { unsure: first, ..card.clone() },
            epitaph: picture.epitaph.clone(),
        };
        Ok(match self.office.store.picture_begins(mark).await {
            Ok(true) => {
                screen.epitaph = Some(picture.epitaph.clone());
                None
            }
            Ok(false) => Some(Shown::Ended),
            Err(StoreError::Stopped) => return Err(Gone),
            Err(error) => {
                tracing::debug!(%error, "a picture could not be put on record");
                Some(Shown::Later(None))
            }
        })
    }

    /// Sends the message that shows the card from then on.
    async fn first(
        &self,
        picture: &Picture,
        card: &mut Card,
        screen: &mut Screen,
        moment: &Moment,
    ) -> Result<Option<Shown>, Gone> {
        let content = match &card.entity {
            Some(entity) => Content::Entity(entity.clone()),
            None => Content::Card(moment.card.clone()),
        };
        let mut errand = Errand::Send {
            to: self.to.clone(),
            reply_to: picture.reply_to.clone(),
            content,
            uuid: card.slot.to_string(),
        };
        let mut sent = self.attempt(&errand, Haste::Spare).await?;
        if let Errand::Send { reply_to: target @ Some(_), .. } = &mut errand
            && sent.as_ref().is_err_and(|refused| refused.advice == Advice::TargetGone)
        {
            *target = None;
            sent = self.attempt(&errand, Haste::Spare).await?;
        }
        let refused = match sent {
            Ok(message_id) => {
                // One that was there before shows what was sent first.
                let shows = Shows { shape: moment.shape, text: moment.stream.clone() };
                screen.shows = (!card.unsure).then_some(shows);
                (card.message_id, card.unsure) = (message_id.map(MessageId::from), false);
                self.learn(card).await;
                return Ok(None);
            }
            Err(refused) => refused,
        };
        tracing::debug!(reason = %refused.reason, "the first picture of a card is not shown");
        Ok(Some(match refused.advice {
            Advice::Retry { after, outcome_known, .. } => {
                card.unsure |= !outcome_known;
                Shown::Later(after)
            }
            Advice::Undeliverable => Shown::Never,
            Advice::TargetGone
            | Advice::CardGone
            | Advice::StreamClosed
            | Advice::Sequence
            | Advice::NotForThisApp
            | Advice::Unacceptable(_) => {
                card.entity = None;
                Shown::No
            }
        }))
    }

    /// Changes the card that is in the chat.
    async fn next(
        &self,
        card: &Card,
        screen: &mut Screen,
        message_id: &MessageId,
        moment: &Moment,
    ) -> Result<Result<(), Refused>, Gone> {
        let shows = Shows { shape: moment.shape, text: moment.stream.clone() };
        if screen.shows.as_ref() == Some(&shows) {
            return Ok(Ok(()));
        }
        let done = match card.entity.as_deref() {
            None => {
                let errand = Errand::Update { message_id: message_id.clone(), card: moment.card.clone() };
                let patched = self.attempt(&errand, Haste::Spare).await?;
                if let Err(Refused { advice: Advice::Retry { outcome_known: false, .. }, .. }) = patched {
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
        card: &Card,
        entity: &str,
        screen: &mut Screen,
        moment: &Moment,
    ) -> Result<Result<(), Refused>, Gone> {
        if screen.streaming.is_none_or(|since| since.elapsed() >= REARM) {
            let armed = self.arm(card, entity, screen).await?;
            if armed.is_err() {
                return Ok(armed);
            }
        }
        let same_shape = screen.shows.as_ref().is_some_and(|shows| shows.shape == moment.shape);
        if let Some(text) = moment.stream.as_ref().filter(|text| same_shape && !text.is_empty()) {
            let stream = || Operation::Stream(text.clone());
            let mut streamed = self.operate(card.made, entity, &mut screen.sequence, stream()).await?;
            // Feishu has ended it early: once more, and then in the other way.
            if streamed.as_ref().is_err_and(|refused| refused.advice == Advice::StreamClosed) {
                let armed = self.arm(card, entity, screen).await?;
                if armed.is_err() {
                    return Ok(armed);
                }
                streamed = self.operate(card.made, entity, &mut screen.sequence, stream()).await?;
            }
            match streamed {
                Err(Refused { advice: Advice::StreamClosed | Advice::Unacceptable(_), .. }) => {}
                done => return Ok(done),
            }
        }
        let whole = Operation::Replace(moment.card.clone());
        self.operate(card.made, entity, &mut screen.sequence, whole).await
    }

    /// Switches streaming on for the next 10 minutes.
    async fn arm(&self, card: &Card, entity: &str, screen: &mut Screen) -> Result<Result<(), Refused>, Gone> {
        let armed = self.operate(card.made, entity, &mut screen.sequence, Operation::Streaming(true)).await?;
        if armed.is_ok() {
            screen.streaming = Some(Instant::now());
        }
        Ok(armed)
    }

    /// Puts on record what is known of a card. What cannot be written is known on the stage.
    async fn learn(&self, card: &Card) {
        if let Err(error) = self.office.store.card_known(card.clone()).await {
            tracing::debug!(%error, "what is known of a card could not be noted");
        }
    }
}
