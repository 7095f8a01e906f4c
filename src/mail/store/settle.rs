//! Settling: the one transaction that ends messages and a turn and queues everything that follows from it.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::{debug, error};

use super::{
    Committed, Settlement, Store, StoreError, audit_lines, call::CommitWakes, cards, crash_point, inbox,
    outbox, turns,
};
use crate::{
    audit::AuditEntry,
    backoff::Backoff,
    crash::{self, Point},
    ids::ConvId,
};

/// The waits before a write that failed is tried again.
const RETRY: Backoff =
    Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5), jitter: 0.0 };

impl Store {
    /// Ends messages and a turn, and queues what follows: posts, final updates and an audit line. Returns the line, if
    /// there is one.
    pub fn settle(&self, settlement: impl Into<Arc<Settlement>>) -> Committed<Option<AuditEntry>> {
        let settlement = settlement.into();
        let wakes = CommitWakes {
            lanes: settlement.all_posts().map(|post| post.to.clone()).collect(),
            audits: settlement.audit.iter().map(|record| record.line.conv_id.clone()).collect(),
        };
        self.call_and_wake(wakes, move |db| {
            inbox::answer(db, &settlement)?;
            turns::end(db, &settlement)?;
            for post in &settlement.posts {
                outbox::add(db, post, settlement.at)?;
            }
            for (slot, post) in &settlement.final_updates {
                cards::final_update(db, *slot, post, settlement.at)?;
            }
            let entry = settlement.audit.as_ref().map(|record| audit_lines::add(db, record)).transpose()?;
            crash_point(Point::SettlementWrite)?;
            Ok(entry)
        })
    }

    /// Settles, and tries again for as long as the disk does not take it. Gives up only when it was settled before, or
    /// when the store has stopped.
    pub(crate) async fn settle_with_retry(&self, settlement: Settlement) {
        let settlement = Arc::new(settlement);
        let first_try = self.settle(settlement.clone());
        self.retry_settling(first_try, settlement).await;
    }

    /// As [`Store::settle_with_retry`] for several at once, whose waits overlap. They keep their order, unless one try
    /// of the first fails and one of the second succeeds.
    pub(crate) async fn settle_all_with_retry(&self, settlements: Vec<Settlement>) {
        let begun: Vec<_> = settlements
            .into_iter()
            .map(Arc::new)
            .map(|settlement| (self.settle(settlement.clone()), settlement))
            .collect();
        for (first_try, settlement) in begun {
            self.retry_settling(first_try, settlement).await;
        }
    }

    async fn retry_settling(
        &self,
        mut current_try: Committed<Option<AuditEntry>>,
        settlement: Arc<Settlement>,
    ) {
        let mut failures = 0_u32;
        loop {
            match current_try.await {
                Ok(_) => return crash::at(Point::SettlementCommitted),
                Err(error @ (StoreError::Stopped | StoreError::Conflict(_))) => {
                    return error!(%error, "failed to settle, not tried again");
                }
                Err(error @ (StoreError::Busy | StoreError::Failed(_))) => {
                    debug!(%error, "failed to settle, trying again");
                }
            }
            failures = failures.saturating_add(1);
            sleep(RETRY.wait(failures, 0.0)).await;
            current_try = self.settle(settlement.clone());
        }
    }

    /// Notes the session that a waiting message belongs to, and tries again for as long as the disk does not take it
    /// and the message waits.
    pub(crate) async fn assign_with_retry(self, seq: i64, conv: ConvId) {
        let mut failures = 0_u32;
        while let Err(StoreError::Busy | StoreError::Failed(_)) = self.assign(seq, &conv).await {
            failures = failures.saturating_add(1);
            sleep(RETRY.wait(failures, 0.0)).await;
        }
    }
}
