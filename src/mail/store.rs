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
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    task::{Context, Poll},
    thread,
};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::{
    Depths, Fate, Left, NewMail, OpenError, Post, Queued, Recipient, Settlement, TurnStart, inbox,
    keeper::{Job, Keeper},
    ledger, outbox, schema,
};
use crate::{
    audit::AuditEntry,
    ids::{ConvId, EventId},
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
    fresh: Arc<Fresh>,
}

/// Opens `mail.db`, making it if it is not there, and starts its thread.
///
/// # Errors
/// When the file cannot be used; it is then as it was.
pub fn open(path: &Path) -> Result<(Store, Left), OpenError> {
    let unusable = |reason: String| OpenError::Unusable { path: path.into(), reason };
    let db = schema::open(path)?;
    let left = left(&db).map_err(|error| unusable(error.to_string()))?;
    let store = start(db).map_err(|error| unusable(error.to_string()))?;
    Ok((store, left))
}

fn start(db: Connection) -> io::Result<Store> {
    let (requests, queue) = sync_channel(QUEUE);
    thread::Builder::new().name("mail".into()).spawn(move || Keeper::new(db).run(&queue))?;
    Ok(Store { requests, fresh: Arc::default() })
}

fn left(db: &Connection) -> Result<Left, StoreError> {
    Ok(Left { waiting: inbox::waiting(db)?, cut: inbox::running(db)?, unwritten: ledger::unwritten(db)? })
}

impl Store {
    /// Takes a message over; its number, or `None` when it was seen before.
    pub fn accept(&self, mail: NewMail) -> Committed<Option<i64>> {
        self.call(move |db| inbox::accept(db, &mail))
    }

    /// Takes a message over and answers it at once, in one transaction; one that was seen before is not answered
    /// again.
    pub fn decline(&self, mail: NewMail, post: Post) -> Committed<()> {
        self.call_for([post.to.clone()].into(), move |db| {
            if let Some(seq) = inbox::accept(db, &mail)? {
                let settlement = Settlement { mails: vec![seq], ..Settlement::at(mail.received) };
                inbox::settle(db, &settlement)?;
                outbox::add(db, &post, mail.received)?;
            }
            Ok(())
        })
    }

    /// Whether an event of another kind comes for the first time. Remembered for 7 days, as messages are.
    pub fn first_time(&self, id: &EventId, now: Timestamp) -> Committed<bool> {
        let id = id.clone();
        self.call(move |db| inbox::first_time(db, "event", id.as_str(), now))
    }

    /// Notes the session that a waiting mail belongs to.
    pub fn assign(&self, seq: i64, conv: &ConvId) -> Committed<()> {
        let conv = conv.clone();
        self.call(move |db| inbox::assign(db, seq, &conv))
    }

    /// Notes that a prompt goes to Claude now, before it does.
    pub fn begin_turn(&self, start: TurnStart) -> Committed<()> {
        self.call(move |db| inbox::begin_turn(db, &start))
    }

    /// Ends mails and a turn, and puts what follows into the outbox and the audit log's queue; the line to append, if
    /// there is one.
    pub fn settle(&self, settlement: Settlement) -> Committed<Option<AuditEntry>> {
        let lanes = settlement.posts.iter().map(|post| post.to.clone()).collect();
        self.call_for(lanes, move |db| {
            inbox::settle(db, &settlement)?;
            for post in &settlement.posts {
                outbox::add(db, post, settlement.at)?;
            }
            settlement.audit.as_ref().map(|record| ledger::add(db, record)).transpose()
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

    /// Forgets an audit line, as it is in its file (or can never be, the project being gone).
    pub fn audit_written(&self, id: i64) -> Committed<()> {
        self.call(move |db| ledger::written(db, id))
    }

    /// The prompt of a session's last turn.
    pub fn last_prompt(&self, conv: &ConvId) -> Committed<Option<String>> {
        let conv = conv.clone();
        self.call(move |db| inbox::last_prompt(db, &conv))
    }

    /// How much mail there is.
    pub fn depths(&self) -> Committed<Depths> {
        self.call(|db| {
            let mut depths = Depths::default();
            inbox::count(db, &mut depths)?;
            outbox::count(db, &mut depths)?;
            Ok(depths)
        })
    }

    /// Everyone for whom something is in the outbox.
    pub fn pending_lanes(&self) -> Committed<Vec<Recipient>> {
        self.call(outbox::lanes)
    }

    /// The first pending post for one recipient whose number is higher than `after`.
    pub fn next_post(&self, lane: &Recipient, after: i64) -> Committed<Option<Queued>> {
        let lane = lane.clone();
        self.call(move |db| outbox::next(db, &lane, after))
    }

    /// Notes a try that failed and is made again, and since when Feishu may have the post nevertheless.
    pub fn post_postponed(&self, id: i64, error: String, unsure_since: Option<Timestamp>) -> Committed<()> {
        self.call(move |db| outbox::postpone(db, id, &error, unsure_since))
    }

    /// Takes a post out of the queue. A second time changes nothing.
    pub fn post_ended(&self, id: i64, fate: Fate, at: Timestamp) -> Committed<()> {
        self.call(move |db| outbox::end(db, id, &fate, at))
    }

    /// Those for whom posts were committed since the last call; waits until there are some. For one caller.
    pub(super) async fn fresh_lanes(&self) -> BTreeSet<Recipient> {
        self.fresh.take().await
    }

    /// The same without waiting.
    pub(super) fn fresh_lanes_now(&self) -> BTreeSet<Recipient> {
        self.fresh.take_now()
    }

    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Committed<T> {
        self.call_for(BTreeSet::new(), work)
    }

    /// The same, waking the courier for these recipients once it is committed.
    fn call_for<T: Send + 'static>(
        &self,
        lanes: BTreeSet<Recipient>,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Committed<T> {
        let (reply, answer) = oneshot::channel();
        let call = Call { work: Some(work), outcome: None, lanes, fresh: self.fresh.clone(), reply };
        match self.requests.try_send(Box::new(call)) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job.answer(Err(StoreError::Busy)),
            Err(TrySendError::Disconnected(job)) => job.answer(Err(StoreError::Stopped)),
        }
        Committed(answer)
    }
}

struct Call<T, W> {
    work: Option<W>,
    outcome: Option<Result<T, StoreError>>,
    lanes: BTreeSet<Recipient>,
    fresh: Arc<Fresh>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W: FnOnce(&Connection) -> Result<T, StoreError> + Send> Job for Call<T, W> {
    fn run(&mut self, db: &Connection) -> bool {
        self.outcome = self.work.take().map(|work| work(db));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(mut self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = committed.and_then(|()| self.outcome.take().unwrap_or(Err(StoreError::Stopped)));
        if outcome.is_ok() {
            self.fresh.add(std::mem::take(&mut self.lanes));
        }
        // Whoever does not wait for the answer does not want it.
        let _ = self.reply.send(outcome);
    }
}

/// The recipients that the courier has to look after.
#[derive(Debug, Default)]
struct Fresh {
    lanes: Mutex<BTreeSet<Recipient>>,
    woken: Notify,
}

impl Fresh {
    fn add(&self, lanes: BTreeSet<Recipient>) {
        if !lanes.is_empty() {
            self.lanes.lock().unwrap_or_else(PoisonError::into_inner).extend(lanes);
            self.woken.notify_one();
        }
    }

    fn take_now(&self) -> BTreeSet<Recipient> {
        std::mem::take(&mut *self.lanes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn take(&self) -> BTreeSet<Recipient> {
        loop {
            let lanes = self.take_now();
            if !lanes.is_empty() {
                return lanes;
            }
            self.woken.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::ids::{ChatId, MessageId, OpenId};

    fn prepared(prepare: impl FnOnce(&Connection)) -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let db = schema::open(&directory.path().join("mail.db")).unwrap();
        prepare(&db);
        (directory, start(db).unwrap())
    }

    fn mail(message: &str, text: String) -> NewMail {
        NewMail {
            message_id: MessageId::from(message),
            chat_id: ChatId::from("oc_1"),
            user: OpenId::from("ou_1"),
            group: false,
            text,
            created: Timestamp::UNIX_EPOCH,
            received: Timestamp::UNIX_EPOCH,
        }
    }

    /// Keeps the thread busy until the sender is dropped.
    fn block(store: &Store) -> mpsc::Sender<()> {
        let (release, wait) = mpsc::channel();
        let (began, has_begun) = mpsc::channel();
        drop(store.call(move |_| {
            began.send(()).unwrap();
            wait.recv().unwrap_err();
            Ok(())
        }));
        has_begun.recv().unwrap();
        release
    }

    #[tokio::test]
    async fn a_call_that_fails_takes_nothing_but_itself_back() {
        let (_directory, store) = prepared(|_| ());
        let release = block(&store);
        let calls = [
            store.call(|db| inbox::accept(db, &mail("om_1", "a".into()))),
            store.call(|db| {
                inbox::accept(db, &mail("om_2", "b".into()))?;
                Err(StoreError::Conflict("on purpose"))
            }),
            store.call(|db| inbox::accept(db, &mail("om_3", "c".into()))),
        ];
        drop(release);
        let [first, second, third] = calls;
        assert_eq!(first.await, Ok(Some(1)));
        assert_eq!(second.await, Err(StoreError::Conflict("on purpose")));
        assert_eq!(third.await, Ok(Some(2)));
        let waiting = store.call(inbox::waiting).await.unwrap();
        assert_eq!(waiting.iter().map(|mail| mail.text.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(store.accept(mail("om_2", "b".into())).await, Ok(Some(3)));
    }

    #[tokio::test]
    async fn a_full_disk_is_the_callers_error_and_the_next_call_may_succeed() {
        let (_directory, store) = prepared(|db| db.execute_batch("PRAGMA max_page_count = 40").unwrap());
        let release = block(&store);
        let small = store.accept(mail("om_1", "a".into()));
        let large = store.accept(mail("om_2", "b".repeat(1_000_000)));
        let last = store.accept(mail("om_3", "c".into()));
        drop(release);
        let answers = [small.await, large.await, last.await];
        assert!(matches!(answers[1], Err(StoreError::Failed(_))), "{answers:?}");
        let said = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(store.call(inbox::waiting).await.unwrap().len(), said);

        drop(store.call(|db| Ok(db.execute_batch("PRAGMA max_page_count = 4000")?)));
        assert!(matches!(store.accept(mail("om_2", "b".repeat(1_000_000))).await, Ok(Some(_))));
    }

    #[tokio::test]
    async fn a_commit_that_fails_is_everybodys_error() {
        let (_directory, store) = prepared(|db| {
            db.execute_batch(
                "PRAGMA foreign_keys = ON;
                 CREATE TABLE t (seq INTEGER REFERENCES inbox (seq) DEFERRABLE INITIALLY DEFERRED);",
            )
            .unwrap();
        });
        let release = block(&store);
        let good = store.accept(mail("om_1", "a".into()));
        let bad = store.call(|db| Ok(db.execute_batch("INSERT INTO t VALUES (99)")?));
        drop(release);
        assert!(matches!(good.await, Err(StoreError::Failed(_))));
        assert!(matches!(bad.await, Err(StoreError::Failed(_))));
        assert_eq!(store.accept(mail("om_1", "a".into())).await, Ok(Some(1)));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let (_directory, store) = prepared(|_| ());
        let release = block(&store);
        let queued: Vec<_> = (0..QUEUE).map(|_| store.depths()).collect();
        assert_eq!(store.depths().await, Err(StoreError::Busy));
        drop(release);
        for answer in queued {
            assert_eq!(answer.await, Ok(Depths::default()));
        }
    }
}
