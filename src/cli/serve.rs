//! `phonework serve`: the daemon.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::ServeArgs;
use crate::control::listener::{Listener, Passed};
use crate::daemon::config::{ConfigHandle, KeyringOrigin};
use crate::daemon::{DRAIN, Daemon, notify, signals};
use crate::error::Failure;
use crate::logs;
use crate::paths::{self, Environment, StateDir};

/// Most of the work is waiting: two threads, so that one slow computation does not hold up an ack.
const THREADS: usize = 2;

pub(super) fn run(args: &ServeArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    serve(args, environment).map_err(|failure| {
        notify::failed(&failure.sentence);
        vec![failure]
    })
}

fn serve(args: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    let passed = Passed::take()?;
    logs::begin(environment, "info")?;
    let chosen = args.chosen();
    let path = paths::keyring(&chosen, environment, |path| path.exists())?;
    let origin = KeyringOrigin { path, environment: environment.clone() };
    let checked = origin.read()?;
    origin.warn_of(&checked);
    let state = StateDir::open(&paths::state_dir(&chosen, environment)?)?;
    let socket = paths::socket(&chosen, environment)?;
    let phonework = this_program()?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        signals::watch(stop.clone(), || {})?;
        let config = ConfigHandle::start(origin, checked, state.path().join("allowed.json"))?;
        let reloaded = config.clone();
        signals::on_hangup(move || reloaded.reload())?;
        let control = Some(Listener::open(&socket, passed)?);
        Daemon { config, state, control, phonework, drain: DRAIN }.run(stop).await
    });
    // All that matters is done: a disk or a name server that does not answer must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

/// The path of the running program, which it starts Claude Code through.
pub(super) fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::failed(format!("this program cannot find itself: {error}")))
}

pub(super) fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    built.map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))
}
