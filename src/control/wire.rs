//! The calls, replies and errors of the control socket, as `io.phonework.varlink` defines them. Pure.
//!
//! Daemon and clients share these types. Unknown fields are ignored in both directions.

mod health;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use health::{
    ApiHealth, ClaudeHealth, ClaudeProof, ConnectionHealth, HealthCall, HealthCounts, HealthReport,
    LinkState, MailHealth, ProcessUsage, ProofSource, StuckTaskInfo, TroubleInfo, WedgedInfo,
};

use crate::ids::{ChatId, ClaudeSessionId, ConvId, OpenId};

/// The name of the Varlink interface.
pub(crate) const INTERFACE: &str = "io.phonework";
/// The definition of the interface, with its documentation.
pub(crate) const DEFINITION: &str = include_str!("io.phonework.varlink");

/// The parameters of `Sessions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsCall {
    /// Whether to list closed sessions too.
    pub all: Option<bool>,
}

/// A reply to `Sessions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// Some of the sessions, sorted by owner and number; closed ones come last.
    pub sessions: Vec<SessionInfo>,
}

/// A session, as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Its number in its owner's `/list`; `None` if it is closed.
    pub number: Option<usize>,
    /// The session's conv_id.
    pub conv_id: ConvId,
    /// The open_id of the session's owner.
    pub user: OpenId,
    /// The chat that it was opened in.
    pub chat_id: ChatId,
    /// The project's directory as it is shown in the chat.
    pub project: String,
    /// The absolute path of the project's directory.
    pub directory: String,
    /// What the session is doing.
    pub state: SessionState,
    /// Whether it is the active session of some chat.
    pub active: bool,
    /// When it last received a prompt or gave an answer.
    pub last_activity_at: Timestamp,
    /// Number of messages that wait for it.
    pub queue: usize,
    /// Since when it has been working on a message.
    pub running_since: Option<Timestamp>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was closed, if it is closed.
    pub closed_at: Option<Timestamp>,
    /// Claude Code's id of the conversation.
    pub claude_session_id: ClaudeSessionId,
    /// The permission mode, as Claude Code names it.
    pub mode: String,
    /// The model, if one is set.
    pub model: Option<String>,
    /// Its cost so far, in US dollars.
    pub cost_usd: Option<f64>,
}

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It is working on a message.
    Running,
    /// Its process is waiting for a message.
    Ready,
    /// It has no process; its next message resumes it.
    Asleep,
    /// Its owner or an operator has closed it.
    Closed,
}

/// The parameters of `Close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseCall {
    /// The session to close.
    pub conv_id: ConvId,
}

/// The parameters of `Tail`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TailCall {
    /// The session to show; `None` for all.
    pub conv_id: Option<ConvId>,
    /// Maximum number of past turns; `None` means 10.
    pub turns: Option<u32>,
    /// Shows only turns that ended after this time.
    pub since: Option<Timestamp>,
    /// Whether to go on with what happens from now on.
    pub follow: Option<bool>,
}

/// A reply to `Tail`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// Some entries, in order. An empty reply only shows that the daemon is alive.
    pub entries: Vec<TailEntry>,
}

/// One thing that was said or done in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TailEntry {
    /// When it was said or done.
    pub at: Timestamp,
    /// The id of the session.
    pub conv_id: ConvId,
    /// The owner of the session.
    pub user: OpenId,
    /// The id of the turn that it belongs to.
    pub turn: String,
    /// The kind of entry, which decides what other fields it has.
    pub kind: TailEntryKind,
    /// A prompt, an answer, or the input of a tool.
    pub text: Option<String>,
    /// Number of bytes that were cut off the end of the text.
    pub cut: Option<u64>,
    /// The name of the tool that was used.
    pub tool: Option<String>,
    /// Whether the tool failed.
    pub failed: Option<bool>,
    /// The decision, in one word.
    pub decision: Option<String>,
    /// The person who decided.
    pub by: Option<String>,
    /// How the turn ended, in one word.
    pub outcome: Option<String>,
    /// How long the turn took.
    pub duration_ms: Option<u64>,
    /// What the turn cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// Number of entries that are missing.
    pub count: Option<u64>,
    /// Whether it comes from an audit log that somebody has changed.
    pub altered: bool,
}

impl TailEntry {
    /// An entry without the optional fields.
    #[must_use]
    pub fn new(at: Timestamp, conv_id: ConvId, user: OpenId, turn: String, kind: TailEntryKind) -> Self {
        Self {
            at,
            conv_id,
            user,
            turn,
            kind,
            text: None,
            cut: None,
            tool: None,
            failed: None,
            decision: None,
            by: None,
            outcome: None,
            duration_ms: None,
            cost_usd: None,
            count: None,
            altered: false,
        }
    }
}

/// The kind of a [`TailEntry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TailEntryKind {
    /// A person sent a prompt.
    Prompt,
    /// Claude used a tool.
    Tool,
    /// Claude asked for a permission, or the request was decided.
    Approval,
    /// Claude answered.
    Answer,
    /// The turn ended.
    Over,
    /// Entries are missing, because the reader was too slow.
    Missed,
}

/// A reply to `Allowed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeopleList {
    /// The people who may talk to the bot, in the order of their ids.
    pub people: Vec<Person>,
}

/// A person who may talk to the bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The person's open_id.
    pub open_id: OpenId,
    /// How they were allowed.
    pub source: AllowSource,
    /// When they were allowed; `None` for people in the keyring.
    pub at: Option<Timestamp>,
    /// Who allowed them; `None` for people in the keyring.
    pub by: Option<String>,
}

/// How a person was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowSource {
    /// They are listed in `ALLOWED_OPEN_IDS`.
    Keyring,
    /// An operator allowed them at run time.
    Operator,
}

/// The parameters of `Allow` and `Disallow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonCall {
    /// The person to allow or disallow.
    pub open_id: OpenId,
}

/// A parsed call of `io.phonework`.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlCall {
    /// List the sessions.
    Sessions(SessionsCall),
    /// Close a session.
    Close(CloseCall),
    /// Show what is said and done in sessions.
    Tail(TailCall),
    /// Report the state of every part.
    Health(HealthCall),
    /// List the people who may talk to the bot.
    Allowed,
    /// Allow a person.
    Allow(PersonCall),
    /// Disallow a person.
    Disallow(PersonCall),
}

impl ControlCall {
    /// Whether the call changes something.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::Close(_) | Self::Allow(_) | Self::Disallow(_) => true,
            Self::Sessions(_) | Self::Tail(_) | Self::Health(_) | Self::Allowed => false,
        }
    }
}

/// An error of `io.phonework`, as the interface defines them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", content = "parameters")]
pub enum ControlError {
    /// There is no open session with this id.
    #[serde(rename = "io.phonework.NoSuchSession")]
    #[error("there is no open session {conv_id}; `phonework sessions` lists them")]
    NoSuchSession {
        /// The id that was given.
        conv_id: ConvId,
    },
    /// The text is not a valid open_id.
    #[serde(rename = "io.phonework.NoOpenId")]
    #[error("{:?} is no open_id: it begins with ou_; the bot tells it to everyone who writes to it", open_id.as_str())]
    NoOpenId {
        /// The text that was given.
        open_id: OpenId,
    },
    /// The person is listed in the keyring, which this call does not change.
    #[serde(rename = "io.phonework.InKeyring")]
    #[error("{open_id} is let in by ALLOWED_OPEN_IDS in {keyring}; take it out there, then reload phonework")]
    InKeyring {
        /// The open_id of the person.
        open_id: OpenId,
        /// The path of the keyring.
        keyring: String,
    },
    /// The person was not allowed.
    #[serde(rename = "io.phonework.NotAllowed")]
    #[error("{open_id} is not let in; `phonework allow` lists who is")]
    NotAllowed {
        /// The open_id of the person.
        open_id: OpenId,
    },
    /// The caller may not make this call.
    #[serde(rename = "io.phonework.Forbidden")]
    #[error("{reason}")]
    Forbidden {
        /// Why, as a sentence.
        reason: String,
    },
    /// The call failed for the reason that the text gives.
    #[serde(rename = "io.phonework.Failed")]
    #[error("{reason}")]
    Failed {
        /// Why, as a sentence that says what to do.
        reason: String,
    },
}
