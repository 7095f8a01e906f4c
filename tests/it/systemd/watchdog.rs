//! A daemon that does not move is brought back.

use std::time::Duration;

use phonework::logs::events;
use serde_json::json;

use super::installed::Installed;
use super::message_id;

#[tokio::test]
async fn a_frozen_daemon_is_brought_back_and_what_was_said_meanwhile_is_answered_once() {
    let machine = Installed::new(json!({})).await;
    machine.drop_in("[Service]\nWatchdogSec=4s\nTimeoutAbortSec=500ms\nRestartSec=100ms\n").await;
    machine.start().await;
    machine.phonework.open_shop().await;
    machine.phonework.ask("echo before", 1).await;
    machine.systemd.succeed(&["systemctl", "kill", "--kill-whom=main", "--signal=STOP", "phonework"]).await;
    machine.phonework.say("echo meanwhile");
    machine.shows_in_time("NRestarts", |restarts| restarts != "0").await;
    machine.phonework.hear(&machine.phonework.chat, 3).await;
    machine.phonework.ask("echo after", 1).await;
    assert_eq!(machine.phonework.heard(&machine.phonework.chat)[1..], ["before", "meanwhile", "after"]);
    machine.journal(&["--unit=phonework", "--grep=Watchdog timeout"], 1).await;
}

#[tokio::test]
async fn a_task_that_does_not_move_is_named_before_the_watchdog_fires() {
    let machine = Installed::new(json!({})).await;
    // The router stands still with its second message, for longer than any test lasts.
    let stuck = "PHONEWORK_CRASH=message-routed:wait=3600000@2";
    let unit = format!("[Service]\nWatchdogSec=12s\nRestartSec=100ms\nEnvironment={stuck}\n");
    machine.drop_in(&unit).await;
    machine.start().await;
    machine.phonework.open_shop().await;
    machine.phonework.say("echo held up");
    let status = machine.shows_in_time("StatusText", |text| text.contains("router does not move")).await;
    assert!(!status.contains("intake"), "{status}");
    machine.shows_in_time("NRestarts", |restarts| restarts != "0").await;
    assert_eq!(machine.phonework.hear(&machine.phonework.chat, 2).await[1], "held up");
    let named = machine.journal(&[&message_id(events::TASK_STUCK), "PHONEWORK_TASK=router"], 1).await;
    let fired = machine.journal(&["--unit=phonework", "--grep=Watchdog timeout"], 1).await;
    let at = |line: &serde_json::Value| {
        Duration::from_micros(line["__REALTIME_TIMESTAMP"].as_str().unwrap().parse().unwrap())
    };
    assert!(at(&named[0]) < at(&fired[0]), "{named:?} {fired:?}");
    assert_eq!(named[0]["PRIORITY"], "3");
}

#[tokio::test]
async fn what_does_not_move_is_told_in_the_health_and_keeps_nobody_from_asking() {
    let machine = Installed::new(json!({})).await;
    // The daemon believes in a watchdog of twelve seconds, and systemd has none.
    let unit = "[Service]\nWatchdogSec=0\nEnvironment=WATCHDOG_USEC=12000000\n\
                Environment=PHONEWORK_CRASH=message-routed:wait=3600000@2\n";
    machine.drop_in(unit).await;
    machine.start().await;
    machine.phonework.open_shop().await;
    machine.phonework.say("echo held up");
    machine.shows_in_time("StatusText", |text| text.contains("router does not move")).await;
    let output = machine.systemd.run(&["phonework", "health", "--json"]).await;
    let health: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let tasks: Vec<_> = health["stuck"].as_array().unwrap().iter().map(|stuck| &stuck["task"]).collect();
    assert_eq!((output.status.code(), tasks), (Some(1), vec![&json!("router")]));
    let problems = health["problems"].to_string();
    assert!(problems.contains("the task router has not moved for"), "{problems}");
    assert!(problems.contains("the sessions are not known: the router does not answer"), "{problems}");
}

#[tokio::test]
async fn an_idle_daemon_feeds_the_watchdog() {
    let machine = Installed::new(json!({})).await;
    machine.drop_in("[Service]\nWatchdogSec=20s\n").await;
    machine.start().await;
    let fed = machine.shows("WatchdogTimestampMonotonic").await;
    let again = machine.shows_in_time("WatchdogTimestampMonotonic", |at| at != fed).await;
    machine.shows_in_time("WatchdogTimestampMonotonic", |at| at != fed && at != again).await;
    assert_eq!(machine.shows("NRestarts").await, "0");
}
