//! The elements of a card, without its forms.

use serde_json::{Value, json};

use super::shown;
use crate::card_action::Press;
use crate::render::document::{Button, ButtonStyle};
use crate::render::limits;

/// An element of a card, and what Feishu counts of it.
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

    /// Its bytes, with the comma that follows it.
    pub(in crate::render) fn bytes(&self) -> usize {
        self.json.len() + 1
    }

    /// The elements that it is, with those inside.
    pub(in crate::render) fn count(&self) -> usize {
        self.count
    }

    /// The words that it streams, if it does.
    pub(in crate::render) fn streamed(&self) -> Option<&str> {
        self.streamed.as_deref()
    }

    /// The tables in it.
    pub(in crate::render) fn tables(&self) -> usize {
        self.tables
    }
}

fn count(element: &Value) -> usize {
    let inside = ["elements", "columns"].iter().filter_map(|list| element[*list].as_array()).flatten();
    1 + inside.map(count).sum::<usize>()
}

/// Markdown in Feishu's dialect.
pub(in crate::render) fn markdown(text: &str, tables: usize) -> CardElement {
    CardElement::new(&json!({ "tag": "markdown", "content": text }), tables)
}

/// The same as the place that is streamed.
pub(in crate::render) fn stream(text: &str, tables: usize) -> CardElement {
    let value = json!({ "tag": "markdown", "element_id": crate::render::ladder::STREAM, "content": text });
    CardElement { streamed: Some(text.to_owned()), ..CardElement::new(&value, tables) }
}

/// Words as they are.
pub(in crate::render) fn plain(text: &str) -> CardElement {
    CardElement::new(&json!({ "tag": "div", "text": { "tag": "plain_text", "content": shown(text) } }), 0)
}

/// Words as they are, in small grey print.
pub(in crate::render) fn small(text: &str) -> CardElement {
    CardElement::new(&small_value(text), 0)
}

/// How to do by typing what buttons do.
pub(in crate::render) fn hint(text: &str) -> CardElement {
    small(text)
}

fn small_value(text: &str) -> Value {
    let text = json!({
        "tag": "plain_text",
        "content": shown(text),
        "text_size": "notation",
        "text_color": "grey",
    });
    json!({ "tag": "div", "text": text })
}

/// A line across.
pub(in crate::render) fn rule() -> CardElement {
    CardElement::new(&json!({ "tag": "hr" }), 0)
}

/// Something that opens at a touch. None when it would be nested deeper than Feishu allows, or is empty.
pub(in crate::render) fn panel(title: &str, inside: &[CardElement]) -> Option<CardElement> {
    if inside.is_empty() {
        return None;
    }
    let header = json!({
        "title": { "tag": "plain_text", "content": super::line(title, limits::HEADING) },
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

/// Buttons one beside the other, in as many lines as they take; none when there is none.
pub(in crate::render) fn button_row(buttons: &[Button], group: bool) -> Option<CardElement> {
    let values: Vec<Value> = buttons.iter().filter_map(|one| button(one, group)).collect();
    (!values.is_empty()).then(|| CardElement::new(&flowing(values), 0))
}

/// Words with buttons: one beside them, several below. What it is made of, one below the other.
pub(in crate::render) fn row(
    text: &str,
    small: Option<&str>,
    buttons: &[Button],
    group: bool,
) -> Vec<CardElement> {
    let words = || {
        let words = json!({ "tag": "div", "text": { "tag": "plain_text", "content": shown(text) } });
        [words].into_iter().chain(small.map(small_value))
    };
    let values: Vec<Value> = buttons.iter().filter_map(|one| button(one, group)).collect();
    if let [one] = values.as_slice() {
        let columns = json!([
            { "tag": "column", "width": "weighted", "weight": 1, "vertical_align": "center",
              "elements": words().collect::<Vec<_>>() },
            { "tag": "column", "width": "auto", "vertical_align": "center", "elements": [one] },
        ]);
        return vec![CardElement::new(
            &json!({ "tag": "column_set", "flex_mode": "none", "columns": columns }),
            0,
        )];
    }
    let buttons = (!values.is_empty()).then(|| flowing(values));
    words().chain(buttons).map(|value| CardElement::new(&value, 0)).collect()
}

pub(super) fn flowing(elements: Vec<Value>) -> Value {
    let columns: Vec<Value> = elements
        .into_iter()
        .map(|element| json!({ "tag": "column", "width": "auto", "elements": [element] }))
        .collect();
    json!({ "tag": "column_set", "flex_mode": "flow", "horizontal_spacing": "small", "columns": columns })
}

/// None when what it asks for is longer than any act of phonework's.
pub(super) fn button(button: &Button, group: bool) -> Option<Value> {
    let value = Press::value(&button.act, group);
    if value.to_string().len() > limits::ACT_BYTES {
        return None;
    }
    let look = match button.look {
        ButtonStyle::Plain => "default",
        ButtonStyle::Primary => "primary",
        ButtonStyle::Danger => "danger",
    };
    let label = super::line(&button.label, limits::LABEL);
    let mut json = json!({
        "tag": "button",
        "text": { "tag": "plain_text", "content": label },
        "type": look,
        "behaviors": [{ "type": "callback", "value": value }],
    });
    if let Some(question) = &button.confirm {
        json["confirm"] = json!({
            "title": { "tag": "plain_text", "content": label },
            "text": { "tag": "plain_text", "content": super::line(question, limits::QUESTION) },
        });
    }
    Some(json)
}
