//! When a running turn's picture is made: late enough that a short turn costs one call to Feishu, and then no more often
//! than anybody can read. Pure.

use std::time::{Duration, Instant};

/// A turn that shows signs of life is shown so long after the first one; most short ones are over by then.
const AFTER_LIFE: Duration = Duration::from_millis(700);
/// One that shows none is shown after so long.
const WITHOUT_LIFE: Duration = Duration::from_millis(2500);
/// Between two pictures of a turn that is younger than this, and of any older one. Feishu takes 1,000 requests of a kind
/// in a minute from an app: all sessions that there may be at once (`MAX_LIVE_SESSIONS`) share them.
const BETWEEN: [(Duration, Duration); 2] = [
    (Duration::from_secs(30), Duration::from_millis(500)),
    (Duration::from_secs(300), Duration::from_secs(1)),
];
const BETWEEN_LATER: Duration = Duration::from_secs(2);

/// The pace of one turn's pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatePace {
    began: Instant,
    /// The first sign of life; after a person was asked, his answer.
    alive: Option<Instant>,
    /// Whether a person is asked: the card that asks him is enough until he has answered.
    asking: bool,
    changed: bool,
    last: Option<Instant>,
}

impl UpdatePace {
    /// That of a turn which begins now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { began: now, alive: None, asking: false, changed: true, last: None }
    }

    /// Notes that the turn looks different from now on.
    pub fn changed(&mut self, now: Instant) {
        self.alive.get_or_insert(now);
        self.changed = true;
    }

    /// Notes whether a person is asked.
    pub fn asking(&mut self, asking: bool, now: Instant) {
        if self.asking == asking {
            return;
        }
        self.asking = asking;
        self.changed = true;
        if self.last.is_none() {
            self.alive = Some(now);
        }
    }

    /// Whether the turn was ever shown.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.last.is_some()
    }

    /// When the next picture is due; none while there is nothing new to show.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        if !self.changed {
            return None;
        }
        match (self.last, self.alive) {
            (Some(last), _) => Some(last + self.between(last)),
            (None, _) if self.asking => None,
            (None, Some(alive)) => Some(alive + AFTER_LIFE),
            (None, None) => Some(self.began + WITHOUT_LIFE),
        }
    }

    fn between(&self, now: Instant) -> Duration {
        let age = now.saturating_duration_since(self.began);
        let younger = BETWEEN.iter().find(|(than, _)| age < *than);
        younger.map_or(BETWEEN_LATER, |(_, between)| *between)
    }

    /// Whether a picture is to be made now; it is taken for made.
    pub fn take(&mut self, now: Instant) -> bool {
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
    fn a_turn_is_shown_after_its_first_sign_of_life_and_a_moment() {
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
    fn a_silent_turn_is_shown_in_the_end() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        assert!(!pace.take(began + 2499 * MS));
        assert!(pace.take(began + 2500 * MS));
    }

    #[test]
    fn a_young_card_is_drawn_twice_a_second_at_most_and_only_if_it_changed() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        pace.changed(began);
        assert!(pace.take(began + 700 * MS));
        assert_eq!(pace.due(), None);
        for at in 701..1200 {
            pace.changed(began + at * MS);
            assert!(!pace.take(began + at * MS), "{at}");
        }
        assert!(pace.take(began + 1200 * MS));
        assert_eq!(pace.due(), None);
    }

    #[test]
    fn half_an_hour_of_changes_is_forty_pictures_a_minute_at_most() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        let mut pictures = 0;
        for at in 0..1_800_000 / 50 {
            let now = began + at * 50 * MS;
            pace.changed(now);
            pictures += u32::from(pace.take(now));
        }
        assert!((1000..40 * 30).contains(&pictures), "{pictures}");
    }

    #[test]
    fn a_request_is_enough_until_it_is_answered() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        pace.changed(began);
        pace.asking(true, began + 10 * MS);
        assert_eq!(pace.due(), None);
        pace.asking(false, began + 60_000 * MS);
        assert_eq!(pace.due(), Some(began + 60_700 * MS));
    }

    #[test]
    fn a_turn_that_is_shown_already_says_that_it_asks() {
        let began = Instant::now();
        let mut pace = UpdatePace::new(began);
        pace.changed(began);
        assert!(pace.take(began + 700 * MS));
        pace.asking(true, began + 5000 * MS);
        assert!(pace.take(began + 5000 * MS));
    }
}
