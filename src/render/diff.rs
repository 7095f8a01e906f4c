//! What an edit changes, line by line. Pure.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::document::Block;

/// Lines of both texts together up to which they are compared; of more, all that goes is shown before all that comes:
/// comparing takes time with their product.
const COMPARED: usize = 3_000;

/// Unchanged lines around a change.
const CONTEXT: usize = 2;

/// What an editing tool changed, as code of at most so many lines; none when it is no editing tool, or nothing changed.
#[must_use]
pub fn short(tool: &str, input: &Value, most_lines: usize) -> Option<Block> {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let lines = match tool {
        "Edit" => lines(&text(input, "old_string"), &text(input, "new_string"), Some(CONTEXT)),
        "MultiEdit" => {
            let edits = input["edits"].as_array().map(Vec::as_slice).unwrap_or_default();
            let each = edits
                .iter()
                .map(|edit| lines(&text(edit, "old_string"), &text(edit, "new_string"), Some(CONTEXT)));
            each.collect::<Vec<_>>().join(&[DiffLine::gap()][..])
        }
        "Write" => lines("", &text(input, "content"), Some(CONTEXT)),
        "NotebookEdit" => lines("", &text(input, "new_source"), Some(CONTEXT)),
        _ => return None,
    };
    if lines.is_empty() {
        return None;
    }
    let left_out = lines.get(most_lines..).unwrap_or_default();
    let count = |tag| left_out.iter().filter(|line| line.tag == tag).count();
    let (added, removed) = (count(Some(ChangeTag::Insert)), count(Some(ChangeTag::Delete)));
    let mut shown: Vec<String> = lines.iter().take(most_lines).map(|line| line.text.clone()).collect();
    if !left_out.is_empty() {
        shown.push(format!("… +{added} -{removed}"));
    }
    Some(Block::code("diff", shown.join("\n")))
}

/// The whole of what becomes of a text, unchanged lines included.
pub(super) fn whole(old: &str, new: &str) -> String {
    let lines = lines(old, new, None);
    lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
}

/// A line of a diff.
#[derive(Clone)]
struct DiffLine {
    /// None for what stands between changes that are not neighbours.
    tag: Option<ChangeTag>,
    text: String,
}

impl DiffLine {
    fn new(tag: ChangeTag, line: &str) -> Self {
        let mark = match tag {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        let line = line.strip_suffix('\n').unwrap_or(line);
        Self { tag: Some(tag), text: format!("{mark}{line}") }
    }

    fn gap() -> Self {
        Self { tag: None, text: "@@".to_owned() }
    }
}

/// The lines, all of them or those around the changes.
fn lines(old: &str, new: &str, context: Option<usize>) -> Vec<DiffLine> {
    let pieces = |text: &str| text.split_inclusive('\n').count();
    if pieces(old) + pieces(new) > COMPARED {
        let all = |text: &str, tag| -> Vec<DiffLine> {
            text.split_inclusive('\n').map(|line| DiffLine::new(tag, line)).collect()
        };
        return [all(old, ChangeTag::Delete), all(new, ChangeTag::Insert)].concat();
    }
    let diff = TextDiff::from_lines(old, new);
    let Some(context) = context else {
        return diff.iter_all_changes().map(|change| DiffLine::new(change.tag(), change.value())).collect();
    };
    let groups: Vec<Vec<DiffLine>> = diff
        .grouped_ops(context)
        .iter()
        .map(|group| {
            let changes = group.iter().flat_map(|op| diff.iter_changes(op));
            changes.map(|change| DiffLine::new(change.tag(), change.value())).collect()
        })
        .collect();
    groups.join(&[DiffLine::gap()][..])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(block: Option<Block>) -> String {
        match block {
            Some(Block::Code { language, text }) => format!("{language}:\n{text}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_edit_is_shown_with_two_lines_around_what_changed() {
        let old = (1..=12).map(|n| format!("{n}\n")).collect::<String>();
        let new = old.replace("3\n", "three\n").replace("11\n", "");
        let input = json!({"file_path": "/p/a", "old_string": old, "new_string": new});
        assert_eq!(
            text(short("Edit", &input, 40)),
            "diff:\n 1\n 2\n-3\n+three\n 4\n 5\n@@\n 9\n 10\n-11\n 12"
        );
    }

    #[test]
    fn of_a_long_change_the_rest_is_counted() {
        let input = json!({"file_path": "/p/a", "content": "a\nb\nc\nd"});
        assert_eq!(text(short("Write", &input, 2)), "diff:\n+a\n+b\n… +2 -0");
        assert_eq!(text(short("Write", &input, 4)), "diff:\n+a\n+b\n+c\n+d");
    }

    #[test]
    fn the_edits_of_one_call_stand_one_below_the_other() {
        let edit = |old: &str, new: &str| json!({"old_string": old, "new_string": new});
        let input = json!({"file_path": "/p/a", "edits": [edit("a", "b"), edit("c", "d")]});
        assert_eq!(text(short("MultiEdit", &input, 9)), "diff:\n-a\n+b\n@@\n-c\n+d");
    }

    #[test]
    fn what_edits_nothing_has_no_diff() {
        assert_eq!(short("Bash", &json!({"command": "ls"}), 9), None);
        assert_eq!(short("Edit", &json!({"old_string": "a", "new_string": "a"}), 9), None);
        assert_eq!(short("Edit", &json!({"old_string": 1}), 9), None);
    }

    #[test]
    fn a_very_long_change_is_not_compared() {
        let (old, new) = ("a\n".repeat(COMPARED), "b\n".repeat(COMPARED));
        let shown = whole(&old, &new);
        assert_eq!(shown.lines().filter(|line| *line == "-a").count(), COMPARED);
        assert_eq!(shown.lines().filter(|line| *line == "+b").count(), COMPARED);
    }
}
