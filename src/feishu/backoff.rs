//! Decides how long to wait before the next attempt to connect.
//!
//! After a connection that worked, the first attempt comes at once. After that it depends on the cause:
//! - If Feishu is not reached, attempts cost it nothing. The waits grow only to 5 s, so that phonework reconnects within
//!   seconds once the network works again.
//! - If Feishu itself is in trouble, they grow from 1 s to 60 s with full jitter, so that many clients that lost the same
//!   server do not all come back at the same moment.
//! - If only an operator can fix the cause, attempts come every few minutes, without end.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;

/// The waits after trouble at Feishu's end.
const TROUBLE: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60), jitter: 1.0 };
/// The waits when Feishu was not reached. At least half of each is kept, because nothing else slows the attempts down
/// when they fail at once.
const UNREACHABLE: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(5), jitter: 0.5 };
/// Minimum wait after a refusal that an operator has to fix; the wait is up to twice as long.
const REFUSED_WAIT: Duration = Duration::from_secs(150);
/// How long a connection must work to count as stable. After losses at shorter intervals, only the first attempt comes at
/// once.
pub(super) const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Counts failures in a row, and derives the wait from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReconnectBackoff {
    failures: u32,
    network_failures: u32,
    last_loss: Option<Instant>,
}

impl ReconnectBackoff {
    /// The wait after losing a connection that had worked. `random` lies in 0..1.
    ///
    /// Of several losses within 10 s, only the first is followed by an attempt at once. So a server that drops every
    /// connection after its first message is not flooded with attempts.
    pub(crate) fn lost(&mut self, now: Instant, random: f64) -> Duration {
        if self.last_loss.is_some_and(|last| now.saturating_duration_since(last) < STABLE_AFTER) {
            return self.failed(random);
        }
        self.last_loss = Some(now);
        self.failures = 0;
        self.network_failures = 0;
        Duration::ZERO
    }

    /// The wait after an attempt that failed, or whose connection was lost before anything arrived. `random` lies in 0..1.
    pub(crate) fn failed(&mut self, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.network_failures = 0;
        TROUBLE.wait(self.failures, random)
    }

    /// The wait after an attempt that did not reach Feishu. `random` lies in 0..1.
    pub(crate) fn unreachable(&mut self, random: f64) -> Duration {
        self.network_failures = self.network_failures.saturating_add(1);
        UNREACHABLE.wait(self.network_failures, random)
    }

    /// The wait after a refusal that does not go away by itself. `random` lies in 0..1.
    pub(crate) fn refused(&mut self, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        REFUSED_WAIT.mul_f64(1.0 + random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn after_many_failures() -> ReconnectBackoff {
        ReconnectBackoff { failures: 10, ..ReconnectBackoff::default() }
    }

    #[test]
    fn the_first_attempt_after_a_working_connection_comes_at_once_and_then_waits_grow() {
        let mut backoff = ReconnectBackoff::default();
        assert_eq!(backoff.lost(Instant::now(), 1.0), Duration::ZERO);
        let waits: Vec<u64> = (0..9).map(|_| backoff.failed(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn without_a_network_attempts_come_every_few_seconds() {
        let mut backoff = ReconnectBackoff::default();
        let waits: Vec<u64> = (0..6).map(|_| backoff.unreachable(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5, 5]);
        assert_eq!(backoff.unreachable(0.0), 5 * S / 2);
    }

    #[test]
    fn network_failures_and_trouble_at_feishus_end_are_counted_apart() {
        let mut backoff = after_many_failures();
        assert_eq!(backoff.unreachable(1.0), S);
        assert_eq!(backoff.failed(1.0), 60 * S);
        assert_eq!(backoff.unreachable(1.0), S);
    }

    #[test]
    fn the_jitter_is_full() {
        let mut backoff = after_many_failures();
        assert_eq!(backoff.failed(0.0), Duration::ZERO);
        assert_eq!(backoff.failed(0.5), 30 * S);
        assert_eq!(backoff.failed(f64::MAX), 60 * S);
    }

    #[test]
    fn a_connection_that_worked_resets_the_count() {
        let (mut backoff, start) = (after_many_failures(), Instant::now());
        assert_eq!(backoff.lost(start, 1.0), Duration::ZERO);
        assert_eq!(backoff.failed(1.0), S);
        assert_eq!(backoff.lost(start + 10 * S, 1.0), Duration::ZERO);
    }

    #[test]
    fn a_server_that_drops_every_connection_is_not_flooded() {
        let (mut backoff, start) = (ReconnectBackoff::default(), Instant::now());
        assert_eq!(backoff.lost(start, 1.0), Duration::ZERO);
        assert_eq!(backoff.lost(start + S, 1.0), S);
        assert_eq!(backoff.lost(start + 3 * S, 1.0), 2 * S);
    }

    #[test]
    fn attempts_after_a_refusal_come_minutes_apart() {
        let mut backoff = ReconnectBackoff::default();
        assert_eq!(backoff.refused(0.0), 150 * S);
        assert_eq!(backoff.refused(1.0), 300 * S);
    }
}
