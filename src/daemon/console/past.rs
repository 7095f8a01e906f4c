//! The last turns of the sessions, from their audit logs.

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

/// So many logs are read at once: one disk that does not answer holds up few others.
const AT_ONCE: usize = 8;
/// A project's disk that does not answer within this time is not waited for.
const READING: Duration = Duration::from_secs(5);

/// The last so many turns of these sessions together, oldest first. The session that was active last comes first among
/// `sessions`. Those whose logs cannot be read are passed over.
pub(super) async fn turns(
    store: &Store,
    sessions: Vec<&Session>,
    most: usize,
    since: Option<Timestamp>,
) -> Vec<AuditedTurn> {
    // Each of the last turns is of one of the sessions that were active last.
    let logs: Vec<_> = sessions
        .into_iter()
        .take(most)
        .map(|session| (session.conv_id.clone(), session.cwd.clone()))
        .collect();
    let logs = stream::iter(logs).map(|(conv_id, project)| of_one(store.clone(), conv_id, project, most));
    let mut all: Vec<AuditedTurn> = logs.buffered(AT_ONCE).collect::<Vec<_>>().await.concat();
    all.retain(|past| since.is_none_or(|since| past.line.at > since));
    all.sort_by_key(|past| past.line.at);
    let too_many = all.len().saturating_sub(most);
    all.drain(..too_many);
    all
}

async fn of_one(store: Store, conv_id: ConvId, project: PathBuf, most: usize) -> Vec<AuditedTurn> {
    let mut turns = Vec::new();
    // A line may be written between the look at its hash and the look at the log; not twice.
    for _ in 0..2 {
        let Ok(unwritten) = store.unwritten_of(&conv_id).await else { return turns };
        let Ok(head) = store.audit_head(&conv_id).await else { return turns };
        let before = unwritten.first().and_then(|entry| entry.prev.clone());
        let newest: Vec<String> =
            unwritten.iter().map(|entry| entry.hash.clone()).chain(before).chain(head).collect();
        let (folder, name) = (project.clone(), conv_id.clone());
        let read = tokio::task::spawn_blocking(move || audit::last_turns(&folder, &name, most, &newest));
        turns = match timeout(READING, read).await {
            Ok(Ok(Ok(turns))) => turns,
            Ok(Ok(Err(error))) => {
                debug!(%conv_id, %error, "an audit log cannot be read");
                Vec::new()
            }
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        turns.extend(not_in(&turns, unwritten));
        if !turns.last().is_some_and(|last| last.altered) {
            break;
        }
    }
    turns
}

/// The turns that are on record and not yet in the log.
fn not_in(turns: &[AuditedTurn], unwritten: Vec<AuditEntry>) -> Vec<AuditedTurn> {
    let missing = unwritten.into_iter().filter(|entry| !turns.iter().any(|past| past.hash == entry.hash));
    let read = missing.filter_map(|entry| {
        let line = serde_json::from_str::<AuditLine>(&entry.line).ok()?;
        Some(AuditedTurn { line, hash: entry.hash, altered: false })
    });
    read.collect()
}
