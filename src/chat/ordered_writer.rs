//! Puts what the router has to say on record, in order, so that the router need not wait for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::card_action::Toast;
use crate::feishu::socket::Answer;
use crate::mail::{Settlement, Store};
use crate::session::file::Saved;

/// So many entries go to the disk together; the store takes more at a time.
const BATCH: usize = 128;

/// So many entries may wait before no press is taken any more that would add to them.
const MOST_WAITING: usize = 1024;

/// The router's pen.
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

/// Who is told when it is on record.
#[derive(Debug)]
pub(super) enum AfterWrite {
    /// Nobody.
    Silence,
    /// Feishu: this event is acknowledged.
    Acknowledge(oneshot::Sender<Answer>),
    /// Who pressed a button.
    Show(oneshot::Sender<Toast>, Toast),
}

impl AfterWrite {
    /// A connection that is gone cannot be answered: Feishu sends the event again, or tells that nobody answered.
    fn tell(self) {
        match self {
            Self::Silence => {}
            Self::Acknowledge(ack) => drop(ack.send(Answer { code: 200, data: None })),
            Self::Show(answer, toast) => drop(answer.send(toast)),
        }
    }
}

impl OrderedWriter {
    /// Starts the task that writes. It ends when the scribe is dropped and all is written.
    #[must_use]
    pub(super) fn start(store: Store) -> (Self, JoinHandle<()>) {
        // Bounded by what the inbox holds, as each entry settles a message of it or says that one waits, and by
        // what is asked of `is_behind` before a press.
        let (entries, mut queue) = mpsc::unbounded_channel::<QueuedWrite>();
        let waiting = Arc::<AtomicUsize>::default();
        let written = waiting.clone();
        let task = tokio::spawn(async move {
            let mut entries = Vec::with_capacity(BATCH);
            while queue.recv_many(&mut entries, BATCH).await > 0 {
                let (mut batch, mut told) = (Vec::with_capacity(entries.len()), Vec::new());
                for QueuedWrite { first, settlement, then } in entries.drain(..) {
                    if let Some(saved) = first {
                        saved.done().await;
                    }
                    batch.push(settlement);
                    told.push(then);
                }
                // All at once: nobody's answer waits until a flood of somebody else's is written line by line.
                store.keep_all(batch).await;
                written.fetch_sub(told.len(), Ordering::Relaxed);
                told.into_iter().for_each(AfterWrite::tell);
            }
        });
        (Self { entries, waiting }, task)
    }

    /// Whether so much waits for the disk that nothing is to be added that need not be.
    pub(super) fn is_behind(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= MOST_WAITING
    }

    /// Has this put on record, after `first` is on disk.
    pub(super) fn write(&self, first: Option<Saved>, settlement: Settlement) {
        self.write_then(first, settlement, AfterWrite::Silence);
    }

    /// The same, and has somebody told when it is.
    pub(super) fn write_then(&self, first: Option<Saved>, settlement: Settlement, then: AfterWrite) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The task outlives the scribe.
        let _ = self.entries.send(QueuedWrite { first, settlement, then });
    }
}
