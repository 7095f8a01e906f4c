//! What Claude says, and how a turn ends by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Effect, INITIALIZE, Machine, Notice, ProcessState, SET_MODE};
use crate::claude::failure::{self, Cause};
use crate::claude::launch::{BYPASS, Conversation};
use crate::claude::wire::{self, Output, TokenUsage, TurnResult};
use crate::session::turn::{RequestOutcome, ToldOnce, Turn, TurnOutcome};

/// From this try of an API call on, its failing is told: until then it takes two seconds.
const RETRIES_UNTOLD: u32 = 3;
/// A wait of this length is told whichever try it is.
const LONG_DELAY: Duration = Duration::from_secs(30);
/// A program that writes so many lines in a row that are none of Claude's is not Claude.
const BABBLE: u32 = 1000;

impl Machine {
    pub(super) fn hear(&mut self, output: Output, now: Instant) -> Vec<Effect> {
        if let Some(turn) = &mut self.turn {
            turn.heard_a_line(now);
        }
        self.garbage = if matches!(output, Output::Garbage) { self.garbage.saturating_add(1) } else { 0 };
        match output {
            Output::Init(init) => {
                self.seen_init = true;
                self.retried = false;
                self.restarted = false;
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
            Output::Assistant(said) => {
                if let Some(model) = said.model.clone().filter(|_| !said.subagent) {
                    self.gauges.model = Some(model);
                }
                self.turn_or_unasked(now).hear(said, now);
                Vec::new()
            }
            Output::CallBegan { usage, subagent: false } => {
                if let Some(turn) = &mut self.turn {
                    turn.message_begins();
                }
                self.gauge(usage);
                Vec::new()
            }
            Output::TextDelta { text, index, subagent: false } => {
                if let Some(turn) = &mut self.turn {
                    turn.stream(index, &text);
                }
                Vec::new()
            }
            Output::CallEnded { usage, cut_off, subagent: false } => {
                if let Some(turn) = self.turn.as_mut().filter(|_| cut_off) {
                    turn.cut_off();
                }
                self.gauge(usage);
                Vec::new()
            }
            Output::CallBegan { .. } | Output::TextDelta { .. } | Output::CallEnded { .. } => Vec::new(),
            Output::Permission(request) => {
                let time = self.limits.approval;
                let turn = self.turn_or_unasked(now);
                let ask = turn.ask(request, time, now);
                let asks = turn.asks().count();
                if self.waits_for_nobody() {
                    return self.end_turn(TurnOutcome::Cut, now);
                }
                vec![Effect::Ask(ask, asks)]
            }
            Output::PermissionWithdrawn { request_id } => {
                let turn = self.turn.as_mut();
                let ask = turn.and_then(|turn| turn.decide(&request_id, RequestOutcome::Withdrawn, now));
                ask.map(|ask| Effect::Decided(ask, RequestOutcome::Withdrawn)).into_iter().collect()
            }
            // Whatever brought it there: nothing runs unasked.
            Output::Mode(mode) if mode == BYPASS => {
                vec![Effect::Write(wire::set_permission_mode(&format!("{SET_MODE}default"), "default"))]
            }
            Output::Mode(mode) => {
                let before = self.gauges.mode.replace(mode.clone());
                if before.as_ref() != Some(&mode) { vec![Effect::Mode(mode)] } else { Vec::new() }
            }
            Output::Result(result) => self.result(result, now),
            Output::ControlReply { request_id, result } => {
                if let Some(mode) = request_id.strip_prefix(SET_MODE) {
                    return self.mode_changed(mode, result.is_ok());
                }
                if request_id != INITIALIZE {
                    return Vec::new();
                }
                self.restarted = false;
                self.commands = Some(result.map(|reply| command_names(&reply)).unwrap_or_default());
                self.write_held(now)
            }
            Output::UnknownRequest { request_id, .. } => {
                vec![Effect::Write(wire::refuse_request(&request_id))]
            }
            Output::ToolResult(end) => {
                if let Some(turn) = &mut self.turn {
                    turn.tool_ended(end, now);
                }
                Vec::new()
            }
            Output::ApiRetry { attempt, delay, status, .. } => {
                let long = attempt >= RETRIES_UNTOLD || delay >= LONG_DELAY;
                self.tell_once(long, |told| &mut told.retrying, Notice::Retrying { status })
            }
            Output::Compacted { trigger } if trigger == "manual" => {
                self.gauges.context = None;
                self.turn_or_unasked(now).done = Some(TurnOutcome::Compacted);
                Vec::new()
            }
            Output::Cleared => {
                self.gauges.context = None;
                self.turn_or_unasked(now).done = Some(TurnOutcome::Cleared);
                Vec::new()
            }
            Output::Compacted { .. } => {
                self.gauges.context = None;
                self.tell_once(true, |told| &mut told.compacted, Notice::Compacted)
            }
            Output::CompactionFailed => {
                self.tell_once(true, |told| &mut told.compaction_failed, Notice::CompactionFailed)
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
            Output::Garbage if self.garbage >= BABBLE => self.give_up(Cause::NotClaude, now),
            Output::Other | Output::Garbage => Vec::new(),
        }
    }

    /// Tells the running turn's user, unless he was told in this turn.
    fn tell_once(&mut self, when: bool, told: fn(&mut ToldOnce) -> &mut bool, notice: Notice) -> Vec<Effect> {
        let Some(turn) = self.turn.as_mut().filter(|_| when) else { return Vec::new() };
        let was_told = std::mem::replace(told(&mut turn.told), true);
        if was_told { Vec::new() } else { vec![Effect::Tell(notice)] }
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
        self.gauges.window = window(&result, self.gauges.model.as_deref()).or(self.gauges.window);
        if turn.prompt().is_some_and(|prompt| !result.answers(&prompt.turn_id)) {
            // A turn of Claude's own came between; the prompt still waits for its answer.
            let mut unasked = turn.split_unasked(now);
            self.turn = Some(turn);
            let outcome = self.outcome(&result, &mut unasked);
            let mut effects = self.settle(unasked, outcome, cost, now);
            if self.turn.as_ref().is_some_and(|turn| turn.ending.is_some()) {
                // The interrupt hit the other turn, and Claude would begin this one now.
                effects.extend(self.terminate(now));
            }
            return effects;
        }
        if turn.ending.is_some() {
            // Told when nothing of it is left.
            self.turn = Some(turn);
            return self.terminate(now);
        }
        let outcome = self.outcome(&result, &mut turn);
        self.process = ProcessState::Up { idle_since: now };
        let mut effects = self.settle(turn, outcome, cost, now);
        effects.extend(self.write_held(now));
        if (self.is_leaving() || self.sleepy) && !self.is_busy() {
            effects.extend(self.close(now));
        }
        effects
    }

    fn outcome(&self, result: &TurnResult, turn: &mut Turn) -> TurnOutcome {
        let text = result.text.as_ref().filter(|text| !text.is_empty());
        if let Some(text) = text.filter(|_| !result.is_error && turn.is_silent()) {
            turn.say(text.clone());
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

    /// The newest call tells how much of the context the conversation takes.
    fn gauge(&mut self, usage: TokenUsage) {
        if usage.input > 0 {
            self.gauges.context = Some(usage.input.saturating_add(usage.output));
        }
    }

    /// The turn's share of the conversation's running total.
    fn cost_of(&mut self, result: &TurnResult) -> Option<f64> {
        let total = result.total_cost_usd?;
        let before = self.cost_total.replace(total)?;
        // `/clear` starts the total again.
        Some(if total >= before { total - before } else { total })
    }
}

/// The context of the model that speaks; of the largest one, should it go by another name there.
fn window(result: &TurnResult, model: Option<&str>) -> Option<u64> {
    let windows = &result.windows;
    model.and_then(|model| windows.get(model)).or_else(|| windows.values().max()).copied()
}

/// The names in the reply to `initialize`: `{"commands":[{"name":"compact",…},…]}`.
fn command_names(reply: &serde_json::Value) -> BTreeSet<String> {
    let commands = reply["commands"].as_array().map(Vec::as_slice).unwrap_or_default();
    commands.iter().filter_map(|command| command["name"].as_str()).map(str::to_owned).collect()
}
