//! Whether Claude Code answers: `claude -p ping`, run as sessions run it.
//!
//! An empty answer counts as none, whatever the exit status: Claude Code ends with 0 after some failures.

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

/// The longest time for an answer.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The longest time for the version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);
/// A disk that does not say within this time what is where is taken for broken.
const FINDING: Duration = Duration::from_secs(5);
/// A warden that was told to end is waited for so long.
const ENDING: Duration = Duration::from_secs(15);
/// So much of what it writes is kept.
const KEPT: u64 = 16 << 10;
/// So many characters of a complaint are told.
const TOLD: usize = 300;

/// What to run.
#[derive(Clone, Debug)]
pub struct Probe {
    /// `CLAUDE_COMMAND`.
    pub command: String,
    /// `CLAUDE_ENV`.
    pub env: BTreeMap<String, String>,
    /// `CLAUDE_MODEL`.
    pub model: Option<String>,
    /// The directory to run it in.
    pub cwd: PathBuf,
    /// This program, which Claude is started through.
    pub phonework: PathBuf,
    /// What it can reach: the same as a session.
    pub isolation: Isolation,
    /// The longest time for an answer; [`PATIENCE`] but in tests.
    pub patience: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeResult {
    /// The program, if it was found.
    pub path: Option<PathBuf>,
    /// Its version, if it says one.
    pub version: Option<String>,
    /// How long the answer took.
    pub took: Duration,
    /// Why there was none: a sentence with the way out.
    pub why: Option<String>,
}

/// What a process wrote, and how it ended.
struct ProbeRun {
    status: Option<std::process::ExitStatus>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Probe {
    /// Finds the program and asks for its version, which costs nothing.
    pub async fn look(&self) -> ProbeResult {
        match self.find().await {
            Ok(program) => self.version(&program).await,
            Err(error) => ProbeResult { why: Some(error.to_string()), ..ProbeResult::default() },
        }
    }

    /// Finds the program, asks for its version, and asks Claude, which costs a little.
    pub async fn ask(&self) -> ProbeResult {
        let program = match self.find().await {
            Ok(program) => program,
            Err(error) => return ProbeResult { why: Some(error.to_string()), ..ProbeResult::default() },
        };
        let mut arguments = vec!["-p", "ping", "--setting-sources=user", "--strict-mcp-config"];
        arguments.extend(["--settings={\"disableAllHooks\":true}", "--no-session-persistence"]);
        let model = self.model.as_ref().map(|model| format!("--model={model}"));
        arguments.extend(model.as_deref());
        let begun = Instant::now();
        let ran = self.run(&program, &arguments, self.patience).await;
        let took = begun.elapsed();
        let why = match ran {
            Err(error) => Some(format!("`claude -p ping` could not be run: {error}")),
            Ok(ran) => complaint(&ran, self.patience),
        };
        ProbeResult { took, why, ..self.version(&program).await }
    }

    /// Runs a program in the place of Claude Code and gives the first line that it prints.
    ///
    /// # Errors
    /// A sentence: why there is no such line.
    pub async fn line_of(&self, program: &ClaudeProgram, arguments: &[&str]) -> Result<String, String> {
        let ran = self.run(program, arguments, self.patience).await.map_err(|error| error.to_string())?;
        let said = first_line(&ran.stderr);
        match ran.status {
            None => Err(format!("it did not end within {} s", self.patience.as_secs())),
            Some(status) if status.success() => {
                String::from_utf8(ran.stdout).map_err(|_| "it printed what is not text".to_owned())
            }
            Some(status) => Err(said.unwrap_or_else(|| format!("it ended with {status}"))),
        }
    }

    async fn find(&self) -> Result<ClaudeProgram, LaunchError> {
        let command = self.command.clone();
        let find = move || ClaudeProgram::find(&command, std::env::var_os("PATH").as_deref());
        match timeout(FINDING, tokio::task::spawn_blocking(find)).await {
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
        patience: Duration,
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
        let ended = timeout(patience, async { tokio::join!(warden.wait(), kept(stdout), kept(stderr)) });
        let ran = match ended.await {
            Ok((status, stdout, stderr)) => ProbeRun { status: Some(status?), stdout, stderr },
            Err(_) => {
                end(&mut warden).await;
                ProbeRun { status: None, stdout: Vec::new(), stderr: Vec::new() }
            }
        };
        // A warden that was killed leaves its processes to the daemon.
        let _ = tokio::task::spawn_blocking(orphans::end_all).await;
        Ok(ran)
    }
}

/// Ends the warden, and it all that it started.
async fn end(warden: &mut Child) {
    let pid = warden.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // "No such process" is the only error for a child of ours.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if timeout(ENDING, warden.wait()).await.is_err() {
        let _ = warden.start_kill();
    }
}

/// The beginning of what comes out of a pipe, which is read to its end.
async fn kept(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let mut beginning = pipe.take(KEPT);
        // What cannot be read any more has ended.
        let _ = beginning.read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut beginning.into_inner(), &mut tokio::io::sink()).await;
    }
    bytes
}

/// Why this is no answer.
fn complaint(ran: &ProbeRun, patience: Duration) -> Option<String> {
    let said = || first_line(&ran.stderr).or_else(|| first_line(&ran.stdout));
    let how = match ran.status {
        None => {
            return Some(format!(
                "`claude -p ping` gave no answer within {} s; see whether the daemon's user reaches Claude's API",
                patience.as_secs()
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
    Some(format!("`claude -p ping` {how}{said}; run `claude` as the daemon's user to see what it lacks"))
}

/// The first line that says something, fit to be shown.
fn first_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TOLD).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn told(status: Option<i32>, stdout: &str, stderr: &str) -> Option<String> {
        let status = status.map(ExitStatus::from_raw);
        complaint(&ProbeRun { status, stdout: stdout.into(), stderr: stderr.into() }, PATIENCE)
    }

    #[test]
    fn an_answer_has_words_and_status_0() {
        assert_eq!(told(Some(0), "pong\n", "warning"), None);
        let told = [
            told(Some(0), "\n", ""),
            told(Some(1 << 8), "", "\u{1b}[31mInvalid API key\nmore"),
            told(Some(9), "", ""),
            told(None, "", ""),
        ];
        insta::assert_snapshot!(told.map(Option::unwrap).join("\n"), @r"
        `claude -p ping` ended without an answer; run `claude` as the daemon's user to see what it lacks
        `claude -p ping` ended with status 1 and said:  [31mInvalid API key; run `claude` as the daemon's user to see what it lacks
        `claude -p ping` was killed; run `claude` as the daemon's user to see what it lacks
        `claude -p ping` gave no answer within 120 s; see whether the daemon's user reaches Claude's API
        ");
    }
}
