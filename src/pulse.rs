//! Signs of life of the daemon's tasks, by which the watchdog tells that all of them move.
//!
//! A task that has nothing to do beats now and then by a timer; one that is blocked, or waits inside its loop for what
//! does not come, beats no more. Which tasks are watched, and what follows, is the daemon's business.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, sleep};

/// What times are counted from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The beat of a task that has ended as it should.
const ENDED: u64 = u64::MAX;

/// How long a task may be still unless it asks for less.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a task gives its signs of life by. A task that drops it has ended.
#[derive(Debug)]
pub(crate) struct Pulse {
    last: Arc<AtomicU64>,
    /// Between two beats of a task that has nothing to do.
    every: Duration,
}

/// The pulses that are watched; cloning it gives another handle of the same.
#[derive(Clone, Debug)]
pub(crate) struct Pulses {
    patience: Duration,
    tasks: Arc<Mutex<Vec<Watched>>>,
    /// Before this the whole process stood still: no task is to blame for that.
    awake: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Watched {
    name: &'static str,
    patience: Duration,
    last: Arc<AtomicU64>,
}

/// A task that has been still for too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StuckTask {
    /// The name of the task.
    pub name: &'static str,
    /// For how long it has been still.
    pub still: Duration,
}

impl Pulse {
    /// One that nobody watches.
    #[must_use]
    pub(crate) fn unwatched() -> Self {
        Self { last: Arc::default(), every: PATIENCE }
    }

    /// Tells that the task moves.
    pub(crate) fn beat(&self) {
        self.last.store(now(), Ordering::Relaxed);
    }

    /// The time until the next beat of a task that has nothing to do: an arm of its loop, which beats each time around.
    pub(crate) async fn rest(&self) {
        sleep(self.every).await;
    }

    /// Beats whenever `task` is polled, and has it polled often enough: for one all of whose waits end, though some of
    /// them take long.
    pub(crate) async fn of<F: Future>(self, task: F) -> F::Output {
        let mut task = pin!(task);
        let mut beat = interval(self.every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll_fn(|context| {
            self.beat();
            while beat.poll_tick(context).is_ready() {}
            task.as_mut().poll(context)
        })
        .await
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        // A task that panicked has not ended as it should.
        if !std::thread::panicking() {
            self.last.store(ENDED, Ordering::Relaxed);
        }
    }
}

impl Pulses {
    /// No pulses yet; tasks may be still for this long.
    #[must_use]
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, tasks: Arc::default(), awake: Arc::default() }
    }

    /// The pulse of a task, which moves now.
    #[must_use]
    pub(crate) fn pulse(&self, name: &'static str) -> Pulse {
        self.patient(name, self.patience)
    }

    /// The same for a task that may be still for this long.
    #[must_use]
    pub(crate) fn patient(&self, name: &'static str, patience: Duration) -> Pulse {
        let pulse = Pulse { last: Arc::default(), every: self.every() };
        pulse.beat();
        self.tasks().push(Watched { name, patience, last: pulse.last.clone() });
        pulse
    }

    /// How often it is worth while to look: four times in the shortest patience.
    #[must_use]
    pub(crate) fn every(&self) -> Duration {
        self.patience / 4
    }

    /// Tasks that have been still for too long, in the order in which they were begun.
    #[must_use]
    pub(crate) fn stuck(&self) -> Vec<StuckTask> {
        self.stuck_at(now())
    }

    /// The process as a whole stood still until now.
    pub(crate) fn awoke(&self) {
        self.awake.store(now(), Ordering::Relaxed);
    }

    fn stuck_at(&self, now: u64) -> Vec<StuckTask> {
        let awake = self.awake.load(Ordering::Relaxed);
        let still = |task: &Watched| {
            let last = task.last.load(Ordering::Relaxed).max(awake);
            Duration::from_millis(now.saturating_sub(last))
        };
        let tasks = self.tasks();
        let stuck =
            tasks.iter().map(|task| (task.patience, StuckTask { name: task.name, still: still(task) }));
        stuck.filter(|(patience, stuck)| stuck.still > *patience).map(|(_, stuck)| stuck).collect()
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Watched>> {
        // A list that is only ever added to is whole at any moment.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds on a clock that stands while the host sleeps.
fn now() -> u64 {
    u64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(ENDED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1000;

    fn at(pulse: &Pulse, second: u64) {
        pulse.last.store(second * S, Ordering::Relaxed);
    }

    fn names(pulses: &Pulses, second: u64) -> Vec<(&'static str, u64)> {
        pulses.stuck_at(second * S).iter().map(|stuck| (stuck.name, stuck.still.as_secs())).collect()
    }

    #[test]
    fn a_task_is_stuck_when_it_is_still_for_longer_than_it_may() {
        let pulses = Pulses::new(Duration::from_secs(20));
        let (router, mail) = (pulses.pulse("router"), pulses.patient("mail", Duration::from_secs(300)));
        at(&router, 100);
        at(&mail, 100);
        assert_eq!(names(&pulses, 120), []);
        assert_eq!(names(&pulses, 121), [("router", 21)]);
        assert_eq!(names(&pulses, 401), [("router", 301), ("mail", 301)]);
        at(&router, 401);
        assert_eq!(names(&pulses, 402), [("mail", 302)]);
    }

    #[test]
    fn a_task_that_has_ended_is_not_stuck_and_one_that_panicked_is() {
        let pulses = Pulses::new(Duration::from_secs(20));
        let (ended, panicked) = (pulses.pulse("ended"), pulses.pulse("panicked"));
        drop(ended);
        at(&panicked, 1);
        let thread = std::thread::spawn(move || {
            let _panicked = panicked;
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(thread.join().is_err());
        assert_eq!(names(&pulses, 30), [("panicked", 29)]);
    }

    #[test]
    fn nobody_is_to_blame_while_the_whole_process_stood_still() {
        let pulses = Pulses::new(Duration::from_secs(20));
        let router = pulses.pulse("router");
        at(&router, 100);
        pulses.awake.store(500 * S, Ordering::Relaxed);
        assert_eq!(names(&pulses, 501), []);
        assert_eq!(names(&pulses, 521), [("router", 21)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_waits_for_long_is_polled_and_beats() {
        const UNTOUCHED: u64 = 1 << 40;
        let pulses = Pulses::new(Duration::from_secs(20));
        let pulse = pulses.pulse("socket");
        let last = pulse.last.clone();
        let task = tokio::spawn(pulse.of(sleep(Duration::from_secs(60))));
        for _ in 0..5 {
            tokio::task::yield_now().await;
            last.store(UNTOUCHED, Ordering::Relaxed);
            tokio::time::advance(Duration::from_secs(6)).await;
            tokio::task::yield_now().await;
            assert_ne!(last.load(Ordering::Relaxed), UNTOUCHED);
        }
        task.await.unwrap();
        assert_eq!(last.load(Ordering::Relaxed), ENDED);
    }
}
