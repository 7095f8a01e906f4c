//! The end of a tool use, and the part of its output that is kept.

use serde_json::Value;

use super::Object;

/// Maximum size, in bytes, of the part of a tool's output that is kept, and of the lines of a changed file.
const MAX_KEPT_BYTES: usize = 4 << 10;

/// The end of a tool use. Claude Code writes one line for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolEnd {
    /// The id of the tool use, as in [`super::ContentBlock::ToolUse`].
    pub tool_use_id: String,
    /// Whether the tool failed or was denied.
    pub is_error: bool,
    /// The end of the text that the tool returned to the model, at most 4 KiB.
    pub output: String,
    /// Whether there was more output before that.
    pub cut: bool,
    /// The file that the tool changed, if it changed one.
    pub file: Option<FileChange>,
}

/// A change to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileChange {
    /// The file's absolute path, as Claude Code gives it.
    pub path: String,
    /// Whether the file is new.
    pub created: bool,
    /// The number of lines added, also those that the hunks leave out.
    pub added: usize,
    /// The number of lines removed, also those that the hunks leave out.
    pub removed: usize,
    /// The changes with the lines around them, at most 4 KiB of lines.
    pub hunks: Vec<Hunk>,
    /// Whether there are more changes than the hunks show.
    pub cut: bool,
}

/// A place in a file that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// The number of its first line before the change, from 1.
    pub old_start: u64,
    /// The number of its first line after the change, from 1.
    pub new_start: u64,
    /// Lines without their newline, each after a `+`, a `-` or a space.
    pub lines: Vec<String>,
}

impl ToolEnd {
    /// Reads a `user` message; `None` if it does not report the end of a tool use.
    pub(super) fn read(message: &Object) -> Option<Self> {
        let blocks = message.get("message")?.get("content")?.as_array()?;
        let block = blocks.iter().find(|block| block["type"] == "tool_result")?;
        let (output, cut) = output_end(&block["content"]);
        let is_error = block["is_error"].as_bool().unwrap_or_default();
        Some(Self {
            tool_use_id: block["tool_use_id"].as_str()?.to_owned(),
            is_error,
            output,
            cut,
            file: message.get("tool_use_result").filter(|_| !is_error).and_then(FileChange::read),
        })
    }
}

impl FileChange {
    fn read(result: &Value) -> Option<Self> {
        let mut change = Self { path: result["filePath"].as_str()?.to_owned(), ..Self::default() };
        let mut left = MAX_KEPT_BYTES;
        for hunk in result["structuredPatch"].as_array()? {
            let lines = hunk["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
            let start = |key: &str| hunk[key].as_u64().unwrap_or_default();
            let lines = lines.iter().filter_map(Value::as_str);
            change.push(start("oldStart"), start("newStart"), lines.map(|line| ("", line)), &mut left);
        }
        if result["type"] == "create" && change.hunks.is_empty() {
            change.created = true;
            let content = result["content"].as_str().unwrap_or_default();
            change.push(0, 1, content.lines().map(|line| ("+", line)), &mut left);
        }
        Some(change)
    }

    fn push<'a>(
        &mut self,
        old_start: u64,
        new_start: u64,
        lines: impl Iterator<Item = (&'a str, &'a str)>,
        left: &mut usize,
    ) {
        let mut kept = Vec::new();
        for (sign, line) in lines {
            match sign.chars().chain(line.chars()).next() {
                Some('+') => self.added += 1,
                Some('-') => self.removed += 1,
                _ => {}
            }
            let length = sign.len() + line.len() + 1;
            // Nothing is kept after a line that was left out, as it would stand in the wrong place.
            *left = left.saturating_sub(length);
            if *left == 0 {
                self.cut = true;
            } else {
                kept.push(format!("{sign}{line}"));
            }
        }
        if !kept.is_empty() {
            self.hunks.push(Hunk { old_start, new_start, lines: kept });
        }
    }
}

/// The end of a tool's output, and whether there was more before it.
fn output_end(content: &Value) -> (String, bool) {
    match content {
        Value::String(text) => ending(text),
        Value::Array(blocks) => {
            let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
            ending(&texts.join("\n"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => (String::new(), false),
    }
}

fn ending(text: &str) -> (String, bool) {
    let from = text.ceil_char_boundary(text.len().saturating_sub(MAX_KEPT_BYTES));
    (text[from..].to_owned(), from > 0)
}
