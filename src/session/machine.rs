//! What a live session does: a pure state machine, `(state, input, now) → effects`.
//!
//! It knows one `claude` process at a time. The actor (`session::actor`) runs the effects and feeds back what happens.
//! Promises, whatever comes and in whatever order:
//! - a prompt is written to Claude once, and its turn is reported [`Effect::Settle`]d exactly once;
//! - a turn that is stopped or timed out is settled when the process and all it started have ended, never before;
//! - every wait has an end: see [`Machine::due`].

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::turn::{Decided, Outcome, Prompt, Reply, Turn};
use crate::claude::failure::{self, Cause};
use crate::claude::launch::Conversation;
use crate::claude::wire::{self, Output, TurnResult};
use crate::language::Language;

/// How long a slash command waits for Claude's list of those it knows; a start takes 0.3 s.
const COMMANDS_GRACE: Duration = Duration::from_secs(20);
/// The `request_id` of the `initialize` request.
const INITIALIZE: &str = "initialize";

mod lifecycle;
mod signals;
#[cfg(test)]
mod tests;
mod time;

pub use signals::{Decision, Effect, Input, Order};

/// The times a session keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
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
    limits: Limits,
    language: Language,
    conversation: Conversation,
    process: Process,
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
    leave_by: Option<Instant>,
    /// Whether it is to make room once it is done.
    sleepy: bool,
}

#[derive(Debug, PartialEq)]
enum Process {
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
    Killed,
    Gone,
}

impl Machine {
    /// A session whose process has just been started. `cost_total` is what the conversation had cost before, in US
    /// dollars, if it is known.
    #[must_use]
    pub fn new(
        conversation: Conversation,
        limits: Limits,
        language: Language,
        cost_total: Option<f64>,
        now: Instant,
    ) -> (Self, Vec<Effect>) {
        let fresh = matches!(conversation, Conversation::New(_));
        let machine = Self {
            limits,
            language,
            conversation,
            process: Process::Up { idle_since: now },
            turn: None,
            held: None,
            held_until: None,
            commands: None,
            seen_init: false,
            retried: false,
            cost_total: if fresh { Some(0.0) } else { cost_total },
            leave_by: None,
            sleepy: false,
        };
        (machine, vec![Effect::Write(wire::initialize(INITIALIZE))])
    }

    /// What the conversation has cost so far, in US dollars, if it is known.
    #[must_use]
    pub fn cost_total(&self) -> Option<f64> {
        self.cost_total
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

    /// Where the running turn's answer goes; none for a turn that nobody asked for.
    #[must_use]
    pub fn reply(&self) -> Option<Reply> {
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
            Input::NotStarted(why) => self.gone(|_| why, now),
            Input::Decide(decision, order) => self.decide(decision, order, now),
            Input::Stop(mail) if self.is_asked_by(mail) => self.end_turn(Outcome::Stopped, now),
            // It came too late; the next turn is not meant.
            Input::Stop(_) => Vec::new(),
            Input::Close => {
                let mut effects = self.end_turn(Outcome::Stopped, now);
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
        if self.process == Process::Gone && self.held.is_some() {
            return self.relaunch(self.conversation.clone(), now);
        }
        let ready = matches!(self.process, Process::Up { .. }) && self.turn.is_none();
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
                    let outcome = Outcome::UnknownCommand(name.to_owned());
                    let turn = Turn::new(Some(prompt), self.limits.turn, now);
                    return vec![Effect::Settle(turn.finish(outcome, None, now))];
                }
                Some(_) => {}
            }
        }
        let line = wire::user_message(&prompt.turn_id, &prompt.text);
        self.turn = Some(Turn::new(Some(prompt), self.limits.turn, now));
        vec![Effect::Write(line)]
    }

    fn hear(&mut self, output: Output, now: Instant) -> Vec<Effect> {
        match output {
            Output::Init(init) => {
                self.seen_init = true;
                self.retried = false;
                self.turn_or_unasked(now);
                let conversation = Conversation::Resume(init.session_id.clone());
                if self.conversation == conversation {
                    return Vec::new();
                }
                self.conversation = conversation;
                vec![Effect::Conversation(init.session_id)]
            }
            Output::Assistant(said) => {
                self.turn_or_unasked(now).hear(said);
                Vec::new()
            }
            Output::Permission(request) => {
                let expires = now + self.limits.approval;
                let turn = self.turn_or_unasked(now);
                turn.ask(request.clone(), expires, now);
                vec![Effect::Ask(request, turn.open_requests())]
            }
            Output::PermissionWithdrawn { request_id } => {
                if let Some(turn) = &mut self.turn {
                    turn.withdraw(&request_id, now);
                }
                Vec::new()
            }
            Output::Result(result) => self.result(result, now),
            Output::ControlReply { request_id, result } => {
                if request_id != INITIALIZE {
                    return Vec::new();
                }
                self.commands = Some(result.map(|reply| command_names(&reply)).unwrap_or_default());
                self.write_held(now)
            }
            Output::UnknownRequest { request_id, .. } => {
                vec![Effect::Write(wire::refuse_request(&request_id))]
            }
            Output::ToolResult { tool_use_id, is_error } => {
                if let Some(turn) = &mut self.turn {
                    turn.tool_ended(&tool_use_id, is_error);
                }
                Vec::new()
            }
            Output::ApiRetry { .. }
            | Output::Compacted { .. }
            | Output::RateLimit { .. }
            | Output::Other
            | Output::Garbage => Vec::new(),
        }
    }

    fn turn_or_unasked(&mut self, now: Instant) -> &mut Turn {
        let limit = self.limits.turn;
        self.turn.get_or_insert_with(|| Turn::new(None, limit, now))
    }

    fn result(&mut self, result: TurnResult, now: Instant) -> Vec<Effect> {
        if !self.seen_init && failure::cause(&result, None) == Some(Cause::ConversationMissing) {
            // The process ends by itself; its exit says the same.
            return Vec::new();
        }
        let Some(mut turn) = self.turn.take() else { return Vec::new() };
        let cost = self.cost_of(&result);
        let uuids = &result.user_message_uuids;
        let elsewhere =
            turn.prompt().is_some_and(|prompt| !uuids.is_empty() && !uuids.contains(&prompt.turn_id));
        if elsewhere {
            let unasked = turn.split_unasked(now).finish(Outcome::Answered, cost, now);
            self.turn = Some(turn);
            return vec![Effect::Settle(unasked)];
        }
        let told = !result.is_error && turn.is_silent();
        if let Some(text) = result.text.as_ref().filter(|text| told && !text.is_empty()) {
            turn.say(text.clone());
        }
        if turn.ending.is_some() {
            // Told when nothing of it is left.
            self.turn = Some(turn);
            return self.terminate(now);
        }
        let outcome = self.outcome(&result, &mut turn);
        self.process = Process::Up { idle_since: now };
        let mut effects = vec![Effect::Settle(turn.finish(outcome, cost, now))];
        effects.extend(self.write_held(now));
        if (self.is_leaving() || self.sleepy) && !self.is_busy() {
            effects.extend(self.close(now));
        }
        effects
    }

    fn outcome(&self, result: &TurnResult, turn: &mut Turn) -> Outcome {
        let error = turn.error.as_deref();
        match (failure::cause(result, error), failure::explain(result, error, self.language)) {
            (Some(Cause::Interrupted), _) => Outcome::Stopped,
            (_, Some(sentence)) => Outcome::Failed(sentence),
            (_, None) => Outcome::Answered,
        }
    }

    /// The turn's share of the conversation's running total.
    fn cost_of(&mut self, result: &TurnResult) -> Option<f64> {
        let total = result.total_cost_usd?;
        let before = self.cost_total.replace(total)?;
        // `/clear` starts the total again.
        Some(if total >= before { total - before } else { total })
    }

    fn decide(&mut self, decision: Decision, order: Order, now: Instant) -> Vec<Effect> {
        let decided = match decision {
            Decision::Allow => Decided::Allowed,
            Decision::Deny(_) => Decided::Denied,
        };
        let Some(request) = self.turn.as_mut().and_then(|turn| turn.decide(decided, now)) else {
            return vec![Effect::NothingAsked(order)];
        };
        let line = match decision {
            Decision::Allow => wire::allow(&request.request_id),
            Decision::Deny(reason) => {
                wire::deny(&request.request_id, &reason.unwrap_or_else(|| "The user said no.".to_owned()))
            }
        };
        vec![Effect::Write(line), Effect::Followed(order)]
    }
}

/// The names in the reply to `initialize`: `{"commands":[{"name":"compact",…},…]}`.
fn command_names(reply: &serde_json::Value) -> BTreeSet<String> {
    let commands = reply["commands"].as_array().map(Vec::as_slice).unwrap_or_default();
    commands.iter().filter_map(|command| command["name"].as_str()).map(str::to_owned).collect()
}
