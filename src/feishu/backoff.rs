//! How long to wait before the next try to connect.
//!
//! After a connection that had worked the first try comes at once. Then it depends on who is in trouble. A network that
//! does not reach Feishu costs Feishu nothing: the waits grow to 5 s only, and phonework is back within seconds of the
//! network. When Feishu itself is in trouble, they grow from 1 s to 60 s with full jitter, so that many clients that
//! lost the same server do not come back together. What only an operator can mend is tried again every few minutes,
//! for ever.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;

/// The waits after a trouble of Feishu's.
const TROUBLE: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60), jitter: 1.0 };
/// The waits when nothing reached Feishu. At least half of each is kept, as nothing on the way slows the tries down
/// when a host refuses them at once.
const UNREACHABLE: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(5), jitter: 0.5 };
/// The shortest wait after a refusal that an operator has to mend; up to twice as long.
const REFUSED: Duration = Duration::from_secs(150);
/// Connections that work but last shorter than this are not reconnected at once each time.
pub(super) const CALM: Duration = Duration::from_secs(10);

/// When to connect again, from the failures in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReconnectBackoff {
    failures: u32,
    unreached: u32,
    forgiven: Option<Instant>,
}

impl ReconnectBackoff {
    /// A connection over which frames had come was lost. `random` lies in 0..1.
    ///
    /// A server that drops every connection after its first frame is not stormed: of losses within 10 s, only the
    /// first is forgiven.
    pub(crate) fn lost(&mut self, now: Instant, random: f64) -> Duration {
        if self.forgiven.is_some_and(|last| now.saturating_duration_since(last) < CALM) {
            return self.failed(random);
        }
        self.forgiven = Some(now);
        self.failures = 0;
        self.unreached = 0;
        Duration::ZERO
    }

    /// A try failed, or its connection was lost before any frame had come. `random` lies in 0..1.
    pub(crate) fn failed(&mut self, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.unreached = 0;
        TROUBLE.wait(self.failures, random)
    }

    /// A try did not get as far as Feishu. `random` lies in 0..1.
    pub(crate) fn unreachable(&mut self, random: f64) -> Duration {
        self.unreached = self.unreached.saturating_add(1);
        UNREACHABLE.wait(self.unreached, random)
    }

    /// A try was refused for a reason that does not go away by itself. `random` lies in 0..1.
    pub(crate) fn refused(&mut self, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        REFUSED.mul_f64(1.0 + random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn tired() -> ReconnectBackoff {
        ReconnectBackoff { failures: 10, ..ReconnectBackoff::default() }
    }

    #[test]
    fn the_first_try_after_a_working_connection_comes_at_once_and_then_waits_grow() {
        let mut backoff = ReconnectBackoff::default();
        assert_eq!(backoff.lost(Instant::now(), 1.0), Duration::ZERO);
        let waits: Vec<u64> = (0..9).map(|_| backoff.failed(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_network_that_is_away_is_looked_for_every_few_seconds() {
        let mut backoff = ReconnectBackoff::default();
        let waits: Vec<u64> = (0..6).map(|_| backoff.unreachable(1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5, 5]);
        assert_eq!(backoff.unreachable(0.0), 5 * S / 2);
    }

    #[test]
    fn a_network_that_was_away_is_no_trouble_of_feishus_and_does_not_make_up_for_it() {
        let mut backoff = tired();
        assert_eq!(backoff.unreachable(1.0), S);
        assert_eq!(backoff.failed(1.0), 60 * S);
        assert_eq!(backoff.unreachable(1.0), S);
    }

    #[test]
    fn the_jitter_is_full() {
        let mut backoff = tired();
        assert_eq!(backoff.failed(0.0), Duration::ZERO);
        assert_eq!(backoff.failed(0.5), 30 * S);
        assert_eq!(backoff.failed(f64::MAX), 60 * S);
    }

    #[test]
    fn a_connection_that_worked_ends_the_count() {
        let (mut backoff, start) = (tired(), Instant::now());
        assert_eq!(backoff.lost(start, 1.0), Duration::ZERO);
        assert_eq!(backoff.failed(1.0), S);
        assert_eq!(backoff.lost(start + 10 * S, 1.0), Duration::ZERO);
    }

    #[test]
    fn a_server_that_drops_every_connection_is_not_stormed() {
        let (mut backoff, start) = (ReconnectBackoff::default(), Instant::now());
        assert_eq!(backoff.lost(start, 1.0), Duration::ZERO);
        assert_eq!(backoff.lost(start + S, 1.0), S);
        assert_eq!(backoff.lost(start + 3 * S, 1.0), 2 * S);
    }

    #[test]
    fn a_refusal_is_tried_again_after_minutes() {
        let mut backoff = ReconnectBackoff::default();
        assert_eq!(backoff.refused(0.0), 150 * S);
        assert_eq!(backoff.refused(1.0), 300 * S);
    }
}
