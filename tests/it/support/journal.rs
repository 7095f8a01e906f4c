//! What the practice agents say that they were given.

use std::path::Path;

/// The prompts in the journal of the practice agents, in order, without those of which an agent that was killed wrote
/// only a part.
pub(crate) fn prompts(journal: &Path) -> Vec<String> {
    let journal = std::fs::read(journal).unwrap_or_default();
    let lines = journal.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let whole = lines.filter_map(|line| match serde_json::from_slice(line) {
        Ok(prompt) => Some(prompt),
        Err(error) if error.is_eof() => None,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(line)),
    });
    whole.collect()
}
