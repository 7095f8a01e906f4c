//! The socket that the daemon listens on: one that it binds itself, or one that systemd passes to it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use interprocess::ConnectWaitMode;
use interprocess::local_socket::tokio::Listener as Inner;
use interprocess::local_socket::{ConnectOptions, GenericFilePath, ListenerOptions, ToFsName as _};
use interprocess::os::unix::local_socket::ListenerOptionsExt as _;
use interprocess::os::unix::uds_local_socket::tokio::Listener as OfUnix;
use listenfd::ListenFd;
use rustix::fs::OFlags;
use rustix::net::sockopt::socket_acceptconn;

use crate::error::Failure;
use crate::paths::lock_with_retry;

/// Mode of the socket: only its owner and its group may connect.
const SOCKET_MODE: u32 = 0o660;

/// Maximum length of a socket's path, in bytes; a limit of the kernel.
const MAX_PATH_BYTES: usize = 107;

/// A listening socket. If the daemon bound it, its file is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    pub(super) inner: Inner,
    /// The group id of the socket.
    pub(super) gid: u32,
    /// The file of a socket that the daemon bound.
    _bound: Option<BoundFile>,
    /// Held as long as the socket exists. It is the last field, so that it is released after the file is removed.
    _lock: Option<Lock>,
}

/// The socket that systemd passed, if it passed one.
#[derive(Debug)]
pub struct SystemdSocket(Option<UnixListener>);

/// The file of a socket. Dropping this removes the file, unless another file has taken its place.
#[derive(Debug)]
struct BoundFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for BoundFile {
    fn drop(&mut self) {
        let there = self.path.symlink_metadata();
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (self.device, self.inode)) {
            // A file that could not be removed is stale; the next start replaces it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that is just being started may still hold a copy.
        let _ = self.0.unlock();
    }
}

impl SystemdSocket {
    /// Takes the socket out of the environment, so that no child process takes it for its own. Must be called before
    /// there are threads.
    ///
    /// # Errors
    /// When systemd passed anything but one listening Unix stream socket.
    pub fn take() -> Result<Self, Failure> {
        let mut passed = ListenFd::from_env();
        let cannot = |why: &str| {
            Failure::failed(format!(
                "what systemd passed as a socket cannot be used: {why}; the socket unit needs one ListenStream= with a path"
            ))
        };
        if passed.len() > 1 {
            return Err(cannot(&format!("there are {}", passed.len())));
        }
        let passed = passed.take_unix_listener(0).map_err(|error| cannot(&error.to_string()))?;
        match passed.as_ref().map(socket_acceptconn) {
            None | Some(Ok(true)) => Ok(Self(passed)),
            Some(Ok(false)) => Err(cannot("it does not listen")),
            Some(Err(error)) => Err(cannot(&error.to_string())),
        }
    }
}

impl Listener {
    /// Listens on the socket that systemd passed, or else binds one at `path`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When another daemon answers at `path`, another file is in the way, or the system refuses.
    pub fn open(path: &Path, passed: SystemdSocket) -> Result<Self, Failure> {
        passed.0.map_or_else(|| Self::bind(path), Self::passed)
    }

    fn passed(passed: UnixListener) -> Result<Self, Failure> {
        let cannot = |error: io::Error| {
            Failure::failed(format!("the socket that systemd passed cannot be used: {error}; see its unit"))
        };
        let path = passed.local_addr().ok().and_then(|address| address.as_pathname().map(PathBuf::from));
        let gid = path.and_then(|path| path.metadata().ok()).map(|socket| socket.gid());
        // A socket without a file has no group. Then only root and the daemon's user may change anything.
        let gid = gid.unwrap_or(u32::MAX);
        let inner = Inner::from(OfUnix::try_from(OwnedFd::from(passed)).map_err(cannot)?);
        Ok(Self { inner, gid, _bound: None, _lock: None })
    }

    fn bind(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        if path.as_os_str().as_bytes().len() > MAX_PATH_BYTES {
            return Err(Failure::failed(format!(
                "the path of the control socket {shown} is longer than {MAX_PATH_BYTES} bytes; name a shorter one with --socket"
            )));
        }
        let cannot = |error: io::Error| {
            Failure::failed(format!(
                "the control socket {shown} cannot be made: {error}; make its directory writable for this user or name another with --socket"
            ))
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o750).create(folder).map_err(cannot)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(lock_path(path))
            .map_err(cannot)?;
        match lock_with_retry(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(path)),
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        remove_stale(path, cannot)?;
        let name = path.to_fs_name::<GenericFilePath>().map_err(cannot)?;
        let inner = ListenerOptions::new().name(name).mode(SOCKET_MODE).reclaim_name(false);
        let inner = inner.create_tokio().map_err(cannot)?;
        let there = path.symlink_metadata().map_err(cannot)?;
        let bound = BoundFile { path: path.to_owned(), device: there.dev(), inode: there.ino() };
        // The directory's group decides who may connect. If this user may not hand the socket to that group, it keeps
        // the user's own.
        let group = folder.metadata().map_err(cannot)?.gid();
        let _ = std::os::unix::fs::chown(path, None, Some(group));
        // The umask may have narrowed the mode.
        std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE)).map_err(cannot)?;
        let gid = path.metadata().map_err(cannot)?.gid();
        Ok(Self { inner, gid, _bound: Some(bound), _lock: Some(Lock(lock)) })
    }
}

/// The lock file lies beside the socket.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn taken(path: &Path) -> Failure {
    Failure::failed(format!(
        "another phonework answers at {}; stop it first or name another socket with --socket",
        path.display()
    ))
}

/// Removes a socket that nobody listens on any more. The caller holds the lock, so no other phonework is using it.
fn remove_stale(path: &Path, cannot: impl Fn(io::Error) -> Failure) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot(error)),
        Ok(found) if !found.file_type().is_socket() => Err(Failure::failed(format!(
            "{} is in the way of the control socket; move it away or name another place with --socket",
            path.display()
        ))),
        Ok(_) => match probe(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(cannot)
            }
            Ok(()) => Err(taken(path)),
            Err(error) => Err(cannot(error)),
        },
    }
}

/// Tries to connect, without waiting for a listener whose backlog is full.
fn probe(path: &Path) -> io::Result<()> {
    let name = path.to_fs_name::<GenericFilePath>()?;
    ConnectOptions::new().name(name).wait_mode(ConnectWaitMode::Deferred).connect_sync().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/control.sock");
        (folder, path)
    }

    fn sentence(folder: &tempfile::TempDir, path: &Path) -> String {
        Listener::bind(path).unwrap_err().sentence.replace(folder.path().to_str().unwrap(), "DIR")
    }

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_group_and_is_removed_with_the_daemon() {
        let (_folder, path) = place();
        let listener = Listener::bind(&path).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o750));
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_but_one_that_is_listened_on_is_not() {
        let (folder, path) = place();
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        let first = Listener::bind(&path).unwrap();
        let refused = "another phonework answers at DIR/run/control.sock; stop it first or name another socket with --socket";
        assert_eq!(sentence(&folder, &path), refused);
        drop(first);
        let stranger = UnixListener::bind(&path).unwrap();
        assert_eq!(sentence(&folder, &path), refused);
        // A full backlog also shows that something listens: the connection before this one was not accepted yet.
        rustix::net::listen(&stranger, 0).unwrap();
        assert_eq!(sentence(&folder, &path), refused);
        drop(stranger);
        Listener::bind(&path).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_replaced_the_socket_stays_when_the_daemon_ends() {
        let (_folder, path) = place();
        let listener = Listener::bind(&path).unwrap();
        std::fs::rename(&path, path.with_extension("old")).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(listener);
        assert!(path.exists());
        drop(other);
    }

    #[tokio::test]
    async fn a_file_that_is_not_a_socket_is_left_alone() {
        let (folder, path) = place();
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(
            sentence(&folder, &path),
            "DIR/run/control.sock is in the way of the control socket; move it away or name another place with --socket"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        let long = folder.path().join("x".repeat(120));
        let too_long = " is longer than 107 bytes; name a shorter one with --socket";
        assert!(sentence(&folder, &long).ends_with(too_long), "{}", sentence(&folder, &long));
    }
}
