//! What a person reads on a card, and what they can press.

use serde_json::Value;

use super::{is_second_schema, known};

/// The words of a card, a line for each element: titles, texts as they are read, and buttons as `[label]`.
pub(crate) fn flatten(card: &Value) -> String {
    let mut lines = Vec::new();
    for place in ["title", "subtitle"] {
        lines.extend(card["header"][place]["content"].as_str().map(str::to_owned));
    }
    flatten_into(elements(card), &mut lines);
    lines.join("\n")
}

/// Its Markdown and plain texts of normal size, at the top level and in rows, a line break between two: what it says,
/// without the head, small print, panels that open and buttons.
pub(crate) fn answer(card: &Value) -> String {
    let mut texts = Vec::new();
    say(elements(card), &mut texts);
    texts.join("\n")
}

fn say(elements: &Value, texts: &mut Vec<String>) {
    for element in elements.as_array().into_iter().flatten() {
        if element["tag"] == "column_set" {
            for column in element["columns"].as_array().into_iter().flatten() {
                say(&column["elements"], texts);
            }
            continue;
        }
        let text = if element["tag"] == "div" { &element["text"] } else { element };
        let small = text["text_size"].as_str().is_some_and(|size| size != "normal");
        let grey = text["text_color"].as_str().is_some_and(|colour| colour == "grey");
        if !small && !grey {
            texts.extend(read(text));
        }
    }
}

/// Whether it shows something that goes on: a blue head, or a button whose act is `stop`.
pub(crate) fn is_unfinished(card: &Value) -> bool {
    let stops = |button: &&Value| callback(button).is_some_and(|value| value["act"]["do"] == "stop");
    card["header"]["template"] == "blue" || buttons(card).iter().any(stops)
}

/// The buttons in their order.
pub(crate) fn buttons(card: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    collect(card, &mut found);
    found
}

/// What a press of an element carries to the bot.
pub(crate) fn callback(element: &Value) -> Option<&Value> {
    let behaviors = element["behaviors"].as_array().into_iter().flatten();
    let callback = behaviors.filter(|each| each["type"] == "callback").map(|each| &each["value"]);
    callback.chain(element.get("value")).next()
}

/// Markdown with its entities as the characters that they stand for and without the spaces that make a line break, where
/// Feishu reads them: not inside code.
pub(crate) fn decoded(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut rest = markdown;
    let mut fence: Option<&str> = None;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.find('\n').map_or(rest.len(), |end| end + 1));
        rest = after;
        let trimmed = line.trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, None) => match line.strip_suffix("  \n") {
                Some(broken) => {
                    decode_line(broken.trim_end_matches(' '), &mut text);
                    text.push('\n');
                }
                None => decode_line(line, &mut text),
            },
            (None, Some(_)) => {
                let end = trimmed.find(|each| each != '`' && each != '~').unwrap_or(trimmed.len());
                fence = Some(&trimmed[..end]);
                text.push_str(line);
            }
            (Some(open), _) => {
                if trimmed.starts_with(open) && trimmed.chars().all(|each| open.starts_with(each)) {
                    fence = None;
                }
                text.push_str(line);
            }
        }
    }
    text
}

fn decode_line(line: &str, text: &mut String) {
    let mut rest = line;
    while let Some(at) = rest.find(['&', '`']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = if rest.starts_with('`') {
            let ticks = rest.len() - rest.trim_start_matches('`').len();
            let closing = rest[ticks..].find(&rest[..ticks]).map_or(ticks, |end| ticks + end + ticks);
            text.push_str(&rest[..closing]);
            closing
        } else if let Some((character, length)) = entity(rest) {
            text.push(character);
            length
        } else {
            text.push('&');
            1
        };
        rest = &rest[taken..];
    }
    text.push_str(rest);
}

/// `&#NN;` at the beginning: its character and its length.
fn entity(text: &str) -> Option<(char, usize)> {
    let digits = text.strip_prefix("&#")?;
    let end = digits.find(';').filter(|end| (1..=7).contains(end))?;
    let character = char::from_u32(digits[..end].parse().ok()?)?;
    Some((character, 2 + end + 1))
}

fn elements(card: &Value) -> &Value {
    if is_second_schema(card) { &card["body"]["elements"] } else { &card["elements"] }
}

/// A text element as it is read.
fn read(text: &Value) -> Option<String> {
    let content = text["content"].as_str()?;
    match text["tag"].as_str()? {
        "markdown" | "lark_md" => Some(decoded(content)),
        "plain_text" => Some(content.to_owned()),
        _ => None,
    }
}

fn flatten_into(elements: &Value, lines: &mut Vec<String>) {
    for element in elements.as_array().into_iter().flatten() {
        let text = element["text"]["content"].as_str();
        match element["tag"].as_str().unwrap_or_default() {
            "markdown" | "plain_text" | "lark_md" => lines.extend(read(element)),
            "button" => lines.extend(text.map(|label| format!("[{label}]"))),
            "hr" => lines.push("---".to_owned()),
            "select_static" | "multi_select_static" => {
                lines.extend(element["placeholder"]["content"].as_str().map(str::to_owned));
                let options = element["options"].as_array().into_iter().flatten();
                lines.extend(
                    options.filter_map(|option| Some(format!("- {}", option["text"]["content"].as_str()?))),
                );
            }
            "input" => {
                lines.extend(element["placeholder"]["content"].as_str().map(|hint| format!("_{hint}_")))
            }
            _ => {
                lines.extend(read(&element["header"]["title"]));
                lines.extend(read(&element["text"]));
                for list in known::LISTS {
                    flatten_into(&element[*list], lines);
                }
            }
        }
    }
}

fn collect<'a>(within: &'a Value, found: &mut Vec<&'a Value>) {
    if within["tag"] == "button" {
        found.push(within);
    }
    for list in ["body", "elements", "columns", "actions"] {
        let inner = &within[list];
        if let Some(list) = inner.as_array() {
            list.iter().for_each(|each| collect(each, found));
        } else if inner.is_object() {
            collect(inner, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entities_are_read_as_their_characters_but_not_inside_code() {
        assert_eq!(decoded("a &#60;b&#62; &amp; &#x; &#9999999; & &"), "a <b> &amp; &#x; &#9999999; & &");
        assert_eq!(decoded("`&#60;` &#60; ``a`&#60;`` &#60;"), "`&#60;` < ``a`&#60;`` <");
        assert_eq!(decoded("a&#42;  \nb\n```\nc  \n```"), "a*\nb\n```\nc  \n```");
        let fenced = "&#42;\n````md\n```\n&#42;\n````\n&#42;";
        assert_eq!(decoded(fenced), "*\n````md\n```\n&#42;\n````\n*");
    }

    #[test]
    fn the_answer_is_what_stands_at_the_top_level_in_normal_size() {
        let stop = json!({"phonework": 1, "act": {"do": "stop"}, "group": false});
        let card = json!({"schema": "2.0",
        "header": {"title": {"tag": "plain_text", "content": "Done"}},
        "body": {"elements": [
            {"tag": "markdown", "content": "a&#95;b"},
            {"tag": "div", "text": {"tag": "plain_text", "content": "a&#95;b"}},
            {"tag": "collapsible_panel", "header": {"title": {"tag": "plain_text", "content": "more"}},
             "elements": [{"tag": "markdown", "content": "hidden"}]},
            {"tag": "markdown", "content": "small", "text_size": "notation"},
            {"tag": "column_set", "columns": [{"tag": "column", "elements": [
                {"tag": "button", "text": {"tag": "plain_text", "content": "Stop"},
                 "behaviors": [{"type": "callback", "value": stop}]}]}]},
        ]}});
        assert_eq!(answer(&card), "a_b\na&#95;b");
        assert_eq!(flatten(&card), "Done\na_b\na&#95;b\nmore\nhidden\nsmall\n[Stop]");
        assert!(is_unfinished(&card));
        assert!(!is_unfinished(&json!({"schema": "2.0", "body": {"elements": []}})));
    }
}
