//! How many callers there are, and who of them has to go for another.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

/// The callers who are connected.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    most: usize,
    guests: Arc<Mutex<ConnectedCallers>>,
}

#[derive(Debug, Default)]
struct ConnectedCallers {
    next: u64,
    present: BTreeMap<u64, ConnectedCaller>,
}

#[derive(Debug)]
struct ConnectedCaller {
    uid: u32,
    /// Whether he may do anything at all.
    welcome: bool,
    doing: CallerActivity,
    leave: CancellationToken,
}

/// What a caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallerActivity {
    /// He has asked nothing since then.
    Silent(Instant),
    /// He is being shown something, since then.
    Looking(Instant),
    /// He is changing something. That is brief, and not to be broken off.
    Changing,
}

/// One caller's place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct CallerSlot {
    id: u64,
    room: Callers,
    leave: CancellationToken,
}

impl Callers {
    pub(super) fn new(most: usize) -> Self {
        Self { most, guests: Arc::default() }
    }

    /// Takes somebody in. When there is no place, somebody else is told to leave; none when nobody can be.
    pub(super) fn enter(&self, uid: u32, welcome: bool) -> Option<CallerSlot> {
        let mut guests = self.guests();
        if guests.present.len() >= self.most {
            let goes = guests.who_goes()?;
            if let Some(guest) = guests.present.remove(&goes) {
                guest.leave.cancel();
            }
        }
        let (id, leave) = (guests.next, CancellationToken::new());
        guests.next += 1;
        let doing = CallerActivity::Silent(Instant::now());
        guests.present.insert(id, ConnectedCaller { uid, welcome, doing, leave: leave.clone() });
        drop(guests);
        Some(CallerSlot { id, room: self.clone(), leave })
    }

    fn guests(&self) -> MutexGuard<'_, ConnectedCallers> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectedCallers {
    /// First those who may do nothing, then those who ask nothing, then those who look on. Among equals it is one of
    /// the user with the most callers, so that nobody crowds others out, and of these the one who has been so longest.
    fn who_goes(&self) -> Option<u64> {
        let mut crowd: BTreeMap<u32, usize> = BTreeMap::new();
        for guest in self.present.values() {
            *crowd.entry(guest.uid).or_default() += 1;
        }
        let ranks = self.present.iter().filter_map(|(id, guest)| {
            let (looking, since) = match guest.doing {
                CallerActivity::Silent(since) => (false, since),
                CallerActivity::Looking(since) => (true, since),
                CallerActivity::Changing => return None,
            };
            Some((guest.welcome, looking, Reverse(crowd.get(&guest.uid).copied()), since, *id))
        });
        ranks.min().map(|(.., id)| id)
    }
}

impl CallerSlot {
    /// What the caller does from now on.
    pub(super) fn does(&self, doing: CallerActivity) {
        if let Some(guest) = self.room.guests().present.get_mut(&self.id) {
            guest.doing = doing;
        }
    }

    /// Cancelled when the caller has to leave.
    pub(super) fn leave(&self) -> CancellationToken {
        self.leave.clone()
    }
}

impl Drop for CallerSlot {
    fn drop(&mut self) {
        self.room.guests().present.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the seats have to be left.
    fn left(seats: &[CallerSlot]) -> Vec<usize> {
        (0..seats.len()).filter(|n| seats[*n].leave.is_cancelled()).collect()
    }

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn room_is_made_by_those_who_ask_nothing_then_by_those_who_look_on_and_never_by_a_change() {
        let room = Callers::new(4);
        let seats: Vec<CallerSlot> = (0..4).map(|_| room.enter(1, true).unwrap()).collect();
        seats[0].does(CallerActivity::Changing);
        seats[1].does(CallerActivity::Looking(now()));
        let mut later = Vec::new();
        for expected in [&[2_usize] as &[usize], &[2, 3], &[1, 2, 3]] {
            let seat = room.enter(1, true).unwrap();
            seat.does(CallerActivity::Changing);
            later.push(seat);
            assert_eq!(left(&seats), expected);
        }
        assert!(room.enter(1, true).is_none());
        later[1].does(CallerActivity::Silent(now()));
        later.push(room.enter(1, true).unwrap());
        assert_eq!(left(&later), [1]);
        drop(seats);
        assert_eq!(room.guests().present.len(), 3);
    }

    #[test]
    fn a_user_with_many_callers_crowds_nobody_out() {
        let room = Callers::new(5);
        let mut seats = vec![room.enter(1, true).unwrap()];
        seats.extend((0..4).map(|_| room.enter(2, true).unwrap()));
        seats.iter().for_each(|seat| seat.does(CallerActivity::Looking(now())));
        let crowd: Vec<CallerSlot> = (0..20)
            .map(|_| {
                let seat = room.enter(2, true).unwrap();
                seat.does(CallerActivity::Looking(now()));
                seat
            })
            .collect();
        assert_eq!(left(&seats), [1, 2, 3, 4]);
        assert_eq!(left(&crowd), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn who_may_do_nothing_goes_first() {
        let room = Callers::new(2);
        let seats = [room.enter(1, true).unwrap(), room.enter(2, false).unwrap()];
        seats[1].does(CallerActivity::Looking(now()));
        let _third = room.enter(3, true).unwrap();
        assert_eq!(left(&seats), [1]);
    }
}
