use std::time::Duration;

use phonework::emulator::{
    Clicked, FaultDuration, FaultEffect, InjectedFault, PeopleError, PressTarget, ShownToast,
};
use serde_json::{Value, json};

use super::{LONG, easy};
use crate::support::bot::{Bot, Socket};

fn card(elements: Value) -> Value {
    json!({"schema": "2.0", "body": {"elements": elements}})
}

fn question() -> Value {
    card(json!([
        {"tag": "markdown", "element_id": "text", "content": "May I?"},
        {"tag": "button", "text": {"tag": "plain_text", "content": "Yes"},
         "behaviors": [{"type": "callback", "value": {"answer": "yes"}}]},
    ]))
}

#[tokio::test]
async fn a_card_is_patched_but_never_to_the_old_schema() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.group();
    let sent = bot.send(chat.as_str(), "interactive", &question(), &Value::Null).await;
    let path = format!("/open-apis/im/v1/messages/{}", sent.body["data"]["message_id"].as_str().unwrap());
    let patch = |card: &Value| json!({"content": card.to_string()});
    let done = card(json!([{"tag": "markdown", "content": "Done."}]));
    assert_eq!(bot.call("PATCH", &path, &patch(&done)).await.code, 0);
    assert_eq!(emulator.shown(&chat)[0].text, "Done.");
    let old = json!({"config": {"update_multi": true}, "elements": []});
    assert_eq!(bot.call("PATCH", &path, &patch(&old)).await.code, 230_099);
    let note = card(json!([{"tag": "note"}]));
    let refused = bot.call("PATCH", &path, &patch(&note)).await;
    assert_eq!(refused.code, 230_099);
    assert!(refused.body["msg"].as_str().unwrap().contains("ErrCode: 200861"), "{refused:?}");
    assert_eq!(emulator.shown(&chat)[0].text, "Done.");
}

#[tokio::test]
async fn an_entity_is_changed_by_numbered_operations_only() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.group();
    let mut streaming = question();
    streaming["config"] = json!({"streaming_mode": true});
    let made = json!({"type": "card_json", "data": streaming.to_string()});
    let made = bot.call("POST", "/open-apis/cardkit/v1/cards", &made).await;
    let id = made.body["data"]["card_id"].as_str().unwrap().to_owned();
    let content = json!({"type": "card", "data": {"card_id": id}});
    assert_eq!(bot.send(chat.as_str(), "interactive", &content, &Value::Null).await.code, 0);
    assert_eq!(bot.send(chat.as_str(), "interactive", &content, &Value::Null).await.code, 230_001);

    let base = format!("/open-apis/cardkit/v1/cards/{id}");
    let text = format!("{base}/elements/text/content");
    assert_eq!(bot.call("PUT", &text, &json!({"content": "one", "sequence": 1})).await.code, 0);
    assert_eq!(bot.call("PUT", &text, &json!({"content": "two", "sequence": 1})).await.code, 300_317);
    assert_eq!(bot.call("PUT", &text, &json!({"content": "two", "sequence": 5})).await.code, 0);
    assert_eq!(emulator.shown(&chat)[0].text, "two\n[Yes]");

    let twice = json!([{"tag": "markdown", "element_id": "text", "content": "again"}]).to_string();
    let add = json!({"type": "append", "elements": twice, "sequence": 6});
    assert_eq!(bot.call("POST", &format!("{base}/elements"), &add).await.code, 300_301);
    let settings = json!({"settings": "{\"config\":{\"streaming_mode\":false}}", "sequence": 7});
    assert_eq!(bot.call("PATCH", &format!("{base}/settings"), &settings).await.code, 0);
    assert_eq!(bot.call("PUT", &text, &json!({"content": "late", "sequence": 8})).await.code, 300_309);
    let actions = json!([
        {"action": "partial_update_element",
         "params": {"element_id": "text", "partial_element": {"content": "three"}}},
        {"action": "add_elements", "params": {"type": "insert_after", "target_element_id": "text",
         "elements": [{"tag": "hr", "element_id": "line"}]}},
    ]);
    let batch = json!({"actions": actions.to_string(), "sequence": 9});
    assert_eq!(bot.call("POST", &format!("{base}/batch_update"), &batch).await.code, 0);
    assert_eq!(emulator.shown(&chat)[0].text, "three\n---\n[Yes]");
    let gone = json!({"sequence": 10});
    assert_eq!(bot.call("DELETE", &format!("{base}/elements/line"), &gone).await.code, 0);
    assert_eq!(emulator.shown(&chat)[0].text, "three\n[Yes]");
}

#[tokio::test]
async fn a_press_calls_the_bot_and_shows_its_toast_and_card() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    let sent = bot.send(chat.as_str(), "interactive", &question(), &Value::Null).await;
    let id = sent.body["data"]["message_id"].as_str().unwrap().into();

    let unheard = emulator.click(&anna, &id, PressTarget::Nth(0)).await.unwrap();
    assert_eq!(unheard, Clicked { toast: None, card_replaced: false, error: Some(200_340) });

    let mut socket = bot.connect(&emulator).await;
    let answer = async {
        let (frame, event) = socket.event().await;
        assert_eq!(event["event"]["action"]["value"], json!({"answer": "yes"}));
        assert_eq!(event["event"]["operator"]["open_id"], anna.as_str());
        let card = card(json!([{"tag": "markdown", "content": "Thank you."}]));
        let data =
            json!({"toast": {"type": "success", "content": "noted"}, "card": {"type": "raw", "data": card}});
        socket.ack(&frame, 200, Some(&data)).await;
        event["event"]["token"].as_str().unwrap().to_owned()
    };
    let (clicked, token) = tokio::join!(emulator.click(&anna, &id, PressTarget::Label("Yes".into())), answer);
    let toast = ShownToast { kind: "success".into(), content: "noted".into() };
    assert_eq!(clicked.unwrap(), Clicked { toast: Some(toast), card_replaced: true, error: None });
    assert_eq!(emulator.shown(&chat)[0].text, "Thank you.");

    let update = json!({"token": token, "card": card(json!([{"tag": "markdown", "content": "Later."}]))});
    for code in [0, 0, 300_040] {
        assert_eq!(bot.call("POST", "/open-apis/interactive/v1/card/update", &update).await.code, code);
    }
    assert_eq!(emulator.shown(&chat)[0].text, "Later.");
    assert_eq!(emulator.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn a_card_that_is_refused_for_what_it_is_made_of_is_kept_with_the_reason() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    let mut socket = bot.connect(&emulator).await;
    let note = card(json!([{"tag": "note"}]));
    let long = card(json!([{"tag": "markdown", "content": "x".repeat(30_000)}]));
    // Neither a fault nor a card that was sent already says anything against the card.
    let busy = FaultEffect::Refuse { http: 400, code: 230_099, reset: None };
    emulator.fault(InjectedFault::sending(busy, FaultDuration::Times(1)));
    assert_eq!(bot.send(chat.as_str(), "interactive", &note, &Value::Null).await.code, 230_099);
    let sent = bot.send(chat.as_str(), "interactive", &question(), &Value::Null).await;
    let message_id = sent.body["data"]["message_id"].as_str().unwrap();
    let made = json!({"type": "card_json", "data": question().to_string()});
    let made = bot.call("POST", "/open-apis/cardkit/v1/cards", &made).await;
    let card_id = made.body["data"]["card_id"].as_str().unwrap();
    let entity = json!({"type": "card", "data": {"card_id": card_id}});
    for code in [0, 230_001] {
        assert_eq!(bot.send(chat.as_str(), "interactive", &entity, &Value::Null).await.code, code);
    }
    assert_eq!(emulator.refused_cards(), [""; 0]);

    // It is also refused where the answer is lost.
    emulator.fault(InjectedFault::sending(FaultEffect::Lose, FaultDuration::Times(1)));
    let lost = json!({"receive_id": chat, "msg_type": "interactive", "content": note.to_string()});
    bot.try_call("POST", "/open-apis/im/v1/messages?receive_id_type=chat_id", &lost).await.unwrap_err();
    bot.send(chat.as_str(), "interactive", &long, &Value::Null).await;
    let patch = format!("/open-apis/im/v1/messages/{message_id}");
    bot.call("PATCH", &patch, &json!({"content": note.to_string()})).await;
    let replace = format!("/open-apis/cardkit/v1/cards/{card_id}");
    let by = json!({"card": {"type": "card_json", "data": note.to_string()}, "sequence": 1});
    bot.call("PUT", &replace, &by).await;
    let pressed = message_id.into();
    let press = emulator.click(&anna, &pressed, PressTarget::Nth(0));
    let answer = async {
        let (frame, _) = socket.event().await;
        socket.ack(&frame, 200, Some(&json!({"card": {"type": "raw", "data": note}}))).await;
    };
    tokio::join!(press, answer).0.unwrap();
    let refused = emulator.refused_cards();
    let reasons: Vec<&str> = refused.iter().filter_map(|refused| refused.lines().next()).collect();
    let old = "cards of schema V2 no longer support this capability; unsupported tag note";
    let in_message = format!("230099 Failed to create card content, ext=ErrCode: 200861; ErrMsg: {old}; ");
    assert_eq!(
        reasons,
        [
            format!("POST /open-apis/im/v1/messages: {in_message}"),
            "POST /open-apis/im/v1/messages: 230025 The length of the message content reaches its limit."
                .to_owned(),
            format!("PATCH {patch}: {in_message}"),
            format!("PUT {replace}: 200220 ErrCode: 200861; ErrMsg: {old}"),
            format!("answer to a press: {old}"),
        ]
    );
    assert!(refused[1].contains(&"x".repeat(30_000)), "the card itself is there");
}

/// Answers one press with a toast, and gives what the press said.
async fn toasting(socket: &mut Socket, words: &str) -> Value {
    let (frame, event) = socket.event().await;
    let toast = json!({"toast": {"type": "success", "content": words}});
    socket.ack(&frame, 200, Some(&toast)).await;
    event["event"]["action"].clone()
}

#[tokio::test]
async fn a_test_presses_buttons_by_their_labels_and_fills_in_forms() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    let button = |label: &str, number: u32| {
        json!({"tag": "button", "text": {"tag": "plain_text", "content": label},
               "behaviors": [{"type": "callback", "value": {"n": number}}]})
    };
    let option = |name: &str| json!({"text": {"tag": "plain_text", "content": name}, "value": name});
    let mut send = button("Send", 3);
    send["name"] = json!("send");
    send["form_action_type"] = json!("submit");
    let form = json!({"tag": "form", "name": "f", "elements": [
        {"tag": "multi_select_static", "name": "q0", "options": [option("a"), option("b")]},
        {"tag": "input", "name": "w0"}, send]});
    let whole = card(json!([
        {"tag": "markdown", "content": "a&#95;b"}, button("Go", 1), button("Go", 2), form]));
    bot.send(chat.as_str(), "interactive", &whole, &Value::Null).await;
    let shown = emulator.card_with(&chat, "Send", LONG).await;
    assert_eq!((shown.answer().as_str(), shown.buttons()), ("a_b", vec!["Go", "Go", "Send"]));

    let id = &shown.message_id;
    let (toast, action) = tokio::join!(emulator.press_nth(id, &anna, "Go", 1), toasting(&mut socket, "gone"));
    assert_eq!((toast.content.as_str(), &action["value"]), ("gone", &json!({"n": 2})));
    let fields = json!({"q0": ["b"]});
    let (_, action) = tokio::join!(emulator.submit(id, &anna, "Send", fields), toasting(&mut socket, "sent"));
    assert_eq!(action["form_value"], json!({"q0": ["b"], "w0": ""}));

    let earlier = shown.value_of("Go").unwrap();
    let path = format!("/open-apis/im/v1/messages/{id}");
    let empty = json!({"content": card(json!([])).to_string()});
    assert_eq!(bot.call("PATCH", &path, &empty).await.code, 0);
    assert_eq!(
        emulator.click(&anna, id, PressTarget::Label("Go".into())).await,
        Err(PeopleError::NoButton(id.clone()))
    );
    let late = emulator.press_earlier(id, &anna, earlier, None);
    let (_, action) = tokio::join!(late, toasting(&mut socket, "too late"));
    assert_eq!(action["value"], json!({"n": 1}));
}

#[tokio::test]
async fn an_app_that_is_not_set_up_well_is_refused_and_its_cards_are_dead() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let _socket = bot.connect(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    emulator.withhold_scope("cardkit:card:write");
    let entity = json!({"type": "card_json", "data": question().to_string()});
    let refused = bot.call("POST", "/open-apis/cardkit/v1/cards", &entity).await;
    assert_eq!((refused.http, refused.code), (400, 99_991_672));
    assert!(refused.body["msg"].as_str().unwrap().contains("[cardkit:card:write]"), "{refused:?}");
    emulator.grant_scope("cardkit:card:write");
    assert_eq!(bot.call("POST", "/open-apis/cardkit/v1/cards", &entity).await.code, 0);

    bot.send(chat.as_str(), "interactive", &question(), &Value::Null).await;
    let id = emulator.shown(&chat)[0].message_id.clone();
    emulator.subscribe_callbacks(false);
    let unsubscribed = emulator.click(&anna, &id, PressTarget::Nth(0)).await.unwrap();
    assert_eq!(unsubscribed, Clicked { toast: None, card_replaced: false, error: Some(200_340) });
}

#[tokio::test]
async fn streaming_ends_by_itself_and_an_old_card_is_neither_changed_nor_pressed() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let anna = emulator.user(0);
    let chat = emulator.p2p(&anna);
    let mut streaming = question();
    streaming["config"] = json!({"streaming_mode": true});
    let made = json!({"type": "card_json", "data": streaming.to_string()});
    let made = bot.call("POST", "/open-apis/cardkit/v1/cards", &made).await;
    let card_id = made.body["data"]["card_id"].as_str().unwrap().to_owned();
    let content = json!({"type": "card", "data": {"card_id": card_id}});
    bot.send(chat.as_str(), "interactive", &content, &Value::Null).await;
    let base = format!("/open-apis/cardkit/v1/cards/{card_id}");
    let text = format!("{base}/elements/text/content");
    emulator.end_streaming();
    assert_eq!(bot.call("PUT", &text, &json!({"content": "two", "sequence": 1})).await.code, 200_850);
    let settings = json!({"settings": "{\"config\":{\"streaming_mode\":true}}", "sequence": 2});
    assert_eq!(bot.call("PATCH", &format!("{base}/settings"), &settings).await.code, 0);
    assert_eq!(bot.call("PUT", &text, &json!({"content": "two", "sequence": 3})).await.code, 0);

    bot.send(chat.as_str(), "interactive", &question(), &Value::Null).await;
    let ids: Vec<_> = emulator.shown(&chat).into_iter().map(|shown| shown.message_id).collect();
    for id in &ids {
        emulator.age(id, Duration::from_secs(15 * 24 * 3600));
        let pressed = emulator.click(&anna, id, PressTarget::Nth(0)).await;
        assert_eq!(pressed, Err(PeopleError::Expired(id.clone())));
    }
    assert_eq!(bot.call("PUT", &text, &json!({"content": "three", "sequence": 4})).await.code, 200_750);
    let patch = json!({"content": question().to_string()});
    let path = format!("/open-apis/im/v1/messages/{}", ids[1]);
    assert_eq!(bot.call("PATCH", &path, &patch).await.code, 230_031);
}
