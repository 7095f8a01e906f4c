//! Blocks of code, and the languages that Feishu colours.

/// Code in a fence that it cannot close, in a language that Feishu knows.
pub(in crate::render) fn fenced(language: &str, text: &str) -> String {
    let fence = fence(text);
    let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    format!("{fence}{}\n{text}{newline}{fence}", known(language))
}

/// Backticks enough for a fence around this text.
pub(super) fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Feishu's name of a language; of one that it does not colour, that of plain text. Nothing stays nothing.
fn known(language: &str) -> &'static str {
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
        word => KNOWN.iter().find(|known| **known == word).copied().unwrap_or("plain_text"),
    }
}

/// From Feishu's documentation of the card element `markdown`, those that people are likely to show.
const KNOWN: &[&str] = &[
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
