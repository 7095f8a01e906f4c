//! The store: `mail.db`, and the handle through which everything else uses it.
//!
//! Each method of [`Store`] is one transaction, run by the database thread. The call is queued when the method returns,
//! so calls take effect in the order in which they were made. The future that it returns resolves when the change is on
//! the disk; dropping the future does not take the call back.
//!
//! The SQL stands with the methods that use it: [`inbox`], [`turns`], [`outbox`], [`cards`] and [`audit_lines`], with
//! [`settle`] for the transaction that ends a turn. [`schema`] is the file's format, [`database_thread`] runs the calls,
//! [`retention`] removes old rows.

mod audit_lines;
mod call;
mod cards;
mod database_files;
mod database_thread;
mod inbox;
mod outbox;
mod retention;
mod schema;
mod settle;
#[cfg(test)]
mod tests;
mod turns;

use std::{
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    task::{Context, Poll},
    thread,
};

use jiff::Timestamp;
use rusqlite::{Connection, Error, Row};
use tokio::sync::oneshot;

use super::{Post, PostBody, Recipient, Settlement, Slot, Unfinished};
use crate::{
    crash::{self, Point},
    pulse::Pulse,
};
use call::{CommitWakes, StoreCall, WakeSets};
use database_files::DatabaseFiles;
use database_thread::{DatabaseThread, Job};

pub use cards::CardRecord;
pub(super) use cards::UpdateMark;
pub use outbox::{PostFate, QueuedPost};
pub use schema::OpenError;
pub(crate) use turns::PastTurn;

/// Maximum number of calls that wait for the thread; more are refused as [`StoreError::Busy`].
const MAX_QUEUED_CALLS: usize = 1024;

/// Why a call changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too many calls wait; try again later.
    #[error("mail.db is busy: too many calls wait")]
    Busy,
    /// The thread has ended.
    #[error("mail.db is closed")]
    Stopped,
    /// The row is not in the state that the change starts from: the change was made before, or what it ends never
    /// began. When an earlier try ended in [`StoreError::Failed`], that try took effect after all.
    #[error("mail.db refuses to do it twice: {0}")]
    Conflict(&'static str),
    /// SQLite could not do it, because the disk is full or broken. The next call may succeed.
    #[error("mail.db cannot be written: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Resolves when the call is committed, or refused.
#[must_use = "only the answer says whether it is on the disk"]
#[derive(Debug)]
pub struct Committed<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Future for Committed<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Stopped)))
    }
}

/// A handle of the thread that owns `mail.db`. The thread closes the file and ends with the last handle.
#[derive(Clone, Debug)]
pub struct Store {
    calls: SyncSender<Box<dyn Job>>,
    wake_sets: Arc<WakeSets>,
}

/// Opens `mail.db`, creating it if it is missing, and starts its thread. The cards that the last run left with a
/// fallback get it as a post.
///
/// # Errors
/// When the file cannot be used; it is then left as it was.
pub fn open(path: &Path) -> Result<(Store, Unfinished), OpenError> {
    open_watched(path, Pulse::unwatched())
}

/// As [`open`], with a pulse for the thread. It beats at least once a minute unless the disk holds the thread up.
///
/// # Errors
/// When the file cannot be used; it is then left as it was.
pub(crate) fn open_watched(path: &Path, pulse: Pulse) -> Result<(Store, Unfinished), OpenError> {
    let unusable = |reason: String| OpenError::Unusable { path: path.into(), reason };
    let db = schema::open(path)?;
    let unfinished = queue_fallbacks(&db)
        .and_then(|()| read_unfinished(&db))
        .map_err(|error| unusable(error.to_string()))?;
    let store = start(db, path, pulse).map_err(|error| unusable(error.to_string()))?;
    Ok((store, unfinished))
}

fn start(db: Connection, path: &Path, pulse: Pulse) -> io::Result<Store> {
    let files = DatabaseFiles::of(path);
    let (calls, queue) = sync_channel(MAX_QUEUED_CALLS);
    thread::Builder::new()
        .name("mail".into())
        .spawn(move || DatabaseThread::new(db, files, pulse).run(&queue))?;
    Ok(Store { calls, wake_sets: Arc::default() })
}

/// Queues the fallback of each card that has one, in one transaction.
fn queue_fallbacks(db: &Connection) -> Result<(), StoreError> {
    let transaction = db.unchecked_transaction()?;
    cards::queue_fallbacks(&transaction, Timestamp::now())?;
    Ok(transaction.commit()?)
}

fn read_unfinished(db: &Connection) -> Result<Unfinished, StoreError> {
    Ok(Unfinished {
        waiting: inbox::waiting(db)?,
        cut: turns::running(db)?,
        unwritten: audit_lines::unwritten(db)?,
        activity: turns::activity(db)?,
    })
}

impl Store {
    /// Queues a call that wakes nobody.
    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Committed<T> {
        self.call_and_wake(CommitWakes::default(), work)
    }

    /// Queues a call, and wakes these once it is committed.
    fn call_and_wake<T: Send + 'static>(
        &self,
        wakes: CommitWakes,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Committed<T> {
        let (reply, answer) = oneshot::channel();
        let wake_sets = self.wake_sets.clone();
        let call = StoreCall { work: Some(work), outcome: None, wakes, wake_sets, reply };
        match self.calls.try_send(Box::new(call)) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job.answer(Err(StoreError::Busy)),
            Err(TrySendError::Disconnected(job)) => job.answer(Err(StoreError::Stopped)),
        }
        Committed(answer)
    }
}

/// Passes a crash point just before a call's changes are committed.
fn crash_point(point: Point) -> Result<(), StoreError> {
    crash::write(point).map_err(|error| StoreError::Failed(error.to_string()))
}

/// Refuses a change that did not hit exactly one row.
fn one_row(changed: usize, otherwise: &'static str) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict(otherwise)) }
}

/// Reads a column of milliseconds since 1970.
fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let millis = row.get(column)?;
    Timestamp::from_millisecond(millis).map_err(|_| Error::IntegralValueOutOfRange(column, millis))
}

/// Reads a column of milliseconds since 1970 that may be NULL.
fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?.map(|_| time(row, column)).transpose()
}
