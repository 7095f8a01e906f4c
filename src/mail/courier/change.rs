//! Changing a card that is in the chat.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    ApiRequest, DeliveryAdvice, EntityChange, RequestFailure, Transport,
    lane::{Lane, LaneEnd, PostAttempt},
};
use crate::{
    ids::MessageId,
    mail::{CardRecord, rate_limit::Priority},
    render::ladder,
};

/// A change whose own trouble has lasted for so long is given up: there is another way, a new message, and the chat
/// waits.
const PATIENCE: Duration = Duration::from_secs(120);

/// So often the number of an operation is raised when Feishu has seen a higher one.
const LEAPS: u32 = 3;

/// By so much: more operations than a card ever sees.
const LEAP: i32 = 1_000_000;

/// A card in the chat in whose place there is a new message, as it is not known whether it shows what it was told. It is
/// kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReplacedCard {
    pub(super) message_id: MessageId,
    pub(super) entity: Option<String>,
}

impl<D: Transport> Lane<D> {
    /// Has a card show this for good. When the trouble is this card's and lasts, the last failure is the answer.
    pub(super) async fn change(
        &mut self,
        trying: PostAttempt,
        card: &CardRecord,
        sequence: &mut i32,
        message_id: &MessageId,
        json: String,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let mut trying = trying.anew_for(PATIENCE);
        let Some(entity) = card.entity.clone() else {
            let mut errand = ApiRequest::Update { message_id: message_id.clone(), card: json };
            return Ok(self.persist(&mut trying, &mut errand).await?.map(|_| ()));
        };
        // A card that streams shows what it is told later, and cannot be forwarded. Whether it did stream is not known
        // here, and does not matter.
        let operations = [EntityChange::Streaming(false), EntityChange::Replace(json)];
        let mut done = Ok(());
        for operation in operations {
            let mut leaps = 0;
            done = loop {
                let mut errand = numbered(card.made, &entity, sequence, operation.clone());
                match self.persist(&mut trying, &mut errand).await? {
                    Err(refused) if refused.advice == DeliveryAdvice::Sequence && leaps < LEAPS => {
                        leaps += 1;
                        *sequence = sequence.saturating_add(LEAP);
                    }
                    done => break done.map(|_| ()),
                }
            };
            if done.as_ref().is_err_and(|refused| matches!(refused.advice, DeliveryAdvice::Retry { .. })) {
                break;
            }
        }
        Ok(done)
    }

    /// Has a card that was left behind say where its words are, if that can be done now: they are in the chat.
    pub(super) async fn say_below(
        &self,
        behind: ReplacedCard,
        made: Timestamp,
        sequence: &mut i32,
    ) -> Result<(), LaneEnd> {
        let json = ladder::below(self.office.deliver.words());
        let ReplacedCard { message_id, entity } = behind;
        let said = match entity {
            None => {
                let errand = ApiRequest::Update { message_id, card: json };
                self.attempt(&errand, Priority::Owed).await?.map(|_| ())
            }
            Some(entity) => self.operate(made, &entity, sequence, EntityChange::Replace(json)).await?,
        };
        if let Err(RequestFailure { reason, .. }) = said {
            tracing::debug!(%reason, "a card that was left behind could not be changed");
        }
        Ok(())
    }

    /// Changes an entity if that can be done now.
    pub(super) async fn operate(
        &self,
        made: Timestamp,
        entity: &str,
        sequence: &mut i32,
        operation: EntityChange,
    ) -> Result<Result<(), RequestFailure>, LaneEnd> {
        let mut leaps = 0;
        loop {
            let errand = numbered(made, entity, sequence, operation.clone());
            match self.attempt(&errand, Priority::Spare).await? {
                Err(refused) if refused.advice == DeliveryAdvice::Sequence && leaps < LEAPS => {
                    leaps += 1;
                    *sequence = sequence.saturating_add(LEAP);
                }
                done => return Ok(done.map(|_| ())),
            }
        }
    }
}

/// An operation with a number that is higher than the last one's.
fn numbered(made: Timestamp, entity: &str, last: &mut i32, operation: EntityChange) -> ApiRequest {
    *last = last.saturating_add(1).max(by_time(made, Timestamp::now()));
    ApiRequest::Operate { entity: entity.to_owned(), sequence: *last, operation }
}

/// The number of an operation by the time: the milliseconds since the card was made, so that it rises over restarts
/// without being kept. Feishu takes 31 bits, which are 24 days; an entity lives for 14.
fn by_time(made: Timestamp, now: Timestamp) -> i32 {
    let since = Duration::try_from(now.duration_since(made)).unwrap_or_default().as_millis();
    i32::try_from(since).unwrap_or(i32::MAX).clamp(1, i32::MAX - 10 * LEAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_numbered_upwards_whatever_the_clock_does() {
        let made = Timestamp::now() - jiff::SignedDuration::from_hours(1);
        let mut last = 0;
        let mut next = || {
            let errand = numbered(made, "7", &mut last, EntityChange::Streaming(false));
            let ApiRequest::Operate { sequence, .. } = errand else { panic!("{errand:?}") };
            sequence
        };
        let numbers = [next(), next(), next()];
        assert!(numbers[0] >= 3_600_000 && numbers[0] < numbers[1] && numbers[1] < numbers[2], "{numbers:?}");
        assert_eq!(by_time(Timestamp::now() + jiff::SignedDuration::from_hours(1), Timestamp::now()), 1);
    }
}
