//! A network on which nothing reaches Feishu.

use std::collections::BTreeSet;

use phonework::emulator::{EmulatorOptions, FaultDuration, FaultEffect, InjectedFault, Outage};
use serde_json::json;

use super::{ENDPOINT, installed, quick, running};
use crate::support::phonework::{Phonework, field};

/// What is logged of the tries of an outage, first and further ones.
fn tries(phonework: &Phonework) -> Vec<String> {
    phonework.lines(&["could not connect", "retry_ms="])
}

#[tokio::test]
async fn a_refused_port_is_tried_every_few_seconds_and_the_outage_is_told_once_with_its_end() {
    let phonework = running(quick()).await;
    let before = phonework.emulator.connections_made();
    phonework.emulator.outage(Some(Outage::Refusing));
    phonework.logged("could not connect", 4).await;
    phonework.say("echo sent in the outage");
    phonework.emulator.outage(None);
    phonework.connected_after(before).await;
    assert_eq!(phonework.hear(&phonework.chat, 2).await[1], "sent in the outage");
    assert_eq!(phonework.lines(&["WARN", "lost the connection"]).len(), 1);
    // Connections that were on their way are reset, those that come later refused.
    let told = phonework.lines(&["WARN", "could not connect"]);
    let cause =
        |line: &String| line.split("attempt=").next().unwrap().split("WARN").nth(1).map(str::to_owned);
    let causes: BTreeSet<_> = told.iter().map(cause).collect();
    assert_eq!(causes.len(), told.len(), "{told:?}");
    assert!(told.len() <= 2, "{told:?}");
    let waits: Vec<u64> = tries(&phonework).iter().map(|line| field(line, "retry_ms")).collect();
    for (wait, limit) in waits.iter().zip([1000, 2000, 4000, 5000, 5000, 5000]) {
        assert!((limit / 2..=limit).contains(wait), "{waits:?}");
    }
    let back = phonework.lines(&["connected to Feishu again"]);
    assert_eq!(back.len(), 1, "{back:?}");
    assert_eq!(usize::try_from(field(&back[0], "attempt")).unwrap(), waits.len() + 1);
    assert!(field(&back[0], "down_ms") >= waits.iter().sum(), "{back:?} {waits:?}");
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_noticed_and_its_end_too() {
    let phonework = running(quick()).await;
    let before = phonework.emulator.connections_made();
    phonework.emulator.outage(Some(Outage::Silent));
    phonework.logged("could not connect: no endpoint", 1).await;
    phonework.emulator.outage(None);
    phonework.connected_after(before).await;
    assert_eq!(phonework.ask("echo again", 1).await, ["again"]);
    let waits: Vec<u64> = tries(&phonework).iter().map(|line| field(line, "retry_ms")).collect();
    assert!(waits.iter().all(|wait| *wait <= 5000), "{waits:?}");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_no_trouble_of_feishus() {
    let mut phonework = installed(EmulatorOptions::default()).await;
    let cut = phonework.emulator.fault(InjectedFault::endpoint(FaultEffect::Cut, FaultDuration::UntilLifted));
    phonework.launch();
    phonework.logged("could not connect", 3).await;
    phonework.emulator.lift(cut);
    phonework.connected_after(0).await;
    let waits: Vec<u64> = tries(&phonework).iter().map(|line| field(line, "retry_ms")).collect();
    assert_eq!(phonework.lines(&["WARN", "could not connect"]).len(), 1);
    assert_eq!(phonework.calls(ENDPOINT).len(), waits.len() + 1);
    assert!((500..=1000).contains(&waits[0]) && (1000..=2000).contains(&waits[1]), "{waits:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_once_and_keeps_nobody_from_stopping_the_daemon() {
    let mut phonework =
        Phonework::installed("claude", json!({"FEISHU_DOMAIN": "http://nobody.invalid"})).await;
    phonework.launch();
    phonework.logged("could not connect: no endpoint", 2).await;
    assert_eq!(phonework.lines(&["WARN", "could not connect"]).len(), 1);
    let waits: Vec<u64> = tries(&phonework).iter().map(|line| field(line, "retry_ms")).collect();
    assert!(waits.iter().all(|wait| *wait <= 5000), "{waits:?}");
    assert!(phonework.stop().await.success());
}
