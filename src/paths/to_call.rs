//! Where a client finds the daemon's socket.

use std::path::{Path, PathBuf};

use super::{Environment, PathOptions, named, socket};
use crate::error::Failure;

/// The socket that a client calls. What an option or a variable names is taken as it is. Otherwise it is the first
/// that is there of: the daemon's own place ([`socket`]); for a user who is not root also the place of a daemon that was
/// started without `XDG_RUNTIME_DIR`, `/run/phonework-USER` of `phonework@USER.service`, and `/run/phonework` of the
/// system's daemon. When none is there it is the first, which the client then says.
///
/// `exists` may say yes where it cannot know: the connection tells.
///
/// # Errors
/// When the user has neither a runtime directory nor a home.
pub fn socket_to_call(
    chosen: &PathOptions,
    environment: &Environment,
    exists: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Failure> {
    let first = socket(chosen, environment)?;
    if environment.root || named(chosen.socket.as_ref(), environment, "PHONEWORK_SOCKET").is_some() {
        return Ok(first);
    }
    let state = environment.xdg("XDG_STATE_HOME", ".local/state").map(|folder| folder.join("phonework"));
    let own = environment.user.as_ref().map(|user| PathBuf::from(format!("/run/phonework-{user}")));
    let folders = [state, own, Some(PathBuf::from("/run/phonework"))];
    let others = folders.into_iter().flatten().map(|folder| folder.join("control.sock"));
    let found = std::iter::once(first.clone()).chain(others).find(|path| exists(path));
    Ok(found.unwrap_or(first))
}

/// Whether a socket is there, or lies where this user may not look.
#[must_use]
pub fn may_exist(path: &Path) -> bool {
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

    /// The socket that is called where only these are there.
    fn called(variables: &[(&str, &str)], root: bool, there: &[&str]) -> String {
        let environment =
            Environment::new(variables.iter().copied(), root, None).with_user(Some("ada".to_owned()));
        let exists = |path: &Path| there.iter().any(|other| Path::new(other) == path);
        socket_to_call(&PathOptions::default(), &environment, exists).unwrap().display().to_string()
    }

    #[test]
    fn the_first_socket_that_is_there_is_called() {
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
    fn root_calls_the_systems_daemon_and_no_other() {
        let there = ["/run/phonework-ada/control.sock", "/run/user/1000/phonework/control.sock"];
        assert_eq!(called(&[HOME, RUNTIME], true, &there), "/run/phonework/control.sock");
    }

    #[test]
    fn what_is_named_is_called_even_if_it_is_not_there() {
        let there = ["/run/phonework/control.sock"];
        assert_eq!(called(&[HOME, ("PHONEWORK_SOCKET", "/x.sock")], false, &there), "/x.sock");
        let chosen = PathOptions { socket: Some("y.sock".into()), ..PathOptions::default() };
        let environment = Environment::new([HOME], false, None);
        assert_eq!(socket_to_call(&chosen, &environment, |_| false), Ok("y.sock".into()));
    }

    #[test]
    fn what_lies_where_one_may_not_look_may_be_there() {
        let folder = tempfile::tempdir().unwrap();
        assert!(may_exist(folder.path()));
        assert!(!may_exist(&folder.path().join("control.sock")));
    }
}
