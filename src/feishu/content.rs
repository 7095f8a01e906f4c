//! The `content` of messages to Feishu. It is JSON, and travels as a string inside JSON.

use serde_json::{Value, json};

use crate::card_action::{Toast, ToastKind};

/// The content of a `text` message that shows `text` unchanged.
///
/// In Feishu, `<at user_id="…">` mentions a person. Here it never does: an invisible zero-width space after the `<`
/// breaks the tag.
#[must_use]
pub fn text(text: &str) -> String {
    json!({ "text": without_mentions(text) }).to_string()
}

/// The content of an `interactive` message that shows a card entity. (A card that is sent inside the message is itself
/// the content.)
#[must_use]
pub fn entity(card_id: &str) -> String {
    json!({ "type": "card", "data": { "card_id": card_id } }).to_string()
}

/// The content of a `file` message; `key` comes from an upload.
#[must_use]
pub fn file(key: &str) -> String {
    json!({ "file_key": key }).to_string()
}

/// The answer to a `card.action.trigger`: the card stays as it is, and the person who pressed sees the toast.
#[must_use]
pub fn toast(toast: &Toast) -> Value {
    let kind = match toast.kind {
        ToastKind::Info => "info",
        ToastKind::Success => "success",
        ToastKind::Warning => "warning",
        ToastKind::Error => "error",
    };
    json!({ "toast": { "type": kind, "content": toast.text } })
}

/// The text, with a zero-width space in each tag that would mention a person.
#[must_use]
pub(crate) fn without_mentions(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find('<') {
        let (before, from) = rest.split_at(found + 1);
        safe.push_str(before);
        if opens_mention(from) {
            safe.push('\u{200b}');
        }
        rest = from;
    }
    safe.push_str(rest);
    safe
}

/// Whether the tag is named `at`; `<atom>` is not.
fn opens_mention(after_bracket: &str) -> bool {
    after_bracket.split_at_checked(2).is_some_and(|(name, rest)| {
        name.eq_ignore_ascii_case("at") && !rest.starts_with(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_sent_unchanged() {
        assert_eq!(text("a \"b\"\n你好 <b> <atom> a < at"), r#"{"text":"a \"b\"\n你好 <b> <atom> a < at"}"#);
    }

    #[test]
    fn a_press_is_answered_with_a_toast_alone() {
        let answer = toast(&Toast { kind: ToastKind::Success, text: "Allowed".into() });
        assert_eq!(answer, json!({"toast": {"type": "success", "content": "Allowed"}}));
    }

    #[test]
    fn text_from_outside_cannot_mention_anybody() {
        assert_eq!(
            text(r#"<at user_id="all"></at><AT id=x>"#),
            "{\"text\":\"<\u{200b}at user_id=\\\"all\\\"></at><\u{200b}AT id=x>\"}"
        );
        assert_eq!(text("<at"), "{\"text\":\"<\u{200b}at\"}");
    }
}
