//! Whether `mail.db` still is where it was. A file that was moved away, replaced or cut short beneath the daemon takes
//! writes as before, and nobody would ever read them again.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{fs::FallocateFlags, io::Errno};

/// What a long answer takes, and its line in the audit log, and some.
const ROOM: u64 = 1024 * 1024;

/// The files as they were when they were opened.
#[derive(Debug)]
pub(super) struct DatabaseFiles {
    db: KnownFile,
    log: KnownFile,
    /// The database was not shorter than this when its log was last written back.
    least: u64,
}

#[derive(Debug)]
struct KnownFile {
    path: PathBuf,
    /// Device and inode; none when there was no such file.
    id: Option<(u64, u64)>,
}

impl KnownFile {
    fn of(path: PathBuf) -> Self {
        let id = fs::metadata(&path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        Self { path, id }
    }

    /// Its length; the error says what became of it.
    fn check(&self) -> Result<u64, String> {
        let shown = self.path.display();
        match fs::metadata(&self.path) {
            Ok(metadata) if self.id.is_none_or(|id| id == (metadata.dev(), metadata.ino())) => {
                Ok(metadata.len())
            }
            Ok(_) => Err(format!("{shown} was replaced by another file; put it back, or restart phonework")),
            Err(error) if error.kind() == ErrorKind::NotFound && self.id.is_none() => Ok(0),
            Err(error) => Err(format!("{shown} is gone ({error}); put it back, or restart phonework")),
        }
    }
}

impl DatabaseFiles {
    /// The place of a database that is open.
    pub(super) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let mut place = Self { db: KnownFile::of(path.to_owned()), log: KnownFile::of(log.into()), least: 0 };
        place.written_back();
        place
    }

    /// The error says what became of the files.
    pub(super) fn check(&self) -> Result<(), String> {
        let length = self.db.check()?;
        self.log.check()?;
        if length < self.least {
            let shown = self.db.path.display();
            return Err(format!("{shown} was cut short; put a backup in its place, and restart phonework"));
        }
        Ok(())
    }

    /// The error says why the disk takes no more.
    pub(super) fn has_room(&self) -> Result<(), String> {
        let folder = self.db.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // It has no name, and is gone with this call whatever happens.
        let probe =
            tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map_err(|error| error.to_string())?;
        match rustix::fs::fallocate(&probe, FallocateFlags::empty(), 0, ROOM) {
            // Not all file systems can do it.
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The database has its whole length now.
    pub(super) fn written_back(&mut self) {
        self.least = self.db.check().unwrap_or(self.least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_moved_replaced_or_cut_short_is_noticed_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let [path, log, aside] = ["mail.db", "mail.db-wal", "aside"].map(|name| folder.path().join(name));
        fs::write(&path, "0123456789").unwrap();
        fs::write(&log, "").unwrap();
        let place = DatabaseFiles::of(&path);
        assert_eq!(place.check(), Ok(()));
        for file in [&path, &log] {
            fs::rename(file, &aside).unwrap();
            assert!(place.check().unwrap_err().contains("is gone"));
            fs::copy(&aside, file).unwrap();
            assert!(place.check().unwrap_err().contains("was replaced"));
            fs::rename(&aside, file).unwrap();
            assert_eq!(place.check(), Ok(()));
        }
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(5).unwrap();
        assert!(place.check().unwrap_err().contains("was cut short"));
    }
}
