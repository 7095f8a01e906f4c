//! What a person reads when the program gives up: one sentence, and an exit code decided here.
//!
//! Inside the program errors have types of their own; at its edge each becomes a [`Failure`]. A sentence names what
//! is wrong and the way out, and never holds a secret.

use std::fmt;
use std::process::ExitCode;

/// The exit codes of the command line's contract, success apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// What was asked for could not be done.
    Failed,
    /// The command line makes no sense, or there is no daemon to talk to.
    Usage,
    /// The configuration is bad, or saved state cannot be read (`EX_CONFIG` of sysexits).
    Config,
}

impl ExitStatus {
    /// The number that the process ends with: 1, 2 or 78.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Config => 78,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(exit: ExitStatus) -> Self {
        Self::from(exit.code())
    }
}

/// The end of the program: why, and with which code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub exit: ExitStatus,
    /// What is wrong and the way out, without a full stop; one line, whatever file names it quotes.
    pub sentence: String,
}

impl Failure {
    /// Control characters of the sentence (a line break in a file name) are written as escapes.
    #[must_use]
    pub fn new(exit: ExitStatus, sentence: impl Into<String>) -> Self {
        let sentence: String = sentence.into();
        let sentence = if sentence.contains(char::is_control) {
            sentence
                .chars()
                .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
                .collect()
        } else {
            sentence
        };
        Self { exit, sentence }
    }

    /// The request failed: exit 1.
    #[must_use]
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self::new(ExitStatus::Failed, sentence)
    }

    /// Usage, or no daemon: exit 2.
    #[must_use]
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, sentence)
    }

    /// Bad configuration or unreadable state: exit 78.
    #[must_use]
    pub fn config(sentence: impl Into<String>) -> Self {
        Self::new(ExitStatus::Config, sentence)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stays_on_one_line() {
        let failure = Failure::config("there is no keyring at /tmp/a\nb");
        assert_eq!(failure.to_string(), "there is no keyring at /tmp/a\\nb");
        assert_eq!(failure.exit.code(), 78);
    }
}
