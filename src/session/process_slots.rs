//! Which sessions may have a process: at most so many at once, the longest idle one makes room. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::ids::ConvId;

/// The seats for live sessions.
#[derive(Debug)]
pub struct ProcessSlots {
    places: usize,
    taken: BTreeMap<ConvId, SlotUse>,
    waiting: VecDeque<ConvId>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum SlotUse {
    Busy,
    Idle { since: Instant },
    Leaving,
}

/// What a session is told that wants a seat.
#[derive(Debug, PartialEq, Eq)]
pub enum SlotClaim {
    /// It has one already.
    Had,
    /// It has one now.
    Taken,
    /// It gets one when this session has left, which must be put to sleep.
    After(ConvId),
    /// It gets one when any session is done.
    Later,
}

impl ProcessSlots {
    /// So many sessions may be live at once.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self { places, taken: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// Asks for a seat in order to work; who gets none now is remembered, and named by [`ProcessSlots::next_waiting`] when
    /// there is one.
    pub fn claim(&mut self, conv_id: &ConvId) -> SlotClaim {
        match self.taken.get_mut(conv_id) {
            Some(SlotUse::Leaving) => {
                self.wait(conv_id);
                return SlotClaim::Later;
            }
            Some(seat) => {
                *seat = SlotUse::Busy;
                return SlotClaim::Had;
            }
            None => {}
        }
        if self.taken.len() < self.places {
            self.taken.insert(conv_id.clone(), SlotUse::Busy);
            return SlotClaim::Taken;
        }
        self.wait(conv_id);
        self.make_room().map_or(SlotClaim::Later, SlotClaim::After)
    }

    /// So many sessions may be live from now on; those that are too many stay until they sleep.
    pub fn resize(&mut self, places: usize) {
        self.places = places;
    }

    /// A session is done; returns another that shall be put to sleep for one that waits.
    pub fn idle(&mut self, conv_id: &ConvId, now: Instant) -> Option<ConvId> {
        if let Some(seat) = self.taken.get_mut(conv_id)
            && *seat == SlotUse::Busy
        {
            *seat = SlotUse::Idle { since: now };
        }
        if self.waiting.is_empty() { None } else { self.make_room() }
    }

    /// A session is being ended.
    pub fn leaving(&mut self, conv_id: &ConvId) {
        if let Some(seat) = self.taken.get_mut(conv_id) {
            *seat = SlotUse::Leaving;
        }
    }

    /// A session's process has ended.
    pub fn leave(&mut self, conv_id: &ConvId) {
        self.taken.remove(conv_id);
    }

    /// One that waits and may claim a seat now, as there is a free one. Not one that has yet to leave the seat it had.
    pub fn next_waiting(&mut self) -> Option<ConvId> {
        let place = self.waiting.iter().position(|conv_id| !self.has(conv_id)).filter(|_| self.is_free())?;
        self.waiting.remove(place)
    }

    /// Whether the session has a seat.
    #[must_use]
    pub fn has(&self, conv_id: &ConvId) -> bool {
        self.taken.contains_key(conv_id)
    }

    /// Whether there is a seat that nobody has.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.taken.len() < self.places
    }

    fn wait(&mut self, conv_id: &ConvId) {
        if !self.waiting.contains(conv_id) {
            self.waiting.push_back(conv_id.clone());
        }
    }

    fn make_room(&mut self) -> Option<ConvId> {
        let leaving = self.taken.values().filter(|seat| **seat == SlotUse::Leaving).count();
        if leaving >= self.waiting.len() {
            return None;
        }
        let idle = self.taken.iter().filter_map(|(id, seat)| match seat {
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

    #[test]
    fn one_that_still_leaves_waits_until_it_has_left_though_another_seat_is_free() {
        let mut seats = ProcessSlots::new(2);
        assert_eq!(seats.claim(&id("a")), SlotClaim::Taken);
        seats.leaving(&id("a"));
        assert_eq!(seats.claim(&id("a")), SlotClaim::Later);
        assert_eq!(seats.next_waiting(), None);
        seats.leave(&id("a"));
        assert_eq!(seats.next_waiting(), Some(id("a")));
        assert_eq!(seats.next_waiting(), None);
    }

    fn id(name: &str) -> ConvId {
        name.into()
    }

    #[test]
    fn the_longest_idle_session_makes_room() {
        let now = Instant::now();
        let mut seats = ProcessSlots::new(2);
        assert_eq!(seats.claim(&id("a")), SlotClaim::Taken);
        assert_eq!(seats.claim(&id("b")), SlotClaim::Taken);
        assert_eq!(seats.idle(&id("b"), now), None);
        assert_eq!(seats.idle(&id("a"), now + Duration::from_secs(1)), None);
        assert_eq!(seats.claim(&id("c")), SlotClaim::After(id("b")));
        seats.leave(&id("b"));
        assert_eq!(seats.next_waiting(), Some(id("c")));
        assert_eq!(seats.claim(&id("c")), SlotClaim::Taken);
    }

    #[test]
    fn who_finds_all_busy_gets_the_seat_of_the_first_that_is_done() {
        let now = Instant::now();
        let mut seats = ProcessSlots::new(1);
        assert_eq!(seats.claim(&id("a")), SlotClaim::Taken);
        assert_eq!(seats.claim(&id("b")), SlotClaim::Later);
        assert_eq!(seats.claim(&id("b")), SlotClaim::Later);
        assert_eq!(seats.idle(&id("a"), now), Some(id("a")));
        assert_eq!(seats.next_waiting(), None);
        seats.leave(&id("a"));
        assert_eq!(seats.next_waiting(), Some(id("b")));
        assert_eq!(seats.next_waiting(), None);
    }

    #[test]
    fn one_session_makes_room_for_one_that_waits() {
        let now = Instant::now();
        let mut seats = ProcessSlots::new(2);
        seats.claim(&id("a"));
        seats.claim(&id("b"));
        seats.idle(&id("a"), now);
        seats.idle(&id("b"), now);
        assert_eq!(seats.claim(&id("c")), SlotClaim::After(id("a")));
        assert_eq!(seats.claim(&id("c")), SlotClaim::Later);
    }

    #[test]
    fn a_session_that_is_leaving_waits_for_its_own_seat() {
        let mut seats = ProcessSlots::new(2);
        seats.claim(&id("a"));
        seats.leaving(&id("a"));
        assert_eq!(seats.claim(&id("a")), SlotClaim::Later);
        seats.leave(&id("a"));
        assert_eq!(seats.next_waiting(), Some(id("a")));
    }
}
