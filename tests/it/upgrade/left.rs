//! State of every kind, as a kill leaves it behind.

use std::time::Duration;

use phonework::emulator::{FaultDuration, FaultEffect, InjectedFault, PhoneUtterance};
use serde_json::json;

use super::owed;
use crate::support::phonework::{PATIENCE, Phonework};
use crate::support::varlink::Varlink;

/// Starts the daemon, has Anna and Ming use it, and kills it in the middle.
pub(super) async fn by_a_kill(phonework: &mut Phonework) {
    phonework.start().await;
    let ming = json!({ "open_id": phonework.ming });
    Varlink::connect(&phonework.socket()).await.call("Allow", ming).await.unwrap();
    annas_sessions(phonework).await;
    let mings = phonework.emulator.p2p(&phonework.ming);
    mings_session(phonework).await;

    // A line that the audit log does not take: something else is in the place of the project of a session that is live.
    let (project, aside) = (phonework.projects().join("garden"), phonework.folder().join("aside"));
    std::fs::rename(&project, &aside).unwrap();
    std::fs::write(&project, "").unwrap();
    assert_eq!(phonework.ask("/switch 2", 1).await.len(), 1);
    assert_eq!(phonework.ask("echo off the record", 1).await, ["off the record"]);
    so(phonework, "an unwritten line", |owed| owed[6].len() == 1).await;

    // A turn that runs, with a message behind it.
    assert_eq!(phonework.ask("/switch 1", 1).await.len(), 1);
    phonework.say("slow 3600");
    so(phonework, "a turn that runs", |owed| owed[1].len() == 1).await;
    phonework.say("recall");

    // Answers that Feishu does not take.
    let fault = InjectedFault::sending(FaultEffect::Cut, FaultDuration::UntilLifted).in_chat(&mings);
    phonework.emulator.fault(fault);
    phonework.emulator.say(&phonework.ming, &mings, "echo owed one");
    phonework.emulator.say(&phonework.ming, &mings, "echo owed two");
    so(phonework, "answers that are owed", |owed| owed[2].len() == 2 && owed[4] == ["1"]).await;

    // A turn that waits for a decision.
    let (group, bot) = (phonework.emulator.group(), phonework.emulator.options().bot_name.clone());
    for text in ["/new --create hall", "run touch forbidden"] {
        phonework.emulator.say(&phonework.ming, &group, &format!("@{bot} {text}"));
    }
    so(phonework, "cards of what runs", |owed| owed[0].len() == 2 && owed[1].len() == 2 && owed[5] == ["3"])
        .await;
    phonework.kill().await;
    phonework.emulator.lift_all();
    std::fs::remove_file(&project).unwrap();
    std::fs::rename(&aside, &project).unwrap();
}

/// Three sessions, of which the last is closed again; a rule; a message that Claude remembers.
async fn annas_sessions(phonework: &Phonework) {
    phonework.open_shop().await;
    phonework.ask("remember blue", 1).await;
    phonework.ask("run touch made", 1).await;
    phonework.ask("/approve always", 1).await;
    std::fs::remove_file(phonework.projects().join("shop/made")).unwrap();
    phonework
        .ask("/new --create garden --timeout 600 --idle 2h --mode acceptEdits --model practice", 1)
        .await;
    phonework.ask("echo flowers", 1).await;
    phonework.ask("/new --create attic", 1).await;
    phonework.ask("echo dust", 1).await;
    phonework.ask("/close", 1).await;
}

/// A session, an answer that Feishu refuses for good, and a message that came too late.
async fn mings_session(phonework: &Phonework) {
    let (ming, chat) = (&phonework.ming, phonework.emulator.p2p(&phonework.ming));
    for (nth, text) in ["/new shop", "remember red", "/long file"].into_iter().enumerate() {
        phonework.emulator.say(ming, &chat, text);
        phonework.hear(&chat, nth + 1).await;
    }
    let refused = FaultEffect::Refuse { http: 400, code: 230_013, reset: None };
    phonework.emulator.fault(InjectedFault::sending(refused, FaultDuration::Times(1)).in_chat(&chat));
    phonework.emulator.say(ming, &chat, "echo lost");
    so(phonework, "a post that was refused", |owed| owed[3].len() == 1).await;
    let said = PhoneUtterance::text(ming, &chat, "echo late");
    let sent_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(30));
    phonework.emulator.utter(PhoneUtterance { sent_at, ..said }).unwrap();
    phonework.hear(&chat, 4).await;
}

/// Waits until `mail.db` is as wanted.
async fn so(phonework: &Phonework, what: &str, is: impl Fn(&[Vec<String>]) -> bool) {
    let wait = async {
        while !is(&owed(phonework)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        panic!("no {what}: {:#?}\n--- log\n{}", owed(phonework), phonework.log());
    }
}
