//! The warden: a small process between the daemon and Claude Code (`phonework warden -- PROGRAM ARGS…`).
//!
//! It promises that nothing of a session outlives it. When the program ends, on SIGTERM, and when the daemon dies (even
//! by SIGKILL), it kills every descendant and only then exits, with the program's status. It is a subreaper, so a
//! descendant whose parent ended (`setsid`, `nohup`, a double fork) becomes its child instead of escaping to init. It
//! leads a terminal session of its own, so Ctrl-C at the daemon's terminal does not reach the program.
//!
//! A warden that is itself killed with SIGKILL can do none of this. [`crate::claude::process::ClaudeProcess::kill`]
//! therefore kills the descendants first, and `crate::claude::orphans` ends what is left. Processes that somebody else
//! starts on the program's behalf (a container daemon) are not descendants and are not ended.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::time::Instant;

use crate::process_tree;
use crate::sandbox::REQUEST_VARIABLE;
use crate::sandbox::enter::{self, Entered};
use crate::sandbox::limits::{self, CHECK_INTERVAL, OVER_LIMIT, ResourceLimits};

/// The environment variable with the pid of the daemon: the warden ends when that process does. The program does not
/// get to see it.
pub const PARENT_VARIABLE: &str = "PHONEWORK_WARDEN_PARENT";

/// Maximum wait for a killed process to be gone; one that is stuck in the kernel may never be.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the program in the directory, with the caller's stdin, stdout and stderr, until it and everything it started
/// have ended.
///
/// The status is the program's, or 128 + n if signal n ended it. It is 127 if there is no such program and 126 if it
/// cannot be run; a line on stderr says why. The warden, not the daemon, waits for the directory's disk. Call it outside
/// any tokio runtime, in a process that does nothing else.
#[must_use]
pub(crate) fn run(
    directory: Option<PathBuf>,
    limits: ResourceLimits,
    program: &OsStr,
    arguments: &[OsString],
) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let prepare = || prepare(directory, program, arguments);
    match runtime.map(|runtime| runtime.block_on(watch(prepare, limits))) {
        Ok(Ok(status)) => ExitCode::from(status),
        Ok(Err(error)) | Err(error) => {
            print_error(format_args!("the warden failed: {error}"));
            ExitCode::from(126)
        }
    }
}

/// The command to run, in a sandbox if the daemon asks for one.
fn prepare(
    directory: Option<PathBuf>,
    program: &OsStr,
    arguments: &[OsString],
) -> Result<Entered, Box<dyn std::error::Error>> {
    let mut entered = match enter::requested()? {
        Some(request) => {
            let phonework = std::env::current_exe()?;
            enter::enter(&request, Path::new(program), arguments, &phonework)?
        }
        None => Entered::outside(program, arguments, directory.as_deref())?,
    };
    entered.command.env_remove(PARENT_VARIABLE).env_remove(REQUEST_VARIABLE);
    Ok(entered)
}

async fn watch(
    prepare: impl FnOnce() -> Result<Entered, Box<dyn std::error::Error>>,
    limits: ResourceLimits,
) -> std::io::Result<u8> {
    // The handlers come first, so that no signal from here on is missed.
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut child_ended = signal(SignalKind::child())?;
    // Fails only for a process that already leads a group, as when run by hand in a shell; that does no harm.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    if parent_is_gone() {
        return Ok(status_of_signal(Signal::TERM.as_raw()));
    }
    let mut entered = match prepare() {
        Ok(entered) => entered,
        Err(error) => {
            print_error(format_args!("{error}"));
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            return Ok(if kind == Some(std::io::ErrorKind::NotFound) { 127 } else { 126 });
        }
    };
    let child = match entered.command.spawn() {
        Ok(child) => Pid::from_child(&child),
        Err(error) => {
            print_error(format_args!(
                "{} could not be started: {error}",
                entered.command.get_program().display()
            ));
            return Ok(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    entered.started();
    release_pipes();
    let mut status = None;
    let mut usage_check = tokio::time::interval(CHECK_INTERVAL);
    while status.is_none() {
        tokio::select! {
            _ = usage_check.tick(), if limits != ResourceLimits::NONE => {
                let usage = limits::usage(&process_tree::descendants(rustix::process::getpid()));
                if let Some(why) = limits.exceeded_by(usage) {
                    let _ = writeln!(std::io::stderr(), "{OVER_LIMIT}: {why}");
                    break;
                }
            }
            _ = child_ended.recv() => status = reap(child).0,
            _ = stop.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => break,
        }
    }
    let at_the_end = kill_everything(child, &mut child_ended).await;
    Ok(status.or(at_the_end).unwrap_or_else(|| status_of_signal(Signal::KILL.as_raw())))
}

/// Closes the warden's own ends of stdin and stdout, so that the daemon sees it when the program closes its ends.
fn release_pipes() {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
    // If this fails, the daemon only does not see that.
    let _ = null.map(|null| {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
    });
}

/// Kills until no child is left. All descendants of a subreaper end up as its children, so then none is left at all.
async fn kill_everything(child: Pid, child_ended: &mut Signals) -> Option<u8> {
    let deadline = Instant::now() + KILL_TIMEOUT;
    let mut status = None;
    loop {
        process_tree::kill_descendants(rustix::process::getpid());
        let (ended, any_left) = reap(child);
        status = status.or(ended);
        if !any_left || Instant::now() >= deadline {
            return status;
        }
        // A child that was forked in between sends no signal, hence the short limit.
        let _ = tokio::time::timeout(Duration::from_millis(20), child_ended.recv()).await;
    }
}

/// Reaps every child that has ended. Returns the program's status if it is among them, and whether a child is left.
fn reap(program: Pid) -> (Option<u8>, bool) {
    let mut own = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == program => own = own.or(Some(exit_status(status))),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return (own, true),
            Err(_) => return (own, false),
        }
    }
}

fn exit_status(status: WaitStatus) -> u8 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => status_of_signal(signal),
        (None, None) => u8::MAX,
    }
}

fn status_of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Whether the parent died before the death signal was requested: then no signal comes.
fn parent_is_gone() -> bool {
    let expected =
        std::env::var(PARENT_VARIABLE).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    expected.is_some() && rustix::process::getppid() != expected
}

fn print_error(sentence: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "phonework: {sentence}");
}
