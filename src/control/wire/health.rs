//! The parameters and the reply of the call `Health`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ConvId;

/// The parameters of `Health`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCall {
    /// Whether to run `claude -p ping` first.
    pub probe: Option<bool>,
}

/// The reply to `Health`: the state of every part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// Whether everything that is needed works.
    pub healthy: bool,
    /// What does not work, each as a sentence.
    pub problems: Vec<String>,
    /// What else an operator should know, each as a sentence.
    pub notes: Vec<String>,
    /// The daemon's version.
    pub version: String,
    /// The daemon's process id.
    pub pid: u32,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// The daemon's resident memory, in bytes.
    pub memory: u64,
    /// The long connection to Feishu.
    pub connection: ConnectionHealth,
    /// The state of Feishu's HTTP API.
    pub api: ApiHealth,
    /// The messages in `mail.db`.
    pub mail: MailHealth,
    /// The numbers of sessions, and their processes.
    pub sessions: HealthCounts,
    /// What is known about Claude Code.
    pub claude: ClaudeHealth,
    /// The sandbox around Claude: its name, or `off`.
    pub sandbox: String,
    /// Tasks of the daemon that are stuck.
    pub stuck: Vec<StuckTaskInfo>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleInfo {
    /// When it happened.
    pub at: Timestamp,
    /// What happened, as a sentence.
    pub what: String,
}

/// The state of the long connection to Feishu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionHealth {
    /// What the connection is doing.
    pub state: LinkState,
    /// Since when it has been in this state.
    pub since: Timestamp,
    /// When the next attempt to connect comes.
    pub next_try_at: Option<Timestamp>,
    /// When anything last arrived over it.
    pub last_frame_at: Option<Timestamp>,
    /// Number of connections made after the first one.
    pub reconnects: u64,
    /// Why the last connection or attempt ended; kept after a recovery.
    pub last_error: Option<String>,
    /// When Feishu was last asked to deliver an event again.
    pub turned_away_at: Option<Timestamp>,
}

/// What the long connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// An attempt to connect is in progress.
    Connecting,
    /// The connection is open.
    Connected,
    /// The next attempt comes later.
    Waiting,
    /// The daemon is shutting down.
    Stopped,
}

/// The state of Feishu's HTTP API, judged by its calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiHealth {
    /// When a call last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// When and why a call last failed.
    pub last_error: Option<TroubleInfo>,
    /// The end of the access token's lifetime.
    pub token_until: Option<Timestamp>,
}

/// The messages in `mail.db`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailHealth {
    /// Whether `mail.db` answers. If it does not, the numbers are those of its last answer.
    pub answers: bool,
    /// Number of messages that no turn has begun with.
    pub inbox: u32,
    /// Number of messages whose turn is running.
    pub running: u32,
    /// When the oldest waiting message was accepted.
    pub oldest_inbox_at: Option<Timestamp>,
    /// Number of messages to Feishu that it has not confirmed.
    pub outbox: u32,
    /// When the oldest of them was put into the outbox.
    pub oldest_outbox_at: Option<Timestamp>,
    /// Number of messages that Feishu refused for good in the last 30 days.
    pub wedged: u32,
    /// The last ten of them, newest first.
    pub last_wedged: Vec<WedgedInfo>,
    /// When a message was last accepted from Feishu since the start.
    pub last_received_at: Option<Timestamp>,
}

/// A message to Feishu that it refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WedgedInfo {
    /// When it was refused.
    pub at: Timestamp,
    /// The chat or person that it was for.
    pub to: String,
    /// Why Feishu refused it.
    pub why: String,
}

/// Numbers of sessions, and the processes of those that are live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCounts {
    /// Number of sessions that are not closed.
    pub open: usize,
    /// Number of sessions with a process.
    pub live: usize,
    /// Number of sessions that are working on a message.
    pub running: usize,
    /// The processes of the live sessions.
    pub processes: Vec<ProcessUsage>,
}

/// A live session's process, with its descendants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUsage {
    /// The id of the session.
    pub conv_id: ConvId,
    /// The id of the process that the daemon started.
    pub pid: u32,
    /// Number of processes: it and its descendants.
    pub processes: usize,
    /// Resident memory of all of them, in bytes.
    pub memory: u64,
}

/// The last attempt to have Claude Code answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaudeProof {
    /// When the attempt began.
    pub at: Timestamp,
    /// What kind of attempt it was.
    pub by: ProofSource,
    /// Whether there was an answer.
    pub passed: bool,
    /// Its duration, in milliseconds.
    pub took_ms: u64,
    /// Why there was no answer, and what to do.
    pub why: Option<String>,
}

/// A way to find out whether Claude Code answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofSource {
    /// `claude -p ping` was run.
    Probe,
    /// Somebody's message was answered.
    Turn,
}

/// What is known about Claude Code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaudeHealth {
    /// `CLAUDE_COMMAND`.
    pub command: String,
    /// The path of the program, if it was found.
    pub path: Option<String>,
    /// The version that it reports.
    pub version: Option<String>,
    /// Whether it answers, if that is known.
    pub proof: Option<ClaudeProof>,
}

/// A task of the daemon that is stuck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckTaskInfo {
    /// The name of the task.
    pub task: String,
    /// How long it has been stuck, in milliseconds.
    pub for_ms: u64,
}
