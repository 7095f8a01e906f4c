//! A connection that there was.

use phonework::emulator::{ConnectionEnding, EmulatorOptions};

use super::{quick, running};
use crate::support::phonework::field;

#[tokio::test]
async fn a_dropped_connection_is_back_at_once_and_misses_nothing() {
    for ending in [ConnectionEnding::Close, ConnectionEnding::Reset, ConnectionEnding::End] {
        let phonework = running(EmulatorOptions::default()).await;
        let before = phonework.emulator.connections_made();
        phonework.emulator.drop_connections(ending);
        phonework.connected_after(before).await;
        assert_eq!(phonework.ask("echo back", 1).await, ["back"]);
        let lost = phonework.lines(&["WARN", "lost the connection to Feishu"]);
        assert_eq!(lost.len(), 1, "{ending:?}: {lost:?}");
        assert_eq!(field(&lost[0], "retry_ms"), 0, "the first try comes at once");
    }
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_and_what_was_sent_meanwhile_is_answered() {
    let phonework = running(quick()).await;
    let before = phonework.emulator.connections_made();
    phonework.emulator.stall(true);
    phonework.say("echo into the void");
    phonework.connected_after(before).await;
    assert_eq!(phonework.hear(&phonework.chat, 2).await[1], "into the void");
    let lost = phonework.lines(&["WARN", "lost the connection to Feishu"]);
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(lost[0].contains("nothing was heard for 5 s"), "{lost:?}");
}

#[tokio::test]
async fn a_connection_that_is_lost_again_and_again_is_told_once_and_not_made_in_a_storm() {
    let phonework = running(EmulatorOptions::default()).await;
    let losses = 5;
    for loss in 1..=losses {
        // Each of them works: its first pong was there.
        let before = phonework.emulator.connections_made();
        phonework.logged("connected", usize::try_from(before).unwrap()).await;
        phonework.emulator.drop_connections(ConnectionEnding::Reset);
        phonework.logged("lost the connection to Feishu", loss).await;
        phonework.connected_after(before).await;
    }
    assert_eq!(phonework.ask("echo still", 1).await, ["still"]);
    let told = |words: &str| phonework.lines(&[words]);
    assert_eq!(phonework.lines(&["WARN", "lost the connection"]).len(), 1);
    assert_eq!(told("connected to Feishu again").len(), 1);
    // The first loss is forgiven; then the waits' limits double.
    let waits: Vec<u64> = told("lost the connection").iter().map(|line| field(line, "retry_ms")).collect();
    for (wait, limit) in waits.iter().zip([0, 1000, 2000, 4000, 8000]) {
        assert!(*wait <= limit, "{waits:?}");
    }
    let calls = phonework.calls(super::ENDPOINT);
    assert_eq!(calls.len(), losses + 1);
    for (pair, wait) in calls.windows(2).zip(waits) {
        let gap = pair[1].at.duration_since(pair[0].at).as_millis();
        assert!(gap >= i128::from(wait), "{gap} ms after a wait of {wait} ms");
    }
    phonework.logged("the connection to Feishu is stable again", 1).await;
}
