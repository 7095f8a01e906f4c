//! How a turn is ended early, and how the process is ended and started again.

use std::time::{Duration, Instant};

use super::{
    Effect, INITIALIZE_ID, Instruction, InstructionOutcome, Machine, Notice, ProcessState, Shutdown, Startup,
};
use crate::claude::failure::{self, Cause};
use crate::claude::launch::Conversation;
use crate::claude::process::ProcessExit;
use crate::claude::wire;
use crate::ids::ClaudeSessionId;
use crate::session::turn::{Turn, TurnOutcome};

/// How long Claude has to end a turn after an interrupt. Normally it takes 20–40 ms.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a process may go on after its input was closed. It exits within 70 ms unless a background command holds it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the warden has to end everything before it is killed itself.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(5);

impl Machine {
    /// Ends the held prompt at once, and has the running turn end: it is settled when its process has ended.
    pub(super) fn end_turn(&mut self, why: TurnOutcome, now: Instant) -> Vec<Effect> {
        let mut effects = self.settle_held(why.clone(), now);
        let Some(turn) = &mut self.turn else { return effects };
        if turn.ending.is_some() {
            return effects;
        }
        turn.ending = Some(why);
        if matches!(self.process, ProcessState::Up { .. }) {
            self.process = ProcessState::Interrupted { until: now + INTERRUPT_TIMEOUT };
            effects.push(Effect::Write(wire::interrupt("interrupt")));
        }
        effects
    }

    fn settle_held(&mut self, outcome: TurnOutcome, now: Instant) -> Vec<Effect> {
        self.held_until = None;
        let held = self.held.take().map(|prompt| Turn::new(Some(prompt), self.timeouts.turn, now));
        held.map(|turn| self.settle(turn, outcome, None, now)).unwrap_or_default()
    }

    /// Makes room for another session: ends the process as soon as it is idle.
    pub(super) fn suspend(&mut self, now: Instant) -> Vec<Effect> {
        if !self.is_busy() {
            return self.close(now);
        }
        if self.shutdown == Shutdown::NotPlanned {
            self.shutdown = Shutdown::WhenIdle;
        }
        Vec::new()
    }

    /// Prepares for the end of the daemon: the running turn may go on until `by`.
    pub(super) fn shut_down(&mut self, by: Instant, now: Instant) -> Vec<Effect> {
        self.shutdown = Shutdown::By(by);
        if self.waits_for_nobody() {
            return self.end_turn(TurnOutcome::Interrupted, now);
        }
        if self.is_busy() { self.tick(now) } else { self.close(now) }
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        match self.shutdown {
            Shutdown::By(_) => true,
            Shutdown::NotPlanned | Shutdown::WhenIdle => false,
        }
    }

    /// Whether the daemon shuts down while the turn waits for a person, who can no longer answer.
    pub(super) fn waits_for_nobody(&self) -> bool {
        let has_request = || self.turn.as_ref().is_some_and(|turn| turn.open_requests().next().is_some());
        self.is_shutting_down() && has_request()
    }

    /// Ends a turn that Claude began by itself, or else what it runs in the background.
    pub(super) fn stop_unasked(&mut self, instruction: Instruction, now: Instant) -> Vec<Effect> {
        let mut effects = self.end_turn(TurnOutcome::Stopped, now);
        match (self.turn.is_some(), std::mem::take(&mut self.background)) {
            (true, _) => {}
            (false, 0) => {
                return vec![Effect::Instruction(instruction, InstructionOutcome::NothingRuns)];
            }
            (false, tasks) => {
                effects.push(Effect::Tell(Notice::BackgroundEnded(tasks)));
                effects.extend(self.terminate(now));
            }
        }
        effects.push(Effect::Instruction(instruction, InstructionOutcome::Followed));
        effects
    }

    /// Ends a process that is of no use, and with it the prompts that it was given.
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
                self.process = ProcessState::Closing { until: now + CLOSE_TIMEOUT };
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
        self.process = ProcessState::Terminating { until: now + TERMINATE_TIMEOUT };
        vec![Effect::Terminate]
    }

    pub(super) fn exited(&mut self, exit: &ProcessExit, now: Instant) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.process, ProcessState::Gone);
        if let Some(effects) = self.start_refused(exit, now) {
            return effects;
        }
        let why = failure::explain_exit(exit, self.language);
        let mut effects = self.settle_ended(&before, &why, now);
        if self.is_shutting_down() {
            effects.extend(self.settle_held(TurnOutcome::Interrupted, now));
        }
        let unexpected = matches!(before, ProcessState::Up { .. });
        if unexpected && std::mem::replace(&mut self.startup.restarted, true) {
            // Another start would end the same way.
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

    /// A killed process does not end: its turn is settled without waiting for it any longer.
    pub(super) fn give_up_waiting(&mut self, now: Instant) -> Vec<Effect> {
        self.process = ProcessState::Gone;
        let outcome = TurnOutcome::Crashed(failure::sentence(Cause::Stuck, self.language));
        let mut effects = self.settle_held(outcome.clone(), now);
        if let Some(turn) = self.turn.take() {
            // Not as stopped, since something of it may be left.
            effects.extend(self.settle(turn, outcome, None, now));
        }
        effects.push(Effect::End);
        effects
    }

    /// Settles the running turn after its process has ended. `before` is the state in which the process ended.
    fn settle_ended(&mut self, before: &ProcessState, why: &str, now: Instant) -> Vec<Effect> {
        let Some(mut turn) = self.turn.take() else { return Vec::new() };
        let was_ending = !matches!(before, ProcessState::Up { .. });
        let ending = turn.ending.take();
        if turn.prompt().is_none() && turn.is_silent() && (was_ending || ending.is_some()) {
            // Nobody knows of this turn.
            return Vec::new();
        }
        let is_unasked = turn.prompt().is_none();
        let outcome = ending.unwrap_or_else(|| {
            if is_unasked && was_ending { TurnOutcome::Stopped } else { TurnOutcome::Crashed(why.to_owned()) }
        });
        self.settle(turn, outcome, None, now)
    }

    /// Handles a process that refused the conversation's id. The other way to start is tried once, with the same prompt,
    /// as no model has seen it yet.
    fn start_refused(&mut self, exit: &ProcessExit, now: Instant) -> Option<Vec<Effect>> {
        if self.startup.has_begun_turn || self.startup.tried_other_id {
            return None;
        }
        let (conversation, notice) = match (&self.conversation, failure::exit_cause(exit)) {
            (Conversation::Resume(_), Cause::ConversationMissing) => {
                (Conversation::New(ClaudeSessionId::random()), Some(Effect::Tell(Notice::Forgotten)))
            }
            (Conversation::New(id), Cause::ConversationExists) => (Conversation::Resume(id.clone()), None),
            _ => return None,
        };
        self.startup.tried_other_id = true;
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
            // There is nobody to tell yet. The next prompt meets the same refusal, and its sender is told then.
            return Some(vec![Effect::End]);
        }
        effects.extend(self.relaunch(conversation, now));
        Some(effects)
    }

    pub(super) fn relaunch(&mut self, conversation: Conversation, now: Instant) -> Vec<Effect> {
        self.conversation = conversation.clone();
        self.process = ProcessState::Up { idle_since: now };
        self.startup = Startup { commands: None, has_begun_turn: false, ..std::mem::take(&mut self.startup) };
        if self.shutdown == Shutdown::WhenIdle {
            self.shutdown = Shutdown::NotPlanned;
        }
        self.garbage = 0;
        self.background = 0;
        let mut effects = vec![Effect::Launch(conversation), Effect::Write(wire::initialize(INITIALIZE_ID))];
        effects.extend(self.write_held(now));
        effects
    }
}
