//! A call on its way to the database thread, and who is woken by its commit.

use std::{collections::BTreeSet, sync::Arc};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    Recipient, StoreError,
    database_thread::{Job, JobOutcome},
};
use crate::{ids::ConvId, mail::wake_set::WakeSet};

/// A call: what it does, who is woken by it, and who waits for its answer.
pub(super) struct StoreCall<T, W> {
    /// Taken when it runs.
    pub(super) work: Option<W>,
    /// What `work` returned, until the commit decides.
    pub(super) outcome: Option<Result<T, StoreError>>,
    pub(super) wakes: CommitWakes,
    pub(super) wake_sets: Arc<WakeSets>,
    pub(super) reply: oneshot::Sender<Result<T, StoreError>>,
}

/// Who has something to do once a call is committed.
#[derive(Debug, Default)]
pub(super) struct CommitWakes {
    /// The recipients of new posts.
    pub(super) lanes: BTreeSet<Recipient>,
    /// The sessions of new audit lines.
    pub(super) audits: BTreeSet<ConvId>,
}

impl CommitWakes {
    /// Wakes the lane of one recipient.
    pub(super) fn lane(to: &Recipient) -> Self {
        Self { lanes: [to.clone()].into(), audits: BTreeSet::new() }
    }
}

/// What the readers of a store have not seen yet.
#[derive(Debug, Default)]
pub(super) struct WakeSets {
    /// Recipients with new posts, for the courier.
    pub(super) lanes: WakeSet<Recipient>,
    /// For the audit writer.
    pub(super) audits: WakeSet<ConvId>,
}

impl<T: Send, W: FnOnce(&Connection) -> Result<T, StoreError> + Send> Job for StoreCall<T, W> {
    fn run(&mut self, db: &Connection) -> JobOutcome {
        self.outcome = self.work.take().map(|work| work(db));
        match &self.outcome {
            Some(Ok(_)) => JobOutcome::Done,
            Some(Err(StoreError::Failed(reason))) => JobOutcome::Failed(reason.clone()),
            Some(Err(StoreError::Busy | StoreError::Stopped | StoreError::Conflict(_))) | None => {
                JobOutcome::Refused
            }
        }
    }

    fn answer(mut self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = committed.and_then(|()| self.outcome.take().unwrap_or(Err(StoreError::Stopped)));
        if outcome.is_ok() {
            self.wake_sets.lanes.add(std::mem::take(&mut self.wakes.lanes));
            self.wake_sets.audits.add(std::mem::take(&mut self.wakes.audits));
        }
        // The caller may have dropped the future.
        let _ = self.reply.send(outcome);
    }
}
