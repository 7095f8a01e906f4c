//! The `content` of messages to Feishu: JSON, which travels as a string inside JSON.

use serde_json::{Value, json};

use crate::card_action::{Toast, ToastKind};

/// The content of a `text` message that shows `text` as it is.
///
/// `<at user_id="…">` would mention a person. Here it never does: a zero-width space after the `<` breaks the tag and
/// cannot be seen.
#[must_use]
pub fn text(text: &str) -> String {
    json!({ "text": without_mentions(text) }).to_string()
}

/// The content of an `interactive` message that shows a card entity. A card that travels in the message is its content
/// as it is.
#[must_use]
pub fn entity(card_id: &str) -> String {
    json!({ "type": "card", "data": { "card_id": card_id } }).to_string()
}

/// The content of a `file` message.
#[must_use]
pub fn file(key: &str) -> String {
    json!({ "file_key": key }).to_string()
}

/// What a `card.action.trigger` is answered with: the card stays, and who pressed sees this for a moment.
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

/// The text with a zero-width space in each tag that would mention a person.
#[must_use]
pub fn without_mentions(text: &str) -> String {
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

/// Whether a tag named `at` begins here; `<atom>` is none.
fn opens_mention(after_bracket: &str) -> bool {
    after_bracket.split_at_checked(2).is_some_and(|(name, rest)| {
        name.eq_ignore_ascii_case("at") && !rest.starts_with(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_out_as_it_is() {
        assert_eq!(text("a \"b\"\n你好 <b> <atom> a < at"), r#"{"text":"a \"b\"\n你好 <b> <atom> a < at"}"#);
    }

    #[test]
    fn a_press_is_answered_with_words_alone() {
        let answer = toast(&Toast { kind: ToastKind::Success, text: "Allowed".into() });
        assert_eq!(answer, json!({"toast": {"type": "success", "content": "Allowed"}}));
    }

    #[test]
    fn nobody_can_be_mentioned_by_foreign_text() {
        assert_eq!(
            text(r#"<at user_id="all"></at><AT id=x>"#),
            "{\"text\":\"<\u{200b}at user_id=\\\"all\\\"></at><\u{200b}AT id=x>\"}"
        );
        assert_eq!(text("<at"), "{\"text\":\"<\u{200b}at\"}");
    }
}
