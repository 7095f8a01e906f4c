//! One turn: what was asked, what Claude has said and done so far, and the clock that ends it.
//!
//! Pure: the machine feeds it, the actor writes its outcome down.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::claude::wire::{Assistant, Block, PermissionRequest};
use crate::ids::{ChatId, MessageId};
use crate::mail::Recipient;
use crate::render::document::Long;

mod clock;
mod done;

use clock::{Clock, Quiet};
pub use done::{Approval, Decided, Done, Outcome, ToolUse};

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
    pub reply: Reply,
    /// What becomes of an answer that is longer than a few screens.
    pub long: Long,
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
pub struct Reply {
    /// The chat or person.
    pub to: Recipient,
    /// The message that is quoted.
    pub under: Option<MessageId>,
}

/// A turn in progress.
#[derive(Debug)]
pub struct Turn {
    prompt: Option<Prompt>,
    started: Instant,
    texts: Vec<String>,
    /// The message whose text was the last thing that was heard.
    speaking: Option<String>,
    /// Whether the next text goes on where the last one broke off.
    goes_on: bool,
    tools: Vec<ToolUse>,
    approvals: Vec<Approval>,
    open: VecDeque<Ask>,
    clock: Clock,
    quiet: Quiet,
    /// Why it is being ended early, once it is.
    pub ending: Option<Outcome>,
    /// What Claude said was wrong with its last call, as a word of its protocol.
    pub error: Option<String>,
    /// How it ends if it ends well and without a word: what its user told Claude Code to do is done.
    pub done: Option<Outcome>,
    /// What its user was told already, and need not be told again.
    pub told: Told,
}

/// What is told once in a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// That calls of the API fail and are tried again.
    pub retrying: bool,
    /// That the conversation was summarised.
    pub compacted: bool,
    /// That the conversation could not be summarised.
    pub compaction_failed: bool,
    /// That a line was too long to be read.
    pub line_lost: bool,
}

#[derive(Debug)]
struct Ask {
    request: PermissionRequest,
    expires: Instant,
}

impl Turn {
    /// A turn that begins now and may take `limit`.
    #[must_use]
    pub fn new(prompt: Option<Prompt>, limit: Duration, now: Instant) -> Self {
        Self {
            prompt,
            started: now,
            texts: Vec::new(),
            speaking: None,
            goes_on: false,
            tools: Vec::new(),
            approvals: Vec::new(),
            open: VecDeque::new(),
            clock: Clock::new(limit, now),
            quiet: Quiet::new(now),
            ending: None,
            error: None,
            done: None,
            told: Told::default(),
        }
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
                Block::Text(text) if !said.subagent && !failure && !text.is_empty() => {
                    self.hear_text(text, &said.message_id)
                }
                Block::ToolUse { id, name, input } => {
                    self.goes_on = false;
                    let after = now.duration_since(self.started);
                    self.tools.push(ToolUse { id, name, input, is_error: None, after });
                    self.speaking = None;
                }
                Block::Text(_) => {}
                Block::Other => self.speaking = None,
            }
        }
    }

    /// Texts of one message with nothing between them are one text in pieces.
    fn hear_text(&mut self, text: String, message_id: &Option<String>) {
        let goes_on = std::mem::take(&mut self.goes_on);
        match self.texts.last_mut() {
            Some(last) if goes_on || (message_id.is_some() && self.speaking == *message_id) => {
                last.push_str(&text);
            }
            _ => self.texts.push(text),
        }
        self.speaking.clone_from(message_id);
    }

    /// The text so far broke off at a limit; the next message goes on with it.
    pub fn cut_off(&mut self) {
        self.goes_on = true;
    }

    /// Takes the end of a tool use.
    pub fn tool_ended(&mut self, tool_use_id: &str, is_error: bool) {
        if let Some(tool) = self.tools.iter_mut().rev().find(|tool| tool.id == tool_use_id) {
            tool.is_error = Some(is_error);
        }
    }

    /// Takes a permission request; the turn's clock stands until every open one is decided.
    pub fn ask(&mut self, request: PermissionRequest, expires: Instant, now: Instant) {
        self.clock.stand(now);
        self.quiet.stand();
        self.open.push_back(Ask { request, expires });
    }

    /// The oldest open request.
    #[must_use]
    pub fn asked(&self) -> Option<&PermissionRequest> {
        self.open.front().map(|ask| &ask.request)
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

    /// Takes the oldest open request away, with what was decided.
    pub fn decide(&mut self, decision: Decided, now: Instant) -> Option<PermissionRequest> {
        self.take(0, decision, now)
    }

    /// Takes away a request that Claude no longer asks.
    pub fn withdraw(&mut self, request_id: &str, now: Instant) {
        if let Some(place) = self.open.iter().position(|ask| ask.request.request_id == request_id) {
            self.take(place, Decided::Withdrawn, now);
        }
    }

    /// Takes the oldest request away if its time is over.
    pub fn expire(&mut self, now: Instant) -> Option<PermissionRequest> {
        if self.open.front()?.expires > now {
            return None;
        }
        self.decide(Decided::Expired, now)
    }

    /// When something is due: a request expires, a silence is to be told, or the turn has had its time.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let expiry = self.open.iter().map(|ask| ask.expires).min();
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

    /// The turn, over.
    #[must_use]
    pub fn finish(mut self, outcome: Outcome, cost_usd: Option<f64>, now: Instant) -> Done {
        while self.take(0, Decided::Withdrawn, now).is_some() {}
        Done {
            prompt: self.prompt,
            text: joined(self.texts),
            outcome,
            took: now.duration_since(self.started),
            cost_usd,
            tools: self.tools,
            approvals: self.approvals,
        }
    }

    /// Whether Claude has said nothing yet.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.texts.is_empty()
    }

    /// Takes a text that came with the result alone.
    pub fn say(&mut self, text: String) {
        self.texts.push(text);
    }

    /// Parts what was said so far, which belongs to a turn that Claude began by itself, from the prompt that still
    /// waits for its answer.
    #[must_use]
    pub fn split_unasked(&mut self, now: Instant) -> Turn {
        let mut unasked = Turn::new(None, Duration::ZERO, now);
        unasked.started = self.started;
        unasked.texts = std::mem::take(&mut self.texts);
        unasked.tools = std::mem::take(&mut self.tools);
        unasked.error = self.error.take();
        unasked
    }

    fn take(&mut self, place: usize, decision: Decided, now: Instant) -> Option<PermissionRequest> {
        let Ask { request, .. } = self.open.remove(place)?;
        self.approvals.push(Approval {
            tool: request.tool.clone(),
            input: request.input.clone(),
            decision,
            after: now.duration_since(self.started),
        });
        if self.open.is_empty() {
            self.clock.run(now);
            self.quiet.run(now);
        }
        Some(request)
    }
}

/// The texts with an empty line between them; they may be long, so they are not copied twice.
fn joined(texts: Vec<String>) -> String {
    let mut texts = texts.into_iter();
    let mut all = texts.next().unwrap_or_default();
    for text in texts {
        all.push_str("\n\n");
        all.push_str(&text);
    }
    all
}
