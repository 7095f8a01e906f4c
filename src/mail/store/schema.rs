//! The format of `mail.db`, and how the file is opened: one that is damaged, foreign or newer is refused and left as it
//! is.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

/// `application_id` in the file's header, "phon": what tells `mail.db` from other SQLite files.
const APPLICATION_ID: i32 = 0x7068_6f6e;

/// The migrations: each leads from one version of the format (`user_version`) to the next, the first from an empty file
/// to version 1. Times are milliseconds since 1970.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE seen (
    kind TEXT NOT NULL CHECK (kind IN ('message', 'event')),
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen (at);

CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    user TEXT NOT NULL,
    in_group INTEGER NOT NULL,
    text TEXT NOT NULL,
    created INTEGER NOT NULL,
    received INTEGER NOT NULL,
    conv_id TEXT,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'answered')),
    settled INTEGER
) STRICT;
CREATE INDEX inbox_open ON inbox (state, seq) WHERE state <> 'answered';
CREATE INDEX inbox_settled ON inbox (settled) WHERE settled IS NOT NULL;

CREATE TABLE turn (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    turn_id TEXT NOT NULL UNIQUE,
    mail INTEGER,
    conv_id TEXT NOT NULL,
    user TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    in_group INTEGER NOT NULL,
    reply_to TEXT,
    prompt TEXT NOT NULL,
    started INTEGER NOT NULL,
    outcome TEXT,
    settled INTEGER,
    CHECK ((outcome IS NULL) = (settled IS NULL))
) STRICT;
CREATE INDEX turn_conv ON turn (conv_id, seq);
CREATE INDEX turn_running ON turn (seq) WHERE settled IS NULL;
CREATE INDEX turn_settled ON turn (settled) WHERE settled IS NOT NULL;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL,
    to_kind TEXT NOT NULL CHECK (to_kind IN ('chat', 'user')),
    to_id TEXT NOT NULL,
    reply_to TEXT,
    text TEXT,
    reaction_on TEXT,
    emoji TEXT,
    made INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    unsure_since INTEGER,
    last_error TEXT,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'confirmed', 'wedged')),
    message_id TEXT,
    settled INTEGER,
    CHECK ((emoji IS NULL) = (reaction_on IS NULL)),
    CHECK (emoji IS NOT NULL OR text IS NOT NULL)
) STRICT;
CREATE INDEX outbox_pending ON outbox (to_kind, to_id, id) WHERE state = 'pending';
CREATE INDEX outbox_wedged ON outbox (settled) WHERE state = 'wedged';
CREATE INDEX outbox_confirmed ON outbox (settled) WHERE state = 'confirmed';

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conv_id TEXT NOT NULL,
    project BLOB NOT NULL,
    line TEXT NOT NULL,
    prev TEXT,
    hash TEXT NOT NULL
) STRICT;
CREATE TABLE audit_head (
    conv_id TEXT PRIMARY KEY,
    hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE outbox ADD COLUMN document TEXT;
ALTER TABLE outbox ADD COLUMN slot TEXT;
ALTER TABLE outbox ADD COLUMN place TEXT;

CREATE TABLE card (
    slot TEXT PRIMARY KEY,
    to_kind TEXT NOT NULL CHECK (to_kind IN ('chat', 'user')),
    to_id TEXT NOT NULL,
    reply_to TEXT,
    made INTEGER NOT NULL,
    message_id TEXT,
    entity TEXT,
    gone INTEGER NOT NULL DEFAULT 0,
    unsure INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0,
    epitaph TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX card_made ON card (made);
CREATE INDEX card_message ON card (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX card_open ON card (slot) WHERE epitaph IS NOT NULL;
",
];

/// Why `mail.db` was not opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read and written.
    #[error(
        "{path} cannot be opened ({reason}): the user that the daemon runs as has to be able to read and write this file and its directory", path = path.display()
    )]
    Unusable {
        /// The path of the database file.
        path: PathBuf,
        /// The error of the operating system or of SQLite.
        reason: String,
    },
    /// It is not a SQLite database, or not one any more.
    #[error(
        "{path} is damaged ({reason}): put a backup in its place, or move it and the files beside it (-wal, -shm) away to start with empty mail", path = path.display()
    )]
    Damaged {
        /// The path of the database file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is a database of another program.
    #[error(
        "{path} was not written by phonework: move it away, or choose another state directory", path = path.display()
    )]
    Foreign {
        /// The path of the database file.
        path: PathBuf,
    },
    /// A later phonework has changed its format.
    #[error(
        "{path} was written by a newer phonework (format {found}, this one knows {known}): install that version again", path = path.display()
    )]
    Newer {
        /// The path of the database file.
        path: PathBuf,
        /// The file's version of the format.
        found: i64,
        /// The newest version that this program knows.
        known: usize,
    },
}

/// Opens the file, creating it if it is missing (mode 0600), checks it, and migrates it to the newest format.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let unusable = |error: io::Error| OpenError::Unusable { path: path.into(), reason: error.to_string() };
    create(path).map_err(unusable)?;
    check_magic(path)?;
    let db = connect(path).map_err(|error| explain(path, &error))?;
    inspect(&db, path)?;
    // Only a file that passed the checks is made private: until then, nothing is touched.
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match fs::set_permissions(&file, Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            Ok(()) | Err(_) => {}
        }
    }
    prepare(&db).map_err(|error| explain(path, &error))?;
    Ok(db)
}

/// Creates an empty file if there is none. The directory is synced, so that the file is there after a power cut.
fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Refuses a file that is not a database before SQLite opens it.
fn check_magic(path: &Path) -> Result<(), OpenError> {
    let unusable = |error: io::Error| OpenError::Unusable { path: path.into(), reason: error.to_string() };
    let mut head = Vec::new();
    // Opened for writing too: SQLite would fall back to reading only.
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(unusable)?;
    file.take(16).read_to_end(&mut head).map_err(unusable)?;
    if head.is_empty() || head == b"SQLite format 3\0" {
        return Ok(());
    }
    Err(OpenError::Damaged { path: path.into(), reason: "it is not a SQLite database".into() })
}

/// Opens a connection that changes nothing by itself, not even when it is closed.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE,
    )?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.busy_timeout(Duration::from_secs(5))?;
    Ok(db)
}

/// Refuses what is foreign, newer or damaged. Reads only.
fn inspect(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let explain = |error: rusqlite::Error| explain(path, &error);
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(explain);
    let version = number("PRAGMA user_version")?;
    match (number("PRAGMA application_id")?, version) {
        (id, _) if id == i64::from(APPLICATION_ID) => {}
        // A daemon that is killed while it creates the file leaves it empty.
        (0, 0) if number("SELECT count(*) FROM sqlite_schema")? == 0 => return Ok(()),
        _ => return Err(OpenError::Foreign { path: path.into() }),
    }
    if version > MIGRATIONS.len() as i64 {
        return Err(OpenError::Newer { path: path.into(), found: version, known: MIGRATIONS.len() });
    }
    let reason: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(explain)?;
    if reason == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: path.into(), reason }) }
}

/// Applies the settings, then the missing migrations, each in a transaction of its own.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    // FULL: a commit is on the disk when it returns. No automatic checkpoint: the database thread does it when no call
    // waits. The limit on the log returns its space after a long answer.
    db.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 4194304;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -1024;
         PRAGMA trusted_schema = OFF;",
    )?;
    db.set_prepared_statement_cache_capacity(64);
    let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (migration, to) in MIGRATIONS.iter().zip(1..).filter(|(_, to)| *to > version) {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {migration} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {to}; COMMIT;"
        ))?;
    }
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

fn explain(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, reason) = (path.into(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, reason },
        _ => OpenError::Unusable { path, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(prepare: impl Fn(&Path)) -> (OpenError, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mail.db");
        prepare(&path);
        let before = fs::read(&path).ok();
        let error = open(&path).unwrap_err();
        assert_eq!(fs::read(&path).ok(), before, "the file was changed");
        let sentence = error.to_string().replace(&path.display().to_string(), "mail.db");
        (error, sentence)
    }

    #[test]
    fn a_new_file_is_private_and_opens_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mail.db");
        drop(open(&path).unwrap());
        let db = open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let synchronous: i64 = db.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        let vacuum: i64 = db.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), synchronous, vacuum), ("wal", 2, 2));
    }

    #[test]
    fn an_empty_file_that_was_just_created_is_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mail.db");
        fs::write(&path, "").unwrap();
        drop(open(&path).unwrap());
        let path = directory.path().join("wal.db");
        Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
        drop(open(&path).unwrap());
    }

    #[test]
    fn a_file_that_is_not_a_database_is_reported_as_damaged() {
        let (error, sentence) = refused(|path| fs::write(path, "to do: buy milk").unwrap());
        assert!(matches!(error, OpenError::Damaged { .. }));
        insta::assert_snapshot!(sentence, @"mail.db is damaged (it is not a SQLite database): put a backup in its place, or move it and the files beside it (-wal, -shm) away to start with empty mail");
    }

    #[test]
    fn an_overwritten_page_is_reported_as_damaged() {
        let (error, _) = refused(|path| {
            drop(open(path).unwrap());
            let mut bytes = fs::read(path).unwrap();
            bytes[4096 * 4..4096 * 5].fill(0x5a);
            fs::write(path, bytes).unwrap();
        });
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_database_of_another_program_is_foreign() {
        let (error, sentence) = refused(|path| {
            Connection::open(path).unwrap().execute_batch("CREATE TABLE songs (name TEXT)").unwrap();
        });
        assert!(matches!(error, OpenError::Foreign { .. }));
        insta::assert_snapshot!(sentence, @"mail.db was not written by phonework: move it away, or choose another state directory");
    }

    #[test]
    fn a_newer_format_is_refused() {
        let (error, sentence) = refused(|path| {
            open(path).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
        });
        assert!(matches!(error, OpenError::Newer { found: 7, .. }));
        insta::assert_snapshot!(sentence, @"mail.db was written by a newer phonework (format 7, this one knows 2): install that version again");
    }

    #[test]
    fn a_newer_format_in_the_write_ahead_log_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mail.db");
        let db = open(&path).unwrap();
        db.execute_batch("PRAGMA user_version = 7").unwrap();
        let image = tempfile::tempdir().unwrap();
        for name in ["mail.db", "mail.db-wal"] {
            fs::copy(directory.path().join(name), image.path().join(name)).unwrap();
        }
        let contents = || ["mail.db", "mail.db-wal"].map(|name| fs::read(image.path().join(name)).unwrap());
        let before = contents();
        open(&image.path().join("mail.db")).unwrap_err();
        assert_eq!(contents(), before);
    }

    #[test]
    fn a_directory_in_its_place_or_a_missing_directory_makes_it_unusable() {
        let (error, _) = refused(|path| fs::create_dir(path).unwrap());
        assert!(matches!(error, OpenError::Unusable { .. }));
        let directory = tempfile::tempdir().unwrap();
        let error = open(&directory.path().join("missing/mail.db")).unwrap_err();
        assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    }
}
