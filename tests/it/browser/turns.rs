//! The cards of turns, as somebody presses them who uses phonework: the real daemon, the page, a browser.

use jiff::{SignedDuration, Timestamp};
use phonework::emulator::Utterance;
use serde_json::json;

use super::{BROWSER, drive};
use crate::support::phonework::{PATIENCE, Phonework};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_cards_offer_can_be_pressed_on_the_phone() {
    let phonework = Phonework::practising(json!({})).await;
    std::fs::create_dir(phonework.projects().join("blog")).unwrap();
    phonework.ask("/new blog", 1).await;
    phonework.ask("/new shop", 1).await;
    let sent_at = Timestamp::now().checked_sub(SignedDuration::from_mins(20)).ok();
    let late = Utterance::text(&phonework.anna, &phonework.chat, "echo from before");
    phonework.emulator.utter(Utterance { sent_at, ..late }).unwrap();
    drive("tests/browser/turns.cjs", &[phonework.emulator.base_url(), BROWSER]).await;
    assert_eq!(phonework.emulator.complaints(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_was_cut_is_run_again_on_the_phone() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.ask("/new shop", 1).await;
    phonework.say("run echo once");
    phonework.emulator.card_with(&phonework.chat, "Allow once", PATIENCE).await;
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
