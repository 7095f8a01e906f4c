//! Line-by-line diffs of the edits that Claude asks to make. Pure.

use similar::{ChangeTag, TextDiff};

/// Lines of both texts together up to which they are compared. Comparing takes time in proportion to the product of
/// their lengths, so a longer change is shown as all old lines followed by all new ones.
const MAX_COMPARED_LINES: usize = 3_000;

/// The complete diff of two texts, including all unchanged lines. Each line begins with ` `, `-` or `+`.
pub(super) fn whole(old: &str, new: &str) -> String {
    let count = |text: &str| text.split_inclusive('\n').count();
    let lines: Vec<String> = if count(old) + count(new) > MAX_COMPARED_LINES {
        let all = |text: &str, tag| -> Vec<String> {
            text.split_inclusive('\n').map(|line| marked(tag, line)).collect()
        };
        [all(old, ChangeTag::Delete), all(new, ChangeTag::Insert)].concat()
    } else {
        let diff = TextDiff::from_lines(old, new);
        diff.iter_all_changes().map(|change| marked(change.tag(), change.value())).collect()
    };
    lines.join("\n")
}

/// A line with its mark and without its newline.
fn marked(tag: ChangeTag, line: &str) -> String {
    let mark = match tag {
        ChangeTag::Equal => ' ',
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
    };
    format!("{mark}{}", line.strip_suffix('\n').unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_shown_with_all_its_lines() {
        let old = (1..=12).map(|n| format!("{n}\n")).collect::<String>();
        let new = old.replace("3\n", "three\n").replace("11\n", "");
        assert_eq!(whole(&old, &new), " 1\n 2\n-3\n+three\n 4\n 5\n 6\n 7\n 8\n 9\n 10\n-11\n 12");
    }

    #[test]
    fn a_new_text_is_all_added_and_an_unchanged_one_all_equal() {
        assert_eq!(whole("", "a\nb\nc\nd"), "+a\n+b\n+c\n+d");
        assert_eq!(whole("a", "a"), " a");
        assert_eq!(whole("", ""), "");
    }

    #[test]
    fn a_very_long_change_is_shown_without_comparing() {
        let (old, new) = ("a\n".repeat(MAX_COMPARED_LINES), "b\n".repeat(MAX_COMPARED_LINES));
        let shown = whole(&old, &new);
        assert_eq!(shown.lines().filter(|line| *line == "-a").count(), MAX_COMPARED_LINES);
        assert_eq!(shown.lines().filter(|line| *line == "+b").count(), MAX_COMPARED_LINES);
    }
}
