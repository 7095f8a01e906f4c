//! A record of the prompts that the agent was given, kept by the agent itself: what a test can hold against what the
//! daemon says of them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

/// Names the file; without it nothing is recorded.
const VARIABLE: &str = "PRACTICE_JOURNAL";

/// The file, one JSON string in a line for each prompt.
#[derive(Debug)]
pub(super) struct PromptJournal(Option<File>);

impl PromptJournal {
    pub(super) fn open() -> std::io::Result<Self> {
        let path = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        path.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose().map(Self)
    }

    /// In one write, so that the lines of several agents do not mix; on a line of its own also where an agent that was
    /// killed in the middle of a write left half of one.
    pub(super) fn note(&mut self, prompt: &str) -> std::io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        file.write_all(format!("\n{}\n", serde_json::Value::from(prompt)).as_bytes())
    }
}
