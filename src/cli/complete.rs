//! Shell completion. Session ids and open_ids come from the daemon; without one there are none.

use std::ffi::OsStr;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::CompleteEnv;

use super::client::{self, method, socket};
use super::{Cli, SocketOption, show};
use crate::control::client::{ControlClient, ControlClientError};
use crate::control::wire::{AllowSource, PeopleList, SessionInfo};
use crate::error::Failure;
use crate::paths::Environment;

/// Environment variable through which a shell's script asks for completions.
const VARIABLE: &str = "PHONEWORK_COMPLETE";
/// Maximum time for a completion.
const COMPLETION_TIMEOUT: Duration = Duration::from_millis(300);

/// Answers a shell that asks for completions. Returns whether one did.
///
/// # Errors
/// When the shell is unknown or stdout cannot be written to.
pub(super) fn answer(arguments: &[std::ffi::OsString]) -> Result<bool, Failure> {
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .bin("phonework")
        .completer("phonework")
        .try_complete(arguments.iter().cloned(), None)
        .map_err(|error| Failure::usage(error.to_string().trim().replace('\n', " ")))
}

/// Completes the ids of open sessions.
pub(super) fn open_sessions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| sessions_named(current, false))
}

/// Completes the ids of all sessions, closed ones included.
pub(super) fn sessions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| sessions_named(current, true))
}

/// Completes the open_ids of people who were allowed with `phonework allow`.
pub(super) fn people() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let none = serde_json::Map::new();
        let people =
            daemon().and_then(|mut client| client.call::<PeopleList>(&method("Allowed"), &none).ok());
        let people = people.map(|people| people.people).unwrap_or_default();
        let removable = people.into_iter().filter(|person| person.source == AllowSource::Operator);
        removable.filter_map(|person| candidate(current, person.open_id.as_str(), None)).collect()
    })
}

fn sessions_named(current: &OsStr, all: bool) -> Vec<CompletionCandidate> {
    let sessions = |mut client: ControlClient| -> Result<Vec<SessionInfo>, ControlClientError> {
        client::sessions(&mut client, all)
    };
    let sessions = daemon().and_then(|client| sessions(client).ok()).unwrap_or_default();
    let named = sessions.into_iter();
    named.filter_map(|session| candidate(current, session.conv_id.as_str(), Some(&session.project))).collect()
}

/// A candidate, if it begins with what was typed and is safe in any shell.
fn candidate(current: &OsStr, name: &str, help: Option<&str>) -> Option<CompletionCandidate> {
    let harmless = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let begins = current.to_str().is_some_and(|current| name.starts_with(current));
    let candidate = (harmless && begins).then(|| CompletionCandidate::new(name))?;
    Some(candidate.help(help.map(|help| show::plain(help).into())))
}

/// Connects to the daemon at its default path. A `--socket` on the command line is ignored.
fn daemon() -> Option<ControlClient> {
    let path = socket(&SocketOption { socket: None }, &Environment::of_process()).ok()?;
    ControlClient::connect(&path, COMPLETION_TIMEOUT).ok()
}
