//! The audit log: one line of JSON for each turn in `<project>/.phonework/<conv_id>.jsonl`.
//!
//! Each line carries in `prev` the hash of the line before it, and `mail.db` keeps the newest hash, so that a change
//! to the file shows. The lines are made where that hash is known ([`AuditEntry::seal`], called by the store in the
//! transaction that settles the turn) and come back after a crash until they are said to be written; [`append`] may
//! therefore be called twice with the same entry.
//!
//! The folder lies where Claude works: nothing in it is trusted, no symbolic link is followed.

mod file;
mod past;
mod verify;
pub(crate) mod writer;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use file::{Appended, FOLDER, append};
pub use past::{AuditedTurn, last};
pub use verify::{Chain, verify};

use crate::ids::{ConvId, OpenId};

/// What is written down about one turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When the turn ended.
    pub at: Timestamp,
    /// Its session; the file is named after it.
    pub conv_id: ConvId,
    /// Who asked.
    pub user: OpenId,
    /// The turn's id; lines of earlier versions have none.
    #[serde(default)]
    pub turn: Option<Uuid>,
    /// What was asked, word for word.
    pub prompt: String,
    /// What was answered, word for word.
    pub response: String,
    /// How the turn ended, in one word.
    pub outcome: String,
    /// From the prompt to the end, in milliseconds.
    pub duration_ms: u64,
    /// What Claude Code says that the turn cost, in US dollars; `None` when it did not say.
    pub cost_usd: Option<f64>,
    /// The tools that were used, in order.
    pub tools: Vec<AuditTool>,
    /// The permissions that were asked for, in order.
    pub approvals: Vec<AuditApproval>,
}

/// A tool that Claude used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditTool {
    /// As Claude Code names it.
    pub name: String,
    /// Its input, as far as it is worth keeping.
    pub input: serde_json::Value,
    /// Whether it failed; `None` when no result came.
    pub is_error: Option<bool>,
    /// When it was used; lines of earlier versions do not say.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

/// A permission that Claude Code asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditApproval {
    /// The tool it was for.
    pub tool: String,
    /// The tool's input, as far as it is worth keeping.
    pub input: serde_json::Value,
    /// What was decided, in one word.
    pub decision: String,
    /// What was said with it: a reason, the rules that were allowed, the answers to questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who decided; `None` when nobody did.
    pub by: Option<OpenId>,
    /// When it was decided.
    pub at: Timestamp,
}

/// A line that is to be written, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    /// The project's directory, its path free of symbolic links.
    pub project: PathBuf,
    /// What to write.
    pub line: AuditLine,
}

/// A line ready to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The store's number for it.
    pub id: i64,
    /// Its session.
    pub conv_id: ConvId,
    /// The project's directory, its path free of symbolic links.
    pub project: PathBuf,
    /// JSON without a newline.
    pub line: String,
    /// The hash of the line before, as it stands in the line; `None` for a session's first.
    pub prev: Option<String>,
    /// The hash of this line: SHA-256 of its bytes without the newline, in hex.
    pub hash: String,
}

impl AuditEntry {
    /// Makes a record the next line of its session's chain.
    ///
    /// # Errors
    /// When the record cannot be put into JSON.
    pub fn seal(id: i64, record: &AuditRecord, prev: Option<String>) -> Result<Self, serde_json::Error> {
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

/// SHA-256 in hex.
fn hash(line: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(line).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The `n`th line of session `c-test`, its chain being whole.
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
