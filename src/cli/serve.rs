//! `phonework serve`: runs the daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::ServeArgs;
use crate::control::listener::{Listener, SystemdSocket};
use crate::daemon::config::{ConfigHandle, KeyringOrigin};
use crate::daemon::{DRAIN_TIMEOUT, Daemon, signals, systemd};
use crate::error::Failure;
use crate::logs;
use crate::paths::{self, Environment, StateDir};
use crate::sandbox::SandboxLayout;

/// Number of worker threads. Most of the work is waiting; with two, one slow computation does not delay an ack.
const THREADS: usize = 2;

pub(super) fn run(args: &ServeArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    serve(args, environment).map_err(|failure| {
        systemd::failed(&failure.sentence);
        vec![failure]
    })
}

fn serve(args: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    close_memory();
    let passed = SystemdSocket::take()?;
    logs::begin(environment, "info")?;
    let options = args.path_options();
    let path = paths::keyring(&options, environment, |path| path.exists())?;
    let (state, socket) = (paths::state_dir(&options, environment)?, paths::socket(&options, environment)?);
    let private =
        [Some(state.as_path()), socket.parent()].into_iter().flatten().map(Path::to_owned).collect();
    let origin = KeyringOrigin { path: path.clone(), environment: environment.clone(), private };
    let checked = origin.read()?;
    origin.log_warnings(&checked);
    let state = StateDir::open(&state)?;
    let phonework = this_program()?;
    let layout = layout(environment, &state, vec![path, socket.clone()]);
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        signals::watch(stop.clone(), || {})?;
        let config = ConfigHandle::start(origin, checked, state.path().join("allowed.json"))?;
        let reloaded = config.clone();
        signals::on_hangup(move || reloaded.reload())?;
        let control = Some(Listener::open(&socket, passed)?);
        Daemon { config, state, control, phonework, layout, drain: DRAIN_TIMEOUT }.run(stop).await
    });
    // Everything that matters is done. A disk or a name server that does not answer must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

/// Keeps other processes of this user out of `/proc/PID`, and the memory of this process out of core files, because it
/// holds secrets. Child processes are not affected.
fn close_memory() {
    // A kernel that refuses this has no such feature.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ =
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum });
}

/// What the sandbox of a session is made of, and what it must hide: the state directory and `files`.
pub(super) fn layout(environment: &Environment, state: &StateDir, files: Vec<PathBuf>) -> SandboxLayout {
    let credentials = environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    SandboxLayout {
        state: state.path().to_owned(),
        home: environment.home().map(Path::to_owned).unwrap_or_default(),
        hidden: files.into_iter().chain(credentials).collect(),
    }
}

/// The path of the running program, which also serves as the warden of Claude Code.
pub(super) fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::failed(format!("this program cannot find itself: {error}")))
}

pub(super) fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    built.map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))
}
