//! When something is due, and what happens then.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Effect, Machine, Notice, ProcessState, Shutdown};
use crate::claude::wire;
use crate::session::turn::{RequestOutcome, Turn, TurnOutcome};

/// How long a killed process may take to be gone. Only the kernel can hold it, for example on a disk that does not
/// answer.
const KILL_TIMEOUT: Duration = Duration::from_secs(15);

impl Machine {
    /// When [`Input::Tick`](super::Input::Tick) is due at the latest.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let up = matches!(self.process, ProcessState::Up { .. });
        let process = match self.process {
            ProcessState::Up { idle_since } if !self.is_busy() => Some(idle_since + self.timeouts.idle),
            ProcessState::Up { .. } | ProcessState::Gone => None,
            ProcessState::Interrupted { until }
            | ProcessState::Closing { until }
            | ProcessState::Terminating { until }
            | ProcessState::Killed { until } => Some(until),
        };
        let turn = self.turn.as_ref().filter(|_| up).and_then(Turn::due);
        let shutdown = self.shutdown_deadline().filter(|_| up);
        process.into_iter().chain(turn).chain(self.held_until).chain(shutdown).min()
    }

    pub(super) fn tick(&mut self, now: Instant) -> Vec<Effect> {
        match self.process {
            ProcessState::Up { idle_since } => self.tick_up(idle_since, now),
            ProcessState::Interrupted { until } | ProcessState::Closing { until } if until <= now => {
                self.terminate(now)
            }
            ProcessState::Terminating { until } if until <= now => {
                self.process = ProcessState::Killed { until: now + KILL_TIMEOUT };
                vec![Effect::Kill]
            }
            ProcessState::Killed { until } if until <= now => self.give_up_waiting(now),
            ProcessState::Interrupted { .. }
            | ProcessState::Closing { .. }
            | ProcessState::Terminating { .. }
            | ProcessState::Killed { .. }
            | ProcessState::Gone => Vec::new(),
        }
    }

    fn tick_up(&mut self, idle_since: Instant, now: Instant) -> Vec<Effect> {
        if self.shutdown_deadline().is_some_and(|by| by <= now) {
            return if self.is_busy() {
                self.end_turn(TurnOutcome::Interrupted, now)
            } else {
                self.close(now)
            };
        }
        if self.held_until.is_some_and(|until| until <= now) {
            self.startup.commands.get_or_insert_with(BTreeSet::new);
            return self.write_held(now);
        }
        if self.turn.is_some() {
            return self.tick_turn(now);
        }
        let is_idle = self.held.is_none() && idle_since + self.timeouts.idle <= now;
        if is_idle { self.close(now) } else { Vec::new() }
    }

    fn tick_turn(&mut self, now: Instant) -> Vec<Effect> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        if turn.is_over_time(now) {
            return self.end_turn(TurnOutcome::TimedOut(self.timeouts.turn), now);
        }
        let silence = turn.silence(now).map(|(lasted, left)| Notice::Silent { lasted, left });
        let mut effects: Vec<Effect> = silence.map(Effect::Tell).into_iter().collect();
        while let Some(request) = turn.expire(now) {
            let id = &request.permission.request_id;
            effects.push(Effect::Write(wire::deny(id, "Nobody answered in time.")));
            effects.push(Effect::Tell(Notice::Expired(request.permission.tool.clone())));
            effects.push(Effect::Decided(request, RequestOutcome::Expired));
        }
        while let Some(request) = turn.remind(now) {
            effects.push(Effect::Remind(request));
        }
        effects
    }

    fn shutdown_deadline(&self) -> Option<Instant> {
        match self.shutdown {
            Shutdown::By(deadline) => Some(deadline),
            Shutdown::NotPlanned | Shutdown::WhenIdle => None,
        }
    }
}
