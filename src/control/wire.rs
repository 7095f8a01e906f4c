//! What goes over the control socket, as `io.phonework.varlink` defines it: calls, replies and errors. Pure.
//!
//! Unknown fields are passed over in both directions; a client that meets an unknown value of an enumeration passes
//! it on as it is only where it does not have to understand it.

mod health;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use health::{
    ApiHealth, ClaudeHealth, ClaudeProof, ConnectionHealth, HealthCall, HealthCounts, HealthReport,
    LinkState, MailHealth, ProcessUsage, ProofSource, StuckTaskInfo, TroubleInfo, WedgedInfo,
};

use crate::ids::{ChatId, ClaudeSessionId, ConvId, OpenId};

/// The interface's name.
pub const INTERFACE: &str = "io.phonework";
/// Its definition and documentation.
pub const DEFINITION: &str = include_str!("io.phonework.varlink");

/// The parameters of `Sessions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsCall {
    /// The closed ones too.
    pub all: Option<bool>,
}

/// A reply to `Sessions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// Some of the sessions, in the order of their owners and numbers; closed ones at the end.
    pub sessions: Vec<SessionInfo>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// Its number in its owner's `/list`; none when it is closed.
    pub number: Option<usize>,
    /// Its name.
    pub conv_id: ConvId,
    /// Whose it is.
    pub user: OpenId,
    /// The chat that it was opened in.
    pub chat_id: ChatId,
    /// The project's directory as people see it.
    pub project: String,
    /// The project's directory.
    pub directory: String,
    /// What it does.
    pub state: SessionState,
    /// Whether its owner's plain messages go to it, in some chat.
    pub active: bool,
    /// When it was last asked something, or answered.
    pub last_activity_at: Timestamp,
    /// How many messages wait for it.
    pub queue: usize,
    /// Since when it works on a message.
    pub running_since: Option<Timestamp>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Claude Code's name for the conversation.
    pub claude_session_id: ClaudeSessionId,
    /// The permission mode.
    pub mode: String,
    /// The model, where one is set.
    pub model: Option<String>,
    /// What it has cost, in US dollars.
    pub cost_usd: Option<f64>,
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It works on a message.
    Running,
    /// It has a process that waits.
    Ready,
    /// It is resumed by its next message.
    Asleep,
    /// It is over.
    Closed,
}

/// The parameters of `Close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseCall {
    /// The session.
    pub conv_id: ConvId,
}

/// The parameters of `Tail`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TailCall {
    /// One session; all when none.
    pub conv_id: Option<ConvId>,
    /// So many turns of the past; 10 when none.
    pub turns: Option<u32>,
    /// Only turns that ended later.
    pub since: Option<Timestamp>,
    /// Whether to go on with what happens from now on.
    pub follow: Option<bool>,
}

/// A reply to `Tail`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    /// Some entries, in order; none when the daemon only shows that it lives.
    pub entries: Vec<TailEntry>,
}

/// Something that was said or done in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TailEntry {
    /// When.
    pub at: Timestamp,
    /// The session.
    pub conv_id: ConvId,
    /// Whose it is.
    pub user: OpenId,
    /// The turn that it belongs to.
    pub turn: String,
    /// What it is; the interface says which of the other fields it has.
    pub kind: TailEntryKind,
    /// A prompt, an answer, or what a tool was given.
    pub text: Option<String>,
    /// So many bytes of the text were left out at its end.
    pub cut: Option<u64>,
    /// The tool's name.
    pub tool: Option<String>,
    /// Whether the tool failed.
    pub failed: Option<bool>,
    /// What was decided, in one word.
    pub decision: Option<String>,
    /// Who decided.
    pub by: Option<String>,
    /// How the turn ended, in one word.
    pub outcome: Option<String>,
    /// How long the turn took.
    pub duration_ms: Option<u64>,
    /// What the turn cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// How many entries were left out.
    pub count: Option<u64>,
    /// Whether it was read from an audit log that somebody changed.
    pub altered: bool,
}

impl TailEntry {
    /// One without what its kind may have.
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

/// What an [`TailEntry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TailEntryKind {
    /// What was asked.
    Prompt,
    /// A tool was used.
    Tool,
    /// A permission was asked for and decided.
    Approval,
    /// What Claude said.
    Answer,
    /// The turn's end.
    Over,
    /// The reader was too slow, and entries were left out.
    Missed,
}

/// A reply to `Allowed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeopleList {
    /// Who may talk to the bot, in the order of their ids.
    pub people: Vec<Person>,
}

/// Somebody who may talk to the bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// His open_id.
    pub open_id: OpenId,
    /// How he was let in.
    pub source: AllowSource,
    /// When he was let in; none for those of the keyring.
    pub at: Option<Timestamp>,
    /// By whom.
    pub by: Option<String>,
}

/// How somebody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowSource {
    /// He is on `ALLOWED_OPEN_IDS`.
    Keyring,
    /// He was let in at run time.
    Operator,
}

/// The parameters of `Allow` and `Disallow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonCall {
    /// Who.
    pub open_id: OpenId,
}

/// A call of `io.phonework`, read.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlCall {
    /// List the sessions.
    Sessions(SessionsCall),
    /// Close a session.
    Close(CloseCall),
    /// Show what is said and done.
    Tail(TailCall),
    /// Tell the state of every part.
    Health(HealthCall),
    /// List who may talk to the bot.
    Allowed,
    /// Let somebody in.
    Allow(PersonCall),
    /// Shut somebody out.
    Disallow(PersonCall),
}

impl ControlCall {
    /// Whether it changes something.
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
    /// There is no open session of that name.
    #[serde(rename = "io.phonework.NoSuchSession")]
    #[error("there is no open session {conv_id}; `phonework sessions` lists them")]
    NoSuchSession {
        /// The name.
        conv_id: ConvId,
    },
    /// That cannot be anybody's open_id.
    #[serde(rename = "io.phonework.NoOpenId")]
    #[error("{:?} is no open_id: it begins with ou_; the bot tells it to everyone who writes to it", open_id.as_str())]
    NoOpenId {
        /// What was given.
        open_id: OpenId,
    },
    /// He stands in the keyring.
    #[serde(rename = "io.phonework.InKeyring")]
    #[error("{open_id} is let in by ALLOWED_OPEN_IDS in {keyring}; take it out there, then reload phonework")]
    InKeyring {
        /// Who.
        open_id: OpenId,
        /// The file.
        keyring: String,
    },
    /// He was not let in.
    #[serde(rename = "io.phonework.NotAllowed")]
    #[error("{open_id} is not let in; `phonework allow` lists who is")]
    NotAllowed {
        /// Who.
        open_id: OpenId,
    },
    /// The caller may not do this.
    #[serde(rename = "io.phonework.Forbidden")]
    #[error("{reason}")]
    Forbidden {
        /// A sentence.
        reason: String,
    },
    /// It could not be done now.
    #[serde(rename = "io.phonework.Failed")]
    #[error("{reason}")]
    Failed {
        /// A sentence with the way out.
        reason: String,
    },
}
