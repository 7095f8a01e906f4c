//! Puts what the router has to say on record, in order, so that the router need not wait for the disk.

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::feishu::socket::Answer;
use crate::mail::{Settlement, Store};
use crate::session::file::Saved;

/// So many entries go to the disk together; the store takes more at a time.
const BATCH: usize = 128;

/// The router's pen.
#[derive(Debug)]
pub(super) struct Scribe {
    entries: mpsc::UnboundedSender<Entry>,
}

#[derive(Debug)]
struct Entry {
    first: Option<Saved>,
    settlement: Settlement,
    ack: Option<oneshot::Sender<Answer>>,
}

impl Scribe {
    /// Starts the task that writes. It ends when the scribe is dropped and all is written.
    #[must_use]
    pub(super) fn start(store: Store) -> (Self, JoinHandle<()>) {
        // Bounded by what the inbox holds: each entry settles a message of it or says that one waits.
        let (entries, mut waiting) = mpsc::unbounded_channel::<Entry>();
        let task = tokio::spawn(async move {
            let mut entries = Vec::with_capacity(BATCH);
            while waiting.recv_many(&mut entries, BATCH).await > 0 {
                let (mut batch, mut acks) = (Vec::with_capacity(entries.len()), Vec::new());
                for Entry { first, settlement, ack } in entries.drain(..) {
                    if let Some(saved) = first {
                        saved.done().await;
                    }
                    batch.push(settlement);
                    acks.extend(ack);
                }
                // All at once: nobody's answer waits until a flood of somebody else's is written line by line.
                store.keep_all(batch).await;
                for ack in acks {
                    // A connection that is gone cannot be answered: Feishu sends the event again.
                    let _ = ack.send(Answer { code: 200, data: None });
                }
            }
        });
        (Self { entries }, task)
    }

    /// Has this put on record, after `first` is on disk.
    pub(super) fn write(&self, first: Option<Saved>, settlement: Settlement) {
        // The task outlives the scribe.
        let _ = self.entries.send(Entry { first, settlement, ack: None });
    }

    /// Has this put on record, and the event acknowledged that it follows from.
    pub(super) fn write_and_acknowledge(&self, settlement: Settlement, ack: oneshot::Sender<Answer>) {
        let _ = self.entries.send(Entry { first: None, settlement, ack: Some(ack) });
    }
}
