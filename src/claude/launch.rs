//! What is run for a session: the program, its arguments and its environment.
//!
//! A project's files are not trusted. Claude Code obeys much in them before anybody was asked: hooks, MCP servers,
//! `apiKeyHelper`, commands that allow themselves tools, and an `env` that may send the API key to another address.
//! So an untrusted project's settings are not read at all, and only its CLAUDE.md is, by way of an additional
//! directory. The permission mode on the command line beats the one in any settings, and file mentions (`@path`),
//! which Claude Code reads anywhere on the disk without a question, are always off. The environment is built from a
//! short list, as Claude hands it on to every command that it runs.
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
    /// The program, found by [`ClaudeProgram::find`].
    pub program: ClaudeProgram,
    /// The project's directory; an absolute path.
    pub cwd: PathBuf,
    /// A new conversation or one that is on Claude Code's disk.
    pub conversation: Conversation,
    /// The model by full name or alias; none leaves the choice to Claude Code, a resume keeps the earlier one.
    pub model: Option<String>,
    /// `default`, `acceptEdits`, `plan`, … as Claude Code names it. It has to be given anew on every resume.
    pub permission_mode: String,
    /// What needs no question in this session, as Claude Code's rules (`Bash(npm test *)`). They go to it in its first
    /// line.
    pub rules: Vec<String>,
    /// Whether the project's own settings count: hooks, MCP servers, commands, rules.
    pub trusted: bool,
    /// Variables of the operator (`CLAUDE_ENV`), which win over the inherited ones.
    pub env: BTreeMap<String, String>,
    /// What the process can reach.
    pub isolation: Isolation,
    /// Whether git may run programs of the project's choosing ([`git_runs_programs`]).
    pub git_runs_programs: bool,
    /// What all processes of the session may use together.
    pub limits: ResourceLimits,
}

/// The conversation that a process carries on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// One that does not exist yet, under an id of ours.
    New(ClaudeSessionId),
    /// One that had at least one message.
    Resume(ClaudeSessionId),
}

/// Why Claude Code cannot be started here. The sentences are for the operator; [`crate::claude::failure`] has those
/// for the chat.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// No such program.
    #[error(
        "`{command}` {}: install Claude Code (https://code.claude.com/docs/en/setup), or set CLAUDE_COMMAND in the \
         keyring to the full path of the program",
        if command.contains('/') { "does not exist" } else { "was not found on PATH" }
    )]
    ProgramMissing {
        /// The command as configured.
        command: String,
    },
    /// There is a file, but it is not a program.
    #[error("{} cannot be run: it is not an executable file; set CLAUDE_COMMAND in the keyring to one that is", path.display())]
    ProgramNotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The project's directory is gone, or is no directory.
    #[error("{} is not a directory that can be entered: create it again, or start a new session elsewhere", path.display())]
    ProjectMissing {
        /// The directory.
        path: PathBuf,
    },
    /// There is no sandbox, and without one nothing is to run.
    #[error("there is no sandbox for it: {why}")]
    NoSandbox {
        /// Why there is none.
        why: String,
    },
    /// A disk does not answer.
    #[error("the disk of the project, or that of CLAUDE_COMMAND, does not answer")]
    DiskSilent,
    /// The system refused to start the process.
    #[error("the process could not be started: {0}")]
    Spawn(#[from] std::io::Error),
}

/// Where Claude Code's conversation and the person's login come from, and what a program needs to run at all.
const INHERITED: &[&str] = &[
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

/// Settings of Claude Code that the operator may change with `CLAUDE_ENV`.
const CHOSEN: &[(&str, &str)] = &[
    // Four tries end an API failure after about eight seconds, where ten take three minutes.
    ("CLAUDE_CODE_MAX_RETRIES", "4"),
    // One text delta in half a second is as often as a chat can show one.
    ("CLAUDE_CODE_STREAM_EVENT_HOLD_MS", "500"),
    ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
];

/// The permission mode in which nothing is asked; whoever asks for it gets the default.
pub const BYPASS: &str = "bypassPermissions";

/// Reads CLAUDE.md in the directories of `--add-dir`.
const INSTRUCTIONS: (&str, &str) = ("CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD", "1");

/// Settings that no configuration may change: without this one, whoever writes in a chat reads every file of the
/// Unix user.
const FIXED: &[(&str, &str)] = &[("CLAUDE_CODE_DISABLE_FILE_MENTIONS", "1")];

impl Launch {
    /// Whether the project can be entered. It waits for the project's disk.
    ///
    /// # Errors
    /// [`LaunchError::ProjectMissing`].
    pub fn find_project(cwd: &Path) -> Result<(), LaunchError> {
        // A search permission is what the process needs; `.` can only be looked up with it. A path that has become a link
        // leads elsewhere.
        let found = cwd.join(".").is_dir() && cwd.canonicalize().is_ok_and(|real| real == cwd);
        found.then_some(()).ok_or_else(|| LaunchError::ProjectMissing { path: cwd.to_owned() })
    }

    /// The arguments after the program's own. Values stand behind `=`, so that none is taken for a flag; there is
    /// never one that skips permissions.
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

    /// The whole environment of the process: what is on the short list of `inherited`, then phonework's choices,
    /// then the operator's, then what is fixed. Never systemd's or phonework's own variables, whoever sets them, nor
    /// the one that makes Claude Code run a cut turn again by itself.
    #[must_use]
    pub fn environment(
        &self,
        inherited: impl Iterator<Item = (OsString, OsString)>,
    ) -> BTreeMap<OsString, OsString> {
        let owned = |(name, value): (&str, &str)| (OsString::from(name), OsString::from(value));
        let instructions = (!self.trusted).then_some(INSTRUCTIONS);
        let chosen = CHOSEN.iter().copied().chain(instructions).map(owned);
        let operators = self.env.iter().map(|(name, value)| owned((name, value)));
        let fixed = FIXED.iter().copied().map(owned);
        inherited
            .filter(|(name, _)| is_inherited(name))
            .chain(chosen)
            .chain(operators.filter(|(name, _)| !is_private(name)))
            .chain(fixed)
            .collect()
    }
}

fn is_inherited(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"))
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
