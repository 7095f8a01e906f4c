//! How a turn is ended early, and how the process ends and is started again.

use std::time::{Duration, Instant};

use super::{Effect, INITIALIZE, Instruction, Machine, Notice, ProcessState};
use crate::claude::failure::{self, Cause};
use crate::claude::launch::Conversation;
use crate::claude::process::ProcessExit;
use crate::claude::wire;
use crate::ids::ClaudeSessionId;
use crate::session::turn::{Turn, TurnOutcome};

/// How long Claude has to end a turn that it was told to interrupt. It takes 20–40 ms when it is well.
const INTERRUPT_GRACE: Duration = Duration::from_secs(3);
/// How long a process whose input was closed may go on; it exits within 70 ms unless a background command holds it.
const CLOSE_GRACE: Duration = Duration::from_secs(3);
/// How long the warden has to end everything before it is killed itself.
const TERMINATE_GRACE: Duration = Duration::from_secs(5);

impl Machine {
    /// Ends the prompt that is held, and the turn that runs: it is settled when nothing of it is left.
    pub(super) fn end_turn(&mut self, why: TurnOutcome, now: Instant) -> Vec<Effect> {
        let mut effects = self.settle_held(why.clone(), now);
        let Some(turn) = &mut self.turn else { return effects };
        if turn.ending.is_some() {
            return effects;
        }
        turn.ending = Some(why);
        if matches!(self.process, ProcessState::Up { .. }) {
            self.process = ProcessState::Interrupted { until: now + INTERRUPT_GRACE };
            effects.push(Effect::Write(wire::interrupt("interrupt")));
        }
        effects
    }

    fn settle_held(&mut self, outcome: TurnOutcome, now: Instant) -> Vec<Effect> {
        self.held_until = None;
        let held = self.held.take().map(|prompt| Turn::new(Some(prompt), self.limits.turn, now));
        held.map(|turn| self.settle(turn, outcome, None, now)).unwrap_or_default()
    }

    /// Ends what nobody asked for.
    pub(super) fn stop_unasked(&mut self, order: Instruction, now: Instant) -> Vec<Effect> {
        let mut effects = self.end_turn(TurnOutcome::Stopped, now);
        match (self.turn.is_some(), std::mem::take(&mut self.background)) {
            (true, _) => {}
            (false, 0) => return vec![Effect::NothingRuns(order)],
            (false, tasks) => {
                effects.push(Effect::Tell(Notice::BackgroundEnded(tasks)));
                effects.extend(self.terminate(now));
            }
        }
        effects.push(Effect::Followed(order));
        effects
    }

    /// Ends a process that is of no use, and with it what was asked of it.
    pub(super) fn give_up(&mut self, cause: Cause, now: Instant) -> Vec<Effect> {
        match self.process {
            ProcessState::Up { .. } | ProcessState::Interrupted { .. } | ProcessState::Closing { .. } => {}
            ProcessState::Terminating { .. } | ProcessState::Killed { .. } | ProcessState::Gone => {
                return Vec::new();
            }
        }
        let outcome = TurnOutcome::Crashed(failure::sentence(cause, self.language));
        let mut effects = self.settle_held(outcome.clone(), now);
        if let Some(turn) = &mut self.turn {
            turn.ending.get_or_insert(outcome);
        }
        effects.extend(self.terminate(now));
        effects
    }

    pub(super) fn close(&mut self, now: Instant) -> Vec<Effect> {
        match self.process {
            ProcessState::Up { .. } => {
                self.process = ProcessState::Closing { until: now + CLOSE_GRACE };
                let ended = std::mem::take(&mut self.background);
                let notice = (ended > 0).then_some(Effect::Tell(Notice::BackgroundEnded(ended)));
                notice.into_iter().chain([Effect::CloseInput]).collect()
            }
            ProcessState::Interrupted { .. }
            | ProcessState::Closing { .. }
            | ProcessState::Terminating { .. }
            | ProcessState::Killed { .. } => Vec::new(),
            ProcessState::Gone => vec![Effect::End],
        }
    }

    pub(super) fn terminate(&mut self, now: Instant) -> Vec<Effect> {
        self.process = ProcessState::Terminating { until: now + TERMINATE_GRACE };
        vec![Effect::Terminate]
    }

    pub(super) fn exited(&mut self, exit: &ProcessExit, now: Instant) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.process, ProcessState::Gone);
        if let Some(effects) = self.start_refused(exit, now) {
            return effects;
        }
        let why = failure::explain_exit(exit, self.language);
        let mut effects = self.settle_ended(&before, &why, now);
        if self.is_leaving() {
            effects.extend(self.settle_held(TurnOutcome::Cut, now));
        }
        let unexpected = matches!(before, ProcessState::Up { .. });
        if unexpected && std::mem::replace(&mut self.restarted, true) {
            // Another start would end in the same way.
            effects.extend(self.settle_held(TurnOutcome::Crashed(why), now));
        }
        if self.held.is_none() {
            effects.push(Effect::End);
        } else {
            effects.extend(self.relaunch(self.conversation.clone(), now));
        }
        effects
    }

    pub(super) fn not_started(&mut self, why: &str, now: Instant) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.process, ProcessState::Gone);
        let mut effects = self.settle_ended(&before, why, now);
        effects.extend(self.settle_held(TurnOutcome::Crashed(why.to_owned()), now));
        effects.push(Effect::End);
        effects
    }

    /// The process is killed and does not go: what was asked of it is settled without it.
    pub(super) fn give_up_waiting(&mut self, now: Instant) -> Vec<Effect> {
        self.process = ProcessState::Gone;
        let outcome = TurnOutcome::Crashed(failure::sentence(Cause::Stuck, self.language));
        let mut effects = self.settle_held(outcome.clone(), now);
        if let Some(turn) = self.turn.take() {
            // Not that it was stopped: something of it may be left.
            effects.extend(self.settle(turn, outcome, None, now));
        }
        effects.push(Effect::End);
        effects
    }

    /// No process is left: what ran has ended with it.
    fn settle_ended(&mut self, before: &ProcessState, why: &str, now: Instant) -> Vec<Effect> {
        let Some(mut turn) = self.turn.take() else { return Vec::new() };
        let told_to = !matches!(before, ProcessState::Up { .. });
        let ending = turn.ending.take();
        if turn.prompt().is_none() && turn.is_silent() && (told_to || ending.is_some()) {
            // Nobody has heard of it.
            return Vec::new();
        }
        let unasked_and_told_to = turn.prompt().is_none() && told_to;
        let outcome = ending.unwrap_or_else(|| {
            if unasked_and_told_to { TurnOutcome::Stopped } else { TurnOutcome::Crashed(why.to_owned()) }
        });
        self.settle(turn, outcome, None, now)
    }

    /// Claude would not start with the conversation's id: once, the other way is tried, and the prompt, which no model
    /// has seen, goes with it.
    fn start_refused(&mut self, exit: &ProcessExit, now: Instant) -> Option<Vec<Effect>> {
        if self.seen_init || self.retried {
            return None;
        }
        let (conversation, notice) = match (&self.conversation, failure::exit_cause(exit)) {
            (Conversation::Resume(_), Cause::ConversationMissing) => {
                (Conversation::New(ClaudeSessionId::random()), Some(Effect::Tell(Notice::Forgotten)))
            }
            (Conversation::New(id), Cause::ConversationExists) => (Conversation::Resume(id.clone()), None),
            _ => return None,
        };
        self.retried = true;
        let turn = self.turn.take();
        if let Some(Turn { ending: Some(_), .. }) = turn {
            self.turn = turn;
            return None;
        }
        if let Some(prompt) = turn.and_then(|turn| turn.prompt().cloned()) {
            self.held = Some(prompt);
        }
        let mut effects: Vec<Effect> = notice.into_iter().collect();
        if self.held.is_none() {
            // Only warmed: the next prompt finds out again, and its sender is told then.
            return Some(vec![Effect::End]);
        }
        effects.extend(self.relaunch(conversation, now));
        Some(effects)
    }

    pub(super) fn relaunch(&mut self, conversation: Conversation, now: Instant) -> Vec<Effect> {
        self.conversation = conversation.clone();
        self.process = ProcessState::Up { idle_since: now };
        self.seen_init = false;
        self.sleepy = false;
        self.commands = None;
        self.garbage = 0;
        self.background = 0;
        let mut effects = vec![Effect::Launch(conversation), Effect::Write(wire::initialize(INITIALIZE))];
        effects.extend(self.write_held(now));
        effects
    }
}
