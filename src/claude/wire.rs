//! Claude Code's lines, both ways: one JSON object a line on stdin and on stdout.
//!
//! [`parse`] promises never to fail: the set of messages is open, fields come in any order, and what is not known
//! is [`Output::Other`], a sign of life. Lines of megabytes are normal. The lines that phonework writes are made by
//! the functions that [`user_message`] begins; each ends with its newline and holds no other.
//!
//! Observed with Claude Code 2.1.330. Not here: reading, waiting, deciding.

mod ask;
mod input;
mod output;
mod tool;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

pub use self::ask::{
    PermissionRequest, PermissionRule, Question, QuestionOption, RequestMatter, SessionGrant,
};
pub use self::input::{
    allow, allow_rules, answered, deny, initialize, interrupt, refuse_request, set_permission_mode,
    user_message,
};
pub use self::output::parse;
pub use self::tool::{FileChange, Hunk, ToolEnd};
use crate::ids::ClaudeSessionId;

/// What one line of Claude Code's stdout means to phonework.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A turn begins.
    Init(Init),
    /// A finished block of an answer, or a local text of Claude Code itself.
    Assistant(Assistant),
    /// The model begins a message: what it costs to have read all before it is known.
    CallBegan {
        /// What the call used so far.
        usage: TokenUsage,
        /// A subagent's.
        subagent: bool,
    },
    /// A piece of a text that is being written. [`Output::Assistant`] brings it again once it is whole.
    TextDelta {
        /// The piece.
        text: String,
        /// The place of its block in the message.
        index: u64,
        /// A subagent speaks: not part of the answer.
        subagent: bool,
    },
    /// The model's message ended.
    CallEnded {
        /// What the call used; its zeros say nothing.
        usage: TokenUsage,
        /// Whether it ended at the most that one may hold; Claude Code lets it go on in another.
        cut_off: bool,
        /// A subagent's.
        subagent: bool,
    },
    /// A tool ended.
    ToolResult(ToolEnd),
    /// A turn ended; exactly one for each turn.
    Result(TurnResult),
    /// Claude Code waits for leave to use a tool; answered with [`allow`] or [`deny`].
    Permission(PermissionRequest),
    /// A permission request needs no answer any more.
    PermissionWithdrawn {
        /// The request's id.
        request_id: String,
    },
    /// The answer to a request of ours.
    ControlReply {
        /// The id that our request had.
        request_id: String,
        /// The response, or Claude Code's words for why there is none.
        result: Result<Value, String>,
    },
    /// A request that phonework does not know; answered with [`refuse_request`], as Claude Code waits for it.
    UnknownRequest {
        /// The id to answer to.
        request_id: String,
        /// What was asked for.
        subtype: String,
    },
    /// An API call failed and will be tried again.
    ApiRetry {
        /// The coming try, from 1.
        attempt: u32,
        /// The last try there will be.
        max: u32,
        /// The wait before it.
        delay: Duration,
        /// The HTTP status of the failure; none for a network error.
        status: Option<u16>,
    },
    /// The conversation was summarised to fit the model's context.
    Compacted {
        /// `auto` or `manual`.
        trigger: String,
    },
    /// The conversation was ended and a new one begun, as `/clear` does; its id comes with the next [`Init`].
    Cleared,
    /// The conversation was to be summarised and could not be; the turn goes on as far as it can.
    CompactionFailed,
    /// So many commands and subagents run in the background now.
    Background(usize),
    /// The state of a subscription's limits changed.
    RateLimit {
        /// `allowed`, `allowed_warning` or `rejected`.
        status: String,
        /// When the limit's window ends.
        resets_at: Option<Timestamp>,
        /// Which limit, `five_hour` for example.
        kind: Option<String>,
    },
    /// The permission mode is this from now on.
    Mode(String),
    /// Anything else that is an object: a sign of life.
    Other,
    /// Not a JSON object.
    Garbage,
    /// A line that was too long to be read. Not made by [`parse`].
    TooLong,
}

/// The start of a turn. After `/clear` the session id is a new one: the newest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// The conversation's id on Claude Code's disk.
    pub session_id: ClaudeSessionId,
    /// The model's full name.
    pub model: Option<String>,
    /// The permission mode in force.
    pub permission_mode: Option<String>,
    /// Claude Code's version.
    pub version: Option<String>,
}

/// One finished block of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assistant {
    /// The message of the model that the blocks belong to: several lines may carry blocks of one message.
    pub message_id: Option<String>,
    /// The blocks in order; nearly always one.
    pub blocks: Vec<ContentBlock>,
    /// A subagent speaks: not part of the answer.
    pub subagent: bool,
    /// Written by Claude Code itself, not by the model: an API error, a slash command's output.
    pub synthetic: bool,
    /// The model that speaks, by its full name.
    pub model: Option<String>,
    /// Cut by an interrupt; the text may end in the middle of a word.
    pub aborted: bool,
    /// For a failure, its kind: `authentication_failed`, `rate_limit`, `overloaded`, …
    pub error: Option<String>,
}

/// A block of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ContentBlock {
    /// Text for the person.
    Text(String),
    /// A tool is about to be used.
    ToolUse {
        /// The id that the permission request and the result will name.
        id: String,
        /// The tool's name, `Bash` for example.
        name: String,
        /// The tool's input as the model wrote it.
        input: Value,
    },
    /// Thinking and what else there is.
    Other,
}

/// The end of a turn. `is_error` and `terminal_reason` tell how it went; `subtype` alone does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnResult {
    /// `success`, `error_during_execution`, `error_max_turns`, …
    pub subtype: String,
    /// Whether the turn failed.
    pub is_error: bool,
    /// `completed`, `api_error`, `aborted_tools`, …; absent for local slash commands.
    pub terminal_reason: Option<String>,
    /// The last text of the answer, or the failure in Claude Code's words.
    pub text: Option<String>,
    /// What went wrong, when `text` is absent; may be meant for programmers.
    pub errors: Vec<String>,
    /// The HTTP status of the API call that failed.
    pub api_error_status: Option<u16>,
    /// US dollars spent by the whole conversation so far, by Claude Code's own reckoning.
    pub total_cost_usd: Option<f64>,
    /// Model calls of the turn; 0 for a local slash command.
    pub num_turns: u32,
    /// The messages that this turn answered; several waiting ones become one turn.
    pub user_message_uuids: Vec<Uuid>,
    /// Whether the model declined to answer.
    pub refused: bool,
    /// What made Claude Code begin the turn by itself (`task-notification`); none when a message did.
    pub origin: Option<String>,
    /// The conversation.
    pub session_id: Option<ClaudeSessionId>,
    /// How many tokens fit into each model that the conversation used, by its name.
    pub windows: BTreeMap<String, u64>,
}

/// What one call of the model used, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// All that the model was given, whether it came from a cache or not.
    pub input: u64,
    /// What it wrote.
    pub output: u64,
}

impl TurnResult {
    /// Whether the turn answered this message, as far as Claude Code tells.
    #[must_use]
    pub fn answers(&self, message: &Uuid) -> bool {
        let uuids = &self.user_message_uuids;
        uuids.contains(message) || (uuids.is_empty() && self.origin.is_none())
    }

    /// Whether the turn was cut short by an interrupt.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted_"))
    }
}
