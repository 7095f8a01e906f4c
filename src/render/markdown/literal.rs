//! Names, paths, patterns and formulas that Markdown would take for emphasis or escapes: which characters of a line are
//! meant as they are written.
//!
//! The rules look at the shape of the words around a character, since CommonMark alone reads `src/*.rs and lib/*.rs` as
//! emphasis and drops the backslash of `\(x\)`. Where a shape is ambiguous, a character that is shown is better than one
//! that is lost.

use super::prepare::stand_in;

/// A line in which every character that is meant literally is replaced by its stand-in. `in_table` is for a row of a
/// table, where a backslash before a pipe is an escape.
pub(super) fn protected(line: &str, in_table: bool) -> String {
    if !line.contains(['*', '_', '\\', '~']) {
        return line.to_owned();
    }
    let characters: Vec<char> = line.chars().collect();
    let mut literal = Literal {
        escaped: vec![false; characters.len()],
        keep: vec![false; characters.len()],
        has_links: line.contains("](") || line.contains("][") || line.contains("]:"),
        in_table,
        indent: characters.iter().take_while(|c| c.is_whitespace() || **c == '>').count(),
        line: &characters,
    };
    literal.backslashes();
    literal.underscores();
    literal.asterisks();
    literal.tildes();
    let keep = literal.keep;
    characters.iter().zip(keep).map(|(c, keep)| if keep { stand_in(*c) } else { *c }).collect()
}

/// A row of a table in which the pipes inside inline code and links are replaced by stand-ins, so that they divide no
/// cells.
pub(super) fn with_pipes_protected(row: &str) -> String {
    let mut out = String::with_capacity(row.len());
    let mut rest = row;
    // Once a run of backticks has no partner, neither has any further run of that length.
    let mut unmatched = Vec::new();
    let mut brackets = row.matches("](").count() + row.matches("]]").count();
    while let Some(at) = rest.find(['`', '[', '<', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.as_bytes()[0] {
            b'\\' => {
                let escaped = rest.chars().take(2).map(char::len_utf8).sum();
                out.push_str(&rest[..escaped]);
                rest = &rest[escaped..];
                continue;
            }
            b'`' => {
                let run = rest.len() - rest.trim_start_matches('`').len();
                let length = if unmatched.contains(&run) { None } else { code_span(rest, run) };
                if length.is_none() {
                    unmatched.push(run);
                    out.push_str(&rest[..run]);
                    rest = &rest[run..];
                    continue;
                }
                length
            }
            b'[' if brackets > 0 => {
                brackets -= 1;
                link(rest)
            }
            b'<' => autolink(rest),
            _ => None,
        };
        let length = length.unwrap_or(1);
        // A pipe that is escaped already needs no stand-in.
        let mut escaped = false;
        out.extend(rest[..length].chars().map(|c| {
            let protect = c == '|' && !escaped;
            escaped = c == '\\' && !escaped;
            if protect { stand_in(c) } else { c }
        }));
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The length of the inline code that a run of backticks opens.
fn code_span(text: &str, run: usize) -> Option<usize> {
    let mut at = run;
    loop {
        at += text[at..].find('`')?;
        let length = text[at..].len() - text[at..].trim_start_matches('`').len();
        at += length;
        if length == run {
            return Some(at);
        }
    }
}

/// The length of a link: `[text](target)`, or `[[page|text]]` as wikis write it.
fn link(text: &str) -> Option<usize> {
    if text.starts_with("[[") {
        let end = text.char_indices().take(MAX_LINK_CHARS).find(|(at, _)| text[*at..].starts_with("]]"));
        return end.map(|(end, _)| end + 2);
    }
    let label = closed(text, '[', ']')?;
    text[label..]
        .starts_with('(')
        .then(|| closed(&text[label..], '(', ')'))
        .flatten()
        .map(|target| label + target)
}

/// The length of a text in brackets, which may contain further pairs of them.
fn closed(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices().take(MAX_LINK_CHARS) {
        if character == open {
            depth += 1;
        } else if character == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + character.len_utf8());
            }
        }
    }
    None
}

/// The length of a URL in angle brackets.
fn autolink(text: &str) -> Option<usize> {
    if !text.starts_with("<http://") && !text.starts_with("<https://") {
        return None;
    }
    let mut characters = text.char_indices().take(MAX_LINK_CHARS);
    let (end, last) = characters.find(|(_, c)| matches!(c, '>' | ' ' | '\n'))?;
    (last == '>').then_some(end + 1)
}

/// Characters of a link that are searched for its end. Bounds the work on a line with many brackets.
const MAX_LINK_CHARS: usize = 2_000;

/// Characters of a word up to which its shape is looked at. Nothing that is longer is a name or a pattern.
const MAX_WORD_CHARS: usize = 1_000;

struct Literal<'l> {
    line: &'l [char],
    /// White space and quote marks at the beginning of the line.
    indent: usize,
    /// Characters after a backslash that escapes them.
    escaped: Vec<bool>,
    /// Characters that are meant as they are written.
    keep: Vec<bool>,
    has_links: bool,
    in_table: bool,
}

impl Literal<'_> {
    fn at(&self, at: usize) -> char {
        self.line.get(at).copied().unwrap_or(' ')
    }

    fn before(&self, at: usize) -> char {
        at.checked_sub(1).map_or(' ', |before| self.at(before))
    }

    /// Keeps the backslashes that escape nothing.
    fn backslashes(&mut self) {
        let mut words = WordRange::default();
        let mut at = 0;
        while at < self.line.len() {
            if self.line[at] != '\\' {
                at += 1;
                continue;
            }
            let (start, end) = words.around(self.line, at, |c| !c.is_whitespace());
            if is_windows_path(&self.line[start..end]) {
                self.keep[start..end].fill(true);
                at = end;
                continue;
            }
            let next = self.at(at + 1);
            if self.is_escape(at, next) {
                self.escaped[at + 1] = true;
                at += 2;
            } else {
                self.keep[at] = true;
                // Two of them stay two.
                at += 1;
                if next == '\\' {
                    self.keep[at] = true;
                    at += 1;
                }
            }
        }
    }

    /// Whether a backslash escapes what follows: punctuation that Markdown would not show.
    fn is_escape(&self, at: usize, next: char) -> bool {
        let begins_line = || at <= self.indent;
        match next {
            '*' | '_' | '`' | '~' | '<' | '>' => true,
            '[' => self.begins_link(at + 1),
            ']' => self.has_links && matches!(self.at(at + 2), '(' | '[' | ':'),
            '!' => self.begins_link(at + 2),
            '|' => self.in_table,
            '#' | '-' | '+' | '=' => begins_line(),
            '.' | ')' => {
                let digits = self.line[..at].iter().rev().take_while(|c| c.is_ascii_digit()).count();
                let start = at - digits;
                digits > 0 && start <= self.indent
            }
            '&' => self.line[at..].iter().take(32).any(|c| *c == ';'),
            // A line break.
            '\n' => true,
            _ => false,
        }
    }

    /// Whether a bracket would begin a link.
    fn begins_link(&self, at: usize) -> bool {
        let rest = self.line.get(at..).unwrap_or_default();
        let end = rest.iter().take(MAX_LINK_CHARS).position(|c| *c == ']');
        let after = end.and_then(|end| rest.get(end + 1));
        self.has_links && rest.first() == Some(&'[') && after.is_some_and(|c| matches!(c, '(' | '[' | ':'))
    }

    /// Keeps the underscores of names and paths, such as `__init__` and `pkg/_private.py`.
    fn underscores(&mut self) {
        let mut words = WordRange::default();
        let mut at = 0;
        while at < self.line.len() {
            if self.line[at] != '_' {
                at += 1;
                continue;
            }
            let (start, end) = words.around(self.line, at, is_of_name);
            let name = &self.line[start..end];
            let trailing = name.iter().rev().take_while(|c| matches!(c, '.' | ':' | '-')).count();
            let name = &name[..name.len() - trailing];
            let has_letter = name.iter().any(char::is_ascii_alphanumeric);
            let is_dunder = name.first() == Some(&'_') && name.last() == Some(&'_');
            let is_path = name.iter().any(|c| matches!(c, '/' | '.' | '@' | '$')) || has_double_colon(name);
            if has_letter && (is_dunder || is_path) {
                for at in start..end {
                    self.keep[at] |= self.line[at] == '_' && !self.escaped[at];
                }
            }
            at = end.max(at + 1);
        }
    }

    /// Keeps the asterisks of patterns, formulas and pointers, such as `src/*.rs`, `a*b*c` and `2**10`.
    fn asterisks(&mut self) {
        let mut words = WordRange::default();
        // Runs of one and of two asterisks that may still be closed.
        let mut open = [0_usize; 2];
        let mut at = 0;
        while at < self.line.len() {
            if self.line[at] != '*' || self.escaped[at] || self.keep[at] {
                at += 1;
                continue;
            }
            let run = self.line[at..].iter().take_while(|c| **c == '*').count();
            let (before, after, beyond) = (self.before(at), self.at(at + run), self.at(at + run + 1));
            if run <= 2 {
                let (start, end) = words.around(self.line, at, |c| !c.is_whitespace());
                let word = &self.line[start..end];
                let open = &mut open[run - 1];
                let is_end = after.is_whitespace() || !(after.is_alphanumeric() || after == '/');
                if self.is_between_operands(before, after, run, word) {
                    self.keep[at..at + run].fill(true);
                } else if *open > 0 && !before.is_whitespace() && is_end {
                    *open -= 1;
                } else if is_pattern(before, after, beyond, run) && !is_wrapped(word, at - start, run) {
                    self.keep[at..at + run].fill(true);
                } else if *open > 0 && !before.is_whitespace() {
                    *open -= 1;
                } else if !after.is_whitespace() {
                    *open += 1;
                }
            }
            at += run;
        }
    }

    /// Whether a run of asterisks multiplies, or raises to a power: letters or digits on both sides.
    fn is_between_operands(&self, before: char, after: char, run: usize, word: &[char]) -> bool {
        let both = before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric();
        let is_number = before.is_ascii_digit() || after.is_ascii_digit();
        let runs = || word.windows(2).filter(|pair| pair[0] == '*' && pair[1] == '*').count();
        both && (run == 1 || is_number || (word.len() <= MAX_WORD_CHARS && runs() < 2))
    }

    /// Keeps single tildes: they mean home or about. Two strike out.
    fn tildes(&mut self) {
        for at in 0..self.line.len() {
            let is_single = self.line[at] == '~' && self.before(at) != '~' && self.at(at + 1) != '~';
            self.keep[at] |= is_single && !self.escaped[at];
        }
    }
}

/// The last word that was looked at, so that each is measured once.
#[derive(Default)]
struct WordRange {
    start: usize,
    end: usize,
}

impl WordRange {
    /// The range of characters of a kind around one of them.
    fn around(&mut self, line: &[char], at: usize, kind: impl Fn(char) -> bool) -> (usize, usize) {
        if !(self.start..self.end).contains(&at) {
            let before = line[self.end.min(at)..at].iter().rev().take_while(|c| kind(**c)).count();
            let after = line[at..].iter().take_while(|c| kind(**c)).count();
            (self.start, self.end) = (at - before, at + after.max(1));
        }
        (self.start, self.end)
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_./\\:@$-+".contains(character)
}

fn has_double_colon(name: &[char]) -> bool {
    name.windows(2).any(|pair| pair == [':', ':'])
}

/// Whether a word is a path as Windows writes it: `C:\new\_table` or `\\server\share`.
fn is_windows_path(word: &[char]) -> bool {
    let start = word.iter().take_while(|c| matches!(c, '(' | '[' | '"' | '\'' | '“' | '‘')).count();
    match &word[start..] {
        [drive, ':', '\\', ..] => drive.is_ascii_alphabetic(),
        ['\\', '\\', first, ..] => first.is_ascii_alphanumeric(),
        _ => false,
    }
}

/// Whether a run of asterisks has the surroundings of a pattern of file names, of a regular expression, or of a comment.
fn is_pattern(before: char, after: char, beyond: char, run: usize) -> bool {
    let is_path = before == '/' || after == '/' || before == '\\';
    let is_extension = after == '.' && (beyond.is_alphanumeric() || beyond == '{');
    let is_expression = before == '.' && (after.is_alphanumeric() || after == '\\');
    let joins_name = run == 1
        && (matches!(after, '-' | '_') && beyond.is_ascii_alphanumeric()
            || matches!(before, '-' | '_') && !after.is_alphanumeric());
    let is_enclosed = matches!(
        (before, after),
        ('(', ')')
            | ('[', ']')
            | ('{', '}')
            | ('<', '>')
            | ('"', '"')
            | ('\'', '\'')
            | ('(', ',')
            | (',', ')')
    );
    is_path || is_extension || is_expression || joins_name || is_enclosed
}

/// Whether a run is the first or the last of a word that stands between two runs of the same length: `**src/**`. A
/// pattern such as `**/build/**` is none.
fn is_wrapped(word: &[char], at: usize, run: usize) -> bool {
    if word.len() > MAX_WORD_CHARS {
        return false;
    }
    let is_mark = |c: &char| !matches!(c, '*' | '/' | '_' | '\\') && !c.is_alphanumeric();
    let start = word.iter().take_while(|c| is_mark(c)).count();
    let end = word.len() - word.iter().rev().take_while(|c| is_mark(c)).count();
    let Some(core) = word.get(start..end) else { return false };
    let ends = |c: &mut dyn Iterator<Item = &char>| c.take_while(|c| **c == '*').count();
    let (first, last) = (ends(&mut core.iter()), ends(&mut core.iter().rev()));
    if first != run || last != run || core.len() <= 2 * run || (run == 1 && core[1] == '.') {
        return false;
    }
    let inner = &core[run..core.len() - run];
    let is_glob = inner.first() == Some(&'/') && inner.last() == Some(&'/');
    !is_glob && (at == start || at == end - run)
}

#[cfg(test)]
mod tests {
    use crate::render::markdown::translate;

    /// What a phone shows of a line of Markdown, with `«»` around emphasis.
    fn shown(text: &str) -> String {
        let feishu = translate(text, 3).0;
        let mut out = String::new();
        for event in pulldown_cmark::Parser::new_ext(&feishu, pulldown_cmark::Options::ENABLE_STRIKETHROUGH) {
            use pulldown_cmark::{Event, Tag, TagEnd};
            match event {
                Event::Text(text) => out.push_str(&text),
                Event::Code(code) => out.push_str(&format!("`{code}`")),
                Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough) => out.push('«'),
                Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough) => out.push('»'),
                Event::SoftBreak | Event::HardBreak => out.push('\n'),
                Event::Start(_)
                | Event::End(_)
                | Event::InlineMath(_)
                | Event::DisplayMath(_)
                | Event::Html(_)
                | Event::InlineHtml(_)
                | Event::FootnoteReference(_)
                | Event::Rule
                | Event::TaskListMarker(_) => {}
            }
        }
        out.replace('\u{200a}', "")
    }

    #[test]
    fn names_paths_patterns_and_formulas_stay_as_they_are_written() {
        let literal = [
            "pkg/__init__.py",
            "__main__",
            "call __init__(self) and __del__",
            "self.__dict__ and cls.__name__",
            "文件__init__里的_x_",
            "src/*.rs and lib/*.rs",
            "src/** and lib/**",
            "**/node_modules/** and **/*.ts",
            "*.rs, *.toml and *.lock",
            "*.{js,ts} or *.{md,txt}",
            "test_* and bench_*",
            "*_test.go and *_mock.go",
            "a*b*c",
            "结果是a*b*c。",
            "2*3*4 = 24",
            "x**2 + y**2 = z**2",
            "2**10 and 2**20",
            "COUNT(*) and SUM(*)",
            "*/5 * * * * and */10 * * * *",
            "/* one */ and /* two */",
            "foo.*bar.*baz and .*x.*y",
            "use \\(x\\) or \\[y\\] in TeX",
            "\\{a\\} and \\\\ and \\% and \\,",
            "C:\\new\\table",
            "C:\\_new\\*.txt and D:\\a\\_b",
            "\\\\server\\share\\__x__",
            "grep 'a\\|b' and sed 's/\\./,/'",
            "cost \\$5 and \\$HOME",
            "~5 to ~10 and ~/a and ~/b",
            "1~3 和 5~8",
            "std::__detail::_Node and std::_x_",
            "me@_host_.example",
            "$_ENV and ${_x_}/y",
        ];
        for text in literal {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn emphasis_stays_emphasis() {
        let emphasized = [
            ("**bold** and *italic* and ~~gone~~", "«bold» and «italic» and «gone»"),
            ("**src/main.rs** and **src/**", "«src/main.rs» and «src/»"),
            ("**/usr/bin** is **/etc/hosts**", "«/usr/bin» is «/etc/hosts»"),
            ("**src/ and lib/**", "«src/ and lib/»"),
            ("**src/*.rs** and more", "«src/*.rs» and more"),
            ("*This is it.* Really.", "«This is it.» Really."),
            ("**Note:** use src/** here", "«Note:» use src/** here"),
            ("(**a**), “**b**”", "(«a»), “«b»”"),
            ("这是**重点**内容，*强调*。", "这是«重点»内容，«强调»。"),
            ("a**b**c", "a«b»c"),
            ("_in these words_ and __in those words__", "«in these words» and «in those words»"),
            ("- **`x_y`**: z", "«`x_y`»: z"),
            ("***both***", "««both»»"),
            ("\\*not\\* \\_this\\_ \\`or\\` \\~that\\~", "*not* _this_ `or` ~that~"),
            ("1\\. no list", "1. no list"),
            ("\\# no heading", "# no heading"),
            ("\\- no item", "- no item"),
            ("\\[no link\\](https://a.example)", "[no link](https://a.example)"),
            ("`src/*.rs` and `a*b*c` and `\\(`", "`src/*.rs` and `a*b*c` and `\\(`"),
        ];
        for (text, expected) in emphasized {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
