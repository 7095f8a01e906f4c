//! What a permission request would do, in full, as text. Pure.
//!
//! Nothing is shortened: who decides must see the whole of what would run.

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr as _;

use super::diff;
use super::document::Block;

/// What `tool` would do with `input`, as blocks: the command, the path and the diff of an edit, the path and the content
/// of a new file, the URL; of any other tool, and of what has no place of its own, the input as JSON. None of it is taken
/// for Markdown, and characters that would hide or turn round others are spelt out.
#[must_use]
pub fn blocks(tool: &str, input: &Value) -> Vec<Block> {
    // The heading may not have room for the whole name.
    own(tool, input).unwrap_or_else(|| vec![Block::text(visible(tool)), json(input)])
}

/// What Claude says that a command is for.
#[must_use]
pub fn purpose<'a>(tool: &str, input: &'a Value) -> Option<&'a str> {
    if tool == "Bash" { input["description"].as_str().filter(|said| !said.trim().is_empty()) } else { None }
}

/// So many bytes fit on the cards of one document, whatever they are.
const MOST: usize = 200_000;

/// Whether that is more than a chat shows whole.
#[must_use]
pub fn is_huge(tool: &str, input: &Value) -> bool {
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
        | Block::Typed { .. } => 0,
    });
    bytes.sum::<usize>() > MOST
}

/// None when a field that the tool cannot do without is missing or no text.
fn own(tool: &str, input: &Value) -> Option<Vec<Block>> {
    let fields = input.as_object()?;
    let field = |name: &str| fields.get(name).and_then(Value::as_str);
    let mut blocks = Vec::new();
    let told: &[&str] = match tool {
        "Bash" => {
            blocks.push(in_sight("bash", field("command")?));
            // What it is for is said apart from what it does.
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
            blocks.extend(field("prompt").map(|words| Block::text(visible(words))));
            &["url", "prompt"]
        }
        _ => return None,
    };
    blocks.extend(rest(fields, told));
    Some(blocks)
}

/// The fields that were not told yet; what is told as text and is none counts as not told.
fn rest(fields: &Map<String, Value>, told: &[&str]) -> Option<Block> {
    let is_told = |name: &str, value: &Value| {
        // Claude Code writes this one always; it only says something when it is set.
        let usual = name == "replace_all" && *value == Value::Bool(false);
        usual || told.contains(&name) && (value.is_string() || value.is_array())
    };
    let rest: Map<String, Value> = fields
        .iter()
        .filter(|(name, value)| !is_told(name, value))
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

/// A phone shows so many columns of a line of code; the rest is out of sight until one scrolls.
const IN_SIGHT: usize = 40;
/// The most that a tab takes.
const TAB: &str = "        ";

/// The columns of the widest line of code in what `blocks` gave, where that is more than a phone shows. A Chinese
/// character takes two.
#[must_use]
pub fn out_of_sight(blocks: &[Block]) -> Option<usize> {
    let code = blocks
        .iter()
        .filter_map(|block| if let Block::Code { text, .. } = block { Some(text) } else { None });
    code.flat_map(|text| text.lines())
        .map(|line| line.replace('\t', TAB).width())
        .max()
        .filter(|&most| most > IN_SIGHT)
}

/// A command or an input as code; one with a long line as text, which is broken where the screen ends: what stands behind
/// a hundred spaces must be seen by who decides.
fn in_sight(language: &str, text: &str) -> Block {
    let code = code(language, text);
    if out_of_sight(std::slice::from_ref(&code)).is_none() { code } else { Block::text(visible(text)) }
}

/// What Markdown's fences call the language of a file.
fn language(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
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

/// A text in which nothing is hidden: control characters, blanks that are no space, marks that turn the direction of
/// writing round and characters that are not drawn at all are spelt as Rust spells them. Those that emoji are made with
/// stay between emoji.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_made_with = match character {
            '\u{200d}' => {
                before.is_some_and(is_pictorial) && characters.peek().copied().is_some_and(is_pictorial)
            }
            '\u{fe0f}' => before.is_some_and(is_pictorial),
            _ => false,
        };
        if character == '\r' {
            out.push_str("\\r");
        } else if hides(character) && !is_made_with {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
        // A mark that belongs to an emoji is a part of it.
        if !is_made_with || character != '\u{fe0f}' {
            before = Some(character);
        }
    }
    out
}

/// Whether a character is a picture, or a part of one.
fn is_pictorial(character: char) -> bool {
    matches!(character, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') && !hides(character)
}

/// Whether a character cannot be seen or does something to what stands beside it: Unicode's default ignorable ones,
/// blanks but for the space and the wide one that Chinese text has, separators, and control characters.
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
    fn a_command_that_would_leave_the_screen_is_text_which_is_broken_there() {
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
        assert_eq!(out_of_sight(&blocks("Edit", &edit)), Some(1 + hidden.len()));
        assert_eq!(out_of_sight(&blocks("Bash", &json!({"command": hidden}))), None);
        let short = "cargo test\ncargo clippy";
        assert_eq!(blocks("Bash", &json!({"command": short})), [Block::code("bash", short)]);
    }

    #[test]
    fn what_cannot_be_seen_is_spelt_out_but_in_emoji() {
        let spelt = [
            ("cd /tmp/scratch\r\nrm -rf ./*", "cd /tmp/scratch\\r\nrm -rf ./*"),
            ("cd /tmp/scratch\u{200d}; rm -rf ./*", "cd /tmp/scratch\\u{200d}; rm -rf ./*"),
            ("ls\u{3164}\u{ffa0}\u{a0}\u{2800}x", "ls\\u{3164}\\u{ffa0}\\u{a0}\\u{2800}x"),
            ("a\u{fe0f}b\u{e0041}", "a\\u{fe0f}b\\u{e0041}"),
            (
                "👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥 空\u{3000}格",
                "👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥 空\u{3000}格",
            ),
        ];
        for (text, shown) in spelt {
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
    fn what_no_chat_shows_whole_is_huge() {
        let write = |bytes: usize| json!({"file_path": "a", "content": "x\n".repeat(bytes / 2)});
        assert!(!is_huge("Write", &write(150_000)) && is_huge("Write", &write(250_000)));
        let mut nested = json!(1);
        for _ in 0..100 {
            nested = json!([nested]);
        }
        let nested = json!({"a": vec![nested; 50]});
        assert!(nested.to_string().len() < 20_000 && is_huge("mcp__x__y", &nested));
    }

    /// Each block in a line of its own kind.
    fn shown(tool: &str, input: &Value) -> String {
        let line = |block: &Block| serde_json::to_string(block).unwrap();
        blocks(tool, input).iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn nothing_of_what_would_run_is_left_out() {
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
    fn what_would_hide_something_is_spelt_out() {
        let input = json!({"command": "echo \u{202e}fdp\u{200b}.exe \u{1b}[8m\ttab 👩\u{200d}👧"});
        assert_eq!(
            blocks("Bash", &input),
            vec![Block::text("echo \\u{202e}fdp\\u{200b}.exe \\u{1b}[8m\ttab 👩\u{200d}👧")]
        );
    }
}
