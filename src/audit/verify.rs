//! Checks whether a log is still what phonework wrote.

use std::{
    fs::File,
    io::{self, BufRead},
    path::Path,
};

use serde::Deserialize;

use super::hash;

/// The state of a chain of lines, as [`verify`] found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// Every line holds the hash of the one before it.
    Whole {
        /// The hash of the last line, to compare with the one in `mail.db`; `None` for an empty file.
        head: Option<String>,
        /// Number of lines that were verified.
        lines: usize,
    },
    /// The first line, counted from 1, that does not hold the hash of the one before it.
    BrokenAt(usize),
}

/// Reads a log and follows its chain of hashes.
///
/// # Errors
/// When the file cannot be read.
pub fn verify(path: &Path) -> io::Result<Chain> {
    #[derive(Deserialize)]
    struct ChainLink {
        prev: Option<String>,
    }
    let mut file = io::BufReader::new(File::open(path)?);
    let mut head = None;
    let mut lines = 0;
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        let bytes = line.strip_suffix(b"\n").unwrap_or(&line);
        match serde_json::from_slice::<ChainLink>(bytes) {
            Ok(link) if link.prev == head => head = Some(hash(bytes)),
            Ok(_) | Err(_) => return Ok(Chain::BrokenAt(lines + 1)),
        }
        lines += 1;
        line.clear();
    }
    Ok(Chain::Whole { head, lines })
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;

    fn verified(lines: &[String]) -> Chain {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.concat()).unwrap();
        verify(file.path()).unwrap()
    }

    fn lines(numbers: &[i64]) -> Vec<String> {
        numbers.iter().map(|n| entry("/p".as_ref(), *n).line + "\n").collect()
    }

    #[test]
    fn a_log_as_it_was_written_is_whole() {
        assert_eq!(verified(&[]), Chain::Whole { head: None, lines: 0 });
        let head = Some(entry("/p".as_ref(), 3).hash);
        assert_eq!(verified(&lines(&[1, 2, 3])), Chain::Whole { head, lines: 3 });
    }

    #[test]
    fn a_changed_a_missing_or_a_torn_line_breaks_the_chain_at_its_place() {
        let mut changed = lines(&[1, 2, 3]);
        changed[1] = changed[1].replace("prompt 2", "prompt X");
        assert_eq!(verified(&changed), Chain::BrokenAt(3));
        assert_eq!(verified(&lines(&[1, 3])), Chain::BrokenAt(2));
        assert_eq!(verified(&lines(&[2])), Chain::BrokenAt(1));
        let mut torn = lines(&[1, 2]);
        torn[1].truncate(20);
        assert_eq!(verified(&torn), Chain::BrokenAt(2));
    }
}
