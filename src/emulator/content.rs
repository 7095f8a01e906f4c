//! The content of a message by its type: what Feishu takes, and the words that a phone shows of it. Pure.

use serde_json::Value;

use crate::emulator::{
    answer::FeishuRefusal,
    cards::{self, CardFault},
};

/// The longest request with a text (Feishu: 150 KB; taken as 1,000 bytes each, the stricter reading).
const TEXT_LIMIT: usize = 150_000;
/// The longest content of a post or a card (Feishu: 30 KB, read as above).
const RICH_LIMIT: usize = 30_000;
/// The nodes that a post may be made of.
const POST_NODES: &[&str] = &["text", "a", "at", "img", "media", "emotion", "code_block", "hr", "md"];

/// What a checked content asks for beside its JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ContentExtras {
    /// Nothing: it can be shown.
    Ready(Value),
    /// A key of something uploaded, and the `msg_type` that shows it.
    Keys(Value, Vec<String>),
    /// The card entity that the message shows, by its id.
    Entity(String),
}

/// Checks a message's content, given as the JSON text that a request carries.
pub(crate) fn check(
    msg_type: &str,
    content: &str,
    request_bytes: usize,
) -> Result<ContentExtras, FeishuRefusal> {
    let too_long = match msg_type {
        "text" => request_bytes > TEXT_LIMIT,
        "post" | "interactive" => content.len() > RICH_LIMIT,
        _ => false,
    };
    if too_long {
        let refusal = FeishuRefusal::new(230_025, "The length of the message content reaches its limit.");
        return Err(FeishuRefusal { of_card: msg_type == "interactive", ..refusal });
    }
    let Ok(value) = serde_json::from_str::<Value>(content) else {
        return Err(if msg_type == "interactive" {
            card_refusal(&CardFault::Unparsable)
        } else {
            FeishuRefusal::parameter("content is not a string in json format")
        });
    };
    if !value.is_object() {
        return Err(FeishuRefusal::parameter("content is not a json object"));
    }
    let key = |name: &str| value[name].as_str().filter(|key| !key.is_empty()).map(str::to_owned);
    match msg_type {
        "text" => match key("text") {
            Some(_) => Ok(ContentExtras::Ready(value)),
            None => Err(FeishuRefusal::parameter("text is required and must not be empty")),
        },
        "post" => check_post(value),
        "image" => keyed(key("image_key"), value),
        "file" | "audio" | "media" | "sticker" => keyed(key("file_key"), value),
        "share_chat" | "share_user" => Ok(ContentExtras::Ready(value)),
        "interactive" => check_card(value),
        other => Err(FeishuRefusal::parameter(&format!("unsupported msg_type {other:?}"))),
    }
}

/// A card's fault as the message API reports it.
pub(crate) fn card_refusal(fault: &CardFault) -> FeishuRefusal {
    let (code, words) = fault.for_messages();
    FeishuRefusal::of_card(230_099, unbuilt(code, &words))
}

/// A card that cannot be built, as the API of messages reports it, whatever is the matter.
pub(crate) fn not_built(sub_code: i64, words: &str) -> FeishuRefusal {
    FeishuRefusal::new(230_099, unbuilt(sub_code, words))
}

fn unbuilt(sub_code: i64, words: &str) -> String {
    format!("Failed to create card content, ext=ErrCode: {sub_code}; ErrMsg: {words}; ")
}

/// The words of a content: a text verbatim, anything else as lines.
pub(crate) fn flatten(msg_type: &str, content: &Value) -> String {
    match msg_type {
        "text" => named(content["text"].as_str().unwrap_or_default()),
        "post" => flatten_post(content),
        "interactive" => cards::flatten(content),
        "image" => content.get("image_key").map(|_| "[image]".to_owned()).unwrap_or_default(),
        other => match content["file_name"].as_str() {
            Some(name) => format!("[{other}: {name}]"),
            None if content.is_null() => String::new(),
            None => format!("[{other}]"),
        },
    }
}

/// Turns `<at user_id="ou_…">name</at>`, which Feishu shows as a mention, into `@name`.
fn named(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("<at user_id=") {
        shown.push_str(&rest[..start]);
        let tag = &rest[start..];
        let parts = tag.find('>').and_then(|open| {
            let name = &tag[open + 1..];
            name.find("</at>").map(|close| (&name[..close], &name[close + "</at>".len()..]))
        });
        let Some((name, after)) = parts else {
            rest = tag;
            break;
        };
        shown.push('@');
        shown.push_str(if name.is_empty() { "all" } else { name });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

fn keyed(key: Option<String>, value: Value) -> Result<ContentExtras, FeishuRefusal> {
    match key {
        Some(key) => Ok(ContentExtras::Keys(value, vec![key])),
        None => Err(FeishuRefusal::parameter("the content has no key")),
    }
}

fn check_card(value: Value) -> Result<ContentExtras, FeishuRefusal> {
    match value["type"].as_str() {
        Some("card") => match value["data"]["card_id"].as_str() {
            Some(card_id) => Ok(ContentExtras::Entity(card_id.to_owned())),
            None => Err(FeishuRefusal::parameter("card_id is required")),
        },
        Some("template") => Err(card_refusal(&CardFault::NoTemplate)),
        Some(_) | None => match cards::check(&value) {
            Ok(()) => Ok(ContentExtras::Ready(value)),
            Err(fault) => Err(card_refusal(&fault)),
        },
    }
}

fn check_post(value: Value) -> Result<ContentExtras, FeishuRefusal> {
    let locales: Vec<&Value> =
        ["zh_cn", "en_us", "ja_jp", "zh_hk", "zh_tw"].iter().filter_map(|locale| value.get(locale)).collect();
    if locales.is_empty() {
        return Err(FeishuRefusal::parameter("post content has no locale"));
    }
    let mut keys = Vec::new();
    for locale in locales {
        let Some(lines) = locale["content"].as_array() else {
            return Err(FeishuRefusal::parameter("post content is not an array"));
        };
        for line in lines {
            let Some(nodes) = line.as_array() else {
                return Err(FeishuRefusal::parameter("a paragraph of the post is not an array"));
            };
            for node in nodes {
                let tag = node["tag"].as_str().unwrap_or_default();
                if !POST_NODES.contains(&tag) {
                    return Err(FeishuRefusal::parameter(&format!("unknown post tag {tag:?}")));
                }
                if tag == "md" && nodes.len() > 1 {
                    return Err(FeishuRefusal::parameter("md takes a paragraph of its own"));
                }
                keys.extend(node["image_key"].as_str().map(str::to_owned));
            }
        }
    }
    Ok(if keys.is_empty() { ContentExtras::Ready(value) } else { ContentExtras::Keys(value, keys) })
}

/// A post with its locale (as sent) or without (as received), as lines.
fn flatten_post(content: &Value) -> String {
    let body = ["zh_cn", "en_us"].iter().find_map(|locale| content.get(locale)).unwrap_or(content);
    let title = body["title"].as_str().filter(|title| !title.is_empty()).map(str::to_owned);
    let paragraphs = body["content"].as_array().into_iter().flatten().map(|line| {
        let nodes = line.as_array().into_iter().flatten();
        nodes.map(post_node).collect::<String>()
    });
    title.into_iter().chain(paragraphs).collect::<Vec<_>>().join("\n")
}

fn post_node(node: &Value) -> String {
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    match text("tag") {
        "at" => format!("@{}", text("user_name")),
        "img" => "[image]".to_owned(),
        "media" => "[video]".to_owned(),
        "emotion" => format!("[{}]", text("emoji_type")),
        "hr" => "---".to_owned(),
        _ => text("text").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_without_words_is_refused() {
        assert_eq!(check("text", r#"{"text":""}"#, 11).unwrap_err().code, 230_001);
        assert_eq!(check("text", "hello", 5).unwrap_err().code, 230_001);
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let text = json!({"text": "x"}).to_string();
        assert_eq!(check("text", &text, TEXT_LIMIT + 1).unwrap_err().code, 230_025);
        let post = json!({"zh_cn": {"content": [[{"tag": "md", "text": "x".repeat(30_000)}]]}}).to_string();
        assert_eq!(check("post", &post, post.len()).unwrap_err().code, 230_025);
    }

    #[test]
    fn a_post_needs_its_locale_when_it_is_sent() {
        let received = json!({"title": "", "content": [[{"tag": "text", "text": "x"}]]}).to_string();
        assert_eq!(check("post", &received, 9).unwrap_err().code, 230_001);
    }

    #[test]
    fn a_text_is_shown_verbatim_but_for_mentions() {
        let content =
            json!({"text": "  <b>1 < 2</b>\n\n<at user_id=\"ou_1\">Anna</at> said <at user_id=\"x"});
        assert_eq!(flatten("text", &content), "  <b>1 < 2</b>\n\n@Anna said <at user_id=\"x");
    }

    #[test]
    fn a_post_is_shown_as_lines() {
        let content = json!({"title": "T", "content": [
            [{"tag": "text", "text": "see "}, {"tag": "a", "text": "this", "href": "https://x"}],
            [{"tag": "img", "image_key": "img_1"}],
        ]});
        assert_eq!(flatten("post", &content), "T\nsee this\n[image]");
    }
}
