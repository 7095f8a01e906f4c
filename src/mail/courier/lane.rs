//! A lane: sends the posts to one recipient, one after the other.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    ApiRequest, DeliveryAdvice, LaneContext, LaneRequest, OutgoingContent, RequestFailure, Transport,
    attempt::{PostAttempt, RETRY, retry_wait},
    rate_limit::Priority,
};
use crate::{
    crash::{self, Point},
    ids::{MessageId, SlotId},
    logs::{LastingTrouble, events},
    mail::{CardRecord, Post, PostBody, PostFate, QueuedPost, Recipient, StoreError, live_cards::DueUpdate},
};

/// How long a request may take; Feishu's client gives up earlier.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Why a lane ends before its work is done: the courier or the store is gone.
pub(super) struct LaneEnd;

pub(super) struct Lane<T> {
    pub(super) context: LaneContext<T>,
    pub(super) to: Recipient,
    /// Notified when there is something new to send.
    wake: Arc<Notify>,
    /// Ends of posts that could not be recorded yet. These posts are not sent again meanwhile.
    unrecorded: VecDeque<PostEnd>,
    trouble: LastingTrouble,
}

/// How a post ended, and what is known of its card.
pub(super) struct PostEnd {
    pub(super) id: i64,
    pub(super) fate: PostFate,
    pub(super) card: Option<CardRecord>,
}

impl<T: Transport> Lane<T> {
    pub(super) fn new(context: LaneContext<T>, to: &Recipient, wake: Arc<Notify>) -> Self {
        let (to, trouble) = (to.clone(), LastingTrouble::default());
        Self { context, to, wake, unrecorded: VecDeque::new(), trouble }
    }

    /// Sends everything that is pending, and live updates when nothing is. Ends when there is nothing to send.
    pub(super) async fn run(mut self) {
        let (mut after, mut failures) = (0, 0);
        loop {
            self.record_ends().await;
            match self.context.store.next_post(&self.to, after).await {
                Ok(Some(post)) => {
                    crash::at(Point::PostTaken);
                    failures = 0;
                    after = post.id;
                    let Ok(ended) = self.send_post(post).await else { return };
                    self.unrecorded.push_back(ended);
                    continue;
                }
                Ok(None) => match self.due_update() {
                    DueUpdate::Now(slot, due) => {
                        let (update, state) = *due;
                        let Ok(()) = self.send_update(slot, update, state).await else { return };
                        continue;
                    }
                    DueUpdate::At(at) => {
                        tokio::select! {
                            () = sleep_until(at) => {}
                            () = self.wake.notified() => {}
                            () = self.context.stop.cancelled() => {}
                        }
                        continue;
                    }
                    DueUpdate::Nothing if self.unrecorded.is_empty() => return,
                    DueUpdate::Nothing => {}
                },
                Err(StoreError::Stopped) => return,
                Err(error) => tracing::debug!(%error, "failed to read the outbox, trying again"),
            }
            failures += 1;
            tokio::select! {
                () = sleep(RETRY.wait(failures, fastrand::f64())) => {}
                // Something new was committed, so the disk works.
                () = self.wake.notified() => failures = 0,
            }
        }
    }

    /// The next live update; none when the daemon stops.
    fn due_update(&self) -> DueUpdate {
        if self.context.stop.is_cancelled() {
            return DueUpdate::Nothing;
        }
        self.context.live_cards.take_due(&self.to, Instant::now())
    }

    /// Records how posts ended. What fails is tried again after the next post: the posts themselves go on, because
    /// people wait for them.
    async fn record_ends(&mut self) {
        while let Some(PostEnd { id, fate, card }) = self.unrecorded.front() {
            let ended = self.context.store.post_ended(*id, fate.clone(), card.clone(), Timestamp::now());
            if let Err(error) = ended.await {
                tracing::debug!(%error, post = id, "failed to record the end of a post, trying again");
                return;
            }
            crash::at(Point::ConfirmationCommitted);
            self.unrecorded.pop_front();
        }
    }

    /// What is known of a slot's card, as far as this lane knows and has not recorded it.
    pub(super) fn unrecorded_card(&self, slot: SlotId) -> Option<CardRecord> {
        let of_slot = |ended: &PostEnd| ended.card.clone().filter(|card| card.slot == slot);
        self.unrecorded.iter().rev().find_map(of_slot)
    }

    /// Sends a post until Feishu has it or refuses it for good.
    async fn send_post(&mut self, queued: QueuedPost) -> Result<PostEnd, LaneEnd> {
        let attempt = PostAttempt::new(&queued, Timestamp::now());
        let QueuedPost { id, uuid, post, progress, .. } = queued;
        let Post { to: _, reply_to, body } = post;
        let fate = match body {
            PostBody::Text(text) => {
                let content = OutgoingContent::Text(text);
                let request = ApiRequest::Send { to: self.to.clone(), reply_to, content, uuid };
                self.send_text(attempt, request).await?
            }
            PostBody::Reaction { on, emoji, otherwise } => {
                let request = ApiRequest::React { on, emoji };
                self.send_reaction(attempt, request, otherwise, uuid, reply_to).await?
            }
            PostBody::Document { document, slot } => {
                let slot = slot.map(|slot| slot.id);
                return self.send_document(attempt, uuid, reply_to, &document, slot, progress).await;
            }
        };
        Ok(PostEnd { id, fate, card: None })
    }

    /// Sends a text. When Feishu objects to its content, people get a sentence that says so in its place. The uuid of
    /// the sentence follows from the post's: after a crash in between both are tried again, and neither is shown twice.
    async fn send_text(
        &mut self,
        mut attempt: PostAttempt,
        mut request: ApiRequest,
    ) -> Result<PostFate, LaneEnd> {
        let failure = match self.retry(&mut attempt, &mut request).await? {
            Ok(message_id) => return Ok(PostFate::Confirmed(message_id.map(Into::into))),
            Err(failure) => failure,
        };
        self.log_wedged(attempt.id, &failure.reason);
        let DeliveryAdvice::Unacceptable(objection) = failure.advice else {
            return Ok(PostFate::Wedged(failure.reason));
        };
        if let ApiRequest::Send { content, uuid, .. } = &mut request {
            *content = OutgoingContent::Text(self.context.transport.in_place_of(objection));
            uuid.push_str("-instead");
        }
        attempt = attempt.restarted();
        if let Err(failure) = self.retry(&mut attempt, &mut request).await? {
            self.log_wedged(attempt.id, &failure.reason);
        }
        Ok(PostFate::Wedged(failure.reason))
    }

    async fn send_reaction(
        &mut self,
        mut attempt: PostAttempt,
        mut request: ApiRequest,
        otherwise: Option<String>,
        uuid: String,
        reply_to: Option<MessageId>,
    ) -> Result<PostFate, LaneEnd> {
        let Err(failure) = self.retry(&mut attempt, &mut request).await? else {
            return Ok(PostFate::Confirmed(None));
        };
        let RequestFailure { advice, reason, .. } = failure;
        if let Some(text) = otherwise {
            tracing::info!(post = attempt.id, %reason, "a reaction was refused, its text is sent instead");
            let content = OutgoingContent::Text(text);
            let request = ApiRequest::Send { to: self.to.clone(), reply_to, content, uuid };
            return self.send_text(attempt, request).await;
        }
        // Nobody sees the message any more that it was for.
        if advice == DeliveryAdvice::TargetGone {
            return Ok(PostFate::Confirmed(None));
        }
        self.log_wedged(attempt.id, &reason);
        Ok(PostFate::Wedged(reason))
    }

    /// Logs that Feishu refused something for good.
    pub(super) fn log_wedged(&self, id: i64, reason: &str) {
        tracing::error!(name: events::WEDGED, post = id, to = ?self.to, %reason, "refused for good, put aside");
    }

    /// Repeats a request until Feishu has done it or refuses it for good. A reply to a message that is gone becomes a
    /// message of its own.
    pub(super) async fn retry(
        &mut self,
        attempt: &mut PostAttempt,
        request: &mut ApiRequest,
    ) -> Result<Result<Option<String>, RequestFailure>, LaneEnd> {
        loop {
            let (id, began) = (attempt.id, Timestamp::now());
            if matches!(request, ApiRequest::Send { .. }) && attempt.may_be_shown_twice(began) {
                tracing::warn!(
                    post = id,
                    "sent again after Feishu has forgotten the first try: it may be shown twice"
                );
            }
            let failure = match self.attempt(request, Priority::Owed).await? {
                Ok(answer) => {
                    self.log_delivered(id);
                    attempt.failures = 0;
                    return Ok(Ok(answer));
                }
                Err(failure) => failure,
            };
            let (advice, reason) = (failure.advice, &failure.reason);
            if let ApiRequest::Send { reply_to: target @ Some(_), .. } = request
                && advice == DeliveryAdvice::TargetGone
            {
                tracing::info!(post = id, %reason, "the message to reply to is gone, sent without a reply");
                *target = None;
                continue;
            }
            let DeliveryAdvice::Retry { after, outcome_known, own } = advice else { return Ok(Err(failure)) };
            let gives_up = attempt.failed(own, Instant::now().into_std());
            attempt.unsure_since = attempt.unsure_since.or((!outcome_known).then_some(began));
            if gives_up {
                return Ok(Err(failure));
            }
            if self.trouble.met(&failure.cause, StdInstant::now()) {
                tracing::warn!(post = id, failures = attempt.failures, %reason, "not delivered yet, trying again");
            } else {
                tracing::debug!(post = id, failures = attempt.failures, %reason, "still not delivered");
            }
            let postponed = self.context.store.post_postponed(id, reason.clone(), attempt.unsure_since, own);
            if let Err(error) = postponed.await {
                tracing::debug!(%error, post = id, "failed to record a failed try");
            }
            tokio::select! {
                () = sleep(retry_wait(attempt.failures, after, fastrand::f64())) => {}
                // A wait that Feishu asked for is kept.
                () = self.context.transport.recovered(), if after.is_none() => attempt.failures = 0,
            }
        }
    }

    /// Logs the end of the lane's trouble, if it had any.
    fn log_delivered(&mut self, id: i64) {
        if let Some(past) = self.trouble.over(StdInstant::now()) {
            let late_ms = u64::try_from(past.lasted.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(post = id, failures = past.failures, late_ms, "delivered after all");
        }
    }

    /// Sends a request once: an owed one as soon as the limits allow it, an optional one if they allow it now.
    pub(super) async fn attempt(
        &self,
        request: &ApiRequest,
        priority: Priority,
    ) -> Result<Result<Option<String>, RequestFailure>, LaneEnd> {
        let (route, requests) = (request.route(), &self.context.requests);
        let (reply, permit) = oneshot::channel();
        let ask = LaneRequest::Permit { lane: self.to.clone(), route, priority, reply };
        requests.send(ask).await.map_err(|_| LaneEnd)?;
        if let Err(at) = permit.await.map_err(|_| LaneEnd)? {
            let after = Some(at.saturating_duration_since(Instant::now()));
            let advice = DeliveryAdvice::Retry { after, outcome_known: true, own: false };
            let reason = "the rate limit is reached";
            return Ok(Err(RequestFailure { advice, reason: reason.into(), cause: reason.into() }));
        }
        let answer = timeout(REQUEST_TIMEOUT, self.context.transport.run(request)).await;
        let answer = answer.unwrap_or_else(|_| {
            let advice = DeliveryAdvice::Retry { after: None, outcome_known: false, own: true };
            Err(RequestFailure { advice, reason: "no answer".into(), cause: "no answer".into() })
        });
        requests.send(LaneRequest::Answered { lane: self.to.clone(), route }).await.map_err(|_| LaneEnd)?;
        Ok(answer)
    }
}
