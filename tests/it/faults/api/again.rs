//! What is tried again.

use futures_util::future::join_all;
use phonework::emulator::{FaultDuration, FaultEffect, InjectedFault};

use super::{for_anna, ready, sent, struck};
use crate::support::phonework::field;

fn code(http: u16, code: i64) -> FaultEffect {
    FaultEffect::Refuse { http, code, reset: None }
}

#[tokio::test]
async fn whatever_happens_to_a_try_the_answer_is_shown_once_and_in_its_order() {
    let effects = [
        code(429, 99_991_400),
        code(400, 99_991_400),
        code(400, 11_232),
        code(400, 11_233),
        code(400, 11_247),
        code(400, 230_020),
        code(400, 230_049),
        code(400, 1500),
        code(200, 2200),
        code(500, 300_000),
        code(503, 1),
        FaultEffect::Page { http: 429 },
        FaultEffect::Page { http: 502 },
        FaultEffect::Page { http: 200 },
        FaultEffect::Page { http: 404 },
        FaultEffect::Garbage,
        FaultEffect::Lose,
        FaultEffect::Cut,
    ];
    join_all(effects.map(|effect| async move {
        let phonework = ready().await;
        let fault = for_anna(&phonework, InjectedFault::sending(effect.clone(), FaultDuration::Times(1)));
        phonework.say("echo first");
        struck(&phonework, fault, 1).await;
        phonework.say("echo second");
        let heard = phonework.hear(&phonework.chat, 3).await;
        assert_eq!(heard[1..], ["first", "second"], "{effect:?}");
        let tries = sent(&phonework);
        let firsts: Vec<_> = tries.iter().filter(|(_, said, _)| said.contains("first")).collect();
        assert_eq!(firsts.len(), 2, "{effect:?}: {tries:#?}");
        assert_eq!(firsts[0].2, firsts[1].2, "{effect:?}: the uuid stays the same");
        assert_eq!(phonework.lines(&["WARN", "not delivered yet"]).len(), 1, "{effect:?}");
    }))
    .await;
}

#[tokio::test]
async fn the_time_that_feishu_asks_for_is_waited_out() {
    for (http, code) in [(429, 99_991_400), (400, 99_991_400), (400, 230_020)] {
        let phonework = ready().await;
        let effect = FaultEffect::Refuse { http, code, reset: Some(2) };
        for_anna(&phonework, InjectedFault::sending(effect, FaultDuration::Times(1)));
        assert_eq!(phonework.ask("echo patient", 1).await, ["patient"]);
        let tries: Vec<_> =
            sent(&phonework).into_iter().filter(|(_, said, _)| said.contains("patient")).collect();
        let gap = tries[1].0.at.duration_since(tries[0].0.at);
        assert!(gap.as_millis() >= 2000, "{gap}");
    }
}

#[tokio::test]
async fn a_call_that_gets_no_answer_ends_and_is_made_again_with_the_same_uuid() {
    let phonework = ready().await;
    let silence =
        for_anna(&phonework, InjectedFault::sending(FaultEffect::Silence, FaultDuration::UntilLifted));
    phonework.say("echo heard");
    phonework.logged("not delivered yet", 1).await;
    phonework.emulator.lift(silence);
    assert_eq!(phonework.hear(&phonework.chat, 2).await[1..], ["heard"]);
    assert_eq!(phonework.ask("echo next", 1).await, ["next"]);
    let uuids: Vec<_> = sent(&phonework)
        .into_iter()
        .filter(|(_, said, _)| said.contains("heard"))
        .map(|try_| try_.2)
        .collect();
    assert!(uuids.len() >= 2 && uuids.iter().all(|uuid| *uuid == uuids[0]), "{uuids:?}");
}

#[tokio::test]
async fn a_slow_feishu_is_waited_for_and_keeps_its_order() {
    let phonework = ready().await;
    for_anna(&phonework, InjectedFault::sending(FaultEffect::Delay { ms: 400 }, FaultDuration::Times(3)));
    for word in ["one", "two", "three"] {
        phonework.say_later(&format!("echo {word}"));
    }
    let heard = phonework.hear(&phonework.chat, 4).await;
    assert_eq!(heard[1..], ["one", "two", "three"]);
    assert_eq!(phonework.lines(&["not delivered yet"]), [""; 0]);
}

#[tokio::test]
async fn one_chats_trouble_delays_no_other_and_is_told_once() {
    for effect in [code(500, 2200), FaultEffect::Silence, code(429, 99_991_400)] {
        let phonework = ready().await;
        let mings = phonework.emulator.p2p(&phonework.ming);
        let fault = for_anna(&phonework, InjectedFault::sending(effect.clone(), FaultDuration::UntilLifted));
        phonework.say("echo for Anna");
        struck(&phonework, fault, 1).await;
        phonework.emulator.say(&phonework.ming, &mings, "/new shop");
        phonework.hear(&mings, 1).await;
        for word in ["one", "two", "three"] {
            phonework.emulator.say(&phonework.ming, &mings, &format!("echo {word}"));
        }
        let heard = phonework.hear(&mings, 4).await;
        assert_eq!(heard[1..], ["one", "two", "three"], "{effect:?}");
        assert_eq!(phonework.heard(&phonework.chat).len(), 1, "{effect:?}");
        if effect != FaultEffect::Silence {
            struck(&phonework, fault, 4).await;
        }
        phonework.emulator.lift(fault);
        assert_eq!(phonework.hear(&phonework.chat, 2).await[1], "for Anna");
        phonework.logged("delivered after all", 1).await;
        let after_all = phonework.lines(&["delivered after all"]);
        assert_eq!(phonework.lines(&["WARN", "not delivered yet"]).len(), 1, "{effect:?}");
        assert!(effect == FaultEffect::Silence || field(&after_all[0], "failures") >= 4, "{after_all:?}");
    }
}
