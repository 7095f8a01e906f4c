//! Audit lines: queued in the transaction that settles their turn, until the audit writer has put them into their
//! files; and the newest hash of each session's chain.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    future::Future,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Committed, Store, StoreError, crash_point};
use crate::{
    audit::{AuditEntry, AuditRecord, writer::LineQueue},
    crash::Point,
    ids::ConvId,
};

/// Maximum number of lines of a session that are read at once.
const MAX_LINES: u32 = 32;

const SELECT_ENTRIES: &str = "SELECT id, conv_id, project, line, prev, hash FROM audit";

impl Store {
    /// The hash of a session's newest audit line; `None` when it has none.
    pub fn audit_head(&self, conv: &ConvId) -> Committed<Option<String>> {
        let conv = conv.clone();
        self.call(move |db| head(db, &conv))
    }

    /// All queued audit lines, in order.
    pub fn unwritten(&self) -> Committed<Vec<AuditEntry>> {
        self.call(unwritten)
    }

    /// The first queued audit lines of a session, in order.
    pub(crate) fn unwritten_of(&self, conv: &ConvId) -> Committed<Vec<AuditEntry>> {
        let conv = conv.clone();
        self.call(move |db| {
            let mut statement = db.prepare_cached(&format!(
                "{SELECT_ENTRIES} WHERE conv_id = ?1 ORDER BY id LIMIT {MAX_LINES}"
            ))?;
            Ok(statement.query_map([conv.as_str()], entry)?.collect::<Result<_, _>>()?)
        })
    }

    /// Takes an audit line off the queue: it is in its file, or its project is gone.
    pub fn audit_written(&self, id: i64) -> Committed<()> {
        self.call(move |db| {
            db.prepare_cached("DELETE FROM audit WHERE id = ?1")?.execute([id])?;
            crash_point(Point::AuditMarkWrite)
        })
    }
}

impl LineQueue for Store {
    type Error = StoreError;

    fn next_lines(
        &self,
        conv_id: &ConvId,
    ) -> impl Future<Output = Result<Vec<AuditEntry>, StoreError>> + Send {
        self.unwritten_of(conv_id)
    }

    fn written(&self, id: i64) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.audit_written(id)
    }

    async fn fresh_sessions(&self) -> BTreeSet<ConvId> {
        self.wake_sets.audits.take().await
    }

    fn fresh_sessions_now(&self) -> BTreeSet<ConvId> {
        self.wake_sets.audits.take_now()
    }
}

/// Makes the record the next line of its session's chain and queues it.
pub(super) fn add(db: &Connection, record: &AuditRecord) -> Result<AuditEntry, StoreError> {
    let conv = &record.line.conv_id;
    let mut entry = AuditEntry::seal(0, record, head(db, conv)?)
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    db.prepare_cached("INSERT INTO audit (conv_id, project, line, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            conv.as_str(),
            entry.project.as_os_str().as_bytes(),
            entry.line,
            entry.prev,
            entry.hash
        ])?;
    entry.id = db.last_insert_rowid();
    db.prepare_cached(
        "INSERT INTO audit_head (conv_id, hash) VALUES (?1, ?2)
         ON CONFLICT (conv_id) DO UPDATE SET hash = excluded.hash",
    )?
    .execute(params![conv.as_str(), entry.hash])?;
    Ok(entry)
}

fn head(db: &Connection, conv: &ConvId) -> Result<Option<String>, StoreError> {
    let hash = db
        .prepare_cached("SELECT hash FROM audit_head WHERE conv_id = ?1")?
        .query_row([conv.as_str()], |row| row.get(0))
        .optional()?;
    Ok(hash)
}

pub(super) fn unwritten(db: &Connection) -> Result<Vec<AuditEntry>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{SELECT_ENTRIES} ORDER BY id"))?;
    Ok(statement.query_map([], entry)?.collect::<Result<_, _>>()?)
}

/// Reads a line from the columns of [`SELECT_ENTRIES`].
fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        id: row.get(0)?,
        conv_id: ConvId::from(row.get::<_, String>(1)?),
        project: PathBuf::from(OsString::from_vec(row.get(2)?)),
        line: row.get(3)?,
        prev: row.get(4)?,
        hash: row.get(5)?,
    })
}
