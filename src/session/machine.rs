//! What a live session does: a pure state machine, `(state, input, now) → effects`.
//!
//! It knows one `claude` process at a time. The actor (`session::actor`) runs the effects and feeds back what happens.
//! It promises, whatever comes in whatever order:
//! - a prompt is written to Claude once, and its turn is reported with [`Effect::Settle`] exactly once;
//! - a turn that is stopped or timed out is settled when its process and everything it started have ended, not before;
//! - every wait has an end: see [`Machine::due`].

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::turn::{FinishedTurn, Prompt, ReplyTarget, RequestOutcome, SessionGauges, Turn, TurnOutcome};
use crate::claude::failure::Cause;
use crate::claude::launch::{BYPASS, Conversation};
use crate::claude::wire;
use crate::language::Language;

/// How long a slash command waits for Claude's list of the commands it knows. A start takes 0.3 s.
const COMMAND_LIST_TIMEOUT: Duration = Duration::from_secs(20);
/// The `request_id` of the `initialize` request.
const INITIALIZE_ID: &str = "initialize";
/// The prefix of the `request_id` of a change of the permission mode; the mode follows.
const SET_MODE_PREFIX: &str = "mode ";

mod claude_lines;
mod deadlines;
mod decisions;
mod interface;
mod lifecycle;
#[cfg(test)]
mod tests;

pub use interface::{
    AllowScope, Decision, Effect, Input, Instruction, InstructionOutcome, Notice, PressResult,
};

/// The time limits of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimeouts {
    /// Maximum duration of a turn; waiting for a person does not count.
    pub turn: Duration,
    /// How long an idle process is kept.
    pub idle: Duration,
    /// How long a permission request waits for an answer before it is denied.
    pub approval: Duration,
}

/// The state of a live session.
#[derive(Debug)]
pub struct Machine {
    timeouts: SessionTimeouts,
    language: Language,
    conversation: Conversation,
    process: ProcessState,
    startup: Startup,
    shutdown: Shutdown,
    turn: Option<Turn>,
    /// A prompt that cannot be written yet.
    held: Option<Prompt>,
    /// When the held prompt no longer waits for Claude's list of commands.
    held_until: Option<Instant>,
    cost_total: Option<f64>,
    /// Until when a limit of the account is used up. Claude Code reports a change once, not in every turn.
    limited_until: Option<Timestamp>,
    /// How many lines in a row were not Claude Code's.
    garbage: u32,
    /// How many commands and subagents Claude runs in the background.
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
    /// Told to end with everything it started.
    Terminating {
        until: Instant,
    },
    /// Killed; only its exit is awaited.
    Killed {
        until: Instant,
    },
    Gone,
}

/// How far the process has started, and which attempts to start it were made.
#[derive(Debug, Default)]
struct Startup {
    /// The slash commands that Claude knows, once it has listed them.
    commands: Option<BTreeSet<String>>,
    /// Whether this process has begun a turn.
    has_begun_turn: bool,
    /// Whether the conversation's id was refused and the other way to start was tried: resume instead of new, or new
    /// instead of resume.
    tried_other_id: bool,
    /// Whether a process that ended before it could take the held prompt was started again.
    restarted: bool,
}

/// Whether the session is to end of its own accord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    NotPlanned,
    /// As soon as it is idle, to make room for another session.
    WhenIdle,
    /// As soon as it is idle, and at this time at the latest: the daemon shuts down.
    By(Instant),
}

impl Machine {
    /// A session whose process has just been started. `cost_total` is what the conversation cost before, in US dollars,
    /// if that is known.
    #[must_use]
    pub fn new(
        conversation: Conversation,
        timeouts: SessionTimeouts,
        language: Language,
        cost_total: Option<f64>,
        now: Instant,
    ) -> (Self, Vec<Effect>) {
        let is_new = matches!(conversation, Conversation::New(_));
        let machine = Self {
            timeouts,
            language,
            conversation,
            process: ProcessState::Up { idle_since: now },
            startup: Startup::default(),
            shutdown: Shutdown::NotPlanned,
            turn: None,
            held: None,
            held_until: None,
            cost_total: if is_new { Some(0.0) } else { cost_total },
            limited_until: None,
            garbage: 0,
            background: 0,
            gauges: SessionGauges::default(),
        };
        (machine, vec![Effect::Write(wire::initialize(INITIALIZE_ID))])
    }

    /// What the conversation has cost so far in US dollars, if that is known.
    pub(crate) fn cost_total(&self) -> Option<f64> {
        self.cost_total
    }

    /// The model, mode and context that Claude last reported.
    #[cfg(test)]
    pub(crate) fn gauges(&self) -> &SessionGauges {
        &self.gauges
    }

    /// The turn that runs now, if one does.
    #[must_use]
    pub fn turn(&self) -> Option<&Turn> {
        self.turn.as_ref()
    }

    /// Whether a turn runs or a prompt waits.
    pub(crate) fn is_busy(&self) -> bool {
        self.turn.is_some() || self.held.is_some()
    }

    /// Where the running turn's answer goes; `None` for a turn that nobody asked for.
    pub(crate) fn reply(&self) -> Option<ReplyTarget> {
        let prompt = self.turn.as_ref().and_then(Turn::prompt).or(self.held.as_ref())?;
        Some(prompt.reply.clone())
    }

    /// Takes an input and returns what to do, in order.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Prompt(prompt) => {
                self.held = Some(prompt);
                self.write_held(now)
            }
            Input::Claude(output) => self.handle_line(output, now),
            Input::Exited(exit) => self.exited(&exit, now),
            Input::NotStarted(why) => self.not_started(&why, now),
            Input::InputBlocked => self.give_up(Cause::InputBlocked, now),
            Input::Decide(decision, instruction) => self.decide(decision, instruction, now),
            Input::Typed(text, instruction) => self.typed(&text, instruction, now),
            Input::Mode(mode) => self.change_mode(mode),
            Input::Stop(mail) if self.is_asked_by(mail) => self.end_turn(TurnOutcome::Stopped, now),
            // It came too late, and the next turn is not meant.
            Input::Stop(_) => Vec::new(),
            Input::StopUnasked(instruction) => self.stop_unasked(instruction, now),
            Input::Close => {
                let mut effects = self.end_turn(TurnOutcome::Stopped, now);
                if self.turn.is_none() {
                    effects.extend(self.close(now));
                }
                effects
            }
            Input::Suspend => self.suspend(now),
            Input::Shutdown(by) => self.shut_down(by, now),
            Input::Tick => self.tick(now),
        }
    }

    fn is_asked_by(&self, mail: i64) -> bool {
        let running = self.turn.as_ref().and_then(Turn::prompt);
        running.into_iter().chain(&self.held).any(|prompt| prompt.mail == mail)
    }

    /// Writes the held prompt as soon as the process can take it. If the process is gone, it is started again.
    fn write_held(&mut self, now: Instant) -> Vec<Effect> {
        if self.process == ProcessState::Gone && self.held.is_some() {
            return self.relaunch(self.conversation.clone(), now);
        }
        let ready = matches!(self.process, ProcessState::Up { .. }) && self.turn.is_none();
        let Some(prompt) = self.held.take_if(|_| ready) else { return Vec::new() };
        self.held_until = None;
        let mut text = prompt.text.clone();
        if let Some(command) = prompt.slash_command() {
            match &self.startup.commands {
                None => {
                    self.held = Some(prompt);
                    self.held_until = Some(now + COMMAND_LIST_TIMEOUT);
                    return Vec::new();
                }
                Some(known) => match known.iter().find(|known| known.eq_ignore_ascii_case(command.name)) {
                    Some(name) => {
                        let typed =
                            prompt.text.strip_prefix('/').and_then(|text| text.split_whitespace().next());
                        if typed != Some(name) {
                            text = format!("/{name} {}", command.arguments).trim_end().to_owned();
                        }
                    }
                    None => {
                        let outcome = TurnOutcome::UnknownCommand(command.name.to_owned());
                        let turn = Turn::new(Some(prompt), self.timeouts.turn, now);
                        return self.settle(turn, outcome, None, now);
                    }
                },
            }
        }
        let line = wire::user_message(&prompt.turn_id, &text);
        self.turn = Some(Turn::new(Some(prompt), self.timeouts.turn, now));
        vec![Effect::Write(line)]
    }

    /// Changes the permission mode. A process that is ending or gone gets the mode at its next start.
    fn change_mode(&mut self, mode: String) -> Vec<Effect> {
        if mode == BYPASS {
            return vec![Effect::Tell(Notice::ModeRefused(mode))];
        }
        let line = matches!(self.process, ProcessState::Up { .. })
            .then(|| Effect::Write(wire::set_permission_mode(&format!("{SET_MODE_PREFIX}{mode}"), &mode)));
        line.into_iter().chain([Effect::Mode(mode)]).collect()
    }

    /// Settles a turn, and with it the requests that are still open.
    fn settle(
        &self,
        mut turn: Turn,
        outcome: TurnOutcome,
        cost_usd: Option<f64>,
        now: Instant,
    ) -> Vec<Effect> {
        let withdrawn = turn.withdraw_all(now).into_iter();
        let mut effects: Vec<Effect> =
            withdrawn.map(|request| Effect::Decided(request, RequestOutcome::Withdrawn)).collect();
        let finished = turn.finish(outcome, cost_usd, now);
        effects.push(Effect::Settle(FinishedTurn { gauges: self.gauges.clone(), ..finished }));
        effects
    }
}
