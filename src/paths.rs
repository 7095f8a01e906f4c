//! Where files lie: the keyring, the state directory, the control socket and projects.
//!
//! The environment is a parameter, so that the order of the candidates can be tested by value.

mod client_socket;
mod replace;
mod state_dir;
mod workspace;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

pub(crate) use self::client_socket::{client_socket, may_exist};
pub use self::replace::replace;
pub(crate) use self::state_dir::{StateDir, lock_with_retry};
pub(crate) use self::workspace::ProjectError;
pub(crate) use self::workspace::Workspace;
use crate::error::Failure;

/// The environment variables and the user, which decide where files lie.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    root: bool,
    home: Option<PathBuf>,
    user: Option<String>,
}

impl Environment {
    /// The environment of this process. The home is `HOME`, or else what `/etc/passwd` says.
    #[must_use]
    pub fn of_process() -> Self {
        let uid = rustix::process::geteuid();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::new(std::env::vars_os(), uid.is_root(), home_in_passwd(&passwd, uid.as_raw()))
            .with_user(name_in_passwd(&passwd, uid.as_raw()))
    }

    /// An environment of these variables, for root or another user. `passwd_home` is the home if `HOME` is not set.
    pub fn new(
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
        root: bool,
        passwd_home: Option<PathBuf>,
    ) -> Self {
        let variables: BTreeMap<OsString, OsString> =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut environment = Self { variables, root, home: None, user: None };
        environment.home = environment.absolute("HOME").or(passwd_home);
        environment
    }

    /// The same with the user's name, unless the name cannot be part of a path.
    #[must_use]
    fn with_user(self, name: Option<String>) -> Self {
        Self { user: name.filter(|name| !name.contains('/')), ..self }
    }

    /// The value of a variable. An empty one counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The user's home directory, if they have one.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The path with a leading `~` replaced by the home.
    #[must_use]
    pub(crate) fn expand(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) if rest.as_os_str().is_empty() => home.clone(),
            (Ok(rest), Some(home)) => home.join(rest),
            (Ok(_) | Err(_), _) => path.to_owned(),
        }
    }

    /// The value of a variable that holds an absolute path. As the XDG specification says, a relative one counts as not
    /// set.
    fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// One of the user's XDG base directories.
    fn xdg(&self, name: &str, below_home: &str) -> Option<PathBuf> {
        self.absolute(name).or_else(|| self.home.as_ref().map(|home| home.join(below_home)))
    }
}

/// The paths that command-line options name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathOptions {
    /// The value of `--keyring`.
    pub keyring: Option<PathBuf>,
    /// The value of `--state-dir`.
    pub state_dir: Option<PathBuf>,
    /// The value of `--socket`.
    pub socket: Option<PathBuf>,
}

/// The path of the configuration: `--keyring`, `PHONEWORK_KEYRING`, the systemd credential if there is one,
/// `/etc/phonework/keyring.yaml` for root, the XDG configuration directory for others.
///
/// # Errors
/// When the user has no home.
pub fn keyring(
    options: &PathOptions,
    environment: &Environment,
    exists: impl Fn(&Path) -> bool,
) -> Result<PathBuf, Failure> {
    if let Some(path) = named(options.keyring.as_ref(), environment, "PHONEWORK_KEYRING") {
        return Ok(path);
    }
    // A service may have credentials but no keyring among them.
    let credential = environment.absolute("CREDENTIALS_DIRECTORY").map(|folder| folder.join("keyring.yaml"));
    if let Some(path) = credential.filter(|path| exists(path)) {
        return Ok(path);
    }
    if environment.root {
        return Ok("/etc/phonework/keyring.yaml".into());
    }
    environment
        .xdg("XDG_CONFIG_HOME", ".config")
        .map(|folder| folder.join("phonework/keyring.yaml"))
        .ok_or_else(|| homeless("--keyring FILE"))
}

/// The path of the state directory: `--state-dir`, `PHONEWORK_STATE_DIR`, systemd's `STATE_DIRECTORY`, `/var/lib/phonework`
/// for root, the XDG state directory for others.
///
/// # Errors
/// When the user has no home.
pub fn state_dir(options: &PathOptions, environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(path) = named(options.state_dir.as_ref(), environment, "PHONEWORK_STATE_DIR") {
        return Ok(path);
    }
    if let Some(path) = from_systemd(environment, "STATE_DIRECTORY") {
        return Ok(path);
    }
    if environment.root {
        return Ok("/var/lib/phonework".into());
    }
    environment
        .xdg("XDG_STATE_HOME", ".local/state")
        .map(|folder| folder.join("phonework"))
        .ok_or_else(|| homeless("--state-dir DIR"))
}

/// The path of the control socket: `--socket`, `PHONEWORK_SOCKET`, systemd's `RUNTIME_DIRECTORY`, `/run/phonework` for
/// root, `XDG_RUNTIME_DIR` for others, or else the state directory.
///
/// # Errors
/// When the user has neither a runtime directory nor a home.
pub fn socket(options: &PathOptions, environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(path) = named(options.socket.as_ref(), environment, "PHONEWORK_SOCKET") {
        return Ok(path);
    }
    let folder = if let Some(folder) = from_systemd(environment, "RUNTIME_DIRECTORY") {
        folder
    } else if environment.root {
        "/run/phonework".into()
    } else if let Some(folder) = environment.absolute("XDG_RUNTIME_DIR") {
        folder.join("phonework")
    } else {
        environment
            .xdg("XDG_STATE_HOME", ".local/state")
            .map(|folder| folder.join("phonework"))
            .ok_or_else(|| homeless("--socket PATH"))?
    };
    Ok(folder.join("control.sock"))
}

/// The path that the option names, or else the variable. Relative paths are relative to the working directory.
fn named(option: Option<&PathBuf>, environment: &Environment, variable: &str) -> Option<PathBuf> {
    option.cloned().or_else(|| environment.get(variable).map(PathBuf::from))
}

/// The first of the directories that systemd made for the service; the variable separates them with colons.
fn from_systemd(environment: &Environment, variable: &str) -> Option<PathBuf> {
    std::env::split_paths(environment.get(variable)?).find(|path| path.is_absolute())
}

fn homeless(option: &str) -> Failure {
    Failure::usage(format!("this user has no home directory; set HOME or give {option}"))
}

/// The home of a user, according to the text of `/etc/passwd`.
fn home_in_passwd(passwd: &str, uid: u32) -> Option<PathBuf> {
    let home = in_passwd(passwd, uid, 5)?;
    home.starts_with('/').then(|| PathBuf::from(home))
}

/// The name of a user, according to the text of `/etc/passwd`.
fn name_in_passwd(passwd: &str, uid: u32) -> Option<String> {
    in_passwd(passwd, uid, 0).map(str::to_owned)
}

/// A field of the first line of `/etc/passwd` that is about this user and has the field.
fn in_passwd(passwd: &str, uid: u32, field: usize) -> Option<&str> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let of_the_user = line.split(':').nth(2)? == uid;
        of_the_user.then(|| line.split(':').nth(field))?.filter(|text| !text.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three paths, one per line.
    fn paths(options: &PathOptions, variables: &[(&str, &str)], root: bool) -> String {
        let environment = Environment::new(variables.iter().copied(), root, None);
        let shown = |place: Result<PathBuf, Failure>| match place {
            Ok(path) => path.display().to_string(),
            Err(failure) => failure.sentence,
        };
        [
            shown(keyring(options, &environment, |_| true)),
            shown(state_dir(options, &environment)),
            shown(socket(options, &environment)),
        ]
        .join("\n")
    }

    const SYSTEMD: [(&str, &str); 4] = [
        ("CREDENTIALS_DIRECTORY", "/run/credentials/phonework.service"),
        ("STATE_DIRECTORY", "/var/lib/phonework:/var/lib/other"),
        ("RUNTIME_DIRECTORY", "/run/phonework"),
        ("HOME", "/home/ada"),
    ];

    #[test]
    fn an_option_takes_precedence_over_everything() {
        let options = PathOptions {
            keyring: Some("k.yaml".into()),
            state_dir: Some("state".into()),
            socket: Some("s.sock".into()),
        };
        let mut variables = SYSTEMD.to_vec();
        variables.push(("PHONEWORK_KEYRING", "/other"));
        assert_eq!(paths(&options, &variables, true), "k.yaml\nstate\ns.sock");
    }

    #[test]
    fn phoneworks_own_variables_take_precedence_over_systemds() {
        let mut variables = SYSTEMD.to_vec();
        variables.extend([
            ("PHONEWORK_KEYRING", "/a/k.yaml"),
            ("PHONEWORK_STATE_DIR", "/a/state"),
            ("PHONEWORK_SOCKET", "/a/s.sock"),
        ]);
        assert_eq!(paths(&PathOptions::default(), &variables, true), "/a/k.yaml\n/a/state\n/a/s.sock");
    }

    #[test]
    fn systemds_directories_take_precedence_over_the_defaults() {
        assert_eq!(
            paths(&PathOptions::default(), &SYSTEMD, true),
            "/run/credentials/phonework.service/keyring.yaml\n/var/lib/phonework\n/run/phonework/control.sock"
        );
    }

    #[test]
    fn root_uses_the_system_directories() {
        assert_eq!(
            paths(&PathOptions::default(), &[("HOME", "/root"), ("PHONEWORK_KEYRING", "")], true),
            "/etc/phonework/keyring.yaml\n/var/lib/phonework\n/run/phonework/control.sock"
        );
    }

    #[test]
    fn other_users_use_the_xdg_directories() {
        assert_eq!(
            paths(&PathOptions::default(), &[("HOME", "/home/ada")], false),
            "/home/ada/.config/phonework/keyring.yaml\n/home/ada/.local/state/phonework\n\
             /home/ada/.local/state/phonework/control.sock"
        );
        let xdg = [
            ("HOME", "/home/ada"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_STATE_HOME", "relative"),
            ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ];
        assert_eq!(
            paths(&PathOptions::default(), &xdg, false),
            "/c/phonework/keyring.yaml\n/home/ada/.local/state/phonework\n/run/user/1000/phonework/control.sock"
        );
    }

    #[test]
    fn a_user_without_a_home_is_pointed_to_the_option() {
        insta::assert_snapshot!(paths(&PathOptions::default(), &[], false), @r"
        this user has no home directory; set HOME or give --keyring FILE
        this user has no home directory; set HOME or give --state-dir DIR
        this user has no home directory; set HOME or give --socket PATH
        ");
    }

    #[test]
    fn credentials_without_a_keyring_are_skipped() {
        let environment = Environment::new(SYSTEMD, true, None);
        let path = keyring(&PathOptions::default(), &environment, |_| false);
        assert_eq!(path, Ok("/etc/phonework/keyring.yaml".into()));
    }

    #[test]
    fn without_a_variable_the_home_comes_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(home_in_passwd(passwd, 1000), Some("/home/ada".into()));
        assert_eq!(home_in_passwd(passwd, 1001), None);
        assert_eq!(name_in_passwd(passwd, 1000), Some("ada".into()));
    }

    #[test]
    fn a_tilde_stands_for_the_home() {
        let environment = Environment::new([("HOME", "/home/ada")], false, None);
        let expanded = |path: &str| environment.expand(Path::new(path));
        assert_eq!(expanded("~"), PathBuf::from("/home/ada"));
        assert_eq!(expanded("~/src"), PathBuf::from("/home/ada/src"));
        assert_eq!(expanded("/~/src"), PathBuf::from("/~/src"));
    }
}
