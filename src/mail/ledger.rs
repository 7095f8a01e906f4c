//! Lines on their way to the audit log, and the heads of their chains, in SQL.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::StoreError;
use crate::{
    audit::{AuditEntry, AuditRecord},
    ids::ConvId,
};

/// Makes the record the next line of its session and keeps it until it is said to be written.
pub(super) fn add(db: &Connection, record: &AuditRecord) -> Result<AuditEntry, StoreError> {
    let conv = &record.line.conv_id;
    let seal =
        |id, prev| AuditEntry::seal(id, record, prev).map_err(|error| StoreError::Failed(error.to_string()));
    let mut entry = seal(0, head(db, conv)?)?;
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

pub(super) fn head(db: &Connection, conv: &ConvId) -> Result<Option<String>, StoreError> {
    let hash = db
        .prepare_cached("SELECT hash FROM audit_head WHERE conv_id = ?1")?
        .query_row([conv.as_str()], |row| row.get(0))
        .optional()?;
    Ok(hash)
}

const ENTRIES: &str = "SELECT id, conv_id, project, line, prev, hash FROM audit";

/// So many lines are read at once.
const SOME: u32 = 32;

pub(super) fn unwritten(db: &Connection) -> Result<Vec<AuditEntry>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{ENTRIES} ORDER BY id"))?;
    Ok(statement.query_map([], entry)?.collect::<Result<_, _>>()?)
}

/// The first of a session's.
pub(super) fn unwritten_of(db: &Connection, conv: &ConvId) -> Result<Vec<AuditEntry>, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("{ENTRIES} WHERE conv_id = ?1 ORDER BY id LIMIT {SOME}"))?;
    Ok(statement.query_map([conv.as_str()], entry)?.collect::<Result<_, _>>()?)
}

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

pub(super) fn written(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM audit WHERE id = ?1")?.execute([id])?;
    Ok(())
}
