//! Puts what the router has to say on record, in order, so that the router need not wait for the disk.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::mail::{Settlement, Store};
use crate::session::file::Saved;

/// The router's pen.
#[derive(Debug)]
pub(super) struct Scribe {
    entries: mpsc::UnboundedSender<(Option<Saved>, Settlement)>,
}

impl Scribe {
    /// Starts the task that writes. It ends when the scribe is dropped and all is written.
    #[must_use]
    pub(super) fn start(store: Store) -> (Self, JoinHandle<()>) {
        // Bounded by what the inbox holds: each entry settles a message of it or says that one waits.
        let (entries, mut waiting) = mpsc::unbounded_channel::<(Option<Saved>, Settlement)>();
        let task = tokio::spawn(async move {
            while let Some((first, settlement)) = waiting.recv().await {
                if let Some(saved) = first {
                    saved.done().await;
                }
                store.keep(settlement).await;
            }
        });
        (Self { entries }, task)
    }

    /// Has this put on record, after `first` is on disk.
    pub(super) fn write(&self, first: Option<Saved>, settlement: Settlement) {
        // The task outlives the scribe.
        let _ = self.entries.send((first, settlement));
    }
}
