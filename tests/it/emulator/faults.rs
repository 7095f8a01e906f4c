use phonework::emulator::{Emulator, FaultDuration, FaultEffect, InjectedFault, Outage};
use serde_json::{Value, json};

use super::{LONG, easy};
use crate::support::bot::Bot;

#[tokio::test]
async fn a_fault_refuses_a_request_and_then_no_more() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let chat = emulator.group();
    let effect = FaultEffect::Refuse { http: 429, code: 99_991_400, reset: Some(7) };
    emulator.fault(InjectedFault::sending(effect, FaultDuration::Times(1)));
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
    emulator.fault(InjectedFault::sending(FaultEffect::Lose, FaultDuration::Times(1)));
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
    let fault = emulator.fault(InjectedFault::sending(FaultEffect::Hold, FaultDuration::UntilLifted));
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
    emulator.fault(InjectedFault::api("GET", info, FaultEffect::Page { http: 502 }, FaultDuration::Times(1)));
    emulator.fault(InjectedFault::api("GET", info, FaultEffect::Garbage, FaultDuration::Times(1)));
    emulator.fault(InjectedFault::api("GET", info, FaultEffect::Cut, FaultDuration::Times(1)));
    let page = bot.call("GET", info, &Value::Null).await;
    assert_eq!((page.http, page.code), (502, -1));
    let garbage = bot.call("GET", info, &Value::Null).await;
    assert_eq!((garbage.http, garbage.code), (200, -1));
    assert!(bot.try_call("GET", info, &Value::Null).await.is_err());
    assert_eq!(bot.call("GET", info, &Value::Null).await.code, 0);
}

#[tokio::test]
async fn a_feishu_that_is_away_refuses_or_says_nothing_and_comes_back_where_it_was() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let info = "/open-apis/bot/v3/info";
    let mut before = bot.connect(&emulator).await;
    emulator.outage(Some(Outage::Refusing));
    while before.message().await.is_some() {}
    // Connections that wait in the listener's queue may be taken a moment longer; none of them is answered.
    assert!(bot.try_call("GET", info, &Value::Null).await.is_err());
    emulator.outage(None);
    let back = async { while bot.try_call("GET", info, &Value::Null).await.is_err() {} };
    tokio::time::timeout(LONG, back).await.expect("it is back");

    let mut silent = bot.connect(&emulator).await;
    emulator.outage(Some(Outage::Silent));
    silent.ping(1).await;
    let asked = async { bot.try_call("GET", info, &Value::Null).await };
    let lifted = async {
        let waits = |emulator: &Emulator| {
            emulator.api_calls().last().filter(|call| call.path == info && call.http.is_none()).map(drop)
        };
        emulator.wait_for(waits, LONG).await.unwrap();
        assert!(emulator.connections()[0].stalled && emulator.connections()[0].pings == 0);
        emulator.outage(None);
    };
    let (answer, ()) = tokio::join!(asked, lifted);
    assert!(answer.is_err(), "what was asked meanwhile is not answered");
    assert_eq!(bot.call("GET", info, &Value::Null).await.code, 0);
}

#[tokio::test]
async fn pongs_carry_what_they_are_told_to() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    emulator.pongs_carry(b"{");
    socket.ping(1).await;
    assert_eq!(socket.frame().await.payload.as_deref(), Some(&b"{"[..]));
    emulator.lift_all();
    socket.ping(1).await;
    let pong = socket.frame().await;
    let config: Value = serde_json::from_slice(pong.payload.as_deref().unwrap()).unwrap();
    assert_eq!(config["PingInterval"], 120);
}
