//! The phone page in a real browser.

mod cards;
mod pictures;
mod turns;

use std::path::Path;

use phonework::emulator::Emulator;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    emulator::easy,
    support::{
        bot::Bot,
        phonework::PATIENCE,
        tools::{run_script, source, tool},
    },
};

/// Names a folder for pictures of what the scripts see.
const SCREENSHOTS: &str = "PHONEWORK_SCREENSHOTS";

pub(crate) const BROWSER: &str = "/usr/bin/chromium";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_phone_shows_what_is_said_and_executes_none_of_it() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.p2p(&emulator.user(0));
    assert_eq!(bot.send(chat.as_str(), "interactive", &card(), &Value::Null).await.code, 0);

    // Feishu refuses such a link on a card and takes it in a post.
    let bad = json!({"tag": "a", "text": "bad", "href": "javascript:window.hit = 3"});
    let post = json!({"zh_cn": {"title": "", "content": [[bad]]}});
    assert_eq!(bot.send(chat.as_str(), "post", &post, &Value::Null).await.code, 0);

    let arguments = [emulator.base_url(), BROWSER];
    tokio::select! {
        () = repeat(&emulator, &bot) => {}
        () = drive("tests/browser/phone.cjs", &arguments) => {}
    }
    assert_eq!(emulator.complaints(), Vec::<String>::new());
}

/// Runs a script that drives the browser; it must succeed.
pub(crate) async fn drive(script: &str, arguments: &[&str]) {
    assert!(Path::new(BROWSER).exists(), "{BROWSER} is missing: run tests/run once, which installs it");
    let modules = tool("node_modules/playwright-core");
    let mut command = Command::new("node");
    command.env("NODE_PATH", modules.parent().expect("node_modules")).arg(source(script)).args(arguments);
    if let Some(folder) = std::env::var_os(SCREENSHOTS) {
        // Tests run in the package's folder; so does who asks for pictures.
        command.env(SCREENSHOTS, Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    }
    run_script(&mut command, PATIENCE).await;
}

/// Answers every message with itself and every press with a toast.
async fn repeat(emulator: &Emulator, bot: &Bot) {
    let mut socket = bot.connect(emulator).await;
    loop {
        let (frame, event) = socket.event().await;
        let event = &event["event"];
        let toast = event["action"]["value"]["answer"]
            .as_str()
            .map(|answer| json!({"toast": {"type": "success", "content": format!("you said {answer}")}}));
        socket.ack(&frame, 200, toast.as_ref()).await;
        let Some(id) = event["message"]["message_id"].as_str() else { continue };
        let shown = emulator.shown_message(&id.into()).expect("the message");
        let content = json!({"text": format!("heard: {}", shown.text)});
        let reply = json!({"msg_type": "text", "content": content.to_string()});
        let answer = bot.call("POST", &format!("/open-apis/im/v1/messages/{id}/reply"), &reply).await;
        assert_eq!(answer.code, 0);
    }
}

fn card() -> Value {
    let attack = "<img src=x onerror=\"window.hit = 1\"><script>window.hit = 2</script>";
    let text = format!("{attack} [good](https://example.com)\n```rust\nlet x = 1; // <b>\n```");
    json!({
        "schema": "2.0",
        "header": {"title": {"tag": "plain_text", "content": attack}, "template": "orange"},
        "body": {"elements": [
            {"tag": "markdown", "content": text},
            {"tag": "button", "text": {"tag": "plain_text", "content": "Yes"},
             "behaviors": [{"type": "callback", "value": {"answer": "yes"}}]},
        ]},
    })
}
