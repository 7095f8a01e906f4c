//! What is run for a session: the program, its arguments and its environment.
//!
//! A project's files are not trusted. Claude Code obeys much of what they say before anybody is asked: hooks, MCP
//! servers, `apiKeyHelper`, commands that allow themselves tools, and an `env` that may send the API key to another
//! address. Therefore an untrusted project's settings are not read at all; only its CLAUDE.md is, by way of an
//! additional directory. The permission mode on the command line overrides the one in any settings. File mentions
//! (`@path`), which Claude Code reads anywhere on the disk without asking, are always off. The environment is built from
//! a short list, as Claude passes it on to every command that it runs.
//!
//! Not here: the check that the mode may be used at all. [`crate::sandbox`] makes the sandbox that the isolation
//! asks for.

mod asked;
mod program;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use self::asked::git_runs_programs;
pub use self::program::ClaudeProgram;
use crate::ids::ClaudeSessionId;
use crate::sandbox::Isolation;
use crate::sandbox::limits::ResourceLimits;

/// How to start Claude Code for one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The program, as [`ClaudeProgram::find`] found it.
    pub program: ClaudeProgram,
    /// The project's directory; an absolute path.
    pub cwd: PathBuf,
    /// Whether to begin a conversation or to resume one.
    pub conversation: Conversation,
    /// The model by full name or alias. `None` leaves the choice to Claude Code; a resume then keeps the earlier one.
    pub model: Option<String>,
    /// `default`, `acceptEdits`, `plan`, … as Claude Code names it. It has to be given again on every resume.
    pub permission_mode: String,
    /// What Claude may do in this session without asking, as Claude Code's rules (`Bash(npm test *)`). They are sent to
    /// it in its first line.
    pub rules: Vec<String>,
    /// Whether the project's own settings count: hooks, MCP servers, commands, rules.
    pub trusted: bool,
    /// The operator's variables (`CLAUDE_ENV`), which override the inherited ones.
    pub env: BTreeMap<String, String>,
    /// Which sandbox the process runs in.
    pub isolation: Isolation,
    /// Whether git may run programs of the project's choosing ([`git_runs_programs`]).
    pub git_runs_programs: bool,
    /// The resources that all processes of the session may use together.
    pub limits: ResourceLimits,
}

/// The conversation that a process works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// Begin one under this id, which phonework chose.
    New(ClaudeSessionId),
    /// Resume this one, which has had at least one message.
    Resume(ClaudeSessionId),
}

/// Why Claude Code cannot be started. These sentences are for the operator; [`crate::claude::failure`] has those for
/// the chat.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// There is no such program.
    #[error(
        "`{command}` {}: install Claude Code (https://code.claude.com/docs/en/setup), or set CLAUDE_COMMAND in the \
         keyring to the full path of the program",
        if command.contains('/') { "does not exist" } else { "was not found on PATH" }
    )]
    ProgramMissing {
        /// The command as configured.
        command: String,
    },
    /// There is such a file, but it cannot be executed.
    #[error("{} cannot be run: it is not an executable file; set CLAUDE_COMMAND in the keyring to one that is", path.display())]
    ProgramNotExecutable {
        /// The file's absolute path.
        path: PathBuf,
    },
    /// The project's directory is gone, is not a directory, or cannot be entered.
    #[error("{} is not a directory that can be entered: create it again, or start a new session elsewhere", path.display())]
    ProjectMissing {
        /// The project's directory, in which the process starts.
        path: PathBuf,
    },
    /// There is no sandbox, and nothing may run without one.
    #[error("there is no sandbox for it: {why}")]
    NoSandbox {
        /// Why there is no sandbox.
        why: String,
    },
    /// A disk did not answer in time.
    #[error("the disk of the project, or that of CLAUDE_COMMAND, does not answer")]
    DiskSilent,
    /// The system refused to start the process.
    #[error("the process could not be started: {0}")]
    Spawn(#[from] std::io::Error),
}

/// The variables that Claude Code inherits from the daemon: its login, the place of its conversations, and what any
/// program needs to run.
const INHERITED_VARIABLES: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Settings of Claude Code that the operator may override with `CLAUDE_ENV`.
const DEFAULT_SETTINGS: &[(&str, &str)] = &[
    // With four tries an API failure ends after about eight seconds; with ten it takes three minutes.
    ("CLAUDE_CODE_MAX_RETRIES", "4"),
    // A chat cannot show more than one text delta in half a second.
    ("CLAUDE_CODE_STREAM_EVENT_HOLD_MS", "500"),
    ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
];

/// The permission mode in which Claude asks nothing. A session that is to have it gets `default` instead.
pub(crate) const BYPASS: &str = "bypassPermissions";

/// Has Claude Code read CLAUDE.md in the directories of `--add-dir`.
const READ_INSTRUCTIONS: (&str, &str) = ("CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD", "1");

/// Settings that no configuration can change. Without this one, whoever writes in a chat could read every file of the
/// Unix user.
const FIXED_SETTINGS: &[(&str, &str)] = &[("CLAUDE_CODE_DISABLE_FILE_MENTIONS", "1")];

impl Launch {
    /// Checks that the project can be entered. Waits for the project's disk.
    ///
    /// # Errors
    /// [`LaunchError::ProjectMissing`].
    pub fn find_project(cwd: &Path) -> Result<(), LaunchError> {
        // The process needs search permission for the directory, and looking up `.` in it needs just that. A path that has become a link
        // leads elsewhere.
        let found = cwd.join(".").is_dir() && cwd.canonicalize().is_ok_and(|real| real == cwd);
        found.then_some(()).ok_or_else(|| LaunchError::ProjectMissing { path: cwd.to_owned() })
    }

    /// The arguments after the program's own. Values follow a `=`, so that none is taken for a flag. None of them ever
    /// skips permissions.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<String> = [
            "-p",
            "--output-format=stream-json",
            "--input-format=stream-json",
            "--verbose",
            "--include-partial-messages",
            "--permission-prompt-tool=stdio",
        ]
        .map(str::to_owned)
        .into();
        let mode = Some(self.permission_mode.as_str()).filter(|mode| *mode != BYPASS).unwrap_or("default");
        arguments.push(format!("--permission-mode={mode}"));
        if !self.trusted {
            arguments.push("--setting-sources=user".to_owned());
            arguments.push("--strict-mcp-config".to_owned());
        }
        arguments.extend(self.settings());
        if let Some(model) = &self.model {
            arguments.push(format!("--model={model}"));
        }
        arguments.push(match &self.conversation {
            Conversation::New(id) => format!("--session-id={id}"),
            Conversation::Resume(id) => format!("--resume={id}"),
        });
        let mut arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
        if !self.trusted {
            let mut directory = OsString::from("--add-dir=");
            directory.push(&self.cwd);
            arguments.push(directory);
        }
        arguments
    }

    /// Settings that stand above the project's and the person's own.
    fn settings(&self) -> Option<String> {
        let mut settings = serde_json::Map::new();
        if !self.trusted {
            settings.insert("disableAllHooks".to_owned(), true.into());
        }
        let asked = asked::rules(&self.isolation, self.trusted, self.git_runs_programs);
        if !asked.is_empty() {
            settings.insert("permissions".to_owned(), serde_json::json!({ "ask": asked }));
        }
        (!settings.is_empty()).then(|| format!("--settings={}", serde_json::Value::from(settings)))
    }

    /// The whole environment of the process: those variables of `inherited` that are on the short list, then the
    /// default settings, then the operator's variables, then the fixed settings; later ones override earlier ones. Never
    /// systemd's or phonework's own variables, whoever sets them, nor the one that makes Claude Code run an interrupted
    /// turn again by itself.
    #[must_use]
    pub fn environment(
        &self,
        inherited: impl Iterator<Item = (OsString, OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let owned = |(name, value): (&str, &str)| (OsString::from(name), OsString::from(value));
        let instructions = (!self.trusted).then_some(READ_INSTRUCTIONS);
        let defaults = DEFAULT_SETTINGS.iter().copied().chain(instructions).map(owned);
        let operators = self.env.iter().map(|(name, value)| owned((name, value)));
        let fixed = FIXED_SETTINGS.iter().copied().map(owned);
        inherited
            .filter(|(name, _)| is_inherited(name))
            .chain(defaults)
            .chain(operators.filter(|(name, _)| !is_private(name)))
            .chain(fixed)
            .collect()
    }
}

fn is_inherited(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| INHERITED_VARIABLES.contains(&name) || name.starts_with("LC_"))
}

fn is_private(name: &OsStr) -> bool {
    const NAMES: &[&str] = &[
        "CLAUDE_CODE_RESUME_INTERRUPTED_TURN",
        "CREDENTIALS_DIRECTORY",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "RUNTIME_DIRECTORY",
        "STATE_DIRECTORY",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    ];
    let name = name.to_string_lossy();
    name.starts_with("PHONEWORK_") || NAMES.contains(&name.as_ref())
}
