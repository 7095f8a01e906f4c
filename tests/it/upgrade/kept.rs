//! The folders of `tests/fixtures/state`.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use phonework::emulator::PhoneUtterance;
use phonework::ids::{ChatId, OpenId};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::phonework::Phonework;
use crate::support::tools::source;

/// Stands in a fixture for the folder that the projects were in.
const PROJECTS: &str = "/projects";

/// The columns of `mail.db` whose text may name a project's folder, apart from the audit log's.
const PATHS: [(&str, &str); 4] =
    [("outbox", "text"), ("outbox", "document"), ("outbox", "place"), ("card", "epitaph")];

/// The columns of `mail.db` that name a message of a person's.
const MESSAGES: [(&str, &str); 6] = [
    ("seen", "id"),
    ("inbox", "message_id"),
    ("turn", "reply_to"),
    ("outbox", "reply_to"),
    ("outbox", "reaction_on"),
    ("card", "reply_to"),
];

/// The columns of `mail.db` that hold a time in milliseconds.
const TIMES: [(&str, &[&str]); 5] = [
    ("seen", &["at"]),
    ("inbox", &["created", "received", "settled"]),
    ("turn", &["started", "settled"]),
    ("outbox", &["made", "unsure_since", "settled"]),
    ("card", &["made"]),
];

/// A folder with what a daemon left behind: `state` as it was, `audit` with a folder of logs for each project (what git
/// ignores under its own name), `claude` with what the practice agent remembers.
pub(super) struct Kept {
    folder: PathBuf,
}

impl Kept {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn of_version(version: &str) -> Self {
        Self::at(source("tests/fixtures/state").join(version))
    }

    /// Fills the folder from a phonework whose daemon is dead.
    pub(super) fn keep(&self, phonework: &Phonework) {
        assert!(!self.folder.exists(), "{} is there already", self.folder.display());
        let projects = phonework.projects().canonicalize().unwrap();
        copy(&phonework.state(), &self.folder.join("state"), &["sessions.json", "allowed.json"]);
        let sessions = self.folder.join("state/sessions.json");
        replace(&sessions, projects.to_str().unwrap(), PROJECTS);
        let (written, copied) = (phonework.state().join("mail.db"), self.folder.join("state/mail.db"));
        // What is still in the log beside the database goes into the database itself.
        let db = Connection::open(&written).unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        drop(db);
        fs::copy(written, &copied).unwrap();
        let db = Connection::open(&copied).unwrap();
        move_projects(&db, projects.to_str().unwrap(), PROJECTS);
        // Pages that are no longer used would still name the old place.
        db.execute_batch("VACUUM").unwrap();
        for project in fs::read_dir(&projects).unwrap().flatten() {
            let logs = project.path().join(".phonework");
            if logs.exists() {
                copy(&logs, &self.folder.join("audit").join(project.file_name()), &[]);
            }
        }
        copy(&phonework.claude_folder().join("practice"), &self.folder.join("claude"), &[]);
    }

    /// Copies the folder to where the daemon that is started next looks for all that.
    ///
    /// Times in `mail.db` become such that the daemon was killed a moment ago: a fixture of any age shows the same. With
    /// the times as they are, ids would be forgotten after 7 days, cards and refused posts after 30, and what waits
    /// would be asked about as too late. The messages of people are written again in today's emulated Feishu and have new
    /// ids; it pushes them once more, and none must be taken over twice. `sessions.json` and the audit logs stay as they were written.
    pub(super) fn copy_to(&self, phonework: &Phonework) {
        let projects = phonework.projects().canonicalize().unwrap();
        copy(&self.folder.join("state"), &phonework.state(), &[]);
        replace(&phonework.state().join("sessions.json"), PROJECTS, projects.to_str().unwrap());
        let db = Connection::open(phonework.state().join("mail.db")).unwrap();
        move_projects(&db, PROJECTS, projects.to_str().unwrap());
        shift_times(&db);
        write_messages_again(&db, phonework);
        for session in sessions(&phonework.state().join("sessions.json")) {
            fs::create_dir_all(session["cwd"].as_str().unwrap()).unwrap();
        }
        for project in fs::read_dir(self.folder.join("audit")).unwrap().flatten() {
            let logs = projects.join(project.file_name()).join(".phonework");
            copy(&project.path(), &logs, &[]);
        }
        copy(&self.folder.join("claude"), &phonework.claude_folder().join("practice"), &[]);
    }
}

/// Copies the files of a folder, or those with these names, with the modes that phonework gives them.
fn copy(from: &Path, to: &Path, names: &[&str]) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for file in fs::read_dir(from).unwrap().flatten() {
        let hidden = file.file_name().to_string_lossy().starts_with('.');
        if !hidden && (names.is_empty() || names.iter().any(|name| file.file_name() == *name)) {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

fn replace(file: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, text.replace(&format!("\"{old}"), &format!("\"{new}"))).unwrap();
}

fn move_projects(db: &Connection, from: &str, to: &str) {
    for (table, column) in PATHS {
        let moved = format!("replace({column}, ?1, ?2)");
        db.execute(&format!("UPDATE {table} SET {column} = {moved}"), [from, to]).unwrap();
    }
    let moved = "CAST(replace(CAST(project AS TEXT), ?1, ?2) AS BLOB)";
    db.execute(&format!("UPDATE audit SET project = {moved}"), [from, to]).unwrap();
}

fn shift_times(db: &Connection) {
    let columns =
        || TIMES.iter().flat_map(|(table, columns)| columns.iter().map(move |column| (table, column)));
    let newest = |(table, column)| -> Option<i64> {
        db.query_row(&format!("SELECT max({column}) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    let newest = columns().filter_map(newest).max().expect("the fixture has times");
    let shift = Timestamp::now().as_millisecond() - newest;
    for (table, column) in columns() {
        db.execute(&format!("UPDATE {table} SET {column} = {column} + ?1"), [shift]).unwrap();
    }
}

/// Has the people write to the emulated Feishu what they had written to the one that is gone.
fn write_messages_again(db: &Connection, phonework: &Phonework) {
    let mut mails = db
        .prepare("SELECT message_id, user, chat_id, in_group, text, created FROM inbox ORDER BY seq")
        .unwrap();
    let mails = mails.query_map([], |row| {
        let (old, user, chat): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (in_group, text, created): (bool, String, i64) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let mention =
            if in_group { format!("@{} ", phonework.emulator.options().bot_name) } else { String::new() };
        let said =
            PhoneUtterance::text(&OpenId::from(user), &ChatId::from(chat), &format!("{mention}{text}"));
        Ok((old, PhoneUtterance { sent_at: Timestamp::from_millisecond(created).ok(), ..said }))
    });
    for (old, said) in mails.unwrap().collect::<Result<Vec<_>, _>>().unwrap() {
        let new = phonework.emulator.utter(said).unwrap();
        for (table, column) in MESSAGES {
            let sql = format!("UPDATE {table} SET {column} = ?2 WHERE {column} = ?1");
            db.execute(&sql, [old.as_str(), new.as_str()]).unwrap();
        }
    }
}

fn sessions(file: &Path) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    std::mem::take(file["sessions"].as_array_mut().unwrap())
}
