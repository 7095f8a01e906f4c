//! Settling for good: what is to be put on record must not be lost because the disk has no room for a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, error};

use super::{Committed, Settlement, Store, StoreError};
use crate::audit::AuditEntry;
use crate::crash::{self, Point};
use crate::ids::ConvId;

/// The first wait after a write that failed; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

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
        let mut pause = FIRST_PAUSE;
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
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            tried = self.settle(settlement.clone());
        }
    }
    /// Notes the session that a waiting mail belongs to, however long the disk takes; until the mail waits no more.
    pub async fn keep_assigned(self, seq: i64, conv: ConvId) {
        let mut pause = FIRST_PAUSE;
        while let Err(StoreError::Busy | StoreError::Failed(_)) = self.assign(seq, &conv).await {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
