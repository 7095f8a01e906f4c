//! Documents on their way down the ladder, and posts that change a card.

use super::*;
use crate::{
    ids::SlotId,
    mail::Slot,
    render::{
        document::{Block, Document},
        split::DEFAULT_LIMIT,
    },
};

const SHAPE: DeliveryAdvice = DeliveryAdvice::Unacceptable(ContentObjection::Shape);

fn document(words: &str, slot: Option<(SlotId, Option<&str>)>) -> Post {
    let one = |words: &str| Document::new(vec![Block::markdown(words)]);
    let slot = slot.map(|(id, fallback)| Slot { id, fallback: fallback.map(one) });
    let body = PostBody::Document { document: one(words), slot };
    Post { to: Recipient::Chat(ChatId::from("oc_1")), reply_to: None, body }
}

/// A document that becomes this number of parts when it is sent as text.
fn long(parts: usize) -> String {
    let line = "all that was found";
    vec![line; (parts * DEFAULT_LIMIT - DEFAULT_LIMIT / 2) / (line.len() + 1)].join("\n")
}

/// The requests that were seen: the first letters of what each was to show, and its uuid or sequence number.
fn requests(feishu: &Feishu) -> Vec<(String, String)> {
    let short = |said: &str| said.chars().take(12).collect::<String>();
    feishu.seen.lock().unwrap().iter().map(|seen| (short(&seen.said), seen.uuid.clone())).collect()
}

fn said(feishu: &Feishu) -> Vec<String> {
    requests(feishu).into_iter().map(|(said, _)| said).collect()
}

#[tokio::test(start_paused = true)]
async fn a_document_is_one_card_under_the_posts_uuid() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    outbox.post(vec![document("fine", None), text("oc_1", "next")]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    assert_eq!(feishu.said(), ["card fine", "next"]);
    assert_eq!(requests(&feishu)[0].1.len(), 36);
}

#[tokio::test(start_paused = true)]
async fn what_feishu_refuses_comes_down_to_text_and_each_part_is_sent_once_with_its_own_uuid() {
    let mut lost = RETRY;
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |seen| match seen.said.as_str() {
            said if said.starts_with("card") => Some(SHAPE),
            said if said.starts_with("[2/3]") => lost.take(),
            _ => None,
        }),
    );
    outbox.post(vec![document(&long(3), None), text("oc_1", "next")]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    let short: Vec<String> = said(&feishu).iter().map(|said| said[..4].to_owned()).collect();
    assert_eq!(short, ["card", "[1/3", "[2/3", "[2/3", "[3/3", "next"]);
    let uuids: Vec<String> = requests(&feishu).into_iter().map(|(_, uuid)| uuid).collect();
    assert_eq!(uuids[2], uuids[3]);
    let different: std::collections::BTreeSet<_> = uuids.iter().collect();
    assert_eq!(different.len(), 5);
    assert!(uuids.iter().all(|uuid| uuid.len() <= 50), "{uuids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_between_parts_goes_on_with_the_part_that_it_was_sending() {
    let refuse = |seen: &SeenRequest| {
        if seen.said.starts_with("card") {
            Some(SHAPE)
        } else if seen.said.starts_with("[2/3]") {
            RETRY
        } else {
            None
        }
    };
    let (outbox, feishu) = (Outbox::new(), Feishu::new(refuse));
    outbox.post(vec![document(&long(3), None)]).await;
    let courier = outbox.send_through(&feishu);
    feishu.called(5).await;
    courier.abort();
    assert!(courier.await.unwrap_err().is_cancelled());
    let before = requests(&feishu);
    // Feishu takes cards again, but what is being sent as text goes on as text.
    let feishu = Feishu::new(|_| None);
    outbox.send_through(&feishu);
    outbox.drained().await;
    let after = requests(&feishu);
    let short: Vec<&str> = after.iter().map(|(said, _)| &said[..5]).collect();
    assert_eq!(short, ["[2/3]", "[3/3]"]);
    assert_eq!(before.last().unwrap().1, after[0].1);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_refused_on_every_rung_is_replaced_by_a_sentence_and_the_rest_is_sent() {
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(|seen| {
            let rude = seen.said.starts_with("card") || seen.said.starts_with("[2/3]");
            rude.then_some(DeliveryAdvice::Unacceptable(ContentObjection::Content))
        }),
    );
    outbox.post(vec![document(&long(3), None), text("oc_1", "next")]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths { wedged: 1, ..MailDepths::default() });
    let said = said(&feishu);
    assert!(said[1].starts_with("[1/3]") && said[2].starts_with("[2/3]"), "{said:?}");
    assert_eq!((said[3].as_str(), said[5].as_str(), said.len()), ("Content", "next", 6), "{said:?}");
    assert!(said[4].starts_with("[3/3]"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_refused_for_its_shape_becomes_a_file_or_without_the_permission_a_sentence() {
    for (permitted, last) in [(true, "file key"), (false, "Shape")] {
        let (outbox, feishu) = (
            Outbox::new(),
            Feishu::new(move |seen| match seen.said.as_str() {
                "upload answer.md" => (!permitted).then_some(DeliveryAdvice::NotForThisApp),
                "file key" | "Shape" => None,
                _ => Some(SHAPE),
            }),
        );
        outbox.post(vec![document("odd", None)]).await;
        outbox.send_through(&feishu);
        let wedged = u32::from(!permitted);
        assert_eq!(outbox.drained().await, MailDepths { wedged, ..MailDepths::default() });
        assert_eq!(feishu.said(), ["card odd", "odd", "upload answer.md", last]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_post_of_a_slot_changes_its_card_even_after_a_restart() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let slot = SlotId::random();
    outbox.post(vec![document("asked", Some((slot, Some("expired"))))]).await;
    let courier = outbox.send_through(&feishu);
    outbox.drained().await;
    courier.abort();
    let _ = courier.await;
    outbox.send_through(&feishu);
    outbox.post(vec![document("allowed", Some((slot, None)))]).await;
    outbox.drained().await;
    assert_eq!(feishu.said(), ["card asked", "update allowed"]);
    assert_eq!(requests(&feishu)[0].1, slot.to_string());
    assert_eq!(feishu.seen.lock().unwrap()[1].to, format!("om_{slot}"));
    assert_eq!(open(&outbox.directory.path().join("mail.db")).unwrap().0.depths().await.unwrap().pending, 0);
}

#[tokio::test]
async fn a_card_that_is_still_open_gets_its_fallback_once_at_the_next_start() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let [asked, decided] = [SlotId::random(), SlotId::random()];
    outbox
        .post(vec![
            document("one", Some((asked, Some("expired")))),
            document("two", Some((decided, Some("expired")))),
            document("allowed", Some((decided, None))),
        ])
        .await;
    let courier = outbox.send_through(&feishu);
    outbox.drained().await;
    courier.abort();
    let _ = courier.await;
    for _ in 0..2 {
        let (store, _) = open(&outbox.directory.path().join("mail.db")).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        run(store, LiveCards::default(), feishu.clone(), stop, Duration::from_secs(600)).await;
    }
    assert_eq!(feishu.said(), ["card one", "card two", "update allowed", "update expired"]);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_is_gone_is_sent_as_a_new_message_which_is_changed_from_then_on() {
    let mut gone = Some(DeliveryAdvice::CardGone);
    let (outbox, feishu) =
        (Outbox::new(), Feishu::new(move |seen| if seen.said == "update two" { gone.take() } else { None }));
    let slot = SlotId::random();
    let words = ["one", "two", "three"];
    outbox.post(words.map(|words| document(words, Some((slot, None)))).to_vec()).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    assert_eq!(feishu.said(), ["card one", "update two", "card two", "update three"]);
    let seen = feishu.seen.lock().unwrap().clone();
    assert_ne!(seen[2].uuid, slot.to_string());
    assert_eq!(seen[3].to, format!("om_{}", seen[2].uuid));
}

#[tokio::test(start_paused = true)]
async fn when_a_document_comes_down_to_text_its_card_points_to_the_messages_below() {
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(|seen| (seen.said.starts_with("update") && seen.said.contains("found")).then_some(SHAPE)),
    );
    let slot = SlotId::random();
    let posts = [document("working", Some((slot, None))), document(&long(2), Some((slot, None)))];
    outbox.post(posts.to_vec()).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    let said = feishu.said();
    let short: Vec<String> = said.iter().map(|said| said.chars().take(20).collect()).collect();
    assert_eq!(short[0], "card working");
    assert!(short[1].starts_with("update all"), "{short:?}");
    assert_eq!(said[2], "update See the messages below.");
    assert!(short[3].starts_with("[1/2]") && short[4].starts_with("[2/2]") && short.len() == 5, "{short:?}");
}

#[tokio::test(start_paused = true)]
async fn a_card_is_still_known_when_the_end_of_its_post_cannot_be_recorded() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let other = rusqlite::Connection::open(outbox.directory.path().join("mail.db")).unwrap();
    let trigger = "CREATE TRIGGER broken BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'broken'); END";
    other.execute_batch(trigger).unwrap();
    let slot = SlotId::random();
    outbox.post(["one", "two"].map(|words| document(words, Some((slot, None)))).to_vec()).await;
    outbox.send_through(&feishu);
    feishu.called(2).await;
    assert_eq!(feishu.said(), ["card one", "update two"]);
    other.execute_batch("DROP TRIGGER broken").unwrap();
    outbox.drained().await;
    outbox.post(vec![document("three", Some((slot, None)))]).await;
    outbox.drained().await;
    assert_eq!(feishu.said()[2], "update three");
}

#[tokio::test(start_paused = true)]
async fn of_a_document_in_several_cards_the_one_with_the_buttons_is_changed_later() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let slot = SlotId::random();
    let posts = [document(&long(12), Some((slot, None))), document("decided", Some((slot, None)))];
    outbox.post(posts.to_vec()).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    let seen = feishu.seen.lock().unwrap();
    let (last, cards) = seen.split_last().unwrap();
    assert!(cards.len() > 1 && cards.iter().all(|seen| seen.said.starts_with("card ")), "{cards:?}");
    assert_eq!(cards.last().unwrap().uuid, slot.to_string());
    assert_eq!((last.said.as_str(), &last.to), ("update decided", &format!("om_{slot}")));
}
