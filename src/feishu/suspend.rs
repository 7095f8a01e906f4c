//! Notices that the host was asleep (a closed laptop): timers and timeouts do not run then, and connections die unseen.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// How long a wait may go on without a look at the clocks.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// Sleeps of less than this together leave connections as they were.
const NAP: Duration = Duration::from_secs(3);

/// Tells how long the host has slept since it was started.
pub(super) type SuspendClock = fn() -> Duration;

/// What was noticed so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct SuspendDetector {
    asleep: SuspendClock,
    noticed: Duration,
}

impl SuspendDetector {
    /// Notices what comes from now on.
    pub(super) fn new(asleep: SuspendClock) -> Self {
        Self { asleep, noticed: asleep() }
    }

    /// How long the host has slept since this was last noticed, if that is worth it.
    pub(super) fn notice(&mut self) -> Option<Duration> {
        let asleep = (self.asleep)();
        let slept = asleep.saturating_sub(self.noticed);
        if slept < NAP {
            return None;
        }
        self.noticed = asleep;
        Some(slept)
    }
}

/// By the host's clocks: one of them stands still while it sleeps.
pub(super) fn by_the_clocks() -> Duration {
    let since_start = |clock| {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
        Duration::new(u64::try_from(tv_sec).unwrap_or(0), u32::try_from(tv_nsec).unwrap_or(0))
    };
    let awake = since_start(ClockId::Monotonic);
    since_start(ClockId::Boottime).saturating_sub(awake)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn sleeps_are_noticed_once_and_naps_when_they_add_up() {
        static ASLEEP: AtomicU64 = AtomicU64::new(70);
        let mut sleeps = SuspendDetector::new(|| Duration::from_secs(ASLEEP.load(Ordering::Relaxed)));
        let noticed = [70, 72, 73, 73, 75, 100_000].map(|asleep| {
            ASLEEP.store(asleep, Ordering::Relaxed);
            sleeps.notice().map(|slept| slept.as_secs())
        });
        assert_eq!(noticed, [None, None, Some(3), None, None, Some(99_927)]);
    }

    #[test]
    fn a_host_that_is_awake_does_not_seem_to_sleep() {
        let mut sleeps = SuspendDetector::new(by_the_clocks);
        assert_eq!(sleeps.notice(), None);
    }
}
