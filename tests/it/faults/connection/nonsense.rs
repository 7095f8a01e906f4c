//! A Feishu that says what makes no sense, and one that fails at everything.

use futures_util::future::join_all;
use phonework::emulator::{EmulatorOptions, FaultDuration, FaultEffect, InjectedFault, MalformedInput};

use super::{ENDPOINT, installed, running};
use crate::support::phonework::field;

const TOKEN: &str = "/open-apis/auth/v3/tenant_access_token/internal";

#[tokio::test]
async fn absurd_pongs_cause_no_storm_of_pings_and_do_no_harm() {
    let pongs = [
        r#"{"PingInterval":0}"#,
        r#"{"PingInterval":-1}"#,
        r#"{"PingInterval":9223372036854775807}"#,
        r#"{"PingInterval":1e300}"#,
        r#"{"PingInterval":"often"}"#,
        r#"{"ReconnectCount":0,"ReconnectInterval":0,"ReconnectNonce":0}"#,
        "{}",
        "[]",
        "{",
        "",
    ];
    join_all(pongs.map(|pong| async move {
        let mut phonework = installed(EmulatorOptions::default()).await;
        phonework.emulator.pongs_carry(pong.as_bytes());
        phonework.start().await;
        phonework.open_shop().await;
        for word in ["one", "two", "three"] {
            assert_eq!(phonework.ask(&format!("echo {word}"), 1).await, [word], "{pong}");
        }
        let connections = phonework.emulator.connections();
        assert_eq!(connections.len(), 1, "{pong}: {connections:?}");
        let lived = connections[0].last_frame.unwrap().duration_since(connections[0].since).as_secs();
        // One at once, and never more than one a second.
        let most = 1 + u64::try_from(lived).unwrap();
        assert!((1..=most).contains(&connections[0].pings), "{pong}: {connections:?}");
        assert_eq!(phonework.emulator.connections_made(), 1, "{pong}");
    }))
    .await;
}

#[tokio::test]
async fn rubbish_on_the_connection_changes_nothing() {
    let phonework = running(EmulatorOptions::default()).await;
    for rubbish in [
        MalformedInput::Bytes,
        MalformedInput::Text,
        MalformedInput::Json,
        MalformedInput::Pong,
        MalformedInput::UnknownEvent,
    ] {
        phonework.emulator.send_rubbish(rubbish);
    }
    assert_eq!(phonework.ask("echo unmoved", 1).await, ["unmoved"]);
    assert_eq!(phonework.emulator.connections_made(), 1);
}

#[tokio::test]
async fn a_feishu_that_fails_at_everything_is_not_stormed_and_all_of_it_is_told_once() {
    let mut phonework = installed(EmulatorOptions::default()).await;
    let all = phonework
        .emulator
        .fault(InjectedFault::anything(FaultEffect::Page { http: 503 }, FaultDuration::UntilLifted));
    phonework.launch();
    phonework.logged("could not connect", 4).await;
    let tries = phonework.lines(&["could not connect", "retry_ms="]);
    let calls = phonework.calls(ENDPOINT);
    assert!(calls.len() <= tries.len() + 1, "{calls:?}\n{tries:?}");
    for ((pair, line), limit) in calls.windows(2).zip(&tries).zip([1000, 2000, 4000, 8000, 16_000]) {
        let gap = pair[1].at.duration_since(pair[0].at).as_millis();
        let wait = field(line, "retry_ms");
        assert!(wait <= limit && gap >= i128::from(wait), "{gap} ms after {line}");
    }
    // The bot's name is asked for as well, after 1 s, 2 s, 4 s, …
    for (pair, wait) in phonework.calls(TOKEN).windows(2).zip([1000, 2000, 4000, 8000]) {
        assert!(pair[1].at.duration_since(pair[0].at).as_millis() >= wait, "{pair:?}");
    }
    assert_eq!(phonework.lines(&["WARN", "could not connect"]).len(), 1);
    assert_eq!(phonework.lines(&["WARN", "failed to learn the bot's open_id"]).len(), 1);
    phonework.emulator.lift(all);
    phonework.connected_after(0).await;
    phonework.open_shop().await;
    phonework.logged("learned the bot's open_id", 1).await;
}
