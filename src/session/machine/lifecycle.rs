//! How a turn is ended early, and how the process ends and is started again.

use std::time::{Duration, Instant};

use super::{Effect, INITIALIZE, Machine, Process};
use crate::claude::failure::{self, Cause};
use crate::claude::launch::Conversation;
use crate::claude::process::Exit;
use crate::claude::wire;
use crate::ids::ClaudeSessionId;
use crate::language::Language;
use crate::session::turn::{Outcome, Turn};

/// How long Claude has to end a turn that it was told to interrupt. It takes 20–40 ms when it is well.
const INTERRUPT_GRACE: Duration = Duration::from_secs(3);
/// How long a process whose input was closed may go on; it exits within 70 ms unless a background command holds it.
const CLOSE_GRACE: Duration = Duration::from_secs(3);
/// How long the warden has to end everything before it is killed itself.
const TERMINATE_GRACE: Duration = Duration::from_secs(5);

impl Machine {
    pub(super) fn end_turn(&mut self, why: Outcome, now: Instant) -> Vec<Effect> {
        if let Some(prompt) = self.held.take() {
            self.held_until = None;
            return vec![Effect::Settle(
                Turn::new(Some(prompt), self.limits.turn, now).finish(why, None, now),
            )];
        }
        let Some(turn) = &mut self.turn else { return Vec::new() };
        if turn.ending.is_some() {
            return Vec::new();
        }
        turn.ending = Some(why);
        if !matches!(self.process, Process::Up { .. }) {
            return Vec::new();
        }
        self.process = Process::Interrupted { until: now + INTERRUPT_GRACE };
        vec![Effect::Write(wire::interrupt("interrupt"))]
    }

    pub(super) fn close(&mut self, now: Instant) -> Vec<Effect> {
        match self.process {
            Process::Up { .. } => {
                self.process = Process::Closing { until: now + CLOSE_GRACE };
                vec![Effect::CloseInput]
            }
            Process::Interrupted { .. }
            | Process::Closing { .. }
            | Process::Terminating { .. }
            | Process::Killed => Vec::new(),
            Process::Gone => vec![Effect::End],
        }
    }

    pub(super) fn terminate(&mut self, now: Instant) -> Vec<Effect> {
        self.process = Process::Terminating { until: now + TERMINATE_GRACE };
        vec![Effect::Terminate]
    }

    pub(super) fn exited(&mut self, exit: &Exit, now: Instant) -> Vec<Effect> {
        self.process = Process::Gone;
        if let Some(effects) = self.start_refused(exit, now) {
            return effects;
        }
        self.gone(|language| failure::explain_exit(exit, language), now)
    }

    /// No process is left: what ran has ended with it, and what was held starts another.
    pub(super) fn gone(&mut self, why: impl FnOnce(Language) -> String, now: Instant) -> Vec<Effect> {
        self.process = Process::Gone;
        let mut effects = Vec::new();
        if let Some(mut turn) = self.turn.take() {
            let outcome = turn.ending.take().unwrap_or_else(|| Outcome::Crashed(why(self.language)));
            if turn.prompt().is_some() || !turn.is_silent() {
                effects.push(Effect::Settle(turn.finish(outcome, None, now)));
            }
        }
        if self.is_leaving()
            && let Some(prompt) = self.held.take()
        {
            let turn = Turn::new(Some(prompt), self.limits.turn, now);
            effects.push(Effect::Settle(turn.finish(Outcome::Cut, None, now)));
        }
        if self.held.is_none() {
            effects.push(Effect::End);
        } else {
            effects.extend(self.relaunch(self.conversation.clone(), now));
        }
        effects
    }

    /// Claude would not start with the conversation's id: once, the other way is tried, and the prompt, which no model
    /// has seen, goes with it.
    fn start_refused(&mut self, exit: &Exit, now: Instant) -> Option<Vec<Effect>> {
        if self.seen_init || self.retried {
            return None;
        }
        let (conversation, notice) = match (&self.conversation, failure::exit_cause(exit)) {
            (Conversation::Resume(_), Cause::ConversationMissing) => {
                (Conversation::New(ClaudeSessionId::random()), Some(Effect::Forgotten))
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
        self.process = Process::Up { idle_since: now };
        self.seen_init = false;
        self.sleepy = false;
        self.commands = None;
        let mut effects = vec![Effect::Launch(conversation), Effect::Write(wire::initialize(INITIALIZE))];
        effects.extend(self.write_held(now));
        effects
    }
}
