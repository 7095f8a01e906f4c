//! The end of a tool use: what of it is kept.

use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// So many bytes at the end of a tool's output are kept, and so many of a changed file's lines.
const KEPT: usize = 4 << 10;

/// A tool ended; one line of Claude Code's for each tool use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolEnd {
    /// The tool use that ended.
    pub tool_use_id: String,
    /// Whether the tool failed or was refused.
    pub is_error: bool,
    /// The end of what the tool said to the model: text, 4 KB at most.
    pub output: String,
    /// Whether it said more before that.
    pub cut: bool,
    /// The file that it changed.
    pub file: Option<FileChange>,
}

/// A change to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileChange {
    /// The file, as Claude Code names it: an absolute path.
    pub path: String,
    /// Whether the file is new.
    pub created: bool,
    /// Lines that came, all of them counted.
    pub added: usize,
    /// Lines that went.
    pub removed: usize,
    /// What changed, with lines around it; 4 KB of lines at most.
    pub hunks: Vec<Hunk>,
    /// Whether more changed than the hunks tell.
    pub cut: bool,
}

/// A place in a file that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// Its first line before the change, from 1.
    pub old_start: u64,
    /// Its first line after the change, from 1.
    pub new_start: u64,
    /// Lines without their newline, each after a `+`, a `-` or a space.
    pub lines: Vec<String>,
}

impl ToolEnd {
    /// Reads a `user` message, if it tells a tool's end.
    pub(super) fn read(message: &Object) -> Option<Self> {
        let blocks = message.get("message")?.get("content")?.as_array()?;
        let block = blocks.iter().find(|block| block["type"] == "tool_result")?;
        let (output, cut) = end_of(&block["content"]);
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
        let mut left = KEPT;
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
            // What comes after a line that was left out would stand in the wrong place.
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

/// The end of a tool's output, and whether there is more of it.
fn end_of(content: &Value) -> (String, bool) {
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
    let from = text.ceil_char_boundary(text.len().saturating_sub(KEPT));
    (text[from..].to_owned(), from > 0)
}
