//! The practice agent (`phonework practice-agent`): a stand-in for Claude Code that needs no account.
//!
//! It speaks Claude Code's stream-json protocol on stdin and stdout, takes its flags, asks for permission as it does,
//! keeps to the mode and the rules that it is given, can be interrupted and resumed, and ends as it does; and it says
//! in its answers that it is not Claude. What it does is driven by the first word of a prompt, listed in its `deed`
//! module. It remembers one text for each session, in a folder of its own below `CLAUDE_CONFIG_DIR`, or in the cache
//! directory. Where `PRACTICE_JOURNAL` names a file, it appends each prompt that it is given to it, as a JSON string in
//! a line between empty ones.
//!
//! Synchronous: one thread reads stdin, another runs a command, the main one does all the rest.

mod agent;
mod call;
mod command;
mod deed;
mod failures;
mod files;
mod journal;
mod lines;
mod memory;
mod permission;
mod person;
mod progress;
mod texts;
mod tool;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use self::agent::Agent;
use self::journal::PromptJournal;
use self::memory::AgentMemory;
use self::permission::{LaunchOptions, Permissions};
use crate::ids::ClaudeSessionId;

/// What it answers to `--version`.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (phonework practice agent, not Claude Code)");

/// Runs the agent with Claude Code's arguments until stdin ends. The status is Claude Code's: 0, or 1 when it could
/// not start or the last turn had failed.
#[must_use]
pub fn run(arguments: &[OsString]) -> ExitCode {
    let options = PracticeOptions::from(arguments);
    if options.version {
        let _ = writeln!(std::io::stdout(), "{VERSION}");
        return ExitCode::SUCCESS;
    }
    if let Some(prompt) = options.prompt.as_ref().filter(|_| !options.is_fed) {
        let _ = writeln!(std::io::stdout(), "{prompt}? I am the practice agent, not Claude.");
        return ExitCode::SUCCESS;
    }
    match serve(&options, folder(), std::io::stdin(), std::io::stdout().lock()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The flags that change what it does; all others are taken and mean nothing here.
#[derive(Debug, Default, PartialEq, Eq)]
struct PracticeOptions {
    version: bool,
    /// Whether it speaks the protocol on stdin and stdout; else it answers one prompt in words.
    is_fed: bool,
    /// Whether it tells the raw events of the model's API.
    tells_events: bool,
    prompt: Option<String>,
    session_id: Option<String>,
    resume: Option<String>,
    model: Option<String>,
    permissions: LaunchOptions,
}

impl From<&[OsString]> for PracticeOptions {
    fn from(arguments: &[OsString]) -> Self {
        let mut options = Self::default();
        let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy()).peekable();
        while let Some(argument) = arguments.next() {
            let (flag, value) = match argument.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (argument.into_owned(), None),
            };
            let slot = match flag.as_str() {
                "--version" | "-v" => {
                    options.version = true;
                    continue;
                }
                "--input-format" => {
                    options.is_fed = true;
                    continue;
                }
                "--include-partial-messages" => {
                    options.tells_events = true;
                    continue;
                }
                // The prompt stands behind it, if it is not to come by stdin.
                "-p" | "--print" => {
                    options.prompt = arguments.next_if(|next| !next.starts_with('-')).map(Into::into);
                    continue;
                }
                "--session-id" => &mut options.session_id,
                "--resume" | "-r" => &mut options.resume,
                "--model" => &mut options.model,
                "--dangerously-skip-permissions" | "--allow-dangerously-skip-permissions" => {
                    options.permissions.bypass = true;
                    continue;
                }
                "--permission-mode" => &mut options.permissions.mode,
                "--allowedTools" | "--allowed-tools" => &mut options.permissions.allowed,
                "--settings" => &mut options.permissions.settings,
                "--setting-sources" => &mut options.permissions.sources,
                _ => continue,
            };
            *slot = value.or_else(|| arguments.next().map(std::borrow::Cow::into_owned));
        }
        options
    }
}

fn serve(
    options: &PracticeOptions,
    folder: PathBuf,
    input: impl Read + Send + 'static,
    mut output: impl Write,
) -> std::io::Result<u8> {
    let (memory, resumed) = match (&options.resume, &options.session_id) {
        (Some(id), _) => (AgentMemory::of(folder, id), true),
        (None, Some(id)) => (AgentMemory::of(folder, id), false),
        (None, None) => (AgentMemory::of(folder, ClaudeSessionId::random().as_str()), false),
    };
    let memory = memory.ok_or_else(|| std::io::Error::other("Invalid session ID. Must be a valid UUID."))?;
    match (resumed, memory.exists()) {
        (true, false) => {
            let sentence = format!("No conversation found with session ID: {}", memory.session());
            lines::write(&mut output, &lines::refused_resume(memory.session(), &sentence))?;
            Err(std::io::Error::other(sentence))
        }
        (false, true) => {
            Err(std::io::Error::other(format!("Session ID {} is already in use.", memory.session())))
        }
        (true, true) | (false, false) => {
            let model = options.model.clone().unwrap_or_else(|| "practice".to_owned());
            let permissions = Permissions::new(&options.permissions);
            Agent::new(
                output,
                memory,
                PromptJournal::open()?,
                model,
                permissions,
                options.tells_events,
                input,
            )
            .run()
        }
    }
}

fn folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("CLAUDE_CONFIG_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("phonework")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/phonework")))
        .unwrap_or_else(std::env::temp_dir)
        .join("practice")
}

#[cfg(test)]
mod tests;
