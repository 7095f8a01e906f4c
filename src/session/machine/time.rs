//! What is due when, and what happens then.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Effect, Machine, Notice, ProcessState};
use crate::claude::wire;
use crate::session::turn::{RequestOutcome, Turn, TurnOutcome};

/// How long a killed process may take to be gone. Only the kernel can hold it, as it does on a disk that does not
/// answer.
const KILLED_GRACE: Duration = Duration::from_secs(15);

impl Machine {
    /// When `Input::Tick` is due at the latest.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let up = matches!(self.process, ProcessState::Up { .. });
        let process = match self.process {
            ProcessState::Up { idle_since } if !self.is_busy() => Some(idle_since + self.limits.idle),
            ProcessState::Up { .. } | ProcessState::Gone => None,
            ProcessState::Interrupted { until }
            | ProcessState::Closing { until }
            | ProcessState::Terminating { until }
            | ProcessState::Killed { until } => Some(until),
        };
        let turn = self.turn.as_ref().filter(|_| up).and_then(Turn::due);
        let leave = self.leave_by.filter(|_| up);
        process.into_iter().chain(turn).chain(self.held_until).chain(leave).min()
    }

    pub(super) fn tick(&mut self, now: Instant) -> Vec<Effect> {
        match self.process {
            ProcessState::Up { .. } => self.tick_up(now),
            ProcessState::Interrupted { until } | ProcessState::Closing { until } if until <= now => {
                self.terminate(now)
            }
            ProcessState::Terminating { until } if until <= now => {
                self.process = ProcessState::Killed { until: now + KILLED_GRACE };
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

    fn tick_up(&mut self, now: Instant) -> Vec<Effect> {
        if self.leave_by.is_some_and(|by| by <= now) {
            return if self.is_busy() { self.end_turn(TurnOutcome::Cut, now) } else { self.close(now) };
        }
        if self.held_until.is_some_and(|until| until <= now) {
            self.commands.get_or_insert_with(BTreeSet::new);
            return self.write_held(now);
        }
        let Some(turn) = &mut self.turn else {
            let ProcessState::Up { idle_since } = self.process else { return Vec::new() };
            let asleep = self.held.is_none() && idle_since + self.limits.idle <= now;
            return if asleep { self.close(now) } else { Vec::new() };
        };
        if turn.is_over_time(now) {
            return self.end_turn(TurnOutcome::TimedOut(self.limits.turn), now);
        }
        let silence = turn.silence(now).map(|(lasted, left)| Notice::Silent { lasted, left });
        let mut effects: Vec<Effect> = silence.map(Effect::Tell).into_iter().collect();
        while let Some(ask) = turn.expire(now) {
            effects.push(Effect::Write(wire::deny(&ask.request.request_id, "Nobody answered in time.")));
            effects.push(Effect::Tell(Notice::Expired(ask.request.tool.clone())));
            effects.push(Effect::Decided(ask, RequestOutcome::Expired));
        }
        while let Some(ask) = turn.remind(now) {
            effects.push(Effect::Remind(ask));
        }
        effects
    }
}
