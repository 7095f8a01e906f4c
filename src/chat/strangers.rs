//! People who are not allowed get one line an hour, and nothing else. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ids::OpenId;

/// Minimum time between two answers to the same stranger.
const ANSWER_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Maximum number of strangers remembered; while all of them were answered lately, nobody else is.
const MAX_REMEMBERED: usize = 1000;

/// The strangers who were answered within the last hour.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    answered: BTreeMap<OpenId, Instant>,
}

impl Strangers {
    /// Whether this stranger is answered now; if so, that is remembered.
    pub(super) fn answer(&mut self, user: &OpenId, now: Instant) -> bool {
        if self.answered.len() >= MAX_REMEMBERED {
            self.answered.retain(|_, at| now.duration_since(*at) < ANSWER_INTERVAL);
        }
        match self.answered.get(user) {
            Some(at) if now.duration_since(*at) < ANSWER_INTERVAL => false,
            None if self.answered.len() >= MAX_REMEMBERED => false,
            Some(_) | None => {
                self.answered.insert(user.clone(), now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_answered_once_an_hour() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
        let after = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert!(strangers.answer(&"ou_1".into(), start));
        assert!(!strangers.answer(&"ou_1".into(), after(59)));
        assert!(strangers.answer(&"ou_2".into(), after(59)));
        assert!(strangers.answer(&"ou_1".into(), after(60)));
    }

    #[test]
    fn of_a_flood_of_strangers_only_the_first_are_answered() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
        let answered =
            (0..5000).filter(|n| strangers.answer(&OpenId::from(format!("ou_{n}")), start)).count();
        assert_eq!(answered, MAX_REMEMBERED);
        assert!(strangers.answer(&"ou_new".into(), start + ANSWER_INTERVAL));
    }
}
