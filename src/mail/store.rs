//! The handle of `mail.db`: each method is one transaction, done by the thread that owns the file.
//!
//! A call is in the queue when the method returns, so calls take effect in the order in which they were made; the
//! future that it returns resolves when the change is on the disk. Dropping the future takes nothing back.

use std::{
    collections::BTreeSet,
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
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    MailDepths, NewMail, OpenError, Post, PostFate, QueuedPost, Recipient, Settlement, TurnStart, Unfinished,
    WedgedPost,
    call::{CommitWakes, StoreCall, WakeSets},
    card::{self, CardRecord},
    database_files::DatabaseFiles,
    database_thread::{DatabaseThread, Job},
    inbox, last_word, ledger, outbox, schema,
};
use crate::{
    audit::{AuditEntry, writer::LineQueue},
    crash::{self, Point},
    ids::{ConvId, EventId, MessageId},
    pulse::Pulse,
};

/// How many calls may wait for the thread; more are refused as [`StoreError::Busy`].
const QUEUE: usize = 1024;

/// Why a call changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too many calls wait; try again later.
    #[error("the mail store has too much to do")]
    Busy,
    /// The thread has ended.
    #[error("the mail store has stopped")]
    Stopped,
    /// What was to be changed is not in the state that the change begins at: it was done before, or never begun. When
    /// an earlier try ended in [`StoreError::Failed`], that try took effect after all.
    #[error("the mail store refuses to do a thing twice: {0}")]
    Conflict(&'static str),
    /// SQLite refused it: the disk is full or broken. The next call may succeed.
    #[error("the mail store could not write: {0}")]
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

/// A handle of the thread that owns `mail.db`. The thread ends, and closes the file, with the last handle.
#[derive(Clone, Debug)]
pub struct Store {
    requests: SyncSender<Box<dyn Job>>,
    bells: Arc<WakeSets>,
}

/// Opens `mail.db`, making it if it is not there, and starts its thread.
///
/// # Errors
/// When the file cannot be used; it is then as it was.
pub fn open(path: &Path) -> Result<(Store, Unfinished), OpenError> {
    open_watched(path, Pulse::unwatched())
}

/// The same with a sign of life of the thread, which beats once a minute at least, unless the disk holds it up.
///
/// # Errors
/// When the file cannot be used; it is then as it was.
pub fn open_watched(path: &Path, pulse: Pulse) -> Result<(Store, Unfinished), OpenError> {
    let unusable = |reason: String| OpenError::Unusable { path: path.into(), reason };
    let db = schema::open(path)?;
    let left = bury(&db).and_then(|()| left(&db)).map_err(|error| unusable(error.to_string()))?;
    let store = start(db, path, pulse).map_err(|error| unusable(error.to_string()))?;
    Ok((store, left))
}

fn start(db: Connection, path: &Path, pulse: Pulse) -> io::Result<Store> {
    let place = DatabaseFiles::of(path);
    let (requests, queue) = sync_channel(QUEUE);
    thread::Builder::new()
        .name("mail".into())
        .spawn(move || DatabaseThread::new(db, place, pulse).run(&queue))?;
    Ok(Store { requests, bells: Arc::default() })
}

/// Has the cards say what they are to say after an end, in one transaction.
fn bury(db: &Connection) -> Result<(), StoreError> {
    let transaction = db.unchecked_transaction()?;
    card::bury(&transaction, Timestamp::now())?;
    Ok(transaction.commit()?)
}

fn left(db: &Connection) -> Result<Unfinished, StoreError> {
    Ok(Unfinished {
        waiting: inbox::waiting(db)?,
        cut: inbox::running(db)?,
        unwritten: ledger::unwritten(db)?,
        activity: inbox::activity(db)?,
    })
}

impl Store {
    /// Takes a message over; its number, or `None` when it was seen before.
    pub fn accept(&self, mail: NewMail) -> Committed<Option<i64>> {
        self.call(move |db| {
            let seq = inbox::accept(db, &mail)?;
            write(Point::InboxWrite)?;
            Ok(seq)
        })
    }

    /// Takes a message over and answers it at once, in one transaction; one that was seen before is not answered
    /// again.
    pub fn decline(&self, mail: NewMail, post: Post) -> Committed<()> {
        let wakes = CommitWakes { lanes: [post.to.clone()].into(), ..CommitWakes::default() };
        self.call_for(wakes, move |db| {
            if let Some(seq) = inbox::accept(db, &mail)? {
                let settlement = Settlement { mails: vec![seq], ..Settlement::at(mail.received) };
                inbox::settle(db, &settlement)?;
                outbox::add(db, &post, mail.received)?;
            }
            write(Point::InboxWrite)
        })
    }

    /// Notes that a message was taken back: should it come now, it is taken for one that was seen before.
    pub fn taken_back(&self, id: &MessageId, now: Timestamp) -> Committed<()> {
        let id = id.clone();
        self.call(move |db| {
            inbox::first_time(db, "message", id.as_str(), now)?;
            write(Point::EventWrite)
        })
    }

    /// Whether an event of another kind comes for the first time. Remembered for 7 days, as messages are.
    pub fn first_time(&self, id: &EventId, now: Timestamp) -> Committed<bool> {
        let id = id.clone();
        self.call(move |db| {
            let first = inbox::first_time(db, "event", id.as_str(), now)?;
            write(Point::EventWrite)?;
            Ok(first)
        })
    }

    /// Notes the session that a waiting mail belongs to.
    pub fn assign(&self, seq: i64, conv: &ConvId) -> Committed<()> {
        let conv = conv.clone();
        self.call(move |db| {
            inbox::assign(db, seq, &conv)?;
            write(Point::AssignmentWrite)
        })
    }

    /// Notes that a prompt goes to Claude now, before it does.
    pub fn begin_turn(&self, start: TurnStart) -> Committed<()> {
        self.call(move |db| {
            inbox::begin_turn(db, &start)?;
            write(Point::TurnWrite)
        })
    }

    /// Ends mails and a turn, and puts what follows into the outbox and the audit log's queue; the line to append, if
    /// there is one.
    pub fn settle(&self, settlement: impl Into<Arc<Settlement>>) -> Committed<Option<AuditEntry>> {
        let settlement = settlement.into();
        let wakes = CommitWakes {
            lanes: settlement.sent().map(|post| post.to.clone()).collect(),
            audits: settlement.audit.iter().map(|record| record.line.conv_id.clone()).collect(),
        };
        self.call_for(wakes, move |db| {
            inbox::settle(db, &settlement)?;
            for post in &settlement.posts {
                outbox::add(db, post, settlement.at)?;
            }
            for (slot, post) in &settlement.last_words {
                last_word::say(db, *slot, post, settlement.at)?;
            }
            let entry = settlement.audit.as_ref().map(|record| ledger::add(db, record)).transpose()?;
            write(Point::SettlementWrite)?;
            Ok(entry)
        })
    }

    /// The hash of a session's newest audit line; `None` when it has none.
    pub fn audit_head(&self, conv: &ConvId) -> Committed<Option<String>> {
        let conv = conv.clone();
        self.call(move |db| ledger::head(db, &conv))
    }

    /// The audit lines that are not said to be written, in order.
    pub fn unwritten(&self) -> Committed<Vec<AuditEntry>> {
        self.call(ledger::unwritten)
    }

    /// The first queued audit lines of a session, in order.
    pub(crate) fn unwritten_of(&self, conv: &ConvId) -> Committed<Vec<AuditEntry>> {
        let conv = conv.clone();
        self.call(move |db| ledger::unwritten_of(db, &conv))
    }

    /// Forgets an audit line, as it is in its file (or can never be, the project being gone).
    pub fn audit_written(&self, id: i64) -> Committed<()> {
        self.call(move |db| {
            ledger::written(db, id)?;
            write(Point::AuditMarkWrite)
        })
    }

    /// The prompt of a session's last turn.
    pub fn last_prompt(&self, conv: &ConvId) -> Committed<Option<String>> {
        let conv = conv.clone();
        self.call(move |db| inbox::last_prompt(db, &conv))
    }

    /// How much mail there is.
    pub fn depths(&self) -> Committed<MailDepths> {
        self.call(|db| {
            let mut depths = MailDepths::default();
            inbox::count(db, &mut depths)?;
            outbox::count(db, &mut depths)?;
            Ok(depths)
        })
    }

    /// The last so many posts that Feishu refused for good, newest first.
    pub fn wedged(&self, most: u32) -> Committed<Vec<WedgedPost>> {
        self.call(move |db| outbox::wedged(db, most))
    }

    /// Everyone for whom something is in the outbox.
    pub fn pending_lanes(&self) -> Committed<Vec<Recipient>> {
        self.call(outbox::lanes)
    }

    /// The first pending post for one recipient whose number is higher than `after`.
    pub fn next_post(&self, lane: &Recipient, after: i64) -> Committed<Option<QueuedPost>> {
        let lane = lane.clone();
        self.call(move |db| outbox::next(db, &lane, after))
    }

    /// Notes a try that failed and is made again, since when Feishu may have the post nevertheless, and whether the
    /// trouble can be the post's own.
    pub fn post_postponed(
        &self,
        id: i64,
        error: String,
        unsure_since: Option<Timestamp>,
        own: bool,
    ) -> Committed<()> {
        self.call(move |db| outbox::postpone(db, id, &error, unsure_since, own))
    }

    /// Notes how far a document has come, and what is known of its card by then.
    pub fn post_placed(&self, id: i64, place: String, card: Option<CardRecord>) -> Committed<()> {
        self.call(move |db| {
            outbox::place(db, id, &place)?;
            card.as_ref().map_or(Ok(()), |card| card::learn(db, card))?;
            write(Point::PlacementWrite)
        })
    }

    /// Takes a post out of the queue, and notes what is known of its card by then. A second time changes nothing.
    pub fn post_ended(
        &self,
        id: i64,
        fate: PostFate,
        card: Option<CardRecord>,
        at: Timestamp,
    ) -> Committed<()> {
        self.call(move |db| {
            outbox::end(db, id, &fate, at)?;
            card.as_ref().map_or(Ok(()), |card| card::learn(db, card))?;
            write(Point::ConfirmationWrite)
        })
    }

    /// Those for whom posts were committed since the last call; waits until there are some. For one caller.
    pub(super) async fn fresh_lanes(&self) -> BTreeSet<Recipient> {
        self.bells.lanes.take().await
    }

    /// The same without waiting.
    pub(super) fn fresh_lanes_now(&self) -> BTreeSet<Recipient> {
        self.bells.lanes.take_now()
    }

    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Committed<T> {
        self.call_for(CommitWakes::default(), work)
    }

    /// The same, waking these once it is committed.
    pub(super) fn call_for<T: Send + 'static>(
        &self,
        wakes: CommitWakes,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Committed<T> {
        let (reply, answer) = oneshot::channel();
        let call = StoreCall { work: Some(work), outcome: None, wakes, bells: self.bells.clone(), reply };
        match self.requests.try_send(Box::new(call)) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job.answer(Err(StoreError::Busy)),
            Err(TrySendError::Disconnected(job)) => job.answer(Err(StoreError::Stopped)),
        }
        Committed(answer)
    }
}

impl LineQueue for Store {
    type Error = StoreError;

    fn next_lines(
        &self,
        conv_id: &ConvId,
    ) -> impl Future<Output = Result<Vec<AuditEntry>, StoreError>> + Send {
        self.unwritten_of(conv_id)
    }

    fn written(&self, id: i64) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.audit_written(id)
    }

    async fn fresh_sessions(&self) -> BTreeSet<ConvId> {
        self.bells.audits.take().await
    }

    fn fresh_sessions_now(&self) -> BTreeSet<ConvId> {
        self.bells.audits.take_now()
    }
}

/// What a call changed is about to be committed.
pub(super) fn write(point: Point) -> Result<(), StoreError> {
    crash::write(point).map_err(|error| StoreError::Failed(error.to_string()))
}

#[cfg(test)]
mod tests;
