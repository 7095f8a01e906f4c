//! One line that says what a tool call does, such as `Read src/main.rs`. Pure.

use std::path::Path;

use serde_json::Value;

/// Characters of a line: about two lines on a phone.
const MAX_LINE_CHARS: usize = 120;

/// What a tool does with its input, for example `Bash cargo test`. One line of plain text with at most 120 characters;
/// paths inside the project are relative to it.
#[must_use]
pub(crate) fn line(tool: &str, input: &Value, project: &Path) -> String {
    let field = |name: &str| input[name].as_str().map(str::trim).filter(|text| !text.is_empty());
    let path = |name: &str| field(name).map(|path| relative(path, project));
    if let Some((server, name)) = tool.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")) {
        return super::card::one_line(&format!("mcp: {server}/{name}"), MAX_LINE_CHARS);
    }
    let object = match tool {
        "Bash" => field("command").map(first_line),
        "Read" | "Edit" | "MultiEdit" | "Write" => path("file_path"),
        "NotebookEdit" | "NotebookRead" => path("notebook_path"),
        "LS" => path("path"),
        "Glob" | "Grep" => {
            let within = path("path").filter(|path| path != ".").map(|path| format!(" in {path}"));
            field("pattern").map(|pattern| format!("{}{}", first_line(pattern), within.unwrap_or_default()))
        }
        "WebFetch" => field("url").map(str::to_owned),
        "WebSearch" => field("query").map(first_line),
        "Skill" => field("skill").map(str::to_owned),
        _ => field("description").map(first_line),
    };
    let line = object.map_or_else(|| tool.to_owned(), |object| format!("{tool} {object}"));
    super::card::one_line(&line, MAX_LINE_CHARS)
}

fn first_line(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, _)) => format!("{} …", first.trim_end()),
        None => text.to_owned(),
    }
}

fn relative(path: &str, project: &Path) -> String {
    match Path::new(path).strip_prefix(project) {
        Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Ok(inside) => inside.display().to_string(),
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_names_the_tool_and_what_it_works_on() {
        let project = Path::new("/srv/shop");
        let lines = [
            line("Bash", &json!({"command": "cargo test\ncargo fmt"}), project),
            line("Read", &json!({"file_path": "/srv/shop/src/main.rs"}), project),
            line("Edit", &json!({"file_path": "/etc/hosts"}), project),
            line("Grep", &json!({"pattern": "fn main", "path": "/srv/shop/src"}), project),
            line("Grep", &json!({"pattern": "fn main", "path": "/srv/shop"}), project),
            line("WebFetch", &json!({"url": "https://example.org/a", "prompt": "what?"}), project),
            line("mcp__github__create_issue", &json!({"title": "x"}), project),
            line("Task", &json!({"description": "Look for tests", "prompt": "…"}), project),
            line("TodoWrite", &json!({"todos": []}), project),
            line("Read", &json!({"file_path": 7}), project),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        Bash cargo test …
        Read src/main.rs
        Edit /etc/hosts
        Grep fn main in src
        Grep fn main
        WebFetch https://example.org/a
        mcp: github/create_issue
        Task Look for tests
        TodoWrite
        Read
        ");
    }

    #[test]
    fn a_long_command_with_escape_codes_becomes_one_short_line() {
        let input = json!({"command": format!("printf '\u{1b}[31m' {}", "x".repeat(500))});
        let line = line("Bash", &input, Path::new("/p"));
        assert_eq!(line.chars().count(), MAX_LINE_CHARS);
        assert!(line.starts_with("Bash printf ' [31m' xxx") && line.ends_with("x…"), "{line}");
    }
}
