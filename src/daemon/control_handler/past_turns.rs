//! The last turns of sessions, read from their audit logs.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::time::timeout;
use tracing::debug;

use crate::audit::{self, AuditEntry, AuditLine, AuditedTurn};
use crate::ids::ConvId;
use crate::mail::Store;
use crate::session::registry::Session;

/// Maximum number of logs read at once. So a disk that does not answer delays only a few others.
const MAX_PARALLEL_READS: usize = 8;
/// Maximum time for reading one log; a slower disk is not waited for.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The last `max` turns of these sessions together, oldest first. `sessions` must be sorted, the max recently active
/// first. Sessions whose logs cannot be read are skipped.
pub(super) async fn turns(
    store: &Store,
    sessions: Vec<&Session>,
    max: usize,
    since: Option<Timestamp>,
) -> Vec<AuditedTurn> {
    // Each of the last `max` turns belongs to one of the `max` max recently active sessions.
    let logs: Vec<_> = sessions
        .into_iter()
        .take(max)
        .map(|session| (session.conv_id.clone(), session.cwd.clone()))
        .collect();
    let logs = stream::iter(logs).map(|(conv_id, project)| of_one(store.clone(), conv_id, project, max));
    let mut all: Vec<AuditedTurn> = logs.buffered(MAX_PARALLEL_READS).collect::<Vec<_>>().await.concat();
    all.retain(|past| since.is_none_or(|since| past.line.at > since));
    all.sort_by_key(|past| past.line.at);
    let too_many = all.len().saturating_sub(max);
    all.drain(..too_many);
    all
}

async fn of_one(store: Store, conv_id: ConvId, project: PathBuf, max: usize) -> Vec<AuditedTurn> {
    let mut turns = Vec::new();
    // A line may be written between reading its hash and reading the log. A second attempt then succeeds.
    for _ in 0..2 {
        let Ok(unwritten) = store.unwritten_of(&conv_id).await else { return turns };
        let Ok(head) = store.audit_head(&conv_id).await else { return turns };
        let before = unwritten.first().and_then(|entry| entry.prev.clone());
        let newest: Vec<String> =
            unwritten.iter().map(|entry| entry.hash.clone()).chain(before).chain(head).collect();
        let (folder, name) = (project.clone(), conv_id.clone());
        let read = tokio::task::spawn_blocking(move || audit::last_turns(&folder, &name, max, &newest));
        turns = match timeout(READ_TIMEOUT, read).await {
            Ok(Ok(Ok(turns))) => turns,
            Ok(Ok(Err(error))) => {
                debug!(%conv_id, %error, "failed to read an audit log");
                Vec::new()
            }
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        turns.extend(missing_from(&turns, unwritten));
        if !turns.last().is_some_and(|last| last.altered) {
            break;
        }
    }
    turns
}

/// The turns that are recorded in `mail.db` but not yet written to the log.
fn missing_from(turns: &[AuditedTurn], unwritten: Vec<AuditEntry>) -> Vec<AuditedTurn> {
    let missing = unwritten.into_iter().filter(|entry| !turns.iter().any(|past| past.hash == entry.hash));
    let missing = missing.filter_map(|entry| {
        let line = serde_json::from_str::<AuditLine>(&entry.line).ok()?;
        Some(AuditedTurn { line, hash: entry.hash, altered: false })
    });
    missing.collect()
}
