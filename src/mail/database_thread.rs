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
use rusqlite::{Connection, config::DbConfig};

use super::{StoreError, database_files::DatabaseFiles, pruning};
use crate::{logs::events, pulse::Pulse};

/// Calls in one transaction.
const BATCH: usize = 256;

/// Commits after which the log is written back into the file even when calls keep coming.
const COMMITS: u32 = 256;

/// How long nobody has to call before the log is written back.
const IDLE: Duration = Duration::from_secs(1);

/// Writing works again when it has not failed for so long: on a full disk small changes may find room that large ones
/// do not. Longer than the longest wait before a settlement is tried again.
const MENDED: Duration = Duration::from_secs(8);

/// Between two looks for rows that may leave, and between two small steps while there are some. A step waits for a
/// moment in which nobody calls, but not longer than the patience.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
const PRUNE_STEP: Duration = Duration::from_millis(10);
const PRUNE_PATIENCE: Duration = Duration::from_secs(10);

/// One call.
pub(super) trait Job: Send {
    /// Does the work inside the transaction.
    fn run(&mut self, db: &Connection) -> JobOutcome;
    /// Tells the caller: what the work returned when it is committed, else the error.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// What became of a call's work.
pub(super) enum JobOutcome {
    /// It is to be committed.
    Done,
    /// It is to be taken back: what it was to change is not as it has to be.
    Refused,
    /// It is to be taken back, as SQLite could not do it, for this reason.
    Failed(String),
}

/// Writing fails.
struct WriteFailure {
    since: Instant,
    /// When it last did.
    last: Instant,
}

pub(super) struct DatabaseThread {
    db: Connection,
    place: DatabaseFiles,
    /// Whether a commit is on the disk when it is done.
    synced: bool,
    broken: Option<WriteFailure>,
    /// Commits that are only in the log.
    commits: u32,
    /// When to write them back, if nobody calls.
    checkpoint_at: Option<Instant>,
    prune_at: Instant,
    pulse: Pulse,
}

impl DatabaseThread {
    pub(super) fn new(db: Connection, place: DatabaseFiles, pulse: Pulse) -> Self {
        let prune_at = Instant::now();
        Self { db, place, synced: true, broken: None, commits: 0, checkpoint_at: None, prune_at, pulse }
    }

    /// Serves calls until all handles are gone.
    pub(super) fn run(mut self, requests: &Receiver<Box<dyn Job>>) {
        loop {
            self.pulse.beat();
            let mended_at = self.broken.as_ref().map(|broken| broken.last + MENDED);
            let due = [self.checkpoint_at, mended_at].into_iter().flatten().fold(self.prune_at, Instant::min);
            let called = match requests.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    let mut jobs = VecDeque::from([first]);
                    jobs.extend(requests.try_iter().take(BATCH - 1));
                    self.serve(jobs);
                    true
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let now = Instant::now();
            self.write_back(now);
            self.mended(now);
            if self.prune_at + if called { PRUNE_PATIENCE } else { Duration::ZERO } <= now {
                self.prune(now);
            }
        }
        if self.place.check().is_err() {
            // Closing would write back into one file and remove the log of another. Should this fail, so will that.
            let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }

    fn serve(&mut self, mut jobs: VecDeque<Box<dyn Job>>) {
        let usable = self.place.check().and_then(|()| self.sync(true).map_err(|error| error.to_string()));
        if let Err(reason) = usable {
            self.failed(&reason, Instant::now());
            for job in jobs {
                job.answer(Err(StoreError::Failed(reason.clone())));
            }
            return;
        }
        let changes = self.db.total_changes();
        while !jobs.is_empty() {
            let Transaction { done, failed, result } = transaction(&self.db, &mut jobs);
            if let Some(reason) = result.as_ref().err().map(StoreError::to_string).or(failed) {
                self.failed(&reason, Instant::now());
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

    /// Says once that writing fails.
    fn failed(&mut self, reason: &str, now: Instant) {
        if let Some(broken) = &mut self.broken {
            broken.last = now;
            return tracing::debug!(reason, "mail.db still cannot be written");
        }
        tracing::error!(
            name: events::STORE_FAILED,
            reason,
            "mail.db cannot be written: new messages are not taken over until it can"
        );
        self.broken = Some(WriteFailure { since: now, last: now });
    }

    /// Says once that it does no more: when it did not for a while, and there is room again.
    fn mended(&mut self, now: Instant) {
        let Some(broken) = self.broken.take_if(|broken| broken.last + MENDED <= now) else { return };
        if let Err(reason) = self.place.check().and_then(|()| self.place.has_room()) {
            self.broken = Some(broken);
            return self.failed(&reason, now);
        }
        let after_s = now.duration_since(broken.since).as_secs();
        tracing::info!(name: events::STORE_MENDED, after_s, "mail.db can be written again");
    }

    /// Writes the log back into the file, when nobody waits for an answer.
    fn write_back(&mut self, now: Instant) {
        if self.commits >= COMMITS || self.checkpoint_at.is_some_and(|at| at <= now) {
            self.commits = 0;
            self.checkpoint_at = None;
            let done = self.place.check().and_then(|()| {
                let done = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                done.map_err(|error| format!("the log was not written back: {error}"))
            });
            match done {
                Ok(()) => {
                    self.place.written_back();
                    tracing::debug!("mail.db: the log is written back");
                }
                Err(reason) => {
                    self.failed(&reason, now);
                    self.checkpoint_at = Some(now + MENDED);
                }
            }
        }
    }

    fn prune(&mut self, now: Instant) {
        if self.broken.is_some() {
            self.prune_at = now + MENDED;
            return;
        }
        let more = self.unsynced(|db| pruning::step(db, Timestamp::now())).unwrap_or_else(|error| {
            self.failed(&format!("old rows were not removed: {error}"), now);
            false
        });
        self.prune_at = now + if more { PRUNE_STEP } else { PRUNE_EVERY };
        if more {
            self.commits += 1;
            self.checkpoint_at = self.checkpoint_at.or(Some(now + IDLE));
        }
    }

    /// Does what may be undone by a power cut, without waiting for the disk.
    fn unsynced<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.sync(false)?;
        let done = work(&self.db);
        self.sync(true)?;
        done
    }

    fn sync(&mut self, synced: bool) -> rusqlite::Result<()> {
        if self.synced != synced {
            // Whatever comes of it: nothing is believed to be synced before it is.
            self.synced = false;
            self.db.execute_batch(if synced {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            })?;
            self.synced = synced;
        }
        Ok(())
    }
}

/// A transaction that is over.
struct Transaction {
    /// The jobs that were in it.
    done: Vec<Box<dyn Job>>,
    /// Why one of them failed.
    failed: Option<String>,
    /// Whether it was committed.
    result: Result<(), StoreError>,
}

/// Runs jobs in one transaction. Ends early when SQLite takes the whole transaction back, as it does when the disk is
/// full; the jobs behind stay in the queue for another one.
fn transaction(db: &Connection, jobs: &mut VecDeque<Box<dyn Job>>) -> Transaction {
    let mut done = Vec::with_capacity(jobs.len());
    let mut failed = None;
    let over = |done, failed, result| Transaction { done, failed, result };
    if let Err(error) = db.execute_batch("BEGIN") {
        // Left over from a transaction that could not be ended.
        let _ = db.execute_batch("ROLLBACK");
        return over(jobs.drain(..).collect(), failed, Err(error.into()));
    }
    while let Some(mut job) = jobs.pop_front() {
        let result = savepoint(db, &mut *job);
        done.push(job);
        if db.is_autocommit() {
            return over(done, failed, Err(StoreError::Failed("the disk is full or broken".into())));
        }
        match result {
            Ok(reason) => failed = failed.or(reason),
            Err(error) => {
                let _ = db.execute_batch("ROLLBACK");
                return over(done, failed, Err(error.into()));
            }
        }
    }
    let committed = db.execute_batch("COMMIT").map_err(|error| {
        let _ = db.execute_batch("ROLLBACK");
        error.into()
    });
    over(done, failed, committed)
}

/// Runs a job by itself; why it failed, if it did.
fn savepoint(db: &Connection, job: &mut dyn Job) -> rusqlite::Result<Option<String>> {
    db.execute_batch("SAVEPOINT job")?;
    let failed = match job.run(db) {
        JobOutcome::Done => {
            db.execute_batch("RELEASE job")?;
            return Ok(None);
        }
        JobOutcome::Refused => None,
        JobOutcome::Failed(reason) => Some(reason),
    };
    if !db.is_autocommit() {
        db.execute_batch("ROLLBACK TO job; RELEASE job")?;
    }
    Ok(failed)
}
