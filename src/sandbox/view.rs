//! What one session sees of the disk, and where. Pure: [`candidates`] says which paths to look at, [`View::new`] takes
//! what was found there.
//!
//! Lists here name what is shown, never what is hidden: a path that nobody thought of is not there.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use self::lists::{CLAUDE, ETC, HOME, PROTECTED, SYSTEM};
use super::{Mode, SandboxRequest};

mod lists;
#[cfg(test)]
mod tests;

/// What lies at a path; a link is not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    /// A plain file, no link.
    File,
    /// A folder, no link.
    Folder,
    /// A symbolic link: its text, and the canonical path of what it leads to, if that exists.
    Link {
        /// The link's own text.
        text: PathBuf,
        /// The target of the link.
        target: Option<PathBuf>,
    },
    /// A device, a pipe or a socket.
    Other,
}

/// What was found at each of the [`candidates`] that exist.
pub(crate) type Found = BTreeMap<PathBuf, PathKind>;

/// One part of the view, in the order in which it is made: later parts cover earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ViewPart {
    /// A file or folder of the host, to be read and run.
    Read {
        /// The path on the host.
        from: PathBuf,
        /// The path inside the sandbox.
        to: PathBuf,
    },
    /// A file or folder of the host, to be written too.
    Write {
        /// The path on the host.
        from: PathBuf,
        /// The path inside the sandbox.
        to: PathBuf,
    },
    /// Part of the project: opened without following a link, and bound by that descriptor.
    Held {
        /// The same path on both sides.
        path: PathBuf,
        /// Whether it can be written.
        writable: bool,
    },
    /// A symbolic link that is made inside.
    Link {
        /// The target, as the link's text.
        text: PathBuf,
        /// The path at which it lies inside.
        at: PathBuf,
    },
    /// An empty folder in memory.
    Memory {
        /// The path at which it lies inside.
        at: PathBuf,
        /// Maximum size in bytes.
        size: u64,
    },
    /// A file that cannot be read, whatever the host has there.
    Hide(PathBuf),
    /// An empty folder that cannot be written, whatever the host has there.
    Mask(PathBuf),
    /// An empty folder that is made inside.
    Folder(PathBuf),
    /// A copy of Claude Code's own state, with what it knows of this project only.
    State(PathBuf),
    /// The devices that every program expects.
    Devices,
    /// A process list of its own.
    Processes,
}

/// The view of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// Its parts, in order.
    pub(crate) parts: Vec<ViewPart>,
    /// Variables that send programs to places where they can write.
    pub(crate) environment: Vec<(&'static str, PathBuf)>,
}

/// Why there is no view that keeps the promise.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ViewError {
    /// A path to be shown holds something that must not be.
    #[error("{} is or holds {}, which no session may reach", path.display(), hidden.display())]
    Holds {
        /// The path to be shown.
        path: PathBuf,
        /// What it is or holds that no session may reach.
        hidden: PathBuf,
    },
    /// The home is a folder of the system's.
    #[error("the home {} cannot be hidden: it is a folder of the system; set HOME to one of the user's own", .0.display())]
    Home(PathBuf),
}

/// The home's size in memory, in bytes.
const HOME_SIZE: u64 = 256 << 20;
/// The size of `/tmp` in memory, in bytes.
const TEMPORARY_SIZE: u64 = 1 << 30;
/// The size of shared memory, in bytes.
const SHARED_SIZE: u64 = 1 << 30;
/// phonework's folder in a project.
const AUDIT_FOLDER: &str = ".phonework";
/// Claude Code shortens the names of longer folders by a hash that is its own.
const MAX_SLUG_CHARS: usize = 200;

/// Every path that has to be looked at for a view. `program` is the program to be run: canonical.
#[must_use]
pub(crate) fn candidates(request: &SandboxRequest, program: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path, names: &[&str]| -> Vec<PathBuf> {
        names.iter().map(|name| folder.join(name)).collect()
    };
    let mut paths: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    paths.extend(below(Path::new("/etc"), ETC));
    paths.extend(below(&request.home, HOME));
    paths.extend(below(&request.claude_folder, CLAUDE));
    paths.push(request.claude_folder.join(".credentials.json"));
    paths.push(request.claude_state.clone());
    paths.extend(transcripts(request));
    paths.extend(below(&request.project, &[".git", ".git/config", ".claude", AUDIT_FOLDER]));
    paths.extend(below(&request.project, PROTECTED));
    paths.extend(request.read.iter().chain(&request.write).cloned());
    paths.push(program.to_owned());
    paths
}

/// The folder of the project's transcripts; none where its name is not ours to know.
#[must_use]
pub(crate) fn transcripts(request: &SandboxRequest) -> Option<PathBuf> {
    Some(request.claude_folder.join("projects").join(slug(&request.project)?))
}

/// The name that Claude Code gives a project's folder: a dash for each UTF-16 unit that is no ASCII letter or digit.
fn slug(project: &Path) -> Option<String> {
    let name: String = project
        .to_str()?
        .encode_utf16()
        .map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii_alphanumeric).map_or('-', char::from))
        .collect();
    (name.len() <= MAX_SLUG_CHARS).then_some(name)
}

impl View {
    /// The view of a session whose program is `program` (canonical).
    ///
    /// # Errors
    /// [`ViewError`]: a path that was asked for would show what must stay hidden.
    pub(crate) fn new(request: &SandboxRequest, program: &Path, found: &Found) -> Result<Self, ViewError> {
        refuse_what_holds_secrets(request)?;
        let mut parts = Vec::new();
        system(&mut parts, found);
        parts.extend([ViewPart::Devices, ViewPart::Processes]);
        parts.push(ViewPart::Memory { at: "/dev/shm".into(), size: SHARED_SIZE });
        parts.push(ViewPart::Memory { at: "/tmp".into(), size: TEMPORARY_SIZE });
        parts.push(ViewPart::Link { text: "../tmp".into(), at: "/var/tmp".into() });
        parts.push(ViewPart::Folder("/run".into()));
        parts.push(ViewPart::Memory { at: request.home.clone(), size: HOME_SIZE });
        parts.extend(below(&request.home, HOME, found));
        parts.push(ViewPart::Write { from: request.cache.clone(), to: cache(request) });
        claude(&mut parts, request, found);
        for (paths, write) in [(&request.read, false), (&request.write, true)] {
            for path in paths {
                parts.extend(shown(path, found).map(|from| match write {
                    true => ViewPart::Write { from, to: path.clone() },
                    false => ViewPart::Read { from, to: path.clone() },
                }));
            }
        }
        if !is_shown(&parts, program) {
            let from = package(program, request);
            parts.push(ViewPart::Read { to: from.clone(), from });
        }
        project(&mut parts, request, found);
        Ok(Self { parts, environment: environment(request) })
    }
}

/// The folder of caches as the session sees it.
#[must_use]
pub(crate) fn cache(request: &SandboxRequest) -> PathBuf {
    match request.mode {
        Mode::Bwrap => request.home.join(".cache"),
        Mode::Landlock => request.cache.clone(),
    }
}

fn environment(request: &SandboxRequest) -> Vec<(&'static str, PathBuf)> {
    let cache = cache(request);
    let below = |name: &str| cache.join(name);
    vec![
        ("XDG_CACHE_HOME", cache.clone()),
        ("CARGO_HOME", below("cargo")),
        ("GOCACHE", below("go-build")),
        ("GOMODCACHE", below("go-mod")),
        ("PIP_CACHE_DIR", below("pip")),
        ("npm_config_cache", below("npm")),
    ]
}

fn refuse_what_holds_secrets(request: &SandboxRequest) -> Result<(), ViewError> {
    let system = ["/usr", "/etc", "/proc", "/dev", "/bin", "/lib"].map(Path::new);
    let home = &request.home;
    if system.iter().any(|folder| folder.starts_with(home) || home.starts_with(folder)) {
        return Err(ViewError::Home(home.clone()));
    }
    let shown = std::iter::once(&request.project).chain(&request.read).chain(&request.write);
    let hidden = request.hidden.iter().chain([&request.home, &request.claude_folder]);
    for path in shown {
        if let Some(hidden) = hidden.clone().find(|hidden| hidden.starts_with(path)) {
            return Err(ViewError::Holds { path: path.clone(), hidden: hidden.clone() });
        }
    }
    Ok(())
}

/// Where a path that may be a link really lies.
fn shown(path: &Path, found: &Found) -> Option<PathBuf> {
    match found.get(path)? {
        PathKind::File | PathKind::Folder => Some(path.to_owned()),
        PathKind::Link { target, .. } => target.clone(),
        // Devices and sockets are named by the operator alone.
        PathKind::Other => Some(path.to_owned()),
    }
}

fn below(folder: &Path, names: &[&str], found: &Found) -> Vec<ViewPart> {
    let paths = names.iter().map(|name| folder.join(name));
    paths.filter_map(|to| Some(ViewPart::Read { from: shown(&to, found)?, to })).collect()
}

fn system(parts: &mut Vec<ViewPart>, found: &Found) {
    for path in SYSTEM.iter().map(PathBuf::from) {
        match found.get(&path) {
            // `/bin` is a link to `usr/bin` on most systems.
            Some(PathKind::Link { text, .. }) => parts.push(ViewPart::Link { text: text.clone(), at: path }),
            Some(PathKind::Folder) => parts.push(ViewPart::Read { from: path.clone(), to: path }),
            Some(PathKind::File | PathKind::Other) | None => {}
        }
    }
    parts.extend(below(Path::new("/etc"), ETC, found));
}

fn claude(parts: &mut Vec<ViewPart>, request: &SandboxRequest, found: &Found) {
    let folder = &request.claude_folder;
    if !folder.starts_with(&request.home) {
        parts.push(ViewPart::Memory { at: folder.clone(), size: HOME_SIZE });
    }
    parts.extend(below(folder, CLAUDE, found));
    if let Some(transcripts) = transcripts(request) {
        if found.get(&transcripts) == Some(&PathKind::Folder) {
            parts.push(ViewPart::Write { from: transcripts.clone(), to: transcripts.clone() });
            parts.extend(conversations_of_others(request, &transcripts, found));
        }
    } else {
        let projects = request.cache.join("claude-projects");
        parts.push(ViewPart::Write { from: projects, to: folder.join("projects") });
    }
    let login = folder.join(".credentials.json");
    if found.get(&login) == Some(&PathKind::File) {
        parts.push(ViewPart::Write { from: login.clone(), to: login });
    }
    if found.get(&request.claude_state) == Some(&PathKind::File) {
        parts.push(ViewPart::State(request.claude_state.clone()));
    }
}

/// What lies in the folder of transcripts and is not this person's, where it is to be hidden.
fn conversations_of_others(request: &SandboxRequest, transcripts: &Path, found: &Found) -> Vec<ViewPart> {
    let Some(own) = &request.own_conversations else { return Vec::new() };
    let is_own = |path: &Path| {
        let name = path.file_stem().and_then(|name| name.to_str());
        name.is_some_and(|name| own.iter().any(|own| own == name))
    };
    let others = found.iter().filter(|(path, _)| path.parent() == Some(transcripts) && !is_own(path));
    let hidden = others.filter_map(|(path, kind)| match kind {
        PathKind::File => Some(ViewPart::Hide(path.clone())),
        PathKind::Folder => Some(ViewPart::Mask(path.clone())),
        // A link leads to nothing that is shown; nothing is mounted on it.
        PathKind::Link { .. } | PathKind::Other => None,
    });
    hidden.collect()
}

/// Whether Claude Code keeps the conversations of both projects in one folder.
#[must_use]
pub(crate) fn share_transcripts(one: &Path, other: &Path) -> bool {
    slug(one).is_some_and(|name| slug(other) == Some(name))
}

/// What has to be shown of a program that lies in no folder of the system's: its package, as far as that can be told,
/// else the file alone.
fn package(program: &Path, request: &SandboxRequest) -> PathBuf {
    let names: Vec<_> = program.components().collect();
    // …/node_modules/name/… and …/node_modules/@scope/name/…
    let Some(at) = names.iter().rposition(|name| name.as_os_str() == "node_modules") else {
        return program.to_owned();
    };
    let scoped = names.get(at + 1).is_some_and(|name| name.as_os_str().as_encoded_bytes().starts_with(b"@"));
    let package: PathBuf = names.iter().take(at + if scoped { 3 } else { 2 }).collect();
    let hides = |path: &&PathBuf| path.starts_with(&package);
    if request.hidden.iter().any(|path| hides(&path)) { program.to_owned() } else { package }
}

/// Whether a path lies below one that the parts show.
pub(super) fn is_shown(parts: &[ViewPart], path: &Path) -> bool {
    parts.iter().any(|part| match part {
        ViewPart::Read { to, .. } | ViewPart::Write { to, .. } => path.starts_with(to),
        ViewPart::Held { .. }
        | ViewPart::Link { .. }
        | ViewPart::Memory { .. }
        | ViewPart::Hide(_)
        | ViewPart::Mask(_)
        | ViewPart::Folder(_)
        | ViewPart::State(_)
        | ViewPart::Devices
        | ViewPart::Processes => false,
    })
}

fn project(parts: &mut Vec<ViewPart>, request: &SandboxRequest, found: &Found) {
    let root = &request.project;
    let held = |path: PathBuf, writable| ViewPart::Held { path, writable };
    parts.push(held(root.clone(), true));
    // A mount of its own cannot be moved out of the way.
    for folder in [".git", ".claude"].map(|name| root.join(name)) {
        if found.get(&folder) == Some(&PathKind::Folder) {
            parts.push(held(folder, true));
        }
    }
    let config = (!request.trusted).then_some(".git/config");
    for path in PROTECTED.iter().chain(&config).map(|name| root.join(name)) {
        let within_link = path
            .parent()
            .is_some_and(|parent| parent != root && found.get(parent) != Some(&PathKind::Folder));
        match found.get(&path) {
            Some(PathKind::File | PathKind::Folder) if !within_link => parts.push(held(path, false)),
            // A link is not followed, and what it leads to is only there if the project shows it anyway.
            Some(_) | None => {}
        }
    }
    let audit = root.join(AUDIT_FOLDER);
    if found.get(&audit) == Some(&PathKind::Folder) {
        parts.push(ViewPart::Mask(audit));
    }
}

/// What Landlock allows of a view: paths of the host to be read and run, and to be written.
#[must_use]
pub(crate) fn rules(view: &View) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut read, mut write) = (vec![PathBuf::from("/proc")], Vec::new());
    for part in &view.parts {
        match part {
            ViewPart::Read { from, .. } => read.push(from.clone()),
            ViewPart::Write { from, .. } => write.push(from.clone()),
            // Landlock cannot take anything out of what it allows: protected parts of the project stay writable.
            ViewPart::Held { path, writable: true } => write.push(path.clone()),
            // A link of the system's leads into what is shown.
            ViewPart::Held { .. }
            | ViewPart::Link { .. }
            | ViewPart::Memory { .. }
            | ViewPart::Hide(_)
            | ViewPart::Mask(_)
            | ViewPart::Folder(_)
            | ViewPart::State(_)
            | ViewPart::Devices
            | ViewPart::Processes => {}
        }
    }
    (read, write)
}

/// Whether a path is absolute and has no `..`.
#[must_use]
pub(crate) fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}
