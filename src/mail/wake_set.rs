//! A set of things that wait for attention, with one task that is woken to see to them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

/// Collects what is new until its one reader takes it. What is added twice in between is taken once, so the set is
/// bounded by the number of different things.
#[derive(Debug)]
pub(super) struct WakeSet<T> {
    waiting: Mutex<BTreeSet<T>>,
    added: Notify,
}

impl<T> Default for WakeSet<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), added: Notify::new() }
    }
}

impl<T: Ord> WakeSet<T> {
    /// Adds these, and wakes the reader if there are any.
    pub(super) fn add(&self, items: BTreeSet<T>) {
        if !items.is_empty() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(items);
            self.added.notify_one();
        }
    }

    /// Takes what is there now.
    pub(super) fn take_now(&self) -> BTreeSet<T> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what is there; waits until there is something.
    pub(super) async fn take(&self) -> BTreeSet<T> {
        loop {
            let items = self.take_now();
            if !items.is_empty() {
                return items;
            }
            self.added.notified().await;
        }
    }
}
