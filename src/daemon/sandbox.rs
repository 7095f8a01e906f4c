//! The sandbox that sessions run in is tried out at the start and whenever `SANDBOX` changes, by running in it what a
//! session runs in it, and trying there what it must stop.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};
use uuid::Uuid;

use super::config::Settings;
use crate::claude::launch::ClaudeProgram;
use crate::claude::probe::Probe;
use crate::sandbox::check::{Findings, Targets, start_of};
use crate::sandbox::verdict::{SandboxChecks, SandboxVerdict, Wanted, choose};
use crate::sandbox::{Extra, Isolation, Mode, SandboxLayout, Sandboxes, SessionScope};

/// Maximum time for one check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);
/// The person in whose name the checks run; no open_id looks like it.
pub(super) const CHECK_USER: &str = "check";

/// Finds out what works here, and goes on doing so as the configuration changes.
pub(super) async fn start(mut settings: Settings, layout: SandboxLayout, phonework: PathBuf) -> Sandboxes {
    let first = settings.borrow_and_update().keyring.sandbox;
    let verdict = find_verdict(first, &layout, &phonework).await;
    log_verdict(&verdict);
    let (newest, receiver) = watch::channel(Arc::new(verdict));
    let checked = layout.clone();
    tokio::spawn(async move {
        let mut wanted = first;
        while settings.changed().await.is_ok() {
            let now = settings.borrow_and_update().keyring.sandbox;
            if std::mem::replace(&mut wanted, now) != now {
                let verdict = find_verdict(now, &checked, &phonework).await;
                log_verdict(&verdict);
                newest.send_replace(Arc::new(verdict));
            }
        }
    });
    Sandboxes::new(layout, receiver)
}

/// Chooses by what works here. Without a wish for a sandbox nothing is tried.
async fn find_verdict(wanted: Wanted, layout: &SandboxLayout, phonework: &Path) -> SandboxVerdict {
    let not_tried = || Err("it was not tried".to_owned());
    let mut checks = SandboxChecks { bwrap: not_tried(), landlock: not_tried() };
    if matches!(wanted, Wanted::Auto | Wanted::Only(Mode::Bwrap)) {
        checks.bwrap = check(Mode::Bwrap, layout, phonework).await;
    }
    let verdict = choose(wanted, &checks);
    let settled = matches!(verdict, SandboxVerdict::In { .. } | SandboxVerdict::Off);
    if settled || wanted == Wanted::Only(Mode::Bwrap) {
        return verdict;
    }
    checks.landlock = check(Mode::Landlock, layout, phonework).await;
    choose(wanted, &checks)
}

fn log_verdict(verdict: &SandboxVerdict) {
    match verdict {
        SandboxVerdict::In { mode, why_not_better, open } => {
            let open = open.iter().map(|reach| reach.as_str()).collect::<Vec<_>>().join(", ");
            info!(sandbox = %mode, why_not_better, open, "sessions run in a sandbox");
        }
        SandboxVerdict::Off => {
            info!("there is no sandbox, as configured: Claude runs with the rights of the daemon's user")
        }
        SandboxVerdict::Refused(why) => warn!("sessions are refused: {why}"),
    }
}

/// Runs the check in a sandbox of this mode.
///
/// # Errors
/// A sentence: why it could not be run there.
async fn check(mode: Mode, layout: &SandboxLayout, phonework: &Path) -> Result<Findings, String> {
    let (layout_of_trial, outside) = (layout.clone(), std::env::temp_dir());
    let staged = tokio::task::spawn_blocking(move || Trial::set(&layout_of_trial, &outside));
    let trial = match tokio::time::timeout(CHECK_TIMEOUT, staged).await {
        Ok(Ok(trial)) => trial.map_err(|error| format!("the check cannot be prepared: {error}"))?,
        Ok(Err(_)) | Err(_) => return Err("the disk of the state directory does not answer".to_owned()),
    };
    let scope =
        SessionScope { project: &trial.project, user: CHECK_USER, trusted: false, own_conversations: None };
    let mut request = layout.request(mode, &Extra::default(), &scope, &std::env::vars_os().collect());
    request.hidden.extend(trial.targets.hidden.iter().cloned());
    let probe = Probe {
        command: String::new(),
        env: std::collections::BTreeMap::new(),
        model: None,
        cwd: trial.project.clone(),
        phonework: phonework.to_owned(),
        isolation: Isolation::Sandbox(Box::new(request)),
        answer_timeout: CHECK_TIMEOUT,
    };
    let targets = serde_json::to_string(&trial.targets).map_err(|error| error.to_string())?;
    let program = ClaudeProgram { path: phonework.to_owned(), arguments: Vec::new() };
    let line = probe.output_of(&program, &["sandbox-check", &targets]).await?;
    serde_json::from_str(&line)
        .map_err(|error| format!("the check printed nothing that can be read: {error}"))
}

/// What the check tries to reach; it goes when this is dropped.
struct Trial {
    project: PathBuf,
    targets: Targets,
    _outside: tempfile::TempDir,
    _listeners: [UnixListener; 2],
}

impl Trial {
    fn set(layout: &SandboxLayout, temporary: &Path) -> std::io::Result<Self> {
        let trial = layout.trial();
        let (project, other) = (trial.join("project"), trial.join("other"));
        // What sessions left behind when the daemon was killed.
        match std::fs::remove_dir_all(trial.join("sessions")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        for folder in [project.join(".phonework"), other.clone()] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let hidden = trial.join("hidden");
        for file in [&project.join(".phonework/check.jsonl"), &other.join("file"), &hidden] {
            std::fs::write(file, b"x")?;
        }
        let outside = tempfile::Builder::new().prefix("phonework-").tempdir_in(temporary)?;
        let (file, socket) = (outside.path().join("file"), outside.path().join("socket"));
        std::fs::write(&file, b"x")?;
        let name = format!("phonework-{}", Uuid::new_v4());
        let by_path = UnixListener::bind(&socket)?;
        let by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        let process = std::process::id();
        let started = start_of(process).ok_or_else(|| std::io::Error::other("/proc is missing"))?;
        let files = layout.hidden().into_iter().chain([hidden]).filter(|path| path.is_file());
        let targets = Targets {
            hidden: files.collect(),
            other_project: other.join("file"),
            temporary: file,
            socket,
            abstract_socket: name,
            process,
            started,
        };
        Ok(Self {
            project: project.canonicalize()?,
            targets,
            _outside: outside,
            _listeners: [by_path, by_name],
        })
    }
}
