use std::time::Duration;

use phonework::{
    emulator::{
        ConnectionEnding, DeliveryFaults, Duplicate, Emulator, EmulatorOptions, FaultDuration, FaultEffect,
        InjectedFault, MalformedInput, ReleaseOrder,
    },
    feishu::frame::Frame,
    ids::MessageId,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{LONG, easy};
use crate::support::bot::{Bot, header};

fn message_of(event: &Value) -> MessageId {
    event["event"]["message"]["message_id"].as_str().unwrap().into()
}

#[tokio::test]
async fn a_message_is_pushed_and_its_acknowledgement_recorded() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    let anna = emulator.user(0);
    let said = emulator.say(&anna, &emulator.p2p(&anna), "hello");
    let (frame, event) = socket.event().await;
    assert_eq!(message_of(&event), said);
    assert_eq!(event["event"]["message"]["content"], json!({"text": "hello"}).to_string());
    assert_eq!((header(&frame, "type"), header(&frame, "sum"), header(&frame, "seq")), ("event", "1", "0"));
    socket.ack(&frame, 200, None).await;
    let ack = emulator.wait_for(|each| each.acks().pop(), LONG).await.unwrap();
    assert_eq!((ack.message_id, ack.code, ack.attempt, ack.connection), (Some(said), 200, 1, 1));
    assert_eq!(emulator.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn in_a_group_the_bot_hears_only_what_mentions_it() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    let (anna, group) = (emulator.user(0), emulator.group());
    emulator.say(&anna, &group, "lunch, @Ming?");
    let said = emulator.say(&anna, &group, "@phonework ask @Ming");
    let (_, event) = socket.event().await;
    assert_eq!(message_of(&event), said);
    let message = &event["event"]["message"];
    assert_eq!(message["content"], json!({"text": "@_user_2 ask @_user_1"}).to_string());
    assert_eq!(message["mentions"][1]["id"]["open_id"], emulator.bot_open_id().as_str());
    assert_eq!(emulator.shown(&group)[1].text, "@phonework ask @Ming");
}

#[tokio::test]
async fn what_is_not_acknowledged_with_200_is_pushed_again() {
    let redelivery = vec![Duration::from_millis(1); 4];
    let emulator =
        Emulator::start(EmulatorOptions { redelivery, ..EmulatorOptions::default() }).await.unwrap();
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    let anna = emulator.user(0);
    let said = emulator.say(&anna, &emulator.p2p(&anna), "hello");
    for code in [500, 500, 200] {
        let (frame, event) = socket.event().await;
        assert_eq!(message_of(&event), said);
        socket.ack(&frame, code, None).await;
    }
    let acks =
        emulator.wait_for(|each| Some(each.acks()).filter(|acks| acks.len() == 3), LONG).await.unwrap();
    let acks: Vec<_> = acks.iter().map(|ack| (ack.attempt, ack.code)).collect();
    assert_eq!(acks, [(1, 500), (2, 500), (3, 200)]);
}

#[tokio::test]
async fn a_lost_connection_leaves_its_events_to_the_next() {
    let redelivery = vec![Duration::from_millis(10); 2000];
    let emulator =
        Emulator::start(EmulatorOptions { redelivery, ..EmulatorOptions::default() }).await.unwrap();
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    let anna = emulator.user(0);
    let said = emulator.say(&anna, &emulator.p2p(&anna), "hello");
    socket.event().await;
    emulator.drop_connections(ConnectionEnding::Reset);
    assert!(socket.message().await.is_none());
    let mut socket = bot.connect(&emulator).await;
    assert_eq!(message_of(&socket.event().await.1), said);
}

#[tokio::test]
async fn a_ping_is_answered_with_the_settings() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let answer = bot.endpoint(&emulator).await;
    let url = answer.body["data"]["URL"].as_str().unwrap();
    let service = url.split_once("service_id=").unwrap().1.split('&').next().unwrap().parse().unwrap();
    let mut socket = bot.connect(&emulator).await;
    socket.ping(service).await;
    let pong: Frame = socket.frame().await;
    assert_eq!((pong.method, header(&pong, "type")), (0, "pong"));
    let settings: Value = serde_json::from_slice(pong.payload.as_deref().unwrap()).unwrap();
    assert_eq!(settings, answer.body["data"]["ClientConfig"]);
    assert_eq!(emulator.connections()[0].pings, 1);
    assert_eq!(emulator.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn a_ticket_opens_one_connection() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let answer = bot.endpoint(&emulator).await;
    let url = answer.body["data"]["URL"].as_str().unwrap();
    let _first = tokio_tungstenite::connect_async(url).await.unwrap();
    let Err(Error::Http(refused)) = tokio_tungstenite::connect_async(url).await else {
        panic!("it opened two")
    };
    assert_eq!(refused.headers()["handshake-status"], "514");
}

#[tokio::test]
async fn an_event_comes_in_slices_in_any_order_and_twice_if_asked_for() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    let duplicate = Duplicate::NewEventId;
    emulator.delivering(DeliveryFaults { slices: 3, reversed: true, duplicate, delay_ms: 1 });
    let anna = emulator.user(0);
    let said = emulator.say(&anna, &emulator.p2p(&anna), "grüße");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut slices = [socket.frame().await, socket.frame().await, socket.frame().await];
        let order: Vec<&str> = slices.iter().map(|frame| header(frame, "seq")).collect();
        assert_eq!(order, ["2", "1", "0"]);
        slices.reverse();
        let whole: Vec<u8> = slices.iter().flat_map(|frame| frame.payload.clone().unwrap()).collect();
        let event: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(message_of(&event), said);
        ids.push(event["header"]["event_id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn held_events_are_let_go_in_reverse() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    emulator.hold_events();
    let anna = emulator.user(0);
    let said: Vec<MessageId> =
        ["one", "two"].iter().map(|text| emulator.say(&anna, &emulator.p2p(&anna), text)).collect();
    emulator.release_events(ReleaseOrder::Reversed);
    assert_eq!(message_of(&socket.event().await.1), said[1]);
    assert_eq!(message_of(&socket.event().await.1), said[0]);
}

#[tokio::test]
async fn connections_end_as_they_are_told_to() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    for (made, ending) in
        [(1, ConnectionEnding::Close), (2, ConnectionEnding::Reset), (3, ConnectionEnding::End)]
    {
        let mut socket = bot.connect(&emulator).await;
        emulator.drop_connections(ending);
        let closed = matches!(socket.message().await, Some(Message::Close(_)));
        assert_eq!(closed, ending == ConnectionEnding::Close);
        emulator.wait_for(|each| each.connections().is_empty().then_some(()), LONG).await.unwrap();
        assert_eq!(emulator.connections_made(), made);
    }
}

#[tokio::test]
async fn a_stalled_connection_neither_reads_nor_writes_until_it_goes_on() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    emulator.stall(true);
    socket.ping(33_554_678).await;
    let anna = emulator.user(0);
    let said = emulator.say(&anna, &emulator.p2p(&anna), "hello");
    // A request and its answer later the ping would have been read.
    bot.call("GET", "/open-apis/bot/v3/info", &Value::Null).await;
    assert_eq!((emulator.connections()[0].pings, emulator.connections()[0].stalled), (0, true));
    emulator.stall(false);
    let frames = [socket.frame().await, socket.frame().await];
    let event = frames.iter().find(|frame| frame.method == 1).unwrap();
    let event: Value = serde_json::from_slice(event.payload.as_deref().unwrap()).unwrap();
    assert_eq!(message_of(&event), said);
}

#[tokio::test]
async fn rubbish_comes_when_asked_for() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let mut socket = bot.connect(&emulator).await;
    emulator.send_rubbish(MalformedInput::Text);
    assert!(matches!(socket.message().await, Some(Message::Text(_))));
    emulator.send_rubbish(MalformedInput::Json);
    assert_eq!(header(&socket.frame().await, "type"), "event");
}

#[tokio::test]
async fn the_address_and_the_handshake_are_refused_as_often_as_asked_for() {
    let emulator = easy().await;
    let bot = Bot::new(&emulator).await;
    let busy = FaultEffect::Refuse { http: 200, code: 1, reset: None };
    emulator.fault(InjectedFault::endpoint(busy, FaultDuration::Times(1)));
    assert_eq!(bot.endpoint(&emulator).await.code, 1);
    let crowded = FaultEffect::RefuseHandshake { status: 514, auth_code: Some(1_000_040_350) };
    emulator.fault(InjectedFault::handshake(crowded, FaultDuration::Times(1)));
    let answer = bot.endpoint(&emulator).await;
    let url = answer.body["data"]["URL"].as_str().unwrap();
    let Err(Error::Http(refused)) = tokio_tungstenite::connect_async(url).await else { panic!("it opened") };
    assert_eq!(refused.headers()["handshake-autherrcode"], "1000040350");
    tokio_tungstenite::connect_async(url).await.unwrap();
}
