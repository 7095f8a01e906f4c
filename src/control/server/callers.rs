//! Limits the number of callers, and decides which one is evicted for another.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

/// The connected callers. Cheap to clone; clones share the state.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    max: usize,
    connected: Arc<Mutex<ConnectedCallers>>,
}

#[derive(Debug, Default)]
struct ConnectedCallers {
    next: u64,
    present: BTreeMap<u64, ConnectedCaller>,
}

#[derive(Debug)]
struct ConnectedCaller {
    uid: u32,
    /// Whether it may do anything at all.
    has_rights: bool,
    activity: CallerActivity,
    evicted: CancellationToken,
}

/// What a caller is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallerActivity {
    /// Nothing, since this time.
    Idle(Instant),
    /// Reading the replies to a call, since this time.
    Reading(Instant),
    /// Changing something. That is brief and must not be interrupted.
    Changing,
}

/// One caller's slot; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct CallerSlot {
    id: u64,
    callers: Callers,
    evicted: CancellationToken,
}

impl Callers {
    pub(super) fn new(max: usize) -> Self {
        Self { max, connected: Arc::default() }
    }

    /// Admits a caller. If all slots are taken, another caller is evicted; `None` if none can be.
    pub(super) fn admit(&self, uid: u32, has_rights: bool) -> Option<CallerSlot> {
        let mut connected = self.connected();
        if connected.present.len() >= self.max {
            let goes = connected.whom_to_evict()?;
            if let Some(caller) = connected.present.remove(&goes) {
                caller.evicted.cancel();
            }
        }
        let (id, evicted) = (connected.next, CancellationToken::new());
        connected.next += 1;
        let activity = CallerActivity::Idle(Instant::now());
        connected.present.insert(id, ConnectedCaller { uid, has_rights, activity, evicted: evicted.clone() });
        drop(connected);
        Some(CallerSlot { id, callers: self.clone(), evicted })
    }

    fn connected(&self) -> MutexGuard<'_, ConnectedCallers> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectedCallers {
    /// The caller to evict: first those that may do nothing, then idle ones, then those that read. Among equals it is one
    /// of the user with the most callers, so that no user crowds others out; of these, the one that has been in its
    /// state the longest.
    fn whom_to_evict(&self) -> Option<u64> {
        let mut crowd: BTreeMap<u32, usize> = BTreeMap::new();
        for caller in self.present.values() {
            *crowd.entry(caller.uid).or_default() += 1;
        }
        let ranks = self.present.iter().filter_map(|(id, caller)| {
            let (reading, since) = match caller.activity {
                CallerActivity::Idle(since) => (false, since),
                CallerActivity::Reading(since) => (true, since),
                CallerActivity::Changing => return None,
            };
            Some((caller.has_rights, reading, Reverse(crowd.get(&caller.uid).copied()), since, *id))
        });
        ranks.min().map(|(.., id)| id)
    }
}

impl CallerSlot {
    /// Records what the caller does from now on.
    pub(super) fn set_activity(&self, activity: CallerActivity) {
        if let Some(caller) = self.callers.connected().present.get_mut(&self.id) {
            caller.activity = activity;
        }
    }

    /// Cancelled when the caller is evicted.
    pub(super) fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }
}

impl Drop for CallerSlot {
    fn drop(&mut self) {
        self.callers.connected().present.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The indexes of the evicted slots.
    fn evicted(slots: &[CallerSlot]) -> Vec<usize> {
        (0..slots.len()).filter(|n| slots[*n].evicted.is_cancelled()).collect()
    }

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn idle_callers_are_evicted_first_then_reading_ones_and_never_one_that_changes_something() {
        let callers = Callers::new(4);
        let slots: Vec<CallerSlot> = (0..4).map(|_| callers.admit(1, true).unwrap()).collect();
        slots[0].set_activity(CallerActivity::Changing);
        slots[1].set_activity(CallerActivity::Reading(now()));
        let mut later = Vec::new();
        for expected in [&[2_usize] as &[usize], &[2, 3], &[1, 2, 3]] {
            let slot = callers.admit(1, true).unwrap();
            slot.set_activity(CallerActivity::Changing);
            later.push(slot);
            assert_eq!(evicted(&slots), expected);
        }
        assert!(callers.admit(1, true).is_none());
        later[1].set_activity(CallerActivity::Idle(now()));
        later.push(callers.admit(1, true).unwrap());
        assert_eq!(evicted(&later), [1]);
        drop(slots);
        assert_eq!(callers.connected().present.len(), 3);
    }

    #[test]
    fn a_user_with_many_callers_does_not_crowd_others_out() {
        let callers = Callers::new(5);
        let mut slots = vec![callers.admit(1, true).unwrap()];
        slots.extend((0..4).map(|_| callers.admit(2, true).unwrap()));
        slots.iter().for_each(|slot| slot.set_activity(CallerActivity::Reading(now())));
        let crowd: Vec<CallerSlot> = (0..20)
            .map(|_| {
                let slot = callers.admit(2, true).unwrap();
                slot.set_activity(CallerActivity::Reading(now()));
                slot
            })
            .collect();
        assert_eq!(evicted(&slots), [1, 2, 3, 4]);
        assert_eq!(evicted(&crowd), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn callers_without_rights_are_evicted_first() {
        let callers = Callers::new(2);
        let slots = [callers.admit(1, true).unwrap(), callers.admit(2, false).unwrap()];
        slots[1].set_activity(CallerActivity::Reading(now()));
        let _third = callers.admit(3, true).unwrap();
        assert_eq!(evicted(&slots), [1]);
    }
}
