//! Finds other processes that have a conversation open, and when the conversation was last written to.
//!
//! Claude Code takes no lock. If two processes work on one conversation, both answer, and one of the two branches is
//! lost with the next resume; so whoever is about to write has to check first. Each process keeps `sessions/<pid>.json`
//! in Claude Code's folder. It removes the file at a clean exit but leaves it behind when it is killed, so a file counts
//! only while the process that it names is alive.
//!
//! [`parse`] is pure. Anything that Claude ran may have put files into that folder. They are therefore opened without
//! waiting and without following links, read up to a limit, and trusted for nothing but a warning.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use serde::Deserialize;

use crate::ids::ClaudeSessionId;
use crate::process_tree;

/// Maximum number of bytes read of one file; a real one has 700.
const MAX_ENTRY_BYTES: u64 = 64 * 1024;
/// Maximum number of files that are looked at in a folder.
const MAX_FILES: usize = 4096;

/// What a `sessions/<pid>.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningProcess {
    /// The process; the file is named for it.
    pub pid: u32,
    /// Its start time as in `/proc/<pid>/stat`. A later process with the same pid has another one.
    pub proc_start: String,
    /// The conversation that it has open.
    pub session_id: String,
    /// Its start time in milliseconds since 1970.
    pub started_at: Option<i64>,
    /// `cli` for a process in a terminal, `sdk-cli` for one that a program drives.
    pub entrypoint: Option<String>,
}

/// Another process that has the conversation open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenElsewhere {
    /// Its pid on this machine.
    pub pid: u32,
    /// Its start time, if it is known.
    pub since: Option<Timestamp>,
    /// Whether it runs in a terminal.
    pub terminal: bool,
}

/// What to know before writing to a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationCheck {
    /// The other processes that have it open.
    pub elsewhere: Vec<OpenElsewhere>,
    /// When its transcript was last written to; `None` if there is no transcript.
    pub written: Option<SystemTime>,
}

/// Reads the text of a `sessions/<pid>.json`; `None` if it is something else.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<RunningProcess> {
    serde_json::from_slice(bytes).ok()
}

/// Claude Code's folder in this environment: `$CLAUDE_CONFIG_DIR`, or `~/.claude`.
#[must_use]
pub fn folder(environment: &BTreeMap<OsString, OsString>) -> Option<PathBuf> {
    let value = |name: &str| environment.get(OsStr::new(name)).filter(|value| !value.is_empty());
    value("CLAUDE_CONFIG_DIR")
        .map(PathBuf::from)
        .or_else(|| value("HOME").map(|home| PathBuf::from(home).join(".claude")))
}

/// Finds the processes that have the conversation open, except the descendants of `ours`. Reads files: call it on a
/// thread that nobody waits for.
#[must_use]
pub fn check(folder: &Path, conversation: &ClaudeSessionId, ours: Pid) -> ConversationCheck {
    let mut elsewhere: Vec<OpenElsewhere> = entries(&folder.join("sessions"))
        .filter(|entry| entry.session_id == conversation.as_str() && is_alive(entry))
        .map(|entry| OpenElsewhere {
            pid: entry.pid,
            since: entry.started_at.and_then(|at| Timestamp::from_millisecond(at).ok()),
            terminal: entry.entrypoint.as_deref() == Some("cli"),
        })
        .collect();
    if !elsewhere.is_empty() {
        let family = process_tree::descendants(ours);
        elsewhere.retain(|other| !family.iter().any(|pid| pid.as_raw_pid().cast_unsigned() == other.pid));
        elsewhere.sort();
    }
    ConversationCheck { elsewhere, written: last_written(&folder.join("projects"), conversation) }
}

fn entries(folder: &Path) -> impl Iterator<Item = RunningProcess> {
    let files = std::fs::read_dir(folder).into_iter().flatten().take(MAX_FILES).flatten();
    files.filter_map(|file| {
        let name = file.file_name();
        let pid: u32 = name.to_str()?.strip_suffix(".json")?.parse().ok()?;
        parse(&read(&file.path())?).filter(|entry| entry.pid == pid)
    })
}

/// The beginning of a file; `None` for anything but a regular file.
fn read(path: &Path) -> Option<Vec<u8>> {
    // NONBLOCK: a named pipe is opened without waiting for its writer, and then refused.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_ENTRY_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn is_alive(entry: &RunningProcess) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", entry.pid));
    stat.is_ok_and(|stat| process_tree::start_time(&stat) == Some(entry.proc_start.as_str()))
}

/// When the conversation's transcript was last written to. The transcript lies in a folder for the project in which the
/// conversation was begun; as the folder's name does not tell which project that is, all folders are searched.
fn last_written(projects: &Path, conversation: &ClaudeSessionId) -> Option<SystemTime> {
    let id = uuid::Uuid::parse_str(conversation.as_str()).ok()?;
    let folders = std::fs::read_dir(projects).ok()?.take(MAX_FILES).flatten();
    let transcripts = folders.map(|folder| folder.path().join(format!("{id}.jsonl")));
    transcripts.filter_map(|path| path.symlink_metadata().ok()?.modified().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5c3e0000-0000-4000-8000-000000000001";

    fn start_of(pid: u32) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        process_tree::start_time(&stat).unwrap().to_owned()
    }

    fn entry(pid: u32, start: &str, id: &str) -> String {
        format!(
            r#"{{"pid":{pid},"procStart":"{start}","sessionId":"{id}","cwd":"/p","kind":"interactive",
                "startedAt":1795376641732,"entrypoint":"cli","status":"idle","updatedAt":1795376641737}}"#
        )
    }

    /// A folder like Claude Code's, with these files in `sessions`.
    fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sessions")).unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join("sessions").join(name), content).unwrap();
        }
        folder
    }

    fn open_in(folder: &Path, ours: Pid) -> Vec<u32> {
        check(folder, &ID.into(), ours).elsewhere.iter().map(|other| other.pid).collect()
    }

    #[test]
    fn another_process_with_the_conversation_open_is_found() {
        let pid = std::process::id();
        let folder = folder(&[(&format!("{pid}.json"), entry(pid, &start_of(pid), ID))]);
        let init = Pid::from_raw(i32::MAX).unwrap();
        let since = Timestamp::from_millisecond(1_795_376_641_732).ok();
        assert_eq!(
            check(folder.path(), &ID.into(), init).elsewhere,
            [OpenElsewhere { pid, since, terminal: true }]
        );
        assert_eq!(check(folder.path(), &"another".into(), init), ConversationCheck::default());
    }

    #[test]
    fn files_of_killed_processes_and_of_our_own_descendants_do_not_count() {
        let mut child = std::process::Command::new("sleep").arg("987654").spawn().unwrap();
        let pid = child.id();
        let name = format!("{pid}.json");
        let stale = folder(&[(&name, entry(pid, "1", ID))]);
        assert_eq!(open_in(stale.path(), Pid::from_raw(i32::MAX).unwrap()), Vec::<u32>::new());
        let living = folder(&[(&name, entry(pid, &start_of(pid), ID))]);
        assert_eq!(open_in(living.path(), Pid::from_raw(i32::MAX).unwrap()), [pid]);
        assert_eq!(open_in(living.path(), rustix::process::getpid()), Vec::<u32>::new());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(open_in(living.path(), Pid::from_raw(i32::MAX).unwrap()), Vec::<u32>::new());
    }

    #[test]
    fn hostile_files_in_the_folder_do_no_harm() {
        let pid = std::process::id();
        let good = entry(pid, &start_of(pid), ID);
        let folder = folder(&[
            ("1.json", "no JSON".to_owned()),
            ("2.json", format!("{{\"pid\":2,{}", " ".repeat(200_000))),
            ("4294967296.json", good.clone()),
            ("x.json", good.clone()),
            // The file's name has another pid than its text.
            ("3.json", good.clone()),
        ]);
        let sessions = folder.path().join("sessions");
        std::fs::write(folder.path().join("elsewhere"), &good).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), sessions.join(format!("{pid}.json")))
            .unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, sessions.join("7.json"), Mode::RWXU).unwrap();
        std::fs::create_dir(sessions.join("8.json")).unwrap();
        assert_eq!(open_in(folder.path(), Pid::from_raw(i32::MAX).unwrap()), Vec::<u32>::new());
        assert_eq!(
            check(Path::new("/nonexistent"), &ID.into(), rustix::process::getpid()),
            ConversationCheck::default()
        );
    }

    #[test]
    fn the_folder_is_the_one_that_the_environment_names() {
        let environment = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect::<BTreeMap<_, _>>()
        };
        let named = environment(&[("HOME", "/h"), ("CLAUDE_CONFIG_DIR", "/c")]);
        assert_eq!(super::folder(&named), Some("/c".into()));
        assert_eq!(
            super::folder(&environment(&[("HOME", "/h"), ("CLAUDE_CONFIG_DIR", "")])),
            Some("/h/.claude".into())
        );
        assert_eq!(super::folder(&environment(&[])), None);
    }
}
