//! Checks whether Claude Code answers: runs `claude -p ping` the way sessions run it.
//!
//! An empty answer counts as none, whatever the exit status: Claude Code exits with 0 after some failures.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;
use tokio::time::timeout;

use super::launch::{ClaudeProgram, Conversation, Launch, LaunchError};
use super::orphans;
use super::process::{spawner, warden_of};
use crate::ids::ClaudeSessionId;
use crate::sandbox::Isolation;
use crate::sandbox::limits::ResourceLimits;

/// Maximum wait for an answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Maximum wait for the version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum wait for the disk that holds the program.
const DISK_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum wait for a warden that was told to end.
const TERMINATE_TIMEOUT: Duration = Duration::from_secs(15);
/// The part of the output that is kept, in bytes from its beginning.
const MAX_OUTPUT_BYTES: u64 = 16 << 10;
/// Maximum length, in characters, of a line of output that is quoted.
const MAX_QUOTED_CHARS: usize = 300;

/// The program, its environment and its sandbox.
#[derive(Clone, Debug)]
pub struct Probe {
    /// `CLAUDE_COMMAND` of the keyring.
    pub command: String,
    /// `CLAUDE_ENV` of the keyring.
    pub env: BTreeMap<String, String>,
    /// `CLAUDE_MODEL` of the keyring.
    pub model: Option<String>,
    /// The directory to run it in.
    pub cwd: PathBuf,
    /// The path of this program, through which Claude is started.
    pub phonework: PathBuf,
    /// What it can reach: the same as a session can.
    pub isolation: Isolation,
    /// Maximum wait for an answer; [`ANSWER_TIMEOUT`] except in tests.
    pub answer_timeout: Duration,
}

/// What a probe found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeResult {
    /// The program's path, if it was found.
    pub path: Option<PathBuf>,
    /// The program's version, if it printed one.
    pub version: Option<String>,
    /// How long the answer took.
    pub took: Duration,
    /// Why there was no answer: a sentence that says what to do.
    pub why: Option<String>,
}

/// What a process wrote, and its status unless it had to be ended.
struct ProbeRun {
    status: Option<std::process::ExitStatus>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Probe {
    /// Finds the program and asks for its version, which costs nothing.
    pub(crate) async fn check_version(&self) -> ProbeResult {
        match self.find().await {
            Ok(program) => self.version(&program).await,
            Err(error) => ProbeResult { why: Some(error.to_string()), ..ProbeResult::default() },
        }
    }

    /// Finds the program, asks for its version, and asks the model for an answer, which costs a little.
    pub async fn check_answer(&self) -> ProbeResult {
        let program = match self.find().await {
            Ok(program) => program,
            Err(error) => return ProbeResult { why: Some(error.to_string()), ..ProbeResult::default() },
        };
        let mut arguments = vec!["-p", "ping", "--setting-sources=user", "--strict-mcp-config"];
        arguments.extend(["--settings={\"disableAllHooks\":true}", "--no-session-persistence"]);
        let model = self.model.as_ref().map(|model| format!("--model={model}"));
        arguments.extend(model.as_deref());
        let started = Instant::now();
        let ran = self.run(&program, &arguments, self.answer_timeout).await;
        let took = started.elapsed();
        let why = match ran {
            Err(error) => Some(format!("`claude -p ping` could not be run: {error}")),
            Ok(ran) => problem(&ran, self.answer_timeout),
        };
        ProbeResult { took, why, ..self.version(&program).await }
    }

    /// Runs another program in the place of Claude Code and returns what it prints.
    ///
    /// # Errors
    /// A sentence that says why the program failed.
    pub(crate) async fn output_of(
        &self,
        program: &ClaudeProgram,
        arguments: &[&str],
    ) -> Result<String, String> {
        let ran =
            self.run(program, arguments, self.answer_timeout).await.map_err(|error| error.to_string())?;
        let said = first_line(&ran.stderr);
        match ran.status {
            None => Err(format!("it did not end within {} s", self.answer_timeout.as_secs())),
            Some(status) if status.success() => {
                String::from_utf8(ran.stdout).map_err(|_| "it printed something that is not text".to_owned())
            }
            Some(status) => Err(said.unwrap_or_else(|| format!("it ended with {status}"))),
        }
    }

    async fn find(&self) -> Result<ClaudeProgram, LaunchError> {
        let command = self.command.clone();
        let find = move || ClaudeProgram::find(&command, std::env::var_os("PATH").as_deref());
        match timeout(DISK_TIMEOUT, tokio::task::spawn_blocking(find)).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Err(LaunchError::DiskSilent),
        }
    }

    async fn version(&self, program: &ClaudeProgram) -> ProbeResult {
        let ran = self.run(program, &["--version"], VERSION_TIMEOUT).await;
        let ran = ran.ok().filter(|ran| ran.status.is_some_and(|status| status.success()));
        let version = ran.and_then(|ran| first_line(&ran.stdout));
        ProbeResult { path: Some(program.path.clone()), version, ..ProbeResult::default() }
    }

    /// Runs the program under a warden, in the environment of a session.
    async fn run(
        &self,
        program: &ClaudeProgram,
        arguments: &[&str],
        limit: Duration,
    ) -> Result<ProbeRun, LaunchError> {
        let launch = Launch {
            program: program.clone(),
            cwd: self.cwd.clone(),
            conversation: Conversation::New(ClaudeSessionId::random()),
            model: None,
            permission_mode: "default".to_owned(),
            rules: Vec::new(),
            trusted: false,
            env: self.env.clone(),
            isolation: self.isolation.clone(),
            git_runs_programs: false,
            limits: ResourceLimits::NONE,
        };
        let mut command = warden_of(&launch, &self.phonework)?;
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut warden = spawner::spawn(command)?;
        let (stdout, stderr) = (warden.stdout.take(), warden.stderr.take());
        let ended = async { tokio::join!(warden.wait(), beginning(stdout), beginning(stderr)) };
        let ran = match timeout(limit, ended).await {
            Ok((status, stdout, stderr)) => ProbeRun { status: Some(status?), stdout, stderr },
            Err(_) => {
                end(&mut warden).await;
                ProbeRun { status: None, stdout: Vec::new(), stderr: Vec::new() }
            }
        };
        // If the warden was killed, its processes are the daemon's orphans now.
        let _ = tokio::task::spawn_blocking(orphans::end_all).await;
        Ok(ran)
    }
}

/// Ends the warden, which ends everything it started.
async fn end(warden: &mut Child) {
    let pid = warden.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // The only error for a child of ours is "no such process".
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if timeout(TERMINATE_TIMEOUT, warden.wait()).await.is_err() {
        let _ = warden.start_kill();
    }
}

/// Reads a pipe to its end and returns the beginning of what came out of it.
async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let mut beginning = pipe.take(MAX_OUTPUT_BYTES);
        // An error of the pipe counts as its end.
        let _ = beginning.read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut beginning.into_inner(), &mut tokio::io::sink()).await;
    }
    bytes
}

/// Why this run gave no answer; `None` if it gave one.
fn problem(ran: &ProbeRun, limit: Duration) -> Option<String> {
    let said = || first_line(&ran.stderr).or_else(|| first_line(&ran.stdout));
    let how = match ran.status {
        None => {
            return Some(format!(
                "`claude -p ping` gave no answer within {} s; check whether the daemon's user can reach Claude's API",
                limit.as_secs()
            ));
        }
        Some(status) if status.success() && first_line(&ran.stdout).is_some() => return None,
        Some(status) if status.success() => "ended without an answer".to_owned(),
        Some(status) => match status.code() {
            Some(code) => format!("ended with status {code}"),
            None => "was killed".to_owned(),
        },
    };
    let said = said().map(|said| format!(" and said: {said}")).unwrap_or_default();
    Some(format!("`claude -p ping` {how}{said}; run `claude` as the daemon's user to see what is wrong"))
}

/// The first line that is not empty, without control characters.
fn first_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUOTED_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn problem_with(status: Option<i32>, stdout: &str, stderr: &str) -> Option<String> {
        let status = status.map(ExitStatus::from_raw);
        problem(&ProbeRun { status, stdout: stdout.into(), stderr: stderr.into() }, ANSWER_TIMEOUT)
    }

    #[test]
    fn an_answer_is_a_text_with_exit_status_0() {
        assert_eq!(problem_with(Some(0), "pong\n", "warning"), None);
        let problems = [
            problem_with(Some(0), "\n", ""),
            problem_with(Some(1 << 8), "", "\u{1b}[31mInvalid API key\nmore"),
            problem_with(Some(9), "", ""),
            problem_with(None, "", ""),
        ];
        insta::assert_snapshot!(problems.map(Option::unwrap).join("\n"), @r"
        `claude -p ping` ended without an answer; run `claude` as the daemon's user to see what is wrong
        `claude -p ping` ended with status 1 and said:  [31mInvalid API key; run `claude` as the daemon's user to see what is wrong
        `claude -p ping` was killed; run `claude` as the daemon's user to see what is wrong
        `claude -p ping` gave no answer within 120 s; check whether the daemon's user can reach Claude's API
        ");
    }
}
