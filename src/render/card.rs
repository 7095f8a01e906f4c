//! Feishu cards: JSON of schema 2.0, made element by element. Pure.
//!
//! Each element knows what Feishu counts of it (bytes, elements, tables; see [`limits`]). Which elements go on which card
//! is decided in `super::layout`.

mod element;
mod form;

pub(super) use element::{CardElement, button_row, hint, markdown, panel, plain, row, rule, small, stream};
pub(super) use form::FieldNames;

use serde_json::{Value, json};

use super::document::{Heading, Tone};
use super::limits;
use crate::feishu::content::without_mentions;
use crate::graphemes;

/// A card without its elements: the configuration and the title bar.
#[derive(Clone, Debug, Default)]
pub(super) struct CardFrame<'a> {
    /// The title bar; a card may have none.
    pub(super) heading: Option<&'a Heading>,
    /// A part number such as `[2/3]`, written before the heading.
    pub(super) number: Option<String>,
    /// The text for the list of chats.
    pub(super) preview: Option<&'a str>,
    /// Whether Feishu types out the streamed text as it grows.
    pub(super) streaming: bool,
}

impl CardFrame<'_> {
    /// The JSON of the card with these elements.
    pub(super) fn around<'e>(&self, elements: impl IntoIterator<Item = &'e CardElement>) -> String {
        let mut card = self.before();
        for (at, element) in elements.into_iter().enumerate() {
            if at > 0 {
                card.push(',');
            }
            card.push_str(element.json());
        }
        card.push_str(AFTER);
        card
    }

    /// Bytes of the card without any element.
    pub(super) fn bytes(&self) -> usize {
        self.before().len() + AFTER.len()
    }

    fn before(&self) -> String {
        let mut config = json!({ "update_multi": true });
        if let Some(preview) = self.preview {
            // Feishu does not document whether it interprets tags here.
            let preview = without_mentions(&one_line(preview, limits::MAX_PREVIEW_CHARS));
            config["summary"] = json!({ "content": preview });
        }
        if self.streaming {
            config["streaming_mode"] = Value::Bool(true);
        }
        let mut before = format!(r#"{{"schema":"2.0","config":{config},"#);
        if let Some(heading) = self.heading {
            let number = self.number.iter().map(|number| format!("{number} ")).collect::<String>();
            let title = format!("{number}{}", one_line(&heading.text, limits::MAX_HEADING_CHARS));
            let header = json!({
                "title": { "tag": "plain_text", "content": title },
                "template": template(heading.tone),
            });
            before.push_str(&format!(r#""header":{header},"#));
        }
        before.push_str(r#""body":{"elements":["#);
        before
    }
}

const AFTER: &str = "]}}";

fn template(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "default",
        Tone::Working => "blue",
        Tone::Asking => "orange",
        Tone::Good => "green",
        Tone::Bad => "red",
        Tone::Past => "grey",
    }
}

/// The text as one line of at most `max_chars` characters, without control characters.
pub(super) fn one_line(text: &str, max_chars: usize) -> String {
    let line = |text: &str| -> String {
        text.chars().map(|c| if c.is_control() || is_line_break(c) { ' ' } else { c }).collect()
    };
    match graphemes::first_chars(text.trim(), max_chars) {
        (whole, true) if whole.chars().count() < max_chars => line(whole),
        (_, _) => line(graphemes::first_chars(text.trim(), max_chars.saturating_sub(1)).0) + "…",
    }
}

/// The text without control characters other than tab and newline.
pub(super) fn sanitized(text: &str) -> String {
    let mut sanitized = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").chars() {
        match character {
            '\n' | '\t' => sanitized.push(character),
            '\r' => sanitized.push('\n'),
            character if is_line_break(character) => sanitized.push('\n'),
            // Noncharacters stand for characters while Markdown is read.
            character if character.is_control() || matches!(character, '\u{fdd0}'..='\u{fdef}') => {
                sanitized.push('\u{fffd}')
            }
            character => sanitized.push(character),
        }
    }
    sanitized
}

/// Whether a character that is not a newline breaks a line: NEXT LINE, LINE SEPARATOR and PARAGRAPH SEPARATOR.
fn is_line_break(character: char) -> bool {
    matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}')
}
