//! What a live session does: a pure state machine, `(state, input, now) → effects`.
//!
//! It knows one `claude` process at a time. The actor (`session::actor`) runs the effects and feeds back what happens.
//! Promises, whatever comes and in whatever order:
//! - a prompt is written to Claude once, and its turn is reported [`Effect::Settle`]d exactly once;
//! - a turn that is stopped or timed out is settled when the process and all it started have ended, never before;
//! - every wait has an end: see [`Machine::due`].

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::turn::{FinishedTurn, Prompt, ReplyTarget, RequestOutcome, SessionGauges, Turn, TurnOutcome};
use crate::claude::failure::Cause;
use crate::claude::launch::{BYPASS, Conversation};
use crate::claude::wire;
use crate::language::Language;

/// How long a slash command waits for Claude's list of those it knows; a start takes 0.3 s.
const COMMANDS_GRACE: Duration = Duration::from_secs(20);
/// The `request_id` of the `initialize` request.
const INITIALIZE: &str = "initialize";
/// What the `request_id` of a change of the permission mode begins with; the mode follows.
const SET_MODE: &str = "mode ";

mod deciding;
mod hearing;
mod lifecycle;
mod signals;
#[cfg(test)]
mod tests;
mod time;

pub use signals::{AllowScope, Decision, Effect, Input, Instruction, Notice, PressResult};

/// The times a session keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// A turn's time; waiting for a person does not count.
    pub turn: Duration,
    /// How long an idle process is kept.
    pub idle: Duration,
    /// How long a permission request waits for its answer before it is a denial.
    pub approval: Duration,
}

/// A live session.
#[derive(Debug)]
pub struct Machine {
    limits: SessionLimits,
    language: Language,
    conversation: Conversation,
    process: ProcessState,
    turn: Option<Turn>,
    /// A prompt that cannot be written yet.
    held: Option<Prompt>,
    held_until: Option<Instant>,
    /// Slash commands that Claude knows, once it has said so.
    commands: Option<BTreeSet<String>>,
    /// Whether this process has begun a turn.
    seen_init: bool,
    /// Whether a refused start was answered by another try.
    retried: bool,
    cost_total: Option<f64>,
    /// Until when a limit of the account is used up. Claude Code says it when it changes, not in every turn.
    limited_until: Option<Timestamp>,
    leave_by: Option<Instant>,
    /// Whether it is to make room once it is done.
    sleepy: bool,
    /// Whether a process that ended before it could take the held prompt was answered by another start.
    restarted: bool,
    /// Lines in a row that were none of Claude's.
    garbage: u32,
    /// Commands and subagents that Claude runs in the background.
    background: usize,
    gauges: SessionGauges,
}

#[derive(Debug, PartialEq)]
enum ProcessState {
    Up {
        idle_since: Instant,
    },
    /// Told to interrupt its turn.
    Interrupted {
        until: Instant,
    },
    /// Its input is closed.
    Closing {
        until: Instant,
    },
    /// Told to end with all it started.
    Terminating {
        until: Instant,
    },
    /// Killed; only its exit is awaited.
    Killed {
        until: Instant,
    },
    Gone,
}

impl Machine {
    /// A session whose process has just been started. `cost_total` is what the conversation had cost before, in US
    /// dollars, if it is known.
    #[must_use]
    pub fn new(
        conversation: Conversation,
        limits: SessionLimits,
        language: Language,
        cost_total: Option<f64>,
        now: Instant,
    ) -> (Self, Vec<Effect>) {
        let fresh = matches!(conversation, Conversation::New(_));
        let machine = Self {
            limits,
            language,
            conversation,
            process: ProcessState::Up { idle_since: now },
            turn: None,
            held: None,
            held_until: None,
            commands: None,
            seen_init: false,
            retried: false,
            cost_total: if fresh { Some(0.0) } else { cost_total },
            limited_until: None,
            leave_by: None,
            sleepy: false,
            restarted: false,
            garbage: 0,
            background: 0,
            gauges: SessionGauges::default(),
        };
        (machine, vec![Effect::Write(wire::initialize(INITIALIZE))])
    }

    /// What the conversation has cost so far, in US dollars, if it is known.
    #[must_use]
    pub fn cost_total(&self) -> Option<f64> {
        self.cost_total
    }

    /// What the session runs under now.
    #[must_use]
    pub fn gauges(&self) -> &SessionGauges {
        &self.gauges
    }

    /// The running turn.
    #[must_use]
    pub fn turn(&self) -> Option<&Turn> {
        self.turn.as_ref()
    }

    /// Whether a turn runs or a prompt waits.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.turn.is_some() || self.held.is_some()
    }

    /// Whether the daemon leaves: no further prompt is begun then.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leave_by.is_some()
    }

    /// Whether the daemon leaves and the turn waits for its person, who is not heard any more.
    fn waits_for_nobody(&self) -> bool {
        self.is_leaving() && self.turn.as_ref().is_some_and(|turn| turn.asks().next().is_some())
    }

    /// Where the running turn's answer goes; none for a turn that nobody asked for.
    #[must_use]
    pub fn reply(&self) -> Option<ReplyTarget> {
        let prompt = self.turn.as_ref().and_then(Turn::prompt).or(self.held.as_ref())?;
        Some(prompt.reply.clone())
    }

    /// Takes what happened and says what to do, in order.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Prompt(prompt) => {
                self.held = Some(prompt);
                self.write_held(now)
            }
            Input::Claude(output) => self.hear(output, now),
            Input::Exited(exit) => self.exited(&exit, now),
            Input::NotStarted(why) => self.not_started(&why, now),
            Input::InputBlocked => self.give_up(Cause::InputBlocked, now),
            Input::Decide(decision, order) => self.decide(decision, order, now),
            Input::Typed(text, order) => self.typed(&text, order, now),
            Input::Mode(mode) => self.change_mode(mode),
            Input::Stop(mail) if self.is_asked_by(mail) => self.end_turn(TurnOutcome::Stopped, now),
            // It came too late; the next turn is not meant.
            Input::Stop(_) => Vec::new(),
            Input::StopUnasked(order) => self.stop_unasked(order, now),
            Input::Close => {
                let mut effects = self.end_turn(TurnOutcome::Stopped, now);
                if self.turn.is_none() {
                    effects.extend(self.close(now));
                }
                effects
            }
            Input::Sleep if self.is_busy() => {
                self.sleepy = true;
                Vec::new()
            }
            Input::Sleep => self.close(now),
            Input::Leave(by) => {
                self.leave_by = Some(by);
                if self.waits_for_nobody() {
                    return self.end_turn(TurnOutcome::Cut, now);
                }
                if self.is_busy() { self.tick(now) } else { self.close(now) }
            }
            Input::Tick => self.tick(now),
        }
    }

    fn is_asked_by(&self, mail: i64) -> bool {
        let running = self.turn.as_ref().and_then(Turn::prompt);
        running.into_iter().chain(&self.held).any(|prompt| prompt.mail == mail)
    }

    /// Writes the prompt that waits, as soon as the process can take it; one that is gone is started again for it.
    fn write_held(&mut self, now: Instant) -> Vec<Effect> {
        if self.process == ProcessState::Gone && self.held.is_some() {
            return self.relaunch(self.conversation.clone(), now);
        }
        let ready = matches!(self.process, ProcessState::Up { .. }) && self.turn.is_none();
        let Some(prompt) = self.held.take_if(|_| ready) else { return Vec::new() };
        self.held_until = None;
        if let Some(name) = prompt.slash_command() {
            match &self.commands {
                None => {
                    self.held = Some(prompt);
                    self.held_until = Some(now + COMMANDS_GRACE);
                    return Vec::new();
                }
                Some(known) if !known.contains(name) => {
                    let outcome = TurnOutcome::UnknownCommand(name.to_owned());
                    let turn = Turn::new(Some(prompt), self.limits.turn, now);
                    return self.settle(turn, outcome, None, now);
                }
                Some(_) => {}
            }
        }
        let line = wire::user_message(&prompt.turn_id, &prompt.text);
        self.turn = Some(Turn::new(Some(prompt), self.limits.turn, now));
        vec![Effect::Write(line)]
    }

    /// Has Claude go on in this mode; a process that does not run gets it at its start.
    fn change_mode(&mut self, mode: String) -> Vec<Effect> {
        if mode == BYPASS {
            return vec![Effect::Tell(Notice::ModeRefused(mode))];
        }
        let line = matches!(self.process, ProcessState::Up { .. })
            .then(|| Effect::Write(wire::set_permission_mode(&format!("{SET_MODE}{mode}"), &mode)));
        line.into_iter().chain([Effect::Mode(mode)]).collect()
    }

    /// Claude's answer to a change of mode; where it is no, the session keeps the mode that it has.
    fn mode_changed(&mut self, mode: &str, agreed: bool) -> Vec<Effect> {
        if agreed {
            self.gauges.mode = Some(mode.to_owned());
            return Vec::new();
        }
        let keeps = self.gauges.mode.clone().map(Effect::Mode);
        [Effect::Tell(Notice::ModeRefused(mode.to_owned()))].into_iter().chain(keeps).collect()
    }

    /// The end of a turn, and with it of all that it still asks.
    fn settle(
        &self,
        mut turn: Turn,
        outcome: TurnOutcome,
        cost_usd: Option<f64>,
        now: Instant,
    ) -> Vec<Effect> {
        let withdrawn = turn.withdraw_all(now).into_iter();
        let mut effects: Vec<Effect> =
            withdrawn.map(|ask| Effect::Decided(ask, RequestOutcome::Withdrawn)).collect();
        let done = turn.finish(outcome, cost_usd, now);
        effects.push(Effect::Settle(FinishedTurn { gauges: self.gauges.clone(), ..done }));
        effects
    }
}
