//! Every element of a card, drawn and pressed.

use serde_json::{Value, json};

use super::{BROWSER, drive};
use crate::emulator::easy;
use crate::support::bot::{Bot, Socket};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_element_of_a_card_is_drawn_and_does_what_it_does_in_the_app() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.p2p(&emulator.user(0));
    for card in [texts(), buttons(), form()] {
        let sent = bot.send(chat.as_str(), "interactive", &card, &Value::Null).await;
        assert_eq!(sent.code, 0, "{sent:?}");
    }
    send_file(&bot, chat.as_str()).await;
    let arguments = [emulator.base_url(), BROWSER];
    let mut socket = bot.connect(&emulator).await;
    tokio::select! {
        () = stream_and_tell(&mut socket, &bot, chat.as_str()) => {}
        () = drive("tests/browser/cards.cjs", &arguments) => {}
    }
    assert_eq!(emulator.complaints(), Vec::<String>::new());
}

/// Answers each press with what it carried, and begins to stream at `{"go": true}`.
async fn stream_and_tell(socket: &mut Socket, bot: &Bot, chat: &str) {
    loop {
        let (frame, event) = socket.event().await;
        let action = &event["event"]["action"];
        let said = json!({"value": action["value"], "form": action["form_value"]});
        let toast = json!({"toast": {"type": "success", "content": said.to_string()}});
        socket.ack(&frame, 200, Some(&toast)).await;
        if action["value"]["go"] == true {
            stream(bot, chat).await;
        }
    }
}

/// A card that is typed out, and then changed into one that is done.
async fn stream(bot: &Bot, chat: &str) {
    let card = |text: &str, streaming: bool| {
        json!({"schema": "2.0", "config": {"streaming_mode": streaming},
               "body": {"elements": [{"tag": "markdown", "element_id": "answer", "content": text}]}})
        .to_string()
    };
    let made = json!({"type": "card_json", "data": card("It", true)});
    let made = bot.call("POST", "/open-apis/cardkit/v1/cards", &made).await;
    let id = made.body["data"]["card_id"].as_str().unwrap().to_owned();
    let content = json!({"type": "card", "data": {"card_id": id}});
    assert_eq!(bot.send(chat, "interactive", &content, &Value::Null).await.code, 0);
    let path = format!("/open-apis/cardkit/v1/cards/{id}/elements/answer/content");
    let texts = ["It **grows**", "It **grows** word by word, 一个字一个字地"];
    for (text, sequence) in texts.into_iter().zip(1..) {
        assert_eq!(bot.call("PUT", &path, &json!({"content": text, "sequence": sequence})).await.code, 0);
    }
}

async fn send_file(bot: &Bot, chat: &str) {
    let text = "# All of it\n\n<b>not bold</b> 全文";
    let part = reqwest::multipart::Part::text(text).file_name("x");
    let form = reqwest::multipart::Form::new().text("file_type", "stream").text("file_name", "answer.md");
    let kept = bot.upload("/open-apis/im/v1/files", form.part("file", part)).await;
    let content = json!({"file_key": kept.body["data"]["file_key"]});
    assert_eq!(bot.send(chat, "file", &content, &Value::Null).await.code, 0);
}

fn plain(text: &str) -> Value {
    json!({"tag": "plain_text", "content": text})
}

fn headed(template: &str, title: &str, elements: &Value) -> Value {
    json!({"schema": "2.0", "header": {"title": plain(title), "template": template},
           "body": {"elements": elements}})
}

/// All that is read.
fn texts() -> Value {
    let markdown = "## What I found\n\nThe **parser** drops `a\\b`; ~~not~~ *here*. 中文很长的一句话没有空格也要能换行才行，\
        不然就会超出屏幕的边缘。  \nA new line. &#60;b&#62;not bold&#60;/b&#62; [docs](https://example.com/a)\n\n\
        1. one\n    - nested\n2. two\n\n> a quote\n\n| file | lines |\n|:--|--:|\n| `src/a.rs` | 12 |\n| `src/b.rs` | 7 |\n\n\
        ---\n\n```diff\n@@ -1,3 +1,3 @@\n one\n-two\n+2 is a line that is longer than any phone is wide, and is scrolled\n```";
    let small = json!({"tag": "plain_text", "content": "calc · a1b2 · opus · 12 s · $0.03 · 7 % of context",
                       "text_size": "notation", "text_color": "grey"});
    let panel = json!({"tag": "collapsible_panel", "expanded": false,
        "header": {"title": plain("▸ Bash: cargo test"), "icon": {"tag": "standard_icon", "token": "down-small-ccm_outlined"},
                   "icon_position": "right", "icon_expanded_angle": -180},
        "elements": [{"tag": "markdown", "content": "```bash\ncargo test\n```\n```\nrunning 3 tests\n```"}]});
    headed(
        "green",
        "Done",
        &json!([
            {"tag": "markdown", "content": markdown},
            {"tag": "div", "text": plain("as it is: <b> *no* &#60;\n  indented")},
            panel, {"tag": "hr"}, {"tag": "div", "text": small},
        ]),
    )
}

fn button(label: &str, look: &str, value: Value) -> Value {
    json!({"tag": "button", "text": plain(label), "type": look,
           "behaviors": [{"type": "callback", "value": value}]})
}

fn flowing(elements: Vec<Value>) -> Value {
    let columns: Vec<Value> = elements
        .into_iter()
        .map(|element| json!({"tag": "column", "width": "auto", "elements": [element]}))
        .collect();
    json!({"tag": "column_set", "flex_mode": "flow", "horizontal_spacing": "small", "columns": columns})
}

/// All that is pressed.
fn buttons() -> Value {
    let mut close = button("Close session", "danger", json!({"close": 1}));
    close["confirm"] = json!({"title": plain("Close session"), "text": plain("What it remembers is lost.")});
    let mut off = button("Not now", "default", json!({}));
    off["disabled"] = json!(true);
    let row = json!({"tag": "column_set", "flex_mode": "none", "columns": [
        {"tag": "column", "width": "weighted", "weight": 1, "vertical_align": "center",
         "elements": [{"tag": "div", "text": plain("2. workshop · asleep")}]},
        {"tag": "column", "width": "auto", "vertical_align": "center",
         "elements": [button("Switch", "default", json!({"switch": 2}))]}]});
    let looks = ["text", "primary_text", "danger_text", "primary_filled", "danger_filled"];
    let looks = looks.into_iter().map(|look| button(look, look, json!({ "look": look }))).collect();
    headed(
        "orange",
        "May I run this?",
        &json!([
            flowing(vec![
                button("Allow once", "primary", json!({"allow": 1})),
                close,
                off,
                button("Stream", "default", json!({"go": true}))
            ]),
            row,
            flowing(looks),
        ]),
    )
}

/// All that is filled in.
fn form() -> Value {
    let option = |name: &str| json!({"text": plain(name), "value": name});
    let mut send = button("Send", "primary", json!({"answer": true}));
    send["name"] = json!("send");
    send["form_action_type"] = json!("submit");
    let select = |tag: &str, name: &str, hint: &str, options: &[&str]| {
        json!({"tag": tag, "name": name, "placeholder": plain(hint), "width": "fill",
               "options": options.iter().map(|name| option(name)).collect::<Vec<_>>()})
    };
    headed(
        "blue",
        "Two questions",
        &json!([{"tag": "form", "name": "questions", "elements": [
            {"tag": "markdown", "content": "**Which colour?**"},
            select("select_static", "q0", "Choose one", &["Red", "Green"]),
            {"tag": "markdown", "content": "**Which parts?**"},
            select("multi_select_static", "q1", "Choose some", &["Code", "Tests", "文档"]),
            {"tag": "input", "name": "w1", "placeholder": plain("In your own words"), "input_type": "multiline_text",
             "rows": 2, "max_length": 1000, "width": "fill"},
            flowing(vec![send]),
        ]}]),
    )
}
