//! What each line of Claude's does, and how a turn ends by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Effect, INITIALIZE_ID, Machine, Notice, ProcessState, SET_MODE_PREFIX, Shutdown};
use crate::claude::failure::{self, Cause};
use crate::claude::launch::{BYPASS, Conversation};
use crate::claude::wire::{self, Assistant, Init, Output, PermissionRequest, TokenUsage, TurnResult};
use crate::session::turn::{RequestOutcome, ToldOnce, Turn, TurnOutcome};

/// A failing API call is told from this try on; the tries before it take two seconds.
const TOLD_RETRY: u32 = 3;
/// A wait of at least this length before the next try is told whichever try it is.
const TOLD_RETRY_DELAY: Duration = Duration::from_secs(30);
/// A program that writes this many lines in a row that are not Claude Code's is not Claude Code.
const MAX_GARBAGE_LINES: u32 = 1000;

impl Machine {
    pub(super) fn handle_line(&mut self, output: Output, now: Instant) -> Vec<Effect> {
        if let Some(turn) = &mut self.turn {
            turn.line_received(now);
        }
        self.garbage = if matches!(output, Output::Garbage) { self.garbage.saturating_add(1) } else { 0 };
        match output {
            Output::Init(init) => self.turn_began(init, now),
            Output::Result(result) => self.turn_ended(result, now),
            Output::Assistant(message) => {
                self.add_message(message, now);
                Vec::new()
            }
            Output::CallBegan { usage, subagent: false } => {
                self.call_began(usage);
                Vec::new()
            }
            Output::TextDelta { text, index, subagent: false } => {
                if let Some(turn) = &mut self.turn {
                    turn.stream(index, &text);
                }
                Vec::new()
            }
            Output::CallEnded { usage, cut_off, subagent: false } => {
                self.call_ended(usage, cut_off);
                Vec::new()
            }
            // A subagent's calls are not part of the answer.
            Output::CallBegan { .. } | Output::TextDelta { .. } | Output::CallEnded { .. } => Vec::new(),
            Output::ToolResult(end) => {
                if let Some(turn) = &mut self.turn {
                    turn.tool_ended(end, now);
                }
                Vec::new()
            }
            Output::Permission(request) => self.ask(request, now),
            Output::PermissionWithdrawn { request_id } => self.withdraw(&request_id, now),
            Output::Mode(mode) => self.mode_reported(mode),
            Output::ControlReply { request_id, result } => self.control_reply(&request_id, result, now),
            Output::UnknownRequest { request_id, .. } => {
                vec![Effect::Write(wire::refuse_request(&request_id))]
            }
            Output::ApiRetry { attempt, delay, status, .. } => {
                let is_told = attempt >= TOLD_RETRY || delay >= TOLD_RETRY_DELAY;
                self.tell_once(is_told, |told| &mut told.retrying, Notice::Retrying { status })
            }
            Output::Compacted { trigger } => self.compacted(&trigger, now),
            Output::CompactionFailed => {
                self.tell_once(true, |told| &mut told.compaction_failed, Notice::CompactionFailed)
            }
            Output::Cleared => {
                self.gauges.context = None;
                self.turn_or_unasked(now).done = Some(TurnOutcome::Cleared);
                Vec::new()
            }
            Output::RateLimit { status, resets_at, .. } => {
                self.limited_until = resets_at.filter(|_| status == "rejected");
                Vec::new()
            }
            Output::Background(tasks) => {
                self.background = tasks;
                Vec::new()
            }
            Output::TooLong => self.tell_once(true, |told| &mut told.line_lost, Notice::LineLost),
            Output::Garbage if self.garbage >= MAX_GARBAGE_LINES => self.give_up(Cause::NotClaude, now),
            Output::Other | Output::Garbage => Vec::new(),
        }
    }

    fn turn_began(&mut self, init: Init, now: Instant) -> Vec<Effect> {
        self.startup.has_begun_turn = true;
        self.startup.tried_other_id = false;
        self.startup.restarted = false;
        self.turn_or_unasked(now);
        self.gauges.model = init.model.or(self.gauges.model.take());
        self.gauges.mode = init.permission_mode.or(self.gauges.mode.take());
        let conversation = Conversation::Resume(init.session_id.clone());
        if self.conversation == conversation {
            return Vec::new();
        }
        self.conversation = conversation;
        vec![Effect::Conversation(init.session_id)]
    }

    fn add_message(&mut self, message: Assistant, now: Instant) {
        if let Some(model) = message.model.clone().filter(|_| !message.subagent) {
            self.gauges.model = Some(model);
        }
        self.turn_or_unasked(now).add_message(message, now);
    }

    fn call_began(&mut self, usage: TokenUsage) {
        if let Some(turn) = &mut self.turn {
            turn.message_begins();
        }
        self.update_context(usage);
    }

    fn call_ended(&mut self, usage: TokenUsage, cut_off: bool) {
        if let Some(turn) = self.turn.as_mut().filter(|_| cut_off) {
            turn.cut_off();
        }
        self.update_context(usage);
    }

    fn ask(&mut self, permission: PermissionRequest, now: Instant) -> Vec<Effect> {
        let timeout = self.timeouts.approval;
        let turn = self.turn_or_unasked(now);
        let request = turn.ask(permission, timeout, now);
        let open = turn.open_requests().count();
        if self.waits_for_nobody() {
            return self.end_turn(TurnOutcome::Interrupted, now);
        }
        vec![Effect::Ask(request, open)]
    }

    fn withdraw(&mut self, request_id: &str, now: Instant) -> Vec<Effect> {
        let turn = self.turn.as_mut();
        let request = turn.and_then(|turn| turn.decide(request_id, RequestOutcome::Withdrawn, now));
        request.map(|request| Effect::Decided(request, RequestOutcome::Withdrawn)).into_iter().collect()
    }

    /// The permission mode changed.
    fn mode_reported(&mut self, mode: String) -> Vec<Effect> {
        if mode == BYPASS {
            // Whatever changed it: nothing runs without permission.
            let line = wire::set_permission_mode(&format!("{SET_MODE_PREFIX}default"), "default");
            return vec![Effect::Write(line)];
        }
        let before = self.gauges.mode.replace(mode.clone());
        if before.as_ref() != Some(&mode) { vec![Effect::Mode(mode)] } else { Vec::new() }
    }

    fn control_reply(
        &mut self,
        request_id: &str,
        result: Result<serde_json::Value, String>,
        now: Instant,
    ) -> Vec<Effect> {
        if let Some(mode) = request_id.strip_prefix(SET_MODE_PREFIX) {
            return self.mode_answered(mode, result.is_ok());
        }
        if request_id != INITIALIZE_ID {
            return Vec::new();
        }
        self.startup.restarted = false;
        self.startup.commands = Some(result.map(|reply| command_names(&reply)).unwrap_or_default());
        self.write_held(now)
    }

    /// Claude's answer to a change of mode. If it refuses, the session keeps the mode it has.
    fn mode_answered(&mut self, mode: &str, accepted: bool) -> Vec<Effect> {
        if accepted {
            self.gauges.mode = Some(mode.to_owned());
            return Vec::new();
        }
        let kept = self.gauges.mode.clone().map(Effect::Mode);
        [Effect::Tell(Notice::ModeRefused(mode.to_owned()))].into_iter().chain(kept).collect()
    }

    fn compacted(&mut self, trigger: &str, now: Instant) -> Vec<Effect> {
        self.gauges.context = None;
        if trigger == "manual" {
            self.turn_or_unasked(now).done = Some(TurnOutcome::Compacted);
            return Vec::new();
        }
        self.tell_once(true, |told| &mut told.compacted, Notice::Compacted)
    }

    /// Tells the running turn's user, unless they were told in this turn.
    fn tell_once(&mut self, when: bool, told: fn(&mut ToldOnce) -> &mut bool, notice: Notice) -> Vec<Effect> {
        let Some(turn) = self.turn.as_mut().filter(|_| when) else { return Vec::new() };
        let was_told = std::mem::replace(told(&mut turn.told), true);
        if was_told { Vec::new() } else { vec![Effect::Tell(notice)] }
    }

    /// The running turn. If there is none, Claude has begun one by itself.
    fn turn_or_unasked(&mut self, now: Instant) -> &mut Turn {
        let limit = self.timeouts.turn;
        self.turn.get_or_insert_with(|| Turn::new(None, limit, now))
    }

    fn turn_ended(&mut self, result: TurnResult, now: Instant) -> Vec<Effect> {
        if !self.startup.has_begun_turn && failure::cause(&result, None) == Some(Cause::ConversationMissing) {
            // The process ends by itself, and its exit says the same.
            return Vec::new();
        }
        let Some(mut turn) = self.turn.take() else { return Vec::new() };
        let cost = self.turn_cost(&result);
        self.gauges.window = window(&result, self.gauges.model.as_deref()).or(self.gauges.window);
        if turn.prompt().is_some_and(|prompt| !result.answers(&prompt.turn_id)) {
            return self.unasked_turn_ended(turn, &result, cost, now);
        }
        if turn.ending.is_some() {
            // It is settled when the process has ended.
            self.turn = Some(turn);
            return self.terminate(now);
        }
        let outcome = self.outcome(&result, &mut turn);
        self.process = ProcessState::Up { idle_since: now };
        let mut effects = self.settle(turn, outcome, cost, now);
        effects.extend(self.write_held(now));
        if self.shutdown != Shutdown::NotPlanned && !self.is_busy() {
            effects.extend(self.close(now));
        }
        effects
    }

    /// A turn that Claude began by itself has ended while a prompt still waits for its answer.
    fn unasked_turn_ended(
        &mut self,
        mut turn: Turn,
        result: &TurnResult,
        cost: Option<f64>,
        now: Instant,
    ) -> Vec<Effect> {
        let mut unasked = turn.split_unasked(now);
        let is_ending = turn.ending.is_some();
        self.turn = Some(turn);
        let outcome = self.outcome(result, &mut unasked);
        let mut effects = self.settle(unasked, outcome, cost, now);
        if is_ending {
            // The interrupt hit the other turn, and Claude would begin this one now.
            effects.extend(self.terminate(now));
        }
        effects
    }

    fn outcome(&self, result: &TurnResult, turn: &mut Turn) -> TurnOutcome {
        let text = result.text.as_ref().filter(|text| !text.is_empty());
        if let Some(text) = text.filter(|_| !result.is_error && turn.is_silent()) {
            turn.add_text(text.clone());
        }
        let error = turn.error.as_deref();
        match (failure::cause(result, error), failure::explain(result, error, self.language)) {
            (Some(Cause::Interrupted), _) => TurnOutcome::Stopped,
            (Some(Cause::RateLimited), Some(sentence)) => match self.limited_until {
                Some(until) => TurnOutcome::Limited { until, words: text.cloned(), otherwise: sentence },
                None => TurnOutcome::Failed(sentence),
            },
            (_, Some(sentence)) => TurnOutcome::Failed(sentence),
            (_, None) => turn.done.take().filter(|_| turn.is_silent()).unwrap_or(TurnOutcome::Answered),
        }
    }

    /// Notes how much of the context the conversation takes, as the newest call tells.
    fn update_context(&mut self, usage: TokenUsage) {
        if usage.input > 0 {
            self.gauges.context = Some(usage.input.saturating_add(usage.output));
        }
    }

    /// The turn's share of the conversation's total cost.
    fn turn_cost(&mut self, result: &TurnResult) -> Option<f64> {
        let total = result.total_cost_usd?;
        let before = self.cost_total.replace(total)?;
        // `/clear` starts the total at zero again.
        Some(if total >= before { total - before } else { total })
    }
}

/// The context window of this model. If the result knows the model under another name, the largest window counts.
fn window(result: &TurnResult, model: Option<&str>) -> Option<u64> {
    let windows = &result.windows;
    model.and_then(|model| windows.get(model)).or_else(|| windows.values().max()).copied()
}

/// The names in the reply to `initialize`: `{"commands":[{"name":"compact",…},…]}`.
fn command_names(reply: &serde_json::Value) -> BTreeSet<String> {
    let commands = reply["commands"].as_array().map(Vec::as_slice).unwrap_or_default();
    commands.iter().filter_map(|command| command["name"].as_str()).map(str::to_owned).collect()
}
