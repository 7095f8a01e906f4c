//! Which sessions may have a `claude` process: a limited number at once; the one that has been idle longest makes room.
//! Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::ids::ConvId;

/// The slots for live sessions. A session has its slot from the start of its process until the process has ended.
#[derive(Debug)]
pub(crate) struct ProcessSlots {
    limit: usize,
    taken: BTreeMap<ConvId, SlotUse>,
    /// Sessions that were refused a slot, the first one first.
    waiting: VecDeque<ConvId>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum SlotUse {
    Busy,
    Idle {
        since: Instant,
    },
    /// Its process has been told to end.
    Leaving,
}

/// The answer to a session that asks for a slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SlotClaim {
    /// It has had one all along.
    AlreadyHeld,
    /// It has been given a free one: its process can be started.
    Granted,
    /// It gets one when this idle session has ended, which the caller must put to sleep.
    AfterSleepOf(ConvId),
    /// It gets one when some session becomes idle or ends.
    Later,
}

impl ProcessSlots {
    /// Slots for at most `limit` live sessions.
    #[must_use]
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, taken: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// Asks for a slot in order to work. A session that gets none now is remembered; [`ProcessSlots::next_waiting`]
    /// names it when there is one.
    pub(crate) fn claim(&mut self, conv_id: &ConvId) -> SlotClaim {
        match self.taken.get_mut(conv_id) {
            Some(SlotUse::Leaving) => {
                self.wait(conv_id);
                return SlotClaim::Later;
            }
            Some(slot) => {
                *slot = SlotUse::Busy;
                return SlotClaim::AlreadyHeld;
            }
            None => {}
        }
        if self.has_free() {
            self.taken.insert(conv_id.clone(), SlotUse::Busy);
            return SlotClaim::Granted;
        }
        self.wait(conv_id);
        self.make_room().map_or(SlotClaim::Later, SlotClaim::AfterSleepOf)
    }

    /// Changes the limit. Sessions above it stay until they sleep.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// A session has become idle. Returns a session that the caller must put to sleep, if another one waits for a slot.
    pub(crate) fn idle(&mut self, conv_id: &ConvId, now: Instant) -> Option<ConvId> {
        if let Some(slot) = self.taken.get_mut(conv_id)
            && *slot == SlotUse::Busy
        {
            *slot = SlotUse::Idle { since: now };
        }
        if self.waiting.is_empty() { None } else { self.make_room() }
    }

    /// A session's process has been told to end.
    pub(crate) fn leaving(&mut self, conv_id: &ConvId) {
        if let Some(slot) = self.taken.get_mut(conv_id) {
            *slot = SlotUse::Leaving;
        }
    }

    /// A session's process has ended.
    pub(crate) fn release(&mut self, conv_id: &ConvId) {
        self.taken.remove(conv_id);
    }

    /// Takes the first waiting session that may claim a slot now, as one is free. A session whose old process has not
    /// ended yet stays waiting.
    pub(crate) fn next_waiting(&mut self) -> Option<ConvId> {
        let place = self.waiting.iter().position(|conv_id| !self.has(conv_id)).filter(|_| self.has_free())?;
        self.waiting.remove(place)
    }

    /// Whether the session has a slot.
    #[must_use]
    pub(crate) fn has(&self, conv_id: &ConvId) -> bool {
        self.taken.contains_key(conv_id)
    }

    /// Whether a slot is free.
    #[must_use]
    pub(crate) fn has_free(&self) -> bool {
        self.taken.len() < self.limit
    }

    fn wait(&mut self, conv_id: &ConvId) {
        if !self.waiting.contains(conv_id) {
            self.waiting.push_back(conv_id.clone());
        }
    }

    /// Chooses the session that has been idle longest, unless enough sessions are leaving already.
    fn make_room(&mut self) -> Option<ConvId> {
        let leaving = self.taken.values().filter(|slot| **slot == SlotUse::Leaving).count();
        if leaving >= self.waiting.len() {
            return None;
        }
        let idle = self.taken.iter().filter_map(|(id, slot)| match slot {
            SlotUse::Idle { since } => Some((*since, id.clone())),
            SlotUse::Busy | SlotUse::Leaving => None,
        });
        let (_, longest) = idle.min()?;
        self.leaving(&longest);
        Some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn id(name: &str) -> ConvId {
        name.into()
    }

    #[test]
    fn a_leaving_session_waits_for_its_own_end_although_another_slot_is_free() {
        let mut slots = ProcessSlots::new(2);
        assert_eq!(slots.claim(&id("a")), SlotClaim::Granted);
        slots.leaving(&id("a"));
        assert_eq!(slots.claim(&id("a")), SlotClaim::Later);
        assert_eq!(slots.next_waiting(), None);
        slots.release(&id("a"));
        assert_eq!(slots.next_waiting(), Some(id("a")));
        assert_eq!(slots.next_waiting(), None);
    }

    #[test]
    fn the_longest_idle_session_makes_room() {
        let now = Instant::now();
        let mut slots = ProcessSlots::new(2);
        assert_eq!(slots.claim(&id("a")), SlotClaim::Granted);
        assert_eq!(slots.claim(&id("b")), SlotClaim::Granted);
        assert_eq!(slots.idle(&id("b"), now), None);
        assert_eq!(slots.idle(&id("a"), now + Duration::from_secs(1)), None);
        assert_eq!(slots.claim(&id("c")), SlotClaim::AfterSleepOf(id("b")));
        slots.release(&id("b"));
        assert_eq!(slots.next_waiting(), Some(id("c")));
        assert_eq!(slots.claim(&id("c")), SlotClaim::Granted);
    }

    #[test]
    fn a_session_that_finds_all_slots_busy_gets_that_of_the_first_idle_one() {
        let now = Instant::now();
        let mut slots = ProcessSlots::new(1);
        assert_eq!(slots.claim(&id("a")), SlotClaim::Granted);
        assert_eq!(slots.claim(&id("b")), SlotClaim::Later);
        assert_eq!(slots.claim(&id("b")), SlotClaim::Later);
        assert_eq!(slots.idle(&id("a"), now), Some(id("a")));
        assert_eq!(slots.next_waiting(), None);
        slots.release(&id("a"));
        assert_eq!(slots.next_waiting(), Some(id("b")));
        assert_eq!(slots.next_waiting(), None);
    }

    #[test]
    fn one_session_makes_room_for_one_waiting_session() {
        let now = Instant::now();
        let mut slots = ProcessSlots::new(2);
        slots.claim(&id("a"));
        slots.claim(&id("b"));
        slots.idle(&id("a"), now);
        slots.idle(&id("b"), now);
        assert_eq!(slots.claim(&id("c")), SlotClaim::AfterSleepOf(id("a")));
        assert_eq!(slots.claim(&id("c")), SlotClaim::Later);
    }

    #[test]
    fn a_leaving_session_that_has_work_again_waits_for_its_own_slot() {
        let mut slots = ProcessSlots::new(2);
        slots.claim(&id("a"));
        slots.leaving(&id("a"));
        assert_eq!(slots.claim(&id("a")), SlotClaim::Later);
        slots.release(&id("a"));
        assert_eq!(slots.next_waiting(), Some(id("a")));
    }
}
