//! A turn: its prompt, what Claude has said and done so far, and the clock that limits it.
//!
//! Pure: the machine updates it, and the actor records its outcome.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::claude::wire::{Assistant, ContentBlock, PermissionRequest, SlashCommand, ToolEnd, slash_command};
use crate::ids::{ChatId, MessageId};
use crate::mail::Recipient;
use crate::render::document::LongAnswers;

mod clock;
mod finished;
mod open_request;
mod text;

use clock::{SilenceWatch, TurnClock};
pub use finished::{Approval, FinishedTurn, RequestOutcome, SessionGauges, ToolUse, TurnOutcome};
pub use open_request::OpenRequest;
use text::TurnText;

/// A prompt for Claude.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// The id of the turn in `mail.db`, and of the message in Claude's protocol.
    pub turn_id: Uuid,
    /// The number of the inbox entry that it comes from.
    pub mail: i64,
    /// The text as it was typed.
    pub text: String,
    /// The chat in which it was written.
    pub chat_id: ChatId,
    /// Where the answer goes.
    pub reply: ReplyTarget,
    /// In which form an answer of more than a few screens is sent.
    pub long: LongAnswers,
}

impl Prompt {
    /// The slash command that the prompt asks Claude to run, if it has the form of one.
    pub(crate) fn slash_command(&self) -> Option<SlashCommand<'_>> {
        slash_command(&self.text)
    }
}

/// Where an answer goes: to a chat, and in a group as a reply to the message that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyTarget {
    /// The chat or person that gets it.
    pub to: Recipient,
    /// The message to reply to; `None` outside groups.
    pub under: Option<MessageId>,
}

/// A turn in progress.
#[derive(Debug)]
pub struct Turn {
    id: Uuid,
    prompt: Option<Prompt>,
    started: Instant,
    text: TurnText,
    tools: Vec<ToolUse>,
    approvals: Vec<Approval>,
    open: VecDeque<OpenRequest>,
    clock: TurnClock,
    silence: SilenceWatch,
    /// Why it is being ended early, once it is.
    pub(crate) ending: Option<TurnOutcome>,
    /// Claude Code's kind for the error of its last API call, if that failed.
    pub(crate) error: Option<String>,
    /// The outcome if the turn ends well and without text: a command of Claude Code's was carried out.
    pub(crate) done: Option<TurnOutcome>,
    /// What its user was told already and need not be told again.
    pub(crate) told: ToldOnce,
}

/// Which notices the user of a turn has had. Each is given once in a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ToldOnce {
    /// Calls to the API fail and are tried again.
    pub(crate) retrying: bool,
    /// The conversation was summarised.
    pub(crate) compacted: bool,
    /// Summarising the conversation failed.
    pub(crate) compaction_failed: bool,
    /// A line was too long to be read.
    pub(crate) line_lost: bool,
}

impl Turn {
    /// A turn that begins now and may take `limit`.
    pub(crate) fn new(prompt: Option<Prompt>, limit: Duration, now: Instant) -> Self {
        Self {
            id: prompt.as_ref().map_or_else(Uuid::new_v4, |prompt| prompt.turn_id),
            prompt,
            started: now,
            text: TurnText::default(),
            tools: Vec::new(),
            approvals: Vec::new(),
            open: VecDeque::new(),
            clock: TurnClock::new(limit, now),
            silence: SilenceWatch::new(now),
            ending: None,
            error: None,
            done: None,
            told: ToldOnce::default(),
        }
    }

    /// Its id: the prompt's, or one of its own if nobody asked for the turn.
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    /// When the turn began.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The prompt that it answers; `None` if Claude began it by itself.
    pub(crate) fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// Adds a finished part of an answer. A subagent's text is not part of the answer.
    pub(crate) fn add_message(&mut self, message: Assistant, now: Instant) {
        // Claude Code's own text about a failure is told with the outcome.
        let is_failure = message.synthetic && message.error.is_some();
        if message.error.is_some() {
            self.error = message.error;
        }
        for block in message.blocks {
            match block {
                ContentBlock::Text(text) if !message.subagent && !is_failure && !text.is_empty() => {
                    self.text.add(text, message.message_id.as_deref());
                }
                ContentBlock::ToolUse { id, name, input } => {
                    self.text.tool_used();
                    let after = now.duration_since(self.started);
                    let (subagent, end) = (message.subagent, None);
                    self.tools.push(ToolUse { id, name, input, subagent, after, end, is_error: None });
                }
                ContentBlock::Text(_) => {}
                ContentBlock::Other => self.text.other_block(),
            }
        }
    }

    /// Notes that the model begins a message.
    pub(crate) fn message_begins(&mut self) {
        self.text.message_begins();
    }

    /// Adds a piece of a text that is being written. [`Turn::add_message`] brings the complete text later.
    pub(crate) fn stream(&mut self, index: u64, text: &str) {
        self.text.stream(index, text);
    }

    /// Notes that the text so far broke off at a length limit; the next message continues it.
    pub(crate) fn cut_off(&mut self) {
        self.text.cut_off();
    }

    /// The last `max_bytes` of what Claude has said so far, including what it is writing now, and the number of bytes
    /// before them.
    #[must_use]
    pub fn said(&self, max_bytes: usize) -> (String, usize) {
        self.text.end(max_bytes)
    }

    /// Notes the end of a tool use.
    pub(crate) fn tool_ended(&mut self, end: ToolEnd, now: Instant) {
        if let Some(tool) = self.tools.iter_mut().rev().find(|tool| tool.id == end.tool_use_id) {
            tool.is_error = Some(end.is_error);
            tool.end = Some((now.duration_since(self.started), end));
        }
    }

    /// Adds a permission request, which counts as denied after `timeout`. The turn's clock is paused until every open
    /// request is decided.
    pub(crate) fn ask(
        &mut self,
        permission: PermissionRequest,
        timeout: Duration,
        now: Instant,
    ) -> OpenRequest {
        self.clock.pause(now);
        self.silence.pause();
        let after = now.duration_since(self.started);
        let request = OpenRequest::new(permission, self.text.last(), self.id, after, now, timeout);
        self.open.push_back(request.clone());
        request
    }

    /// The open requests, the oldest first.
    pub(crate) fn open_requests(&self) -> impl Iterator<Item = &OpenRequest> {
        self.open.iter()
    }

    /// The tool that runs now: of those that have not ended, the one that was started last.
    pub(crate) fn running_tool(&self) -> Option<&ToolUse> {
        self.tools.iter().rev().find(|tool| tool.is_error.is_none() && !tool.subagent)
    }

    /// The tools used so far.
    pub(crate) fn tools(&self) -> &[ToolUse] {
        &self.tools
    }

    /// The requests decided so far.
    pub(crate) fn approvals(&self) -> &[Approval] {
        &self.approvals
    }

    /// Removes an open request and records what was decided.
    pub(crate) fn decide(
        &mut self,
        request_id: &str,
        decision: RequestOutcome,
        now: Instant,
    ) -> Option<OpenRequest> {
        let position = self.open.iter().position(|open| open.permission.request_id == request_id)?;
        let request = self.open.remove(position)?;
        self.approvals.push(Approval {
            request_id: request_id.to_owned(),
            tool: request.permission.tool.clone(),
            input: request.permission.input.clone(),
            decision,
            after: now.duration_since(self.started),
        });
        if self.open.is_empty() {
            self.clock.resume(now);
            self.silence.resume(now);
        }
        Some(request)
    }

    /// Removes an open request that has expired, if there is one.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<OpenRequest> {
        let request = self.open.iter().find(|request| request.expires <= now)?;
        let request_id = request.permission.request_id.clone();
        self.decide(&request_id, RequestOutcome::Expired, now)
    }

    /// Removes all open requests.
    pub(crate) fn withdraw_all(&mut self, now: Instant) -> Vec<OpenRequest> {
        let open: Vec<String> =
            self.open.iter().map(|request| request.permission.request_id.clone()).collect();
        open.iter().filter_map(|request_id| self.decide(request_id, RequestOutcome::Withdrawn, now)).collect()
    }

    /// An open request of which its person is to be reminded now. Each request is returned once.
    pub(crate) fn remind(&mut self, now: Instant) -> Option<OpenRequest> {
        let request = self.open.iter_mut().find(|request| request.remind.is_some_and(|at| at <= now))?;
        request.remind = None;
        Some(request.clone())
    }

    /// When something is due: a request expires or is to be reminded of, a silence is to be told, or the turn has had
    /// its time.
    pub(crate) fn due(&self) -> Option<Instant> {
        let requests =
            self.open.iter().flat_map(|request| [Some(request.expires), request.remind]).flatten().min();
        requests.into_iter().chain(self.clock.ends()).chain(self.silence.due()).min()
    }

    /// Notes that a line of any kind was read.
    pub(crate) fn line_received(&mut self, now: Instant) {
        self.silence.line_received(now);
    }

    /// If Claude's silence is to be told now: how long it has lasted, and how long the turn may still take.
    pub(crate) fn silence(&mut self, now: Instant) -> Option<(Duration, Duration)> {
        let lasted = self.silence.take_due(now)?;
        let left = self.clock.ends().map_or(Duration::ZERO, |end| end.saturating_duration_since(now));
        Some((lasted, left))
    }

    /// Whether the turn has had its time.
    pub(crate) fn is_over_time(&self, now: Instant) -> bool {
        self.clock.ends().is_some_and(|end| end <= now)
    }

    /// Ends the turn. Call [`Turn::withdraw_all`] first, as open requests are dropped.
    pub(crate) fn finish(self, outcome: TurnOutcome, cost_usd: Option<f64>, now: Instant) -> FinishedTurn {
        FinishedTurn {
            id: self.id,
            prompt: self.prompt,
            text: self.text.joined(),
            outcome,
            took: now.duration_since(self.started),
            cost_usd,
            tools: self.tools,
            approvals: self.approvals,
            gauges: SessionGauges::default(),
        }
    }

    /// Whether Claude has said nothing yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.text.is_empty()
    }

    /// Adds a text that only the result carried.
    pub(crate) fn add_text(&mut self, text: String) {
        self.text.add(text, None);
    }

    /// Splits off everything said and done so far: it belongs to a turn that Claude began by itself, while this turn's
    /// prompt still waits for its answer.
    pub(crate) fn split_unasked(&mut self, now: Instant) -> Turn {
        let mut unasked = Turn::new(None, Duration::ZERO, now);
        unasked.started = self.started;
        unasked.text = std::mem::take(&mut self.text);
        unasked.tools = std::mem::take(&mut self.tools);
        unasked.error = self.error.take();
        unasked
    }
}

#[cfg(test)]
mod tests;
