//! Presses while the disk fails or hangs, or the daemon dies.

use phonework::emulator::ShownMessage;
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};

/// A daemon that runs with these crash points, and the card of a turn that was cut before it started.
async fn cut(points: &str) -> (Phonework, ShownMessage) {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("hang");
    phonework.logged("turn started", 1).await;
    phonework.kill().await;
    phonework.set_env("PHONEWORK_CRASH", Some(points.to_owned()));
    phonework.start().await;
    let cut = phonework.emulator.card_with(&phonework.chat, "Dismiss", PATIENCE).await;
    (phonework, cut)
}

#[tokio::test]
async fn a_press_that_was_answered_runs_once_although_the_daemon_dies_before_its_turn() {
    let (mut phonework, cut) = cut("turn-write:die@1").await;
    let again = cut.value_of("Run again").unwrap();
    let said = phonework.press(&cut, "Run again", 0).await;
    assert_eq!(said.content, "Running it again.");
    let died = phonework.until("the end of the daemon", |_| false).await;
    assert!(died.is_err());
    phonework.set_env("PHONEWORK_CRASH", None);
    phonework.start().await;
    phonework.logged("turn started", 2).await;
    let said = phonework.emulator.press_earlier(&cut.message_id, &phonework.anna, again, None).await;
    assert_ne!(said.content, "Running it again.");
    phonework.say("/stop");
    phonework.say_later("echo alive");
    let alive = |texts: &[String]| texts.iter().any(|text| text == "alive");
    phonework.hear_until(&phonework.chat, alive).await;
    let prompts: Vec<_> = phonework.audited(3).await.iter().map(|line| line["prompt"].clone()).collect();
    assert_eq!(prompts, ["hang", "hang", "echo alive"]);
}

#[tokio::test]
async fn a_press_that_a_crash_left_unanswered_can_be_repeated() {
    let (mut phonework, cut) = cut("inbox-write:die@1").await;
    let click =
        phonework::emulator::Click::from(phonework::emulator::PressTarget::Label("Run again".to_owned()));
    let clicked = phonework.emulator.click(&phonework.anna, &cut.message_id, click).await.unwrap();
    assert_eq!(clicked.toast, None);
    assert!(phonework.until("the end of the daemon", |_| false).await.is_err());
    phonework.set_env("PHONEWORK_CRASH", None);
    phonework.start().await;
    assert_eq!(phonework.press(&cut, "Run again", 0).await.content, "Running it again.");
    phonework.logged("turn started", 2).await;
}

#[tokio::test]
async fn a_press_while_the_disk_hangs_is_answered_in_time_and_done_later() {
    // Feishu gives up after 3 s.
    let (phonework, cut) = cut("inbox-write:wait=4000@1").await;
    let said = phonework.press(&cut, "Run again", 0).await;
    assert_eq!((said.kind.as_str(), said.content.as_str()), ("info", "Got it. This takes a moment."));
    phonework.logged("turn started", 2).await;
}

#[tokio::test]
async fn a_press_while_the_disk_is_full_is_answered_with_the_fact_that_nothing_was_done() {
    let (phonework, cut) = cut("inbox-write:fail@1").await;
    let said = phonework.press(&cut, "Run again", 0).await;
    assert_eq!(said.kind, "error");
    assert!(said.content.contains("Please press again later."), "{said:?}");
    assert_eq!(phonework.press(&cut, "Run again", 0).await.content, "Running it again.");
    phonework.logged("turn started", 2).await;
}
