//! The courier against a scripted Feishu, on paused time.

mod documents;
mod overtaken;
mod pictures;
mod played;

use super::*;
use crate::{
    ids::ChatId,
    mail::{MailDepths, Post, PostBody, Settlement, open},
};
use jiff::Timestamp;
use played::{Feishu, NOT_NOW, Office, RETRY, Seen, reaction, reply, text};
use tokio::task::JoinHandle;

#[tokio::test(start_paused = true)]
async fn what_was_pending_and_what_comes_later_leaves_in_order() {
    let (office, feishu) = (Office::new(), Feishu::new(|_| None));
    office.post(vec![text("oc_1", "a"), text("oc_1", "b")]).await;
    office.open(&feishu);
    feishu.called(2).await;
    office.post(vec![reply(text("oc_1", "c")), text("oc_1", "d")]).await;
    feishu.called(4).await;
    office.done().await;
    assert_eq!(feishu.said(), ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_try_is_made_again_with_the_same_uuid_before_the_next_post() {
    let mut failures = 3;
    let (office, feishu) = (
        Office::new(),
        Feishu::new(move |_| {
            failures -= 1;
            if failures >= 0 { RETRY } else { None }
        }),
    );
    office.post(vec![text("oc_1", "a"), text("oc_1", "b")]).await;
    office.open(&feishu);
    feishu.called(5).await;
    office.done().await;
    let seen = feishu.seen.lock().unwrap().clone();
    assert_eq!(feishu.said(), ["a", "a", "a", "a", "b"]);
    assert!(seen[..4].iter().all(|call| call.uuid == seen[0].uuid));
    assert_ne!(seen[3].uuid, seen[4].uuid);
    for (pair, wait) in seen[..4].windows(2).zip([250, 500, 1000]) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(wait));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_names_a_time_is_given_it() {
    let mut first =
        Some(DeliveryAdvice::Retry { after: Some(Duration::from_secs(20)), outcome_known: true, own: false });
    let (office, feishu) = (Office::new(), Feishu::new(move |_| first.take()));
    office.post(vec![text("oc_1", "a")]).await;
    office.open(&feishu);
    feishu.called(2).await;
    let seen = feishu.seen.lock().unwrap().clone();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn one_chats_trouble_delays_no_other() {
    let (office, feishu) =
        (Office::new(), Feishu::new(|seen| if seen.to == "oc_bad" { RETRY } else { None }));
    office.post(vec![text("oc_bad", "stuck"), text("oc_bad", "behind")]).await;
    office.open(&feishu);
    feishu.called(3).await;
    office.post((0..4).map(|n| text("oc_good", &n.to_string())).collect()).await;
    let good = || feishu.said().into_iter().filter(|said| said != "stuck").collect::<Vec<_>>();
    while good().len() < 4 {
        feishu.called(feishu.said().len() + 1).await;
    }
    assert_eq!(good(), ["0", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_a_message_that_is_gone_is_sent_without() {
    let (office, feishu) =
        (Office::new(), Feishu::new(|seen| seen.reply_to.is_some().then_some(DeliveryAdvice::TargetGone)));
    office.post(vec![reply(text("oc_1", "a"))]).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths::default());
    let seen = feishu.seen.lock().unwrap().clone();
    let tries: Vec<_> =
        seen.iter().map(|call| (call.reply_to.as_deref(), call.uuid == seen[0].uuid)).collect();
    assert_eq!(tries, [(Some("om_asked"), true), (None, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_reaction_becomes_its_text_or_nothing() {
    let (office, feishu) = (
        Office::new(),
        Feishu::new(|seen| seen.said.starts_with("react").then_some(DeliveryAdvice::TargetGone)),
    );
    office.post(vec![reaction(Some("it waits")), reaction(None)]).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths::default());
    assert_eq!(feishu.said(), ["react OnIt", "it waits", "react OnIt"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_kept_and_blocks_nothing() {
    let (office, feishu) = (
        Office::new(),
        Feishu::new(|seen| (seen.said == "refused").then_some(DeliveryAdvice::Undeliverable)),
    );
    office.post(vec![text("oc_1", "refused"), text("oc_1", "fine")]).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths { wedged: 1, ..MailDepths::default() });
    assert_eq!(feishu.said(), ["refused", "fine"]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_feishu_does_not_take_is_kept_and_its_reader_told_in_its_place() {
    let mut once = RETRY;
    let (office, feishu) = (
        Office::new(),
        Feishu::new(move |seen| match seen.said.as_str() {
            "rude" => Some(DeliveryAdvice::Unacceptable(ContentObjection::Content)),
            "long" => Some(DeliveryAdvice::Unacceptable(ContentObjection::TooLong)),
            "odd" => Some(DeliveryAdvice::Unacceptable(ContentObjection::Shape)),
            "Content" => once.take(),
            _ => None,
        }),
    );
    office.post(["rude", "fine", "long", "odd"].map(|said| text("oc_1", said)).to_vec()).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths { wedged: 3, ..MailDepths::default() });
    assert_eq!(feishu.said(), ["rude", "Content", "Content", "fine", "long", "TooLong", "odd", "Shape"]);
    let seen = feishu.seen.lock().unwrap().clone();
    let uuids: Vec<&str> = seen.iter().map(|call| call.uuid.as_str()).collect();
    assert_eq!((uuids[1], uuids[2]), (format!("{}-instead", uuids[0]).as_str(), uuids[1]));
    assert!(uuids[1].len() <= 50, "Feishu takes no longer ones");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_in_place_of_a_text_is_not_replaced_again() {
    let (office, feishu) =
        (Office::new(), Feishu::new(|_| Some(DeliveryAdvice::Unacceptable(ContentObjection::Content))));
    office.post(vec![text("oc_1", "rude")]).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths { wedged: 1, ..MailDepths::default() });
    assert_eq!(feishu.said(), ["rude", "Content"]);
}

#[tokio::test(start_paused = true)]
async fn a_chat_gets_five_messages_a_second() {
    let (office, feishu) = (Office::new(), Feishu::new(|_| None));
    office.post((0..12).map(|n| text("oc_1", &n.to_string())).collect()).await;
    office.open(&feishu);
    feishu.called(12).await;
    let seen = feishu.seen.lock().unwrap().clone();
    for six in seen.windows(6) {
        assert!(six[5].at - six[0].at >= Duration::from_secs(1));
    }
    assert_eq!(feishu.said(), (0..12).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_post_that_could_not_be_marked_is_not_sent_again_and_marked_later() {
    let (office, feishu) = (Office::new(), Feishu::new(|_| None));
    let other = rusqlite::Connection::open(office.directory.path().join("mail.db")).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER broken BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    office.post(vec![text("oc_1", "a"), text("oc_1", "b")]).await;
    office.open(&feishu);
    feishu.called(2).await;
    assert_eq!(office.store.depths().await.unwrap().pending, 2);
    other.execute_batch("DROP TRIGGER broken").unwrap();
    office.done().await;
    assert_eq!(feishu.said(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_tried_for_a_day_is_put_aside_and_blocks_its_chat_no_longer() {
    let (office, feishu) =
        (Office::new(), Feishu::new(|seen| if seen.said == "poison" { RETRY } else { None }));
    office.post(vec![text("oc_1", "poison"), text("oc_1", "fine")]).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths { wedged: 1, ..MailDepths::default() });
    let seen = feishu.seen.lock().unwrap().clone();
    let (last, tries) = seen.split_last().unwrap();
    assert_eq!(last.said, "fine");
    assert!(tries.iter().all(|call| call.said == "poison"));
    let lasted = tries.last().unwrap().at - tries[0].at;
    let day = Duration::from_secs(24 * 3600);
    assert!(day <= lasted && lasted < day + Duration::from_secs(60), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn the_tries_before_a_restart_count_but_not_for_more_than_the_posts_age() {
    for (hours, left) in [(25, 90..150), (1, 23 * 3600 - 60..23 * 3600 + 60)] {
        let (office, feishu) =
            (Office::new(), Feishu::new(|seen| if seen.said == "poison" { RETRY } else { None }));
        office.post(vec![text("oc_1", "poison"), text("oc_1", "fine")]).await;
        let other = rusqlite::Connection::open(office.directory.path().join("mail.db")).unwrap();
        let older = format!("UPDATE outbox SET tries = 1918, made = made - {hours} * 3600000 WHERE id = 1");
        other.execute_batch(&older).unwrap();
        let courier = office.open(&feishu);
        assert_eq!(office.done().await, MailDepths { wedged: 1, ..MailDepths::default() });
        let seen = feishu.seen.lock().unwrap().clone();
        assert_eq!(feishu.said().last().unwrap(), "fine");
        let lasted = seen[seen.len() - 2].at - seen[0].at;
        assert!(left.contains(&lasted.as_secs()), "{hours} h: {lasted:?}");
        courier.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_everybodys_trouble_is_waited_out_however_long_it_takes() {
    let weekend = Duration::from_secs(63 * 3600);
    let own = Duration::from_secs(3600);
    let (office, feishu) = (
        Office::new(),
        Feishu::new(move |seen| match seen.at {
            at if at < own => RETRY,
            at if at < own + weekend => NOT_NOW,
            at if at < own + weekend + own => RETRY,
            _ => None,
        }),
    );
    office.post(vec![text("oc_1", "late")]).await;
    office.open(&feishu);
    assert_eq!(office.done().await, MailDepths::default());
    let seen = feishu.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|call| call.uuid == seen[0].uuid));
}

#[tokio::test]
async fn a_stop_waits_until_the_outbox_is_empty() {
    let (office, feishu, stop) = (Office::new(), Feishu::new(|_| None), CancellationToken::new());
    office.post((0..4).map(|n| text("oc_1", &n.to_string())).collect()).await;
    stop.cancel();
    run(office.store.clone(), office.stage.clone(), feishu.clone(), stop, Duration::from_secs(600)).await;
    assert_eq!(feishu.said(), ["0", "1", "2", "3"]);
    assert_eq!(office.store.depths().await.unwrap(), MailDepths::default());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_at_its_deadline_and_leaves_the_rest_pending() {
    let feishu = Feishu { hangs: true, ..Feishu::new(|_| None) };
    let (office, stop) = (Office::new(), CancellationToken::new());
    office.post(vec![text("oc_1", "a"), text("oc_1", "b")]).await;
    let courier = tokio::spawn(run(
        office.store.clone(),
        office.stage.clone(),
        feishu.clone(),
        stop.clone(),
        Duration::from_secs(5),
    ));
    feishu.called(1).await;
    let stopped = Instant::now();
    stop.cancel();
    courier.await.unwrap();
    assert_eq!(stopped.elapsed().as_secs(), 5);
    assert_eq!(office.store.depths().await.unwrap().pending, 2);
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_tried_again_is_tried_at_once_when_the_way_is_open_again() {
    let office = Office::new();
    let feishu = Feishu::new({
        let mut failures = 8;
        move |_| {
            failures -= 1;
            if failures > 0 { RETRY } else { None }
        }
    });
    let courier = office.open(&feishu);
    office.post(vec![text("oc_1", "late")]).await;
    feishu.called(7).await;
    let before = feishu.start.elapsed();
    feishu.recovered.notify_one();
    feishu.called(8).await;
    assert!(feishu.start.elapsed() - before < Duration::from_secs(1));
    assert_eq!(office.done().await.wedged, 0);
    courier.abort();
}
