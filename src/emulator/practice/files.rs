//! Changes to files, and a page from the web that is not really fetched: leave for each is asked.

use std::io::Write;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::agent::{Agent, TurnEnding};
use super::deed::LABEL;
use super::lines::ToolOutput;
use super::tool::{PracticeToolUse, ToolPermission, project};

/// Lines around a change, as Claude Code's patches have them.
const CONTEXT: usize = 3;
/// What there is to edit where nothing is named.
const PRACTICE_FILE: &str = "practice.txt";
const PRACTICE_TEXT: &str = "one\ntwo\nthree\n";

impl<W: Write> Agent<W> {
    /// Writes a file whole.
    pub(super) fn write_file(&mut self, file: &str, text: &str) -> std::io::Result<TurnEnding> {
        let path = project().join(file);
        let input = json!({"file_path": path.to_string_lossy(), "content": text});
        self.with_leave("Write", input, "wrote it", |input| {
            let (path, new) = (named(input, "file_path"), named(input, "content"));
            let old = std::fs::read_to_string(path).ok();
            std::fs::write(path, new)?;
            let patch = old.as_deref().map_or_else(|| json!([]), |old| patch(old, new));
            let kind = if old.is_some() { "update" } else { "create" };
            let told = match old {
                Some(_) => format!("The file {path} has been updated successfully."),
                None => format!("File created successfully at: {path}"),
            };
            let details = json!({"type": kind, "filePath": path, "content": new, "structuredPatch": patch,
                                 "originalFile": old, "userModified": false});
            Ok(ToolOutput::of(told, details))
        })
    }

    /// Puts a text in the place of another. Without a file it is one to practise with.
    pub(super) fn edit_file(&mut self, change: Option<(&str, &str, &str)>) -> std::io::Result<TurnEnding> {
        let path = project().join(change.map_or(PRACTICE_FILE, |(file, _, _)| file));
        if change.is_none() && !std::fs::exists(&path)? {
            std::fs::write(&path, PRACTICE_TEXT)?;
        }
        let (old, new) = change.map_or(("two", "2"), |(_, old, new)| (old, new));
        let input = json!({"replace_all": false, "file_path": path.to_string_lossy(), "old_string": old,
                           "new_string": new});
        self.with_leave("Edit", input, "changed it", |input| {
            let path = named(input, "file_path");
            let (old, new) = (named(input, "old_string"), named(input, "new_string"));
            let before = std::fs::read_to_string(path)?;
            if old.is_empty() || !before.contains(old) {
                return Err(std::io::Error::other("String to replace not found in file."));
            }
            let after = before.replacen(old, new, 1);
            std::fs::write(path, &after)?;
            let told = format!("The file {path} has been updated successfully.");
            let details = json!({"filePath": path, "oldString": old, "newString": new, "originalFile": before,
                "structuredPatch": patch(&before, &after), "userModified": false, "replaceAll": false});
            Ok(ToolOutput::of(told, details))
        })
    }

    /// Asks for a page.
    pub(super) fn fetch(&mut self, url: &str) -> std::io::Result<TurnEnding> {
        let input = json!({"url": url, "prompt": "What does the page say?"});
        self.with_leave("WebFetch", input, "may read the page, though I do not really fetch it", |input| {
            let url = named(input, "url");
            let told = format!("{LABEL} This stands for {url}.");
            let details =
                json!({"bytes": told.len(), "code": 200, "codeText": "OK", "result": told, "url": url});
            Ok(ToolOutput::of(told, details))
        })
    }

    fn with_leave(
        &mut self,
        tool: &str,
        input: Value,
        done: &str,
        work: impl FnOnce(&Value) -> std::io::Result<ToolOutput>,
    ) -> std::io::Result<TurnEnding> {
        let PracticeToolUse { id, input } = match self.leave_for(tool, input)? {
            ToolPermission::Given(tool_use) => tool_use,
            ToolPermission::Refused(message) => {
                return Ok(TurnEnding::Said(format!("{LABEL} I left it alone: {message}")));
            }
            ToolPermission::Interrupted => return Ok(TurnEnding::Interrupted { reason: "aborted_tools" }),
        };
        let (result, ending) = match work(&input) {
            Ok(result) => (result, format!("{LABEL} I {done}.")),
            Err(error) => (ToolOutput::error(&error.to_string()), format!("{LABEL} That failed: {error}")),
        };
        self.tell(&id, &result)?;
        Ok(TurnEnding::Said(ending))
    }
}

fn named<'a>(input: &'a Value, name: &str) -> &'a str {
    input[name].as_str().unwrap_or_default()
}

/// A change as hunks: `{oldStart, oldLines, newStart, newLines, lines}`, each line with its mark before it.
fn patch(old: &str, new: &str) -> Value {
    let diff = TextDiff::from_lines(old, new);
    let hunks = diff.grouped_ops(CONTEXT).into_iter().filter_map(|group| {
        let (first, last) = (group.first()?, group.last()?);
        let lines = |range: (usize, usize)| (range.0 + 1, range.1 - range.0);
        let (old_start, old_lines) = lines((first.old_range().start, last.old_range().end));
        let (new_start, new_lines) = lines((first.new_range().start, last.new_range().end));
        let text: Vec<String> = group
            .iter()
            .flat_map(|op| diff.iter_changes(op))
            .map(|change| {
                let mark = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                format!("{mark}{}", change.value().trim_end_matches('\n'))
            })
            .collect();
        Some(
            json!({"oldStart": old_start, "oldLines": old_lines, "newStart": new_start, "newLines": new_lines,
                    "lines": text}),
        )
    });
    hunks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_has_the_lines_around_the_change() {
        let hunk = json!([{"oldStart": 1, "oldLines": 3, "newStart": 1, "newLines": 3,
                           "lines": [" one", "-two", "+2", " three"]}]);
        assert_eq!(patch(PRACTICE_TEXT, "one\n2\nthree\n"), hunk);
    }
}
