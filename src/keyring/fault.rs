//! The faults of a keyring, as sentences that say how to fix them.

use std::fmt;
use std::path::Path;

/// A position in a text. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPosition {
    /// The line number, from 1.
    pub line: usize,
    /// The column in the line.
    pub column: usize,
}

/// A fault of a keyring. It holds no value that may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringFault {
    /// Where the fault is; `None` if a key is missing.
    pub position: Option<TextPosition>,
    /// The key that it concerns, if any; for an entry of a map with its name: `CLAUDE_ENV.PATH`.
    pub key: Option<String>,
    /// What is wrong, as the rest of a sentence that begins with the key: `is a number`.
    pub problem: String,
    /// What to do instead: `give text, in quotes`.
    pub expected: String,
}

impl KeyringFault {
    /// The sentence, after the path and the position in the style of compilers: `path:3:15: …`.
    #[must_use]
    pub fn in_file(&self, path: &Path) -> String {
        let subject = self.key.as_deref().unwrap_or("the keyring");
        let path = path.display();
        let Self { problem, expected, .. } = self;
        match self.position {
            Some(TextPosition { line, column }) => {
                format!("{path}:{line}:{column}: {subject} {problem}; {expected}")
            }
            None => format!("{path}: {subject} {problem}; {expected}"),
        }
    }
}

impl fmt::Display for KeyringFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_file(Path::new("keyring.yaml")))
    }
}

impl std::error::Error for KeyringFault {}

/// A fault whose position is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnplacedFault {
    pub(super) problem: String,
    pub(super) expected: String,
}

impl UnplacedFault {
    pub(super) fn new(problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { problem: problem.into(), expected: expected.into() }
    }
}

/// A value, as far as it may be shown: a short word, in quotes. A longer text, or one with blanks, may have swallowed the
/// following lines because of a missing quote, and a secret with them.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().count() > 40 {
        "a long text".to_owned()
    } else if text.contains(char::is_whitespace) {
        "a text with blanks".to_owned()
    } else {
        format!("{text:?}")
    }
}

/// The fault of a text that is not YAML, derived from the parser's message.
///
/// Only fixed phrases are looked for in the message. Nothing of it is passed on, because it may quote the text.
pub(super) fn syntax(message: &str, position: Option<TextPosition>, text: &str) -> KeyringFault {
    // The parser gives no position for these.
    let position = control_character(text).filter(|_| message.contains("control characters")).or(position);
    let line =
        position.and_then(|position| text.lines().nth(position.line.saturating_sub(1))).unwrap_or_default();
    let indent: &str = &line[..line.len() - line.trim_start().len()];
    let (problem, expected) = if message.contains("more than one document") {
        ("holds more than one document", "take the later ones, which begin at the line `---`, out")
    } else if message.contains("unknown anchor") {
        ("uses an alias (`*name`) that is defined nowhere before", "write the value itself")
    } else if message.contains("recursion limit") || message.contains("repetition limit") {
        ("is nested too deeply", "the values are texts, numbers, lists of text and one map of text")
    } else if indent.contains('\t') || message.contains("tab character") {
        ("has a tab where YAML takes spaces only", "put spaces in its place")
    } else if message.contains("cannot start any token") {
        ("has a character here that cannot begin a value in YAML", "put the value in quotes")
    } else if message.contains("mapping values are not allowed") {
        (
            "has a colon where none can stand",
            "put a value with a colon in quotes, and each key on a line of its own",
        )
    } else if message.contains("could not find expected ':'") {
        ("has a line without a colon before this one", "write `KEY: value`, with a space after the colon")
    } else if message.contains("unexpected end of stream") {
        ("ends inside a quoted text", "close its quotes")
    } else if message.contains("control characters are not allowed") {
        ("has a control character", "take it out")
    } else if message.contains("expected <block end>") {
        ("is not indented evenly", "begin each KEY in the first column and the items of a list in one column")
    } else if message.contains("expected ',' or") {
        (
            "has a list or map in brackets that is not closed",
            "put a comma between the items and close the bracket",
        )
    } else if message.contains("tag") {
        ("has a tag (`!…`)", "take the tag out")
    } else {
        (
            "is no YAML from here on",
            "write `KEY: value` lines, and put a value with unusual characters in quotes",
        )
    };
    KeyringFault { position, key: None, problem: problem.to_owned(), expected: expected.to_owned() }
}

/// The position of the first character that YAML does not allow.
fn control_character(text: &str) -> Option<TextPosition> {
    text.lines().enumerate().find_map(|(index, line)| {
        let column = line.chars().position(|c| c.is_control() && c != '\t')?;
        Some(TextPosition { line: index + 1, column: column + 1 })
    })
}
