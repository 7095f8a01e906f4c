//! One lane: sends the posts for one recipient, one after the other.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{Advice, Ask, Deliver, Letter, Refused};
use crate::{
    crash::{self, Point},
    ids::MessageId,
    language::Language,
    logs::{Lasting, events},
    mail::{
        Body, Fate, Queued, Recipient, Store, StoreError,
        pacing::{Way, backoff},
    },
    render::ladder::{Place, Plan, Sheet},
    words::Words,
};

/// How long a try may take at most; Feishu's client gives up earlier.
const TRY: Duration = Duration::from_secs(60);

/// Feishu: a uuid is known for an hour; a second try later than that may show a second message.
const UUID_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Tries after which a post is put aside, lest it block its lane for ever: about a day, once a minute.
const MOST_TRIES: u32 = 1_500;

/// What the lane was told to end for: the courier or the store is gone.
struct Gone;

pub(super) struct Lane<D> {
    store: Store,
    deliver: D,
    to: Recipient,
    gate: mpsc::Sender<Ask>,
    /// What happened to posts and could not be written down yet. They are not sent again meanwhile.
    unrecorded: VecDeque<(i64, Fate)>,
    trouble: Lasting,
}

/// What is tried next for a post.
enum Attempt {
    React { on: MessageId, emoji: String, otherwise: Option<String> },
    Send { text: String },
}

impl<D: Deliver> Lane<D> {
    pub(super) fn new(store: &Store, deliver: &D, to: &Recipient, gate: &mpsc::Sender<Ask>) -> Self {
        Self {
            store: store.clone(),
            deliver: deliver.clone(),
            to: to.clone(),
            gate: gate.clone(),
            unrecorded: VecDeque::new(),
            trouble: Lasting::default(),
        }
    }

    /// Sends all that is pending, then ends.
    pub(super) async fn walk(mut self) {
        let (mut after, mut failures) = (0, 0);
        loop {
            self.record().await;
            match self.store.next_post(&self.to, after).await {
                Ok(Some(post)) => {
                    crash::at(Point::PostTaken);
                    failures = 0;
                    after = post.id;
                    let Ok(fate) = self.deliver(post).await else { return };
                    self.unrecorded.push_back((after, fate));
                    continue;
                }
                Ok(None) if self.unrecorded.is_empty() => return,
                Ok(None) => {}
                Err(StoreError::Stopped) => return,
                Err(error) => tracing::debug!(%error, "the outbox cannot be read, it will be tried again"),
            }
            failures += 1;
            sleep(backoff(failures, None, fastrand::f64())).await;
        }
    }

    /// Writes down what happened. What fails is tried again after the next post; the posts themselves go on, as people
    /// wait for them.
    async fn record(&mut self) {
        while let Some((id, fate)) = self.unrecorded.front() {
            if let Err(error) = self.store.post_ended(*id, fate.clone(), Timestamp::now()).await {
                tracing::debug!(%error, post = id, "a sent post could not be marked, it will be tried again");
                return;
            }
            crash::at(Point::ConfirmationCommitted);
            self.unrecorded.pop_front();
        }
    }

    /// Tries until Feishu has the post or refuses it for good. When it only objects to the text, the reader is told so
    /// in the text's place, under a uuid that follows from the post's: after a crash in between, both are tried again,
    /// and what was shown is not shown twice.
    async fn deliver(&mut self, queued: Queued) -> Result<Fate, Gone> {
        let Queued { id, mut uuid, post, mut tries, mut unsure_since, .. } = queued;
        let mut objected = None;
        let mut reply_to = post.reply_to;
        let mut attempt = match post.body {
            Body::Text(text) => Attempt::Send { text },
            Body::Document { document, .. } => {
                let plan = Plan::of(&document, Words(Language::En));
                match plan.sheet(&Place::default()) {
                    Some(Sheet::Card(text) | Sheet::Text(text) | Sheet::File { text, .. }) => {
                        Attempt::Send { text }
                    }
                    None => return Ok(Fate::Confirmed(None)),
                }
            }
            Body::Reaction { on, emoji, otherwise } => Attempt::React { on, emoji, otherwise },
        };
        let mut failures = 0;
        loop {
            let began = Timestamp::now();
            if is_over(unsure_since, began) {
                tracing::warn!(
                    post = id,
                    "sent again after Feishu has forgotten the first try: it may be seen twice"
                );
            }
            let refused = match self.attempt(&attempt, reply_to.as_ref(), &uuid).await? {
                Ok(message_id) => {
                    self.got_through(id);
                    return Ok(objected.map_or(Fate::Confirmed(message_id), Fate::Wedged));
                }
                Err(refused) => refused,
            };
            let reason = refused.reason;
            if let Advice::Retry { after, outcome_known } = refused.advice {
                tries += 1;
                failures += 1;
                if tries < MOST_TRIES {
                    unsure_since = unsure_since.or((!outcome_known).then_some(began));
                    if self.trouble.met(&refused.cause, Instant::now()) {
                        tracing::warn!(post = id, tries, %reason, "not delivered yet, it will be tried again");
                    } else {
                        tracing::debug!(post = id, tries, %reason, "still not delivered");
                    }
                    if let Err(error) = self.store.post_postponed(id, reason, unsure_since).await {
                        tracing::debug!(%error, post = id, "a failed try could not be noted");
                    }
                    let wait = sleep(backoff(failures, after, fastrand::f64()));
                    tokio::select! {
                        () = wait => {}
                        // What Feishu itself asked for is waited out.
                        () = self.deliver.recovered(), if after.is_none() => failures = 0,
                    }
                    continue;
                }
            }
            let is_gone = refused.advice == Advice::TargetGone;
            attempt = match attempt {
                Attempt::React { otherwise: Some(text), .. } => {
                    tracing::info!(post = id, %reason, "a reaction was refused, its text is sent instead");
                    Attempt::Send { text }
                }
                // Nobody sees the message any more that it was for.
                Attempt::React { .. } if is_gone => return Ok(Fate::Confirmed(None)),
                Attempt::Send { text } if is_gone && reply_to.is_some() => {
                    tracing::info!(post = id, %reason, "the message to reply to is gone, the reply is sent without");
                    reply_to = None;
                    Attempt::Send { text }
                }
                Attempt::Send { .. } | Attempt::React { .. } => {
                    tracing::error!(
                        name: events::WEDGED,
                        post = id,
                        to = ?self.to,
                        %reason,
                        "refused for good, put aside"
                    );
                    let objection = match refused.advice {
                        Advice::Unacceptable(objection) if objected.is_none() => objection,
                        Advice::Unacceptable(_)
                        | Advice::Retry { .. }
                        | Advice::TargetGone
                        | Advice::Undeliverable => return Ok(Fate::Wedged(objected.unwrap_or(reason))),
                    };
                    objected = Some(reason);
                    uuid.push_str("-instead");
                    unsure_since = None;
                    Attempt::Send { text: self.deliver.in_place_of(objection) }
                }
            };
        }
    }

    fn got_through(&mut self, id: i64) {
        if let Some(past) = self.trouble.over(Instant::now()) {
            let late_ms = u64::try_from(past.lasted.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(post = id, failures = past.failures, late_ms, "delivered after all");
        }
    }

    /// One try, when the pace allows it.
    async fn attempt(
        &self,
        attempt: &Attempt,
        reply_to: Option<&MessageId>,
        uuid: &str,
    ) -> Result<Result<Option<MessageId>, Refused>, Gone> {
        let way = match attempt {
            Attempt::React { .. } => Way::React,
            Attempt::Send { .. } if reply_to.is_some() => Way::Reply,
            Attempt::Send { .. } => Way::Create,
        };
        let (go, may_go) = oneshot::channel();
        self.gate.send(Ask::Pass { lane: self.to.clone(), way, go }).await.map_err(|_| Gone)?;
        may_go.await.map_err(|_| Gone)?;
        let call = async {
            match attempt {
                Attempt::React { on, emoji, .. } => self.deliver.react(on, emoji).await.map(|()| None),
                Attempt::Send { text } => {
                    let letter = Letter {
                        to: self.to.clone(),
                        reply_to: reply_to.cloned(),
                        text: text.clone(),
                        uuid: uuid.into(),
                    };
                    self.deliver.send(&letter).await.map(Some)
                }
            }
        };
        let result = timeout(TRY, call).await.unwrap_or_else(|_| {
            let advice = Advice::Retry { after: None, outcome_known: false };
            Err(Refused { advice, reason: "no answer".into(), cause: "no answer".into() })
        });
        self.gate.send(Ask::Answered { lane: self.to.clone() }).await.map_err(|_| Gone)?;
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
