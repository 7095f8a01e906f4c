//! Messages, over crashes and redeliveries.

use phonework::emulator::{DeliveryFaults, Duplicate, PhoneUtterance};
use serde_json::json;

use crate::support::phonework::Phonework;

#[tokio::test]
async fn a_kill_in_the_middle_of_a_turn_loses_nothing_and_is_told() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("remember blue", 1).await;
    phonework.say("slow 3600");
    phonework.logged("turn started", 2).await;
    let waits = phonework.say("recall");
    phonework.reacted(&waits, "OneSecond").await;
    phonework.kill().await;
    phonework.start().await;
    let heard = phonework.hear(&phonework.chat, 4).await;
    assert!(heard[2].contains("was interrupted while this was running: “slow 3600”"), "{heard:?}");
    assert!(heard[3].contains("blue"), "{heard:?}");
    assert!(phonework.ask("/status", 1).await[0].contains("shop"));
    let outcomes: Vec<_> = phonework.audited(3).await.iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["answered", "cut", "answered"]);
}

#[tokio::test]
async fn what_is_delivered_twice_is_run_once_also_after_a_restart() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework
        .emulator
        .delivering(DeliveryFaults { duplicate: Duplicate::NewEventId, ..DeliveryFaults::default() });
    phonework.ask("echo once", 1).await;
    phonework.ask("echo then", 1).await;
    assert_eq!(phonework.heard(&phonework.chat).len(), 3);
    phonework.kill().await;
    phonework.start().await;
    assert_eq!(phonework.ask("echo after", 1).await, ["after"]);
    assert_eq!(phonework.heard(&phonework.chat)[1..], ["once", "then", "after"]);
}

#[tokio::test]
async fn messages_that_come_too_late_are_asked_about_once_and_run_or_dropped() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let late = |text: &str, minutes: i64| {
        let said = PhoneUtterance::text(&phonework.anna, &phonework.chat, text);
        let sent_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes));
        phonework.emulator.utter(PhoneUtterance { sent_at, ..said }).unwrap();
    };
    late("echo second", 30);
    late("echo first", 120);
    let heard = phonework.hear(&phonework.chat, 2).await;
    assert!(heard[1].starts_with("The oldest arrived 2h after you sent it"), "{heard:?}");
    // A restart asks again: nothing is lost, and nothing is run unasked.
    phonework.kill().await;
    phonework.start().await;
    let heard = phonework.hear(&phonework.chat, 3).await;
    assert!(heard[2].starts_with("The oldest arrived 2h"), "{heard:?}");
    assert_eq!(phonework.ask("/run", 2).await, ["first", "second"]);
    let late = |text: &str| {
        let said = PhoneUtterance::text(&phonework.anna, &phonework.chat, text);
        let sent_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(6));
        phonework.emulator.utter(PhoneUtterance { sent_at, ..said }).unwrap();
    };
    late("echo third");
    phonework.hear(&phonework.chat, 6).await;
    assert_eq!(phonework.ask("/discard", 1).await, ["Discarded: 1."]);
    assert_eq!(phonework.ask("/run", 1).await, ["None of your messages arrived late."]);
}
