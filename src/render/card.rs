//! A document as Feishu's card: JSON of schema 2.0. Pure.
//!
//! What is on a card is counted as Feishu counts it ([`limits`]), element by element; who lays it out decides what finds
//! room.

mod element;
mod form;

pub(super) use element::{CardElement, button_row, hint, markdown, panel, plain, row, rule, small, stream};
pub(super) use form::FieldNames;

use serde_json::{Value, json};

use super::document::{Heading, Tone};
use super::limits;
use crate::feishu::content::without_mentions;

/// What stands around the elements of a card.
#[derive(Clone, Debug, Default)]
pub(super) struct CardFrame<'a> {
    /// The coloured head.
    pub(super) heading: Option<&'a Heading>,
    /// `[2/3]`, before the heading's words.
    pub(super) number: Option<String>,
    /// What the list of chats shows.
    pub(super) preview: Option<&'a str>,
    /// Whether texts are typed out as they come.
    pub(super) streaming: bool,
}

impl CardFrame<'_> {
    /// The card with these elements.
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

    /// Its bytes without any element.
    pub(super) fn bytes(&self) -> usize {
        self.before().len() + AFTER.len()
    }

    fn before(&self) -> String {
        let mut config = json!({ "update_multi": true });
        if let Some(preview) = self.preview {
            // Feishu does not say whether it reads tags here.
            let preview = without_mentions(&line(preview, limits::PREVIEW));
            config["summary"] = json!({ "content": preview });
        }
        if self.streaming {
            config["streaming_mode"] = Value::Bool(true);
        }
        let mut before = format!(r#"{{"schema":"2.0","config":{config},"#);
        if let Some(heading) = self.heading {
            let number = self.number.iter().map(|number| format!("{number} ")).collect::<String>();
            let title = format!("{number}{}", line(&heading.text, limits::HEADING));
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

/// A text in one line of at most so many characters, without what no phone shows.
pub(super) fn line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for (at, character) in text.trim().chars().enumerate() {
        if at + 1 == most {
            line.push('…');
            break;
        }
        line.push(if character.is_control() { ' ' } else { character });
    }
    line
}

/// A text without control characters; tabs and newlines stay.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            '\r' => shown.push('\n'),
            character if character.is_control() => shown.push('\u{fffd}'),
            character => shown.push(character),
        }
    }
    shown
}
