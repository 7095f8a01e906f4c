//! A finished turn: its outcome and everything that is shown and recorded of it.

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
    /// Claude ended the turn with an answer.
    Answered,
    /// It ended with an error; the sentence is for its user.
    Failed(String),
    /// Its user stopped it.
    Stopped,
    /// It took longer than this, its time limit.
    TimedOut(Duration),
    /// The process ended in the middle of it; the sentence says what is known.
    Crashed(String),
    /// The daemon shut down.
    Interrupted,
    /// Its prompt was a slash command that Claude Code does not know.
    UnknownCommand(String),
    /// A limit of the account is used up.
    Limited {
        /// When it can go on.
        until: Timestamp,
        /// What Claude Code says about it.
        words: Option<String>,
        /// The sentence for its user once `until` has passed.
        otherwise: String,
    },
    /// Claude summarised the conversation, as its user asked.
    Compacted,
    /// Claude began a new conversation, as its user asked.
    Cleared,
    /// It was not run, as this process has the conversation open.
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
            Self::Interrupted => "cut",
            Self::UnknownCommand(_) => "unknown_command",
            Self::OpenElsewhere(_) => "open_elsewhere",
        }
    }
}

/// A permission request and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// Claude Code's id for the request.
    pub request_id: String,
    /// The tool that Claude wanted to use.
    pub tool: String,
    /// The tool's input, as Claude sent it.
    pub input: Value,
    /// What became of the request.
    pub decision: RequestOutcome,
    /// When that was, counted from the start of the turn.
    pub after: Duration,
}

/// What became of a permission request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The owner allowed it. Of a plan: approved it.
    Allowed,
    /// The owner allowed it, and what these rules cover for the rest of the session.
    AllowedRules(Vec<PermissionRule>),
    /// The owner allowed it, and edits for the rest of the session. Of a plan: approved it like that.
    AllowedEdits,
    /// The owner denied it, with this reason if they gave one. Of a plan: sent it back with these words.
    Denied(Option<String>),
    /// The owner answered. These are pairs of a question's text and its answer.
    Answered(Vec<(String, String)>),
    /// Nobody decided in time.
    Expired,
    /// The turn ended, or Claude no longer needed an answer.
    Withdrawn,
}

impl RequestOutcome {
    /// The word for it in the audit log.
    pub(crate) fn word(&self) -> &'static str {
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

    /// What the audit log adds to the word: a reason, rules, or a line for each question with its answer.
    pub(crate) fn detail(&self) -> Option<String> {
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
    pub(crate) fn by_a_person(&self) -> bool {
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

/// One use of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolUse {
    /// Claude Code's id for this use.
    pub id: String,
    /// The tool's name, for example `Bash`.
    pub name: String,
    /// The tool's input, as Claude sent it.
    pub input: Value,
    /// Whether a subagent used it.
    pub subagent: bool,
    /// Whether it failed; `None` as long as it has not ended.
    pub is_error: Option<bool>,
    /// When it was started, counted from the start of the turn.
    pub after: Duration,
    /// When it ended, counted from the start of the turn, and what is kept of its output.
    pub end: Option<(Duration, ToolEnd)>,
}

/// The model, mode and context of a session, as far as Claude has reported them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionGauges {
    /// The model's full name.
    pub model: Option<String>,
    /// The permission mode, as Claude Code names it.
    pub mode: Option<String>,
    /// How many tokens of the context window the conversation takes.
    pub context: Option<u64>,
    /// The size of the model's context window in tokens.
    pub window: Option<u64>,
}

/// A turn that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedTurn {
    /// Its id in `mail.db`.
    pub id: Uuid,
    /// The prompt; `None` if Claude began the turn by itself, for example when a background command ended.
    pub prompt: Option<Prompt>,
    /// Everything that Claude said, word for word, with an empty line between two texts.
    pub text: String,
    /// How the turn ended.
    pub outcome: TurnOutcome,
    /// The time from the prompt to the end, including the time spent waiting for a person.
    pub took: Duration,
    /// What the turn cost in US dollars, if that is known.
    pub cost_usd: Option<f64>,
    /// The tools it used, in order.
    pub tools: Vec<ToolUse>,
    /// The permission requests, in the order in which they were decided.
    pub approvals: Vec<Approval>,
    /// Model, mode and context at its end.
    pub gauges: SessionGauges,
}

impl FinishedTurn {
    /// The changed files by path, with the numbers of lines added and removed.
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
