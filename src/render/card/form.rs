//! Forms: input fields and the buttons that submit them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::element::{CardElement, button, flowing};
use super::{one_line, sanitized};
use crate::render::document::{Button, Field};
use crate::render::limits;

/// Characters of an option that a phone shows in a menu.
const MAX_MENU_CHARS: usize = 40;

/// The names in use on a card. Feishu requires every name to be unique.
#[derive(Debug, Default)]
pub(in crate::render) struct FieldNames(BTreeSet<String>);

impl FieldNames {
    /// Reserves a name: the wanted one, or with a number appended if that is in use.
    fn reserve(&mut self, wanted: &str) -> String {
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

    /// A form. `None` if it has no button, as Feishu refuses such forms. Fields and buttons that do not fit on a card are
    /// left out; the reader can type instead.
    pub(in crate::render) fn form(
        &mut self,
        fields: &[Field],
        buttons: &[Button],
        group: bool,
    ) -> Option<CardElement> {
        let mut room =
            limits::MAX_ATOM_BYTES - 8 * (limits::MAX_FORM_FIELDS + limits::MAX_BUTTONS_PER_ROW) - 500;
        let mut submits = Vec::new();
        for one in buttons {
            let Some(mut value) = button(one, group) else { continue };
            value["form_action_type"] = "submit".into();
            value["name"] = self.reserve("submit").into();
            let bytes = value.to_string().len();
            if bytes < room && submits.len() < limits::MAX_BUTTONS_PER_ROW {
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
            if bytes < room && elements.len() < limits::MAX_FORM_FIELDS {
                room -= bytes;
                elements.push(element);
            }
        }
        elements.push(flowing(submits));
        let name = self.reserve("form");
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
                // Labels that are cut are told apart by their numbers.
                let numbered = options.iter().any(|option| option.chars().count() > MAX_MENU_CHARS);
                let options: Vec<Value> = options
                    .iter()
                    .zip(1..)
                    // Feishu refuses an option without a value, and nobody could tell what it means.
                    .filter(|(option, _)| !option.trim().is_empty() && seen.insert(option.as_str()))
                    .map(|(option, n)| {
                        let number = if numbered { format!("{n}. ") } else { String::new() };
                        let text = one_line(&format!("{number}{option}"), limits::MAX_LABEL_CHARS);
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
                        "name": self.reserve(name),
                        "placeholder": hint(placeholder),
                        "options": options,
                        "width": "fill",
                    })
                })
            }
            Field::Input { name, placeholder } => Some(json!({
                "tag": "input",
                "name": self.reserve(name),
                "placeholder": hint(placeholder),
                "input_type": "multiline_text",
                "rows": 2,
                "max_length": limits::MAX_FIELD_CHARS,
                "width": "fill",
            })),
        }
    }
}

fn hint(text: &str) -> Value {
    json!({ "tag": "plain_text", "content": one_line(&sanitized(text), limits::MAX_LABEL_CHARS) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card_action::CardAction;
    use crate::render::document::ButtonStyle;

    #[test]
    fn empty_and_repeated_options_are_left_out() {
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
