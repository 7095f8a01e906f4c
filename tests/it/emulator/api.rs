use futures_util::future::join_all;
use phonework::emulator::{Emulator, EmulatorOptions};
use serde_json::{Value, json};

use super::{LONG, easy};
use crate::support::bot::Bot;

#[tokio::test]
async fn a_request_without_a_good_token_is_refused() {
    let emulator = easy().await;
    let mut bot = Bot::new(&emulator).await;
    assert_eq!(bot.call("GET", "/open-apis/bot/v3/info", &Value::Null).await.code, 0);
    emulator.expire_tokens();
    let refused = bot.call("GET", "/open-apis/bot/v3/info", &Value::Null).await;
    assert_eq!((refused.http, refused.code), (400, 99_991_663));
    bot.renew_token(&emulator).await;
    let info = bot.call("GET", "/open-apis/bot/v3/info", &Value::Null).await;
    assert_eq!(info.body["bot"]["open_id"], emulator.bot_open_id().as_str());
    assert_eq!(emulator.tokens_issued(), 2);
}

#[tokio::test]
async fn what_the_bot_sends_is_shown_verbatim_and_once_for_a_uuid() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let (anna, text) = (emulator.user(0), "  <b>two</b>\n\tlines ");
    let chat = emulator.p2p(&anna);
    let first = bot.send(chat.as_str(), "text", &json!({"text": text}), &json!({"uuid": "u-1"})).await;
    let again = bot.send(chat.as_str(), "text", &json!({"text": text}), &json!({"uuid": "u-1"})).await;
    assert_eq!(first.body["data"]["message_id"], again.body["data"]["message_id"]);
    let shown = emulator.wait_until(&chat, |shown| !shown.is_empty(), LONG).await.unwrap();
    assert_eq!(shown.iter().map(|each| each.text.as_str()).collect::<Vec<_>>(), [text]);
    assert!(shown[0].from_bot());
}

#[tokio::test]
async fn an_unknown_receiver_and_a_text_too_long_are_refused() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.group();
    let text = json!({"text": "x"});
    assert_eq!(bot.send("oc_nobody", "text", &text, &Value::Null).await.code, 230_034);
    let long = json!({"text": "x".repeat(150_001)});
    assert_eq!(bot.send(chat.as_str(), "text", &long, &Value::Null).await.code, 230_025);
    assert_eq!(bot.send(chat.as_str(), "shout", &text, &Value::Null).await.code, 230_001);
    assert_eq!(emulator.shown(&chat), []);
}

#[tokio::test]
async fn a_reply_shows_what_it_answers_and_a_recalled_message_takes_none() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    let asked = emulator.say(&anna, &chat, "are you there?");
    let path = format!("/open-apis/im/v1/messages/{asked}/reply");
    let reply = json!({"msg_type": "text", "content": json!({"text": "yes"}).to_string()});
    assert_eq!(bot.call("POST", &path, &reply).await.code, 0);
    assert_eq!(emulator.shown(&chat)[1].reply_to, Some(asked.clone()));
    emulator.recall(&asked).unwrap();
    assert_eq!(bot.call("POST", &path, &reply).await.code, 230_011);
    let shown = emulator.shown(&chat);
    assert!(shown[0].recalled && shown[0].text.is_empty());
}

#[tokio::test]
async fn the_twenty_first_edit_is_refused_and_another_ones_message_is_not_edited() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    let sent = bot.send(chat.as_str(), "text", &json!({"text": "0"}), &Value::Null).await;
    let path = format!("/open-apis/im/v1/messages/{}", sent.body["data"]["message_id"].as_str().unwrap());
    let edit = |text: String| json!({"msg_type": "text", "content": json!({"text": text}).to_string()});
    for number in 1..=20 {
        assert_eq!(bot.call("PUT", &path, &edit(number.to_string())).await.code, 0);
    }
    assert_eq!(bot.call("PUT", &path, &edit("21".into())).await.code, 230_072);
    let shown = &emulator.shown(&chat)[0];
    assert_eq!((shown.text.as_str(), shown.edits), ("20", 20));
    let hers = emulator.say(&anna, &chat, "mine");
    let path = format!("/open-apis/im/v1/messages/{hers}");
    assert_eq!(bot.call("PUT", &path, &edit("yours".into())).await.code, 230_071);
    assert_eq!(bot.call("PATCH", &path, &json!({"content": "{}"})).await.code, 230_001);
    assert_eq!(bot.call("DELETE", &path, &Value::Null).await.code, 230_026);
}

#[tokio::test]
async fn reactions_come_and_go() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    let asked = emulator.say(&anna, &chat, "hello");
    let path = format!("/open-apis/im/v1/messages/{asked}/reactions");
    let done = bot.call("POST", &path, &json!({"reaction_type": {"emoji_type": "OnIt"}})).await;
    emulator.react(&anna, &asked, "OK").unwrap();
    let emojis = |emulator: &Emulator| {
        let shown = emulator.shown(&chat).remove(0);
        shown.reactions.into_iter().map(|each| (each.emoji, each.by.is_none())).collect::<Vec<_>>()
    };
    assert_eq!(emojis(&emulator), [("OnIt".to_owned(), true), ("OK".to_owned(), false)]);
    let listed = bot.call("GET", &path, &Value::Null).await;
    assert_eq!(listed.body["data"]["items"].as_array().unwrap().len(), 2);
    let reaction = done.body["data"]["reaction_id"].as_str().unwrap();
    assert_eq!(bot.call("DELETE", &format!("{path}/{reaction}"), &Value::Null).await.code, 0);
    assert_eq!(emojis(&emulator), [("OK".to_owned(), false)]);
}

#[tokio::test]
async fn files_go_both_ways() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    let part = |bytes: &[u8]| reqwest::multipart::Part::bytes(bytes.to_vec()).file_name("x");
    let form = reqwest::multipart::Form::new().text("file_type", "stream").text("file_name", "log.txt");
    let kept = bot.upload("/open-apis/im/v1/files", form.part("file", part(b"a log"))).await;
    let key = kept.body["data"]["file_key"].as_str().unwrap();
    assert_eq!(bot.send(chat.as_str(), "file", &json!({"file_key": key}), &Value::Null).await.code, 0);
    assert_eq!(
        bot.send(chat.as_str(), "image", &json!({"image_key": key}), &Value::Null).await.code,
        230_055
    );
    let form =
        reqwest::multipart::Form::new().text("image_type", "message").part("image", part(b"no picture"));
    assert_eq!(bot.upload("/open-apis/im/v1/images", form).await.code, 234_011);

    let picture = b"\x89PNG\r\n\x1a\nrest";
    let key = emulator.keep_file("p.png", picture.to_vec());
    let message = emulator.say_kind(&anna, &chat, "image", json!({"image_key": key}));
    let path = format!("/open-apis/im/v1/messages/{message}/resources/{key}?type=image");
    assert_eq!(bot.download(&path).await, (200, picture.to_vec()));
    assert_eq!(bot.download(&format!("/open-apis/im/v1/images/{key}")).await.0, 400);
    assert_eq!(
        bot.send(chat.as_str(), "image", &json!({"image_key": key}), &Value::Null).await.code,
        230_017
    );
}

#[tokio::test]
async fn more_messages_than_the_rate_allows_are_refused() {
    let emulator = Emulator::start(EmulatorOptions::default()).await.unwrap();
    let bot = Bot::new(&emulator).await;
    let chat = emulator.group();
    let (text, nothing) = (json!({"text": "x"}), Value::Null);
    let answers = join_all((0..60).map(|_| bot.send(chat.as_str(), "text", &text, &nothing))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.code != 0).collect();
    assert!(!refused.is_empty());
    for answer in refused {
        assert!(matches!((answer.http, answer.code), (400, 230_020) | (429, 99_991_400)), "{answer:?}");
    }
}
