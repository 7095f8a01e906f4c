//! A trouble that lasts is told once, not with every try. Pure.

use std::time::{Duration, Instant};

/// Maximum number of different causes logged for one trouble; further ones are logged at the debug level.
const MAX_CAUSES: usize = 10;

/// What is known of a trouble from its first failure to its end.
#[derive(Debug, Default)]
pub(crate) struct LastingTrouble {
    since: Option<Instant>,
    failures: u64,
    told: Vec<String>,
}

/// A trouble that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PastTrouble {
    /// How often it was met.
    pub failures: u64,
    /// From the first time that it was met until now.
    pub lasted: Duration,
}

impl LastingTrouble {
    /// It was met once more; whether this is to be told aloud. `cause` is what stays the same while the cause does.
    pub(crate) fn met(&mut self, cause: &str, now: Instant) -> bool {
        self.since.get_or_insert(now);
        self.failures += 1;
        if self.told.len() >= MAX_CAUSES || self.told.iter().any(|told| told == cause) {
            return false;
        }
        self.told.push(cause.to_owned());
        true
    }

    /// How it stands; `None` when there is no trouble.
    #[must_use]
    pub(crate) fn so_far(&self, now: Instant) -> Option<PastTrouble> {
        let lasted = now.saturating_duration_since(self.since?);
        Some(PastTrouble { failures: self.failures, lasted })
    }

    /// It is over: what it was, if there was any.
    pub(crate) fn over(&mut self, now: Instant) -> Option<PastTrouble> {
        let past = self.so_far(now);
        *self = Self::default();
        past
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn each_cause_is_told_once_until_the_trouble_is_over() {
        let (mut trouble, start) = (LastingTrouble::default(), Instant::now());
        assert_eq!(trouble.over(start), None);
        let told = ["refused", "refused", "no name", "refused", "no name"].map(|why| trouble.met(why, start));
        assert_eq!(told, [true, false, true, false, false]);
        assert_eq!(trouble.over(start + 9 * S), Some(PastTrouble { failures: 5, lasted: 9 * S }));
        assert!(trouble.met("refused", start + 10 * S));
        assert_eq!(trouble.so_far(start + 11 * S), Some(PastTrouble { failures: 1, lasted: S }));
    }

    #[test]
    fn causes_without_end_do_not_fill_the_log() {
        let (mut trouble, start) = (LastingTrouble::default(), Instant::now());
        let told = (0..1000).filter(|n| trouble.met(&n.to_string(), start)).count();
        assert_eq!(told, MAX_CAUSES);
    }
}
