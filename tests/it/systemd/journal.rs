//! What an operator alerts on is found in the journal.

use phonework::emulator::{ConnectionEnding, FaultDuration, FaultEffect, InjectedFault};
use phonework::logs::events;
use serde_json::{Value, json};

use super::installed::Installed;
use super::message_id;
use crate::support::phonework::silence;

#[tokio::test]
async fn what_an_operator_alerts_on_is_found_by_its_message_id() {
    let mut machine = Installed::new(json!({})).await;
    let anna = machine.phonework.anna.clone();
    machine.phonework.configure("ALLOWED_OPEN_IDS", json!([anna]));
    machine.install_keyring().await;
    let (phonework, chat) = (&machine.phonework, &machine.phonework.chat);
    machine.start().await;
    phonework.open_shop().await;
    phonework.ask("run true", 1).await;
    phonework.say("/approve");
    phonework.hear(chat, 3).await;
    phonework.ask("crash", 1).await;
    let gone = FaultEffect::Refuse { http: 400, code: 230_002, reset: None };
    phonework.emulator.fault(InjectedFault::sending(gone, FaultDuration::Times(1)));
    phonework.say("echo for nobody");
    machine.journal(&[&message_id(events::WEDGED)], 1).await;
    phonework.emulator.drop_connections(ConnectionEnding::Reset);
    phonework.connected_after(1).await;
    let stranger = &phonework.ming;
    phonework.emulator.say(stranger, &phonework.emulator.p2p(stranger), "let me in");
    let expected = [
        (events::CONNECTED, "6", "connected to Feishu"),
        (events::APPROVAL_ASKED, "6", "approval requested"),
        (events::APPROVAL_DECIDED, "6", "approval decided"),
        (events::CLAUDE_FAILED, "4", "claude ended in the middle of a turn"),
        (events::WEDGED, "3", "refused for good, put aside"),
        (events::CONNECTION_LOST, "4", "lost the connection to Feishu"),
        (events::RECONNECTED, "6", "connected to Feishu again"),
        (events::MESSAGE_REFUSED, "5", "message refused: its sender is not allowed"),
    ];
    for (event, priority, words) in expected {
        let lines = machine.journal(&[&message_id(event)], 1).await;
        let told: Vec<_> = lines.iter().map(|line| (&line["PRIORITY"], &line["MESSAGE"])).collect();
        assert_eq!(told, [(&json!(priority), &json!(words))], "{event}");
    }
    let field = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let decided = machine.journal(&[&message_id(events::APPROVAL_DECIDED)], 1).await;
    assert_eq!(field(&decided[0], "PHONEWORK_DECISION"), "allowed");
    assert_eq!(field(&decided[0], "PHONEWORK_TOOL"), "Bash");
    assert_eq!(field(&decided[0], "PHONEWORK_USER"), anna.to_string());
    let refused = machine.journal(&[&message_id(events::MESSAGE_REFUSED)], 1).await;
    assert_eq!(field(&refused[0], "PHONEWORK_USER"), stranger.to_string());
    let all = machine.systemd.succeed(&["journalctl", "--all", "--output=export"]).await;
    assert!(all.contains("approval decided"));
    silence::is_kept(&all, &phonework.emulator);
}
