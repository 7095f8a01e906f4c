//! `phonework serve`: the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{ServeArgs, missing_claude};
use crate::daemon::{DRAIN, Daemon, signals};
use crate::error::Failure;
use crate::keyring::{self, Checked};
use crate::logs;
use crate::paths::{self, Environment, StateDir};

/// Most of the work is waiting: two threads, so that one slow computation does not hold up an ack.
const THREADS: usize = 2;

pub(super) fn run(args: &ServeArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    serve(args, environment).map_err(|failure| vec![failure])
}

fn serve(args: &ServeArgs, environment: &Environment) -> Result<(), Failure> {
    logs::begin(environment, "info")?;
    let chosen = args.chosen();
    let path = paths::keyring(&chosen, environment, |path| path.exists())?;
    let checked = read(&path, environment)?;
    let state = StateDir::open(&paths::state_dir(&chosen, environment)?)?;
    let (newest, settings) = watch::channel(Arc::new(checked));
    let daemon = Daemon { settings, state, phonework: this_program()?, drain: DRAIN };
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        signals::watch(stop.clone(), || {})?;
        let environment = environment.clone();
        signals::on_hangup(move || reload(&path, &environment, &newest))?;
        daemon.run(stop).await
    });
    // All that matters is done: a disk or a name server that does not answer must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

/// Reads the keyring and logs what an operator should know of it.
fn read(path: &Path, environment: &Environment) -> Result<Checked, Failure> {
    let keyring = keyring::load(path, environment)?;
    let checked = keyring::checked(&keyring, path, environment)?;
    for note in checked.notes.iter().cloned().chain(missing_claude(&keyring, path, environment)) {
        warn!("{note}");
    }
    Ok(checked)
}

/// Reads the keyring again; a bad one is refused, and the old one stays.
fn reload(path: &Path, environment: &Environment, newest: &watch::Sender<Arc<Checked>>) {
    if environment.get("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder)) {
        warn!(
            "the keyring is a systemd credential, which is read at start only: restart phonework for a new one"
        );
        return;
    }
    match read(path, environment) {
        Ok(checked) => {
            if !checked.keyring.connects_as(&newest.borrow().keyring) {
                warn!("FEISHU_APP_ID, FEISHU_APP_SECRET or FEISHU_DOMAIN changed: that takes a restart");
            }
            newest.send_replace(Arc::new(checked));
            info!("the keyring was read again");
        }
        Err(failure) => error!("the keyring is refused, the old one stays: {failure}"),
    }
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
