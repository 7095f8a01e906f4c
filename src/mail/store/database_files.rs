//! Checks that the open `mail.db` is still the file at its path. After the file was moved away, replaced or truncated,
//! SQLite goes on to write without an error, but nobody would ever read what it writes.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{fs::FallocateFlags, io::Errno};

/// Free space for writes to count as possible again: enough for a long answer and its audit line.
const MIN_FREE_BYTES: u64 = 1024 * 1024;

/// The database and its write-ahead log as they were when they were opened.
#[derive(Debug)]
pub(super) struct DatabaseFiles {
    db: KnownFile,
    log: KnownFile,
    /// The length of the database when its log was last written back.
    min_length: u64,
}

#[derive(Debug)]
struct KnownFile {
    path: PathBuf,
    /// Device and inode; `None` when there was no such file.
    id: Option<(u64, u64)>,
}

impl KnownFile {
    fn of(path: PathBuf) -> Self {
        let id = fs::metadata(&path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        Self { path, id }
    }

    /// The file's length, or what happened to it.
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
    /// The files of an open database.
    pub(super) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let mut files =
            Self { db: KnownFile::of(path.to_owned()), log: KnownFile::of(log.into()), min_length: 0 };
        files.written_back();
        files
    }

    /// Whether the files are still in place.
    ///
    /// # Errors
    /// What happened to them, and the way out.
    pub(super) fn check(&self) -> Result<(), String> {
        let length = self.db.check()?;
        self.log.check()?;
        if length < self.min_length {
            let shown = self.db.path.display();
            return Err(format!("{shown} was cut short; put a backup in its place, and restart phonework"));
        }
        Ok(())
    }

    /// Whether the disk has space again.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn has_room(&self) -> Result<(), String> {
        let folder = self.db.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // The probe has no name, so it is gone with this call whatever happens.
        let probe =
            tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map_err(|error| error.to_string())?;
        match rustix::fs::fallocate(&probe, FallocateFlags::empty(), 0, MIN_FREE_BYTES) {
            // Not every file system supports it.
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Notes that the log was written back: the database has its full length now.
    pub(super) fn written_back(&mut self) {
        self.min_length = self.db.check().unwrap_or(self.min_length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_moved_replaced_or_truncated_is_noticed_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let [path, log, aside] = ["mail.db", "mail.db-wal", "aside"].map(|name| folder.path().join(name));
        fs::write(&path, "0123456789").unwrap();
        fs::write(&log, "").unwrap();
        let files = DatabaseFiles::of(&path);
        assert_eq!(files.check(), Ok(()));
        for file in [&path, &log] {
            fs::rename(file, &aside).unwrap();
            assert!(files.check().unwrap_err().contains("is gone"));
            fs::copy(&aside, file).unwrap();
            assert!(files.check().unwrap_err().contains("was replaced"));
            fs::rename(&aside, file).unwrap();
            assert_eq!(files.check(), Ok(()));
        }
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(5).unwrap();
        assert!(files.check().unwrap_err().contains("was cut short"));
    }
}
