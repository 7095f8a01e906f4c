//! The elements of a card, except forms.

use serde_json::{Value, json};

use super::sanitized;
use crate::card_action::Press;
use crate::render::document::{Button, ButtonStyle};
use crate::render::limits;

/// An element of a card as JSON, and what Feishu counts of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::render) struct CardElement {
    json: String,
    count: usize,
    tables: usize,
    streamed: Option<String>,
}

impl CardElement {
    pub(super) fn new(value: &Value, tables: usize) -> Self {
        Self { json: value.to_string(), count: count(value), tables, streamed: None }
    }

    pub(in crate::render) fn json(&self) -> &str {
        &self.json
    }

    /// Bytes of the JSON, including the comma after it.
    pub(in crate::render) fn bytes(&self) -> usize {
        self.json.len() + 1
    }

    /// The number of elements: this one and all inside it.
    pub(in crate::render) fn count(&self) -> usize {
        self.count
    }

    /// The text, if this is the element that is streamed.
    pub(in crate::render) fn streamed(&self) -> Option<&str> {
        self.streamed.as_deref()
    }

    /// The number of tables in it.
    pub(in crate::render) fn tables(&self) -> usize {
        self.tables
    }
}

fn count(element: &Value) -> usize {
    let inside = ["elements", "columns"].iter().filter_map(|list| element[*list].as_array()).flatten();
    1 + inside.map(count).sum::<usize>()
}

/// An element with Markdown in Feishu's dialect.
pub(in crate::render) fn markdown(text: &str, tables: usize) -> CardElement {
    CardElement::new(&json!({ "tag": "markdown", "content": text }), tables)
}

/// The same as the element whose text Feishu types out.
pub(in crate::render) fn stream(text: &str, tables: usize) -> CardElement {
    let value = json!({ "tag": "markdown", "element_id": crate::render::ladder::STREAM, "content": text });
    CardElement { streamed: Some(text.to_owned()), ..CardElement::new(&value, tables) }
}

/// Plain text, shown character for character.
pub(in crate::render) fn plain(text: &str) -> CardElement {
    CardElement::new(&json!({ "tag": "div", "text": { "tag": "plain_text", "content": sanitized(text) } }), 0)
}

/// Plain text in small grey print.
pub(in crate::render) fn small(text: &str) -> CardElement {
    CardElement::new(&small_value(text), 0)
}

/// The sentence that says how to do by typing what the buttons do.
pub(in crate::render) fn hint(text: &str) -> CardElement {
    small(text)
}

fn small_value(text: &str) -> Value {
    let text = json!({
        "tag": "plain_text",
        "content": sanitized(text),
        "text_size": "notation",
        "text_color": "grey",
    });
    json!({ "tag": "div", "text": text })
}

/// A horizontal line.
pub(in crate::render) fn rule() -> CardElement {
    CardElement::new(&json!({ "tag": "hr" }), 0)
}

/// A panel that the reader can open. `None` if there is nothing inside.
pub(in crate::render) fn panel(title: &str, inside: &[CardElement]) -> Option<CardElement> {
    if inside.is_empty() {
        return None;
    }
    let header = json!({
        "title": { "tag": "plain_text", "content": super::one_line(title, limits::MAX_HEADING_CHARS) },
        "icon": { "tag": "standard_icon", "token": "down-small-ccm_outlined" },
        "icon_position": "right",
        "icon_expanded_angle": -180,
    });
    let inner = inside.iter().map(CardElement::json).collect::<Vec<_>>().join(",");
    Some(CardElement {
        json: format!(
            r#"{{"tag":"collapsible_panel","expanded":false,"header":{header},"elements":[{inner}]}}"#
        ),
        count: 1 + inside.iter().map(CardElement::count).sum::<usize>(),
        tables: inside.iter().map(CardElement::tables).sum(),
        streamed: None,
    })
}

/// Buttons side by side, wrapped into as many lines as they need. `None` if there are no buttons.
pub(in crate::render) fn button_row(buttons: &[Button], group: bool) -> Option<CardElement> {
    let values: Vec<Value> = buttons.iter().filter_map(|one| button(one, group)).collect();
    (!values.is_empty()).then(|| CardElement::new(&flowing(values), 0))
}

/// Text with buttons: a single button beside it, several below it. Returns the elements from top to bottom.
pub(in crate::render) fn row(
    text: &str,
    small: Option<&str>,
    buttons: &[Button],
    group: bool,
) -> Vec<CardElement> {
    let texts = || {
        let main = json!({ "tag": "div", "text": { "tag": "plain_text", "content": sanitized(text) } });
        [main].into_iter().chain(small.map(small_value))
    };
    let values: Vec<Value> = buttons.iter().filter_map(|one| button(one, group)).collect();
    if let [one] = values.as_slice() {
        let columns = json!([
            { "tag": "column", "width": "weighted", "weight": 1, "vertical_align": "center",
              "elements": texts().collect::<Vec<_>>() },
            { "tag": "column", "width": "auto", "vertical_align": "center", "elements": [one] },
        ]);
        return vec![CardElement::new(
            &json!({ "tag": "column_set", "flex_mode": "none", "columns": columns }),
            0,
        )];
    }
    let buttons = (!values.is_empty()).then(|| flowing(values));
    texts().chain(buttons).map(|value| CardElement::new(&value, 0)).collect()
}

/// Elements side by side that wrap into further lines.
pub(super) fn flowing(elements: Vec<Value>) -> Value {
    let columns: Vec<Value> = elements
        .into_iter()
        .map(|element| json!({ "tag": "column", "width": "auto", "elements": [element] }))
        .collect();
    json!({ "tag": "column_set", "flex_mode": "flow", "horizontal_spacing": "small", "columns": columns })
}

/// A button as JSON. `None` if its action is longer than [`limits::MAX_ACTION_BYTES`].
pub(super) fn button(button: &Button, group: bool) -> Option<Value> {
    let value = Press::value(&button.action, group);
    if value.to_string().len() > limits::MAX_ACTION_BYTES {
        return None;
    }
    let style = match button.style {
        ButtonStyle::Plain => "default",
        ButtonStyle::Primary => "primary",
        ButtonStyle::Danger => "danger",
    };
    let label = super::one_line(&button.label, limits::MAX_LABEL_CHARS);
    let mut json = json!({
        "tag": "button",
        "text": { "tag": "plain_text", "content": label },
        "type": style,
        "behaviors": [{ "type": "callback", "value": value }],
    });
    if let Some(question) = &button.confirm {
        json["confirm"] = json!({
            "title": { "tag": "plain_text", "content": label },
            "text": { "tag": "plain_text", "content": super::one_line(question, limits::MAX_CONFIRM_CHARS) },
        });
    }
    Some(json)
}
