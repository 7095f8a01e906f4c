//! Sliding windows: a maximum number of requests within a length of time, for each key.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// Number of keys above which silent ones are removed.
const MANY: usize = 10_000;
/// The longest window of any limit.
const LONGEST: Duration = Duration::from_secs(60);

/// Past requests by key, as far as a limit still counts them.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    past: HashMap<String, VecDeque<Instant>>,
}

impl Rates {
    /// Counts a request, or says how long until the next is taken. Every limit (requests, window) must admit it; a
    /// refused request does not count.
    pub(crate) fn admit(
        &mut self,
        key: &str,
        limits: &[(usize, Duration)],
        now: Instant,
    ) -> Result<(), Duration> {
        if self.past.len() > MANY {
            self.past.retain(|_, past| past.back().is_some_and(|at| now.duration_since(*at) < LONGEST));
        }
        let past = self.past.entry(key.to_owned()).or_default();
        let longest = limits.iter().map(|(_, window)| *window).max().unwrap_or_default();
        while past.front().is_some_and(|at| now.duration_since(*at) >= longest) {
            past.pop_front();
        }
        for (limit, window) in limits {
            let Some(blocking) = past.len().checked_sub(*limit).and_then(|index| past.get(index)) else {
                continue;
            };
            let age = now.duration_since(*blocking);
            if age < *window {
                return Err(*window - age);
            }
        }
        past.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_request_of_a_second_waits_for_the_first_to_leave_the_window() {
        let mut rates = Rates::default();
        let second = [(5, Duration::from_secs(1))];
        let start = Instant::now();
        for tenth in 0..5 {
            assert_eq!(rates.admit("chat", &second, start + Duration::from_millis(tenth * 100)), Ok(()));
        }
        let sixth = start + Duration::from_millis(600);
        assert_eq!(rates.admit("chat", &second, sixth), Err(Duration::from_millis(400)));
        assert_eq!(rates.admit("another chat", &second, sixth), Ok(()));
        assert_eq!(rates.admit("chat", &second, start + Duration::from_secs(1)), Ok(()));
    }
}
