//! Settling for good: what is to be put on record must not be lost because the disk has no room for a while.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::{debug, error};

use super::{Committed, Settlement, Store, StoreError};
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
    /// Settles, however long the disk takes. Gives up only when it was settled before, or when the store has stopped.
    pub async fn keep(&self, settlement: Settlement) {
        let settlement = Arc::new(settlement);
        let first = self.settle(settlement.clone());
        self.see_through(first, settlement).await;
    }

    /// The same for several, which share the waiting for the disk. They keep their order, but for those that one try
    /// wrote and not the other.
    pub async fn keep_all(&self, settlements: Vec<Settlement>) {
        let begun: Vec<_> = settlements
            .into_iter()
            .map(Arc::new)
            .map(|settlement| (self.settle(settlement.clone()), settlement))
            .collect();
        for (first, settlement) in begun {
            self.see_through(first, settlement).await;
        }
    }

    async fn see_through(&self, mut tried: Committed<Option<AuditEntry>>, settlement: Arc<Settlement>) {
        let mut failures = 0_u32;
        loop {
            match tried.await {
                Ok(_) => return crash::at(Point::SettlementCommitted),
                Err(error @ (StoreError::Stopped | StoreError::Conflict(_))) => {
                    return error!(%error, "something could not be settled");
                }
                Err(error @ (StoreError::Busy | StoreError::Failed(_))) => {
                    debug!(%error, "something is not on record yet; trying again");
                }
            }
            failures = failures.saturating_add(1);
            sleep(RETRY.wait(failures, 0.0)).await;
            tried = self.settle(settlement.clone());
        }
    }
    /// Notes the session that a waiting mail belongs to, however long the disk takes; until the mail waits no more.
    pub async fn keep_assigned(self, seq: i64, conv: ConvId) {
        let mut failures = 0_u32;
        while let Err(StoreError::Busy | StoreError::Failed(_)) = self.assign(seq, &conv).await {
            failures = failures.saturating_add(1);
            sleep(RETRY.wait(failures, 0.0)).await;
        }
    }
}
