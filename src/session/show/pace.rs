//! When the card of a running turn is updated. Pure.
//!
//! The first update comes late enough that a short turn needs only one call to Feishu. Later updates come no faster than
//! anybody can read, and at least once a minute, so that the elapsed time on the card is right.

use std::time::{Duration, Instant};

/// From the first sign of life of a turn to its card. Most short turns have ended by then.
const FIRST_AFTER_LIFE: Duration = Duration::from_millis(700);
/// From the start of a turn without a sign of life to its card.
const FIRST_WITHOUT_LIFE: Duration = Duration::from_millis(2500);
/// The time between two updates of a turn that is younger than the first value. Feishu accepts 1,000 requests of a kind
/// per minute from an app, which all live sessions (`MAX_LIVE_SESSIONS`) share.
const UPDATE_INTERVALS: [(Duration, Duration); 2] = [
    (Duration::from_secs(30), Duration::from_millis(500)),
    (Duration::from_secs(300), Duration::from_secs(1)),
];
/// The time between two updates of an older turn.
const LATE_UPDATE_INTERVAL: Duration = Duration::from_secs(2);
/// The time after which a card is updated even if only the elapsed time has changed.
const MAX_UPDATE_INTERVAL: Duration = Duration::from_secs(60);

/// The pace of the updates of one turn's card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpdatePace {
    began: Instant,
    /// The first sign of life. If the user was asked before the card was shown: when they answered.
    alive: Option<Instant>,
    /// Whether a request waits for the user. Until they answer, the card of the request is enough.
    asking: bool,
    changed: bool,
    last: Option<Instant>,
}

impl UpdatePace {
    /// The pace of a turn that starts now.
    #[must_use]
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: now, alive: None, asking: false, changed: true, last: None }
    }

    /// Notes that the card would look different now.
    pub(crate) fn changed(&mut self, now: Instant) {
        self.alive.get_or_insert(now);
        self.changed = true;
    }

    /// Notes whether a request waits for the user.
    pub(crate) fn asking(&mut self, asking: bool, now: Instant) {
        if self.asking == asking {
            return;
        }
        self.asking = asking;
        self.changed = true;
        if self.last.is_none() {
            self.alive = Some(now);
        }
    }

    /// Whether the card has been sent.
    #[must_use]
    pub(crate) fn is_shown(&self) -> bool {
        self.last.is_some()
    }

    /// When the next update is due. `None` if the card has not been sent and a request waits for the user.
    #[must_use]
    pub(crate) fn due(&self) -> Option<Instant> {
        match (self.last, self.alive) {
            (Some(last), _) if !self.changed => Some(last + MAX_UPDATE_INTERVAL),
            (Some(last), _) => Some(last + self.interval(last)),
            (None, _) if self.asking => None,
            (None, Some(alive)) => Some(alive + FIRST_AFTER_LIFE),
            (None, None) => Some(self.began + FIRST_WITHOUT_LIFE),
        }
    }

    fn interval(&self, now: Instant) -> Duration {
        let age = now.saturating_duration_since(self.began);
        let younger = UPDATE_INTERVALS.iter().find(|(than, _)| age < *than);
        younger.map_or(LATE_UPDATE_INTERVAL, |(_, between)| *between)
    }

    /// Whether an update is due now. If so, it counts as made.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        if due {
            (self.changed, self.last) = (false, Some(now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_turn_is_shown_shortly_after_its_first_sign_of_life() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        assert_eq!(pace.due(), Some(began + 2500 * MS));
        pace.changed(began + 100 * MS);
        pace.changed(began + 600 * MS);
        assert_eq!(pace.due(), Some(began + 800 * MS));
        assert!(!pace.take(began + 799 * MS) && !pace.is_shown());
        assert!(pace.take(began + 800 * MS) && pace.is_shown());
    }

    #[test]
    fn a_turn_without_a_sign_of_life_is_shown_too() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        assert!(!pace.take(began + 2499 * MS));
        assert!(pace.take(began + 2500 * MS));
    }

    #[test]
    fn a_young_card_is_updated_at_most_twice_a_second_and_else_once_a_minute() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        pace.changed(began);
        assert!(pace.take(began + 700 * MS));
        assert_eq!(pace.due(), Some(began + 60_700 * MS));
        for at in 701..1200 {
            pace.changed(began + at * MS);
            assert!(!pace.take(began + at * MS), "{at}");
        }
        assert!(pace.take(began + 1200 * MS));
        assert_eq!(pace.due(), Some(began + 61_200 * MS));
    }

    #[test]
    fn half_an_hour_of_changes_needs_at_most_forty_updates_a_minute() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        let mut updates = 0;
        for at in 0..1_800_000 / 50 {
            let now = began + at * 50 * MS;
            pace.changed(now);
            updates += u32::from(pace.take(now));
        }
        assert!((1000..40 * 30).contains(&updates), "{updates}");
    }

    #[test]
    fn the_card_of_a_request_is_enough_until_it_is_answered() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        pace.changed(began);
        pace.asking(true, began + 10 * MS);
        assert_eq!(pace.due(), None);
        pace.asking(false, began + 60_000 * MS);
        assert_eq!(pace.due(), Some(began + 60_700 * MS));
    }

    #[test]
    fn a_turn_that_has_a_card_says_that_it_waits_for_an_answer() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        pace.changed(began);
        assert!(pace.take(began + 700 * MS));
        pace.asking(true, began + 5000 * MS);
        assert!(pace.take(began + 5000 * MS));
    }
}
