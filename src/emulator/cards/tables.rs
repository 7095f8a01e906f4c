//! The tables of a Markdown text, as far as their number goes.

/// How many tables a text has: lines of dashes between bars under a line with a bar, outside code fences.
pub(super) fn count(markdown: &str) -> usize {
    let lines: Vec<&str> = outside_fences(markdown).map(Option::unwrap_or_default).collect();
    lines.windows(2).filter(|two| two[0].contains('|') && is_rule(two[1])).count()
}

/// The lines of a text; none in the place of those that are or mark code.
pub(super) fn outside_fences(markdown: &str) -> impl Iterator<Item = Option<&str>> {
    let mut fence: Option<(char, usize)> = None;
    markdown.lines().map(move |line| match (fence, fence_mark(line)) {
        (None, Some(opened)) => {
            fence = Some(opened);
            None
        }
        (Some((character, length)), Some((other, other_length))) => {
            let closes = character == other && other_length >= length;
            if closes && line.trim().chars().all(|each| each == character) {
                fence = None;
            }
            None
        }
        (None, None) => Some(line),
        (Some(_), None) => None,
    })
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
