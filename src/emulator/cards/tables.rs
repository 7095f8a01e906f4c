//! The tables of a Markdown text, as far as their number goes.

/// How many tables a text has: lines of dashes between bars under a line with a bar, outside code fences.
pub(super) fn count(markdown: &str) -> usize {
    let mut tables = 0;
    let mut fence: Option<(char, usize)> = None;
    let mut before = "";
    for line in markdown.lines() {
        let mark = fence_mark(line);
        match (fence, mark) {
            (None, Some(opened)) => fence = Some(opened),
            (Some((character, length)), Some((other, other_length))) => {
                let closes = character == other && other_length >= length;
                if closes && line.trim().chars().all(|each| each == character) {
                    fence = None;
                }
            }
            (None, None) => tables += usize::from(before.contains('|') && is_rule(line)),
            (Some(_), None) => {}
        }
        before = if fence.is_some() { "" } else { line };
    }
    tables
}

fn fence_mark(line: &str) -> Option<(char, usize)> {
    let line = line.trim_start();
    let first = line.chars().next().filter(|first| matches!(first, '`' | '~'))?;
    let length = line.chars().take_while(|each| *each == first).count();
    (length >= 3).then_some((first, length))
}

fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.contains('-') && line.contains('|') && line.chars().all(|each| matches!(each, '|' | '-' | ':' | ' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_inside_a_fence_does_not_count() {
        let table = "| a | b |\n|:--|--:|\n| 1 | 2 |\n";
        assert_eq!(count(table), 1);
        assert_eq!(count(&format!("````md\n{table}```\n{table}````\n\n{table}")), 1);
        assert_eq!(count("a | b\n\n---\n"), 0);
    }
}
