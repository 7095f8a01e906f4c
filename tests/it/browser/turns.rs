//! The cards of turns, as somebody presses them who uses phonework: the real daemon, the page, a browser.

use jiff::{SignedDuration, Timestamp};
use phonework::emulator::PhoneUtterance;
use serde_json::json;

use super::{BROWSER, drive};
use crate::support::phonework::{PATIENCE, Phonework};

/// Has somebody with sessions in `blog` and `shop`, whose `late` message came late, do what a script says.
async fn with_two_sessions(late: &str, script: &str) {
    let phonework = Phonework::practising(json!({})).await;
    std::fs::create_dir(phonework.projects().join("blog")).unwrap();
    phonework.ask("/new blog", 1).await;
    phonework.ask("/new shop", 1).await;
    let sent_at = Timestamp::now().checked_sub(SignedDuration::from_mins(20)).ok();
    let late = PhoneUtterance::text(&phonework.anna, &phonework.chat, late);
    phonework.emulator.utter(PhoneUtterance { sent_at, ..late }).unwrap();
    drive(script, &[phonework.emulator.base_url(), BROWSER]).await;
    assert_eq!(phonework.emulator.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cards_of_turns_offer_can_be_pressed_on_the_phone() {
    with_two_sessions("echo from before", "tests/browser/turns.cjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cards_of_sessions_and_of_what_waits_offer_can_be_pressed_on_the_phone() {
    with_two_sessions("echo too late", "tests/browser/sessions.cjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_was_cut_is_run_again_or_left_on_the_phone() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.ask("/new shop", 1).await;
    phonework.say("run echo once");
    let mings = phonework.emulator.p2p(&phonework.ming);
    for text in ["/new shop", "run echo never"] {
        phonework.emulator.say(&phonework.ming, &mings, text);
    }
    for chat in [&phonework.chat, &mings] {
        phonework.emulator.card_with(chat, "Allow once", PATIENCE).await;
    }
    phonework.kill().await;
    phonework.start().await;
    drive("tests/browser/cut.cjs", &[phonework.emulator.base_url(), BROWSER]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_phone_shows_long_and_chinese_cards_no_wider_than_itself() {
    let phonework = Phonework::practising(json!({"LANGUAGE": "zh"})).await;
    phonework.ask("/new shop", 1).await;
    drive("tests/browser/chinese.cjs", &[phonework.emulator.base_url(), BROWSER]).await;
}
