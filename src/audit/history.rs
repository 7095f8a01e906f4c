//! Reads the last turns of a log. Claude may have written to it, so nothing in it is trusted: a line counts as altered
//! unless the line after it holds its hash.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use rustix::fs::{Mode, OFlags, open, openat};
use serde::Deserialize;

use super::{AuditLine, FOLDER, append::line_start, hash};
use crate::ids::ConvId;

/// Maximum number of bytes that are read; turns before them are left out.
const MAX_BYTES: u64 = 64 << 20;

/// A turn in the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AuditedTurn {
    /// The record of the turn.
    pub(crate) line: AuditLine,
    /// The hash of the line, as it is in the file.
    pub(crate) hash: String,
    /// Whether the line, or one after it, was changed since it was written.
    pub(crate) altered: bool,
}

/// The last turns of a session, at most `max`, oldest first, of at most 64 MiB together. `newest` are the hashes that
/// the last line may have. Lines that phonework did not write are left out.
///
/// It blocks, so call it on a thread that may.
///
/// # Errors
/// Those of the file system. A log that is missing is no error.
pub(crate) fn last_turns(
    project: &Path,
    conv_id: &ConvId,
    max: usize,
    newest: &[String],
) -> io::Result<Vec<AuditedTurn>> {
    let Some(mut file) = log(project, conv_id)? else { return Ok(Vec::new()) };
    let length = file.metadata()?.len();
    let Some(mut end) = bounded(line_start(&mut file, length))? else { return Ok(Vec::new()) };
    let mut budget = MAX_BYTES;
    let mut turns = Vec::new();
    // `None` until the last line is read: it may have any hash of `newest`.
    let mut expected: Option<Option<String>> = None;
    let mut altered = false;
    while turns.len() < max && end > 0 {
        let Some(start) = bounded(line_start(&mut file, end - 1))? else { break };
        let length = end - 1 - start;
        let Some(left) = budget.checked_sub(length) else { break };
        (budget, end) = (left, start);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(&mut file).take(length).read_to_end(&mut bytes)?;
        let hash = hash(&bytes);
        altered |= match &expected {
            None => !newest.contains(&hash),
            Some(expected) => expected.as_ref() != Some(&hash),
        };
        let Ok(Chained { line, prev }) = serde_json::from_slice(&bytes) else {
            altered = true;
            continue;
        };
        expected = Some(prev);
        turns.push(AuditedTurn { line, hash, altered });
    }
    turns.reverse();
    Ok(turns)
}

/// Where a line begins; none for one that is too long to be phonework's.
fn bounded(start: io::Result<u64>) -> io::Result<Option<u64>> {
    match start {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        start => start.map(Some),
    }
}

#[derive(Deserialize)]
struct Chained {
    #[serde(flatten)]
    line: AuditLine,
    prev: Option<String>,
}

/// Opens the log of a session; `None` unless it is a plain file in a plain folder.
fn log(project: &Path, conv_id: &ConvId) -> io::Result<Option<File>> {
    const DIRECTORY: OFlags =
        OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);
    // NONBLOCK: opening a named pipe would wait for its other end.
    const PLAIN: OFlags =
        OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
    if !conv_id.is_well_formed() {
        return Ok(None);
    }
    let opened = open(project, DIRECTORY, Mode::empty())
        .and_then(|project| openat(project, FOLDER, DIRECTORY, Mode::empty()))
        .and_then(|folder| openat(folder, format!("{conv_id}.jsonl"), PLAIN, Mode::empty()));
    match opened {
        Ok(file) => {
            let file = File::from(file);
            Ok(file.metadata()?.is_file().then_some(file))
        }
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{append, tests::entry};
    use super::*;

    fn written(turns: i64) -> (tempfile::TempDir, Vec<String>) {
        let project = tempfile::tempdir().unwrap();
        for n in 1..=turns {
            append(&entry(project.path(), n)).unwrap();
        }
        let newest = vec![entry(project.path(), turns).hash];
        (project, newest)
    }

    fn read(project: &Path, max: usize, newest: &[String]) -> Vec<(String, bool)> {
        let turns = last_turns(project, &"c-test".into(), max, newest).unwrap();
        turns.into_iter().map(|past| (past.line.prompt, past.altered)).collect()
    }

    fn prompts(numbers: &[(i64, bool)]) -> Vec<(String, bool)> {
        numbers.iter().map(|(n, altered)| (format!("prompt {n}"), *altered)).collect()
    }

    #[test]
    fn the_last_turns_are_read_oldest_first() {
        let (project, newest) = written(3);
        assert_eq!(read(project.path(), 2, &newest), prompts(&[(2, false), (3, false)]));
        assert_eq!(read(project.path(), 9, &newest), prompts(&[(1, false), (2, false), (3, false)]));
        assert_eq!(read(project.path(), 0, &newest), []);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(read(empty.path(), 9, &[]), []);
    }

    #[test]
    fn lines_at_or_before_a_change_count_as_altered() {
        let (project, newest) = written(3);
        assert_eq!(read(project.path(), 1, &["another".to_owned()]), prompts(&[(3, true)]));
        let path = project.path().join(FOLDER).join("c-test.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("prompt 2", "prompt 7")).unwrap();
        assert_eq!(read(project.path(), 9, &newest), prompts(&[(1, true), (7, true), (3, false)]));
        std::fs::write(&path, text.replace("{\"at\":\"1970-01-01T00:00:00Z\",\"conv_id\":\"c-test\",\"user\":\"ou_1\",\"turn\":\"00000000-0000-0000-0000-000000000007\",\"prompt\":\"prompt 2\"", "\u{1b}[2J")).unwrap();
        assert_eq!(read(project.path(), 9, &newest), prompts(&[(1, true), (3, false)]));
        // The beginning of a line that is being written.
        std::fs::write(&path, format!("{text}{{\"at\":")).unwrap();
        assert_eq!(read(project.path(), 1, &newest), prompts(&[(3, false)]));
    }

    #[test]
    fn a_link_in_place_of_the_log_is_not_followed() {
        let (project, newest) = written(1);
        let path = project.path().join(FOLDER).join("c-test.jsonl");
        let elsewhere = project.path().join("elsewhere");
        std::fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        last_turns(project.path(), &"c-test".into(), 1, &newest).unwrap_err();
    }
}
