//! Forms: fields, and the buttons that submit them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::element::{CardElement, button, flowing};
use super::{line, shown};
use crate::render::document::{Button, Field};
use crate::render::limits;

/// The names that are taken on a card: Feishu wants each once.
#[derive(Debug, Default)]
pub(in crate::render) struct FieldNames(BTreeSet<String>);

impl FieldNames {
    /// The name itself, or with a number when it is taken.
    fn take(&mut self, wanted: &str) -> String {
        let wanted = if wanted.is_empty() { "field" } else { wanted };
        let name = match self.0.contains(wanted) {
            false => wanted.to_owned(),
            true => {
                let numbered = (2_u32..).map(|n| format!("{wanted}_{n}"));
                numbered.into_iter().find(|name| !self.0.contains(name)).unwrap_or_default()
            }
        };
        self.0.insert(name.clone());
        name
    }

    /// A form with its labels in Markdown of Feishu's. None when it has no button: Feishu takes none of these. What no
    /// card has room for is left out: it can be typed.
    pub(in crate::render) fn form(
        &mut self,
        fields: &[Field],
        buttons: &[Button],
        group: bool,
    ) -> Option<CardElement> {
        let mut room = limits::ATOM_BYTES - 8 * (limits::FIELDS + limits::BUTTONS) - 500;
        let mut submits = Vec::new();
        for one in buttons {
            let Some(mut value) = button(one, group) else { continue };
            value["form_action_type"] = "submit".into();
            value["name"] = self.take("submit").into();
            let bytes = value.to_string().len();
            if bytes < room && submits.len() < limits::BUTTONS {
                room -= bytes;
                submits.push(value);
            }
        }
        if submits.is_empty() {
            return None;
        }
        let mut elements = Vec::new();
        for field in fields {
            let Some(element) = self.field(field, room) else { continue };
            let bytes = element.to_string().len();
            if bytes < room && elements.len() < limits::FIELDS {
                room -= bytes;
                elements.push(element);
            }
        }
        elements.push(flowing(submits));
        let name = self.take("form");
        Some(CardElement::new(&json!({ "tag": "form", "name": name, "elements": elements }), 0))
    }

    fn field(&mut self, field: &Field, room: usize) -> Option<Value> {
        match field {
            Field::Label { text } => {
                let content = crate::render::markdown::translate(text, 0).0;
                Some(json!({ "tag": "markdown", "content": content }))
            }
            Field::Choice { name, placeholder, options, many } => {
                let mut seen = BTreeSet::new();
                let mut left = room.saturating_sub(1_000);
                let options: Vec<Value> = options
                    .iter()
                    // Feishu takes none without a value, and nobody could tell what it is.
                    .filter(|option| !option.trim().is_empty() && seen.insert(option.as_str()))
                    .map(|option| {
                        let text = line(option, limits::LABEL);
                        json!({ "text": { "tag": "plain_text", "content": text }, "value": option })
                    })
                    .take_while(|option| {
                        let bytes = option.to_string().len();
                        let fits = bytes < left;
                        left = left.saturating_sub(bytes);
                        fits
                    })
                    .collect();
                let tag = if *many { "multi_select_static" } else { "select_static" };
                (!options.is_empty()).then(|| {
                    json!({
                        "tag": tag,
                        "name": self.take(name),
                        "placeholder": hint(placeholder),
                        "options": options,
                        "width": "fill",
                    })
                })
            }
            Field::Words { name, placeholder } => Some(json!({
                "tag": "input",
                "name": self.take(name),
                "placeholder": hint(placeholder),
                "input_type": "multiline_text",
                "rows": 2,
                "max_length": limits::FIELD,
                "width": "fill",
            })),
        }
    }
}

fn hint(text: &str) -> Value {
    json!({ "tag": "plain_text", "content": line(&shown(text), limits::LABEL) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card_action::CardAction;
    use crate::render::document::ButtonStyle;

    #[test]
    fn an_option_without_a_word_or_a_second_time_is_left_out() {
        let options = ["", " \n", "One", "One", "Two"].map(str::to_owned).to_vec();
        let fields = [Field::Choice { name: "a".into(), placeholder: "choose".into(), options, many: false }];
        let form = FieldNames::default()
            .form(&fields, &[Button::new("Go", ButtonStyle::Primary, CardAction::RunLate)], false)
            .unwrap();
        let form: Value = serde_json::from_str(form.json()).unwrap();
        let offered = form["elements"][0]["options"].as_array().unwrap();
        let values: Vec<_> = offered.iter().map(|option| option["value"].as_str().unwrap()).collect();
        assert_eq!(values, ["One", "Two"]);
    }
}
