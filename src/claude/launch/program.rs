//! Finds the program that `CLAUDE_COMMAND` names.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::LaunchError;

/// A program and the arguments that come before Claude Code's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaudeProgram {
    /// The program's absolute path.
    pub path: PathBuf,
    /// Arguments from the command, such as `practice-agent` when the program is phonework itself.
    pub arguments: Vec<OsString>,
}

impl ClaudeProgram {
    /// Finds what `CLAUDE_COMMAND` names: a name to be looked up on `path` (the value of `PATH`), or a path.
    ///
    /// A path may contain spaces. If the whole command names no program, its last words are taken for arguments, as few
    /// as possible.
    ///
    /// # Errors
    /// [`LaunchError::ProgramMissing`] and [`LaunchError::ProgramNotExecutable`].
    pub fn find(command: &str, path: Option<&OsStr>) -> Result<Self, LaunchError> {
        let command = command.trim();
        let mut found = locate(command, path).map(|path| Self { path, arguments: Vec::new() });
        for (space, _) in command.rmatch_indices(char::is_whitespace) {
            if !matches!(found, Err(LaunchError::ProgramMissing { .. })) {
                break;
            }
            let (first, rest) = command.split_at(space);
            let arguments = rest.split_whitespace().map(OsString::from).collect();
            found = locate(first, path).map(|path| Self { path, arguments });
        }
        found
    }
}

fn locate(command: &str, path: Option<&OsStr>) -> Result<PathBuf, LaunchError> {
    let missing = || LaunchError::ProgramMissing { command: command.to_owned() };
    if command.is_empty() {
        return Err(missing());
    }
    if !command.contains('/') {
        let folders = path.map(std::env::split_paths).into_iter().flatten();
        return folders
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(command))
            .find(|candidate| is_executable(candidate))
            .ok_or_else(missing);
    }
    let path = std::path::absolute(command).map_err(|_| missing())?;
    match (path.exists(), is_executable(&path)) {
        (_, true) => Ok(path),
        (true, false) => Err(LaunchError::ProgramNotExecutable { path }),
        (false, false) => Err(missing()),
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_or_path_and_may_have_arguments() {
        let path = Some(OsStr::new("relative:/nonexistent:/bin:/usr/bin"));
        let sh = ClaudeProgram::find("sh", path).unwrap();
        assert_eq!((sh.path.as_path(), sh.arguments.len()), (Path::new("/bin/sh"), 0));
        let practice = ClaudeProgram::find("/bin/sh practice-agent x", path).unwrap();
        assert_eq!(
            practice,
            ClaudeProgram { path: "/bin/sh".into(), arguments: vec!["practice-agent".into(), "x".into()] }
        );
    }

    #[test]
    fn a_path_with_spaces_may_have_arguments() {
        let folder = tempfile::Builder::new().prefix("my projects ").tempdir().unwrap();
        let program = folder.path().join("a program");
        std::fs::copy("/bin/true", &program).unwrap();
        let command = program.display().to_string();
        for arguments in [vec![], vec!["practice-agent".into(), "x".into()]] {
            let command = [&[OsString::from(&command)], &arguments[..]].concat().join(" ".as_ref());
            let found = ClaudeProgram::find(command.to_str().unwrap(), None).unwrap();
            assert_eq!(found, ClaudeProgram { path: program.clone(), arguments });
        }
    }

    #[test]
    fn a_missing_program_says_what_to_do() {
        let missing =
            |command| ClaudeProgram::find(command, Some(OsStr::new("/bin"))).unwrap_err().to_string();
        assert_eq!(
            missing("no-such-claude"),
            "`no-such-claude` was not found on PATH: install Claude Code \
             (https://code.claude.com/docs/en/setup), or set CLAUDE_COMMAND in the keyring to the full path of the program"
        );
        assert_eq!(
            missing("/etc/passwd"),
            "/etc/passwd cannot be run: it is not an executable file; set CLAUDE_COMMAND in the keyring to one that is"
        );
        assert!(missing("").starts_with("`` was not found"));
    }
}
