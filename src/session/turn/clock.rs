//! Two clocks of a turn: how long it may still take, and how long Claude has been silent.

use std::time::{Duration, Instant};

/// Limits the time in which Claude works. It is paused while a person is asked.
#[derive(Debug)]
pub(super) struct TurnClock {
    left: Duration,
    running_since: Option<Instant>,
}

impl TurnClock {
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self { left: limit, running_since: Some(now) }
    }

    pub(super) fn pause(&mut self, now: Instant) {
        if let Some(since) = self.running_since.take() {
            self.left = self.left.saturating_sub(now.duration_since(since));
        }
    }

    pub(super) fn resume(&mut self, now: Instant) {
        self.running_since.get_or_insert(now);
    }

    /// When the time is up; `None` while the clock is paused.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.running_since.map(|since| since + self.left)
    }
}

/// A silence is told when no line of any kind has come for this long.
const SILENCE_THRESHOLD: Duration = Duration::from_secs(60);
/// A silence that goes on is told again after this time.
const SILENCE_REPEAT_INTERVAL: Duration = Duration::from_secs(300);

/// Watches for silence of Claude's. It is paused while a person is asked.
#[derive(Debug)]
pub(super) struct SilenceWatch {
    since: Option<Instant>,
    told: Option<Instant>,
}

impl SilenceWatch {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: Some(now), told: None }
    }

    /// Ends the silence: a line of some kind was read.
    pub(super) fn line_received(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
        self.told = None;
    }

    pub(super) fn pause(&mut self) {
        *self = Self { since: None, told: None };
    }

    pub(super) fn resume(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// When the silence is to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        let since = self.since?;
        Some(self.told.map_or(since + SILENCE_THRESHOLD, |told| told + SILENCE_REPEAT_INTERVAL))
    }

    /// How long the silence has lasted, if it is to be told now. It then counts as told.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Duration> {
        if self.due()? > now {
            return None;
        }
        self.told = Some(now);
        Some(now.duration_since(self.since?))
    }
}
