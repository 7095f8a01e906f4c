//! The directory that all projects lie in.
//!
//! Only this module turns a name from a chat into a path. A path is judged by where it really leads, after following
//! symlinks. New directories are created one step at a time without following any, so that a symlink that is put in the
//! way at the wrong moment leads nowhere. What becomes of a directory afterwards is not watched.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

/// The name of phonework's own folder in each project. No project lies in it.
const RESERVED: &str = ".phonework";

/// `WORKING_DIR`, resolved, with the paths in it that are closed to projects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workspace {
    root: PathBuf,
    home: Option<PathBuf>,
    /// Files and folders with secrets: no project holds one or lies in one.
    private: Vec<PathBuf>,
}

/// Why a directory cannot be a project.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    /// It lies outside `WORKING_DIR`, possibly because of `..` or a symlink.
    #[error("it does not lie inside the working directory")]
    Outside,
    /// It does not exist; [`Workspace::create`] would create it.
    #[error("there is no such directory")]
    Missing {
        /// The path that would be created.
        would_be: PathBuf,
    },
    /// It, or a part of its path, is not a directory.
    #[error("it is no directory")]
    NotADirectory,
    /// It is, or lies in, phonework's own folder.
    #[error("that folder is phonework's own")]
    Reserved,
    /// It holds, is, or lies in a path with secrets: phonework's configuration or state, Claude Code's folder, or keys.
    #[error("it holds or lies in {}, which no session may reach", .0.display())]
    Private(PathBuf),
    /// The name is empty or holds control characters.
    #[error("that is no name for a directory")]
    BadName,
    /// The file system refuses.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
}

impl Workspace {
    /// The workspace at `root`; `home` is what `~` stands for.
    ///
    /// # Errors
    /// When `root` is not a directory that can be read.
    pub(crate) fn open(root: &Path, home: Option<&Path>) -> Result<Self, ProjectError> {
        let root = existing_directory(root)?;
        // Paths are kept in JSON and shown in chats.
        if root.to_str().is_none_or(|text| text.contains(char::is_control)) {
            return Err(ProjectError::BadName);
        }
        Ok(Self { root, home: home.map(Path::to_owned), private: Vec::new() })
    }

    /// The same with paths that hold secrets. Paths that do not exist yet are compared as they are written.
    #[must_use]
    pub(crate) fn with_private(self, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let private = paths.into_iter().map(|path| path.canonicalize().unwrap_or(path)).collect();
        Self { private, ..self }
    }

    /// Whether a canonical path lies below the root as it is now.
    #[must_use]
    pub(crate) fn holds(&self, project: &Path) -> bool {
        project.starts_with(&self.root)
    }

    /// The canonical path of `WORKING_DIR`.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a project relative to the root, as people see it; `.` for the root itself.
    #[must_use]
    pub(crate) fn shown<'a>(&self, project: &'a Path) -> &'a Path {
        match project.strip_prefix(&self.root) {
            Ok(rest) if rest.as_os_str().is_empty() => Path::new("."),
            Ok(rest) => rest,
            Err(_) => project,
        }
    }

    /// The directory that `asked` names: relative to the root, absolute, or below `~`. The path is canonical and
    /// UTF-8 without control characters.
    ///
    /// # Errors
    /// When there is no such directory, or it may not be a project.
    pub(crate) fn project(&self, asked: &str) -> Result<PathBuf, ProjectError> {
        let path = self.absolute(asked)?;
        match path.canonicalize() {
            Ok(real) => {
                self.judge(&real)?;
                self.keep_private(&real)?;
                if real.is_dir() { Ok(real) } else { Err(ProjectError::NotADirectory) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.missing(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(ProjectError::NotADirectory),
            Err(error) => Err(ProjectError::Unreadable(error)),
        }
    }

    /// Like [`Self::project`], but creates missing directories.
    ///
    /// # Errors
    /// When it may not be a project, or cannot be created.
    pub(crate) fn create(&self, asked: &str) -> Result<PathBuf, ProjectError> {
        match self.project(asked) {
            Err(ProjectError::Missing { would_be }) => {
                self.make(&would_be)?;
                self.project(asked)
            }
            Ok(path) => Ok(path),
            Err(error) => Err(error),
        }
    }

    /// The name as an absolute path, judged by its text alone.
    fn absolute(&self, asked: &str) -> Result<PathBuf, ProjectError> {
        let asked = asked.trim();
        if asked.is_empty() || asked.contains(char::is_control) {
            return Err(ProjectError::BadName);
        }
        let asked = Path::new(asked);
        let path = match (asked.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            (Ok(_), None) => return Err(ProjectError::Outside),
            (Err(_), _) => self.root.join(asked),
        };
        for component in path.components() {
            match component {
                Component::ParentDir => return Err(ProjectError::Outside),
                Component::Normal(name) if name == RESERVED => return Err(ProjectError::Reserved),
                Component::Normal(_) | Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        Ok(path)
    }

    /// Whether a canonical path may be a project, private paths apart.
    fn judge(&self, real: &Path) -> Result<(), ProjectError> {
        let below = real.strip_prefix(&self.root).map_err(|_| ProjectError::Outside)?;
        if below.components().any(|component| component.as_os_str() == RESERVED) {
            Err(ProjectError::Reserved)
        } else if real.to_str().is_none_or(|text| text.contains(char::is_control)) {
            Err(ProjectError::BadName)
        } else {
            Ok(())
        }
    }

    /// A canonical path must neither hold a private path nor lie in one. A private path that holds the root itself does
    /// not count: then the operator has put all projects there.
    fn keep_private(&self, real: &Path) -> Result<(), ProjectError> {
        let is_closed = |place: &Path| {
            place.starts_with(real) || (real.starts_with(place) && !self.root.starts_with(place))
        };
        match self.private.iter().find(|place| is_closed(place)) {
            Some(place) => Err(ProjectError::Private(place.clone())),
            None => Ok(()),
        }
    }

    /// The error for a path that does not exist: whether it could be created, and where.
    fn missing(&self, path: &Path) -> ProjectError {
        // A symlink that leads nowhere counts as existing: its target is not for phonework to create.
        let there = |path: &Path| path.symlink_metadata().is_ok();
        let Some(ancestor) = path.ancestors().find(|ancestor| there(ancestor)) else {
            return ProjectError::Outside;
        };
        let real = match existing_directory(ancestor) {
            Ok(real) => real,
            Err(ProjectError::Missing { .. }) => return ProjectError::Outside,
            Err(error) => return error,
        };
        if let Err(error) = self.judge(&real) {
            return error;
        }
        let would_be = match path.strip_prefix(ancestor) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            // It was created in the meantime.
            Ok(_) | Err(_) => real,
        };
        self.keep_private(&would_be).err().unwrap_or(ProjectError::Missing { would_be })
    }

    /// Creates the directories from the root down to a path that was judged.
    fn make(&self, would_be: &Path) -> Result<(), ProjectError> {
        let below = would_be.strip_prefix(&self.root).map_err(|_| ProjectError::Outside)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder: OwnedFd = File::open(&self.root).map_err(ProjectError::Unreadable)?.into();
        for component in below.components() {
            let name = component.as_os_str();
            match mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(ProjectError::Unreadable(error.into())),
            }
            folder = openat(&folder, name, flags, Mode::empty()).map_err(|error| match error {
                Errno::NOTDIR | Errno::LOOP => ProjectError::Outside,
                error => ProjectError::Unreadable(error.into()),
            })?;
        }
        Ok(())
    }
}

/// The canonical path of a directory that must exist.
fn existing_directory(path: &Path) -> Result<PathBuf, ProjectError> {
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ProjectError::Missing { would_be: path.to_owned() });
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(ProjectError::NotADirectory);
        }
        Err(error) => return Err(ProjectError::Unreadable(error)),
    };
    if real.is_dir() { Ok(real) } else { Err(ProjectError::NotADirectory) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A workspace `code` beside a directory `secret`, with symlinks of all kinds in it.
    fn workspace() -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("code/shop/.phonework")).unwrap();
        fs::create_dir_all(base.join("code-other")).unwrap();
        fs::create_dir_all(base.join("secret")).unwrap();
        fs::write(base.join("code/file"), "").unwrap();
        fs::create_dir(base.join("code/line\nbreak")).unwrap();
        symlink("../secret", base.join("code/out")).unwrap();
        symlink("shop", base.join("code/alias")).unwrap();
        symlink("shop/.phonework", base.join("code/hidden")).unwrap();
        symlink("line\nbreak", base.join("code/odd")).unwrap();
        symlink("../nowhere", base.join("code/dangling")).unwrap();
        symlink("turn", base.join("code/turn")).unwrap();
        let workspace = Workspace::open(&base.join("code"), Some(&base)).unwrap();
        (folder, workspace)
    }

    /// The outcome for a name; the path of the workspace's parent is left out.
    fn outcome(workspace: &Workspace, asked: &str) -> String {
        let base = workspace.root().parent().unwrap().to_str().unwrap();
        let asked = asked.replace("BASE", base);
        match workspace.project(&asked) {
            Ok(path) => path.display().to_string().replace(base, ""),
            Err(ProjectError::Missing { would_be }) => {
                format!("missing {}", would_be.display().to_string().replace(base, ""))
            }
            Err(error) => format!("{error:?}").chars().take_while(char::is_ascii_alphabetic).collect(),
        }
    }

    #[test]
    fn a_name_leads_into_the_workspace_or_nowhere() {
        let (_folder, workspace) = workspace();
        let cases = [
            ("shop", "/code/shop"),
            (" shop/ ", "/code/shop"),
            ("./shop", "/code/shop"),
            (".", "/code"),
            ("~/code/shop", "/code/shop"),
            ("BASE/code/shop", "/code/shop"),
            ("alias", "/code/shop"),
            ("new", "missing /code/new"),
            ("alias/a/b", "missing /code/shop/a/b"),
            ("~/code/new", "missing /code/new"),
            ("", "BadName"),
            ("shop\u{7}", "BadName"),
            ("odd", "BadName"),
            ("..", "Outside"),
            ("shop/../shop", "Outside"),
            ("new/../../secret", "Outside"),
            ("~", "Outside"),
            ("~/secret", "Outside"),
            ("/etc", "Outside"),
            ("/nowhere/at/all", "Outside"),
            ("BASE/code-other", "Outside"),
            ("out", "Outside"),
            ("out/new", "Outside"),
            ("dangling", "Outside"),
            ("dangling/new", "Outside"),
            ("file", "NotADirectory"),
            ("file/new", "NotADirectory"),
            (".phonework", "Reserved"),
            ("shop/.phonework/x", "Reserved"),
            ("hidden", "Reserved"),
            ("hidden/new", "Reserved"),
            ("turn", "Unreadable"),
        ];
        for (asked, expected) in cases {
            assert_eq!(outcome(&workspace, asked), expected, "{asked:?}");
        }
        assert_eq!(outcome(&workspace, &"x".repeat(300)), "Unreadable");
    }

    #[test]
    fn missing_directories_are_created_inside_and_never_outside() {
        let (folder, workspace) = workspace();
        let root = workspace.root();
        assert_eq!(workspace.create("shop").unwrap(), root.join("shop"));
        assert_eq!(workspace.create("alias/a/b").unwrap(), root.join("shop/a/b"));
        assert!(root.join("shop/a/b").is_dir());
        for asked in ["out/new", "dangling", "dangling/new", "../new", "hidden/new", "file/new"] {
            workspace.create(asked).unwrap_err();
        }
        assert_eq!(fs::read_dir(folder.path().join("secret")).unwrap().count(), 0);
        assert!(!folder.path().join("nowhere").exists());
        assert!(!folder.path().join("new").exists());
    }

    #[test]
    fn a_symlink_put_in_the_way_is_not_followed() {
        let (folder, workspace) = workspace();
        let error = workspace.make(&workspace.root().join("out/new")).unwrap_err();
        assert!(matches!(error, ProjectError::Outside));
        assert_eq!(fs::read_dir(folder.path().join("secret")).unwrap().count(), 0);
    }

    #[test]
    fn no_project_holds_a_private_path_or_lies_in_one() {
        let (folder, workspace) = workspace();
        let base = folder.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("code/config/phonework")).unwrap();
        let private = ["code/config/phonework", "code/absent", "secret"].map(|name| base.join(name));
        let workspace = workspace.with_private(private.into_iter().chain([base.clone()]));
        let cases = [
            ("shop", "/code/shop"),
            ("config", "Private"),
            ("config/phonework", "Private"),
            ("config/phonework/new", "Private"),
            (".", "Private"),
            ("absent", "Private"),
            ("absent/new", "Private"),
            ("other/new", "missing /code/other/new"),
        ];
        for (asked, expected) in cases {
            assert_eq!(outcome(&workspace, asked), expected, "{asked:?}");
        }
        assert!(workspace.holds(&base.join("code/shop")) && !workspace.holds(&base.join("secret")));
    }

    #[test]
    fn people_see_paths_relative_to_the_root() {
        let (_folder, workspace) = workspace();
        assert_eq!(workspace.shown(&workspace.root().join("shop")), Path::new("shop"));
        assert_eq!(workspace.shown(workspace.root()), Path::new("."));
    }
}
