//! The warden: a small process between the daemon and Claude Code (`phonework warden -- PROGRAM ARGS…`).
//!
//! It promises that nothing of a session outlives it: when the program ends, on SIGTERM, and when the daemon dies,
//! even by SIGKILL, it kills every descendant and only then ends, with the program's status. It is a subreaper, so
//! that a descendant whose parent ended (`setsid`, `nohup`, a double fork) becomes its child instead of escaping to
//! init. It leads a session of its own, so that Ctrl-C at the daemon's terminal does not reach the program.
//!
//! A warden that is itself killed with SIGKILL can do none of this; [`crate::claude::process::ClaudeProcess::kill`] walks
//! the tree before it does that, and [`crate::claude::orphans`] ends what is left. Processes started by somebody else on the program's behalf (a container daemon) are
//! no descendants.

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
use crate::sandbox::limits::{self, LOOK_INTERVAL, OVER_LIMIT, ResourceLimits};

/// The variable that names the process that must stay alive; the program does not see it.
pub const PARENT_VARIABLE: &str = "PHONEWORK_WARDEN_PARENT";

/// How long a process that cannot be killed (stuck in the kernel) is waited for.
const KILLING: Duration = Duration::from_secs(10);

/// Runs the program in the directory with the caller's stdin, stdout and stderr until it and all that it started have ended.
///
/// The status is the program's; 128 + n when signal n ended it; 127 when there is no such program and 126 when it
/// cannot be run, with a line on stderr. It is the warden, not the daemon, that waits for the directory's disk. To be called outside of any tokio runtime, by a process that does nothing
/// else.
#[must_use]
pub fn run(
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
            complain(format_args!("the warden cannot do its work: {error}"));
            ExitCode::from(126)
        }
    }
}

/// The command to be run, in its sandbox where the daemon asks for one.
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
    // The handlers come first: nothing that happens from here on is missed.
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut child_ended = signal(SignalKind::child())?;
    // Fails only for one who leads a group already, as when run by hand in a shell; that does no harm.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    if parent_is_gone() {
        return Ok(status_of_signal(Signal::TERM.as_raw()));
    }
    let mut entered = match prepare() {
        Ok(entered) => entered,
        Err(error) => {
            complain(format_args!("{error}"));
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            return Ok(if kind == Some(std::io::ErrorKind::NotFound) { 127 } else { 126 });
        }
    };
    let child = match entered.command.spawn() {
        Ok(child) => Pid::from_child(&child),
        Err(error) => {
            complain(format_args!(
                "{} could not be started: {error}",
                entered.command.get_program().display()
            ));
            return Ok(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    entered.started();
    let_go_of_its_pipes();
    let mut status = None;
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    while status.is_none() {
        tokio::select! {
            _ = look.tick(), if limits != ResourceLimits::NONE => {
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

/// The pipes are the program's alone: a program that closes its own end is then seen to have done so.
fn let_go_of_its_pipes() {
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
    // Where this fails, only that is not seen.
    let _ = nothing.map(|nothing| {
        let _ = rustix::stdio::dup2_stdin(&nothing);
        let _ = rustix::stdio::dup2_stdout(&nothing);
    });
}

/// Kills until no child is left. As a subreaper's descendants end up as its children, none is then left at all.
async fn kill_everything(child: Pid, child_ended: &mut Signals) -> Option<u8> {
    let deadline = Instant::now() + KILLING;
    let mut status = None;
    loop {
        process_tree::kill_descendants(rustix::process::getpid());
        let (ended, any_left) = reap(child);
        status = status.or(ended);
        if !any_left || Instant::now() >= deadline {
            return status;
        }
        // A child that is being born sends no signal, hence the short limit.
        let _ = tokio::time::timeout(Duration::from_millis(20), child_ended.recv()).await;
    }
}

/// Takes the status of every child that has ended: the program's own, and whether any child still lives.
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

/// A parent that died before the request for its death signal sends none.
fn parent_is_gone() -> bool {
    let expected =
        std::env::var(PARENT_VARIABLE).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    expected.is_some() && rustix::process::getppid() != expected
}

fn complain(sentence: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "phonework: {sentence}");
}
