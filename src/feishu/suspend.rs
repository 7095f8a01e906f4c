//! Detects that the host was suspended, such as a closed laptop. Timers stand still then, and connections die unnoticed.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// How often a wait checks whether the host was suspended.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Suspended time that adds up to less than this does not harm connections.
const MIN_SUSPEND: Duration = Duration::from_secs(3);

/// Returns how long the host has been suspended since it booted.
pub(super) type SuspendClock = fn() -> Duration;

/// Reports suspended time, each stretch once.
#[derive(Clone, Copy, Debug)]
pub(super) struct SuspendDetector {
    clock: SuspendClock,
    reported: Duration,
}

impl SuspendDetector {
    /// Reports only what comes from now on.
    pub(super) fn new(clock: SuspendClock) -> Self {
        Self { clock, reported: clock() }
    }

    /// How long the host was suspended since the last report, if that was long enough to matter.
    pub(super) fn check(&mut self) -> Option<Duration> {
        let suspended = (self.clock)();
        let new = suspended.saturating_sub(self.reported);
        if new < MIN_SUSPEND {
            return None;
        }
        self.reported = suspended;
        Some(new)
    }
}

/// The [`SuspendClock`] of the host: the difference of two clocks, of which one stands still while it is suspended.
pub(super) fn time_suspended() -> Duration {
    let since_boot = |clock| {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
        Duration::new(u64::try_from(tv_sec).unwrap_or(0), u32::try_from(tv_nsec).unwrap_or(0))
    };
    let awake = since_boot(ClockId::Monotonic);
    since_boot(ClockId::Boottime).saturating_sub(awake)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn suspended_time_is_reported_once_and_short_stretches_when_they_add_up() {
        static ASLEEP: AtomicU64 = AtomicU64::new(70);
        let mut suspends = SuspendDetector::new(|| Duration::from_secs(ASLEEP.load(Ordering::Relaxed)));
        let reported = [70, 72, 73, 73, 75, 100_000].map(|asleep| {
            ASLEEP.store(asleep, Ordering::Relaxed);
            suspends.check().map(|slept| slept.as_secs())
        });
        assert_eq!(reported, [None, None, Some(3), None, None, Some(99_927)]);
    }

    #[test]
    fn a_host_that_is_awake_does_not_count_as_suspended() {
        let mut detector = SuspendDetector::new(time_suspended);
        assert_eq!(detector.check(), None);
    }
}
