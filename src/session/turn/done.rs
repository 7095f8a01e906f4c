//! What is left of a turn when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::Prompt;
use crate::claude::running::OpenElsewhere;
use crate::claude::wire::{PermissionRule, ToolEnd};

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnOutcome {
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
    OpenElsewhere(OpenElsewhere),
}

impl TurnOutcome {
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
    /// Claude's id of the request.
    pub request_id: String,
    /// The tool that Claude wanted to use.
    pub tool: String,
    /// What it would have run, as Claude sent it.
    pub input: Value,
    /// What was decided.
    pub decision: RequestOutcome,
    /// When it was decided, after the turn's beginning.
    pub after: Duration,
}

/// What became of a permission request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// Its owner allowed it; a plan: approved it.
    Allowed,
    /// Its owner allowed it, and what these rules cover for the rest of the session.
    AllowedRules(Vec<PermissionRule>),
    /// Its owner allowed it, and edits for the rest of the session; a plan: approved it like that.
    AllowedEdits,
    /// Its owner denied it, for this reason if he gave one; a plan: sent it back with these words.
    Denied(Option<String>),
    /// Its owner answered: each question's text, and what he said to it.
    Answered(Vec<(String, String)>),
    /// Nobody decided in time.
    Expired,
    /// The turn ended, or Claude no longer asked.
    Withdrawn,
}

impl RequestOutcome {
    /// The word for it in the audit log.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::AllowedRules(_) => "allowed_for_session",
            Self::AllowedEdits => "allowed_with_edits",
            Self::Denied(_) => "denied",
            Self::Answered(_) => "answered",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What was said with it: a reason, rules, or each question and its answer on a line.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::AllowedRules(rules) => Some(lines(rules.iter().map(PermissionRule::to_string))),
            Self::Denied(reason) => reason.clone(),
            Self::Answered(answers) => {
                Some(lines(answers.iter().map(|(question, answer)| format!("{question} {answer}"))))
            }
            Self::Allowed | Self::AllowedEdits | Self::Expired | Self::Withdrawn => None,
        }
    }

    /// Whether a person decided.
    #[must_use]
    pub fn by_a_person(&self) -> bool {
        match self {
            Self::Allowed
            | Self::AllowedRules(_)
            | Self::AllowedEdits
            | Self::Denied(_)
            | Self::Answered(_) => true,
            Self::Expired | Self::Withdrawn => false,
        }
    }
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
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
    /// Whether a subagent used it.
    pub subagent: bool,
    /// Whether it failed; none while it has not ended.
    pub is_error: Option<bool>,
    /// When it was used, after the turn's beginning.
    pub after: Duration,
    /// When it ended, after the turn's beginning, and what is kept of its end.
    pub end: Option<(Duration, ToolEnd)>,
}

/// What a session runs under, as far as Claude has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionGauges {
    /// The model's full name.
    pub model: Option<String>,
    /// The permission mode.
    pub mode: Option<String>,
    /// Tokens that the conversation takes of the model's context.
    pub context: Option<u64>,
    /// Tokens that fit into it.
    pub window: Option<u64>,
}

/// A turn that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedTurn {
    /// The turn's name.
    pub id: Uuid,
    /// What was asked; none for a turn that Claude began by itself, as the end of a background command makes it do.
    pub prompt: Option<Prompt>,
    /// All that Claude said, word for word; its pieces are parted by an empty line.
    pub text: String,
    /// How it ended.
    pub outcome: TurnOutcome,
    /// From the prompt to the end, waiting for a person included.
    pub took: Duration,
    /// What the turn cost in US dollars, where it can be told.
    pub cost_usd: Option<f64>,
    /// The tools it used, in order.
    pub tools: Vec<ToolUse>,
    /// What was asked of its user.
    pub approvals: Vec<Approval>,
    /// What it ran under at its end.
    pub gauges: SessionGauges,
}

impl FinishedTurn {
    /// The files that were changed, with the lines that came and that went.
    #[must_use]
    pub fn files(&self) -> BTreeMap<&str, (usize, usize)> {
        let mut files = BTreeMap::new();
        for change in self.tools.iter().filter_map(|tool| tool.end.as_ref()?.1.file.as_ref()) {
            let (added, removed): &mut (usize, usize) = files.entry(change.path.as_str()).or_default();
            *added += change.added;
            *removed += change.removed;
        }
        files
    }
}
