//! Parses what Feishu pushes: the JSON of a delivery.
//!
//! Parsing never fails and never panics: what is not understood is [`FeishuEvent::Other`] or [`FeishuEvent::Malformed`], both of
//! which are acknowledged and otherwise left alone. Only what is needed must be there; a field of an unexpected kind
//! counts as absent. Texts in here are what people wrote: they must not reach a log.

use jiff::Timestamp;
use serde_json::Value;

pub use self::message::{ChatKind, IncomingMessage, Mention, MessageContent};
use crate::ids::{ChatId, EventId, MessageId, OpenId};

mod message;
mod post;

/// One event or callback.
#[derive(Clone, Debug, PartialEq)]
pub enum FeishuEvent {
    /// A person wrote to the bot. Feishu may push one message under several event ids, but always with the same message id.
    Message(IncomingMessage),
    /// A person opened their chat with the bot. This comes every time.
    ChatEntered {
        /// The id of the event.
        event_id: EventId,
        /// The chat of this person with the bot.
        chat_id: ChatId,
        /// The person who opened it.
        user: OpenId,
        /// The newest message in the chat.
        last_message: Option<MessageId>,
    },
    /// A message was recalled.
    Recalled {
        /// The id of the event.
        event_id: EventId,
        /// The id of the recalled message.
        message_id: MessageId,
        /// The chat of the message.
        chat_id: ChatId,
    },
    /// A person used a card. It must be answered within 3 s.
    CardAction(CardCallback),
    /// A person chose an item of the bot's menu, in their chat with the bot.
    Menu {
        /// The id of the event.
        event_id: EventId,
        /// The person who chose.
        user: OpenId,
        /// The key of the item, as set in the developer console.
        key: String,
    },
    /// An event of a type that phonework does not use.
    Other {
        /// The id of the event, if there is one.
        event_id: Option<EventId>,
        /// Feishu's name for the type.
        event_type: String,
    },
    /// Not an event, or one without a field that its type needs.
    Malformed {
        /// What is wrong, without any of the content.
        reason: String,
    },
}

/// A click or an input on a card.
#[derive(Clone, Debug, PartialEq)]
pub struct CardCallback {
    /// The id of the event.
    pub event_id: EventId,
    /// The person who used the card.
    pub operator: OpenId,
    /// The message that shows the card.
    pub message_id: MessageId,
    /// The chat of the card.
    pub chat_id: ChatId,
    /// The value that the card gives the component; `Null` if it gives none.
    pub value: Value,
    /// The kind of component: `button`, `select_static`, `input`, …
    pub tag: String,
    /// The component's name, in forms.
    pub name: Option<String>,
    /// All fields of a submitted form, by name.
    pub form_value: Option<Value>,
    /// The text of an input outside a form.
    pub input_value: Option<String>,
    /// The option chosen in a select component outside a form.
    pub option: Option<String>,
    /// A token for updating the card later: for 30 minutes, at most twice.
    pub token: Option<String>,
}

/// Parses the payload of a delivery of type `event`.
#[must_use]
pub fn parse(payload: &[u8]) -> FeishuEvent {
    let Ok(envelope) = serde_json::from_slice::<Value>(payload) else {
        return FeishuEvent::Malformed { reason: "no JSON".to_owned() };
    };
    let event_id = text(&envelope, "/header/event_id").map(EventId::from);
    let Some(event_type) = text(&envelope, "/header/event_type") else {
        // The first generation of events has no header.
        return match text(&envelope, "/event/type").or_else(|| text(&envelope, "/type")) {
            Some(event_type) => FeishuEvent::Other {
                event_id: text(&envelope, "/uuid").map(EventId::from),
                event_type: event_type.to_owned(),
            },
            None => FeishuEvent::Malformed { reason: "no event type".to_owned() },
        };
    };
    let read = match event_type {
        "im.message.receive_v1" => message::parse(&envelope, event_id).map(FeishuEvent::Message),
        "im.chat.access_event.bot_p2p_chat_entered_v1" => chat_entered(&envelope, event_id),
        "im.message.recalled_v1" => recalled(&envelope, event_id),
        "card.action.trigger" => card_action(&envelope, event_id),
        "application.bot.menu_v6" => menu(&envelope, event_id),
        _ => return FeishuEvent::Other { event_id, event_type: event_type.to_owned() },
    };
    read.unwrap_or_else(|missing| FeishuEvent::Malformed {
        reason: format!("{event_type} without {missing}"),
    })
}

fn chat_entered(envelope: &Value, event_id: Option<EventId>) -> Result<FeishuEvent, &'static str> {
    Ok(FeishuEvent::ChatEntered {
        event_id: event_id.ok_or("event_id")?,
        chat_id: text(envelope, "/event/chat_id").ok_or("chat_id")?.into(),
        user: text(envelope, "/event/operator_id/open_id").ok_or("operator_id.open_id")?.into(),
        last_message: text(envelope, "/event/last_message_id").map(MessageId::from),
    })
}

fn recalled(envelope: &Value, event_id: Option<EventId>) -> Result<FeishuEvent, &'static str> {
    Ok(FeishuEvent::Recalled {
        event_id: event_id.ok_or("event_id")?,
        message_id: text(envelope, "/event/message_id").ok_or("message_id")?.into(),
        chat_id: text(envelope, "/event/chat_id").ok_or("chat_id")?.into(),
    })
}

fn menu(envelope: &Value, event_id: Option<EventId>) -> Result<FeishuEvent, &'static str> {
    Ok(FeishuEvent::Menu {
        event_id: event_id.ok_or("event_id")?,
        user: text(envelope, "/event/operator/operator_id/open_id")
            .ok_or("operator.operator_id.open_id")?
            .into(),
        key: text(envelope, "/event/event_key").ok_or("event_key")?.to_owned(),
    })
}

fn card_action(envelope: &Value, event_id: Option<EventId>) -> Result<FeishuEvent, &'static str> {
    let owned = |pointer| text(envelope, pointer).map(str::to_owned);
    Ok(FeishuEvent::CardAction(CardCallback {
        event_id: event_id.ok_or("event_id")?,
        operator: text(envelope, "/event/operator/open_id").ok_or("operator.open_id")?.into(),
        message_id: text(envelope, "/event/context/open_message_id").ok_or("context.open_message_id")?.into(),
        chat_id: text(envelope, "/event/context/open_chat_id").ok_or("context.open_chat_id")?.into(),
        value: envelope.pointer("/event/action/value").cloned().unwrap_or_default(),
        tag: owned("/event/action/tag").unwrap_or_default(),
        name: owned("/event/action/name"),
        form_value: envelope.pointer("/event/action/form_value").filter(|form| form.is_object()).cloned(),
        input_value: envelope.pointer("/event/action/input_value").and_then(Value::as_str).map(str::to_owned),
        option: owned("/event/action/option"),
        token: owned("/event/token"),
    }))
}

/// The text at this JSON pointer, if there is one and it is not empty.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A time in milliseconds. Feishu sends it as a string.
fn milliseconds(value: &Value, pointer: &str) -> Option<Timestamp> {
    let time = value.pointer(pointer)?;
    let milliseconds = time.as_i64().or_else(|| time.as_str()?.parse().ok())?;
    Timestamp::from_millisecond(milliseconds).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(event_type: &str, event: &Value) -> FeishuEvent {
        let header = json!({"event_id": "e1", "event_type": event_type, "create_time": "1700000000000"});
        parse(json!({"schema": "2.0", "header": header, "event": event}).to_string().as_bytes())
    }

    #[test]
    fn opening_the_chat_is_read() {
        assert_eq!(
            event(
                "im.chat.access_event.bot_p2p_chat_entered_v1",
                &json!({"chat_id": "oc_1", "operator_id": {"open_id": "ou_1"}, "last_message_id": "om_0"}),
            ),
            FeishuEvent::ChatEntered {
                event_id: "e1".into(),
                chat_id: "oc_1".into(),
                user: "ou_1".into(),
                last_message: Some("om_0".into()),
            }
        );
    }

    #[test]
    fn a_recalled_message_is_read() {
        assert_eq!(
            event("im.message.recalled_v1", &json!({"chat_id": "oc_1", "message_id": "om_1"})),
            FeishuEvent::Recalled {
                event_id: "e1".into(),
                message_id: "om_1".into(),
                chat_id: "oc_1".into()
            }
        );
    }

    #[test]
    fn a_menu_item_is_read() {
        let menu =
            json!({"operator": {"operator_id": {"open_id": "ou_1"}}, "event_key": "list", "timestamp": 1});
        assert_eq!(
            event("application.bot.menu_v6", &menu),
            FeishuEvent::Menu { event_id: "e1".into(), user: "ou_1".into(), key: "list".to_owned() }
        );
    }

    #[test]
    fn a_submitted_form_is_read() {
        let action = json!({
            "operator": {"open_id": "ou_1"}, "token": "c-1", "host": "im_message",
            "action": {"value": {"do": "allow"}, "tag": "button", "name": "ok", "form_value": {"why": "x"}},
            "context": {"open_message_id": "om_1", "open_chat_id": "oc_1"},
        });
        assert_eq!(
            event("card.action.trigger", &action),
            FeishuEvent::CardAction(CardCallback {
                event_id: "e1".into(),
                operator: "ou_1".into(),
                message_id: "om_1".into(),
                chat_id: "oc_1".into(),
                value: json!({"do": "allow"}),
                tag: "button".to_owned(),
                name: Some("ok".to_owned()),
                form_value: Some(json!({"why": "x"})),
                input_value: None,
                option: None,
                token: Some("c-1".to_owned()),
            })
        );
    }

    #[test]
    fn an_unknown_type_of_either_generation_is_other() {
        assert_eq!(
            event("im.message.message_read_v1", &json!({})),
            FeishuEvent::Other {
                event_id: Some("e1".into()),
                event_type: "im.message.message_read_v1".to_owned()
            }
        );
        assert_eq!(
            parse(br#"{"uuid": "u1", "event": {"type": "message"}}"#),
            FeishuEvent::Other { event_id: Some("u1".into()), event_type: "message".to_owned() }
        );
    }

    #[test]
    fn an_event_without_a_needed_field_is_malformed_and_says_why() {
        let malformed = |reason: &str| FeishuEvent::Malformed { reason: reason.to_owned() };
        assert_eq!(parse(b""), malformed("no JSON"));
        assert_eq!(parse(&[b'['; 100_000]), malformed("no JSON"));
        assert_eq!(parse(b"{\"a\": \xff}"), malformed("no JSON"));
        assert_eq!(parse(b"[1]"), malformed("no event type"));
        assert_eq!(
            event("im.message.recalled_v1", &json!({"chat_id": 7, "message_id": "om_1"})),
            malformed("im.message.recalled_v1 without chat_id")
        );
        assert_eq!(
            event("card.action.trigger", &json!("text")),
            malformed("card.action.trigger without operator.open_id")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = parse(&bytes);
        }
    }
}
