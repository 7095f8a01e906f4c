//! One lane: sends the posts for one recipient, one after the other.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant as Moment, sleep, sleep_until, timeout},
};

use super::{
    ApiRequest, DeliveryAdvice, LaneContext, LaneRequest, OutgoingContent, RequestFailure, Transport,
};
use crate::{
    crash::{self, Point},
    ids::MessageId,
    logs::{LastingTrouble, events},
    mail::{
        CardRecord, Post, PostBody, PostFate, QueuedPost, Recipient, StoreError,
        live_cards::DueUpdate,
        rate_limit::{Priority, backoff},
    },
};

/// How long a try may take at most; Feishu's client gives up earlier.
const TRY: Duration = Duration::from_secs(90);

/// Feishu: a uuid is known for an hour; a second try later than that may show a second message.
const UUID_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// A post whose own trouble has lasted for so long is put aside, lest it block its lane for ever.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a failed try of an earlier run stands for: about the wait between two.
const ONE_TRY: Duration = Duration::from_secs(45);

/// What the lane was told to end for: the courier or the store is gone.
pub(super) struct LaneEnd;

pub(super) struct Lane<D> {
    pub(super) office: LaneContext<D>,
    pub(super) to: Recipient,
    poke: Arc<Notify>,
    /// What happened to posts and could not be written down yet. They are not sent again meanwhile.
    pub(super) unrecorded: VecDeque<PostEnd>,
    trouble: LastingTrouble,
}

/// What happened to a post.
pub(super) struct PostEnd {
    pub(super) id: i64,
    pub(super) fate: PostFate,
    pub(super) card: Option<CardRecord>,
}

/// A post that is being tried.
#[derive(Clone, Copy)]
pub(super) struct PostAttempt {
    pub(super) id: i64,
    pub(super) unsure_since: Option<Timestamp>,
    pub(super) failures: u32,
    ordeal: TroubleSpan,
    /// How long its own trouble may last.
    patience: Duration,
}

/// How long tries have failed by what can be a post's own trouble. What is everybody's does not count.
#[derive(Clone, Copy, Default)]
struct TroubleSpan {
    lasted: Duration,
    /// The last failure, if it was such a one.
    last: Option<Moment>,
}

impl PostAttempt {
    fn new(queued: &QueuedPost) -> Self {
        let age = Duration::try_from(Timestamp::now().duration_since(queued.made)).unwrap_or_default();
        let lasted = ONE_TRY.saturating_mul(queued.tries).min(age);
        let ordeal = TroubleSpan { lasted, last: None };
        Self { id: queued.id, unsure_since: queued.unsure_since, failures: 0, ordeal, patience: DAY }
    }

    /// The next try is the first of its kind, whose own trouble may last for a day.
    pub(super) fn anew(self) -> Self {
        Self { unsure_since: None, failures: 0, ordeal: TroubleSpan::default(), patience: DAY, ..self }
    }

    /// The same for so long.
    pub(super) fn anew_for(self, patience: Duration) -> Self {
        Self { patience, ..self.anew() }
    }

    /// A try has failed; whether that was the last one.
    fn failed(&mut self, own: bool, now: Moment) -> bool {
        self.failures += 1;
        if let Some(last) = self.ordeal.last.filter(|_| own) {
            self.ordeal.lasted += now.saturating_duration_since(last);
        }
        self.ordeal.last = own.then_some(now);
        own && self.ordeal.lasted >= self.patience
    }
}

impl<D: Transport> Lane<D> {
    pub(super) fn new(office: LaneContext<D>, to: &Recipient, poke: Arc<Notify>) -> Self {
        let (to, trouble) = (to.clone(), LastingTrouble::default());
        Self { office, to, poke, unrecorded: VecDeque::new(), trouble }
    }

    /// Sends all that is pending, brings pictures when nothing is, and ends when there are none.
    pub(super) async fn walk(mut self) {
        let (mut after, mut failures) = (0, 0);
        loop {
            self.record().await;
            match self.office.store.next_post(&self.to, after).await {
                Ok(Some(post)) => {
                    crash::at(Point::PostTaken);
                    failures = 0;
                    after = post.id;
                    let Ok(ended) = self.deliver(post).await else { return };
                    self.unrecorded.push_back(ended);
                    continue;
                }
                Ok(None) => match self.due() {
                    DueUpdate::Now(slot, scene) => {
                        let (picture, screen) = *scene;
                        let Ok(()) = self.picture(slot, picture, screen).await else { return };
                        continue;
                    }
                    DueUpdate::At(at) => {
                        tokio::select! {
                            () = sleep_until(at) => {}
                            () = self.poke.notified() => {}
                            () = self.office.stop.cancelled() => {}
                        }
                        continue;
                    }
                    DueUpdate::Nothing if self.unrecorded.is_empty() => return,
                    DueUpdate::Nothing => {}
                },
                Err(StoreError::Stopped) => return,
                Err(error) => tracing::debug!(%error, "the outbox cannot be read, it will be tried again"),
            }
            failures += 1;
            tokio::select! {
                () = sleep(backoff(failures, None, fastrand::f64())) => {}
                // Something new is on record: the disk works.
                () = self.poke.notified() => failures = 0,
            }
        }
    }

    /// What is to be done for the stage; nothing when the daemon leaves.
    fn due(&self) -> DueUpdate {
        if self.office.stop.is_cancelled() {
            return DueUpdate::Nothing;
        }
        self.office.stage.due(&self.to, Moment::now())
    }

    /// Writes down what happened. What fails is tried again after the next post; the posts themselves go on, as people
    /// wait for them.
    async fn record(&mut self) {
        while let Some(PostEnd { id, fate, card }) = self.unrecorded.front() {
            let ended = self.office.store.post_ended(*id, fate.clone(), card.clone(), Timestamp::now());
            if let Err(error) = ended.await {
                tracing::debug!(%error, post = id, "a sent post could not be marked, it will be tried again");
                return;
            }
            crash::at(Point::ConfirmationCommitted);
            self.unrecorded.pop_front();
        }
    }

    /// Tries until Feishu has the post or refuses it for good.
    async fn deliver(&mut self, queued: QueuedPost) -> Result<PostEnd, LaneEnd> {
        let trying = PostAttempt::new(&queued);
        let QueuedPost { id, uuid, post, place, .. } = queued;
        let Post { to: _, reply_to, body } = post;
        let fate = match body {
            PostBody::Text(text) => {
                let content = OutgoingContent::Text(text);
                self.text(trying, ApiRequest::Send { to: self.to.clone(), reply_to, content, uuid }).await?
            }
            PostBody::Reaction { on, emoji, otherwise } => {
                self.reaction(trying, ApiRequest::React { on, emoji }, otherwise, uuid, reply_to).await?
            }
            PostBody::Document { document, slot } => {
                let slot = slot.map(|slot| slot.id);
                return self.document(trying, uuid, reply_to, &document, slot, place).await;
            }
        };
        Ok(PostEnd { id, fate, card: None })
    }

    /// When Feishu only objects to the text, the reader is told so in the text's place, under a uuid that follows from
    /// the post's: after a crash in between, both are tried again, and what was shown is not shown twice.
    async fn text(&mut self, mut trying: PostAttempt, mut errand: ApiRequest) -> Result<PostFate, LaneEnd> {
        let refused = match self.persist(&mut trying, &mut errand).await? {
            Ok(message_id) => return Ok(PostFate::Confirmed(message_id.map(Into::into))),
            Err(refused) => refused,
        };
        self.put_aside(trying.id, &refused.reason);
        let DeliveryAdvice::Unacceptable(objection) = refused.advice else {
            return Ok(PostFate::Wedged(refused.reason));
        };
        if let ApiRequest::Send { content, uuid, .. } = &mut errand {
            *content = OutgoingContent::Text(self.office.deliver.in_place_of(objection));
            uuid.push_str("-instead");
        }
        trying = trying.anew();
        if let Err(refused) = self.persist(&mut trying, &mut errand).await? {
            self.put_aside(trying.id, &refused.reason);
        }
        Ok(PostFate::Wedged(refused.reason))
    }

    async fn reaction(
        &mut self,
        mut trying: PostAttempt,
        mut errand: ApiRequest,
        otherwise: Option<String>,
        uuid: String,
        reply_to: Option<MessageId>,
    ) -> Result<PostFate, LaneEnd> {
        let Err(RequestFailure { advice, reason, .. }) = self.persist(&mut trying, &mut errand).await? else {
            return Ok(PostFate::Confirmed(None));
        };
        if let Some(text) = otherwise {
            tracing::info!(post = trying.id, %reason, "a reaction was refused, its text is sent instead");
            let content = OutgoingContent::Text(text);
            return self
                .text(trying, ApiRequest::Send { to: self.to.clone(), reply_to, content, uuid })
                .await;
        }
        // Nobody sees the message any more that it was for.
        if advice == DeliveryAdvice::TargetGone {
            return Ok(PostFate::Confirmed(None));
        }
        self.put_aside(trying.id, &reason);
        Ok(PostFate::Wedged(reason))
    }

    /// Says that Feishu refused something for good.
    pub(super) fn put_aside(&self, id: i64, reason: &str) {
        tracing::error!(name: events::WEDGED, post = id, to = ?self.to, %reason, "refused for good, put aside");
    }

    /// Runs an errand until Feishu has done it or refuses it for good. A reply to a message that is gone is sent
    /// without.
    pub(super) async fn persist(
        &mut self,
        trying: &mut PostAttempt,
        errand: &mut ApiRequest,
    ) -> Result<Result<Option<String>, RequestFailure>, LaneEnd> {
        loop {
            let (id, began) = (trying.id, Timestamp::now());
            if matches!(errand, ApiRequest::Send { .. }) && is_over(trying.unsure_since, began) {
                tracing::warn!(
                    post = id,
                    "sent again after Feishu has forgotten the first try: it may be seen twice"
                );
            }
            let refused = match self.attempt(errand, Priority::Owed).await? {
                Ok(answer) => {
                    self.got_through(id);
                    trying.failures = 0;
                    return Ok(Ok(answer));
                }
                Err(refused) => refused,
            };
            let (advice, reason) = (refused.advice, &refused.reason);
            if let ApiRequest::Send { reply_to: target @ Some(_), .. } = errand
                && advice == DeliveryAdvice::TargetGone
            {
                tracing::info!(post = id, %reason, "the message to reply to is gone, the reply is sent without");
                *target = None;
                continue;
            }
            let DeliveryAdvice::Retry { after, outcome_known, own } = advice else { return Ok(Err(refused)) };
            let given_up = trying.failed(own, Moment::now());
            trying.unsure_since = trying.unsure_since.or((!outcome_known).then_some(began));
            if given_up {
                return Ok(Err(refused));
            }
            if self.trouble.met(&refused.cause, Instant::now()) {
                tracing::warn!(post = id, failures = trying.failures, %reason, "not delivered yet, it will be tried again");
            } else {
                tracing::debug!(post = id, failures = trying.failures, %reason, "still not delivered");
            }
            let postponed = self.office.store.post_postponed(id, reason.clone(), trying.unsure_since, own);
            if let Err(error) = postponed.await {
                tracing::debug!(%error, post = id, "a failed try could not be noted");
            }
            let wait = sleep(backoff(trying.failures, after, fastrand::f64()));
            tokio::select! {
                () = wait => {}
                // What Feishu itself asked for is waited out.
                () = self.office.deliver.recovered(), if after.is_none() => trying.failures = 0,
            }
        }
    }

    fn got_through(&mut self, id: i64) {
        if let Some(past) = self.trouble.over(Instant::now()) {
            let late_ms = u64::try_from(past.lasted.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(post = id, failures = past.failures, late_ms, "delivered after all");
        }
    }

    /// One try: of what is owed when the pace allows it, of what can be left out if it does now.
    pub(super) async fn attempt(
        &self,
        errand: &ApiRequest,
        haste: Priority,
    ) -> Result<Result<Option<String>, RequestFailure>, LaneEnd> {
        let (way, gate) = (errand.way(), &self.office.gate);
        let (go, may_go) = oneshot::channel();
        gate.send(LaneRequest::Pass { lane: self.to.clone(), way, haste, go }).await.map_err(|_| LaneEnd)?;
        if let Err(at) = may_go.await.map_err(|_| LaneEnd)? {
            let after = Some(at.saturating_duration_since(Moment::now()));
            let advice = DeliveryAdvice::Retry { after, outcome_known: true, own: false };
            return Ok(Err(RequestFailure { advice, reason: "no room".into(), cause: "no room".into() }));
        }
        let result = timeout(TRY, self.office.deliver.run(errand)).await.unwrap_or_else(|_| {
            let advice = DeliveryAdvice::Retry { after: None, outcome_known: false, own: true };
            Err(RequestFailure { advice, reason: "no answer".into(), cause: "no answer".into() })
        });
        gate.send(LaneRequest::Answered { lane: self.to.clone(), way }).await.map_err(|_| LaneEnd)?;
        Ok(result)
    }
}

/// Whether Feishu may have taken the post and forgotten its uuid since.
fn is_over(unsure_since: Option<Timestamp>, now: Timestamp) -> bool {
    unsure_since.is_some_and(|since| now.duration_since(since) >= UUID_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uuid_window_is_over_an_hour_after_the_first_try_of_unknown_outcome() {
        let since = Timestamp::UNIX_EPOCH;
        assert!(!is_over(None, since));
        assert!(!is_over(Some(since), since + SignedDuration::from_mins(59)));
        assert!(is_over(Some(since), since + SignedDuration::from_mins(60)));
    }
}
