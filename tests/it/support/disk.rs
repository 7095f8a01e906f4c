//! A small disk of a test's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk mounted at a path, until it is dropped.
pub(crate) struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts a disk of this many mebibytes, which takes root.
    pub(crate) fn mount(path: &Path, mebibytes: u32) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let size = format!("size={mebibytes}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).status();
        assert!(mounted.unwrap().success(), "mounting a disk takes root");
        Self { path: path.to_owned() }
    }

    /// Leaves no room on it.
    pub(crate) fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path.join("ballast")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Takes away again what fills it, if something does.
    pub(crate) fn make_room(&self) {
        match std::fs::remove_file(self.path.join("ballast")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
    }

    /// Whether it can be written to from now on.
    pub(crate) fn writable(&self, writable: bool) {
        let how = if writable { "remount,rw" } else { "remount,ro" };
        assert!(Command::new("mount").args(["-o", how]).arg(&self.path).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed test leaves may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
