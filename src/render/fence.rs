//! Fenced code blocks of Markdown: recognizing fences in a text, and writing code into one.
//!
//! Only fences at the top level of CommonMark count: three or more backticks or tildes, indented by at most three spaces.

/// An open fence, with the lines that close it and open it again.
#[derive(Clone)]
pub(super) struct Fence {
    mark: char,
    length: usize,
    /// The line that opens the fence again, with its newline.
    pub(super) open: String,
    /// The line that closes the fence, without a newline.
    pub(super) close: String,
}

impl Fence {
    /// The fence that `line` opens, if it opens one. `room` is the number of characters in a part: an info string that
    /// would fill more than a quarter of it is shortened to its first word or to nothing. A fence that is too long even
    /// then is not treated as one.
    pub(super) fn opened_by(line: &str, room: usize) -> Option<Self> {
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

    /// Whether `line` closes this fence.
    pub(super) fn is_closed_by(&self, line: &str) -> bool {
        fence_line(line).is_some_and(|(_, mark, length, rest)| {
            let blank = rest.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            mark == self.mark && length >= self.length && blank
        })
    }

    /// Whether `line` opens a fence of the same kind with an info string: in this one, a nested block.
    pub(super) fn is_nested_by(&self, line: &str) -> bool {
        fence_line(line).is_some_and(|(_, mark, length, info)| {
            mark == self.mark && length >= self.length && !info.trim().is_empty() && !info.contains(mark)
        })
    }

    /// Bytes that closing the fence adds at most: the closing line and a newline before it.
    pub(super) fn closing_bytes(&self) -> usize {
        self.close.len() + 1
    }
}

/// Indentation, mark, length and the remainder of a line that begins like a fence.
pub(super) fn fence_line(line: &str) -> Option<(usize, char, usize, &str)> {
    let unindented = line.trim_start_matches(' ');
    let indent = line.len() - unindented.len();
    let mark = unindented.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let rest = unindented.trim_start_matches(mark);
    let length = unindented.len() - rest.len();
    (indent <= 3 && length >= 3).then_some((indent, mark, length, rest))
}

/// Code in a fence that the code cannot close, with a language name that Feishu knows.
pub(crate) fn fenced(language: &str, code: &str) -> String {
    let fence = fence_for(code);
    let newline = if code.ends_with('\n') || code.is_empty() { "" } else { "\n" };
    format!("{fence}{}\n{code}{newline}{fence}", feishu_language(language))
}

/// A run of backticks that is longer than any in `code`.
pub(super) fn fence_for(code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Feishu's name for a language. An empty name stays empty; a language that Feishu does not highlight becomes plain
/// text.
fn feishu_language(language: &str) -> &'static str {
    let word = language.split(|c: char| c.is_whitespace() || c == ',' || c == '{').next().unwrap_or_default();
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "" => "",
        "c++" | "cc" | "cxx" | "hpp" => "cpp",
        "cs" | "c#" | "csharp" => "c_sharp",
        "coffee" | "coffeescript" => "coffee_script",
        "console" | "sh" | "shell-session" | "zsh" | "fish" => "shell",
        "dockerfile" | "docker" => "docker_file",
        "golang" => "go",
        "h" => "c",
        "hs" => "haskell",
        "htm" | "vue" | "svelte" => "html",
        "ini" | "conf" => "properties",
        "js" | "jsx" | "mjs" => "javascript",
        "json5" | "jsonc" | "jsonl" => "json",
        "kt" => "kotlin",
        "make" | "mk" => "makefile",
        "md" => "markdown",
        "objc" | "objective-c" => "objective_c",
        "patch" => "diff",
        "pl" => "perl",
        "proto" => "protobuf",
        "ps1" | "pwsh" => "powershell",
        "py" | "python3" => "python",
        "rb" => "ruby",
        "rs" => "rust",
        "svg" => "xml",
        "tex" => "latex",
        "ts" | "tsx" => "typescript",
        "vb" => "visual_basic",
        "yml" => "yaml",
        word => HIGHLIGHTED_LANGUAGES.iter().find(|known| **known == word).copied().unwrap_or("plain_text"),
    }
}

/// The languages that Feishu's documentation of the card element `markdown` lists, without the rare ones.
const HIGHLIGHTED_LANGUAGES: &[&str] = &[
    "apache",
    "assembly",
    "bash",
    "c",
    "c_sharp",
    "clojure",
    "cmake",
    "cobol",
    "coffee_script",
    "cpp",
    "css",
    "dart",
    "delphi",
    "diff",
    "docker_file",
    "erlang",
    "fortran",
    "go",
    "graphql",
    "groovy",
    "haskell",
    "html",
    "http",
    "java",
    "javascript",
    "json",
    "julia",
    "kotlin",
    "latex",
    "lisp",
    "lua",
    "makefile",
    "markdown",
    "matlab",
    "nginx",
    "objective_c",
    "perl",
    "php",
    "plain_text",
    "powershell",
    "properties",
    "protobuf",
    "python",
    "r",
    "ruby",
    "rust",
    "scala",
    "scheme",
    "scss",
    "shell",
    "solidity",
    "sql",
    "swift",
    "thrift",
    "toml",
    "typescript",
    "visual_basic",
    "xml",
    "yaml",
];
