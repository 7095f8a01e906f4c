//! Parses a message to the bot: `im.message.receive_v1`.

use jiff::Timestamp;
use serde_json::Value;

use super::{milliseconds, post, text};
use crate::ids::{ChatId, EventId, MessageId, OpenId};

/// A message that was sent to the bot, or to a group that the bot is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingMessage {
    /// The id of the event; the id of the message if Feishu gave none.
    pub event_id: EventId,
    /// The id of the message, which may be delivered several times, hours apart.
    pub message_id: MessageId,
    /// The chat that it was written in.
    pub chat_id: ChatId,
    /// The sender of the message.
    pub sender: OpenId,
    /// Whether a person wrote it, not a bot.
    pub sender_is_user: bool,
    /// What kind of chat it was written in.
    pub chat_kind: ChatKind,
    /// When it was written, by Feishu's clock. 1970 if Feishu did not say, so that the message counts as old.
    pub created: Timestamp,
    /// Everybody who is mentioned in it.
    pub mentions: Vec<Mention>,
    /// The content of the message.
    pub content: MessageContent,
    /// The thread (topic) that it belongs to (`omt_…`).
    pub thread_id: Option<String>,
    /// The message that it replies to.
    pub parent_id: Option<MessageId>,
}

/// The kind of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKind {
    /// A chat of one person with the bot.
    P2p,
    /// A chat of any other kind.
    Group,
}

/// A mention in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The placeholder in the text: `@_user_1`.
    pub key: String,
    /// The mentioned person or bot; `None` for everybody.
    pub open_id: Option<OpenId>,
    /// The name that people see.
    pub name: String,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageContent {
    /// Plain text as it was sent, with mentions as `@_user_1`.
    Text(String),
    /// Rich text as Markdown: the title, the lines, links as `[text](href)`, code in fences, pictures as `[image]`;
    /// mentions as in a plain text.
    Post(String),
    /// A kind that is not supported (`image`, `file`, `audio`, …), or content that cannot be parsed.
    Unsupported {
        /// Feishu's name for the kind.
        kind: String,
    },
}

impl IncomingMessage {
    /// Whether the bot is mentioned by name. A mention of everybody does not count.
    #[must_use]
    pub(crate) fn mentions_user(&self, bot: &OpenId) -> bool {
        self.mentions.iter().any(|mention| mention.open_id.as_ref() == Some(bot))
    }

    /// The text, without the mention of the bot and with other mentions as `@Name`; `None` for unsupported kinds. Nothing
    /// else is changed.
    #[must_use]
    pub fn text_for(&self, bot: &OpenId) -> Option<String> {
        match &self.content {
            MessageContent::Text(raw) | MessageContent::Post(raw) => Some(self.with_names(raw, bot)),
            MessageContent::Unsupported { .. } => None,
        }
    }

    fn with_names(&self, raw: &str, bot: &OpenId) -> String {
        let mut named = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(at) = rest.find('@') {
            named.push_str(&rest[..at]);
            rest = &rest[at..];
            let Some(mention) = self.mention_at(rest) else {
                named.push('@');
                rest = &rest[1..];
                continue;
            };
            rest = &rest[mention.key.len()..];
            if mention.open_id.as_ref() != Some(bot) {
                named.push('@');
                named.push_str(&mention.name);
            } else if rest.trim().is_empty() {
                named.truncate(named.trim_end().len());
                rest = "";
            } else if named.is_empty() || named.ends_with(char::is_whitespace) {
                // The client adds a space after a mention; it is removed with the mention.
                rest = rest.strip_prefix(' ').unwrap_or(rest);
            }
        }
        named.push_str(rest);
        named
    }

    /// The mention whose key the text begins with. The longest one, because `@_user_1` is also the beginning of `@_user_10`.
    fn mention_at(&self, text: &str) -> Option<&Mention> {
        self.mentions
            .iter()
            .filter(|mention| mention.key.starts_with('@') && text.starts_with(&mention.key))
            .max_by_key(|mention| mention.key.len())
    }
}

pub(super) fn parse(envelope: &Value, event_id: Option<EventId>) -> Result<IncomingMessage, &'static str> {
    let message = envelope.pointer("/event/message").ok_or("message")?;
    let message_id = text(message, "/message_id").ok_or("message_id")?;
    Ok(IncomingMessage {
        event_id: event_id.unwrap_or_else(|| message_id.into()),
        message_id: message_id.into(),
        chat_id: text(message, "/chat_id").ok_or("chat_id")?.into(),
        sender: text(envelope, "/event/sender/sender_id/open_id").ok_or("sender_id.open_id")?.into(),
        sender_is_user: text(envelope, "/event/sender/sender_type").is_none_or(|kind| kind == "user"),
        chat_kind: match text(message, "/chat_type") {
            Some("p2p") => ChatKind::P2p,
            // An unknown kind is treated like a group, which is more cautious.
            _ => ChatKind::Group,
        },
        created: milliseconds(message, "/create_time")
            .or_else(|| milliseconds(envelope, "/header/create_time"))
            .unwrap_or(Timestamp::UNIX_EPOCH),
        mentions: mentions(message),
        content: content(message),
        thread_id: text(message, "/thread_id").map(str::to_owned),
        parent_id: text(message, "/parent_id").map(MessageId::from),
    })
}

fn mentions(message: &Value) -> Vec<Mention> {
    let listed =
        message.pointer("/mentions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    listed
        .iter()
        .filter_map(|mention| {
            Some(Mention {
                key: text(mention, "/key")?.to_owned(),
                open_id: text(mention, "/id/open_id").map(OpenId::from),
                name: text(mention, "/name").unwrap_or_default().to_owned(),
            })
        })
        .collect()
}

fn content(message: &Value) -> MessageContent {
    let kind = text(message, "/message_type").unwrap_or("unknown");
    let inner = text(message, "/content").and_then(|content| serde_json::from_str::<Value>(content).ok());
    let read = inner.and_then(|inner| match kind {
        "text" => inner.get("text")?.as_str().map(|text| MessageContent::Text(text.to_owned())),
        "post" => post::flatten(&inner).map(MessageContent::Post),
        _ => None,
    });
    read.unwrap_or_else(|| MessageContent::Unsupported { kind: kind.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::feishu::event::{FeishuEvent, parse};

    fn envelope() -> Value {
        json!({
            "schema": "2.0",
            "header": {"event_id": "e1", "event_type": "im.message.receive_v1", "create_time": "1700000000001"},
            "event": {
                "sender": {"sender_id": {"open_id": "ou_1", "union_id": "on_1"}, "sender_type": "user"},
                "message": {
                    "message_id": "om_1", "chat_id": "oc_1", "chat_type": "group", "message_type": "text",
                    "create_time": "1700000000000", "parent_id": "om_0", "root_id": "om_0", "thread_id": "omt_1",
                    "content": "{\"text\":\"@_user_1 say hi to @_user_10\"}",
                    "mentions": [
                        {"key": "@_user_1", "id": {"open_id": "ou_bot"}, "name": "Bot", "mentioned_type": "bot"},
                        {"key": "@_user_10", "id": {"open_id": "ou_2"}, "name": "Li Lei"},
                        {"key": "@_all", "id": {}, "name": "all"},
                        {"name": "no key"},
                    ],
                },
            },
        })
    }

    fn read(envelope: &Value) -> IncomingMessage {
        let event = parse(envelope.to_string().as_bytes());
        let FeishuEvent::Message(message) = event else { panic!("{event:?}") };
        message
    }

    fn saying(raw: &str) -> IncomingMessage {
        IncomingMessage { content: MessageContent::Text(raw.to_owned()), ..read(&envelope()) }
    }

    #[test]
    fn every_field_of_a_message_is_read() {
        let mention = |key: &str, open_id: Option<&str>, name: &str| Mention {
            key: key.to_owned(),
            open_id: open_id.map(OpenId::from),
            name: name.to_owned(),
        };
        assert_eq!(
            read(&envelope()),
            IncomingMessage {
                event_id: "e1".into(),
                message_id: "om_1".into(),
                chat_id: "oc_1".into(),
                sender: "ou_1".into(),
                sender_is_user: true,
                chat_kind: ChatKind::Group,
                created: Timestamp::from_second(1_700_000_000).unwrap(),
                mentions: vec![
                    mention("@_user_1", Some("ou_bot"), "Bot"),
                    mention("@_user_10", Some("ou_2"), "Li Lei"),
                    mention("@_all", None, "all"),
                ],
                content: MessageContent::Text("@_user_1 say hi to @_user_10".to_owned()),
                thread_id: Some("omt_1".to_owned()),
                parent_id: Some("om_0".into()),
            }
        );
    }

    #[test]
    fn missing_fields_get_cautious_defaults() {
        let mut envelope = envelope();
        envelope["header"]["event_id"] = Value::Null;
        envelope["header"]["create_time"] = json!("soon");
        envelope["event"]["message"]["create_time"] = json!("99999999999999999999");
        envelope["event"]["message"]["chat_type"] = json!("topic_group");
        envelope["event"]["message"]["mentions"] = json!("none");
        envelope["event"]["sender"]["sender_type"] = json!("bot");
        let message = read(&envelope);
        assert_eq!(message.event_id, EventId::from("om_1"));
        assert_eq!(message.created, Timestamp::UNIX_EPOCH);
        assert_eq!(message.chat_kind, ChatKind::Group);
        assert_eq!(message.mentions, []);
        assert!(!message.sender_is_user);
    }

    #[test]
    fn a_message_without_its_sender_is_malformed() {
        let mut envelope = envelope();
        envelope["event"]["sender"] = Value::Null;
        let reason = "im.message.receive_v1 without sender_id.open_id".to_owned();
        assert_eq!(parse(envelope.to_string().as_bytes()), FeishuEvent::Malformed { reason });
    }

    #[test]
    fn content_that_cannot_be_parsed_is_unsupported() {
        for (kind, content) in [
            ("image", json!("{\"image_key\":\"img_1\"}")),
            ("text", json!("no JSON")),
            ("text", json!({"text": "not inside a string"})),
            ("post", json!("[]")),
        ] {
            let mut envelope = envelope();
            envelope["event"]["message"]["message_type"] = json!(kind);
            envelope["event"]["message"]["content"] = content;
            let message = read(&envelope);
            assert_eq!(message.content, MessageContent::Unsupported { kind: kind.to_owned() });
            assert_eq!(message.text_for(&"ou_bot".into()), None);
        }
    }

    #[test]
    fn the_mention_of_the_bot_is_removed_and_others_become_names() {
        let bot = OpenId::from("ou_bot");
        for (raw, expected) in [
            ("@_user_1 say hi to @_user_10", "say hi to @Li Lei"),
            ("@_user_1你好", "你好"),
            ("fix it @_user_1", "fix it"),
            ("fix it, @_user_1 now", "fix it, now"),
            ("a@_user_1 b", "a b"),
            ("  mail a@b.c @_user_2 @", "  mail a@b.c @_user_2 @"),
            ("@_user_1", ""),
            ("@_all look", "@all look"),
            ("@_user_1   indented\n", "  indented\n"),
        ] {
            assert_eq!(saying(raw).text_for(&bot).as_deref(), Some(expected), "{raw:?}");
        }
    }

    #[test]
    fn only_a_mention_by_name_counts() {
        let message = saying("");
        assert!(message.mentions_user(&"ou_bot".into()));
        assert!(!message.mentions_user(&"ou_1".into()));
    }

    proptest! {
        #[test]
        fn text_without_mentions_stays_word_for_word(raw in any::<String>()) {
            let message = IncomingMessage { mentions: Vec::new(), ..saying(&raw) };
            prop_assert_eq!(message.text_for(&"ou_bot".into()), Some(raw));
        }
    }
}
