//! What a sandbox holds, tried out from inside (`phonework sandbox-check JSON`): it runs in the place of the session's
//! program and reports what it could reach.
//!
//! It tries what the daemon's own user could do outside: a failure to try counts as reached, so that no mistake here
//! makes a sandbox look better than it is.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// What to try. Everything named here exists while the check runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Targets {
    /// Files of phonework's own.
    pub(crate) hidden: Vec<PathBuf>,
    /// A file of another project.
    pub(crate) other_project: PathBuf,
    /// A file in the host's `/tmp`.
    pub(crate) temporary: PathBuf,
    /// A Unix socket that somebody listens on.
    pub(crate) socket: PathBuf,
    /// The name of an abstract socket that somebody listens on.
    pub(crate) abstract_socket: String,
    /// A process of the same user outside.
    pub(crate) process: u32,
    /// When that was started ([`start_of`]): inside, another one may have its number.
    pub(crate) started: String,
}

/// Something that a sandbox may or may not stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    /// phonework's own files are read.
    Hidden,
    /// Another project is read.
    OtherProject,
    /// The host's `/tmp` is read.
    Temporary,
    /// A file outside is shortened without being opened.
    Truncate,
    /// The project's audit log is read.
    AuditLog,
    /// A Unix socket of the host is connected to by its path.
    Socket,
    /// A Unix socket of the host is connected to by its abstract name.
    AbstractSocket,
    /// Processes of the host are seen.
    Processes,
    /// The environment of a process of the host is read.
    Environment,
    /// A process of the host can be sent signals.
    Signal,
    /// The program has capabilities.
    Capabilities,
    /// The program can make a user namespace.
    UserNamespace,
    /// No system calls are refused.
    SystemCalls,
}

impl Reach {
    /// All of them, in the order in which they are told.
    pub(crate) const ALL: [Self; 13] = [
        Self::Hidden,
        Self::OtherProject,
        Self::Temporary,
        Self::Truncate,
        Self::AuditLog,
        Self::Socket,
        Self::AbstractSocket,
        Self::Processes,
        Self::Environment,
        Self::Signal,
        Self::Capabilities,
        Self::UserNamespace,
        Self::SystemCalls,
    ];

    /// What Claude can do where this is not stopped: the end of a sentence.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "read phonework's own files",
            Self::OtherProject => "read other projects",
            Self::Temporary => "read the host's /tmp",
            Self::Truncate => "shorten files outside its project",
            Self::AuditLog => "read and change the audit log of its project",
            Self::Socket => "connect to the host's Unix sockets",
            Self::AbstractSocket => "connect to the host's abstract Unix sockets",
            Self::Processes => "see the host's processes and their command lines",
            Self::Environment => "read the environment of the host's processes",
            Self::Signal => "send signals to processes of the same user",
            Self::Capabilities => "use capabilities",
            Self::UserNamespace => "make user namespaces",
            Self::SystemCalls => "use io_uring",
        }
    }
}

/// What the check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Findings {
    /// Why a session could not work in this sandbox, if it could not.
    pub(crate) broken: Option<String>,
    /// What could be reached.
    pub(crate) reached: Vec<Reach>,
}

/// Tries everything; the [`Findings`] as one line of JSON.
///
/// # Errors
/// When `targets` is no JSON of [`Targets`].
pub(crate) fn run(targets: &str) -> io::Result<String> {
    let targets = serde_json::from_str(targets)?;
    Ok(serde_json::to_string(&try_everything(&targets))?)
}

fn try_everything(targets: &Targets) -> Findings {
    let reached = Reach::ALL.into_iter().filter(|reach| is_reached(*reach, targets)).collect();
    Findings { broken: work().err().map(|(what, error)| format!("{what}: {error}")), reached }
}

/// Does a little of what a session does.
fn work() -> Result<(), (&'static str, io::Error)> {
    let during = |what| move |error| (what, error);
    let project = std::env::current_dir().map_err(during("the project cannot be entered"))?;
    let write = |folder: &Path| {
        let file = folder.join("written-by-the-check");
        std::fs::write(&file, b"x").and_then(|()| std::fs::remove_file(file))
    };
    write(&project).map_err(during("the project cannot be written"))?;
    write(&std::env::temp_dir()).map_err(during("the temporary folder cannot be written"))?;
    let cache = std::env::var_os("XDG_CACHE_HOME").unwrap_or_default();
    write(Path::new(&cache)).map_err(during("the cache cannot be written"))?;
    let shell = Command::new("/bin/sh").args(["-c", "true"]).stdin(Stdio::null()).status();
    match shell.map_err(during("no program can be run"))?.success() {
        true => Ok(()),
        false => Err(("no program can be run", io::Error::other("sh failed"))),
    }
}

fn is_reached(reach: Reach, targets: &Targets) -> bool {
    let readable = |path: &Path| std::fs::File::open(path).is_ok();
    let own = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_seen = || start_of(targets.process).is_some_and(|started| started == targets.started);
    match reach {
        Reach::Hidden => targets.hidden.iter().any(|path| readable(path)),
        Reach::OtherProject => readable(&targets.other_project),
        Reach::Temporary => readable(&targets.temporary),
        // Not truncated but asked whether it could be: the length stays.
        Reach::Truncate => can_truncate(&targets.temporary),
        Reach::AuditLog => std::fs::read_dir(".phonework").is_ok_and(|mut files| files.next().is_some()),
        Reach::Socket => UnixStream::connect(&targets.socket).is_ok(),
        Reach::AbstractSocket => SocketAddr::from_abstract_name(&targets.abstract_socket)
            .is_ok_and(|address| UnixStream::connect_addr(&address).is_ok()),
        Reach::Processes => is_seen(),
        Reach::Environment => is_seen() && can_read_environment(targets.process),
        Reach::Signal => is_seen() && can_signal(targets.process),
        Reach::Capabilities => {
            !["CapPrm:\t", "CapEff:\t", "CapBnd:\t"].iter().all(|name| has_none(&own, name))
        }
        Reach::UserNamespace => Command::new("/usr/bin/unshare")
            .args(["-U", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
        Reach::SystemCalls => !own.lines().any(|line| line == "Seccomp:\t2"),
    }
}

/// Whether a set of capabilities in `/proc/PID/status` is empty. An ordinary user's bounding set is of no use to them.
fn has_none(status: &str, name: &str) -> bool {
    let bounding = name.starts_with("CapBnd");
    let is_root = rustix::process::getuid().is_root();
    let set = status.lines().find_map(|line| line.strip_prefix(name));
    (bounding && !is_root) || set.is_some_and(|set| set.bytes().all(|digit| digit == b'0'))
}

/// Opening is not enough: the kernel asks again when it is read.
fn can_read_environment(process: u32) -> bool {
    std::fs::read(format!("/proc/{process}/environ")).is_ok()
}

fn can_signal(process: u32) -> bool {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid).is_ok())
}

/// Shortening a file to the length that it has changes nothing but needs the same right.
fn can_truncate(path: &Path) -> bool {
    Command::new("/usr/bin/truncate")
        .args(["--no-create", "--size=+0"])
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success() && path.exists())
}

/// When a process was started, in ticks since the machine was: with its number it names one process.
#[must_use]
pub(crate) fn start_of(process: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Field 22; the name, which may hold anything, is the second.
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.to_owned())
}
