//! What a tool call would do, shown in full to the person who decides about it. Pure.
//!
//! Nothing is shortened and nothing can hide: whoever decides must see everything that would run.

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr as _;

use super::diff;
use super::document::Block;

/// What `tool` would do with `input`: a command, the path and diff of an edit, the path and content of a new file, or a
/// URL. The input of any other tool, and fields that are not expected, are shown as JSON. Nothing is read as Markdown,
/// and characters that would hide or reorder others are written as escapes.
#[must_use]
pub(crate) fn blocks(tool: &str, input: &Value) -> Vec<Block> {
    // The heading may not have room for the whole name.
    known_tool(tool, input).unwrap_or_else(|| vec![Block::text(visible(tool)), json(input)])
}

/// Claude's own description of a command. It is a claim, not part of what would run.
#[must_use]
pub(crate) fn purpose<'a>(tool: &str, input: &'a Value) -> Option<&'a str> {
    if tool == "Bash" { input["description"].as_str().filter(|text| !text.trim().is_empty()) } else { None }
}

/// Bytes that surely fit on the cards of one document.
const MAX_SHOWN_BYTES: usize = 200_000;

/// Whether the call is too large to be shown in full in a chat.
#[must_use]
pub(crate) fn is_huge(tool: &str, input: &Value) -> bool {
    let shown = blocks(tool, input);
    let bytes = shown.iter().map(|block| match block {
        Block::Text { text }
        | Block::Code { text, .. }
        | Block::Markdown { text }
        | Block::Small { text } => text.len(),
        Block::Stream { .. }
        | Block::Fold { .. }
        | Block::Rule
        | Block::Row { .. }
        | Block::Buttons { .. }
        | Block::Form { .. }
        | Block::TypedHint { .. } => 0,
    });
    bytes.sum::<usize>() > MAX_SHOWN_BYTES
}

/// The blocks for a tool that is known. `None` for an unknown tool, and if a required field is missing or not text.
fn known_tool(tool: &str, input: &Value) -> Option<Vec<Block>> {
    let fields = input.as_object()?;
    let field = |name: &str| fields.get(name).and_then(Value::as_str);
    let mut blocks = Vec::new();
    let shown: &[&str] = match tool {
        "Bash" => {
            blocks.push(in_sight("bash", field("command")?));
            // The description is shown apart from the command: see `purpose`.
            &["command", "description"]
        }
        "Write" => {
            let path = field("file_path")?;
            blocks.push(Block::text(visible(path)));
            blocks.push(code(language(path), field("content")?));
            &["file_path", "content"]
        }
        "Edit" => {
            blocks.push(Block::text(visible(field("file_path")?)));
            blocks.push(code("diff", &diff::whole(field("old_string")?, field("new_string")?)));
            &["file_path", "old_string", "new_string"]
        }
        "MultiEdit" => {
            blocks.push(Block::text(visible(field("file_path")?)));
            for edit in fields.get("edits")?.as_array()? {
                let edit = edit.as_object()?;
                let field = |name: &str| edit.get(name).and_then(Value::as_str);
                blocks.push(code("diff", &diff::whole(field("old_string")?, field("new_string")?)));
                blocks.extend(rest(edit, &["old_string", "new_string"]));
            }
            &["file_path", "edits"]
        }
        "NotebookEdit" => {
            blocks.push(Block::text(visible(field("notebook_path")?)));
            blocks.push(code("", field("new_source")?));
            &["notebook_path", "new_source"]
        }
        "WebFetch" => {
            blocks.push(Block::text(visible(field("url")?)));
            blocks.extend(field("prompt").map(|prompt| Block::text(visible(prompt))));
            &["url", "prompt"]
        }
        _ => return None,
    };
    blocks.extend(rest(fields, shown));
    Some(blocks)
}

/// The fields that are not in `shown`, as JSON. A field in `shown` that is neither text nor a list was not shown and
/// counts as missing.
fn rest(fields: &Map<String, Value>, shown: &[&str]) -> Option<Block> {
    let is_shown = |name: &str, value: &Value| {
        // Claude Code always sends this field; it matters only when it is set.
        let usual = name == "replace_all" && *value == Value::Bool(false);
        usual || shown.contains(&name) && (value.is_string() || value.is_array())
    };
    let rest: Map<String, Value> = fields
        .iter()
        .filter(|(name, value)| !is_shown(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!rest.is_empty()).then(|| json(&Value::Object(rest)))
}

fn json(value: &Value) -> Block {
    in_sight("json", &serde_json::to_string_pretty(value).unwrap_or_default())
}

fn code(language: &str, text: &str) -> Block {
    Block::code(language, visible(text))
}

/// Columns of a code block that a phone shows without scrolling.
const VISIBLE_COLUMNS: usize = 40;
/// The widest tab.
const TAB: &str = "        ";

/// The number of columns of the widest line of code in `blocks`, if a phone does not show it without scrolling. A Chinese
/// character counts as two columns.
#[must_use]
pub(crate) fn columns_out_of_sight(blocks: &[Block]) -> Option<usize> {
    let code = blocks
        .iter()
        .filter_map(|block| if let Block::Code { text, .. } = block { Some(text) } else { None });
    code.flat_map(|text| text.lines())
        .map(|line| line.replace('\t', TAB).width())
        .max()
        .filter(|&most| most > VISIBLE_COLUMNS)
}

/// A command or an input as code. If a line is wider than the screen it becomes plain text instead, which wraps: nobody
/// must overlook what follows a hundred spaces.
fn in_sight(language: &str, text: &str) -> Block {
    let code = code(language, text);
    if columns_out_of_sight(std::slice::from_ref(&code)).is_none() {
        code
    } else {
        Block::text(visible(text))
    }
}

/// The language of a file for the info string of a fence, by the file's extension.
fn language(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs") => "rust",
        Some("py") => "python",
        Some("js" | "mjs" | "cjs" | "jsx") => "javascript",
        Some("ts" | "tsx") => "typescript",
        Some("go") => "go",
        Some("c" | "h") => "c",
        Some("cc" | "cpp" | "hpp") => "cpp",
        Some("java") => "java",
        Some("sh" | "bash") => "bash",
        Some("json") => "json",
        Some("toml") => "toml",
        Some("yaml" | "yml") => "yaml",
        Some("html") => "html",
        Some("css") => "css",
        Some("sql") => "sql",
        _ => "",
    }
}

/// The text with everything invisible written as an escape in Rust's notation: control characters, unusual spaces, marks
/// that change the direction of writing, and characters that are not drawn. Characters that join emoji stay where they do
/// so.
#[must_use]
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let joins_emoji = match character {
            '\u{200d}' => {
                before.is_some_and(is_pictorial) && characters.peek().copied().is_some_and(is_pictorial)
            }
            '\u{fe0f}' => before.is_some_and(is_pictorial),
            _ => false,
        };
        if character == '\r' {
            out.push_str("\\r");
        } else if hides(character) && !joins_emoji {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
        // A variation selector belongs to the emoji before it.
        if !joins_emoji || character != '\u{fe0f}' {
            before = Some(character);
        }
    }
    out
}

/// Whether a character is an emoji or a pictograph.
fn is_pictorial(character: char) -> bool {
    matches!(character, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') && !hides(character)
}

/// Whether a character is invisible or changes how its neighbours are shown: Unicode's default ignorable characters,
/// separators, control characters, and all spaces except the ordinary and the ideographic one.
fn hides(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{a0}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{1680}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        character => character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_that_is_wider_than_the_screen_becomes_text_that_wraps() {
        let hidden = format!("ls{}; rm -rf ~", " ".repeat(100));
        assert_eq!(blocks("Bash", &json!({"command": hidden})), [Block::text(&hidden)]);
        let tool = json!({"shell": hidden});
        assert_eq!(
            blocks("mcp__shell__run", &tool)[1..],
            [Block::text(format!("{{\n  \"shell\": \"{hidden}\"\n}}"))]
        );
        for hidden in ["字".repeat(21), format!("ls{}; rm", "\t".repeat(5))] {
            assert_eq!(blocks("Bash", &json!({"command": hidden})), [Block::text(hidden)]);
        }
        let edit = json!({"file_path": "a", "old_string": "", "new_string": format!("{hidden}\n")});
        assert_eq!(columns_out_of_sight(&blocks("Edit", &edit)), Some(1 + hidden.len()));
        assert_eq!(columns_out_of_sight(&blocks("Bash", &json!({"command": hidden}))), None);
        let short = "cargo test\ncargo clippy";
        assert_eq!(blocks("Bash", &json!({"command": short})), [Block::code("bash", short)]);
    }

    #[test]
    fn invisible_characters_are_escaped_except_inside_emoji() {
        let escaped = [
            ("cd /tmp/scratch\r\nrm -rf ./*", "cd /tmp/scratch\\r\nrm -rf ./*"),
            ("cd /tmp/scratch\u{200d}; rm -rf ./*", "cd /tmp/scratch\\u{200d}; rm -rf ./*"),
            ("ls\u{3164}\u{ffa0}\u{a0}\u{2800}x", "ls\\u{3164}\\u{ffa0}\\u{a0}\\u{2800}x"),
            ("a\u{fe0f}b\u{e0041}", "a\\u{fe0f}b\\u{e0041}"),
            (
                "👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥 空\u{3000}格",
                "👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥 空\u{3000}格",
            ),
        ];
        for (text, shown) in escaped {
            assert_eq!(visible(text), shown);
        }
        let hidden = json!({"command": format!("ls {}; evil", "\u{3164}".repeat(200))});
        let shown = blocks("Bash", &hidden);
        assert!(
            matches!(&shown[..], [Block::Text { text }] if text.ends_with("\\u{3164}; evil")),
            "{shown:?}"
        );
    }

    #[test]
    fn a_call_that_no_chat_shows_in_full_is_huge() {
        let write = |bytes: usize| json!({"file_path": "a", "content": "x\n".repeat(bytes / 2)});
        assert!(!is_huge("Write", &write(150_000)) && is_huge("Write", &write(250_000)));
        let mut nested = json!(1);
        for _ in 0..100 {
            nested = json!([nested]);
        }
        let nested = json!({"a": vec![nested; 50]});
        assert!(nested.to_string().len() < 20_000 && is_huge("mcp__x__y", &nested));
    }

    /// Each block as one line of JSON.
    fn shown(tool: &str, input: &Value) -> String {
        let line = |block: &Block| serde_json::to_string(block).unwrap();
        blocks(tool, input).iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn everything_that_would_run_is_shown() {
        let bash = json!({"command": "rm -rf a\n# b", "description": "Clean up", "run_in_background": true});
        let edit = json!({"file_path": "/p/a.rs", "old_string": "a\nb\n", "new_string": "a\nc\n", "replace_all": true});
        let edits = json!({"file_path": "/p/a.rs", "edits": [
            {"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": "d", "replace_all": true}]});
        let note = json!({"notebook_path": "/p/n.ipynb", "new_source": "print(1)", "edit_mode": "insert"});
        let shown = [
            shown("Bash", &bash),
            shown("Write", &json!({"file_path": "/p/a.py", "content": "print()\n"})),
            shown("Edit", &edit),
            shown("MultiEdit", &edits),
            shown("NotebookEdit", &note),
            shown("WebFetch", &json!({"url": "https://example.org/?q=<at>", "prompt": "**what**?"})),
            shown("mcp__x__y", &json!({"a": {"b": [1]}})),
            shown("Bash", &json!({"command": ["ls"]})),
            shown("Bash", &json!({"command": "ls", "description": {"x": 1}})),
        ];
        insta::assert_snapshot!(shown.join("\n\n"), @r##"
        {"block":"code","language":"bash","text":"rm -rf a\n# b"}
        {"block":"code","language":"json","text":"{\n  \"run_in_background\": true\n}"}

        {"block":"text","text":"/p/a.py"}
        {"block":"code","language":"python","text":"print()\n"}

        {"block":"text","text":"/p/a.rs"}
        {"block":"code","language":"diff","text":" a\n-b\n+c"}
        {"block":"code","language":"json","text":"{\n  \"replace_all\": true\n}"}

        {"block":"text","text":"/p/a.rs"}
        {"block":"code","language":"diff","text":"-a\n+b"}
        {"block":"code","language":"diff","text":"-c\n+d"}
        {"block":"code","language":"json","text":"{\n  \"replace_all\": true\n}"}

        {"block":"text","text":"/p/n.ipynb"}
        {"block":"code","language":"","text":"print(1)"}
        {"block":"code","language":"json","text":"{\n  \"edit_mode\": \"insert\"\n}"}

        {"block":"text","text":"https://example.org/?q=<at>"}
        {"block":"text","text":"**what**?"}

        {"block":"text","text":"mcp__x__y"}
        {"block":"code","language":"json","text":"{\n  \"a\": {\n    \"b\": [\n      1\n    ]\n  }\n}"}

        {"block":"text","text":"Bash"}
        {"block":"code","language":"json","text":"{\n  \"command\": [\n    \"ls\"\n  ]\n}"}

        {"block":"code","language":"bash","text":"ls"}
        {"block":"code","language":"json","text":"{\n  \"description\": {\n    \"x\": 1\n  }\n}"}
        "##);
    }

    #[test]
    fn characters_that_would_hide_others_are_escaped() {
        let input = json!({"command": "echo \u{202e}fdp\u{200b}.exe \u{1b}[8m\ttab 👩\u{200d}👧"});
        assert_eq!(
            blocks("Bash", &input),
            vec![Block::text("echo \\u{202e}fdp\\u{200b}.exe \\u{1b}[8m\ttab 👩\u{200d}👧")]
        );
    }
}
