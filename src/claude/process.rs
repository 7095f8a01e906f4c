//! One running Claude Code process and the tasks that read from it and write to it.
//!
//! Promises:
//! - Claude Code's output is always read, whatever a person or Feishu does. A consumer that does not take its events
//!   holds up this one process only.
//! - The last event is [`ProcessEvent::Exited`]; by then no process of the session is left.
//! - Dropping the [`ClaudeProcess`] or the receiver of its events ends the process.
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

/// Maximum number of events that wait for the consumer; then reading stops and Claude Code is held up.
const EVENT_QUEUE_LEN: usize = 64;
/// Maximum number of lines that wait to be written; then [`ClaudeProcess::send`] refuses.
const INPUT_QUEUE_LEN: usize = 64;
/// The part of stderr that is kept, in bytes: the reason stands at its end.
const MAX_STDERR_BYTES: usize = 8 * 1024;
/// A longer line is skipped. Claude Code's own limit for a request is 32 MB.
const MAX_LINE_BYTES: usize = 64 << 20;
/// Lines of this length and more are parsed on a blocking thread, as that takes milliseconds.
const BLOCKING_PARSE_BYTES: usize = 1 << 20;
/// The `request_id` of the line that hands over the session's rules.
const RULES_REQUEST_ID: &str = "rules";
/// How long a pipe may be silent after the warden has ended; nobody should hold it open then. Also how long a process
/// may go on after it has closed its stdout.
const PIPE_DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A handle to a running Claude Code. Dropping it ends the process and everything it started.
#[derive(Debug)]
pub struct ClaudeProcess {
    input: mpsc::Sender<String>,
    input_end: CancellationToken,
    terminate: CancellationToken,
    kill: CancellationToken,
    /// The warden's pid; 0 once it has ended.
    pid: Arc<AtomicU32>,
}

/// What a process reports, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum ProcessEvent {
    /// It wrote this line to stdout.
    Line(Output),
    /// It has ended, and so has everything it started. Always the last event.
    Exited(ProcessExit),
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessExit {
    /// Its exit status. Claude Code exits with 1 when its last turn failed, so this says little.
    pub code: Option<i32>,
    /// The signal that ended it. It is 15 also when Claude Code handled SIGTERM and exited by itself.
    pub signal: Option<i32>,
    /// The end of what it wrote to stderr, at most 8 KiB. It may hold what a person wrote, so it must not be logged.
    pub stderr: String,
}

/// Why [`ClaudeProcess::send`] refused a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The process has ended, or its input was closed.
    #[error("Claude Code no longer takes input")]
    Gone,
    /// Claude Code does not read its input: too many lines wait already.
    #[error("Claude Code does not read its input")]
    Busy,
}

impl ClaudeProcess {
    /// Starts Claude Code under a warden; `phonework` is the path of this program. Call it within a tokio runtime. It
    /// returns as soon as the system has created the process, before Claude Code is ready, and does not wait for the
    /// project's disk.
    ///
    /// # Errors
    /// When the system refuses. If the program or the project's directory has vanished since it was found, that shows
    /// as an exit with status 127.
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
        let (input, inputs) = mpsc::channel(INPUT_QUEUE_LEN);
        let (events, receiver) = mpsc::channel(EVENT_QUEUE_LEN);
        let process = Self {
            input,
            input_end: CancellationToken::new(),
            terminate: CancellationToken::new(),
            kill: CancellationToken::new(),
            pid: Arc::clone(&warden.pid),
        };
        if !launch.rules.is_empty() {
            // Cannot fail, as the queue is still empty.
            let _ = process.send(wire::allow_rules(RULES_REQUEST_ID, &launch.rules));
        }
        tokio::spawn(write(stdin, inputs, process.input_end.clone()));
        let (terminate, kill) = (process.terminate.clone(), process.kill.clone());
        tokio::spawn(async move {
            let exited = CancellationToken::new();
            let (exit, was_ended_here, stderr) = tokio::join!(
                warden.watch(&terminate, &kill, &exited),
                async {
                    read(stdout, &events, &terminate, &exited).await;
                    end_after_stdout_closed(&terminate, &exited).await
                },
                lines::tail(stderr, MAX_STDERR_BYTES, &exited),
            );
            // The signal was sent from here, so it would tell a person nothing.
            let exit = if was_ended_here { ProcessExit::default() } else { exit };
            // The consumer may be gone; then nobody needs to know.
            let _ = events.send(ProcessEvent::Exited(ProcessExit { stderr, ..exit })).await;
        });
        Ok((process, receiver))
    }

    /// Queues a line, newline included, for Claude Code's stdin. Never waits.
    ///
    /// # Errors
    /// [`SendError`]; then the line was not queued.
    pub fn send(&self, line: String) -> Result<(), SendError> {
        if self.input_end.is_cancelled() {
            return Err(SendError::Gone);
        }
        self.input.try_send(line).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Busy,
            mpsc::error::TrySendError::Closed(_) => SendError::Gone,
        })
    }

    /// Closes stdin after the lines that are already queued: Claude Code finishes its turn and ends. That may take long
    /// (a silent API, a background command), so the caller needs a deadline and then [`ClaudeProcess::terminate`].
    pub fn close_input(&self) {
        self.input_end.cancel();
    }

    /// Ends the process and everything it started, at once; no result comes.
    pub fn terminate(&self) {
        self.terminate.cancel();
    }

    /// The last resort, for a warden that does not react: kills the tree from the daemon, the warden last.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// The pid of the warden, the ancestor of all processes of the session; `None` once it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|&pid| pid != 0)
    }
}

/// The command that runs a launch's program under a warden, in its directory, environment and sandbox. The caller adds
/// the program's own arguments.
///
/// # Errors
/// When a sandbox is required and there is none.
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
        // Not the daemon's own directory: the warden would keep its disk busy.
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

/// The sole owner of the child. Nobody else signals or reaps it, so no signal goes to a pid that has been used again.
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
        // If the warden was killed, its processes are the daemon's orphans now. This fails only while the runtime shuts
        // down, and then they end with the daemon.
        let _ = tokio::task::spawn_blocking(orphans::end_all).await;
        exited.cancel();
        let (code, signal) = match status {
            Ok(status) => (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)),
            Err(_) => (None, None),
        };
        match code {
            // The warden reports "signal n" as shells do, as 128 + n.
            Some(code @ 129..=192) => ProcessExit { signal: Some(code - 128), ..ProcessExit::default() },
            code => ProcessExit { code, signal, ..ProcessExit::default() },
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // The only error for a child of ours is "no such process".
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills the descendants before the warden: as long as it lives, their orphans become its children and are found.
    /// Reads `/proc` a few times, which takes milliseconds.
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
    /// When the runtime shuts down it drops its tasks, and the session ends with them.
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
        // A closed pipe means that the process is ending; `WardenChild::watch` reports the exit.
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
    let mut lines = OutputLines::new(stdout, MAX_LINE_BYTES);
    while let Some(line) = lines.next(exited).await {
        let output = match line {
            OutputLine::Whole(line) if line.len() >= BLOCKING_PARSE_BYTES => {
                tokio::task::spawn_blocking(move || wire::parse(&line)).await.unwrap_or(Output::Other)
            }
            OutputLine::Whole(line) => wire::parse(&line),
            OutputLine::TooLong => Output::TooLong,
        };
        // Reading goes on without a consumer, so that a process that is ending is not held up.
        if events.send(ProcessEvent::Line(output)).await.is_err() {
            terminate.cancel();
        }
    }
}

/// Ends a process that has closed its stdout but does not exit: it can say nothing more. True if that was necessary.
async fn end_after_stdout_closed(terminate: &CancellationToken, exited: &CancellationToken) -> bool {
    let ending = async {
        tokio::select! {
            () = exited.cancelled() => {}
            () = terminate.cancelled() => {}
        }
    };
    let lingers = tokio::time::timeout(PIPE_DRAIN_TIMEOUT, ending).await.is_err();
    if lingers {
        terminate.cancel();
    }
    lingers
}
