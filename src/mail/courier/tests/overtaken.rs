//! Cards that cannot be changed, or of which it is not known what they show.

use super::*;
use crate::{
    ids::SlotId,
    mail::{Slot, live_cards::CardUpdate},
    render::document::{Block, Document},
};

/// What a card says where its words come below.
const BELOW: &str = "update See the messages below.";

fn one(words: &str) -> Document {
    Document::new(vec![Block::markdown(words)])
}

fn word(slot: SlotId, words: &str) -> Post {
    let body = PostBody::Document { document: one(words), slot: Some(Slot { id: slot, epitaph: None }) };
    Post { to: Recipient::Chat(ChatId::from("oc_1")), reply_to: None, body }
}

fn picture(words: &str) -> CardUpdate {
    CardUpdate {
        to: Recipient::Chat(ChatId::from("oc_1")),
        reply_to: None,
        document: one(words),
        epitaph: None,
    }
}

fn no_entities(seen: &Seen) -> Option<DeliveryAdvice> {
    seen.said.starts_with("make").then_some(DeliveryAdvice::NotForThisApp)
}

#[tokio::test(start_paused = true)]
async fn a_card_that_cannot_be_changed_for_two_minutes_holds_its_chat_up_no_longer() {
    let (office, feishu) =
        (Office::new(), Feishu::new(|seen| if seen.said.starts_with("update two") { RETRY } else { None }));
    let slot = SlotId::random();
    office.post(vec![word(slot, "one"), word(slot, "two"), text("oc_1", "next"), word(slot, "three")]).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths::default());
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
async fn a_card_that_cannot_be_changed_because_nothing_can_be_done_is_waited_for() {
    let hour = Duration::from_secs(3600);
    let (office, feishu) = (
        Office::new(),
        Feishu::new(
            move |seen| {
                if seen.said.starts_with("update") && seen.at < hour { NOT_NOW } else { None }
            },
        ),
    );
    let slot = SlotId::random();
    office.post(vec![word(slot, "one"), word(slot, "two")]).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths::default());
    let mut said = feishu.said();
    said.dedup();
    assert_eq!(said, ["card one", "update two"]);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_cannot_be_changed_is_left_behind_too() {
    let mut failures = 40;
    let (office, feishu) = (
        Office::new(),
        Feishu::new(move |seen| {
            let fails = seen.said == "replace two" && failures > 0;
            failures -= i32::from(fails);
            if fails { RETRY } else { None }
        }),
    );
    let slot = SlotId::random();
    office.open(&feishu);
    office.stage.show(slot, picture("one"));
    feishu.called(2).await;
    office.post(vec![word(slot, "two")]).await;
    assert_eq!(office.done().await, MailDepths::default());
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
async fn a_picture_that_may_come_late_does_not_take_the_place_of_the_last_word() {
    let (office, feishu) = (
        Office::new(),
        Feishu::new(|seen| if seen.said == "update two" { RETRY } else { no_entities(seen) }),
    );
    let slot = SlotId::random();
    office.open(&feishu);
    for (words, calls) in [("one", 2), ("two", 3)] {
        office.stage.show(slot, picture(words));
        feishu.called(calls).await;
    }
    office.post(vec![word(slot, "done"), word(slot, "and over")]).await;
    assert_eq!(office.done().await, MailDepths::default());
    let mut said = feishu.said();
    said.dedup();
    assert_eq!(said, ["make one", "card one", "update two", "card done", BELOW, "update and over"]);
    let seen = feishu.seen.lock().unwrap().clone();
    let new = &seen[seen.len() - 3];
    assert_ne!(new.uuid, slot.to_string());
    assert_eq!(seen[seen.len() - 1].to, format!("om_{}", new.uuid));
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_was_lost_long_ago_comes_no_more() {
    let mut lost = RETRY;
    let (office, feishu) = (
        Office::new(),
        Feishu::new(move |seen| if seen.said == "update two" { lost.take() } else { no_entities(seen) }),
    );
    let slot = SlotId::random();
    office.open(&feishu);
    for (words, calls) in [("one", 2), ("two", 4)] {
        office.stage.show(slot, picture(words));
        feishu.called(calls).await;
    }
    tokio::time::sleep(Duration::from_secs(301)).await;
    office.post(vec![word(slot, "done")]).await;
    office.done().await;
    assert_eq!(feishu.said(), ["make one", "card one", "update two", "update two", "update done"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_long_last_word_the_message_with_its_end_is_the_one_that_is_changed_later() {
    let (office, feishu) = (Office::new(), Feishu::new(no_entities));
    let slot = SlotId::random();
    office.open(&feishu);
    office.stage.show(slot, picture("one"));
    feishu.called(2).await;
    let long = vec!["all that was found"; 4_000].join("\n");
    office.post(vec![word(slot, &long), word(slot, "dismissed")]).await;
    assert_eq!(office.done().await, MailDepths::default());
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
async fn a_chat_that_bars_the_bot_is_asked_to_take_one_picture_only() {
    let (office, feishu) = (
        Office::new(),
        Feishu::new(|seen| {
            if seen.said.starts_with("card") {
                Some(DeliveryAdvice::Undeliverable)
            } else {
                no_entities(seen)
            }
        }),
    );
    let slot = SlotId::random();
    office.open(&feishu);
    office.stage.show(slot, picture("one"));
    feishu.called(2).await;
    for words in ["two", "three"] {
        tokio::time::sleep(Duration::from_secs(300)).await;
        office.stage.show(slot, picture(words));
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    office.post(vec![text("oc_1", "next")]).await;
    office.done().await;
    assert_eq!(feishu.said(), ["make one", "card one", "next"]);
}

#[tokio::test(start_paused = true)]
async fn a_card_whose_entity_cannot_be_made_twice_is_sent_without() {
    let (office, feishu) =
        (Office::new(), Feishu::new(|seen| if seen.said.starts_with("make") { RETRY } else { None }));
    let slot = SlotId::random();
    office.open(&feishu);
    for (words, calls) in [("one", 3), ("two", 4)] {
        office.stage.show(slot, picture(words));
        feishu.called(calls).await;
    }
    assert_eq!(feishu.said(), ["make one", "make one", "card one", "update two"]);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_read_is_sent_as_its_first_words() {
    let (office, feishu) = (Office::new(), Feishu::new(|_| None));
    let long = vec!["all that was found"; 1_000].join("\n");
    office.post(vec![word(SlotId::random(), "fine"), word(SlotId::random(), &long)]).await;
    let other = rusqlite::Connection::open(office.directory.path().join("mail.db")).unwrap();
    other.execute_batch("UPDATE outbox SET document = '{\"blocks\":[{\"block\":\"song\"}]}'").unwrap();
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths::default());
    let beginning: String = long.chars().take(3_000).collect();
    assert_eq!(feishu.said(), ["fine".to_owned(), beginning + "…"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_when_the_disk_works_again_does_not_wait() {
    let (office, feishu) = (Office::new(), Feishu::new(|_| None));
    let other = rusqlite::Connection::open(office.directory.path().join("mail.db")).unwrap();
    let trigger = "CREATE TRIGGER broken BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute_batch(trigger).unwrap();
    office.post(vec![text("oc_1", "one")]).await;
    office.open(&feishu);
    feishu.called(1).await;
    // The lane looks so often that it waits for about a minute, and has looked when it is answered after it.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(61)).await;
        for _ in 0..5 {
            office.store.depths().await.unwrap();
        }
    }
    tokio::time::resume();
    for _ in 0..5 {
        office.store.depths().await.unwrap();
    }
    other.execute_batch("DROP TRIGGER broken").unwrap();
    let began = Instant::now();
    office.post(vec![text("oc_1", "two")]).await;
    feishu.called(2).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(feishu.said(), ["one", "two"]);
}
