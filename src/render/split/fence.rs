//! The fences of CommonMark at the top level: three or more backticks or tildes, indented by three spaces at most.

/// A fence that is open, and what it takes to close it and to open it again.
#[derive(Clone)]
pub(in crate::render) struct Fence {
    mark: char,
    length: usize,
    pub(in crate::render) open: String,
    pub(in crate::render) close: String,
}

impl Fence {
    /// The fence that a line opens. The line that opens it again is the same, unless its info string is so long that
    /// it would fill the part: then the first word stays, or nothing. `None` too for a fence longer than that.
    pub(in crate::render) fn opened_by(line: &str, room: usize) -> Option<Self> {
        let (indent, mark, length, info) = fence_line(line)?;
        let info = info.trim_end();
        if mark == '`' && info.contains('`') {
            return None;
        }
        let close = format!("{}{}", " ".repeat(indent), mark.to_string().repeat(length));
        let budget = room / 4;
        let word = info.split_whitespace().next().unwrap_or_default();
        let open = [info, word, ""]
            .iter()
            .map(|info| format!("{close}{info}\n"))
            .find(|open| open.chars().count() <= budget)?;
        Some(Self { mark, length, open, close })
    }

    pub(in crate::render) fn is_closed_by(&self, line: &str) -> bool {
        fence_line(line).is_some_and(|(_, mark, length, rest)| {
            let blank = rest.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            mark == self.mark && length >= self.length && blank
        })
    }

    /// The most that closing it adds: the fence, and a newline before it.
    pub(super) fn reserve(&self) -> usize {
        self.close.len() + 1
    }
}

/// Indentation, mark, length and the rest of a line that begins like a fence.
pub(super) fn fence_line(line: &str) -> Option<(usize, char, usize, &str)> {
    let unindented = line.trim_start_matches(' ');
    let indent = line.len() - unindented.len();
    let mark = unindented.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let rest = unindented.trim_start_matches(mark);
    let length = unindented.len() - rest.len();
    (indent <= 3 && length >= 3).then_some((indent, mark, length, rest))
}
