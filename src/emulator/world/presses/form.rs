//! A form as a phone submits it: every field, filled in or not, and only with what can be chosen or typed.

use serde_json::{Map, Value, json};

use crate::emulator::world::people::PeopleError;

/// Feishu: an input takes 1,000 characters where nothing else is said.
const MAX_INPUT_CHARS: u64 = 1000;

/// The form that an element stands in.
pub(super) fn around<'a>(card: &'a Value, element: &Value) -> Option<&'a Value> {
    let elements = card["body"]["elements"].as_array()?;
    elements.iter().find(|form| form["tag"] == "form" && holds(form, element))
}

/// All values of a form's fields: those given, and what stands in the others.
pub(super) fn fill(
    form: &Value,
    given: Option<&Map<String, Value>>,
) -> Result<Map<String, Value>, PeopleError> {
    let mut fields = Vec::new();
    collect(form, &mut fields);
    let named = |name: &str| fields.iter().any(|field| field["name"] == name);
    if let Some(unknown) = given.into_iter().flatten().map(|(name, _)| name).find(|name| !named(name)) {
        return Err(PeopleError::Field(format!("there is no field {unknown}")));
    }
    let mut values = Map::new();
    for field in fields {
        let name = field["name"].as_str().unwrap_or_default();
        let value = given.and_then(|given| given.get(name)).cloned().unwrap_or_else(|| untouched(field));
        check(name, field, &value)?;
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

fn untouched(field: &Value) -> Value {
    match field["tag"].as_str() {
        Some("multi_select_static") => field.get("selected_values").cloned().unwrap_or_else(|| json!([])),
        Some("select_static") => field.get("initial_option").cloned().unwrap_or_else(|| json!("")),
        Some(_) | None => field.get("default_value").cloned().unwrap_or_else(|| json!("")),
    }
}

fn check(name: &str, field: &Value, value: &Value) -> Result<(), PeopleError> {
    let wrong = |what: &str| Err(PeopleError::Field(format!("{name}: {what}")));
    let texts: Vec<&str> = match value.as_array() {
        Some(several) => several.iter().filter_map(Value::as_str).collect(),
        None => value.as_str().filter(|text| !text.is_empty()).into_iter().collect(),
    };
    if field["required"] == true && texts.is_empty() {
        return wrong("it must be filled in");
    }
    let many = field["tag"] == "multi_select_static";
    if value.is_array() != many {
        return wrong(if many { "it takes a list" } else { "it takes one text" });
    }
    if field["tag"] == "input" {
        let longest = field["max_length"].as_u64().unwrap_or(MAX_INPUT_CHARS);
        let length = texts.first().map_or(0, |text| text.chars().count());
        return if length as u64 > longest { wrong("that is too long to type") } else { Ok(()) };
    }
    let options = field["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    match texts.iter().find(|text| !options.iter().any(|option| option["value"] == **text)) {
        Some(text) => wrong(&format!("there is no option {text:?}")),
        None => Ok(()),
    }
}

fn collect<'a>(within: &'a Value, fields: &mut Vec<&'a Value>) {
    if matches!(within["tag"].as_str(), Some("input" | "select_static" | "multi_select_static")) {
        fields.push(within);
    }
    for list in ["elements", "columns"] {
        within[list].as_array().into_iter().flatten().for_each(|inner| collect(inner, fields));
    }
}

fn holds(within: &Value, element: &Value) -> bool {
    std::ptr::eq(within, element)
        || ["elements", "columns"]
            .iter()
            .any(|list| within[*list].as_array().into_iter().flatten().any(|inner| holds(inner, element)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Value {
        let option = |name: &str| json!({"text": {"tag": "plain_text", "content": name}, "value": name});
        json!({"tag": "form", "name": "f", "elements": [
            {"tag": "column_set", "columns": [{"tag": "column", "elements": [
                {"tag": "select_static", "name": "q0", "required": true, "options": [option("a"), option("b")]}]}]},
            {"tag": "multi_select_static", "name": "q1", "options": [option("a"), option("b")]},
            {"tag": "input", "name": "w0", "max_length": 3},
        ]})
    }

    fn filled(given: Value) -> Result<Value, String> {
        let filled = fill(&form(), given.as_object());
        filled.map(Value::Object).map_err(|impossible| impossible.to_string())
    }

    #[test]
    fn a_form_is_submitted_whole() {
        assert_eq!(filled(json!({"q0": "a"})), Ok(json!({"q0": "a", "q1": [], "w0": ""})));
    }

    #[test]
    fn only_what_can_be_chosen_or_typed_is_submitted() {
        for (given, why) in [
            (json!({}), "the form cannot be submitted: q0: it must be filled in"),
            (json!({"q0": "c"}), "the form cannot be submitted: q0: there is no option \"c\""),
            (json!({"q0": "a", "q1": "a"}), "the form cannot be submitted: q1: it takes a list"),
            (json!({"q0": "a", "w0": "four"}), "the form cannot be submitted: w0: that is too long to type"),
            (json!({"q0": "a", "x": "y"}), "the form cannot be submitted: there is no field x"),
        ] {
            assert_eq!(filled(given), Err(why.to_owned()));
        }
    }
}
