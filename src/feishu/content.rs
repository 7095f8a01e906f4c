//! The `content` of messages to Feishu: JSON, which travels as a string inside JSON.

use serde_json::json;

/// The content of a `text` message that shows `text` as it is.
///
/// `<at user_id="…">` would mention a person. Here it never does: a zero-width space after the `<` breaks the tag and
/// cannot be seen.
#[must_use]
pub fn text(text: &str) -> String {
    json!({ "text": without_mentions(text) }).to_string()
}

fn without_mentions(text: &str) -> String {
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
    fn nobody_can_be_mentioned_by_foreign_text() {
        assert_eq!(
            text(r#"<at user_id="all"></at><AT id=x>"#),
            "{\"text\":\"<\u{200b}at user_id=\\\"all\\\"></at><\u{200b}AT id=x>\"}"
        );
        assert_eq!(text("<at"), "{\"text\":\"<\u{200b}at\"}");
    }
}
