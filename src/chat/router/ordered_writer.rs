//! Puts what the router has to say on record, in order, so that the router need not wait for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::card_action::Toast;
use crate::feishu::socket::Answer;
use crate::mail::{Settlement, Store};
use crate::session::file::Saved;

/// Maximum number of entries that go to the disk together; the store would take more at a time.
const MAX_BATCH: usize = 128;

/// Number of waiting entries from which on presses are declined, as each would add another.
const BEHIND_AT: usize = 1024;

/// A handle of the task that writes. Dropping it ends the task, after all entries are written.
#[derive(Debug)]
pub(super) struct OrderedWriter {
    entries: mpsc::UnboundedSender<QueuedWrite>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct QueuedWrite {
    first: Option<Saved>,
    settlement: Settlement,
    then: AfterWrite,
}

/// Who is told when an entry is on record.
#[derive(Debug)]
pub(super) enum AfterWrite {
    /// Nobody waits for it.
    Nothing,
    /// Feishu: this event is acknowledged.
    Acknowledge(oneshot::Sender<Answer>),
    /// Whoever pressed a button: this toast is shown.
    Show(oneshot::Sender<Toast>, Toast),
}

impl AfterWrite {
    /// A connection that is gone cannot be answered: Feishu sends the event again, or shows that nobody answered.
    fn tell(self) {
        match self {
            Self::Nothing => {}
            Self::Acknowledge(ack) => drop(ack.send(Answer { code: 200, data: None })),
            Self::Show(answer, toast) => drop(answer.send(toast)),
        }
    }
}

impl OrderedWriter {
    /// Starts the task. It ends when the handle is dropped and everything is written.
    #[must_use]
    pub(super) fn start(store: Store) -> (Self, JoinHandle<()>) {
        // Bounded by the inbox, as each entry settles a message of it or shows that one waits, and by `is_behind`, which
        // is checked before a press is followed.
        let (entries, mut queue) = mpsc::unbounded_channel::<QueuedWrite>();
        let waiting = Arc::<AtomicUsize>::default();
        let still_waiting = waiting.clone();
        let task = tokio::spawn(async move {
            let mut entries = Vec::with_capacity(MAX_BATCH);
            while queue.recv_many(&mut entries, MAX_BATCH).await > 0 {
                let (mut batch, mut written) = (Vec::with_capacity(entries.len()), Vec::new());
                for QueuedWrite { first, settlement, then } in entries.drain(..) {
                    if let Some(saved) = first {
                        saved.done().await;
                    }
                    batch.push(settlement);
                    written.push(then);
                }
                // Together: no answer waits until a flood of other entries is written one by one.
                store.settle_all_with_retry(batch).await;
                still_waiting.fetch_sub(written.len(), Ordering::Relaxed);
                written.into_iter().for_each(AfterWrite::tell);
            }
        });
        (Self { entries, waiting }, task)
    }

    /// Whether so many entries wait for the disk that no avoidable one should be added.
    pub(super) fn is_behind(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= BEHIND_AT
    }

    /// Puts a settlement on record, after `first` is on disk.
    pub(super) fn write(&self, first: Option<Saved>, settlement: Settlement) {
        self.write_then(first, settlement, AfterWrite::Nothing);
    }

    /// Like [`OrderedWriter::write`], and tells somebody when it is done.
    pub(super) fn write_then(&self, first: Option<Saved>, settlement: Settlement, then: AfterWrite) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The task outlives this handle.
        let _ = self.entries.send(QueuedWrite { first, settlement, then });
    }
}
