//! The courier with a scripted Feishu, on paused time.

mod documents;
mod live_updates;
mod scripted;
mod unconfirmed;

use super::*;
use crate::{
    ids::ChatId,
    mail::{MailDepths, Post, PostBody, Settlement, open},
};
use jiff::Timestamp;
use scripted::{Feishu, NOT_NOW, Outbox, RETRY, SeenRequest, reaction, reply, text};
use tokio::task::JoinHandle;

#[tokio::test(start_paused = true)]
async fn pending_posts_and_later_ones_are_sent_in_order() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    outbox.post(vec![text("oc_1", "a"), text("oc_1", "b")]).await;
    outbox.send_through(&feishu);
    feishu.called(2).await;
    outbox.post(vec![reply(text("oc_1", "c")), text("oc_1", "d")]).await;
    feishu.called(4).await;
    outbox.drained().await;
    assert_eq!(feishu.said(), ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_post_is_sent_again_with_the_same_uuid_before_the_next_one() {
    let mut failures = 3;
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |_| {
            failures -= 1;
            if failures >= 0 { RETRY } else { None }
        }),
    );
    outbox.post(vec![text("oc_1", "a"), text("oc_1", "b")]).await;
    outbox.send_through(&feishu);
    feishu.called(5).await;
    outbox.drained().await;
    let seen = feishu.seen.lock().unwrap().clone();
    assert_eq!(feishu.said(), ["a", "a", "a", "a", "b"]);
    assert!(seen[..4].iter().all(|call| call.uuid == seen[0].uuid));
    assert_ne!(seen[3].uuid, seen[4].uuid);
    for (pair, wait) in seen[..4].windows(2).zip([250, 500, 1000]) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(wait));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_a_wait_gets_it() {
    let mut first =
        Some(DeliveryAdvice::Retry { after: Some(Duration::from_secs(20)), outcome_known: true, own: false });
    let (outbox, feishu) = (Outbox::new(), Feishu::new(move |_| first.take()));
    outbox.post(vec![text("oc_1", "a")]).await;
    outbox.send_through(&feishu);
    feishu.called(2).await;
    let seen = feishu.seen.lock().unwrap().clone();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn the_trouble_of_one_chat_delays_no_other() {
    let (outbox, feishu) =
        (Outbox::new(), Feishu::new(|seen| if seen.to == "oc_bad" { RETRY } else { None }));
    outbox.post(vec![text("oc_bad", "stuck"), text("oc_bad", "behind")]).await;
    outbox.send_through(&feishu);
    feishu.called(3).await;
    outbox.post((0..4).map(|n| text("oc_good", &n.to_string())).collect()).await;
    let good = || feishu.said().into_iter().filter(|said| said != "stuck").collect::<Vec<_>>();
    while good().len() < 4 {
        feishu.called(feishu.said().len() + 1).await;
    }
    assert_eq!(good(), ["0", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_a_message_that_is_gone_is_sent_as_a_message_of_its_own() {
    let (outbox, feishu) =
        (Outbox::new(), Feishu::new(|seen| seen.reply_to.is_some().then_some(DeliveryAdvice::TargetGone)));
    outbox.post(vec![reply(text("oc_1", "a"))]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    let seen = feishu.seen.lock().unwrap().clone();
    let tries: Vec<_> =
        seen.iter().map(|call| (call.reply_to.as_deref(), call.uuid == seen[0].uuid)).collect();
    assert_eq!(tries, [(Some("om_asked"), true), (None, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_reaction_becomes_its_text_or_nothing() {
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(|seen| seen.said.starts_with("react").then_some(DeliveryAdvice::TargetGone)),
    );
    outbox.post(vec![reaction(Some("it waits")), reaction(None)]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    assert_eq!(feishu.said(), ["react OnIt", "it waits", "react OnIt"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_refused_for_good_is_kept_and_blocks_nothing() {
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(|seen| (seen.said == "refused").then_some(DeliveryAdvice::Undeliverable)),
    );
    outbox.post(vec![text("oc_1", "refused"), text("oc_1", "fine")]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths { wedged: 1, ..MailDepths::default() });
    assert_eq!(feishu.said(), ["refused", "fine"]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_feishu_does_not_take_is_kept_and_a_sentence_says_so_in_its_place() {
    let mut once = RETRY;
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |seen| match seen.said.as_str() {
            "rude" => Some(DeliveryAdvice::Unacceptable(ContentObjection::Content)),
            "long" => Some(DeliveryAdvice::Unacceptable(ContentObjection::TooLong)),
            "odd" => Some(DeliveryAdvice::Unacceptable(ContentObjection::Shape)),
            "Content" => once.take(),
            _ => None,
        }),
    );
    outbox.post(["rude", "fine", "long", "odd"].map(|said| text("oc_1", said)).to_vec()).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths { wedged: 3, ..MailDepths::default() });
    assert_eq!(feishu.said(), ["rude", "Content", "Content", "fine", "long", "TooLong", "odd", "Shape"]);
    let seen = feishu.seen.lock().unwrap().clone();
    let uuids: Vec<&str> = seen.iter().map(|call| call.uuid.as_str()).collect();
    assert_eq!((uuids[1], uuids[2]), (format!("{}-instead", uuids[0]).as_str(), uuids[1]));
    assert!(uuids[1].len() <= 50, "Feishu takes no longer ones");
}

#[tokio::test(start_paused = true)]
async fn the_sentence_in_place_of_a_text_is_not_replaced_again() {
    let (outbox, feishu) =
        (Outbox::new(), Feishu::new(|_| Some(DeliveryAdvice::Unacceptable(ContentObjection::Content))));
    outbox.post(vec![text("oc_1", "rude")]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths { wedged: 1, ..MailDepths::default() });
    assert_eq!(feishu.said(), ["rude", "Content"]);
}

#[tokio::test(start_paused = true)]
async fn a_chat_gets_five_messages_a_second() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    outbox.post((0..12).map(|n| text("oc_1", &n.to_string())).collect()).await;
    outbox.send_through(&feishu);
    feishu.called(12).await;
    let seen = feishu.seen.lock().unwrap().clone();
    for six in seen.windows(6) {
        assert!(six[5].at - six[0].at >= Duration::from_secs(1));
    }
    assert_eq!(feishu.said(), (0..12).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_end_cannot_be_recorded_is_not_sent_again_and_recorded_later() {
    let (outbox, feishu) = (Outbox::new(), Feishu::new(|_| None));
    let other = rusqlite::Connection::open(outbox.directory.path().join("mail.db")).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER broken BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    outbox.post(vec![text("oc_1", "a"), text("oc_1", "b")]).await;
    outbox.send_through(&feishu);
    feishu.called(2).await;
    assert_eq!(outbox.store.depths().await.unwrap().pending, 2);
    other.execute_batch("DROP TRIGGER broken").unwrap();
    outbox.drained().await;
    assert_eq!(feishu.said(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_tried_for_a_day_is_put_aside_and_no_longer_blocks_its_chat() {
    let (outbox, feishu) =
        (Outbox::new(), Feishu::new(|seen| if seen.said == "poison" { RETRY } else { None }));
    outbox.post(vec![text("oc_1", "poison"), text("oc_1", "fine")]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths { wedged: 1, ..MailDepths::default() });
    let seen = feishu.seen.lock().unwrap().clone();
    let (last, tries) = seen.split_last().unwrap();
    assert_eq!(last.said, "fine");
    assert!(tries.iter().all(|call| call.said == "poison"));
    let lasted = tries.last().unwrap().at - tries[0].at;
    let day = Duration::from_secs(24 * 3600);
    assert!(day <= lasted && lasted < day + Duration::from_secs(60), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn tries_before_a_restart_count_but_not_for_longer_than_the_age_of_the_post() {
    for (hours, left) in [(25, 90..150), (1, 23 * 3600 - 60..23 * 3600 + 60)] {
        let (outbox, feishu) =
            (Outbox::new(), Feishu::new(|seen| if seen.said == "poison" { RETRY } else { None }));
        outbox.post(vec![text("oc_1", "poison"), text("oc_1", "fine")]).await;
        let other = rusqlite::Connection::open(outbox.directory.path().join("mail.db")).unwrap();
        let older = format!("UPDATE outbox SET tries = 1918, made = made - {hours} * 3600000 WHERE id = 1");
        other.execute_batch(&older).unwrap();
        let courier = outbox.send_through(&feishu);
        assert_eq!(outbox.drained().await, MailDepths { wedged: 1, ..MailDepths::default() });
        let seen = feishu.seen.lock().unwrap().clone();
        assert_eq!(feishu.said().last().unwrap(), "fine");
        let lasted = seen[seen.len() - 2].at - seen[0].at;
        assert!(left.contains(&lasted.as_secs()), "{hours} h: {lasted:?}");
        courier.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_that_is_not_the_posts_own_is_waited_out_however_long_it_takes() {
    let weekend = Duration::from_secs(63 * 3600);
    let own = Duration::from_secs(3600);
    let (outbox, feishu) = (
        Outbox::new(),
        Feishu::new(move |seen| match seen.at {
            at if at < own => RETRY,
            at if at < own + weekend => NOT_NOW,
            at if at < own + weekend + own => RETRY,
            _ => None,
        }),
    );
    outbox.post(vec![text("oc_1", "late")]).await;
    outbox.send_through(&feishu);
    assert_eq!(outbox.drained().await, MailDepths::default());
    let seen = feishu.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|call| call.uuid == seen[0].uuid));
}

#[tokio::test]
async fn a_stop_waits_until_the_outbox_is_empty() {
    let (outbox, feishu, stop) = (Outbox::new(), Feishu::new(|_| None), CancellationToken::new());
    outbox.post((0..4).map(|n| text("oc_1", &n.to_string())).collect()).await;
    stop.cancel();
    run(outbox.store.clone(), outbox.live_cards.clone(), feishu.clone(), stop, Duration::from_secs(600))
        .await;
    assert_eq!(feishu.said(), ["0", "1", "2", "3"]);
    assert_eq!(outbox.store.depths().await.unwrap(), MailDepths::default());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_at_its_deadline_and_leaves_the_rest_pending() {
    let feishu = Feishu { hangs: true, ..Feishu::new(|_| None) };
    let (outbox, stop) = (Outbox::new(), CancellationToken::new());
    outbox.post(vec![text("oc_1", "a"), text("oc_1", "b")]).await;
    let courier = tokio::spawn(run(
        outbox.store.clone(),
        outbox.live_cards.clone(),
        feishu.clone(),
        stop.clone(),
        Duration::from_secs(5),
    ));
    feishu.called(1).await;
    let stopped = Instant::now();
    stop.cancel();
    courier.await.unwrap();
    assert_eq!(stopped.elapsed().as_secs(), 5);
    assert_eq!(outbox.store.depths().await.unwrap().pending, 2);
}

#[tokio::test(start_paused = true)]
async fn posts_that_wait_are_tried_at_once_when_feishu_can_be_reached_again() {
    let outbox = Outbox::new();
    let feishu = Feishu::new({
        let mut failures = 8;
        move |_| {
            failures -= 1;
            if failures > 0 { RETRY } else { None }
        }
    });
    let courier = outbox.send_through(&feishu);
    outbox.post(vec![text("oc_1", "late")]).await;
    feishu.called(7).await;
    let before = feishu.start.elapsed();
    feishu.recovered.notify_one();
    feishu.called(8).await;
    assert!(feishu.start.elapsed() - before < Duration::from_secs(1));
    assert_eq!(outbox.drained().await.wedged, 0);
    courier.abort();
}
