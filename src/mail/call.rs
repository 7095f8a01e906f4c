//! A call on its way to the thread that owns `mail.db`, and the bells that its commit rings.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::{
    Recipient, StoreError,
    database_thread::{Job, JobOutcome},
};
use crate::ids::ConvId;

/// A call: what it does, and who is told.
pub(super) struct StoreCall<T, W> {
    pub(super) work: Option<W>,
    pub(super) outcome: Option<Result<T, StoreError>>,
    pub(super) wakes: CommitWakes,
    pub(super) bells: Arc<WakeSets>,
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
            self.bells.lanes.ring(std::mem::take(&mut self.wakes.lanes));
            self.bells.audits.ring(std::mem::take(&mut self.wakes.audits));
        }
        // Whoever does not wait for the answer does not want it.
        let _ = self.reply.send(outcome);
    }
}

/// The bells of a store.
#[derive(Debug, Default)]
pub(super) struct WakeSets {
    /// For the courier.
    pub(super) lanes: WakeSet<Recipient>,
    /// For the clerk of the audit log.
    pub(super) audits: WakeSet<ConvId>,
}

/// What has to be looked after, by one who waits for it.
#[derive(Debug)]
pub(super) struct WakeSet<T> {
    rung_for: Mutex<BTreeSet<T>>,
    woken: Notify,
}

impl<T> Default for WakeSet<T> {
    fn default() -> Self {
        Self { rung_for: Mutex::default(), woken: Notify::new() }
    }
}

impl<T: Ord> WakeSet<T> {
    pub(super) fn ring(&self, these: BTreeSet<T>) {
        if !these.is_empty() {
            self.rung_for.lock().unwrap_or_else(PoisonError::into_inner).extend(these);
            self.woken.notify_one();
        }
    }

    pub(super) fn take_now(&self) -> BTreeSet<T> {
        std::mem::take(&mut *self.rung_for.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn take(&self) -> BTreeSet<T> {
        loop {
            let these = self.take_now();
            if !these.is_empty() {
                return these;
            }
            self.woken.notified().await;
        }
    }
}
