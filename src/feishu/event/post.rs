//! Turns rich text (`post`) into Markdown, as a person would have typed it.

use serde_json::Value;

/// The title, lines and code of a received post; `None` if it is not one.
///
/// Feishu sends `{title, content: [[node, …], …]}`, or a map of such objects by language. Then the first one is used.
pub(super) fn flatten(post: &Value) -> Option<String> {
    let post = if post.get("content").is_some_and(Value::is_array) {
        post
    } else {
        post.as_object()?.values().find(|inner| inner.get("content").is_some_and(Value::is_array))?
    };
    let mut lines = Vec::new();
    lines.extend(
        post.get("title").and_then(Value::as_str).filter(|title| !title.is_empty()).map(str::to_owned),
    );
    for paragraph in post.get("content")?.as_array()? {
        let mut line = String::new();
        let nodes = paragraph.as_array().map(Vec::as_slice).unwrap_or_default();
        for node in nodes {
            add(node, &mut line);
        }
        if nodes.last().is_some_and(is_code) {
            line.pop();
        }
        lines.push(line);
    }
    Some(lines.join("\n"))
}

fn add(node: &Value, line: &mut String) {
    let field = |name| node.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("tag") {
        "a" => match (field("text"), field("href")) {
            (text, "") => line.push_str(text),
            ("", href) => line.push_str(href),
            (text, href) if text == href => line.push_str(href),
            (text, href) => line.push_str(&format!("[{text}]({href})")),
        },
        "at" => match field("user_id") {
            key if key.starts_with('@') => line.push_str(key),
            "all" => line.push_str("@_all"),
            _ => {
                line.push('@');
                line.push_str(field("user_name"));
            }
        },
        "img" => line.push_str("[image]"),
        "media" => line.push_str("[video]"),
        "emotion" => line.push_str(&format!(":{}:", field("emoji_type"))),
        "hr" => line.push_str("---"),
        "code_block" => {
            if !line.is_empty() && !line.ends_with('\n') {
                line.push('\n');
            }
            line.push_str(&fenced(field("language"), field("text")));
            line.push('\n');
        }
        // `text`, `md`, and any unknown node with a text.
        _ => line.push_str(field("text")),
    }
}

fn is_code(node: &Value) -> bool {
    node.get("tag").is_some_and(|tag| tag == "code_block")
}

/// The code between fences that are longer than any fence in it.
fn fenced(language: &str, code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    let language: String =
        language.chars().filter(|c| c.is_ascii_alphanumeric() || "+-#_.".contains(*c)).collect();
    let end = if code.is_empty() || code.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{}\n{code}{end}{fence}", language.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_post_becomes_markdown() {
        let post = json!({"title": "Bug", "content": [
            [{"tag": "at", "user_id": "@_user_1", "user_name": "Bot"}, {"tag": "text", "text": " see ", "style": ["bold"]},
             {"tag": "a", "text": "this", "href": "https://x.example/"}, {"tag": "emotion", "emoji_type": "OK"}],
            [],
            [{"tag": "img", "image_key": "img_1"}, {"tag": "media", "file_key": "f"}],
            [{"tag": "text", "text": "code:"}, {"tag": "code_block", "language": "RUST", "text": "fn main() {}\n"},
             {"tag": "text", "text": "after"}],
            [{"tag": "hr"}],
            [{"tag": "a", "text": "https://y.example", "href": "https://y.example"}, {"tag": "a", "text": "bare"}],
            [{"tag": "at", "user_id": "ou_9", "user_name": "Han"}, {"tag": "at", "user_id": "all"}],
            [{"tag": "new", "text": "later"}, 7],
        ]});
        let expected = "Bug\n@_user_1 see [this](https://x.example/):OK:\n\n[image][video]\ncode:\n```rust\n\
                        fn main() {}\n```\nafter\n---\nhttps://y.examplebare\n@Han@_all\nlater";
        assert_eq!(flatten(&post).as_deref(), Some(expected));
    }

    #[test]
    fn a_post_in_a_map_of_languages_is_found() {
        let post = json!({"zh_cn": {"title": "", "content": [[{"tag": "text", "text": "好"}]]}});
        assert_eq!(flatten(&post).as_deref(), Some("好"));
        assert_eq!(flatten(&json!({"title": "x"})), None);
        assert_eq!(flatten(&json!(7)), None);
    }

    #[test]
    fn a_fence_inside_the_code_does_not_end_it() {
        assert_eq!(fenced("Plain Text", "```\na"), "````plaintext\n```\na\n````");
        assert_eq!(fenced("", ""), "```\n```");
    }

    proptest! {
        #[test]
        fn code_is_kept_whole(code in any::<String>()) {
            prop_assert!(fenced("go", &code).contains(&code));
        }
    }
}
