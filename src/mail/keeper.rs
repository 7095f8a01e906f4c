//! The thread that owns `mail.db`: group commit, checkpoints and pruning.
//!
//! It takes all calls that wait, runs each in a savepoint of one transaction, commits once and answers all. A call
//! that fails takes nothing but itself back; a commit that fails is everybody's error. The thread outlives both.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::Connection;

use super::{StoreError, pruning};

/// Calls in one transaction.
const BATCH: usize = 256;

/// Commits after which the log is written back into the file even when calls keep coming.
const COMMITS: u32 = 256;

/// How long nobody has to call before the log is written back.
const IDLE: Duration = Duration::from_secs(1);

/// Between two looks for rows that may leave, and between two small steps while there are some.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
const PRUNE_STEP: Duration = Duration::from_millis(10);

/// One call.
pub(super) trait Job: Send {
    /// Does the work inside the transaction; `false` when it has to be taken back.
    fn run(&mut self, db: &Connection) -> bool;
    /// Tells the caller: what the work returned when it is committed, else the error.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

pub(super) struct Keeper {
    db: Connection,
    /// Commits that are only in the log.
    commits: u32,
    /// When to write them back, if nobody calls.
    checkpoint_at: Option<Instant>,
    prune_at: Instant,
}

impl Keeper {
    pub(super) fn new(db: Connection) -> Self {
        Self { db, commits: 0, checkpoint_at: None, prune_at: Instant::now() }
    }

    /// Serves calls until all handles are gone.
    pub(super) fn run(mut self, requests: &Receiver<Box<dyn Job>>) {
        loop {
            let due = self.checkpoint_at.map_or(self.prune_at, |at| at.min(self.prune_at));
            match requests.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    let mut jobs = VecDeque::from([first]);
                    jobs.extend(requests.try_iter().take(BATCH - 1));
                    self.serve(jobs);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look_after(Instant::now());
        }
    }

    fn serve(&mut self, mut jobs: VecDeque<Box<dyn Job>>) {
        let changes = self.db.total_changes();
        while !jobs.is_empty() {
            let (done, result) = transaction(&self.db, &mut jobs);
            if let Err(error) = &result {
                tracing::error!(%error, calls = done.len(), "mail.db: a transaction failed");
            }
            for job in done {
                job.answer(result.clone());
            }
        }
        if self.db.total_changes() != changes {
            self.commits += 1;
            self.checkpoint_at = Some(Instant::now() + IDLE);
        }
    }

    /// What can wait until the callers have their answers.
    fn look_after(&mut self, now: Instant) {
        if self.commits >= COMMITS || self.checkpoint_at.is_some_and(|at| at <= now) {
            self.commits = 0;
            self.checkpoint_at = None;
            let done = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            if let Err(error) = done {
                tracing::warn!(%error, "mail.db: the log was not written back, it will be tried again");
            }
        }
        if self.prune_at <= now {
            let more = pruning::step(&self.db, Timestamp::now()).unwrap_or_else(|error| {
                tracing::warn!(%error, "mail.db: old rows were not removed, it will be tried again");
                false
            });
            self.prune_at = now + if more { PRUNE_STEP } else { PRUNE_EVERY };
            if more {
                self.commits += 1;
                self.checkpoint_at = self.checkpoint_at.or(Some(now + IDLE));
            }
        }
    }
}

/// Runs jobs in one transaction: those that were in it, and whether it was committed. Ends early when SQLite takes the
/// whole transaction back, as it does when the disk is full; the jobs behind stay in the queue for another one.
fn transaction(
    db: &Connection,
    jobs: &mut VecDeque<Box<dyn Job>>,
) -> (Vec<Box<dyn Job>>, Result<(), StoreError>) {
    let mut done = Vec::with_capacity(jobs.len());
    if let Err(error) = db.execute_batch("BEGIN") {
        // Left over from a transaction that could not be ended.
        let _ = db.execute_batch("ROLLBACK");
        return (jobs.drain(..).collect(), Err(error.into()));
    }
    while let Some(mut job) = jobs.pop_front() {
        let result = savepoint(db, &mut *job);
        done.push(job);
        if db.is_autocommit() {
            return (done, Err(StoreError::Failed("the disk is full or broken".into())));
        }
        if let Err(error) = result {
            let _ = db.execute_batch("ROLLBACK");
            return (done, Err(error.into()));
        }
    }
    let committed = db.execute_batch("COMMIT").map_err(|error| {
        let _ = db.execute_batch("ROLLBACK");
        error.into()
    });
    (done, committed)
}

fn savepoint(db: &Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    db.execute_batch("SAVEPOINT job")?;
    if job.run(db) {
        return db.execute_batch("RELEASE job");
    }
    if db.is_autocommit() { Ok(()) } else { db.execute_batch("ROLLBACK TO job; RELEASE job") }
}
