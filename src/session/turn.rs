//! One turn: what was asked, what Claude has said and done so far, and the clock that ends it.
//!
//! Pure: the machine feeds it, the actor writes its outcome down.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::claude::wire::{Assistant, ContentBlock, PermissionRequest, ToolEnd};
use crate::ids::{ChatId, MessageId};
use crate::mail::Recipient;
use crate::render::document::LongAnswers;

mod ask;
mod clock;
mod done;
mod speech;

pub use ask::OpenRequest;
use clock::{SilenceWatch, TurnClock};
pub use done::{Approval, FinishedTurn, RequestOutcome, SessionGauges, ToolUse, TurnOutcome};
use speech::TurnText;

/// A prompt on its way to Claude.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// Names the turn in `mail.db`, and the message in Claude's protocol.
    pub turn_id: Uuid,
    /// The inbox entry that it answers.
    pub mail: i64,
    /// The words, as they were typed.
    pub text: String,
    /// The chat it was written in.
    pub chat_id: ChatId,
    /// Where the answer goes.
    pub reply: ReplyTarget,
    /// What becomes of an answer that is longer than a few screens.
    pub long: LongAnswers,
}

impl Prompt {
    /// The name of the slash command that the prompt asks Claude to run, if it looks like one.
    #[must_use]
    pub fn slash_command(&self) -> Option<&str> {
        self.text.strip_prefix('/')?.split_whitespace().next()
    }
}

/// Where an answer goes: to a chat, and in a group under the message that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyTarget {
    /// The chat or person.
    pub to: Recipient,
    /// The message that is quoted.
    pub under: Option<MessageId>,
}

/// A turn in progress.
#[derive(Debug)]
pub struct Turn {
    id: Uuid,
    prompt: Option<Prompt>,
    started: Instant,
    speech: TurnText,
    tools: Vec<ToolUse>,
    approvals: Vec<Approval>,
    open: VecDeque<OpenRequest>,
    clock: TurnClock,
    quiet: SilenceWatch,
    /// Why it is being ended early, once it is.
    pub ending: Option<TurnOutcome>,
    /// What Claude said was wrong with its last call, as a word of its protocol.
    pub error: Option<String>,
    /// How it ends if it ends well and without a word: what its user told Claude Code to do is done.
    pub done: Option<TurnOutcome>,
    /// What its user was told already, and need not be told again.
    pub told: ToldOnce,
}

/// What is told once in a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToldOnce {
    /// That calls of the API fail and are tried again.
    pub retrying: bool,
    /// That the conversation was summarised.
    pub compacted: bool,
    /// That the conversation could not be summarised.
    pub compaction_failed: bool,
    /// That a line was too long to be read.
    pub line_lost: bool,
}

impl Turn {
    /// A turn that begins now and may take `limit`.
    #[must_use]
    pub fn new(prompt: Option<Prompt>, limit: Duration, now: Instant) -> Self {
        Self {
            id: prompt.as_ref().map_or_else(Uuid::new_v4, |prompt| prompt.turn_id),
            prompt,
            started: now,
            speech: TurnText::default(),
            tools: Vec::new(),
            approvals: Vec::new(),
            open: VecDeque::new(),
            clock: TurnClock::new(limit, now),
            quiet: SilenceWatch::new(now),
            ending: None,
            error: None,
            done: None,
            told: ToldOnce::default(),
        }
    }

    /// The name of the turn: its prompt's, or one of its own when nobody asked for it.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// When it began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The prompt that it answers.
    #[must_use]
    pub fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// Takes what Claude said; a subagent's words are not part of the answer.
    pub fn hear(&mut self, said: Assistant, now: Instant) {
        // What Claude Code itself says of a failure is told with the outcome.
        let failure = said.synthetic && said.error.is_some();
        if said.error.is_some() {
            self.error = said.error;
        }
        for block in said.blocks {
            match block {
                ContentBlock::Text(text) if !said.subagent && !failure && !text.is_empty() => {
                    self.speech.hear(text, said.message_id.as_deref());
                }
                ContentBlock::ToolUse { id, name, input } => {
                    self.speech.work();
                    let after = now.duration_since(self.started);
                    let (subagent, end) = (said.subagent, None);
                    self.tools.push(ToolUse { id, name, input, subagent, after, end, is_error: None });
                }
                ContentBlock::Text(_) => {}
                ContentBlock::Other => self.speech.pause(),
            }
        }
    }

    /// Takes the beginning of a message of the model's.
    pub fn message_begins(&mut self) {
        self.speech.begin();
    }

    /// Takes a piece of a text that is being written; [`Turn::hear`] brings the whole of it.
    pub fn stream(&mut self, index: u64, text: &str) {
        self.speech.stream(index, text);
    }

    /// The text so far broke off at a limit; the next message goes on with it.
    pub fn cut_off(&mut self) {
        self.speech.cut_off();
    }

    /// What Claude has said so far, also what it is writing now: so many bytes at the end of it, and how many are left
    /// out before them.
    #[must_use]
    pub fn said(&self, at_most: usize) -> (String, usize) {
        self.speech.end(at_most)
    }

    /// Takes the end of a tool use.
    pub fn tool_ended(&mut self, end: ToolEnd, now: Instant) {
        if let Some(tool) = self.tools.iter_mut().rev().find(|tool| tool.id == end.tool_use_id) {
            tool.is_error = Some(end.is_error);
            tool.end = Some((now.duration_since(self.started), end));
        }
    }

    /// Takes a permission request, which is a denial after `time`; the turn's clock stands until every open one is
    /// decided.
    pub fn ask(&mut self, request: PermissionRequest, time: Duration, now: Instant) -> OpenRequest {
        self.clock.stand(now);
        self.quiet.stand();
        let after = now.duration_since(self.started);
        let ask = OpenRequest::new(request, self.speech.last(), self.id, after, now, time);
        self.open.push_back(ask.clone());
        ask
    }

    /// The open requests, the oldest first.
    pub fn asks(&self) -> impl Iterator<Item = &OpenRequest> {
        self.open.iter()
    }

    /// The tool that runs now: the one that was begun last of those that have not ended.
    #[must_use]
    pub fn running_tool(&self) -> Option<&ToolUse> {
        self.tools.iter().rev().find(|tool| tool.is_error.is_none() && !tool.subagent)
    }

    /// The tools that were used so far.
    #[must_use]
    pub fn tools(&self) -> &[ToolUse] {
        &self.tools
    }

    /// The requests that were decided so far.
    #[must_use]
    pub fn approvals(&self) -> &[Approval] {
        &self.approvals
    }

    /// How many requests are open.
    #[must_use]
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    /// Takes an open request away, with what was decided.
    pub fn decide(
        &mut self,
        request_id: &str,
        decision: RequestOutcome,
        now: Instant,
    ) -> Option<OpenRequest> {
        let place = self.open.iter().position(|ask| ask.request.request_id == request_id)?;
        let ask = self.open.remove(place)?;
        self.approvals.push(Approval {
            request_id: request_id.to_owned(),
            tool: ask.request.tool.clone(),
            input: ask.request.input.clone(),
            decision,
            after: now.duration_since(self.started),
        });
        if self.open.is_empty() {
            self.clock.run(now);
            self.quiet.run(now);
        }
        Some(ask)
    }

    /// Takes away an open request whose time is over.
    pub fn expire(&mut self, now: Instant) -> Option<OpenRequest> {
        let ask = self.open.iter().find(|ask| ask.expires <= now)?;
        let request_id = ask.request.request_id.clone();
        self.decide(&request_id, RequestOutcome::Expired, now)
    }

    /// Takes away all that is open.
    pub fn withdraw_all(&mut self, now: Instant) -> Vec<OpenRequest> {
        let open: Vec<String> = self.open.iter().map(|ask| ask.request.request_id.clone()).collect();
        open.iter().filter_map(|request_id| self.decide(request_id, RequestOutcome::Withdrawn, now)).collect()
    }

    /// An open request whose person is to be told once more now; he is told once.
    pub fn remind(&mut self, now: Instant) -> Option<OpenRequest> {
        let ask = self.open.iter_mut().find(|ask| ask.remind.is_some_and(|at| at <= now))?;
        ask.remind = None;
        Some(ask.clone())
    }

    /// When something is due: a request expires, a silence is to be told, or the turn has had its time.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let expiry = self.open.iter().flat_map(|ask| [Some(ask.expires), ask.remind]).flatten().min();
        expiry.into_iter().chain(self.clock.ends()).chain(self.quiet.due()).min()
    }

    /// Notes that a line of any kind came.
    pub fn heard_a_line(&mut self, now: Instant) {
        self.quiet.heard(now);
    }

    /// How long Claude has been silent and how long the turn may still take, if that is to be told now.
    pub fn silence(&mut self, now: Instant) -> Option<(Duration, Duration)> {
        let lasted = self.quiet.tell(now)?;
        let left = self.clock.ends().map_or(Duration::ZERO, |end| end.saturating_duration_since(now));
        Some((lasted, left))
    }

    /// Whether the turn has had its time.
    #[must_use]
    pub fn is_over_time(&self, now: Instant) -> bool {
        self.clock.ends().is_some_and(|end| end <= now)
    }

    /// The turn, over; nothing of it is open any more.
    #[must_use]
    pub fn finish(self, outcome: TurnOutcome, cost_usd: Option<f64>, now: Instant) -> FinishedTurn {
        FinishedTurn {
            id: self.id,
            prompt: self.prompt,
            text: self.speech.joined(),
            outcome,
            took: now.duration_since(self.started),
            cost_usd,
            tools: self.tools,
            approvals: self.approvals,
            gauges: SessionGauges::default(),
        }
    }

    /// Whether Claude has said nothing yet.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.speech.is_silent()
    }

    /// Takes a text that came with the result alone.
    pub fn say(&mut self, text: String) {
        self.speech.hear(text, None);
    }

    /// Parts what was said so far, which belongs to a turn that Claude began by itself, from the prompt that still
    /// waits for its answer.
    #[must_use]
    pub fn split_unasked(&mut self, now: Instant) -> Turn {
        let mut unasked = Turn::new(None, Duration::ZERO, now);
        unasked.started = self.started;
        unasked.speech = std::mem::take(&mut self.speech);
        unasked.tools = std::mem::take(&mut self.tools);
        unasked.error = self.error.take();
        unasked
    }
}

#[cfg(test)]
mod tests;
