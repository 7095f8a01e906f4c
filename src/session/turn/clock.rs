//! A turn's times: how long it may take, and how long Claude has been silent.

use std::time::{Duration, Instant};

/// Runs while Claude works, stands while a person is asked.
#[derive(Debug)]
pub(super) struct TurnClock {
    left: Duration,
    running_since: Option<Instant>,
}

impl TurnClock {
    pub(super) fn new(limit: Duration, now: Instant) -> Self {
        Self { left: limit, running_since: Some(now) }
    }

    pub(super) fn stand(&mut self, now: Instant) {
        if let Some(since) = self.running_since.take() {
            self.left = self.left.saturating_sub(now.duration_since(since));
        }
    }

    pub(super) fn run(&mut self, now: Instant) {
        self.running_since.get_or_insert(now);
    }

    pub(super) fn ends(&self) -> Option<Instant> {
        self.running_since.map(|since| since + self.left)
    }
}

/// Claude is silent when no line of any kind came for so long.
const SILENCE: Duration = Duration::from_secs(60);
/// A silence that goes on is told again after so long.
const SILENCE_AGAIN: Duration = Duration::from_secs(300);

/// Watches for Claude's silence; stands while a person is asked.
#[derive(Debug)]
pub(super) struct SilenceWatch {
    since: Option<Instant>,
    told: Option<Instant>,
}

impl SilenceWatch {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: Some(now), told: None }
    }

    /// A line came, of any kind; it ends the silence.
    pub(super) fn heard(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
        self.told = None;
    }

    pub(super) fn stand(&mut self) {
        *self = Self { since: None, told: None };
    }

    pub(super) fn run(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// When the silence is to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        let since = self.since?;
        Some(self.told.map_or(since + SILENCE, |told| told + SILENCE_AGAIN))
    }

    /// How long the silence has lasted, if it is to be told now; it is not told again at once.
    pub(super) fn tell(&mut self, now: Instant) -> Option<Duration> {
        if self.due()? > now {
            return None;
        }
        self.told = Some(now);
        Some(now.duration_since(self.since?))
    }
}
