//! A document on its way: down the ladder until Feishu has all of it.
//!
//! After each sheet that Feishu took, and before each one that is tried on a lower rung, the place is on record, and a
//! sheet's uuid follows from the post's and the place: whenever the daemon dies, it goes on with the very sheet that
//! was under way, and what was shown is not shown twice.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{
    ApiRequest, CardState, ContentObjection, DeliveryAdvice, OutgoingContent, Transport,
    change::ReplacedCard,
    lane::{Lane, LaneEnd, PostAttempt, PostEnd},
};
use crate::{
    ids::{MessageId, SlotId},
    mail::{CardRecord, PostFate, StoreError, rate_limit::backoff},
    render::{
        document::Document,
        ladder::{self, LadderPosition, OutgoingPart, Rung, SendPlan},
    },
};

/// So often a step down is noted before the sheet below is tried without: the disk must not keep answers back.
const NOTES: u32 = 8;

/// How far a document has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct DocumentProgress {
    place: LadderPosition,
    /// Whether the card of its slot shows what it is to show.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shown: bool,
    /// The card in whose place it comes as a new message.
    #[serde(skip_serializing_if = "Option::is_none")]
    behind: Option<ReplacedCard>,
    /// What Feishu has against this sheet on every rung: its reader is told so in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    instead: Option<ContentObjection>,
    /// Why a sheet was refused for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    wedged: Option<String>,
}

/// A document that is brought.
pub(super) struct DocumentDelivery {
    pub(super) trying: PostAttempt,
    uuid: String,
    reply_to: Option<MessageId>,
    plan: SendPlan,
    progress: DocumentProgress,
    pub(super) card: Option<CardRecord>,
    /// The number of the last operation on its card, if that is an entity and there was one.
    sequence: i32,
    /// The last message that Feishu made of it.
    message_id: Option<MessageId>,
}

/// What became of a sheet.
pub(super) enum PartOutcome {
    /// Feishu has it.
    Taken,
    /// It is to be tried in another way, which is known to whoever looks again.
    Again,
    /// Feishu does not take it, for this reason.
    Refused(DeliveryAdvice, String),
}

impl<D: Transport> Lane<D> {
    pub(super) async fn document(
        &mut self,
        trying: PostAttempt,
        uuid: String,
        reply_to: Option<MessageId>,
        document: &Document,
        slot: Option<SlotId>,
        place: Option<String>,
    ) -> Result<PostEnd, LaneEnd> {
        // What cannot be read is of another version: whatever of it was taken is better seen twice than not at all.
        let progress = place.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let plan = SendPlan::of(document, self.office.deliver.words());
        let mut descent = DocumentDelivery {
            trying,
            uuid,
            reply_to,
            plan,
            progress,
            card: None,
            sequence: 0,
            message_id: None,
        };
        if let Some(slot) = slot {
            // From here on no picture is shown: it would come after its last word.
            let (known, sequence, in_doubt) =
                self.office.stage.end(slot).map(CardState::leave).unwrap_or_default();
            descent.sequence = sequence;
            descent.card = Some(match known {
                Some(card) => card,
                None => self.card_of(slot).await?,
            });
            // A picture might come after its last word.
            if in_doubt && descent.leave_behind() {
                self.note(&descent, NOTES).await;
            }
        }
        while let Some(sheet) = descent.sheet(&self.office.deliver) {
            match self.bring(&mut descent, sheet).await? {
                PartOutcome::Taken => {
                    descent.progress.place = descent.plan.next(&descent.progress.place);
                    descent.progress.instead = None;
                    descent.begin_anew();
                    if descent.plan.sheet(&descent.progress.place).is_some() {
                        self.note(&descent, 1).await;
                    }
                }
                PartOutcome::Again => self.note(&descent, 1).await,
                PartOutcome::Refused(DeliveryAdvice::Unacceptable(objection), reason) => {
                    descent.refused(objection, reason, self);
                    descent.begin_anew();
                    self.note(&descent, NOTES).await;
                }
                // What is meant for this way only: another rung is another way.
                PartOutcome::Refused(
                    advice @ (DeliveryAdvice::NotForThisApp
                    | DeliveryAdvice::CardGone
                    | DeliveryAdvice::StreamClosed
                    | DeliveryAdvice::Sequence),
                    reason,
                ) => {
                    tracing::debug!(?advice, %reason, "a sheet comes down");
                    descent.refused(ContentObjection::Shape, reason, self);
                    descent.begin_anew();
                    self.note(&descent, NOTES).await;
                }
                PartOutcome::Refused(
                    DeliveryAdvice::Retry { .. } | DeliveryAdvice::TargetGone | DeliveryAdvice::Undeliverable,
                    reason,
                ) => {
                    self.put_aside(descent.trying.id, &reason);
                    descent.progress.wedged = Some(reason);
                    if let Some(card) = &mut descent.card {
                        card.unsure |= descent.trying.unsure_since.is_some() && card.message_id.is_none();
                    }
                    break;
                }
            }
        }
        if descent.plan.sheet(&descent.progress.place).is_none()
            && let (Some(behind), Some(card)) = (descent.progress.behind.clone(), &descent.card)
        {
            self.say_below(behind, card.made, &mut descent.sequence).await?;
        }
        let DocumentDelivery { trying, progress, card, message_id, .. } = descent;
        let fate = progress.wedged.map_or(PostFate::Confirmed(message_id), PostFate::Wedged);
        Ok(PostEnd { id: trying.id, fate, card })
    }

    /// What is known of a slot's card.
    async fn card_of(&mut self, slot: SlotId) -> Result<CardRecord, LaneEnd> {
        let of_slot = |ended: &PostEnd| ended.card.clone().filter(|card| card.slot == slot);
        if let Some(card) = self.unrecorded.iter().rev().find_map(of_slot) {
            return Ok(card);
        }
        let mut failures = 0;
        loop {
            match self.office.store.card(slot).await {
                Ok(card) => return Ok(card.unwrap_or_else(|| CardRecord::new(slot, Timestamp::now()))),
                Err(StoreError::Stopped) => return Err(LaneEnd),
                Err(error) => tracing::debug!(%error, "a card cannot be looked up, it will be tried again"),
            }
            failures += 1;
            sleep(backoff(failures, None, fastrand::f64())).await;
        }
    }

    /// Tries the sheet at the document's place in the one way that is next.
    async fn bring(
        &mut self,
        descent: &mut DocumentDelivery,
        sheet: OutgoingPart,
    ) -> Result<PartOutcome, LaneEnd> {
        if !descent.progress.shown
            && let Some(card) = &descent.card
        {
            let may_be_there = !card.gone && (card.message_id.is_some() || card.unsure);
            match &sheet {
                OutgoingPart::Card(json) if may_be_there => {
                    let step = self.show(descent, json.clone()).await?;
                    descent.progress.shown |= matches!(step, PartOutcome::Taken);
                    return Ok(step);
                }
                OutgoingPart::Text(_) | OutgoingPart::File { .. } if may_be_there => {
                    let below = ladder::below(self.office.deliver.words());
                    return Ok(match self.show(descent, below).await? {
                        PartOutcome::Again => PartOutcome::Again,
                        // The words come below it in any case.
                        PartOutcome::Taken | PartOutcome::Refused(..) => {
                            descent.progress.shown = true;
                            descent.begin_anew();
                            PartOutcome::Again
                        }
                    });
                }
                OutgoingPart::Card(_) | OutgoingPart::Text(_) | OutgoingPart::File { .. } => {}
            }
        }
        // The card of the slot is the one that the buttons are on, whichever was in the chat before.
        let is_slots =
            matches!(sheet, OutgoingPart::Card(_)) && descent.plan.has_buttons(&descent.progress.place);
        let content = match sheet {
            OutgoingPart::Card(json) => OutgoingContent::Card(json),
            OutgoingPart::Text(text) => OutgoingContent::Text(text),
            OutgoingPart::File { name, text } => {
                let mut upload = ApiRequest::Upload { name, text };
                match self.persist(&mut descent.trying, &mut upload).await? {
                    Ok(key) => OutgoingContent::File(key.unwrap_or_default()),
                    Err(refused) => return Ok(PartOutcome::Refused(refused.advice, refused.reason)),
                }
            }
        };
        // The first message of a slot is known by the slot's id, whoever sends it.
        let uuid = match &descent.card {
            Some(card) if is_slots && !descent.progress.shown && !card.gone => card.slot.to_string(),
            Some(_) | None => uuid_at(&descent.uuid, &descent.progress),
        };
        let reply_to = descent.reply_to.clone();
        let mut errand = ApiRequest::Send { to: self.to.clone(), reply_to, content, uuid };
        let sent = self.persist(&mut descent.trying, &mut errand).await?;
        if let ApiRequest::Send { reply_to, .. } = errand {
            descent.reply_to = reply_to;
        }
        let message_id = match sent {
            Ok(message_id) => message_id.map(MessageId::from),
            Err(refused) => return Ok(PartOutcome::Refused(refused.advice, refused.reason)),
        };
        if is_slots && let Some(card) = &mut descent.card {
            *card = CardRecord { message_id: message_id.clone(), ..CardRecord::new(card.slot, card.made) };
            descent.progress.shown = true;
        }
        descent.message_id = message_id;
        Ok(PartOutcome::Taken)
    }

    /// Has the card of the slot, which is or may be in the chat, show this.
    async fn show(&mut self, descent: &mut DocumentDelivery, json: String) -> Result<PartOutcome, LaneEnd> {
        let DocumentDelivery { trying, card: Some(card), sequence, .. } = descent else {
            return Ok(PartOutcome::Taken);
        };
        let Some(message_id) = card.message_id.clone() else {
            return self.find(descent).await;
        };
        let changed = self.change(*trying, card, sequence, &message_id, json).await?;
        let Err(refused) = changed else {
            descent.message_id = Some(message_id);
            return Ok(PartOutcome::Taken);
        };
        match refused.advice {
            DeliveryAdvice::CardGone
            | DeliveryAdvice::NotForThisApp
            | DeliveryAdvice::StreamClosed
            | DeliveryAdvice::Sequence
            | DeliveryAdvice::TargetGone
            | DeliveryAdvice::Retry { .. } => {
                tracing::info!(
                    post = descent.trying.id,
                    reason = %refused.reason,
                    "a card cannot be changed any more, a new one is sent"
                );
                let may_be_changed = matches!(refused.advice, DeliveryAdvice::Retry { .. });
                if !(may_be_changed && descent.leave_behind())
                    && let Some(card) = &mut descent.card
                {
                    card.gone = true;
                }
                descent.begin_anew();
                Ok(PartOutcome::Again)
            }
            advice @ (DeliveryAdvice::Unacceptable(_) | DeliveryAdvice::Undeliverable) => {
                Ok(PartOutcome::Refused(advice, refused.reason))
            }
        }
    }

    /// Learns the id of a message that may be in the chat, by sending one under its uuid. If it is the first after all,
    /// it does not say what is to be shown: should it be refused to change it, that comes below.
    async fn find(&mut self, descent: &mut DocumentDelivery) -> Result<PartOutcome, LaneEnd> {
        let Some(card) = &descent.card else { return Ok(PartOutcome::Taken) };
        let below = || OutgoingContent::Card(ladder::below(self.office.deliver.words()));
        let content = card.entity.clone().map_or_else(below, OutgoingContent::Entity);
        let (to, reply_to, uuid) = (self.to.clone(), descent.reply_to.clone(), card.slot.to_string());
        let mut errand = ApiRequest::Send { to, reply_to, content, uuid };
        let sent = self.persist(&mut descent.trying, &mut errand).await?;
        let Some(card) = &mut descent.card else { return Ok(PartOutcome::Taken) };
        match sent {
            Ok(message_id) => {
                card.message_id = message_id.map(MessageId::from);
                card.unsure = false;
                descent.begin_anew();
                Ok(PartOutcome::Again)
            }
            // The entity is gone, or was sent already under another uuid.
            Err(refused)
                if card.entity.is_some()
                    && !matches!(
                        refused.advice,
                        DeliveryAdvice::Retry { .. } | DeliveryAdvice::Undeliverable
                    ) =>
            {
                card.entity = None;
                descent.begin_anew();
                Ok(PartOutcome::Again)
            }
            Err(refused) => Ok(PartOutcome::Refused(refused.advice, refused.reason)),
        }
    }

    /// Puts the place on record, trying so often. What was taken is known by its uuid, too, but a sheet of a lower rung
    /// is not to be sent before it is known that the upper one is not.
    async fn note(&self, descent: &DocumentDelivery, times: u32) {
        let id = descent.trying.id;
        let Ok(json) = serde_json::to_string(&descent.progress) else { return };
        for failures in 1..=times {
            match self.office.store.post_placed(id, json.clone(), descent.card.clone()).await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, post = id, "a document's place could not be noted"),
            }
            if failures < times {
                sleep(backoff(failures, None, fastrand::f64()).min(Duration::from_secs(2))).await;
            }
        }
    }
}

impl DocumentDelivery {
    /// What is to be sent next; none when all is sent.
    fn sheet(&self, deliver: &impl Transport) -> Option<OutgoingPart> {
        let sheet = self.plan.sheet(&self.progress.place)?;
        Some(match self.progress.instead {
            Some(objection) => OutgoingPart::Text(deliver.in_place_of(objection)),
            None => sheet,
        })
    }

    /// Comes as a new message in the place of the card that is in the chat; whether one is.
    fn leave_behind(&mut self) -> bool {
        let Some(card) = self.card.as_mut().filter(|card| !card.gone) else { return false };
        let Some(message_id) = card.message_id.clone() else { return false };
        self.progress.behind = Some(ReplacedCard { message_id, entity: card.entity.clone() });
        card.gone = true;
        true
    }

    /// The next try is the first of its kind.
    fn begin_anew(&mut self) {
        self.trying = self.trying.anew();
    }

    /// Goes one rung lower. At the foot the reader is told in the sheet's place; when that is refused as well, the rest
    /// goes on without.
    fn refused<D: Transport>(&mut self, objection: ContentObjection, reason: String, lane: &Lane<D>) {
        let (id, place) = (self.trying.id, &self.progress.place);
        if self.progress.instead.is_some() {
            lane.put_aside(id, &reason);
            self.progress.place = self.plan.next(place);
            self.progress.instead = None;
            return;
        }
        let mut lower = self.plan.lower(place);
        // A file would get past the check, which is not for us to get round.
        while objection == ContentObjection::Content
            && let Some(place) = &lower
            && place.rung == Rung::File
        {
            lower = self.plan.lower(place);
        }
        match lower {
            Some(lower) => {
                tracing::info!(post = id, %reason, rung = ?lower.rung, "a sheet was refused, it comes down the ladder");
                self.progress.place = lower;
            }
            None => {
                lane.put_aside(id, &reason);
                self.progress.instead = Some(objection);
                self.progress.wedged.get_or_insert(reason);
            }
        }
    }
}

/// The uuid of the sheet at a place: Feishu takes 50 characters, the post's has 36.
fn uuid_at(post: &str, progress: &DocumentProgress) -> String {
    let DocumentProgress { place: LadderPosition { part, rung, taken, .. }, instead, .. } = progress;
    if instead.is_none() && (*part, *rung, *taken) == (0, Rung::Card, 0) {
        return post.to_owned();
    }
    let rung = match rung {
        Rung::Card => 'c',
        Rung::Reduced => 'r',
        Rung::Cards => 's',
        Rung::Text => 't',
        Rung::File => 'f',
    };
    let rung = if instead.is_some() { rung.to_ascii_uppercase() } else { rung };
    let post: String = post.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    format!("{post}{part:x}{rung}{taken:x}")
}
