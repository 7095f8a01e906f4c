//! The end of a tool use, and the part of its output that is kept.

use serde_json::Value;

use super::Object;
use crate::graphemes;
use crate::terminal_text::readable;

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
    /// Where the full output is, if [`Self::output`] is only its beginning: Claude Code puts long output into a file.
    pub saved: Option<SavedOutput>,
    /// The file that the tool changed, if it changed one.
    pub file: Option<FileChange>,
}

/// The full output of a tool in a file, which Claude Code wrote since it was too long for the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedOutput {
    /// The path of the file on the host.
    pub path: String,
    /// How much output there was, as Claude Code puts it: `106.2KB`.
    pub size: String,
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
        let UnwrappedOutput { text, saved, is_cut } =
            UnwrappedOutput::read(&block["content"], message.get("tool_use_result"));
        let (output, cut) = if saved.is_some() { beginning(&text) } else { ending(&text) };
        let is_error = block["is_error"].as_bool().unwrap_or_default();
        Some(Self {
            tool_use_id: block["tool_use_id"].as_str()?.to_owned(),
            is_error,
            output,
            cut: cut || is_cut,
            saved,
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

/// The output of a tool without what Claude Code writes around it for the model.
struct UnwrappedOutput {
    text: String,
    /// Where the full output is, if `text` is only its beginning.
    saved: Option<SavedOutput>,
    /// Whether the middle is missing in `text`.
    is_cut: bool,
}

impl UnwrappedOutput {
    fn read(content: &Value, result: Option<&Value>) -> Self {
        let text = match content {
            Value::String(text) => text.clone(),
            Value::Array(blocks) => {
                let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
                texts.join("\n")
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
        };
        let text = inside(&text, "tool_use_error").unwrap_or(text);
        let Some(persisted) = inside(&text, "persisted-output") else {
            return Self { text: readable(&text), saved: None, is_cut: false };
        };
        // With its end at hand, nobody needs the file.
        if let Some(result) = result.filter(|result| result["stdoutHoldsOutputEnd"] == true) {
            let [stdout, stderr] = ["stdout", "stderr"].map(|name| result[name].as_str().unwrap_or_default());
            let newline = if stdout.is_empty() || stderr.is_empty() { "" } else { "\n" };
            let text = readable(&format!("{}{newline}{stderr}", stdout.trim_end()));
            return Self { text, saved: None, is_cut: true };
        }
        let (head, preview) = persisted.split_once("\nPreview").unwrap_or((&persisted, ""));
        let preview = preview.split_once('\n').map_or("", |(_, preview)| preview).trim_end();
        let preview = preview.strip_suffix("\n...").unwrap_or(preview);
        Self { text: readable(preview), saved: SavedOutput::read(head, result), is_cut: true }
    }
}

impl SavedOutput {
    /// Reads `UnwrappedOutput too large (106.2KB). Full output saved to: /path`, or what Claude Code says of output that was too
    /// long even for a file.
    fn read(head: &str, result: Option<&Value>) -> Option<Self> {
        let path = result.and_then(|result| result["persistedOutputPath"].as_str());
        let path = path.or_else(|| head.rsplit_once("saved to: ").map(|(_, path)| path.trim()))?;
        let size = head.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(size, _)| size);
        let size =
            size.or_else(|| head.split_once("exceeded the ").and_then(|(_, rest)| rest.split(' ').next()));
        Some(Self { path: path.to_owned(), size: size.unwrap_or_default().to_owned() })
    }
}

/// A text in which what stands between the tags of this name is without them; `None` if it has no such tags.
fn inside(text: &str, tag: &str) -> Option<String> {
    let (before, rest) = text.split_once(&format!("<{tag}>"))?;
    let (inner, after) = rest.rsplit_once(&format!("</{tag}>")).unwrap_or((rest, ""));
    // A program may write such tags in the middle of its output.
    before.trim().is_empty().then(|| format!("{}{after}", inner.trim_matches('\n')))
}

/// The end of a text, and whether there is more before it.
fn ending(text: &str) -> (String, bool) {
    let from = graphemes::ceil(text, text.len().saturating_sub(MAX_KEPT_BYTES));
    (text[from..].to_owned(), from > 0)
}

/// The beginning of a text, and whether there is more after it.
fn beginning(text: &str) -> (String, bool) {
    let to = graphemes::floor(text, text.len().min(MAX_KEPT_BYTES));
    (text[..to].to_owned(), to < text.len())
}
