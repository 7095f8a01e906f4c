//! Cards that cannot be changed, or of which it is not known what they show.

use super::*;
use crate::{
    ids::SlotId,
    mail::{Slot, live_cards::CardUpdate},
    render::document::{Block, Document},
};

/// What a card shows when its content comes below it.
const BELOW: &str = "update See the messages below.";

fn one(words: &str) -> Document {
    Document::new(vec![Block::markdown(words)])
}

fn final_update(slot: SlotId, words: &str) -> Post {
    let body = PostBody::Document { document: one(words), slot: Some(Slot { id: slot, fallback: None }) };
    Post { to: Recipient::Chat(ChatId::from("oc_1")), reply_to: None, body }
}

fn update(words: &str) -> CardUpdate {
    CardUpdate {
        to: Recipient::Chat(ChatId::from("oc_1")),
        reply_to: None,
        document: one(words),
        fallback: None,
    }
}

fn no_entities(seen: &SeenRequest) -> Option<DeliveryAdvice> {
    seen.said.starts_with("make").then_some(DeliveryAdvice::NotForThisApp)
}

#[tokio::test(start_paused = true)]
async fn a_card_that_cannot_be_changed_for_two_minutes_no_longer_holds_its_chat_up() {
    let (outbox, feishu) =
        (Outbox::new(), Feishu::new(|seen| if seen.said.starts_with("update two") { RETRY } else { None }));
    let slot = SlotId::random();
    outbox
        .post(vec![
            final_update(slot, "one"),
            final_update(slot, "two"),
            text("oc_1", "next"),
            final_update(slot, "three"),
        ])
        .await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    let seen = feishu.seen.lock().unwrap().clone();
    let mut said = feishu.said();
    let tries = said.iter().filter(|said| *said == "update two").count();
    said.dedup();
    assert_eq!(said, ["card one", "update two", "card two", BELOW, "next", "update three"]);
    assert!((8..=14).contains(&tries), "{tries}");
    let waited = seen[tries + 1].at - seen[1].at;
    assert!(waited >= Duration::from_secs(120) && waited < Duration::from_secs(240), "{waited:?}");
    // From then on the new message is the card.
    assert_eq!(seen[tries + 2].to, seen[1].to);
    assert_eq!(seen[tries + 4].to, format!("om_{}", seen[tries + 1].uuid));
}

#[tokio::test(start_paused = true)]
async fn a_card_that_cannot_be_changed_because_nothing_can_be_sent_is_waited_for() {
    let hour = Duration::from_secs(3600);
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(
            move |seen| {
                if seen.said.starts_with("update") && seen.at < hour { NOT_NOW } else { None }
            },
        ),
    );
    let slot = SlotId::random();
    outbox.post(vec![final_update(slot, "one"), final_update(slot, "two")]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    let mut said = feishu.said();
    said.dedup();
    assert_eq!(said, ["card one", "update two"]);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_cannot_be_changed_is_replaced_too() {
    let mut failures = 40;
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |seen| {
            let fails = seen.said == "replace two" && failures > 0;
            failures -= i32::from(fails);
            if fails { RETRY } else { None }
        }),
    );
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    outbox.live_cards.show(slot, update("one"));
    feishu.called(2).await;
    outbox.post(vec![final_update(slot, "two")]).await;
    assert_eq!(outbox.drained().await, MailDepths::default());
    let mut said = feishu.said();
    said.dedup();
    let expected = [
        "make one",
        "entity 7",
        "streaming false",
        "replace two",
        "card two",
        "replace See the messages below.",
    ];
    assert_eq!(said, expected);
}

#[tokio::test(start_paused = true)]
async fn a_live_update_that_may_arrive_late_does_not_overwrite_the_final_update() {
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(|seen| if seen.said == "update two" { RETRY } else { no_entities(seen) }),
    );
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    for (words, calls) in [("one", 2), ("two", 3)] {
        outbox.live_cards.show(slot, update(words));
        feishu.called(calls).await;
    }
    outbox.post(vec![final_update(slot, "done"), final_update(slot, "and over")]).await;
    assert_eq!(outbox.drained().await, MailDepths::default());
    let mut said = feishu.said();
    said.dedup();
    assert_eq!(said, ["make one", "card one", "update two", "card done", BELOW, "update and over"]);
    let seen = feishu.seen.lock().unwrap().clone();
    let new = &seen[seen.len() - 3];
    assert_ne!(new.uuid, slot.to_string());
    assert_eq!(seen[seen.len() - 1].to, format!("om_{}", new.uuid));
}

#[tokio::test(start_paused = true)]
async fn a_live_update_that_was_lost_long_ago_no_longer_counts() {
    let mut lost = RETRY;
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |seen| if seen.said == "update two" { lost.take() } else { no_entities(seen) }),
    );
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    for (words, calls) in [("one", 2), ("two", 4)] {
        outbox.live_cards.show(slot, update(words));
        feishu.called(calls).await;
    }
    tokio::time::sleep(Duration::from_secs(301)).await;
    outbox.post(vec![final_update(slot, "done")]).await;
    outbox.drained().await;
    assert_eq!(feishu.said(), ["make one", "card one", "update two", "update two", "update done"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_long_final_update_the_message_with_its_end_is_changed_later() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(no_entities));
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    outbox.live_cards.show(slot, update("one"));
    feishu.called(2).await;
    let long = vec!["all that was found"; 4_000].join("\n");
    outbox.post(vec![final_update(slot, &long), final_update(slot, "dismissed")]).await;
    assert_eq!(outbox.drained().await, MailDepths::default());
    let seen = feishu.seen.lock().unwrap().clone();
    let kinds: Vec<&str> = seen.iter().map(|call| call.said.split(' ').next().unwrap()).collect();
    let (first, rest) = kinds.split_at(3);
    assert_eq!(first, ["make", "card", "update"]);
    let (last, parts) = rest.split_last().unwrap();
    assert!(*last == "update" && parts.len() >= 2 && parts.iter().all(|part| *part == "card"), "{kinds:?}");
    let end = &seen[seen.len() - 2];
    assert_eq!(seen.last().unwrap().said, "update dismissed");
    assert_eq!(seen.last().unwrap().to, format!("om_{}", end.uuid));
    assert_ne!(end.uuid, slot.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_bars_the_bot_gets_one_live_update_only() {
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(|seen| {
            if seen.said.starts_with("card") {
                Some(DeliveryAdvice::Undeliverable)
            } else {
                no_entities(seen)
            }
        }),
    );
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    outbox.live_cards.show(slot, update("one"));
    feishu.called(2).await;
    for words in ["two", "three"] {
        tokio::time::sleep(Duration::from_secs(300)).await;
        outbox.live_cards.show(slot, update(words));
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    outbox.post(vec![text("oc_1", "next")]).await;
    outbox.drained().await;
    assert_eq!(feishu.said(), ["make one", "card one", "next"]);
}

#[tokio::test(start_paused = true)]
async fn a_card_whose_entity_cannot_be_created_twice_is_sent_without() {
    let (outbox, feishu) =
        (Outbox::new(), Feishu::new(|seen| if seen.said.starts_with("make") { RETRY } else { None }));
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    for (words, calls) in [("one", 3), ("two", 4)] {
        outbox.live_cards.show(slot, update(words));
        feishu.called(calls).await;
    }
    assert_eq!(feishu.said(), ["make one", "make one", "card one", "update two"]);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_read_is_sent_as_the_beginning_of_its_text() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let long = vec!["all that was found"; 1_000].join("\n");
    outbox.post(vec![final_update(SlotId::random(), "fine"), final_update(SlotId::random(), &long)]).await;
    let other = rusqlite::Connection::open(outbox.directory.path().join("mail.db")).unwrap();
    other.execute_batch("UPDATE outbox SET document = '{\"blocks\":[{\"block\":\"song\"}]}'").unwrap();
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    let beginning: String = long.chars().take(3_000).collect();
    assert_eq!(feishu.said(), ["fine".to_owned(), beginning + "…"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_comes_when_the_disk_works_again_does_not_wait() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let other = rusqlite::Connection::open(outbox.directory.path().join("mail.db")).unwrap();
    let trigger = "CREATE TRIGGER broken BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute_batch(trigger).unwrap();
    outbox.post(vec![text("oc_1", "one")]).await;
    outbox.send_through(&feishu);
    feishu.called(1).await;
    // After enough failures the lane waits for about a minute between two reads. The answers to `depths` come after its
    // reads, as calls take effect in order.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(61)).await;
        for _ in 0..5 {
            outbox.store.depths().await.unwrap();
        }
    }
    tokio::time::resume();
    for _ in 0..5 {
        outbox.store.depths().await.unwrap();
    }
    other.execute_batch("DROP TRIGGER broken").unwrap();
    let began = Instant::now();
    outbox.post(vec![text("oc_1", "two")]).await;
    feishu.called(2).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(feishu.said(), ["one", "two"]);
}
