//! What is left of a turn when it is over.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Prompt;
use crate::claude::running::Elsewhere;

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
    /// A limit of the account is used up.
    Limited {
        /// When it can go on.
        until: Timestamp,
        /// What Claude Code says of it.
        words: Option<String>,
        /// The sentence for its user once that time has passed.
        otherwise: String,
    },
    /// Claude summarised the conversation, as it was asked to.
    Compacted,
    /// Claude began a new conversation, as it was asked to.
    Cleared,
    /// It was not run, as another process has the conversation open.
    OpenElsewhere(Elsewhere),
}

impl Outcome {
    /// The word for it in the audit log and in `mail.db`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Answered | Self::Compacted | Self::Cleared => "answered",
            Self::Failed(_) | Self::Limited { .. } => "failed",
            Self::Stopped => "stopped",
            Self::TimedOut(_) => "timed_out",
            Self::Crashed(_) => "crashed",
            Self::Cut => "cut",
            Self::UnknownCommand(_) => "unknown_command",
            Self::OpenElsewhere(_) => "open_elsewhere",
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
    /// When it was used, after the turn's beginning.
    pub after: Duration,
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
