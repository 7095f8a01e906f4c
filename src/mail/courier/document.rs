//! A document on its way down the ladder, until Feishu has all of it.
//!
//! The progress is recorded after each part that Feishu took, and before each part is tried on a lower rung. The uuid of
//! a part follows from the post's uuid and the position: whenever the daemon dies, it goes on with the very part that it
//! was sending, and nothing that was shown is shown twice.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{
    ApiRequest, CardState, ContentObjection, DeliveryAdvice, OutgoingContent, Transport,
    attempt::{PostAttempt, RETRY},
    card_change::ReplacedCard,
    lane::{Lane, LaneEnd, PostEnd},
};
use crate::{
    ids::{MessageId, SlotId},
    mail::{CardRecord, PostFate, StoreError},
    render::{
        document::Document,
        ladder::{self, LadderPosition, OutgoingPart, Rung, SendPlan},
    },
};

/// Maximum number of tries to record a step down before the lower part is sent without: a full disk must not hold
/// answers back.
const MAX_RECORD_TRIES: u32 = 8;

/// The longest wait between two of these tries.
const MAX_RECORD_WAIT: Duration = Duration::from_secs(2);

/// How far a document has come. It is kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct DocumentProgress {
    #[serde(rename = "place")]
    position: LadderPosition,
    /// Whether the card of its slot shows what it is to show.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shown: bool,
    /// The card in the chat that a new message replaces.
    #[serde(rename = "behind", skip_serializing_if = "Option::is_none")]
    replaced: Option<ReplacedCard>,
    /// Feishu's objection to this part on every rung: people get a sentence that says so in its place.
    #[serde(rename = "instead", skip_serializing_if = "Option::is_none")]
    objection: Option<ContentObjection>,
    /// Why a part was refused for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    wedged: Option<String>,
}

/// A document that is being sent.
struct DocumentDelivery {
    attempt: PostAttempt,
    uuid: String,
    reply_to: Option<MessageId>,
    plan: SendPlan,
    progress: DocumentProgress,
    card: Option<CardRecord>,
    /// The number of the last operation on its card, if that is an entity and there was one.
    sequence: i32,
    /// The last message that was sent for it.
    message_id: Option<MessageId>,
}

/// How one try of a part ended.
enum PartOutcome {
    /// Feishu has confirmed the part.
    Taken,
    /// It is to be tried in another way, which follows from the delivery's new state.
    Again,
    /// Feishu does not take it, for this reason.
    Refused(DeliveryAdvice, String),
}

impl<T: Transport> Lane<T> {
    /// Sends a document until Feishu has all of it or refuses it for good. `progress` is what an earlier run recorded.
    pub(super) async fn send_document(
        &mut self,
        attempt: PostAttempt,
        uuid: String,
        reply_to: Option<MessageId>,
        document: &Document,
        slot: Option<SlotId>,
        progress: Option<String>,
    ) -> Result<PostEnd, LaneEnd> {
        // Progress that another version wrote and this one cannot read counts as none: it is better to show something
        // twice than not at all.
        let progress = progress.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let plan = SendPlan::of(document, self.context.transport.words());
        let mut delivery = DocumentDelivery {
            attempt,
            uuid,
            reply_to,
            plan,
            progress,
            card: None,
            sequence: 0,
            message_id: None,
        };
        if let Some(slot) = slot {
            self.take_over_card(&mut delivery, slot).await?;
        }
        while let Some(part) = delivery.next_part(&self.context.transport) {
            match self.send_part(&mut delivery, part).await? {
                PartOutcome::Taken => {
                    delivery.progress.position = delivery.plan.next(&delivery.progress.position);
                    delivery.progress.objection = None;
                    delivery.restart_attempt();
                    if !delivery.is_complete() {
                        self.record_progress(&delivery, 1).await;
                    }
                }
                PartOutcome::Again => self.record_progress(&delivery, 1).await,
                PartOutcome::Refused(DeliveryAdvice::Unacceptable(objection), reason) => {
                    delivery.step_down(objection, reason, self);
                    self.record_progress(&delivery, MAX_RECORD_TRIES).await;
                }
                // Only this way is refused: another rung is another way.
                PartOutcome::Refused(
                    advice @ (DeliveryAdvice::NotForThisApp
                    | DeliveryAdvice::CardGone
                    | DeliveryAdvice::StreamClosed
                    | DeliveryAdvice::StaleSequence),
                    reason,
                ) => {
                    tracing::debug!(?advice, %reason, "a part is tried on a lower rung");
                    delivery.step_down(ContentObjection::Shape, reason, self);
                    self.record_progress(&delivery, MAX_RECORD_TRIES).await;
                }
                PartOutcome::Refused(
                    DeliveryAdvice::Retry { .. } | DeliveryAdvice::TargetGone | DeliveryAdvice::Undeliverable,
                    reason,
                ) => {
                    self.log_wedged(delivery.attempt.id, &reason);
                    delivery.progress.wedged = Some(reason);
                    if let Some(card) = &mut delivery.card {
                        card.unsure |= delivery.attempt.unsure_since.is_some() && card.message_id.is_none();
                    }
                    break;
                }
            }
        }
        if delivery.is_complete()
            && let (Some(replaced), Some(card)) = (delivery.progress.replaced.clone(), &delivery.card)
        {
            self.point_below(replaced, card.made, &mut delivery.sequence).await?;
        }
        let DocumentDelivery { attempt, progress, card, message_id, .. } = delivery;
        let fate = progress.wedged.map_or(PostFate::Confirmed(message_id), PostFate::Wedged);
        Ok(PostEnd { id: attempt.id, fate, card })
    }

    /// Ends the live updates of the slot, which must not follow its final update, and takes over what is known of its
    /// card. A card for which a live update may still arrive is replaced by a new message.
    async fn take_over_card(&mut self, delivery: &mut DocumentDelivery, slot: SlotId) -> Result<(), LaneEnd> {
        let state = self.context.live_cards.take_state(slot);
        let (known, sequence, unconfirmed) = state.map(CardState::into_parts).unwrap_or_default();
        delivery.sequence = sequence;
        delivery.card = Some(match known {
            Some(card) => card,
            None => self.load_card(slot).await?,
        });
        if unconfirmed && delivery.replace_card() {
            self.record_progress(delivery, MAX_RECORD_TRIES).await;
        }
        Ok(())
    }

    /// What is known of a slot's card; tried until the database answers.
    async fn load_card(&mut self, slot: SlotId) -> Result<CardRecord, LaneEnd> {
        if let Some(card) = self.unrecorded_card(slot) {
            return Ok(card);
        }
        let mut failures = 0;
        loop {
            match self.context.store.card(slot).await {
                Ok(card) => return Ok(card.unwrap_or_else(|| CardRecord::new(slot, Timestamp::now()))),
                Err(StoreError::Stopped) => return Err(LaneEnd),
                Err(error) => tracing::debug!(%error, "failed to read a card, trying again"),
            }
            failures += 1;
            sleep(RETRY.wait(failures, fastrand::f64())).await;
        }
    }

    /// Tries the part at the document's position in one way.
    async fn send_part(
        &mut self,
        delivery: &mut DocumentDelivery,
        part: OutgoingPart,
    ) -> Result<PartOutcome, LaneEnd> {
        if !delivery.progress.shown && delivery.may_have_card() {
            match &part {
                OutgoingPart::Card(json) => {
                    let outcome = self.show_in_card(delivery, json.clone()).await?;
                    delivery.progress.shown |= matches!(outcome, PartOutcome::Taken);
                    return Ok(outcome);
                }
                OutgoingPart::Text(_) | OutgoingPart::File { .. } => {
                    let below = ladder::words_below_card(self.context.transport.words());
                    match self.show_in_card(delivery, below).await? {
                        PartOutcome::Again => {}
                        // The content comes below it in any case.
                        PartOutcome::Taken | PartOutcome::Refused(..) => {
                            delivery.progress.shown = true;
                            delivery.restart_attempt();
                        }
                    }
                    return Ok(PartOutcome::Again);
                }
            }
        }
        self.send_new_message(delivery, part).await
    }

    /// Sends a part as a new message.
    async fn send_new_message(
        &mut self,
        delivery: &mut DocumentDelivery,
        part: OutgoingPart,
    ) -> Result<PartOutcome, LaneEnd> {
        // The slot's card is the one with the buttons, whichever was in the chat before.
        let becomes_card =
            matches!(part, OutgoingPart::Card(_)) && delivery.plan.has_buttons(&delivery.progress.position);
        let content = match part {
            OutgoingPart::Card(json) => OutgoingContent::Card(json),
            OutgoingPart::Text(text) => OutgoingContent::Text(text),
            OutgoingPart::File { name, text } => {
                let mut upload = ApiRequest::Upload { name, text };
                match self.retry(&mut delivery.attempt, &mut upload).await? {
                    Ok(key) => OutgoingContent::File(key.unwrap_or_default()),
                    Err(failure) => return Ok(PartOutcome::Refused(failure.advice, failure.reason)),
                }
            }
        };
        // The first message of a slot has the slot's id as its uuid, whoever sends it.
        let uuid = match &delivery.card {
            Some(card) if becomes_card && !delivery.progress.shown && !card.gone => card.slot.to_string(),
            Some(_) | None => part_uuid(&delivery.uuid, &delivery.progress),
        };
        let reply_to = delivery.reply_to.clone();
        let mut request = ApiRequest::Send { to: self.to.clone(), reply_to, content, uuid };
        let sent = self.retry(&mut delivery.attempt, &mut request).await?;
        if let ApiRequest::Send { reply_to, .. } = request {
            delivery.reply_to = reply_to;
        }
        let message_id = match sent {
            Ok(message_id) => message_id.map(MessageId::from),
            Err(failure) => return Ok(PartOutcome::Refused(failure.advice, failure.reason)),
        };
        if becomes_card && let Some(card) = &mut delivery.card {
            *card = CardRecord { message_id: message_id.clone(), ..CardRecord::new(card.slot, card.made) };
            delivery.progress.shown = true;
        }
        delivery.message_id = message_id;
        Ok(PartOutcome::Taken)
    }

    /// Has the card of the slot, which is or may be in the chat, show this.
    async fn show_in_card(
        &mut self,
        delivery: &mut DocumentDelivery,
        json: String,
    ) -> Result<PartOutcome, LaneEnd> {
        let DocumentDelivery { attempt, card: Some(card), sequence, .. } = delivery else {
            return Ok(PartOutcome::Taken);
        };
        let Some(message_id) = card.message_id.clone() else {
            return self.find_message(delivery).await;
        };
        let changed = self.change_card(*attempt, card, sequence, &message_id, json).await?;
        let Err(failure) = changed else {
            delivery.message_id = Some(message_id);
            return Ok(PartOutcome::Taken);
        };
        match failure.advice {
            DeliveryAdvice::CardGone
            | DeliveryAdvice::NotForThisApp
            | DeliveryAdvice::StreamClosed
            | DeliveryAdvice::StaleSequence
            | DeliveryAdvice::TargetGone
            | DeliveryAdvice::Retry { .. } => {
                tracing::info!(
                    post = delivery.attempt.id,
                    reason = %failure.reason,
                    "a card cannot be changed any more, a new one is sent"
                );
                let may_be_changed = matches!(failure.advice, DeliveryAdvice::Retry { .. });
                if !(may_be_changed && delivery.replace_card())
                    && let Some(card) = &mut delivery.card
                {
                    card.gone = true;
                }
                delivery.restart_attempt();
                Ok(PartOutcome::Again)
            }
            advice @ (DeliveryAdvice::Unacceptable(_) | DeliveryAdvice::Undeliverable) => {
                Ok(PartOutcome::Refused(advice, failure.reason))
            }
        }
    }

    /// Learns the id of a message that may be in the chat, by sending one with its uuid. If it turns out to be the
    /// first, it does not show the content yet; a card that cannot be changed then points to the messages below.
    async fn find_message(&mut self, delivery: &mut DocumentDelivery) -> Result<PartOutcome, LaneEnd> {
        let Some(card) = &delivery.card else { return Ok(PartOutcome::Taken) };
        let below = || OutgoingContent::Card(ladder::words_below_card(self.context.transport.words()));
        let content = card.entity.clone().map_or_else(below, OutgoingContent::Entity);
        let (to, reply_to, uuid) = (self.to.clone(), delivery.reply_to.clone(), card.slot.to_string());
        let mut request = ApiRequest::Send { to, reply_to, content, uuid };
        let sent = self.retry(&mut delivery.attempt, &mut request).await?;
        let Some(card) = &mut delivery.card else { return Ok(PartOutcome::Taken) };
        match sent {
            Ok(message_id) => {
                card.message_id = message_id.map(MessageId::from);
                card.unsure = false;
                delivery.restart_attempt();
                Ok(PartOutcome::Again)
            }
            // The entity is gone, or was sent already with another uuid.
            Err(failure)
                if card.entity.is_some()
                    && !matches!(
                        failure.advice,
                        DeliveryAdvice::Retry { .. } | DeliveryAdvice::Undeliverable
                    ) =>
            {
                card.entity = None;
                delivery.restart_attempt();
                Ok(PartOutcome::Again)
            }
            Err(failure) => Ok(PartOutcome::Refused(failure.advice, failure.reason)),
        }
    }

    /// Records the progress, with at most `tries` tries. A part that was taken is recognized by its uuid in any case,
    /// but a part must not be sent on a lower rung before it is on record that the upper one is not.
    async fn record_progress(&self, delivery: &DocumentDelivery, tries: u32) {
        let id = delivery.attempt.id;
        let Ok(json) = serde_json::to_string(&delivery.progress) else { return };
        for failures in 1..=tries {
            match self.context.store.post_progressed(id, json.clone(), delivery.card.clone()).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(%error, post = id, "failed to record the progress of a document")
                }
            }
            if failures < tries {
                sleep(RETRY.wait(failures, fastrand::f64()).min(MAX_RECORD_WAIT)).await;
            }
        }
    }
}

impl DocumentDelivery {
    /// What is to be sent next; `None` when everything is sent.
    fn next_part(&self, transport: &impl Transport) -> Option<OutgoingPart> {
        let part = self.plan.message(&self.progress.position)?;
        Some(match self.progress.objection {
            Some(objection) => OutgoingPart::Text(transport.in_place_of(objection)),
            None => part,
        })
    }

    /// Whether everything is sent.
    fn is_complete(&self) -> bool {
        self.plan.message(&self.progress.position).is_none()
    }

    /// Whether a card of its slot that can be changed is or may be in the chat.
    fn may_have_card(&self) -> bool {
        self.card.as_ref().is_some_and(|card| !card.gone && (card.message_id.is_some() || card.unsure))
    }

    /// Has a new message replace the card in the chat; whether there is one.
    fn replace_card(&mut self) -> bool {
        let Some(card) = self.card.as_mut().filter(|card| !card.gone) else { return false };
        let Some(message_id) = card.message_id.clone() else { return false };
        self.progress.replaced = Some(ReplacedCard { message_id, entity: card.entity.clone() });
        card.gone = true;
        true
    }

    /// The next try is the first one of another message.
    fn restart_attempt(&mut self) {
        self.attempt = self.attempt.restarted();
    }

    /// Goes one rung down. On the lowest rung, people get a sentence in the part's place; when that is refused as well,
    /// the part is left out.
    fn step_down<T: Transport>(&mut self, objection: ContentObjection, reason: String, lane: &Lane<T>) {
        self.restart_attempt();
        let (id, position) = (self.attempt.id, &self.progress.position);
        if self.progress.objection.is_some() {
            lane.log_wedged(id, &reason);
            self.progress.position = self.plan.next(position);
            self.progress.objection = None;
            return;
        }
        let mut lower = self.plan.lower(position);
        // A file would pass the content check, which is not ours to evade.
        while objection == ContentObjection::Content
            && let Some(position) = &lower
            && position.rung == Rung::File
        {
            lower = self.plan.lower(position);
        }
        match lower {
            Some(lower) => {
                tracing::info!(post = id, %reason, rung = ?lower.rung, "a part was refused, it is tried on a lower rung");
                self.progress.position = lower;
            }
            None => {
                lane.log_wedged(id, &reason);
                self.progress.objection = Some(objection);
                self.progress.wedged.get_or_insert(reason);
            }
        }
    }
}

/// The uuid of the part at a position. Feishu takes 50 characters; the post's uuid has 36.
fn part_uuid(post: &str, progress: &DocumentProgress) -> String {
    let LadderPosition { part, rung, taken, .. } = &progress.position;
    if progress.objection.is_none() && (*part, *rung, *taken) == (0, Rung::Card, 0) {
        return post.to_owned();
    }
    let rung = match rung {
        Rung::Card => 'c',
        Rung::Reduced => 'r',
        Rung::Cards => 's',
        Rung::Text => 't',
        Rung::File => 'f',
    };
    let rung = if progress.objection.is_some() { rung.to_ascii_uppercase() } else { rung };
    let post: String = post.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    format!("{post}{part:x}{rung}{taken:x}")
}
