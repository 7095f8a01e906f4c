//! Connects subcommands to the daemon, and turns what goes wrong into failures.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use super::{SocketOption, show};
use crate::control::client::{ControlClient, ControlClientError};
use crate::control::wire::{self, INTERFACE};
use crate::error::{ExitStatus, Failure};
use crate::paths::{self, Environment};

/// Maximum time for a reply that needs no probe of Claude.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// The path of the socket to connect to.
///
/// # Errors
/// When this user has no home directory.
pub(super) fn socket(option: &SocketOption, environment: &Environment) -> Result<PathBuf, Failure> {
    paths::client_socket(&option.path_options(), environment, paths::may_exist)
}

/// Connects to the daemon. If its version differs from this program's, a note on stderr says so.
pub(super) fn connect(option: &SocketOption, environment: &Environment) -> Result<ControlClient, Failure> {
    let mut client = ControlClient::connect(&socket(option, environment)?, REPLY_TIMEOUT).map_err(failure)?;
    let daemon = client.version().map_err(failure)?;
    let own = env!("CARGO_PKG_VERSION");
    if daemon != own {
        note(&format!(
            "the daemon is phonework {daemon}, this program is {own}; `systemctl restart phonework` starts what is installed"
        ));
    }
    Ok(client)
}

/// Writes a note to stderr.
pub(super) fn note(sentence: &str) {
    // If this fails, nobody can be told; the command goes on.
    let _ = writeln!(io::stderr().lock(), "phonework: note: {}", show::plain(sentence));
}

/// All sessions, collected from as many replies as there are.
pub(super) fn sessions(
    client: &mut ControlClient,
    all: bool,
) -> Result<Vec<wire::SessionInfo>, ControlClientError> {
    let mut sessions = Vec::new();
    let call = wire::SessionsCall { all: Some(all) };
    for reply in client.more::<wire::Sessions>(&method("Sessions"), &call)? {
        sessions.extend(reply?.sessions);
    }
    Ok(sessions)
}

/// The full name of a method of `io.phonework`.
pub(super) fn method(name: &str) -> String {
    format!("{INTERFACE}.{name}")
}

/// The failure for an error of the client. If there is no daemon, the exit code is 2.
pub(super) fn failure(error: ControlClientError) -> Failure {
    let exit = match &error {
        ControlClientError::NoDaemon { .. } => ExitStatus::Usage,
        ControlClientError::Forbidden { .. }
        | ControlClientError::Refused(_)
        | ControlClientError::Unknown { .. }
        | ControlClientError::Broken(_) => ExitStatus::Failed,
    };
    Failure::new(exit, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::wire::ControlError;

    #[test]
    fn each_failure_is_a_sentence_that_says_what_to_do_and_no_daemon_is_exit_2() {
        let path = || PathBuf::from("/run/phonework/control.sock");
        let failures = [
            ControlClientError::NoDaemon { path: path() },
            ControlClientError::Forbidden { path: path() },
            ControlClientError::Refused(ControlError::NoOpenId { open_id: "anna".into() }),
            ControlClientError::Unknown { what: method("Allow") },
            ControlClientError::Broken("it broke".to_owned()),
        ]
        .map(failure);
        let told = failures.map(|failure| format!("{}: {failure}", failure.exit.code()));
        insta::assert_snapshot!(told.join("\n"), @r#"
        2: no phonework answers at /run/phonework/control.sock; start it with `systemctl start phonework`, or `phonework serve` in a terminal
        1: this user may not connect to /run/phonework/control.sock; join the group of that directory, or use sudo
        1: "anna" is no open_id: it begins with ou_; the bot tells it to everyone who writes to it
        1: the running daemon is too old for this (io.phonework.Allow); restart it with `systemctl restart phonework`
        1: it broke
        "#);
    }
}
