//! Settling for good: what is to be put on record must not be lost because the disk has no room for a while.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, error};

use super::{Settlement, Store, StoreError};
use crate::crash::{self, Point};

/// The first wait after a write that failed; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Store {
    /// Settles, however long the disk takes. Gives up only when it was settled before, or when the store has stopped.
    pub async fn keep(&self, settlement: Settlement) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.settle(settlement.clone()).await {
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
        }
    }
}
