//! Finds the daemon's socket for a client.

use std::path::{Path, PathBuf};

use super::{Environment, PathOptions, named, socket};
use crate::error::Failure;

/// The path of the socket that a client connects to.
///
/// If an option or a variable names one, it is that. Otherwise it is the first that exists of:
/// - the path that a daemon of this user would use ([`socket`]);
/// - for users other than root, the path of a daemon that was started without `XDG_RUNTIME_DIR`;
/// - `/run/phonework-USER`, the directory of `phonework@USER.service`;
/// - `/run/phonework`, the directory of the system's daemon.
///
/// If none exists it is the first, which the client then names in its error. `exists` may return true if it cannot know.
///
/// # Errors
/// When the user has neither a runtime directory nor a home.
pub(crate) fn client_socket(
    options: &PathOptions,
    environment: &Environment,
    exists: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Failure> {
    let first = socket(options, environment)?;
    if environment.root || named(options.socket.as_ref(), environment, "PHONEWORK_SOCKET").is_some() {
        return Ok(first);
    }
    let state = environment.xdg("XDG_STATE_HOME", ".local/state").map(|folder| folder.join("phonework"));
    let own = environment.user.as_ref().map(|user| PathBuf::from(format!("/run/phonework-{user}")));
    let folders = [state, own, Some(PathBuf::from("/run/phonework"))];
    let others = folders.into_iter().flatten().map(|folder| folder.join("control.sock"));
    let found = std::iter::once(first.clone()).chain(others).find(|path| exists(path));
    Ok(found.unwrap_or(first))
}

/// Whether a socket exists, or lies in a directory that this user may not search.
#[must_use]
pub(crate) fn may_exist(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: (&str, &str) = ("HOME", "/home/ada");
    const RUNTIME: (&str, &str) = ("XDG_RUNTIME_DIR", "/run/user/1000");

    /// The socket that is chosen if only these exist.
    fn called(variables: &[(&str, &str)], root: bool, there: &[&str]) -> String {
        let environment =
            Environment::new(variables.iter().copied(), root, None).with_user(Some("ada".to_owned()));
        let exists = |path: &Path| there.iter().any(|other| Path::new(other) == path);
        client_socket(&PathOptions::default(), &environment, exists).unwrap().display().to_string()
    }

    #[test]
    fn the_first_socket_that_exists_is_chosen() {
        let mut there = vec![
            "/run/phonework/control.sock",
            "/run/phonework-ada/control.sock",
            "/home/ada/.local/state/phonework/control.sock",
            "/run/user/1000/phonework/control.sock",
        ];
        while let Some(first) = there.last().copied() {
            assert_eq!(called(&[HOME, RUNTIME], false, &there), first);
            there.pop();
        }
        assert_eq!(called(&[HOME, RUNTIME], false, &[]), "/run/user/1000/phonework/control.sock");
        assert_eq!(called(&[HOME], false, &[]), "/home/ada/.local/state/phonework/control.sock");
    }

    #[test]
    fn root_uses_only_the_systems_daemon() {
        let there = ["/run/phonework-ada/control.sock", "/run/user/1000/phonework/control.sock"];
        assert_eq!(called(&[HOME, RUNTIME], true, &there), "/run/phonework/control.sock");
    }

    #[test]
    fn a_named_socket_is_chosen_even_if_it_does_not_exist() {
        let there = ["/run/phonework/control.sock"];
        assert_eq!(called(&[HOME, ("PHONEWORK_SOCKET", "/x.sock")], false, &there), "/x.sock");
        let chosen = PathOptions { socket: Some("y.sock".into()), ..PathOptions::default() };
        let environment = Environment::new([HOME], false, None);
        assert_eq!(client_socket(&chosen, &environment, |_| false), Ok("y.sock".into()));
    }

    #[test]
    fn a_socket_in_a_directory_that_may_not_be_searched_may_exist() {
        let folder = tempfile::tempdir().unwrap();
        assert!(may_exist(folder.path()));
        assert!(!may_exist(&folder.path().join("control.sock")));
    }
}
