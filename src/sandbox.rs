//! The sandbox: what a program, and everything that it starts, can reach on this machine.
//!
//! A session's program reads and writes its project, reads the system's programs and libraries, and has a home, a
//! `/tmp`, a cache and (under bwrap) a process list of its own. It does not reach phonework's keyring, state and
//! control socket, other projects, other homes, or any Unix socket of the host. The kernel holds this, not a question
//! that somebody answers.
//!
//! - [`view`] says what is visible and where, for one session; pure.
//! - [`bwrap`] writes a view as bubblewrap's arguments; pure.
//! - [`enter`] looks at the disk and makes the command that the warden runs; it waits for disks.
//! - [`confine`] is the last part: it gives up capabilities, applies Landlock and seccomp to its own process, and then
//!   becomes the program. Under bwrap it runs inside.
//! - [`check`] runs in the program's place and tries what must fail; the daemon asks it at the start.
//! - [`limits`] says what a session's processes may use together.
//! - [`verdict`] chooses a mode from what those checks found; pure.
//!
//! What no mode stops: the network is the host's, its loopback too. `docs/sandbox.md` has the whole table.
//!
//! Invariant: nothing here knows Feishu, a chat, a user or the daemon.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use self::verdict::SandboxVerdict;

pub(crate) mod bwrap;
pub(crate) mod check;
pub(crate) mod confine;
pub(crate) mod enter;
pub mod limits;
pub(crate) mod verdict;
pub(crate) mod view;

/// What holds a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// bubblewrap: namespaces of its own, and in them seccomp and Landlock's scopes.
    Bwrap,
    /// Landlock and seccomp alone: one process list and one file tree with the host.
    Landlock,
}

impl Mode {
    /// The value of `SANDBOX` that names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bwrap => "bwrap",
            Self::Landlock => "landlock",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The sandbox of one session, as the daemon asks the warden for it. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxRequest {
    /// The mechanism that holds the session.
    pub mode: Mode,
    /// The project's directory, canonical.
    pub project: PathBuf,
    /// Whether the project may change its own `.git/config`.
    pub trusted: bool,
    /// The home of the daemon's user.
    pub home: PathBuf,
    /// Claude Code's folder: `~/.claude` or `$CLAUDE_CONFIG_DIR`.
    pub claude_folder: PathBuf,
    /// Claude Code's file of its own state: `~/.claude.json`, or in `$CLAUDE_CONFIG_DIR`.
    pub claude_state: PathBuf,
    /// A folder that outlives the session, for one user's work in this project. It is made when it is missing.
    pub cache: PathBuf,
    /// Where temporary folders of single sessions are made.
    pub temporary: PathBuf,
    /// Further paths to be read (`SANDBOX_PATHS`).
    pub read: Vec<PathBuf>,
    /// Further paths to be written.
    pub write: Vec<PathBuf>,
    /// phonework's own files and folders: no path of this session may hold one.
    pub hidden: Vec<PathBuf>,
    /// Where other people have conversations in the same folder of transcripts: this person's own. The others' are hidden.
    pub own_conversations: Option<Vec<String>>,
    /// Maximum number of processes inside, where the kernel counts them for the sandbox.
    pub processes: Option<u64>,
}

/// Where things lie that a sandbox is made of or must hide: the same for all sessions of a daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxLayout {
    /// The daemon's state directory.
    pub state: PathBuf,
    /// The home of the daemon's user, where its environment names none.
    pub home: PathBuf,
    /// phonework's own files and folders beside its state: keyring, credentials, control socket.
    pub hidden: Vec<PathBuf>,
}

/// What the configuration adds to every sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Further paths to be read.
    pub read: Vec<PathBuf>,
    /// Further paths to be written.
    pub write: Vec<PathBuf>,
    /// Maximum number of processes.
    pub processes: Option<u64>,
}

/// Whose session it is, in which project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionScope<'a> {
    /// The project's directory, canonical.
    pub project: &'a Path,
    /// The person: what they keep in this project is apart from what others keep in it.
    pub user: &'a str,
    /// Whether the project may change its own `.git/config`.
    pub trusted: bool,
    /// See [`SandboxRequest::own_conversations`].
    pub own_conversations: Option<&'a [String]>,
}

impl SandboxLayout {
    /// Everything that no session may reach.
    #[must_use]
    pub fn hidden(&self) -> Vec<PathBuf> {
        let state = ["sessions.json", "mail.db", "allowed.json", "caches", "sandbox"];
        state.iter().map(|name| self.state.join(name)).chain(self.hidden.iter().cloned()).collect()
    }

    /// Where phonework tries out what a sandbox holds.
    #[must_use]
    pub fn trial(&self) -> PathBuf {
        self.state.join("sandbox")
    }

    /// The sandbox of a session. `environment` is that of its program: it says where the home is, and Claude Code's
    /// folder.
    #[must_use]
    pub fn request(
        &self,
        mode: Mode,
        extra: &Extra,
        scope: &SessionScope<'_>,
        environment: &BTreeMap<OsString, OsString>,
    ) -> SandboxRequest {
        let named = |name: &str| {
            let value = environment.get(OsStr::new(name)).map(PathBuf::from);
            value.filter(|path| path.is_absolute())
        };
        let home = named("HOME").unwrap_or_else(|| self.home.clone());
        let (claude_folder, claude_state) = match named("CLAUDE_CONFIG_DIR") {
            Some(folder) => (folder.clone(), folder.join(".claude.json")),
            None => (home.join(".claude"), home.join(".claude.json")),
        };
        SandboxRequest {
            mode,
            project: scope.project.to_owned(),
            trusted: scope.trusted,
            home,
            claude_folder,
            claude_state,
            cache: self.state.join("caches").join(key(scope)),
            temporary: self.trial().join("sessions"),
            read: extra.read.clone(),
            write: extra.write.clone(),
            hidden: self.hidden(),
            own_conversations: scope.own_conversations.map(<[String]>::to_vec),
            processes: extra.processes,
        }
    }
}

/// The name of the folder of what one person keeps in one project.
fn key(scope: &SessionScope<'_>) -> String {
    let mut hash = Sha256::new();
    hash.update(scope.user.as_bytes());
    hash.update([0]);
    hash.update(scope.project.as_os_str().as_encoded_bytes());
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What a process can reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Whatever the daemon's user can.
    #[default]
    None,
    /// What this sandbox shows.
    Sandbox(Box<SandboxRequest>),
    /// There is to be a sandbox and there is none: nothing is started. Why, a sentence.
    Refused(String),
}

/// The sandbox in force; a new verdict counts for what is started from then on.
#[derive(Clone, Debug)]
pub(crate) struct Sandboxes {
    layout: SandboxLayout,
    verdict: watch::Receiver<Arc<SandboxVerdict>>,
}

impl Sandboxes {
    /// The sandbox that a verdict says.
    #[must_use]
    pub(crate) fn new(layout: SandboxLayout, verdict: watch::Receiver<Arc<SandboxVerdict>>) -> Self {
        Self { layout, verdict }
    }

    /// What sessions run in now.
    #[must_use]
    pub(crate) fn verdict(&self) -> Arc<SandboxVerdict> {
        self.verdict.borrow().clone()
    }

    /// The project of the checks.
    #[must_use]
    pub(crate) fn trial_project(&self) -> PathBuf {
        self.layout.trial().join("project")
    }

    /// What a session can reach that is started now.
    #[must_use]
    pub(crate) fn isolation(
        &self,
        extra: &Extra,
        scope: &SessionScope<'_>,
        environment: &BTreeMap<OsString, OsString>,
    ) -> Isolation {
        match &*self.verdict() {
            SandboxVerdict::Off => Isolation::None,
            SandboxVerdict::Refused(why) => Isolation::Refused(why.clone()),
            SandboxVerdict::In { mode, .. } => {
                Isolation::Sandbox(Box::new(self.layout.request(*mode, extra, scope, environment)))
            }
        }
    }
}

/// The variable that carries a [`SandboxRequest`] as JSON to the warden; the program does not see it.
pub const REQUEST_VARIABLE: &str = "PHONEWORK_SANDBOX";
