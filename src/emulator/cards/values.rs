//! The values of an element's properties, as far as a wrong one is known to be refused or to show nothing.

use serde_json::Value;

use super::{CardFault, known, tables};

type CheckResult = Result<(), CardFault>;

/// Checks the values of an element, but not what is inside of it.
pub(super) fn check(tag: &str, element: &Value) -> CheckResult {
    match tag {
        "markdown" => {
            one_of(element, "text_size", known::TEXT_SIZES)?;
            markdown(element["content"].as_str().unwrap_or_default())
        }
        "div" => text(&element["text"], &["plain_text", "lark_md"]),
        "button" => button(element),
        "column_set" => {
            one_of(element, "flex_mode", &["none", "stretch", "flow", "bisect", "trisect"])?;
            let columns = element["columns"].as_array().into_iter().flatten();
            columns
                .into_iter()
                .try_for_each(|column| required(column["tag"] == "column", "columns holds columns"))
        }
        "column" => {
            width(element, &["auto", "weighted"])?;
            let weight = element.get("weight").map_or(Some(1), Value::as_u64);
            required(weight.is_some_and(|weight| (1..=5).contains(&weight)), "weight is 1 to 5")
        }
        "collapsible_panel" => panel(&element["header"]),
        "form" => {
            required(element["name"].as_str().is_some_and(|name| !name.is_empty()), "a form needs a name")
        }
        "input" => {
            one_of(element, "input_type", &["text", "multiline_text", "password"])?;
            placeholder(element)
        }
        "select_static" | "multi_select_static" => {
            let options = element["options"].as_array().into_iter().flatten();
            options.into_iter().try_for_each(|option| {
                text(&option["text"], &["plain_text"])?;
                let value = option["value"].as_str().unwrap_or_default();
                required(!value.is_empty(), "an option needs a value")
            })?;
            placeholder(element)
        }
        _ => Ok(()),
    }
}

/// Checks the head of a card.
pub(super) fn header(header: &Value) -> CheckResult {
    text(&header["title"], &["plain_text", "lark_md"])?;
    one_of(header, "template", known::TEMPLATES)
}

fn button(button: &Value) -> CheckResult {
    one_of(button, "type", known::BUTTON_TYPES)?;
    one_of(button, "size", &["tiny", "small", "medium", "large"])?;
    one_of(button, "form_action_type", &["submit", "reset"])?;
    width(button, &["default", "fill"])?;
    if button.get("icon").is_none() {
        text(&button["text"], &["plain_text", "lark_md"])?;
    }
    for behavior in button["behaviors"].as_array().into_iter().flatten() {
        match behavior["type"].as_str() {
            Some("callback") => {
                let value = behavior.get("value").is_some_and(|value| value.is_object() || value.is_string());
                required(value, "a callback carries an object or a string")?;
            }
            Some("open_url") => {
                let url = behavior["default_url"].as_str().unwrap_or_default();
                required(is_web(url), "default_url is no address of the web")?;
            }
            Some(_) | None => required(false, "a behavior is a callback or open_url")?,
        }
    }
    let Some(confirm) = button.get("confirm") else { return Ok(()) };
    text(&confirm["title"], &["plain_text"])?;
    text(&confirm["text"], &["plain_text"])
}

fn panel(header: &Value) -> CheckResult {
    let Some(fields) = header.as_object() else { return required(false, "a panel needs a header") };
    super::properties("header of collapsible_panel", fields, known::PANEL_HEADER)?;
    text(&header["title"], &["plain_text", "lark_md", "markdown"])?;
    one_of(header, "icon_position", &["left", "right", "follow_text"])?;
    let angle = header.get("icon_expanded_angle").map_or(Some(180), Value::as_i64);
    required(angle.is_some_and(|angle| [-180, -90, 90, 180].contains(&angle)), "icon_expanded_angle")
}

fn placeholder(element: &Value) -> CheckResult {
    let Some(placeholder) = element.get("placeholder") else { return Ok(()) };
    text(placeholder, &["plain_text"])?;
    let length = placeholder["content"].as_str().unwrap_or_default().chars().count();
    required(length <= 100, "a placeholder has at most 100 characters")
}

fn text(text: &Value, tags: &[&str]) -> CheckResult {
    let tag = text["tag"].as_str().unwrap_or_default();
    required(tags.contains(&tag), &format!("a text of the tag {tag:?} is not taken here"))?;
    let Some(fields) = text.as_object() else { return Ok(()) };
    super::properties("text", fields, known::TEXT)?;
    one_of(text, "text_size", known::TEXT_SIZES)?;
    required(text["content"].is_string(), "content is required")?;
    if tag == "plain_text" { Ok(()) } else { markdown(text["content"].as_str().unwrap_or_default()) }
}

fn one_of(element: &Value, name: &str, values: &[&str]) -> CheckResult {
    let Some(value) = element.get(name) else { return Ok(()) };
    required(value.as_str().is_some_and(|value| values.contains(&value)), &format!("{name} is {value}"))
}

fn width(element: &Value, words: &[&str]) -> CheckResult {
    let Some(width) = element.get("width") else { return Ok(()) };
    let width = width.as_str().unwrap_or_default();
    let pixels = width.strip_suffix("px").is_some_and(|number| number.parse::<u16>().is_ok());
    required(pixels || words.contains(&width), &format!("width is {width:?}"))
}

/// Feishu: an address that goes on in Chinese makes the card fail, and so does a link that leads elsewhere than to the
/// web.
fn markdown(text: &str) -> CheckResult {
    // What is in code is shown as it is.
    for line in tables::outside_fences(text).flatten() {
        for prose in line.split('`').step_by(2) {
            addresses(prose)?;
            links(prose)?;
        }
    }
    Ok(())
}

fn addresses(prose: &str) -> CheckResult {
    for (start, _) in prose.match_indices("http") {
        let address = &prose[start..];
        if !is_web(address) {
            continue;
        }
        let end = address.find(|each: char| !each.is_ascii_graphic() || "<>\"()".contains(each));
        let next = end.and_then(|end| address[end..].chars().next());
        required(!next.is_some_and(is_chinese), "an address goes on in Chinese")?;
    }
    Ok(())
}

fn links(prose: &str) -> CheckResult {
    for (start, _) in prose.match_indices("](") {
        let before = &prose[..start];
        let is_image = before.rfind('[').is_some_and(|open| before[..open].ends_with('!'));
        let target = &prose[start + 2..];
        let Some(target) = target.find(')').map(|end| &target[..end]) else { continue };
        required(is_image || is_web(target), &format!("the link {target:?} does not lead to the web"))?;
    }
    Ok(())
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn is_chinese(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
}

fn required(holds: bool, what: &str) -> CheckResult {
    if holds { Ok(()) } else { Err(CardFault::Property(what.to_owned())) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(element: &Value) -> Option<String> {
        match check(element["tag"].as_str().unwrap(), element) {
            Ok(()) => None,
            Err(CardFault::Property(what)) => Some(what),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_that_feishu_does_not_know_are_refused() {
        let label = json!({"tag": "plain_text", "content": "x"});
        for (element, why) in [
            (json!({"tag": "button", "text": label, "type": "golden"}), "type is \"golden\""),
            (json!({"tag": "button"}), "a text of the tag \"\" is not taken here"),
            (
                json!({"tag": "button", "text": label, "behaviors": [{"type": "callback"}]}),
                "a callback carries an object or a string",
            ),
            (
                json!({"tag": "div", "text": {"tag": "markdown", "content": "x"}}),
                "a text of the tag \"markdown\" is not taken here",
            ),
            (
                json!({"tag": "div", "text": {"tag": "plain_text", "content": "x", "bold": 1}}),
                "unknown property bold of text",
            ),
            (json!({"tag": "markdown", "content": "x", "text_size": "tiny"}), "text_size is \"tiny\""),
            (json!({"tag": "column", "width": "wide"}), "width is \"wide\""),
            (
                json!({"tag": "collapsible_panel", "header": {"title": label, "colour": 1}}),
                "unknown property colour of header of collapsible_panel",
            ),
            (
                json!({"tag": "select_static", "options": [{"text": label, "value": ""}]}),
                "an option needs a value",
            ),
            (json!({"tag": "form"}), "a form needs a name"),
        ] {
            assert_eq!(fault(&element).as_deref(), Some(why), "{element}");
        }
    }

    #[test]
    fn an_address_that_goes_on_in_chinese_fails_and_so_does_a_link_to_a_file() {
        let says = |content: &str| fault(&json!({"tag": "markdown", "content": content}));
        for good in [
            "see https://a.example/b 然后",
            "[a](https://a.example/b)然后",
            "`https://a.example/b然后` and `[a](b.rs)`",
            "```\nhttps://a.example/b然后\n```",
            "![a](img_v3_x)",
            "a[0](x",
        ] {
            assert_eq!(says(good), None, "{good}");
        }
        assert_eq!(says("见 https://a.example/b然后").as_deref(), Some("an address goes on in Chinese"));
        assert_eq!(says("[a](src/b.rs)").as_deref(), Some("the link \"src/b.rs\" does not lead to the web"));
    }
}
