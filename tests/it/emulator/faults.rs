use phonework::emulator::{Effect, Fault, Lasting};
use serde_json::{Value, json};

use super::{LONG, easy};
use crate::support::bot::Bot;

#[tokio::test]
async fn a_fault_refuses_a_request_and_then_no_more() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.group();
    let effect = Effect::Refuse { http: 429, code: 99_991_400, reset: Some(7) };
    emulator.fault(Fault::sending(effect, Lasting::Times(1)));
    let refused = bot.send(chat.as_str(), "text", &json!({"text": "x"}), &Value::Null).await;
    assert_eq!((refused.http, refused.code, refused.reset.as_deref()), (429, 99_991_400, Some("7")));
    assert_eq!(bot.send(chat.as_str(), "text", &json!({"text": "x"}), &Value::Null).await.code, 0);
    let calls = emulator.api_calls();
    let codes: Vec<_> = calls.iter().rev().take(2).map(|call| (call.http, call.code)).collect();
    assert_eq!(codes, [(Some(200), Some(0)), (Some(429), Some(99_991_400))]);
}

#[tokio::test]
async fn an_answer_is_lost_after_the_message_was_sent() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.group();
    emulator.fault(Fault::sending(Effect::Lose, Lasting::Times(1)));
    let sent = json!({"receive_id": chat, "msg_type": "text", "content": "{\"text\":\"x\"}", "uuid": "u"});
    let path = "/open-apis/im/v1/messages?receive_id_type=chat_id";
    assert!(bot.try_call("POST", path, &sent).await.is_err());
    assert_eq!(emulator.shown(&chat).len(), 1);
    assert_eq!(bot.call("POST", path, &sent).await.code, 0);
    assert_eq!(emulator.shown(&chat).len(), 1);
}

#[tokio::test]
async fn a_request_is_held_until_the_fault_is_lifted() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.group();
    let fault = emulator.fault(Fault::sending(Effect::Hold, Lasting::UntilLifted));
    let (content, nothing) = (json!({"text": "x"}), Value::Null);
    let lifting = async {
        emulator.wait_for(|each| each.struck(fault).filter(|hits| *hits == 1), LONG).await.unwrap();
        assert_eq!(emulator.shown(&chat), []);
        emulator.lift(fault);
    };
    let (answer, ()) = tokio::join!(bot.send(chat.as_str(), "text", &content, &nothing), lifting);
    assert_eq!(answer.code, 0);
    assert_eq!(emulator.shown(&chat).len(), 1);
}

#[tokio::test]
async fn a_gateways_page_and_broken_json_are_no_answers_of_feishu() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let info = "/open-apis/bot/v3/info";
    emulator.fault(Fault::api("GET", info, Effect::Page { http: 502 }, Lasting::Times(1)));
    emulator.fault(Fault::api("GET", info, Effect::Garbage, Lasting::Times(1)));
    emulator.fault(Fault::api("GET", info, Effect::Cut, Lasting::Times(1)));
    let page = bot.call("GET", info, &Value::Null).await;
    assert_eq!((page.http, page.code), (502, -1));
    let garbage = bot.call("GET", info, &Value::Null).await;
    assert_eq!((garbage.http, garbage.code), (200, -1));
    assert!(bot.try_call("GET", info, &Value::Null).await.is_err());
    assert_eq!(bot.call("GET", info, &Value::Null).await.code, 0);
}
