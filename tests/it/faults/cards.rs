//! Cards in trouble: what becomes of a turn's answer when its card cannot be changed.

use futures_util::future::join_all;
use phonework::emulator::{ApiCall, FaultDuration, FaultEffect, InjectedFault, ShownMessage};
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};
use crate::support::varlink::Varlink;

/// Ends when the file `go` is there. What it prints stands nowhere in it.
const WAITING: &str = "run until [ -e go ]; do sleep 0.02; done; printf forty; echo -two";
const ANSWER: &str = "forty-two";

fn code(code: i64) -> FaultEffect {
    FaultEffect::Refuse { http: 400, code, reset: None }
}

/// A turn whose card is in the chat.
async fn running(entities: bool) -> (Phonework, ShownMessage) {
    let phonework = Phonework::practising(json!({})).await;
    if !entities {
        phonework.emulator.withhold_scope("cardkit:card:write");
    }
    phonework.open_shop().await;
    phonework.ask(WAITING, 1).await;
    phonework.say("/approve");
    let find = |shown: &[ShownMessage]| shown.iter().find(|message| message.is_unfinished()).cloned();
    let shown = phonework.emulator.wait_until(&phonework.chat, |shown| find(shown).is_some(), PATIENCE).await;
    let card = find(&shown.expect("no running turn is shown")).unwrap();
    (phonework, card)
}

/// Whatever changes a card.
fn changing(phonework: &Phonework, entities: bool, effect: &FaultEffect, lasting: FaultDuration) {
    let (method, path) = if entities {
        ("PUT", "/open-apis/cardkit/v1/cards/*")
    } else {
        ("PATCH", "/open-apis/im/v1/messages/*")
    };
    phonework.emulator.fault(InjectedFault::api(method, path, effect.clone(), lasting));
}

fn go(phonework: &Phonework) {
    std::fs::write(phonework.projects().join("shop/go"), "").unwrap();
}

/// The messages with the answer, as soon as there is one, and another turn is answered after it.
async fn answers(phonework: &Phonework) -> Vec<ShownMessage> {
    let find = |shown: &[ShownMessage]| {
        let said = |message: &&ShownMessage| message.from_bot() && message.text.contains(ANSWER);
        shown.iter().filter(said).cloned().collect::<Vec<_>>()
    };
    let found =
        phonework.emulator.wait_until(&phonework.chat, |shown| !find(shown).is_empty(), PATIENCE).await;
    assert!(found.is_ok(), "no answer\n--- log\n{}", phonework.log());
    let before = phonework.heard(&phonework.chat).len();
    phonework.say("echo next");
    phonework.hear_until(&phonework.chat, |heard| heard[before..].iter().any(|said| said == "next")).await;
    find(&phonework.emulator.shown(&phonework.chat))
}

#[tokio::test]
async fn when_the_last_word_cannot_be_put_on_the_turns_card_it_comes_below_once() {
    let forever = FaultDuration::UntilLifted;
    let effects = [
        (code(230_031), forever),
        (code(230_110), forever),
        (code(230_099), forever),
        (code(99_991_672), forever),
        (code(200_740), forever),
        (code(230_020), FaultDuration::Times(2)),
        (FaultEffect::Page { http: 502 }, FaultDuration::Times(2)),
        (FaultEffect::Lose, FaultDuration::Times(2)),
    ];
    let cases = effects.iter().flat_map(|effect| [(effect, false), (effect, true)]);
    join_all(cases.map(|((effect, lasting), entities)| async move {
        let (phonework, _) = running(entities).await;
        changing(&phonework, entities, effect, *lasting);
        go(&phonework);
        let answers = answers(&phonework).await;
        assert_eq!(answers.len(), 1, "{effect:?} {entities}: {answers:#?}");
        assert_eq!(phonework.lines(&["refused for good"]), [""; 0], "{effect:?} {entities}");
    }))
    .await;
}

#[tokio::test]
async fn a_card_whose_stream_feishu_has_ended_shows_the_answer_all_the_same() {
    for entities in [false, true] {
        let (phonework, card) = running(entities).await;
        phonework.emulator.end_streaming();
        go(&phonework);
        let ended = answers(&phonework).await;
        assert_eq!(ended.len(), 1, "{ended:#?}");
        assert_eq!(ended[0].message_id, card.message_id);
    }
}

#[tokio::test]
async fn that_the_app_may_not_make_card_entities_is_told_by_health() {
    for entities in [false, true] {
        let (phonework, _) = running(entities).await;
        let mut operator = Varlink::connect(&phonework.socket()).await;
        let health = operator.call("Health", json!({})).await.unwrap();
        assert_eq!(health["problems"], json!([]));
        let notes = health["notes"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str);
        let told = notes.filter(|note| note.contains("cardkit:card:write")).count();
        assert_eq!(told, usize::from(!entities), "{health:#}");
    }
}

#[tokio::test]
async fn a_daemon_that_is_killed_while_it_brings_the_last_word_leaves_it_to_the_next_one_once() {
    let effects = [FaultEffect::Lose, FaultEffect::Cut, FaultEffect::Silence, FaultEffect::Hold];
    let cases = effects.iter().flat_map(|effect| [(effect, false), (effect, true)]);
    join_all(cases.map(|(effect, entities)| async move {
        let (mut phonework, card) = running(entities).await;
        changing(&phonework, entities, effect, FaultDuration::UntilLifted);
        let before = phonework.emulator.api_calls().len();
        go(&phonework);
        phonework.logged("turn ended", 1).await;
        let tried =
            |calls: &[ApiCall]| calls[before..].iter().any(|call| call.request.to_string().contains(ANSWER));
        phonework
            .emulator
            .wait_for(|emulator| tried(&emulator.api_calls()).then_some(()), PATIENCE)
            .await
            .unwrap();
        phonework.kill().await;
        phonework.emulator.lift_all();
        phonework.start().await;
        let answers = answers(&phonework).await;
        assert_eq!(answers.len(), 1, "{effect:?} {entities}: {answers:#?}");
        assert_eq!(answers[0].message_id, card.message_id, "{effect:?} {entities}");
    }))
    .await;
}
