//! Changing a card that is in the chat.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Advice, Deliver, Errand, Operation, Refused,
    lane::{Gone, Lane, Trying},
};
use crate::{ids::MessageId, mail::Card};

/// So often the number of an operation is raised when Feishu has seen a higher one.
const LEAPS: i32 = 3;

/// By so much: more operations than a card ever sees.
const LEAP: i32 = 1_000_000;

impl<D: Deliver> Lane<D> {
    /// Has a card show this for good.
    pub(super) async fn change(
        &mut self,
        trying: &mut Trying,
        card: &Card,
        message_id: &MessageId,
        json: String,
    ) -> Result<Result<(), Refused>, Gone> {
        let Some(entity) = card.entity.clone() else {
            let mut errand = Errand::Update { message_id: message_id.clone(), card: json };
            return Ok(self.persist(trying, &mut errand).await?.map(|_| ()));
        };
        // A card that streams shows what it is told later, and cannot be forwarded. Whether it did stream does not matter.
        let still = Operation::Streaming(false);
        if let Err(refused) = self.operate(trying, card, &entity, still).await? {
            tracing::debug!(reason = %refused.reason, "a card could not be told that it streams no more");
        }
        self.operate(trying, card, &entity, Operation::Replace(json)).await
    }

    /// An operation under a number that is higher than those before, whoever gave them.
    async fn operate(
        &mut self,
        trying: &mut Trying,
        card: &Card,
        entity: &str,
        operation: Operation,
    ) -> Result<Result<(), Refused>, Gone> {
        let mut leaps = 0;
        loop {
            let sequence = sequence(card.made, Timestamp::now()).saturating_add(leaps * LEAP);
            let operation = operation.clone();
            let mut errand = Errand::Operate { entity: entity.to_owned(), sequence, operation };
            match self.persist(trying, &mut errand).await? {
                Err(refused) if refused.advice == Advice::Sequence && leaps < LEAPS => leaps += 1,
                done => return Ok(done.map(|_| ())),
            }
        }
    }
}

/// The number of an operation: the milliseconds since the card was made, so that it rises over restarts without being
/// kept. Feishu takes 31 bits, which are 24 days; the card lives for 14.
fn sequence(made: Timestamp, now: Timestamp) -> i32 {
    let since = Duration::try_from(now.duration_since(made)).unwrap_or_default().as_millis();
    i32::try_from(since).unwrap_or(i32::MAX - 1).saturating_add(1)
}
