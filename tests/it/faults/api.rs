//! Feishu's API in trouble.

use phonework::emulator::{Effect, Fault, Lasting};
use serde_json::json;

use crate::support::phonework::Phonework;

#[tokio::test]
async fn an_answer_that_feishu_does_not_take_is_sent_until_it_does_and_shown_once() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    for effect in [
        Effect::Refuse { http: 500, code: 2200, reset: None },
        Effect::Refuse { http: 429, code: 99_991_400, reset: Some(1) },
        Effect::Page { http: 502 },
        Effect::Lose,
        Effect::Cut,
    ] {
        phonework.emulator.fault(Fault::sending(effect, Lasting::Times(1)));
    }
    assert_eq!(phonework.ask("echo at last", 1).await, ["at last"]);
    phonework.emulator.expire_tokens();
    assert_eq!(phonework.ask("echo and on", 1).await, ["and on"]);
    assert_eq!(phonework.heard(&phonework.chat)[1..], ["at last", "and on"]);
}
