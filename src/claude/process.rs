//! One running Claude Code and the tasks around it.
//!
//! It promises: what Claude Code writes is always being read, whatever a person or Feishu does (a consumer that does
//! not take its events holds up Claude Code alone); the last event is [`ProcessEvent::Exited`], and then no process of the
//! session is left; whoever drops a [`ClaudeProcess`] or the receiver of its events ends it.
//!
//! Not here: what the lines mean for a conversation, and when to stop (interrupt, then [`ClaudeProcess::close_input`],
//! then [`ClaudeProcess::terminate`], then [`ClaudeProcess::kill`]).

mod lines;
pub(super) mod spawner;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::lines::{OutputLine, OutputLines};
use super::launch::{Launch, LaunchError};
use super::wire::{self, Output};
use super::{orphans, warden};
use crate::crash::{self, Point};
use crate::process_tree;
use crate::sandbox::{Isolation, REQUEST_VARIABLE};

/// Events that wait for the consumer before Claude Code is held up.
const EVENTS: usize = 64;
/// Lines that wait for Claude Code before [`ClaudeProcess::send`] refuses.
const INPUTS: usize = 64;
/// The part of stderr that is kept: its end holds the reason.
const STDERR_KEPT: usize = 8 * 1024;
/// A line longer than this is skipped. Claude Code's own limit for a request is 32 MB.
const LONGEST_LINE: usize = 64 << 20;
/// From this length on a line is parsed on a thread of its own, as that takes milliseconds.
const LONG_LINE: usize = 1 << 20;
/// The `request_id` of the line that hands over the session's rules.
const RULES: &str = "rules";
/// How long a pipe may be silent once the warden has ended; nobody should hold it then.
const AFTERMATH: Duration = Duration::from_secs(2);

/// A handle to a running Claude Code. Dropping it ends the process and all that it started.
#[derive(Debug)]
pub struct ClaudeProcess {
    input: mpsc::Sender<String>,
    input_end: CancellationToken,
    terminate: CancellationToken,
    kill: CancellationToken,
    /// The warden's pid; 0 once it has ended.
    pid: Arc<AtomicU32>,
}

/// What a process has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum ProcessEvent {
    /// A line on its stdout.
    Line(Output),
    /// It has ended, and so has all that it started. Always the last event.
    Exited(ProcessExit),
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessExit {
    /// The status it ended with. Claude Code ends with 1 when the last turn had failed, so it tells little.
    pub code: Option<i32>,
    /// The signal that ended it; 15 too when Claude Code itself ended because of it.
    pub signal: Option<i32>,
    /// The end of what it wrote to stderr, at most 8 KiB. It may hold what a person wrote: not for a log.
    pub stderr: String,
}

/// Why a line was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The process has ended, or its input was closed.
    #[error("Claude Code does not take input any more")]
    Gone,
    /// Claude Code does not read: too many lines wait already.
    #[error("Claude Code does not read its input")]
    Busy,
}

impl ClaudeProcess {
    /// Starts Claude Code under a warden; `phonework` is the path of this program. To be called within a tokio
    /// runtime. Returns as soon as the system has made the process, before Claude Code is ready; it does not wait for
    /// the project's disk.
    ///
    /// # Errors
    /// When the system refuses. A program that vanished since it was found shows as an exit with status 127, and so
    /// does a project's directory.
    pub fn spawn(
        launch: &Launch,
        phonework: &Path,
    ) -> Result<(Self, mpsc::Receiver<ProcessEvent>), LaunchError> {
        let mut command = warden_of(launch, phonework)?;
        command.args(launch.arguments()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut warden = WardenChild { child: spawner::spawn(command)?, pid: Arc::default() };
        let pipes = (warden.child.stdin.take(), warden.child.stdout.take(), warden.child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(LaunchError::Spawn(std::io::Error::other("the process has no pipes")));
        };
        warden.pid.store(warden.child.id().unwrap_or_default(), Ordering::Relaxed);
        let (input, inputs) = mpsc::channel(INPUTS);
        let (events, receiver) = mpsc::channel(EVENTS);
        let process = Self {
            input,
            input_end: CancellationToken::new(),
            terminate: CancellationToken::new(),
            kill: CancellationToken::new(),
            pid: Arc::clone(&warden.pid),
        };
        if !launch.rules.is_empty() {
            // The queue is empty.
            let _ = process.send(wire::allow_rules(RULES, &launch.rules));
        }
        tokio::spawn(write(stdin, inputs, process.input_end.clone()));
        let (terminate, kill) = (process.terminate.clone(), process.kill.clone());
        tokio::spawn(async move {
            let exited = CancellationToken::new();
            let (exit, muted, stderr) = tokio::join!(
                warden.watch(&terminate, &kill, &exited),
                async {
                    read(stdout, &events, &terminate, &exited).await;
                    end_who_is_mute(&terminate, &exited).await
                },
                lines::tail(stderr, STDERR_KEPT, &exited),
            );
            // The signal that ended it was ours and would tell a person nothing.
            let exit = if muted { ProcessExit::default() } else { exit };
            // The consumer may be gone; then nobody asks.
            let _ = events.send(ProcessEvent::Exited(ProcessExit { stderr, ..exit })).await;
        });
        Ok((process, receiver))
    }

    /// Queues a line (with its newline) for Claude Code's stdin; never waits.
    ///
    /// # Errors
    /// [`SendError`]; the line was then not queued.
    pub fn send(&self, line: String) -> Result<(), SendError> {
        if self.input_end.is_cancelled() {
            return Err(SendError::Gone);
        }
        self.input.try_send(line).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Busy,
            mpsc::error::TrySendError::Closed(_) => SendError::Gone,
        })
    }

    /// Closes stdin after the lines already queued: Claude Code finishes its turn and ends. It may stay for long (a
    /// silent API, a background command), so a deadline and [`ClaudeProcess::terminate`] belong to it.
    pub fn close_input(&self) {
        self.input_end.cancel();
    }

    /// Ends the process and all that it started, at once; no result comes.
    pub fn terminate(&self) {
        self.terminate.cancel();
    }

    /// The last resort, for a warden that does not react: kills the tree from here, the warden last.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// The pid of the warden, above all processes of the session; none once it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }
}

/// The warden of the program of a launch, in its directory, environment and sandbox; the program's arguments are to
/// follow.
///
/// # Errors
/// When there is to be a sandbox and there is none.
pub(super) fn warden_of(launch: &Launch, phonework: &Path) -> Result<Command, LaunchError> {
    let mut command = Command::new(phonework);
    command
        .args(["warden", "--in"])
        .arg(&launch.cwd)
        .args(["--memory", &launch.limits.memory.to_string()])
        .args(["--processes", &launch.limits.processes.to_string()])
        .arg("--")
        .arg(&launch.program.path)
        .args(&launch.program.arguments)
        .env_clear()
        .envs(launch.environment(std::env::vars_os()))
        .env(warden::PARENT_VARIABLE, std::process::id().to_string())
        .env("PWD", &launch.cwd)
        // A daemon that was started in a project would hold its disk.
        .current_dir("/");
    match &launch.isolation {
        Isolation::None => {}
        Isolation::Sandbox(request) => {
            let request = serde_json::to_string(request).map_err(std::io::Error::from)?;
            command.env(REQUEST_VARIABLE, request);
        }
        Isolation::Refused(why) => return Err(LaunchError::NoSandbox { why: why.clone() }),
    }
    Ok(command)
}

impl Drop for ClaudeProcess {
    fn drop(&mut self) {
        self.terminate.cancel();
    }
}

/// The one owner of the child: it alone signals and reaps it, so that no signal goes to a pid that is another's.
struct WardenChild {
    child: Child,
    pid: Arc<AtomicU32>,
}

impl WardenChild {
    async fn watch(
        mut self,
        terminate: &CancellationToken,
        kill: &CancellationToken,
        exited: &CancellationToken,
    ) -> ProcessExit {
        let (mut terminated, mut killed) = (false, false);
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status,
                () = kill.cancelled(), if !killed => {
                    killed = true;
                    self.kill_tree();
                }
                () = terminate.cancelled(), if !terminated => {
                    terminated = true;
                    self.signal(Signal::TERM);
                }
            }
        };
        self.pid.store(0, Ordering::Relaxed);
        // A warden that was killed has left its processes to the daemon. When the runtime is being shut down, they go
        // with the daemon.
        let _ = tokio::task::spawn_blocking(orphans::end_all).await;
        exited.cancel();
        let (code, signal) = match status {
            Ok(status) => (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)),
            Err(_) => (None, None),
        };
        match code {
            // The warden says "signal n" as shells do.
            Some(code @ 129..=192) => ProcessExit { signal: Some(code - 128), ..ProcessExit::default() },
            code => ProcessExit { code, signal, ..ProcessExit::default() },
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // "No such process" is the only error for a child of ours.
            let _ = kill_process(pid, signal);
        }
    }

    /// While the warden lives, orphans become its children: the tree is emptied first. It reads `/proc` a few
    /// times, which takes milliseconds.
    fn kill_tree(&self) {
        if let Some(pid) = self.pid() {
            for _ in 0..100 {
                if !process_tree::kill_descendants(pid) {
                    break;
                }
            }
        }
        self.signal(Signal::KILL);
    }
}

impl Drop for WardenChild {
    /// A runtime that is shut down drops its tasks; the session ends with them.
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

async fn write(mut stdin: ChildStdin, mut inputs: mpsc::Receiver<String>, end: CancellationToken) {
    loop {
        let line = tokio::select! {
            biased;
            line = inputs.recv() => line,
            () = end.cancelled() => None,
        };
        let Some(line) = line else { return };
        // A closed pipe means that the process ends; its exit is told by the warden's watch.
        crash::at(Point::LineSending);
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
        crash::at(Point::LineSent);
    }
}

async fn read(
    stdout: ChildStdout,
    events: &mpsc::Sender<ProcessEvent>,
    terminate: &CancellationToken,
    exited: &CancellationToken,
) {
    let mut lines = OutputLines::new(stdout, LONGEST_LINE);
    while let Some(line) = lines.next(exited).await {
        let output = match line {
            OutputLine::Whole(line) if line.len() >= LONG_LINE => {
                tokio::task::spawn_blocking(move || wire::parse(&line)).await.unwrap_or(Output::Other)
            }
            OutputLine::Whole(line) => wire::parse(&line),
            OutputLine::TooLong => Output::TooLong,
        };
        // Reading goes on without a consumer, so that a process on its way out is not held up.
        if events.send(ProcessEvent::Line(output)).await.is_err() {
            terminate.cancel();
        }
    }
}

/// Ends a process that has closed its stdout and lives on: nothing more can come of it. True if that was needed.
async fn end_who_is_mute(terminate: &CancellationToken, exited: &CancellationToken) -> bool {
    let ending = async {
        tokio::select! {
            () = exited.cancelled() => {}
            () = terminate.cancelled() => {}
        }
    };
    let muted = tokio::time::timeout(AFTERMATH, ending).await.is_err();
    if muted {
        terminate.cancel();
    }
    muted
}
