//! Updates of live cards.

use super::*;
use crate::{
    ids::SlotId,
    mail::{Slot, live_cards::CardUpdate},
    render::document::{Block, Document},
};

fn update(small: &str, text: &str) -> CardUpdate {
    let document = Document::new(vec![Block::small(small), Block::Stream { text: text.into() }]);
    let to = Recipient::Chat(ChatId::from("oc_1"));
    CardUpdate { to, reply_to: None, document, fallback: None }
}

fn final_update(slot: SlotId, words: &str) -> Post {
    let document = Document::new(vec![Block::markdown(words)]);
    let body = PostBody::Document { document, slot: Some(Slot { id: slot, fallback: None }) };
    Post { to: Recipient::Chat(ChatId::from("oc_1")), reply_to: None, body }
}

/// What each request was to show, in order, and when it came, in milliseconds.
fn timed(feishu: &Feishu) -> Vec<(String, u128)> {
    feishu.seen.lock().unwrap().iter().map(|seen| (seen.said.clone(), seen.at.as_millis())).collect()
}

fn no_entities(seen: &SeenRequest) -> Option<DeliveryAdvice> {
    seen.said.starts_with("make").then_some(DeliveryAdvice::NotForThisApp)
}

#[tokio::test(start_paused = true)]
async fn without_the_permission_a_card_is_replaced_by_the_newest_update_every_second_and_a_half() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(no_entities));
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    outbox.live_cards.show(slot, update("ls", "a"));
    feishu.called(2).await;
    for text in ["ab", "abc", "abcd"] {
        outbox.live_cards.show(slot, update("ls", text));
    }
    feishu.called(3).await;
    outbox.live_cards.show(slot, update("ls", "abcde"));
    feishu.called(4).await;
    outbox.post(vec![final_update(slot, "done")]).await;
    outbox.drained().await;
    let timed = timed(&feishu);
    let said: Vec<&str> = timed.iter().map(|(said, _)| said.as_str()).collect();
    assert_eq!(said, ["make ls|a", "card ls|a", "update ls|abcd", "update ls|abcde", "update done"]);
    for pair in timed[1..4].windows(2) {
        assert!(pair[1].1 - pair[0].1 >= 1_500, "{timed:?}");
    }
    // The final update does not wait for that.
    assert!(timed[4].1 - timed[3].1 < 1_500, "{timed:?}");
    let others = SlotId::random();
    outbox.live_cards.show(others, update("pwd", ""));
    feishu.called(6).await;
    assert!(feishu.said()[5].starts_with("card pwd"), "not tried again within the hour");
}

#[tokio::test(start_paused = true)]
async fn the_text_of_an_entity_is_streamed_and_any_other_change_replaces_the_card() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    for (n, (small, text)) in
        [("ls", "a"), ("ls", "ab"), ("ls", "ab"), ("pwd", "ab"), ("pwd", "abc")].into_iter().enumerate()
    {
        outbox.live_cards.show(slot, update(small, text));
        // The third is shown already.
        feishu.called([2, 3, 3, 4, 5][n]).await;
    }
    outbox.post(vec![final_update(slot, "done")]).await;
    outbox.drained().await;
    let said = feishu.said();
    let expected = [
        "make ls|a",
        "entity 7",
        "stream ab",
        "replace pwd|ab",
        "stream abc",
        "streaming false",
        "replace done",
    ];
    assert_eq!(said, expected);
    let seen = feishu.seen.lock().unwrap().clone();
    let numbers: Vec<i32> = seen[2..].iter().map(|call| call.uuid.parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]) && numbers[0] > 0, "{numbers:?}");
    assert!(seen[3].at - seen[2].at >= Duration::from_millis(300));
    assert_eq!(seen[1].uuid, slot.to_string());
}

#[tokio::test(start_paused = true)]
async fn streaming_that_feishu_ended_is_switched_on_once_and_then_the_card_is_replaced() {
    let mut closed = 0;
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |seen| {
            closed += u32::from(seen.said.starts_with("stream a"));
            (seen.said.starts_with("stream a") && closed != 2).then_some(DeliveryAdvice::StreamClosed)
        }),
    );
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    for (text, calls) in [("a", 2), ("ab", 5), ("abc", 9)] {
        outbox.live_cards.show(slot, update("ls", text));
        feishu.called(calls).await;
    }
    let opened_once = ["stream ab", "streaming true", "stream ab"];
    let replaced = ["stream abc", "streaming true", "stream abc", "replace ls|abc"];
    assert_eq!(feishu.said()[2..], [&opened_once[..], &replaced[..]].concat());
}

#[tokio::test(start_paused = true)]
async fn streaming_of_a_long_turn_is_switched_on_again_before_feishu_ends_it() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    outbox.live_cards.show(slot, update("ls", "a"));
    feishu.called(2).await;
    tokio::time::sleep(Duration::from_secs(9 * 60 + 30)).await;
    outbox.live_cards.show(slot, update("ls", "ab"));
    feishu.called(4).await;
    assert_eq!(feishu.said()[2..], ["streaming true", "stream ab"]);
}

#[tokio::test(start_paused = true)]
async fn the_final_update_is_sent_before_live_updates_that_wait_and_none_follows_it() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(no_entities));
    let [slot, other] = [SlotId::random(), SlotId::random()];
    outbox.live_cards.show(slot, update("ls", "a"));
    outbox.post(vec![final_update(slot, "done"), text("oc_1", "next")]).await;
    outbox.send_through(&feishu);
    feishu.called(2).await;
    outbox.drained().await;
    // An update that comes too late is not sent.
    outbox.live_cards.show(slot, update("ls", "ab"));
    outbox.live_cards.show(other, update("pwd", "x"));
    feishu.called(4).await;
    assert_eq!(feishu.said(), ["card done", "next", "make pwd|x", "card pwd|x"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_may_be_there_is_found_by_its_uuid_and_changed() {
    let mut lost = RETRY;
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |seen| if seen.said.starts_with("card") { lost.take() } else { no_entities(seen) }),
    );
    let slot = SlotId::random();
    outbox.live_cards.show(slot, update("ls", "a"));
    let courier = outbox.send_through(&feishu);
    feishu.called(2).await;
    courier.abort();
    let _ = courier.await;
    // The next daemon knows of the message and has no live cards.
    outbox.live_cards.remove(slot);
    outbox.post(vec![final_update(slot, "done")]).await;
    outbox.send_through(&feishu);
    outbox.drained().await;
    let expected = ["make ls|a", "card ls|a", "card See the messages below.", "update done"];
    assert_eq!(feishu.said(), expected);
    let seen = feishu.seen.lock().unwrap().clone();
    assert!([1, 2].iter().all(|n| seen[*n].uuid == slot.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_gone_gets_no_more_live_updates_and_its_final_one_is_a_new_message() {
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(|seen| {
            if seen.said.starts_with("update") { Some(DeliveryAdvice::CardGone) } else { no_entities(seen) }
        }),
    );
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    for (text, calls) in [("a", 2), ("ab", 3)] {
        outbox.live_cards.show(slot, update("ls", text));
        feishu.called(calls).await;
    }
    outbox.live_cards.show(slot, update("ls", "abc"));
    tokio::time::sleep(Duration::from_secs(300)).await;
    outbox.post(vec![final_update(slot, "done")]).await;
    outbox.drained().await;
    assert_eq!(feishu.said(), ["make ls|a", "card ls|a", "update ls|ab", "card done"]);
    assert_ne!(feishu.seen.lock().unwrap()[3].uuid, slot.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_live_update_that_fails_is_tried_again_unless_there_is_a_newer_one() {
    let mut failures = 2;
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |seen| {
            if seen.said.starts_with("update") && failures > 0 {
                failures -= 1;
                RETRY
            } else {
                no_entities(seen)
            }
        }),
    );
    let slot = SlotId::random();
    outbox.send_through(&feishu);
    for (text, calls) in [("a", 2), ("ab", 4), ("abc", 5)] {
        outbox.live_cards.show(slot, update("ls", text));
        feishu.called(calls).await;
    }
    let said = feishu.said();
    assert_eq!(said[2..], ["update ls|ab", "update ls|ab", "update ls|abc"]);
}

#[tokio::test(start_paused = true)]
async fn the_live_updates_of_many_chats_leave_room_for_owed_posts() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(no_entities));
    outbox.send_through(&feishu);
    for n in 0..100 {
        let to = Recipient::Chat(ChatId::from(format!("oc_{n}")));
        outbox.live_cards.show(SlotId::random(), CardUpdate { to, ..update("ls", "a") });
    }
    feishu.called(20).await;
    outbox.post(vec![text("oc_owed", "owed")]).await;
    outbox.drained().await;
    let cards = || timed(&feishu).into_iter().filter(|(said, _)| said.starts_with("card"));
    while cards().count() < 100 {
        feishu.called(feishu.said().len() + 1).await;
    }
    let times: Vec<u128> = cards().map(|(_, at)| at).collect();
    assert!(times.windows(31).all(|some| some[30] - some[0] >= 999), "{times:?}");
    assert!(feishu.said().contains(&"owed".to_owned()));
}
