//! The way into the sandbox: looks at the disk, opens what is shown of the project, and makes the command that the
//! warden runs.
//!
//! The project and what is protected in it may be changed by hostile programs at any moment. They are opened part by
//! part without following a link, and bound by those descriptors: what was judged is what is shown.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, MemfdFlags, Mode as Permissions, OFlags, memfd_create, mkdirat, openat};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use serde_json::Value;
use tempfile::TempDir;
use thiserror::Error;

use super::bwrap::{self, CONFINE, Descriptors};
use super::confine::{CONFINEMENT_VARIABLE, Confinement, Rules};
use super::view::{self, Found, PathKind, View, ViewError, ViewPart};
use super::{Mode, SandboxRequest};

/// Maximum size of Claude Code's own state in bytes; a larger one is not copied.
const MAX_STATE_BYTES: u64 = 16 << 20;
/// Maximum number of conversations of a project that people share; each one that is hidden costs a mount.
const MAX_CONVERSATIONS: usize = 2000;
/// Where bubblewrap is looked for. Not on `PATH`, which may hold folders that Claude can write.
const BWRAP: &[&str] =
    &["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap"];

/// A command that runs a program in its sandbox. What it needs is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    /// The command; its pipes and its directory are set.
    pub(crate) command: Command,
    /// Open while the command starts.
    descriptors: Vec<OwnedFd>,
    /// Removed when everything inside has ended.
    _temporary: Option<TempDir>,
}

/// Why nothing can be run in this sandbox.
#[derive(Debug, Error)]
pub(crate) enum EnterError {
    /// The request cannot be kept.
    #[error(transparent)]
    View(#[from] ViewError),
    /// bubblewrap is not installed.
    #[error("bubblewrap is not installed: there is no {}", BWRAP[0])]
    NoBwrap,
    /// The project is gone, or a link lies on the way to it.
    #[error("the project {} cannot be opened without following a link: {error}", path.display())]
    Project {
        /// The project's directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A folder of phonework's own cannot be made.
    #[error("{} cannot be made: {error}", path.display())]
    Folder {
        /// The folder that cannot be made.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The program is not there.
    #[error("{} cannot be run: {error}", path.display())]
    Program {
        /// The program that cannot be run.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The system has no memory or no descriptor left.
    #[error("the sandbox cannot be prepared: {0}")]
    System(#[from] io::Error),
}

impl Entered {
    /// A program in no sandbox. Its directory is entered without following a link, as it was judged.
    ///
    /// # Errors
    /// When the directory is gone, or a link lies on the way to it.
    pub(crate) fn outside(
        program: &OsStr,
        arguments: &[OsString],
        directory: Option<&Path>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        let mut descriptors = Vec::new();
        if let Some(directory) = directory {
            let opened = open_plain(directory)?;
            command.current_dir(directory_of(&opened));
            descriptors.push(opened);
        }
        Ok(Self { command, descriptors, _temporary: None })
    }

    /// Closes what the command needed to start.
    pub(crate) fn started(&mut self) {
        self.descriptors.clear();
    }
}

/// Prepares the sandbox and gives the command that runs the program in it. `phonework` is this program.
///
/// # Errors
/// [`EnterError`]; nothing was started then.
pub(crate) fn enter(
    request: &SandboxRequest,
    program: &Path,
    arguments: &[OsString],
    phonework: &Path,
) -> Result<Entered, EnterError> {
    let real =
        program.canonicalize().map_err(|error| EnterError::Program { path: program.to_owned(), error })?;
    let project = open_plain(&request.project)
        .map_err(|error| EnterError::Project { path: request.project.clone(), error })?;
    make_folders(request, &project)?;
    let mut found = kinds_at(&view::candidates(request, &real));
    if request.own_conversations.is_some() {
        found.extend(kinds_at(&conversations(request)?));
    }
    let view = View::new(request, &real, &found)?;
    // A program that is known by its name, as those of version managers are, keeps it where the name is shown.
    let named = if view::is_shown(&view.parts, program) { program } else { &real };
    let state = state_for(request);
    let mut entered = match request.mode {
        Mode::Bwrap => with_bwrap(request, &view, project, state, phonework)?,
        Mode::Landlock => with_landlock(request, &view, project, state, phonework)?,
    };
    entered.command.arg("confine").arg("--").arg(named).args(arguments);
    for (name, value) in &view.environment {
        // What the operator has set for a toolchain stays.
        if *name == "XDG_CACHE_HOME" || std::env::var_os(name).is_none() {
            entered.command.env(name, value);
        }
    }
    Ok(entered)
}

fn with_bwrap(
    request: &SandboxRequest,
    view: &View,
    project: OwnedFd,
    state: Option<Vec<u8>>,
    phonework: &Path,
) -> Result<Entered, EnterError> {
    let bwrap = BWRAP.iter().map(Path::new).find(|path| path.exists()).ok_or(EnterError::NoBwrap)?;
    let mut open = vec![project];
    let mut held = BTreeMap::from([(request.project.clone(), open[0].as_raw_fd())]);
    for part in &view.parts {
        let ViewPart::Held { path, .. } = part else { continue };
        let Ok(below) = path.strip_prefix(&request.project) else { continue };
        if below.as_os_str().is_empty() {
            continue;
        }
        // What has become a link meanwhile is left out, as one that was a link before.
        if let Ok(descriptor) = open_below(&open[0], below) {
            held.insert(path.clone(), descriptor.as_raw_fd());
            open.push(descriptor);
        }
    }
    let state = state.map(|state| in_memory("state", &state)).transpose()?;
    let descriptors = Descriptors { held, state: state.as_ref().map(|state| state.as_raw_fd()) };
    let mut list = Vec::new();
    for argument in bwrap::arguments(view, &descriptors, phonework, &request.project) {
        list.extend_from_slice(argument.as_bytes());
        list.push(0);
    }
    // Not as arguments: those are seen by everybody on the host.
    let list = in_memory("arguments", &list)?;
    let mut command = Command::new(bwrap);
    command.arg("--args").arg(list.as_raw_fd().to_string()).arg("--").arg(CONFINE);
    command.env("TMPDIR", "/tmp").current_dir("/");
    let confinement = Confinement { rules: None, processes: request.processes };
    command.env(CONFINEMENT_VARIABLE, confinement.to_json()?);
    open.extend(state);
    open.push(list);
    for descriptor in &open {
        fcntl_setfd(descriptor, FdFlags::empty()).map_err(io::Error::from)?;
    }
    Ok(Entered { command, descriptors: open, _temporary: None })
}

fn with_landlock(
    request: &SandboxRequest,
    view: &View,
    project: OwnedFd,
    state: Option<Vec<u8>>,
    phonework: &Path,
) -> Result<Entered, EnterError> {
    let temporary = tempfile::Builder::new().prefix("session-").tempdir_in(&request.temporary)?;
    let (scratch, claude) = (temporary.path().join("tmp"), temporary.path().join("claude"));
    let (mut read, mut write) = view::rules(view);
    DirBuilder::new().mode(0o700).create(&scratch)?;
    DirBuilder::new().mode(0o700).create(&claude)?;
    DirBuilder::new().mode(0o700).create(claude.join("projects"))?;
    // The folder is the session's own; what is to be found in Claude Code's is linked from it.
    for path in read.iter().chain(&write) {
        if let Ok(below) = path.strip_prefix(&request.claude_folder) {
            symlink(path, claude.join(below))?;
        }
    }
    if let Some(state) = state {
        std::fs::write(claude.join(".claude.json"), state)?;
    }
    read.push(phonework.to_owned());
    write.push(temporary.path().to_owned());
    let rules = Rules { read, write };
    let confinement = Confinement { rules: Some(rules), processes: None };
    let mut command = Command::new(phonework);
    command
        .env(CONFINEMENT_VARIABLE, confinement.to_json()?)
        .env("TMPDIR", &scratch)
        .env("CLAUDE_CODE_TMPDIR", &scratch)
        .env("CLAUDE_CONFIG_DIR", &claude)
        .current_dir(directory_of(&project));
    Ok(Entered { command, descriptors: vec![project], _temporary: Some(temporary) })
}

/// The path by which a child of this process enters an open directory.
#[must_use]
pub(crate) fn directory_of(directory: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// Opens a directory whose path has no link in it.
///
/// # Errors
/// Those of the system; `NotADirectory` for a link.
pub(crate) fn open_plain(path: &Path) -> io::Result<OwnedFd> {
    if !view::is_plain(path) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let root: OwnedFd = File::open("/")?.into();
    let below = path.strip_prefix("/").map_err(|_| io::ErrorKind::InvalidInput)?;
    if below.as_os_str().is_empty() { Ok(root) } else { directory_below(&root, below) }
}

fn directory_below(folder: impl AsFd, below: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = openat(folder, ".", flags, Permissions::empty())?;
    for part in below.components() {
        folder = openat(&folder, part.as_os_str(), flags, Permissions::empty())?;
    }
    Ok(folder)
}

/// Opens a plain file or folder below a directory without following a link.
fn open_below(folder: &OwnedFd, below: &Path) -> io::Result<OwnedFd> {
    let (Some(parent), Some(name)) = (below.parent(), below.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = directory_below(folder, parent)?;
    let opened =
        openat(&parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Permissions::empty())?;
    let kind = File::from(opened.try_clone()?).metadata()?.file_type();
    if kind.is_file() || kind.is_dir() { Ok(opened) } else { Err(Errno::LOOP.into()) }
}

/// Makes what has to be there before it can be shown: folders of phonework's own, the folder of transcripts, and the
/// places that are to be closed in the project.
fn make_folders(request: &SandboxRequest, project: &OwnedFd) -> Result<(), EnterError> {
    let transcripts = view::transcripts(request).unwrap_or_else(|| request.cache.join("claude-projects"));
    for folder in [&request.cache, &request.temporary, &transcripts] {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| EnterError::Folder { path: folder.clone(), error })?;
    }
    if request.mode == Mode::Bwrap {
        // What cannot be made here cannot be made inside either.
        let _ = mkdirat(project, ".phonework", Permissions::RWXU);
        if let Ok(git) = directory_below(project, Path::new(".git")) {
            let _ = mkdirat(&git, "hooks", Permissions::RWXU);
        }
    }
    Ok(())
}

/// Everything in the folder of the project's transcripts.
fn conversations(request: &SandboxRequest) -> io::Result<Vec<PathBuf>> {
    let Some(folder) = view::transcripts(request) else { return Ok(Vec::new()) };
    let entries: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .take(MAX_CONVERSATIONS + 1)
        .collect::<io::Result<_>>()?;
    if entries.len() > MAX_CONVERSATIONS {
        // Some would have to stay visible.
        return Err(io::Error::other("the project has too many conversations to hide those of other people"));
    }
    Ok(entries)
}

/// What lies at each path, without following a link at its end.
fn kinds_at(paths: &[PathBuf]) -> Found {
    let kind = |path: &PathBuf| {
        let metadata = path.symlink_metadata().ok()?;
        let file_type = metadata.file_type();
        Some(if file_type.is_symlink() {
            PathKind::Link { text: path.read_link().ok()?, target: path.canonicalize().ok() }
        } else if file_type.is_file() {
            PathKind::File
        } else if file_type.is_dir() {
            PathKind::Folder
        } else {
            PathKind::Other
        })
    };
    paths.iter().filter_map(|path| Some((path.clone(), kind(path)?))).collect()
}

/// Claude Code's own state, with what it knows of this project and of no other; none when it cannot be read.
fn state_for(request: &SandboxRequest) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, &request.claude_state, flags, Permissions::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > MAX_STATE_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_STATE_BYTES).read_to_end(&mut bytes).ok()?;
    let state = only_of(serde_json::from_slice(&bytes).ok()?, request.project.to_str()?);
    serde_json::to_vec(&state).ok()
}

fn only_of(mut state: Value, project: &str) -> Value {
    if let Some(projects) = state.get_mut("projects").and_then(Value::as_object_mut) {
        projects.retain(|path, _| path == project);
    }
    // Where other projects lie.
    if let Some(state) = state.as_object_mut() {
        state.remove("githubRepoPaths");
    }
    state
}

/// A file in memory that a child can read from its beginning.
fn in_memory(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}

/// Reads a [`SandboxRequest`] from the warden's environment; none outside of a sandbox.
///
/// # Errors
/// When it is no request.
pub(crate) fn requested() -> io::Result<Option<SandboxRequest>> {
    let Some(text) = std::env::var_os(super::REQUEST_VARIABLE) else { return Ok(None) };
    read(&text).map(Some)
}

fn read(text: &OsStr) -> io::Result<SandboxRequest> {
    serde_json::from_slice(text.as_bytes()).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_opened_without_following_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("a/b/.git/hooks")).unwrap();
        symlink("a", base.join("link")).unwrap();
        symlink("/etc", base.join("a/b/.git/outside")).unwrap();
        std::fs::write(base.join("a/b/.git/config"), "").unwrap();
        let project = open_plain(&base.join("a/b")).unwrap();
        open_plain(&base.join("link/b")).unwrap_err();
        open_plain(&base.join("a/../a/b")).unwrap_err();
        open_plain(Path::new("relative")).unwrap_err();
        for (below, opens) in
            [(".git/config", true), (".git/hooks", true), (".git/outside", false), (".git/none", false)]
        {
            assert_eq!(open_below(&project, Path::new(below)).is_ok(), opens, "{below}");
        }
    }

    #[test]
    fn a_session_knows_of_its_own_project_only() {
        let state =
            serde_json::json!({"oauthAccount": {"a": 1}, "projects": {"/p": {"x": 1}, "/q": {"x": 2}}});
        let own = serde_json::json!({"oauthAccount": {"a": 1}, "projects": {"/p": {"x": 1}}});
        assert_eq!(only_of(state, "/p"), own);
    }
}
