//! Reads the keyring from its file, and resolves the paths in it. The rest of [`super`] is pure.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{Keyring, KeyringFault, TextPosition, parse_all};
use crate::error::Failure;
use crate::paths::{Environment, ProjectError, Workspace};
use crate::people::AccessList;
use crate::sandbox::Extra;

/// Maximum size of the file: 1 MiB.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A keyring whose paths are resolved, with everybody who may talk to the bot.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedKeyring {
    /// The keyring. Its `working_dir` is the workspace's root, and its `trusted_projects` are absolute.
    pub keyring: Keyring,
    /// `WORKING_DIR`, the directory that all projects lie in.
    pub workspace: Workspace,
    /// What an operator should know although it prevents nothing, each as a sentence.
    pub notes: Vec<String>,
    /// Who may talk to the bot. As read from the file, only the people in `ALLOWED_OPEN_IDS`.
    pub access: AccessList,
}

/// Reads a keyring from a file, as [`read`] does, but with one error.
///
/// # Errors
/// One sentence with the first fault and the number of others.
pub fn load(path: &Path, environment: &Environment) -> Result<Keyring, Failure> {
    read(path, environment).map_err(|mut failures| {
        let others = failures.len() - 1;
        let first = failures.swap_remove(0);
        match others {
            0 => first,
            _ => Failure::config(format!("{first} (and {others} more: see `phonework check`)")),
        }
    })
}

/// Reads a keyring from a file of at most 1 MiB that other users cannot read. The mode of a systemd credential is not
/// checked, because systemd keeps other users out.
///
/// # Errors
/// Each fault as a sentence; at least one.
pub fn read(path: &Path, environment: &Environment) -> Result<Keyring, Vec<Failure>> {
    let bytes = bytes(path, environment).map_err(|failure| vec![failure])?;
    let parsed = match std::str::from_utf8(&bytes) {
        Ok(text) => parse_all(text),
        Err(error) => Err(vec![not_utf8(&bytes, error.valid_up_to())]),
    };
    parsed.map_err(|faults| faults.iter().map(|fault| Failure::config(fault.in_file(path))).collect())
}

fn bytes(path: &Path, environment: &Environment) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let unreadable = |error: io::Error| {
        Failure::config(if error.kind() == io::ErrorKind::NotFound {
            format!(
                "there is no keyring at {shown}; write one (keyring.yaml(5) says what goes in) or name another with --keyring FILE"
            )
        } else {
            format!(
                "the keyring {shown} cannot be read: {error}; let this user read it or name another with --keyring FILE"
            )
        })
    };
    // Without NONBLOCK a pipe in the file's position would make this wait for ever.
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Failure::config(format!("the keyring {shown} is no file; name one with --keyring FILE")));
    }
    let mode = meta.permissions().mode() & 0o777;
    let credential =
        environment.get("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(Path::new(folder)));
    if mode & 0o007 != 0 && !credential {
        return Err(Failure::config(format!(
            "the keyring {shown} is open to every user of this machine (mode {mode:04o}); close it with `chmod o= {shown}`"
        )));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Failure::config(format!(
            "the keyring {shown} is longer than 1 MiB; name the right file with --keyring FILE"
        )));
    }
    Ok(bytes)
}

fn not_utf8(bytes: &[u8], valid: usize) -> KeyringFault {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    KeyringFault {
        position: Some(TextPosition { line, column }),
        key: None,
        problem: "has a character that is not UTF-8".to_owned(),
        expected: "save the file as UTF-8".to_owned(),
    }
}

/// Resolves the paths in a keyring on this machine. `path` is the keyring's own path, for the sentences.
///
/// # Errors
/// When `WORKING_DIR` is not a directory that can be used.
pub(crate) fn resolve(
    keyring: &Keyring,
    path: &Path,
    environment: &Environment,
) -> Result<ResolvedKeyring, Failure> {
    let root = environment.expand(&keyring.working_dir);
    let wrong = |problem: String, expected: &str| {
        Failure::config(sentence(keyring, path, "WORKING_DIR", problem, expected))
    };
    if root.starts_with("~") {
        return Err(wrong("is below the home, and this user has none".to_owned(), "give an absolute path"));
    }
    let shown = root.display();
    let workspace = Workspace::open(&root, environment.home()).map_err(|error| match error {
        ProjectError::Missing { .. } => {
            wrong(format!("is {shown}, which does not exist"), "make the directory or name another")
        }
        ProjectError::NotADirectory => {
            wrong(format!("is {shown}, which is no directory"), "name a directory")
        }
        error @ (ProjectError::Outside
        | ProjectError::Reserved
        | ProjectError::Private(_)
        | ProjectError::BadName
        | ProjectError::Unreadable(_)) => {
            wrong(format!("is {shown}: {error}"), "let this user read it or name another")
        }
    })?;

    let mut notes = keyring.ineffective_settings();
    if keyring.allowed.is_empty() {
        notes.push("ALLOWED_OPEN_IDS is empty, so the bot only tells people their open_id".to_owned());
    }
    for id in keyring.allowed.iter().filter(|id| !id.as_str().starts_with("ou_")) {
        notes.push(format!("ALLOWED_OPEN_IDS has {:?}, but an open_id begins with ou_", id.as_str()));
    }
    if keyring.domain.starts_with("http://") && !loopback(&keyring.domain) {
        notes.push(
            "FEISHU_DOMAIN is http, so the app's secret will cross the network in the clear".to_owned(),
        );
    }
    let mut trusted_projects = Vec::new();
    for written in &keyring.trusted_projects {
        match workspace.project(&written.to_string_lossy()) {
            Ok(project) => trusted_projects.push(project),
            Err(error) => {
                let problem = format!("has {}, which no session can be in: {error}", written.display());
                notes.push(sentence(keyring, path, "TRUSTED_PROJECTS", problem, "it is passed over"));
            }
        }
    }
    let claude_command =
        environment.expand(Path::new(&keyring.claude_command)).to_string_lossy().into_owned();
    let working_dir = workspace.root().to_owned();
    let expanded = |paths: &[PathBuf]| paths.iter().map(|path| environment.expand(path)).collect();
    let extra = &keyring.sandbox_extra;
    let sandbox_extra =
        Extra { read: expanded(&extra.read), write: expanded(&extra.write), processes: extra.processes };
    let keyring = Keyring { working_dir, trusted_projects, claude_command, sandbox_extra, ..keyring.clone() };
    let access = AccessList::of_keyring(keyring.allowed.iter().cloned());
    Ok(ResolvedKeyring { keyring, workspace, notes, access })
}

/// The sentence that says that `CLAUDE_COMMAND` cannot be run. For `phonework check` this is a fault; the daemon starts
/// nevertheless.
#[must_use]
pub(crate) fn missing_claude(keyring: &Keyring, path: &Path) -> String {
    let command = &keyring.claude_command;
    let (problem, expected) = if command.contains('/') {
        (format!("is {command}, which cannot be run"), "install Claude Code there or give its path")
    } else {
        (
            format!("is {command}, which is not on this user's PATH"),
            "install Claude Code, or give the program's absolute path",
        )
    };
    sentence(keyring, path, "CLAUDE_COMMAND", problem, expected)
}

fn sentence(keyring: &Keyring, path: &Path, key: &str, problem: String, expected: &str) -> String {
    let (key_text, expected) = (Some(key.to_owned()), expected.to_owned());
    KeyringFault { position: keyring.position(key), key: key_text, problem, expected }.in_file(path)
}

fn loopback(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
