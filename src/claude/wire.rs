//! Claude Code's protocol: one JSON object on each line of stdin and stdout.
//!
//! [`parse`] reads a line of its stdout and never fails: the set of messages is open, fields come in any order, and an
//! unknown message is [`Output::Other`], a sign of life. Lines of several megabytes are normal. The other functions
//! ([`user_message`] and so on) make the lines that phonework writes; each ends with its newline and holds no other.
//!
//! Observed with Claude Code 2.1.330. Not here: reading pipes, waiting, deciding.

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
pub(crate) use self::input::{
    SlashCommand, is_blank, is_sentence_punctuation, set_permission_mode, slash_command,
};
pub use self::input::{allow, deny, initialize, interrupt, user_message};
pub(crate) use self::input::{allow_rules, answered, refuse_request};
pub use self::output::parse;
pub use self::tool::{FileChange, Hunk, SavedOutput, ToolEnd};
use crate::ids::ClaudeSessionId;

/// A JSON object as Claude Code wrote it.
type Object = serde_json::Map<String, Value>;

/// What one line of Claude Code's stdout means to phonework.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A turn began; the line carries the session id.
    Init(Init),
    /// A finished block of an answer, or a text of Claude Code itself.
    Assistant(Assistant),
    /// The model began a message. By now it has read its input, so the cost of that is known.
    CallBegan {
        /// The tokens that the call has used so far.
        usage: TokenUsage,
        /// Whether a subagent made the call.
        subagent: bool,
    },
    /// A piece of a text that is being written. [`Output::Assistant`] repeats the text once it is complete.
    TextDelta {
        /// The piece of text.
        text: String,
        /// The position of its block in the message, from 0.
        index: u64,
        /// Whether a subagent wrote it; then it is not part of the answer.
        subagent: bool,
    },
    /// The model finished a message.
    CallEnded {
        /// The tokens that the call used. A zero means "unknown".
        usage: TokenUsage,
        /// Whether the message ended at its maximum length; Claude Code has the model go on in another one.
        cut_off: bool,
        /// Whether a subagent made the call.
        subagent: bool,
    },
    /// A tool use ended.
    ToolResult(ToolEnd),
    /// A turn ended. There is exactly one for each turn.
    Result(TurnResult),
    /// Claude Code waits for permission to use a tool; answered with [`allow`] or [`deny`].
    Permission(PermissionRequest),
    /// A permission request no longer needs an answer.
    PermissionWithdrawn {
        /// The id that the permission request had.
        request_id: String,
    },
    /// The answer to a request that phonework sent.
    ControlReply {
        /// The id that phonework gave to its request.
        request_id: String,
        /// The response, or Claude Code's words for why there is none.
        result: Result<Value, String>,
    },
    /// A request of a kind that phonework does not know. Claude Code waits, so it is answered with `refuse_request`.
    UnknownRequest {
        /// The id to be named in the answer.
        request_id: String,
        /// The kind of the request.
        subtype: String,
    },
    /// An API call failed and will be tried again.
    ApiRetry {
        /// The number of the next try, from 1.
        attempt: u32,
        /// The number of the last try.
        max: u32,
        /// The wait before the next try.
        delay: Duration,
        /// The HTTP status of the failure; `None` for a network error.
        status: Option<u16>,
    },
    /// The conversation was summarised to fit the model's context.
    Compacted {
        /// `auto` or `manual`.
        trigger: String,
    },
    /// The conversation was ended and a new one begun, as by `/clear`; its id comes with the next [`Init`].
    Cleared,
    /// Summarising the conversation failed; the turn goes on as far as it can.
    CompactionFailed,
    /// How many commands and subagents run in the background now.
    Background(usize),
    /// The state of a subscription's limit changed.
    RateLimit {
        /// `allowed`, `allowed_warning` or `rejected`.
        status: String,
        /// When the limit's window ends.
        resets_at: Option<Timestamp>,
        /// Which limit it is, for example `five_hour`.
        kind: Option<String>,
    },
    /// The permission mode changed to this.
    Mode(String),
    /// Any other JSON object: a sign of life.
    Other,
    /// Not a JSON object.
    Garbage,
    /// A line that was too long to be read. [`parse`] does not return this.
    TooLong,
}

/// The start of a turn. After `/clear` it has a new session id; the newest one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// The conversation's id on Claude Code's disk.
    pub session_id: ClaudeSessionId,
    /// The model's full name.
    pub model: Option<String>,
    /// The permission mode in force.
    pub permission_mode: Option<String>,
    /// Claude Code's version, such as `2.1.330`.
    pub version: Option<String>,
}

/// A finished part of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assistant {
    /// The model's message that the blocks belong to. Several lines may carry blocks of one message.
    pub message_id: Option<String>,
    /// The blocks in order; nearly always one.
    pub blocks: Vec<ContentBlock>,
    /// Whether a subagent wrote it; then it is not part of the answer.
    pub subagent: bool,
    /// Whether Claude Code itself wrote it, not the model: an API error, a slash command's output.
    pub synthetic: bool,
    /// The full name of the model that wrote it.
    pub model: Option<String>,
    /// Whether an interrupt cut it off; the text may end in the middle of a word.
    pub aborted: bool,
    /// For a failure, its kind: `authentication_failed`, `rate_limit`, `overloaded`, …
    pub error: Option<String>,
}

/// A block of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ContentBlock {
    /// Text for the person.
    Text(String),
    /// The model wants to use a tool.
    ToolUse {
        /// The id by which the permission request and the result refer to this use.
        id: String,
        /// The tool's name, for example `Bash`.
        name: String,
        /// The tool's input as the model wrote it.
        input: Value,
    },
    /// Thinking, or a kind of block that phonework does not know.
    Other,
}

/// The end of a turn. How it went is told by `is_error` and `terminal_reason`; `subtype` alone does not tell it.
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
    /// What went wrong, if `text` is absent; some of it is meant for developers.
    pub errors: Vec<String>,
    /// The HTTP status of the API call that failed.
    pub api_error_status: Option<u16>,
    /// What the whole conversation has cost so far in US dollars, as Claude Code calculates it.
    pub total_cost_usd: Option<f64>,
    /// The number of model calls in the turn; 0 for a local slash command.
    pub num_turns: u32,
    /// The messages that this turn answered. Several waiting messages become one turn.
    pub user_message_uuids: Vec<Uuid>,
    /// Whether the model declined to answer.
    pub refused: bool,
    /// What made Claude Code begin the turn by itself (`task-notification`); `None` if a message did.
    pub origin: Option<String>,
    /// The id of the conversation.
    pub session_id: Option<ClaudeSessionId>,
    /// The context window, in tokens, of each model that the conversation used, by the model's name.
    pub windows: BTreeMap<String, u64>,
}

/// The tokens that one model call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Tokens that the model read, cached or not.
    pub input: u64,
    /// Tokens that the model wrote.
    pub output: u64,
}

impl TurnResult {
    /// Whether the turn answered this message, as far as Claude Code says.
    #[must_use]
    pub fn answers(&self, message: &Uuid) -> bool {
        let uuids = &self.user_message_uuids;
        uuids.contains(message) || (uuids.is_empty() && self.origin.is_none())
    }

    /// Whether an interrupt ended the turn.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted_"))
    }
}
