//! Changing a card that is in the chat.
//!
//! A card that is an entity is changed by numbered operations; each number has to be higher than the one before. How the
//! numbers are given out, and what happens when Feishu has seen a higher one, is decided in [`Lane::change_entity`]
//! alone.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ApiRequest, DeliveryAdvice, EntityChange, RequestFailure, Transport,
    attempt::PostAttempt,
    lane::{Lane, LaneEnd},
    rate_limit::Priority,
};
use crate::{ids::MessageId, mail::CardRecord, render::ladder};

/// How long the trouble of a change itself may last before it is given up: a new message does as well, and the chat
/// waits.
const CHANGE_PATIENCE: Duration = Duration::from_secs(120);

/// Maximum number of times that the sequence number leaps ahead for one change.
const MAX_LEAPS: u32 = 3;

/// The size of a leap: more operations than a card ever sees.
const LEAP: i32 = 1_000_000;

/// A card in the chat that a new message replaces, because it may not show what it was told. It is kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReplacedCard {
    pub(super) message_id: MessageId,
    pub(super) entity: Option<String>,
}

/// How hard a change is tried.
pub(super) enum Effort<'a> {
    /// Until Feishu has made it or refuses it for good.
    Owed(&'a mut PostAttempt),
    /// Once, if there is room now.
    Optional,
}

impl<T: Transport> Lane<T> {
    /// Changes a card for good. When the trouble is this card's own and lasts, the last failure is returned.
    pub(super) async fn change_card(
        &mut self,
        attempt: PostAttempt,
        card: &CardRecord,
        sequence: &mut i32,
        message_id: &MessageId,
        json: String,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let mut attempt = attempt.restarted_for(CHANGE_PATIENCE);
        let Some(entity) = &card.entity else {
            let mut request = ApiRequest::Update { message_id: message_id.clone(), card: json };
            return Ok(self.retry(&mut attempt, &mut request).await?.map(|_| ()));
        };
        // A card that streams shows a change later, and cannot be forwarded. Whether it does stream is not known here.
        let mut changed = Ok(());
        for change in [EntityChange::Streaming(false), EntityChange::Replace(json)] {
            let effort = Effort::Owed(&mut attempt);
            changed = self.change_entity(effort, card.made, entity, sequence, change).await?;
            if changed.as_ref().is_err_and(|failure| matches!(failure.advice, DeliveryAdvice::Retry { .. })) {
                break;
            }
        }
        Ok(changed)
    }

    /// Has a replaced card point to the message below it, if that can be done now.
    pub(super) async fn point_below(
        &mut self,
        replaced: ReplacedCard,
        made: Timestamp,
        sequence: &mut i32,
    ) -> Result<(), LaneEnd> {
        let json = ladder::words_below_card(self.context.transport.words());
        let ReplacedCard { message_id, entity } = replaced;
        let changed = match entity {
            None => {
                let request = ApiRequest::Update { message_id, card: json };
                self.attempt(&request, Priority::Owed).await?.map(|_| ())
            }
            Some(entity) => {
                let change = EntityChange::Replace(json);
                self.change_entity(Effort::Optional, made, &entity, sequence, change).await?
            }
        };
        if let Err(RequestFailure { reason, .. }) = changed {
            tracing::debug!(%reason, "failed to have a replaced card point to its new message");
        }
        Ok(())
    }

    /// Changes an entity. `sequence` is the number of its last operation; when Feishu has seen a higher one, it leaps
    /// ahead.
    pub(super) async fn change_entity(
        &mut self,
        mut effort: Effort<'_>,
        made: Timestamp,
        entity: &str,
        sequence: &mut i32,
        change: EntityChange,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let mut leaps = 0;
        loop {
            *sequence = next_sequence(*sequence, made, Timestamp::now());
            let (entity, change) = (entity.to_owned(), change.clone());
            let mut request = ApiRequest::ChangeEntity { entity, sequence: *sequence, change };
            let changed = match &mut effort {
                Effort::Owed(attempt) => self.retry(attempt, &mut request).await?,
                Effort::Optional => self.attempt(&request, Priority::Optional).await?,
            };
            match changed {
                Err(failure) if failure.advice == DeliveryAdvice::StaleSequence && leaps < MAX_LEAPS => {
                    leaps += 1;
                    *sequence = sequence.saturating_add(LEAP);
                }
                done => return Ok(done.map(|_| ())),
            }
        }
    }
}

/// The number of the next operation on an entity: higher than the last one, and at least the milliseconds since its
/// card was made, so that the numbers rise over restarts without being kept. Feishu takes 31 bits, which are 24 days;
/// an entity lives for 14.
fn next_sequence(last: i32, made: Timestamp, now: Timestamp) -> i32 {
    let age_ms = Duration::try_from(now.duration_since(made)).unwrap_or_default().as_millis();
    let by_age = i32::try_from(age_ms).unwrap_or(i32::MAX).clamp(1, i32::MAX - 10 * LEAP);
    last.saturating_add(1).max(by_age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_rise_whatever_the_clock_does() {
        let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1);
        let first = next_sequence(0, Timestamp::UNIX_EPOCH, now);
        assert_eq!(first, 3_600_000);
        assert_eq!(next_sequence(first, Timestamp::UNIX_EPOCH, now), first + 1);
        assert_eq!(next_sequence(first, now, Timestamp::UNIX_EPOCH), first + 1);
        assert_eq!(next_sequence(0, now, Timestamp::UNIX_EPOCH), 1);
        assert_eq!(next_sequence(0, Timestamp::UNIX_EPOCH, Timestamp::MAX), i32::MAX - 10 * LEAP);
    }
}
