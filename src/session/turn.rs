//! One turn: what was asked, what Claude has said and done so far, and the clock that ends it.
//!
//! Pure: the machine feeds it, the actor writes its outcome down.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use crate::claude::wire::{Assistant, Block, PermissionRequest};
use crate::ids::{ChatId, MessageId};
use crate::mail::Recipient;

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

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Claude answered.
    Answered,
    /// Claude ended the turn with an error; the sentence is for its user.
    Failed(String),
    /// Its user stopped it.
    Stopped,
    /// It passed its time.
    TimedOut(Duration),
    /// The process ended in the middle of it; the sentence says what is known.
    Crashed(String),
    /// The daemon had to leave.
    Cut,
    /// It asked for a slash command that nobody knows.
    UnknownCommand(String),
}

impl Outcome {
    /// The word for it in the audit log and in `mail.db`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed(_) => "failed",
            Self::Stopped => "stopped",
            Self::TimedOut(_) => "timed_out",
            Self::Crashed(_) => "crashed",
            Self::Cut => "cut",
            Self::UnknownCommand(_) => "unknown_command",
        }
    }
}

/// A permission request and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// The tool that Claude wanted to use.
    pub tool: String,
    /// What it would have run, as Claude sent it.
    pub input: Value,
    /// What was decided.
    pub decision: Decided,
    /// When, after the turn's beginning.
    pub after: Duration,
}

/// What became of a permission request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Its owner allowed it.
    Allowed,
    /// Its owner denied it.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// The turn ended, or Claude no longer asked.
    Withdrawn,
}

impl Decided {
    /// The word for it in the audit log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether a person decided.
    #[must_use]
    pub fn by_a_person(self) -> bool {
        matches!(self, Self::Allowed | Self::Denied)
    }
}

/// A tool that Claude used.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolUse {
    /// Claude's id for this use.
    pub id: String,
    /// The tool.
    pub name: String,
    /// What it was given.
    pub input: Value,
    /// Whether it failed; none while it has not ended.
    pub is_error: Option<bool>,
}

/// A turn that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// What was asked; none for a turn that Claude began by itself, as the end of a background command makes it do.
    pub prompt: Option<Prompt>,
    /// All that Claude said, word for word; its pieces are parted by an empty line.
    pub text: String,
    /// How it ended.
    pub outcome: Outcome,
    /// From the prompt to the end, waiting for a person included.
    pub took: Duration,
    /// What the turn cost in US dollars, where it can be told.
    pub cost_usd: Option<f64>,
    /// The tools it used, in order.
    pub tools: Vec<ToolUse>,
    /// What was asked of its user.
    pub approvals: Vec<Approval>,
}

/// A turn in progress.
#[derive(Debug)]
pub struct Turn {
    prompt: Option<Prompt>,
    started: Instant,
    texts: Vec<String>,
    /// The message whose text was the last thing that was heard.
    speaking: Option<String>,
    tools: Vec<ToolUse>,
    approvals: Vec<Approval>,
    open: VecDeque<Ask>,
    clock: Clock,
    /// Why it is being ended early, once it is.
    pub ending: Option<Outcome>,
    /// What Claude said was wrong with its last call, as a word of its protocol.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Ask {
    request: PermissionRequest,
    expires: Instant,
}

/// Runs while Claude works, stands while a person is asked.
#[derive(Debug)]
struct Clock {
    left: Duration,
    running_since: Option<Instant>,
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
            tools: Vec::new(),
            approvals: Vec::new(),
            open: VecDeque::new(),
            clock: Clock { left: limit, running_since: Some(now) },
            ending: None,
            error: None,
        }
    }

    /// The prompt that it answers.
    #[must_use]
    pub fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// Takes what Claude said; a subagent's words are not part of the answer.
    pub fn hear(&mut self, said: Assistant) {
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
                    self.tools.push(ToolUse { id, name, input, is_error: None });
                    self.speaking = None;
                }
                Block::Text(_) => {}
                Block::Other => self.speaking = None,
            }
        }
    }

    /// Texts of one message with nothing between them are one text in pieces.
    fn hear_text(&mut self, text: String, message_id: &Option<String>) {
        match self.texts.last_mut() {
            Some(last) if message_id.is_some() && self.speaking == *message_id => last.push_str(&text),
            _ => self.texts.push(text),
        }
        self.speaking.clone_from(message_id);
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
        self.open.push_back(Ask { request, expires });
    }

    /// The oldest open request.
    #[must_use]
    pub fn asked(&self) -> Option<&PermissionRequest> {
        self.open.front().map(|ask| &ask.request)
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

    /// When something is due: a request expires, or the turn has had its time.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let expiry = self.open.iter().map(|ask| ask.expires).min();
        let end = self.clock.ends();
        expiry.into_iter().chain(end).min()
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
            text: self.texts.join("\n\n"),
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
        }
        Some(request)
    }
}

impl Clock {
    fn stand(&mut self, now: Instant) {
        if let Some(since) = self.running_since.take() {
            self.left = self.left.saturating_sub(now.duration_since(since));
        }
    }

    fn run(&mut self, now: Instant) {
        self.running_since.get_or_insert(now);
    }

    fn ends(&self) -> Option<Instant> {
        self.running_since.map(|since| since + self.left)
    }
}
