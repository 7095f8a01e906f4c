//! What Claude Code is to ask about although its own rules let it run: commands that read any file, or run programs that
//! a project's git configuration names.
//!
//! A list of programs cannot be complete. Where a sandbox holds what is read, only git is asked about, and only where its
//! configuration is not to be trusted.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::sandbox::{self, Isolation};

/// They run the programs that `.git/config` names.
const GIT: &str = "Bash(git *)";
/// They read what is named to them on their input, or behind links.
const READING: &[&str] = &["Bash(*xargs*)", "Bash(grep -R *)", "Bash(rg *)", "Bash(find -L *)"];
/// Maximum size of a `.git/config` that is read, in bytes; a longer one counts as naming programs.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The rules for a session. `git_runs_programs` is what [`git_runs_programs`] found.
pub(super) fn rules(isolation: &Isolation, trusted: bool, git_runs_programs: bool) -> Vec<&'static str> {
    let Isolation::Sandbox(request) = isolation else {
        return std::iter::once(GIT).chain(READING.iter().copied()).collect();
    };
    let can_be_written = request.mode == sandbox::Mode::Landlock;
    if !trusted && (can_be_written || git_runs_programs) { vec![GIT] } else { Vec::new() }
}

/// Whether git may run a program of this project's choosing. It reads files: not for a task that others wait for.
#[must_use]
pub fn git_runs_programs(project: &Path) -> bool {
    let git = project.join(".git");
    match git.symlink_metadata() {
        Err(_) => false,
        // A link or a file leads to a configuration elsewhere.
        Ok(metadata) if !metadata.is_dir() => true,
        Ok(_) => {
            has_hooks(&git.join("hooks"))
                || read(&git.join("config")).is_none_or(|text| names_programs(&text))
        }
    }
}

fn has_hooks(folder: &Path) -> bool {
    let hooks = std::fs::read_dir(folder).into_iter().flatten().flatten();
    hooks
        .filter(|hook| !hook.file_name().as_encoded_bytes().ends_with(b".sample"))
        .any(|hook| hook.path().metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0))
}

/// A plain file without a link at its end; none where it is something else.
fn read(path: &Path) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    let mut text = String::new();
    let fits = metadata.is_file() && metadata.len() <= MAX_CONFIG_BYTES;
    fits.then(|| file.take(MAX_CONFIG_BYTES).read_to_string(&mut text).ok())?.map(|_| text)
}

/// Whether a git configuration names a program, or another file that may.
fn names_programs(config: &str) -> bool {
    const WORDS: &[&str] = &[
        "askpass",
        "clean",
        "command",
        "driver",
        "editor",
        "external",
        "fsmonitor",
        "helper",
        "hookspath",
        "include",
        "pager",
        "process",
        "program",
        "smudge",
        "textconv",
        "tool",
        "worktreeconfig",
    ];
    config.lines().map(|line| line.trim().to_ascii_lowercase()).any(|line| {
        let key = line.split('=').next().unwrap_or_default();
        WORDS.iter().any(|word| key.contains(word)) || line.contains("=!") || line.contains("= !")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_configuration_names_programs_or_does_not() {
        let plain = "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://host/clean\n[branch \"main\"]\n\tmerge = x\n";
        assert!(!names_programs(plain));
        for line in
            ["fsmonitor = ./x", "hooksPath=.", "[diff]\nexternal = x", "[include]\npath = ../x", "st = !sh"]
        {
            assert!(names_programs(&format!("[core]\n{line}\n")), "{line}");
        }
    }

    #[test]
    fn a_project_is_judged_by_its_git_folder() {
        let folder = tempfile::tempdir().unwrap();
        let git = folder.path().join(".git");
        assert!(!git_runs_programs(folder.path()));
        std::fs::write(&git, "gitdir: /elsewhere").unwrap();
        assert!(git_runs_programs(folder.path()));
        std::fs::remove_file(&git).unwrap();
        std::fs::create_dir_all(git.join("hooks")).unwrap();
        std::fs::write(git.join("config"), "[core]\n").unwrap();
        std::fs::write(git.join("hooks/pre-commit.sample"), "").unwrap();
        assert!(!git_runs_programs(folder.path()));
        std::fs::write(git.join("hooks/post-index-change"), "").unwrap();
        std::fs::set_permissions(git.join("hooks/post-index-change"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        assert!(git_runs_programs(folder.path()));
    }
}
