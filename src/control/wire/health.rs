//! The state of every part, as `HealthReport` tells it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ConvId;

/// The parameters of `HealthReport`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCall {
    /// Whether to run `claude -p ping` first.
    pub probe: Option<bool>,
}

/// The reply to `HealthReport`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// Whether all that is needed works.
    pub healthy: bool,
    /// What does not work: sentences.
    pub problems: Vec<String>,
    /// What an operator should know besides: sentences.
    pub notes: Vec<String>,
    /// The daemon's version.
    pub version: String,
    /// The daemon's process.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Its resident memory, in bytes.
    pub memory: u64,
    /// The long connection to Feishu.
    pub connection: ConnectionHealth,
    /// Feishu's HTTP API.
    pub api: ApiHealth,
    /// What waits on disk.
    pub mail: MailHealth,
    /// The sessions in numbers.
    pub sessions: HealthCounts,
    /// Claude Code.
    pub claude: ClaudeHealth,
    /// What keeps Claude from the rest of the machine.
    pub sandbox: String,
    /// Tasks of the daemon that have not moved for too long.
    pub stuck: Vec<StuckTaskInfo>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleInfo {
    /// When.
    pub at: Timestamp,
    /// A sentence.
    pub what: String,
}

/// The long connection to Feishu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionHealth {
    /// What is going on.
    pub state: LinkState,
    /// Since when.
    pub since: Timestamp,
    /// When the next try comes.
    pub next_try_at: Option<Timestamp>,
    /// When anything last arrived.
    pub last_frame_at: Option<Timestamp>,
    /// Connections made after the first one.
    pub reconnects: u64,
    /// Why the last connection or try ended; stays after a recovery.
    pub last_error: Option<String>,
    /// When Feishu was last asked to deliver something again.
    pub turned_away_at: Option<Timestamp>,
}

/// How the long connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// A try is on its way.
    Connecting,
    /// There is a connection.
    Connected,
    /// The next try comes later.
    Waiting,
    /// The daemon leaves.
    Stopped,
}

/// Feishu's HTTP API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiHealth {
    /// When a call last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// The last call that failed.
    pub last_error: Option<TroubleInfo>,
    /// Until when the access token is used.
    pub token_until: Option<Timestamp>,
}

/// What waits on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailHealth {
    /// Whether `mail.db` answers; when it does not, the numbers are those of its last answer.
    pub answers: bool,
    /// Messages that nobody has begun with.
    pub inbox: u32,
    /// Messages whose turn runs.
    pub running: u32,
    /// When the oldest waiting message came.
    pub oldest_inbox_at: Option<Timestamp>,
    /// Messages to Feishu that it has not confirmed.
    pub outbox: u32,
    /// When the oldest of them was put there.
    pub oldest_outbox_at: Option<Timestamp>,
    /// Messages that Feishu refused for good, of the last 30 days.
    pub wedged: u32,
    /// The last ten of them, newest first.
    pub last_wedged: Vec<WedgedInfo>,
    /// When a message was last taken over from Feishu since the start.
    pub last_received_at: Option<Timestamp>,
}

/// A message to Feishu that it refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WedgedInfo {
    /// When it was refused.
    pub at: Timestamp,
    /// The chat or the person.
    pub to: String,
    /// Why.
    pub why: String,
}

/// The sessions in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCounts {
    /// Not closed.
    pub open: usize,
    /// With a process.
    pub live: usize,
    /// At work on a message.
    pub running: usize,
    /// The processes of the live ones.
    pub processes: Vec<ProcessUsage>,
}

/// A live session's process, with all that it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessUsage {
    /// The session.
    pub conv_id: ConvId,
    /// The process that the daemon started.
    pub pid: u32,
    /// It and all below it.
    pub processes: usize,
    /// Their resident memory, in bytes.
    pub memory: u64,
}

/// Whether Claude Code answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaudeProof {
    /// When it was tried.
    pub at: Timestamp,
    /// How.
    pub by: ProofSource,
    /// Whether there was an answer.
    pub passed: bool,
    /// How long it took.
    pub took_ms: u64,
    /// Why it did not pass, with the way out.
    pub why: Option<String>,
}

/// How Claude Code was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofSource {
    /// `claude -p ping` was run.
    Probe,
    /// Somebody's message was answered.
    Turn,
}

/// Claude Code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaudeHealth {
    /// As configured.
    pub command: String,
    /// The program that was found.
    pub path: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Whether it answers.
    pub proof: Option<ClaudeProof>,
}

/// A task of the daemon that has not moved for too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckTaskInfo {
    /// Its name.
    pub task: String,
    /// Since when, in milliseconds.
    pub for_ms: u64,
}
