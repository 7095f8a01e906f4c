//! The daemon's state directory, which one daemon at a time owns.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::error::Failure;

/// How long to wait for a lock until it counts as another daemon's.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// The state directory, locked. The lock ends when this is dropped, or with the process, however that ends. No child
/// process inherits it.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    lock: File,
}

impl StateDir {
    /// Creates the directory if it does not exist (mode 0700), and takes the lock.
    ///
    /// # Errors
    /// When another process holds the lock; then nothing is changed. When the directory cannot be created or written to.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let cannot = |what: &str, error: io::Error| {
            Failure::config(format!(
                "the state directory {shown} cannot be {what}: {error}; make it writable for this user or name another with --state-dir"
            ))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| cannot("made", error))?;
        let path = path.canonicalize().map_err(|error| cannot("read", error))?;

        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path.join("lock"))
            .map_err(|error| cannot("written to", error))?;
        match lock_with_retry(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::failed(format!(
                    "another phonework{} works with the state directory {shown}; stop it first or name another directory with --state-dir",
                    holder(&mut lock)
                )));
            }
            Err(TryLockError::Error(error)) => return Err(cannot("locked", error)),
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(|error| cannot("written to", error))?;

        // There are prompts and answers in here, so an existing directory is closed to other users. Which group it has is
        // up to the operator.
        let mode = path.metadata().map_err(|error| cannot("read", error))?.permissions().mode();
        if mode & 0o007 != 0 {
            std::fs::set_permissions(&path, Permissions::from_mode(mode & 0o7770))
                .map_err(|error| cannot("closed to other users", error))?;
        }
        Ok(Self { path, lock })
    }

    /// The canonical path of the directory.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that is just being started may still hold a copy. Should this fail, the
        // lock ends with the process.
        let _ = self.lock.unlock();
    }
}

/// Takes a lock, waiting up to a second: a daemon that was killed while it started a process leaves its lock, for a
/// moment, to that child.
///
/// # Errors
/// When another process holds the lock for longer, or the system refuses.
pub(crate) fn lock_with_retry(lock: &File) -> Result<(), TryLockError> {
    let until = Instant::now() + LOCK_TIMEOUT;
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_TIMEOUT / 50),
            outcome => return outcome,
        }
    }
}

/// The process that holds the lock, as it wrote itself into the file.
fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(20).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!(" (process {})", text.trim()),
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitStatus;

    #[test]
    fn a_second_daemon_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/phonework");
        let first = StateDir::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let second = StateDir::open(&path).unwrap_err();
        assert_eq!(second.exit, ExitStatus::Failed);
        assert_eq!(
            second.sentence.replace(folder.path().to_str().unwrap(), ""),
            format!(
                "another phonework (process {}) works with the state directory /state/phonework; stop it first or \
                 name another directory with --state-dir",
                std::process::id()
            )
        );
        drop(first);
        StateDir::open(&path).unwrap();
    }

    #[test]
    fn a_directory_open_to_all_is_closed_to_other_users() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        StateDir::open(folder.path()).unwrap();
        assert_eq!(folder.path().metadata().unwrap().permissions().mode() & 0o777, 0o750);
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = StateDir::open(file.path()).unwrap_err();
        assert_eq!(failure.exit, ExitStatus::Config);
    }

    #[test]
    fn a_lock_that_is_a_symlink_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join("lock")).unwrap();
        StateDir::open(folder.path()).unwrap_err();
        assert_eq!(std::fs::read_to_string(other).unwrap(), "precious");
    }
}
