//! How many callers there are, and who of them has to go for another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

/// The callers who are connected.
#[derive(Clone, Debug)]
pub(super) struct Room {
    most: usize,
    guests: Arc<Mutex<Guests>>,
}

#[derive(Debug, Default)]
struct Guests {
    next: u64,
    present: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    /// Since when he has asked nothing; none while he is being answered.
    silent_since: Option<Instant>,
    leave: CancellationToken,
}

/// One caller's place; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    room: Room,
    leave: CancellationToken,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self { most, guests: Arc::default() }
    }

    /// Takes somebody in; when there is no place, the one who has been silent longest is told to leave. None when all
    /// are being answered.
    pub(super) fn enter(&self) -> Option<Seat> {
        let mut guests = self.guests();
        if guests.present.len() >= self.most {
            let silent = guests.present.iter().filter_map(|(id, guest)| Some((guest.silent_since?, *id)));
            let (_, longest) = silent.min()?;
            if let Some(guest) = guests.present.remove(&longest) {
                guest.leave.cancel();
            }
        }
        let (id, leave) = (guests.next, CancellationToken::new());
        guests.next += 1;
        guests.present.insert(id, Guest { silent_since: Some(Instant::now()), leave: leave.clone() });
        drop(guests);
        Some(Seat { id, room: self.clone(), leave })
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The caller is being answered.
    pub(super) fn is_served(&self) {
        self.set(None);
    }

    /// The caller has been answered.
    pub(super) fn is_silent(&self) {
        self.set(Some(Instant::now()));
    }

    fn set(&self, silent_since: Option<Instant>) {
        if let Some(guest) = self.room.guests().present.get_mut(&self.id) {
            guest.silent_since = silent_since;
        }
    }

    /// Resolves when the caller has to leave.
    pub(super) async fn given_up(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.guests().present.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_longest_makes_room_and_who_is_served_stays() {
        let room = Room::new(3);
        let seats: Vec<Seat> = (0..3).map(|_| room.enter().unwrap()).collect();
        seats[0].is_served();
        let fourth = room.enter().unwrap();
        let left: Vec<bool> = seats.iter().map(|seat| seat.leave.is_cancelled()).collect();
        assert_eq!(left, [false, true, false]);
        seats[2].is_served();
        fourth.is_served();
        assert!(room.enter().is_none());
        seats[2].is_silent();
        assert!(room.enter().is_some());
        assert!(seats[2].leave.is_cancelled());
        drop(seats);
        assert_eq!(room.guests().present.len(), 1);
    }
}
