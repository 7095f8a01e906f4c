//! The audit log: one line of JSON for each turn in `<project>/.phonework/<conv_id>.jsonl`.
//!
//! Each line holds in `prev` the hash of the line before it, and `mail.db` keeps the newest hash, so that a change to
//! the file shows. A line is sealed where that hash is known ([`AuditEntry::seal`], called by the store in the
//! transaction that settles the turn). It stays queued in `mail.db` until the `writer` has appended it; after a crash
//! [`append`] may therefore be called again with a line that is in the file.
//!
//! The folder lies where Claude works: nothing in it is trusted, and no symbolic link is followed.

mod append;
mod history;
mod verify;
pub(crate) mod writer;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use append::{Appended, FOLDER, append};
pub(crate) use history::{AuditedTurn, last_turns};
pub use verify::{Chain, verify};

use crate::ids::{ConvId, OpenId};

/// The record of one turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When the turn ended.
    pub at: Timestamp,
    /// The session, which the file is named after.
    pub conv_id: ConvId,
    /// The sender of the prompt.
    pub user: OpenId,
    /// The id of the turn; lines of earlier versions have none.
    #[serde(default)]
    pub turn: Option<Uuid>,
    /// The prompt, word for word.
    pub prompt: String,
    /// The answer, word for word.
    pub response: String,
    /// How the turn ended, in one word.
    pub outcome: String,
    /// The time from the prompt to the end, in milliseconds.
    pub duration_ms: u64,
    /// The cost of the turn in US dollars, as Claude Code reports it; `None` when it did not.
    pub cost_usd: Option<f64>,
    /// The tools that Claude used, in order.
    pub tools: Vec<AuditTool>,
    /// The permissions that Claude Code asked for, in order.
    pub approvals: Vec<AuditApproval>,
}

/// A tool that Claude used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditTool {
    /// The tool, as Claude Code names it.
    pub name: String,
    /// Its input, as far as it is worth keeping.
    pub input: serde_json::Value,
    /// Whether the tool failed; `None` when no result came.
    pub is_error: Option<bool>,
    /// When Claude used it; `None` in lines of earlier versions.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// A permission that Claude Code asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditApproval {
    /// The tool that Claude wanted to use.
    pub tool: String,
    /// The tool's input, as far as it is worth keeping.
    pub input: serde_json::Value,
    /// The decision, in one word.
    pub decision: String,
    /// What came with the decision: a reason, the rules that were allowed, the answers to questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who decided; `None` when nobody did.
    pub by: Option<OpenId>,
    /// When it was decided.
    pub at: Timestamp,
}

/// A line to write, and the project to write it in.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    /// The project's directory, a path without symbolic links.
    pub project: PathBuf,
    /// The line, without the hash of the one before.
    pub line: AuditLine,
}

/// A sealed line, ready to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number in the store's queue.
    pub id: i64,
    /// The session that it belongs to.
    pub conv_id: ConvId,
    /// The project's directory, a path without symbolic links.
    pub project: PathBuf,
    /// The JSON of the line, without a newline.
    pub line: String,
    /// The hash of the line before, as it stands in this line; `None` for a session's first.
    pub prev: Option<String>,
    /// The hash of this line: SHA-256 of its bytes without the newline, in hex.
    pub hash: String,
}

impl AuditEntry {
    /// Makes a record the next line of its session's chain.
    ///
    /// # Errors
    /// When the record cannot be written as JSON.
    pub(crate) fn seal(
        id: i64,
        record: &AuditRecord,
        prev: Option<String>,
    ) -> Result<Self, serde_json::Error> {
        #[derive(Serialize)]
        struct Sealed<'a> {
            #[serde(flatten)]
            line: &'a AuditLine,
            prev: Option<&'a str>,
        }
        let line = serde_json::to_string(&Sealed { line: &record.line, prev: prev.as_deref() })?;
        let hash = hash(line.as_bytes());
        let (conv_id, project) = (record.line.conv_id.clone(), record.project.clone());
        Ok(Self { id, conv_id, project, line, prev, hash })
    }
}

/// The SHA-256 of a line without its newline, in hex.
fn hash(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}

fn hex(digest: &[u8]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The `n`th line of the session `c-test`, with the hashes of an unbroken chain.
    pub(crate) fn entry(project: &std::path::Path, n: i64) -> AuditEntry {
        let prev = (n > 1).then(|| entry(project, n - 1).hash);
        let line = AuditLine {
            at: Timestamp::UNIX_EPOCH,
            conv_id: ConvId::from("c-test"),
            user: OpenId::from("ou_1"),
            turn: Some(Uuid::from_u128(7)),
            prompt: format!("prompt {n}"),
            response: "line\nbreak".into(),
            outcome: "answered".into(),
            duration_ms: 12,
            cost_usd: Some(0.25),
            tools: vec![AuditTool {
                name: "Bash".into(),
                input: "ls".into(),
                is_error: Some(false),
                at: None,
            }],
            approvals: Vec::new(),
        };
        AuditEntry::seal(n, &AuditRecord { project: project.to_path_buf(), line }, prev).unwrap()
    }

    #[test]
    fn a_line_has_every_field_and_the_hash_of_the_one_before() {
        let [first, second] = [1, 2].map(|n| entry("/p".as_ref(), n));
        assert_eq!(
            first.line,
            r#"{"at":"1970-01-01T00:00:00Z","conv_id":"c-test","user":"ou_1","turn":"00000000-0000-0000-0000-000000000007","prompt":"prompt 1","#
                .to_owned()
                + r#""response":"line\nbreak","outcome":"answered","duration_ms":12,"cost_usd":0.25,"#
                + r#""tools":[{"name":"Bash","input":"ls","is_error":false,"at":null}],"approvals":[],"prev":null}"#
        );
        assert!(second.line.ends_with(&format!(r#","prev":"{}"}}"#, first.hash)), "{}", second.line);
        assert_eq!(second.prev, Some(first.hash));
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
