//! Reading Rust files as text, without comments, without the words of literals, and without what only tests see.

use std::path::{Path, PathBuf};

/// A Rust file.
pub(super) struct Source {
    /// Its path below the package: `src/feishu/api.rs`.
    pub(super) name: String,
    /// What stands in it.
    pub(super) text: String,
    /// The same, line for line, with spaces in place of comments, of what literals hold, and of items for tests.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let code = without_tests(&masked(text));
        Self { name: name.to_owned(), text: text.to_owned(), code }
    }

    /// Whether it belongs to a module: `src/feishu.rs` and `src/feishu/…` to `src/feishu`.
    pub(super) fn is_of(&self, module: &str) -> bool {
        self.name.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    /// Whether it lies beside the code that it tests.
    pub(super) fn is_test(&self) -> bool {
        self.name.ends_with("/tests.rs") || self.name.contains("/tests/")
    }

    /// How many lines hold code: no blank ones, no comments, and nothing that only tests see.
    pub(super) fn lines_of_code(&self) -> usize {
        self.code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// Its code as words and single marks, with the number of their lines, from 1.
    pub(super) fn tokens(&self) -> Vec<(usize, &str)> {
        let mut tokens = Vec::new();
        for (line, text) in self.code.lines().enumerate() {
            let mut rest = text.trim_start();
            while let Some(first) = rest.chars().next() {
                let end = match first {
                    _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                    _ => first.len_utf8(),
                };
                tokens.push((line + 1, &rest[..end]));
                rest = rest[end..].trim_start();
            }
        }
        tokens
    }
}

/// The Rust files below a folder of the package at `root`, in the order of their names.
pub(super) fn sources(root: &Path, folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                // Build output of the fuzz targets.
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("it lies below").to_string_lossy().into_owned();
                found.push(Source::new(&name, &std::fs::read_to_string(&path).expect("it is text")));
            }
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text with spaces for each character of a comment and of what stands in a literal.
fn masked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment(&chars, at);
        if end == at {
            masked.push(chars[at]);
            at += 1;
            continue;
        }
        // The quotes of a string stay, so that it is still something.
        let stays = |c: char| c == '\n' || (c == '"' && chars[at] != '\'' && chars[at] != '/');
        masked.extend(chars[at..end].iter().map(|&c| if stays(c) { c } else { ' ' }));
        at = end;
    }
    masked
}

/// Where the comment or literal ends that begins here; `at` when none does.
fn literal_or_comment(chars: &[char], at: usize) -> usize {
    let get = |place: usize| chars.get(place).copied().unwrap_or_default();
    let find = |from: usize, is: &dyn Fn(usize) -> bool| {
        (from..chars.len()).find(|&place| is(place)).unwrap_or(chars.len())
    };
    match (get(at), get(at + 1)) {
        ('/', '/') => find(at, &|place| get(place) == '\n'),
        ('/', '*') => {
            let (mut depth, mut place) = (1, at + 2);
            while depth > 0 && place < chars.len() {
                match (get(place), get(place + 1)) {
                    ('/', '*') => (depth, place) = (depth + 1, place + 2),
                    ('*', '/') => (depth, place) = (depth - 1, place + 2),
                    _ => place += 1,
                }
            }
            place
        }
        ('"', _) => quoted(chars, at),
        ('\'', '\\') => find(at + 3, &|place| get(place) == '\'') + 1,
        ('\'', _) if get(at + 2) == '\'' => at + 3,
        ('r', '"' | '#') if at == 0 || !is_word(get(at - 1)) || matches!(get(at - 1), 'b' | 'c') => {
            let quote = find(at + 1, &|place| get(place) != '#');
            if get(quote) != '"' {
                return at;
            }
            let hashes = quote - at - 1;
            let ends = |place: usize| get(place) == '"' && (1..=hashes).all(|nth| get(place + nth) == '#');
            (find(quote + 1, &ends) + 1 + hashes).min(chars.len())
        }
        _ => at,
    }
}

/// Where the string ends whose first quote stands here.
fn quoted(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The code with spaces for each item behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const FOR_TESTS: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(FOR_TESTS) {
        let (before, item) = rest.split_at(at);
        let (mut depth, mut end) = (0_usize, item.len());
        for (place, c) in item.char_indices().skip(FOR_TESTS.len()) {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            // An attribute ends with a bracket, an item with a brace or a semicolon.
            if depth == 0 && matches!(c, '}' | ';') {
                end = place + 1;
                break;
            }
        }
        kept.push_str(before);
        kept.extend(item[..end].chars().map(|c| if c == '\n' { c } else { ' ' }));
        rest = &item[end..];
    }
    kept + rest
}
