//! Appends lines to a log: a line is in the file as a whole or not at all.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::{AsFd, OwnedFd},
    os::unix::fs::MetadataExt,
};

use rustix::{
    fs::{Mode, OFlags, RenameFlags, fsync, mkdirat, open, openat, renameat_with},
    io::Errno,
};
use sha2::{Digest as _, Sha256};

use super::{AuditEntry, hex};

/// A longer line is none of phonework's: 64 MiB, the limit for a line of Claude Code's.
const MAX_LINE_READ_BYTES: u64 = 64 << 20;
/// Maximum number of files of one name that are kept aside.
const MAX_SET_ASIDE: u32 = 100;

/// The folder of the logs, in the project.
pub const FOLDER: &str = ".phonework";

/// How [`append`] found the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The line follows the one whose hash it holds.
    Chained,
    /// The line was there already; nothing was written.
    Already,
    /// The line was written, but what precedes it is not what phonework wrote: somebody changed the file.
    AfterChange,
}

/// Writes the line to the end of its session's file and waits until it is on the disk. The beginning of a line that an
/// interrupted write left there is cut off first.
///
/// It blocks, so call it on a thread that may. For each session, one call at a time, in the order of the entries.
///
/// Claude may have put anything there where no sandbox keeps it away. What phonework cannot have written (a line longer
/// than 64 MiB, a link, a pipe, a folder) is renamed and left alone, and the line goes into a fresh file.
///
/// # Errors
/// When the project is gone or the disk full; the file is then as before.
pub fn append(entry: &AuditEntry) -> io::Result<Appended> {
    if !entry.conv_id.is_well_formed() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the session's id cannot name a file"));
    }
    let folder = folder(entry)?;
    let name = format!("{}.jsonl", entry.conv_id);
    match append_to(&folder, &name, entry) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            set_aside(&folder, &name)?;
            append_to(&folder, &name, entry).map(|_| Appended::AfterChange)
        }
        done => done,
    }
}

fn append_to(folder: &OwnedFd, name: &str, entry: &AuditEntry) -> io::Result<Appended> {
    let mut file = plain_file(folder, name)?;
    let end = whole_lines(&mut file)?;
    let last = last_hash(&mut file, end)?;
    let already = |file: &File| file.sync_data().map(|()| Appended::Already);
    let found = match (last, &entry.prev) {
        (Some(last), _) if last == entry.hash => return already(&file),
        (Some(last), Some(prev)) if last == *prev => Appended::Chained,
        (None, None) => Appended::Chained,
        (Some(_), _) if holds(&mut file, end, &entry.hash)? => return already(&file),
        (Some(_) | None, _) => Appended::AfterChange,
    };
    if let Err(error) = write_line(&mut file, end, &entry.line) {
        // If this fails, the next call does it.
        let _ = file.set_len(end);
        return Err(error);
    }
    if end == 0 {
        fsync(folder)?;
    }
    Ok(found)
}

/// Renames what stands in the way, to a name that is free.
fn set_aside(folder: impl AsFd, name: &str) -> io::Result<()> {
    let folder = folder.as_fd();
    for number in 1..=MAX_SET_ASIDE {
        let aside = format!("{name}.changed-{number}");
        match renameat_with(folder, name, folder, aside.as_str(), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            done => return Ok(done?),
        }
    }
    Err(io::Error::other(format!("{name} was changed too often: remove its copies")))
}

/// Opens the project's `.phonework`, creating it if it is missing, with a `.gitignore` that keeps it out of git.
fn folder(entry: &AuditEntry) -> io::Result<OwnedFd> {
    const DIRECTORY: OFlags =
        OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);
    let project = open(&entry.project, DIRECTORY, Mode::empty())?;
    match mkdirat(&project, FOLDER, Mode::RWXU) {
        Ok(()) => fsync(&project)?,
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let folder = match openat(&project, FOLDER, DIRECTORY, Mode::empty()) {
        Err(Errno::LOOP | Errno::NOTDIR) => {
            set_aside(&project, FOLDER)?;
            mkdirat(&project, FOLDER, Mode::RWXU)?;
            openat(&project, FOLDER, DIRECTORY, Mode::empty())?
        }
        opened => opened?,
    };
    let mut ignore = plain_file(&folder, ".gitignore")?;
    if ignore.metadata()?.len() == 0 {
        ignore.write_all(b"*\n")?;
    }
    Ok(folder)
}

/// Opens or creates a file. Refuses one with a second hard link: what is written here would appear there.
fn plain_file(folder: impl AsFd, name: &str) -> io::Result<File> {
    // NONBLOCK: opening a named pipe would wait for its other end.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = openat(folder, name, flags, Mode::RUSR | Mode::WUSR).map_err(|error| match error {
        // A link, a folder, a socket.
        Errno::LOOP | Errno::ISDIR | Errno::NXIO => io::Error::new(io::ErrorKind::InvalidData, error),
        error => error.into(),
    });
    let file = File::from(opened?);
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{FOLDER}/{name} is not a plain file of its own"),
        ));
    }
    Ok(file)
}

/// Cuts off what follows the last newline; the length of the rest.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let end = line_start(file, length)?;
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

/// The hash of the last line of the first `end` bytes, without its newline; none where there is no line.
fn last_hash(file: &mut File, end: u64) -> io::Result<Option<String>> {
    let Some(newline) = end.checked_sub(1) else { return Ok(None) };
    let start = line_start(file, newline)?;
    file.seek(SeekFrom::Start(start))?;
    let mut hash = Sha256::new();
    let mut line = Read::take(file, newline - start);
    let mut chunk = [0; 64 << 10];
    loop {
        let read = line.read(&mut chunk)?;
        if read == 0 {
            return Ok(Some(hex(&hash.finalize())));
        }
        hash.update(&chunk[..read]);
    }
}

/// The start of the line that the byte `at` belongs to.
///
/// # Errors
/// `InvalidData` for a line longer than 64 MiB, which is none of phonework's; those of the system.
pub(super) fn line_start(file: &mut File, mut at: u64) -> io::Result<u64> {
    let mut chunk = [0; 8192];
    let first = at.saturating_sub(MAX_LINE_READ_BYTES);
    while at > 0 {
        if at <= first && first > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than 64 MiB"));
        }
        let from = at.saturating_sub(chunk.len() as u64);
        file.seek(SeekFrom::Start(from))?;
        let piece = usize::try_from(at - from).unwrap_or(chunk.len());
        file.read_exact(&mut chunk[..piece])?;
        if let Some(newline) = chunk[..piece].iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + newline as u64 + 1);
        }
        at = from;
    }
    Ok(0)
}

/// Whether one of the last lines, 64 MiB of them at most, has this hash.
fn holds(file: &mut File, end: u64, wanted: &str) -> io::Result<bool> {
    let start = end.saturating_sub(MAX_LINE_READ_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut reader = Read::take(file, end - start);
    let mut line = Sha256::new();
    let mut chunk = [0; 64 << 10];
    loop {
        let read = reader.read(&mut chunk)?;
        if read == 0 {
            return Ok(false);
        }
        let mut pieces = chunk[..read].split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            line.update(piece);
            let is_whole = pieces.peek().is_some();
            if is_whole && hex(&std::mem::take(&mut line).finalize()) == wanted {
                return Ok(true);
            }
        }
    }
}

fn write_line(file: &mut File, end: u64, line: &str) -> io::Result<()> {
    file.seek(SeekFrom::Start(end))?;
    // Two writes, as the line may be long and copying it for a newline costs memory. It counts only with its newline.
    file.write_all(line.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        path::PathBuf,
    };

    fn project() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let project = tempfile::tempdir().unwrap();
        let folder = project.path().join(FOLDER);
        let file = folder.join("c-test.jsonl");
        (project, folder, file)
    }

    fn lines(project: &std::path::Path, numbers: &[i64]) -> String {
        numbers.iter().map(|n| entry(project, *n).line + "\n").collect()
    }

    #[test]
    fn lines_are_appended_in_a_private_folder_that_git_ignores() {
        let (project, folder, file) = project();
        assert_eq!(append(&entry(project.path(), 1)).unwrap(), Appended::Chained);
        assert_eq!(append(&entry(project.path(), 2)).unwrap(), Appended::Chained);
        assert_eq!(fs::read_to_string(&file).unwrap(), lines(project.path(), &[1, 2]));
        assert_eq!(fs::read_to_string(folder.join(".gitignore")).unwrap(), "*\n");
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_that_is_in_the_file_is_not_written_again() {
        let (project, _, file) = project();
        for n in [1, 2, 2, 1] {
            append(&entry(project.path(), n)).unwrap();
        }
        assert_eq!(append(&entry(project.path(), 1)).unwrap(), Appended::Already);
        assert_eq!(fs::read_to_string(&file).unwrap(), lines(project.path(), &[1, 2]));
    }

    #[test]
    fn a_torn_line_is_cut_off_wherever_it_was_torn() {
        let whole = lines("/p".as_ref(), &[1]).len();
        for torn in [1, whole / 2, whole - 1] {
            let (project, _, file) = project();
            append(&entry(project.path(), 1)).unwrap();
            let second = lines(project.path(), &[2]);
            fs::write(&file, lines(project.path(), &[1]) + &second[..torn]).unwrap();
            assert_eq!(append(&entry(project.path(), 2)).unwrap(), Appended::Chained);
            assert_eq!(fs::read_to_string(&file).unwrap(), lines(project.path(), &[1, 2]));
        }
    }

    #[test]
    fn a_file_that_somebody_changed_is_continued_and_reported_as_changed() {
        let (project, _, file) = project();
        append(&entry(project.path(), 1)).unwrap();
        fs::write(&file, "{}\n").unwrap();
        assert_eq!(append(&entry(project.path(), 2)).unwrap(), Appended::AfterChange);
        fs::remove_file(&file).unwrap();
        assert_eq!(append(&entry(project.path(), 3)).unwrap(), Appended::AfterChange);
    }

    #[test]
    fn what_stands_in_the_way_is_set_aside_and_what_it_names_stays_untouched() {
        let other = tempfile::tempdir().unwrap();
        let victim = other.path().join("victim");
        fs::write(&victim, "precious").unwrap();

        let (project, folder, _) = project();
        symlink(other.path(), &folder).unwrap();
        assert_eq!(append(&entry(project.path(), 1)).unwrap(), Appended::Chained);
        assert!(project.path().join(".phonework.changed-1").is_symlink());

        let in_the_way: [&dyn Fn(&std::path::Path); 4] = [
            &|file| symlink(&victim, file).unwrap(),
            &|file| fs::hard_link(&victim, file).unwrap(),
            &|file| fs::create_dir(file).unwrap(),
            &|file| rustix::fs::mkfifoat(rustix::fs::CWD, file, Mode::RWXU).unwrap(),
        ];
        for put in in_the_way {
            let (project, folder, file) = super::tests::project();
            fs::create_dir(&folder).unwrap();
            put(&file);
            assert_eq!(append(&entry(project.path(), 1)).unwrap(), Appended::AfterChange);
            assert_eq!(fs::read_to_string(&file).unwrap(), lines(project.path(), &[1]));
            assert_eq!(append(&entry(project.path(), 2)).unwrap(), Appended::Chained);
        }

        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_line_of_3_gb_costs_little_and_is_set_aside() {
        for end in ["", "\n"] {
            let (project, folder, file) = project();
            append(&entry(project.path(), 1)).unwrap();
            let mut hostile = fs::OpenOptions::new().append(true).open(&file).unwrap();
            hostile.set_len(3 << 30).unwrap();
            hostile.write_all(end.as_bytes()).unwrap();
            let begun = std::time::Instant::now();
            assert_eq!(append(&entry(project.path(), 2)).unwrap(), Appended::AfterChange);
            assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
            assert_eq!(fs::read_to_string(&file).unwrap(), lines(project.path(), &[2]));
            assert!(folder.join("c-test.jsonl.changed-1").exists());
        }
    }

    #[test]
    fn an_id_that_leads_out_of_the_folder_is_refused() {
        let (project, _, _) = project();
        let mut entry = entry(project.path(), 1);
        entry.conv_id = crate::ids::ConvId::from("../x");
        assert_eq!(append(&entry).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_project_that_is_gone_is_reported_as_not_found() {
        let (project, _, _) = project();
        let entry = entry(&project.path().join("gone"), 1);
        assert_eq!(append(&entry).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
