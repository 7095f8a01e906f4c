//! How long to wait before something that failed is tried again. Pure: the caller brings the random number.

use std::time::Duration;

/// Waits that double with each failure in a row, up to a longest one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The wait after the first failure.
    pub(crate) first: Duration,
    /// The longest wait, jitter not counted.
    pub(crate) longest: Duration,
    /// The share of each wait that is left to chance, so that many clients do not retry at the same moment: 0 keeps the
    /// whole wait, 0.5 at least half of it, and with 1 (full jitter) it can be anything between none and all.
    pub(crate) jitter: f64,
}

impl Backoff {
    /// The wait after the `failures`th failure in a row, counted from 1. `random` lies in 0..=1.
    #[must_use]
    pub(crate) fn wait(self, failures: u32, random: f64) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(factor).min(self.longest);
        whole.mul_f64(1.0 - self.jitter + self.jitter * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_longest_however_many_failures_there_were() {
        let backoff = Backoff { first: S, longest: 60 * S, jitter: 0.0 };
        let waits = [0, 1, 2, 6, 7, 32, 33, u32::MAX].map(|failures| backoff.wait(failures, 0.3).as_secs());
        assert_eq!(waits, [1, 1, 2, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn jitter_is_the_share_of_a_wait_that_chance_decides() {
        let wait =
            |jitter, random| Backoff { first: 4 * S, longest: 60 * S, jitter }.wait(1, random).as_secs();
        assert_eq!([wait(0.0, 0.0), wait(0.0, 1.0)], [4, 4]);
        assert_eq!([wait(0.5, 0.0), wait(0.5, 0.5), wait(0.5, 1.0)], [2, 3, 4]);
        assert_eq!([wait(1.0, 0.0), wait(1.0, 0.5), wait(1.0, f64::MAX)], [0, 2, 4]);
    }
}
