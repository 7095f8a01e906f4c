//! Which cards Feishu takes, and the words of a card. Pure.
//!
//! Of schema 2.0 are checked: properties and tags, ids, the number of elements and of tables, nesting, forms, what
//! buttons, inputs and selects require, and addresses in Markdown. Not checked: most values of styles, Markdown beyond
//! its tables and addresses, and everything inside charts, tables and pictures. Of schema 1.0, where Feishu ignores what it does not know, only that
//! there are elements.

mod known;
mod tables;
mod values;
mod words;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

pub(crate) use self::words::{answer, buttons, callback, flatten, is_unfinished};

/// Feishu: 200 elements in one card.
const MAX_ELEMENTS: usize = 200;
/// Feishu documents 4 tables in one Markdown element and 5 in a card; more than 3 were seen to fail.
const MAX_TABLES: usize = 3;
/// Feishu: containers nest at most 5 deep.
const DEEPEST: usize = 5;

/// Why a card is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CardFault {
    /// Not JSON, not an object, or without elements.
    Unparsable,
    /// A property that schema 2.0 does not know, or a value of the wrong kind.
    Property(String),
    /// A tag that schema 2.0 does not know.
    Tag(String),
    /// The same `element_id` twice.
    DuplicateId(String),
    /// More than 200 elements.
    TooManyElements,
    /// More tables than are shown.
    TooManyTables,
    /// A form's element without a name.
    FormName,
    /// `update_multi: false` in schema 2.0.
    NotShared,
    /// Not schema 2.0 where it must be.
    OldSchema,
    /// Templates are not emulated.
    NoTemplate,
}

impl CardFault {
    /// The sub-code and the words that stand in the message API's 230099.
    pub(crate) fn for_messages(&self) -> (i64, String) {
        match self {
            Self::Unparsable => {
                (200_621, "parse card json err, please check whether the card json is correct".into())
            }
            Self::Property(what) => (200_621, format!("parse card json err, {what}")),
            Self::Tag(tag) => (
                200_861,
                format!("cards of schema V2 no longer support this capability; unsupported tag {tag}"),
            ),
            Self::DuplicateId(id) => (11_310, format!("element id duplicate: {id}")),
            Self::TooManyElements => (11_310, "element exceeds the limit".into()),
            Self::TooManyTables => (11_310, "card table number over limit".into()),
            Self::FormName => (200_530, "the component in the form has no name".into()),
            Self::NotShared => (300_302, "update_multi must be true".into()),
            Self::OldSchema => (200_830, "a card of schema 2.0 cannot become one of schema 1.0".into()),
            Self::NoTemplate => (200_380, "template does not exist".into()),
        }
    }

    /// The code of the card entity API.
    pub(crate) fn for_entities(&self) -> i64 {
        match self {
            Self::DuplicateId(_) => 300_301,
            Self::NotShared => 300_302,
            Self::OldSchema => 300_303,
            Self::TooManyElements => 300_305,
            Self::Unparsable | Self::Property(_) | Self::Tag(_) | Self::TooManyTables | Self::FormName => {
                200_220
            }
            Self::NoTemplate => 200_220,
        }
    }
}

/// Whether a card says that it is of schema 2.0.
pub(crate) fn is_second_schema(card: &Value) -> bool {
    card["schema"].as_str() == Some("2.0")
}

/// Whether a card may be updated: `update_multi`, which schema 2.0 has by default.
pub(crate) fn may_be_updated(card: &Value) -> bool {
    card["config"]["update_multi"].as_bool().unwrap_or(is_second_schema(card))
}

/// Checks a whole card.
pub(crate) fn check(card: &Value) -> Result<(), CardFault> {
    let top = card.as_object().ok_or(CardFault::Unparsable)?;
    if !is_second_schema(card) {
        let elements = top.get("elements").or_else(|| top.get("i18n_elements"));
        return if elements.is_some() || top.contains_key("header") {
            Ok(())
        } else {
            Err(CardFault::Unparsable)
        };
    }
    properties("card", top, known::CARD)?;
    if let Some(config) = object(top, "config")? {
        properties("config", config, known::CONFIG)?;
        if config.get("update_multi") == Some(&Value::Bool(false)) {
            return Err(CardFault::NotShared);
        }
    }
    if let Some(header) = object(top, "header")? {
        properties("header", header, known::HEADER)?;
        if header.get("title").is_none_or(|title| !title.is_object()) {
            return Err(CardFault::Property("header.title is required".into()));
        }
        values::header(&card["header"])?;
    }
    let Some(body) = object(top, "body")? else { return Err(CardFault::Property("body is required".into())) };
    properties("body", body, known::BODY)?;
    let mut seen = CheckedSoFar::default();
    check_list(body.get("elements"), CardPlace { depth: 0, in_form: false }, &mut seen)?;
    seen.verdict()
}

#[derive(Default)]
struct CheckedSoFar {
    ids: BTreeSet<String>,
    names: BTreeSet<String>,
    elements: usize,
    tables: usize,
    submits: usize,
}

impl CheckedSoFar {
    fn verdict(&self) -> Result<(), CardFault> {
        if self.elements > MAX_ELEMENTS {
            return Err(CardFault::TooManyElements);
        }
        if self.tables > MAX_TABLES {
            return Err(CardFault::TooManyTables);
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct CardPlace {
    depth: usize,
    in_form: bool,
}

fn check_list(elements: Option<&Value>, place: CardPlace, seen: &mut CheckedSoFar) -> Result<(), CardFault> {
    let Some(elements) = elements else { return Ok(()) };
    let elements =
        elements.as_array().ok_or_else(|| CardFault::Property("elements is not an array".into()))?;
    elements.iter().try_for_each(|element| check_element(element, place, seen))
}

fn check_element(element: &Value, place: CardPlace, seen: &mut CheckedSoFar) -> Result<(), CardFault> {
    let fields =
        element.as_object().ok_or_else(|| CardFault::Property("an element is not an object".into()))?;
    let tag = element["tag"].as_str().unwrap_or_default();
    let Some(element_known) = known::element(tag) else { return Err(CardFault::Tag(tag.to_owned())) };
    if let Some(own) = element_known.properties {
        let unknown =
            fields.keys().find(|key| !own.contains(&key.as_str()) && !known::EVERY.contains(&key.as_str()));
        if let Some(unknown) = unknown {
            return Err(CardFault::Property(format!("unknown property {unknown} of {tag}")));
        }
    }
    if element_known.only_at_root && place.depth > 0 {
        return Err(CardFault::Property(format!("{tag} may not be inside a container")));
    }
    seen.elements += 1;
    seen.tables +=
        usize::from(tag == "table") + tables::count(element["content"].as_str().unwrap_or_default());
    check_id(element, seen)?;
    if element["text"].is_object() {
        check_id(&element["text"], seen)?;
    }
    if element_known.interactive {
        check_interactive(tag, element, place, seen)?;
    }
    values::check(tag, element)?;
    let inner = CardPlace {
        depth: place.depth + usize::from(element_known.container),
        in_form: place.in_form || tag == "form",
    };
    if inner.depth > DEEPEST {
        return Err(CardFault::Property("containers are nested too deep".into()));
    }
    let submits = seen.submits;
    for list in known::LISTS {
        check_list(fields.get(*list), inner, seen)?;
    }
    if tag == "form" && seen.submits == submits {
        return Err(CardFault::Property("a form needs a submit button".into()));
    }
    if tag == "markdown" && !element["content"].is_string() {
        return Err(CardFault::Property("markdown.content is required".into()));
    }
    Ok(())
}

fn check_id(element: &Value, seen: &mut CheckedSoFar) -> Result<(), CardFault> {
    let Some(id) = element.get("element_id") else { return Ok(()) };
    let id = id.as_str().unwrap_or_default();
    let well_formed = id.len() <= 20
        && id.starts_with(|first: char| first.is_ascii_alphabetic())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !well_formed {
        return Err(CardFault::Property(format!("element_id {id:?} is not valid")));
    }
    if seen.ids.insert(id.to_owned()) { Ok(()) } else { Err(CardFault::DuplicateId(id.to_owned())) }
}

fn check_interactive(
    tag: &str,
    element: &Value,
    place: CardPlace,
    seen: &mut CheckedSoFar,
) -> Result<(), CardFault> {
    let property = |what: &str| Err(CardFault::Property(format!("{tag}: {what}")));
    if place.in_form {
        let name = element["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err(CardFault::FormName);
        }
        if !seen.names.insert(name.to_owned()) {
            return property("its name is taken");
        }
    }
    match tag {
        "button" => {
            seen.submits += usize::from(element["form_action_type"].as_str() == Some("submit"));
            let label = element["text"]["content"].as_str().unwrap_or_default();
            if label.chars().count() > 100 {
                return property("a label has at most 100 characters");
            }
        }
        "input" => {
            let longest = element.get("max_length").map_or(Some(1000), Value::as_u64);
            if !longest.is_some_and(|longest| (1..=1000).contains(&longest)) {
                return property("max_length is 1 to 1000");
            }
        }
        "select_static" | "multi_select_static" => {
            let options = element["options"].as_array().map(Vec::as_slice).unwrap_or_default();
            let values: BTreeSet<&str> =
                options.iter().filter_map(|option| option["value"].as_str()).collect();
            if values.len() != options.len() {
                return property("option values must be unique");
            }
        }
        _ => {}
    }
    Ok(())
}

fn object<'a>(
    parent: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a Map<String, Value>>, CardFault> {
    match parent.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_object().map(Some).ok_or_else(|| CardFault::Property(format!("{name} is not an object")))
        }
    }
}

fn properties(of: &str, fields: &Map<String, Value>, known: &[&str]) -> Result<(), CardFault> {
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => Err(CardFault::Property(format!("unknown property {unknown} of {of}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn card(elements: Value) -> Value {
        json!({"schema": "2.0", "body": {"elements": elements}})
    }

    #[test]
    fn an_ordinary_card_is_taken() {
        let whole = json!({
            "schema": "2.0",
            "config": {"summary": {"content": "done"}, "update_multi": true, "streaming_mode": false},
            "header": {"title": {"tag": "plain_text", "content": "Done"}, "template": "green"},
            "body": {"elements": [
                {"tag": "markdown", "element_id": "answer", "content": "**yes**"},
                {"tag": "hr"},
                {"tag": "column_set", "columns": [{"tag": "column", "width": "auto", "elements": [
                    {"tag": "button", "text": {"tag": "plain_text", "content": "OK"},
                     "behaviors": [{"type": "callback", "value": {"n": 1}}]}]}]},
                {"tag": "collapsible_panel", "header": {"title": {"tag": "plain_text", "content": "more"}},
                 "elements": [{"tag": "div", "text": {"tag": "plain_text", "content": "less"}}]},
            ]},
        });
        assert_eq!(check(&whole), Ok(()));
        assert_eq!(flatten(&whole), "Done\n**yes**\n---\n[OK]\nmore\nless");
    }

    #[test]
    fn what_schema_two_does_not_know_is_refused() {
        let unknown = json!({"schema": "2.0", "elements": [], "body": {"elements": []}});
        assert_eq!(check(&unknown), Err(CardFault::Property("unknown property elements of card".into())));
        assert_eq!(
            check(&card(json!([{"tag": "note", "elements": []}]))),
            Err(CardFault::Tag("note".into()))
        );
        let wrong = card(json!([{"tag": "markdown", "content": "x", "colour": "red"}]));
        assert_eq!(check(&wrong), Err(CardFault::Property("unknown property colour of markdown".into())));
    }

    #[test]
    fn ids_are_unique_in_a_card() {
        let twice = json!({"tag": "markdown", "element_id": "a", "content": "x"});
        assert_eq!(check(&card(json!([twice, twice]))), Err(CardFault::DuplicateId("a".into())));
    }

    #[test]
    fn two_hundred_elements_are_taken_and_one_more_is_not() {
        let elements = |count| card(Value::Array(vec![json!({"tag": "hr"}); count]));
        assert_eq!(check(&elements(200)), Ok(()));
        assert_eq!(check(&elements(201)), Err(CardFault::TooManyElements));
    }

    #[test]
    fn a_fourth_table_is_refused() {
        let table = "|a|b|\n|-|-|\n|1|2|\n\n";
        assert_eq!(check(&card(json!([{"tag": "markdown", "content": table.repeat(3)}]))), Ok(()));
        let four = card(json!([{"tag": "markdown", "content": table.repeat(4)}]));
        assert_eq!(check(&four), Err(CardFault::TooManyTables));
    }

    #[test]
    fn a_form_stands_at_the_root_and_can_be_submitted() {
        let label = json!({"tag": "plain_text", "content": "Go"});
        let submit = json!({"tag": "button", "text": label, "name": "go", "form_action_type": "submit"});
        let form =
            json!({"tag": "form", "name": "f", "elements": [{"tag": "input", "name": "answer"}, submit]});
        assert_eq!(check(&card(json!([form]))), Ok(()));
        let inside = json!({"tag": "collapsible_panel", "header": {"title": label}, "elements": [form]});
        assert_eq!(
            check(&card(json!([inside]))),
            Err(CardFault::Property("form may not be inside a container".into()))
        );
        let nameless = json!({"tag": "form", "name": "f", "elements": [{"tag": "input"}, submit]});
        assert_eq!(check(&card(json!([nameless]))), Err(CardFault::FormName));
    }

    #[test]
    fn the_first_schema_ignores_what_it_does_not_know() {
        assert_eq!(check(&json!({"elements": [{"tag": "note", "x": 1}], "y": 2})), Ok(()));
        assert!(!may_be_updated(&json!({"elements": []})));
        assert!(may_be_updated(&card(json!([]))));
    }
}
