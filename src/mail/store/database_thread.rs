//! The thread that owns `mail.db`: group commit, checkpoints and retention.
//!
//! It takes all calls that wait, runs each in a savepoint of one transaction, commits once and answers all. A call that
//! fails is rolled back alone; a commit that fails is the error of every call in it. The thread survives both.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::{Connection, config::DbConfig};

use super::{StoreError, database_files::DatabaseFiles, retention};
use crate::{logs::events, pulse::Pulse};

/// Maximum number of calls in one transaction.
const MAX_BATCH: usize = 256;

/// Number of commits after which the write-ahead log is written back into the file even when calls keep coming.
const COMMITS_PER_CHECKPOINT: u32 = 256;

/// How long no call must come before the log is written back.
const CHECKPOINT_IDLE_TIME: Duration = Duration::from_secs(1);

/// Time without a failure after which writing counts as working again: on a full disk, small changes may find space
/// where large ones do not. Longer than the longest wait before a settlement is tried again.
const RECOVERY_TIME: Duration = Duration::from_secs(8);

/// The time between two searches for rows to remove, and between two steps while there are some.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
const RETENTION_STEP_INTERVAL: Duration = Duration::from_millis(10);

/// A retention step waits until no call comes, but no longer than this.
const RETENTION_MAX_DELAY: Duration = Duration::from_secs(10);

/// A queued call.
pub(super) trait Job: Send {
    /// Does its work inside the transaction.
    fn run(&mut self, db: &Connection) -> JobOutcome;
    /// Answers the caller: with the result of the work if it is committed, else with the error.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// How a call's work ended.
pub(super) enum JobOutcome {
    /// It is to be committed.
    Done,
    /// It is to be rolled back: the rows are not in the state that the change starts from.
    Refused,
    /// It is to be rolled back: SQLite could not do it, for this reason.
    Failed(String),
}

/// Writing has failed and does not count as working again yet.
struct WriteFailure {
    /// When writing first failed.
    since: Instant,
    /// When writing last failed.
    last: Instant,
}

pub(super) struct DatabaseThread {
    db: Connection,
    files: DatabaseFiles,
    /// Whether a commit is on the disk when it returns.
    synced: bool,
    failure: Option<WriteFailure>,
    /// Number of commits that are only in the log.
    commits: u32,
    /// When to write the log back, if no call comes.
    checkpoint_at: Option<Instant>,
    retention_at: Instant,
    pulse: Pulse,
}

impl DatabaseThread {
    pub(super) fn new(db: Connection, files: DatabaseFiles, pulse: Pulse) -> Self {
        Self {
            db,
            files,
            synced: true,
            failure: None,
            commits: 0,
            checkpoint_at: None,
            retention_at: Instant::now(),
            pulse,
        }
    }

    /// Serves calls until all handles are gone.
    pub(super) fn run(mut self, requests: &Receiver<Box<dyn Job>>) {
        loop {
            self.pulse.beat();
            let recovered_at = self.failure.as_ref().map(|failure| failure.last + RECOVERY_TIME);
            let due = [self.checkpoint_at, recovered_at]
                .into_iter()
                .flatten()
                .fold(self.retention_at, Instant::min);
            let called = match requests.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(first) => {
                    let mut jobs = VecDeque::from([first]);
                    jobs.extend(requests.try_iter().take(MAX_BATCH - 1));
                    self.serve(jobs);
                    true
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let now = Instant::now();
            self.checkpoint(now);
            self.check_recovery(now);
            let max_delay = if called { RETENTION_MAX_DELAY } else { Duration::ZERO };
            if self.retention_at + max_delay <= now {
                self.remove_old_rows(now);
            }
        }
        if self.files.check().is_err() {
            // Closing would write into one file and remove the log of another. If this fails, closing fails too.
            let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }

    fn serve(&mut self, mut jobs: VecDeque<Box<dyn Job>>) {
        let usable = self.files.check().and_then(|()| self.sync(true).map_err(|error| error.to_string()));
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
            self.checkpoint_at = Some(Instant::now() + CHECKPOINT_IDLE_TIME);
        }
    }

    /// Logs the first failure aloud, later ones as details.
    fn failed(&mut self, reason: &str, now: Instant) {
        if let Some(failure) = &mut self.failure {
            failure.last = now;
            return tracing::debug!(reason, "mail.db still cannot be written");
        }
        tracing::error!(
            name: events::STORE_FAILED,
            reason,
            "mail.db cannot be written: new messages are not accepted until it can"
        );
        self.failure = Some(WriteFailure { since: now, last: now });
    }

    /// Logs that writing works again, once it has not failed for a while and the disk has space.
    fn check_recovery(&mut self, now: Instant) {
        let recovered = self.failure.take_if(|failure| failure.last + RECOVERY_TIME <= now);
        let Some(failure) = recovered else { return };
        if let Err(reason) = self.files.check().and_then(|()| self.files.has_room()) {
            self.failure = Some(failure);
            return self.failed(&reason, now);
        }
        let after_s = now.duration_since(failure.since).as_secs();
        tracing::info!(name: events::STORE_MENDED, after_s, "mail.db can be written again");
    }

    /// Writes the log back into the file, if that is due.
    fn checkpoint(&mut self, now: Instant) {
        if self.commits >= COMMITS_PER_CHECKPOINT || self.checkpoint_at.is_some_and(|at| at <= now) {
            self.commits = 0;
            self.checkpoint_at = None;
            let done = self.files.check().and_then(|()| {
                let done = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                done.map_err(|error| format!("the log was not written back: {error}"))
            });
            match done {
                Ok(()) => {
                    self.files.written_back();
                    tracing::debug!("mail.db: the log is written back");
                }
                Err(reason) => {
                    self.failed(&reason, now);
                    self.checkpoint_at = Some(now + RECOVERY_TIME);
                }
            }
        }
    }

    fn remove_old_rows(&mut self, now: Instant) {
        if self.failure.is_some() {
            self.retention_at = now + RECOVERY_TIME;
            return;
        }
        let more = self.unsynced(|db| retention::step(db, Timestamp::now())).unwrap_or_else(|error| {
            self.failed(&format!("old rows were not removed: {error}"), now);
            false
        });
        self.retention_at = now + if more { RETENTION_STEP_INTERVAL } else { RETENTION_INTERVAL };
        if more {
            self.commits += 1;
            self.checkpoint_at = self.checkpoint_at.or(Some(now + CHECKPOINT_IDLE_TIME));
        }
    }

    /// Does work that a power cut may undo, without waiting for the disk.
    fn unsynced<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.sync(false)?;
        let done = work(&self.db);
        self.sync(true)?;
        done
    }

    fn sync(&mut self, synced: bool) -> rusqlite::Result<()> {
        if self.synced != synced {
            // Also when the statement fails: nothing counts as synced before it is.
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

/// A transaction that was committed or rolled back.
struct Transaction {
    /// The jobs that ran in it.
    done: Vec<Box<dyn Job>>,
    /// Why one of them failed, if one did.
    failed: Option<String>,
    /// Whether it was committed.
    result: Result<(), StoreError>,
}

/// Runs jobs in one transaction. Ends early when SQLite rolls the whole transaction back, as it does when the disk is
/// full; the jobs that have not run stay in the queue for another transaction.
fn transaction(db: &Connection, jobs: &mut VecDeque<Box<dyn Job>>) -> Transaction {
    let mut done = Vec::with_capacity(jobs.len());
    let mut failed = None;
    let over = |done, failed, result| Transaction { done, failed, result };
    if let Err(error) = db.execute_batch("BEGIN") {
        // An earlier transaction that could not be ended may be open.
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

/// Runs a job in a savepoint; why it failed, if it did.
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
