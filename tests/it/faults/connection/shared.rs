//! Another program that is connected with the same app.

use std::process::Stdio;

use futures_util::future::join_all;
use phonework::emulator::{Emulator, EmulatorOptions, PhoneUtterance};
use phonework::ids::MessageId;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{installed, running};
use crate::support::bot::{Bot, Socket};
use crate::support::phonework::{PATIENCE, Phonework};

const WARNING: &str = "probably another program is connected with this app";

#[tokio::test]
async fn a_second_daemon_for_one_app_on_one_machine_is_refused_and_takes_over_when_the_first_is_killed() {
    let mut phonework = running(EmulatorOptions::default()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let socket = elsewhere.path().join("control.sock");
    // All as the first one's, but for the state directory and the control socket.
    let second = || {
        let first = phonework.serve();
        let first = first.as_std();
        let arguments = first.get_args().map(|one| match one {
            one if one == phonework.state() => elsewhere.path().as_os_str(),
            one if one == phonework.socket() => socket.as_os_str(),
            one => one,
        });
        let mut second = tokio::process::Command::new(first.get_program());
        second
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        second
    };
    let output = second().output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let said: Vec<_> = said.lines().filter(|line| line.starts_with("phonework:")).collect();
    assert!(said.len() == 1 && said[0].contains("another phonework on this machine (process "), "{said:?}");
    assert_eq!(phonework.emulator.connections_made(), 1);
    assert_eq!(phonework.ask("echo alone", 1).await, ["alone"]);

    let mut second = second();
    phonework.kill().await;
    let _second = second.stderr(Stdio::null()).spawn().unwrap();
    phonework.connected_after(1).await;
}

/// Takes what comes, as another daemon would, until the connection is over.
async fn steal(mut socket: Socket) {
    while let Some(message) = socket.message().await {
        let Message::Binary(bytes) = message else { continue };
        let frame = phonework::feishu::frame::Frame::from_bytes(&bytes).unwrap();
        socket.ack(&frame, 200, None).await;
    }
}

/// Anna writes, a while after the connection was made, until a message goes to the other program.
async fn stolen(phonework: &Phonework) -> MessageId {
    for said in 1.. {
        let sent_at = Some(jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8));
        let words = PhoneUtterance::text(&phonework.anna, &phonework.chat, "/status");
        let id = phonework.emulator.utter(PhoneUtterance { sent_at, ..words }).unwrap();
        let acked = phonework.emulator.wait_for(
            |emulator| emulator.acks().into_iter().find(|ack| ack.message_id.as_ref() == Some(&id)),
            PATIENCE,
        );
        if acked.await.unwrap().connection != 1 {
            return id;
        }
        phonework.hear(&phonework.chat, said).await;
    }
    unreachable!()
}

/// Messages bear times in the future here, at which the connection has been up for a while.
async fn until_it_is(time: jiff::Timestamp) {
    let rest = time.duration_since(jiff::Timestamp::now());
    if rest.is_positive() {
        tokio::time::sleep(rest.unsigned_abs()).await;
    }
}

#[tokio::test]
async fn a_message_that_went_to_another_program_is_noticed_and_told() {
    join_all(["entered", "recalled", "replied to"].map(|way| async move {
        let mut phonework = installed(EmulatorOptions::default()).await;
        phonework.start().await;
        let bot = Bot::new(&phonework.emulator).await;
        let thief = tokio::spawn(steal(bot.connect(&phonework.emulator).await));
        let stolen = stolen(&phonework).await;
        thief.abort();
        let alone = |emulator: &Emulator| (emulator.connections().len() == 1).then_some(());
        phonework.emulator.wait_for(alone, PATIENCE).await.unwrap();
        // One that is taken back earlier than 20 s after it was written may be pushed again yet.
        let written = phonework.emulator.shown_message(&stolen).unwrap().created;
        let age = if way == "recalled" { 20 } else { 0 };
        until_it_is(written + jiff::SignedDuration::from_secs(age)).await;
        // What people do, and what names the message by that.
        let words = PhoneUtterance::text(&phonework.anna, &phonework.chat, "/list");
        match way {
            "entered" => phonework.emulator.enter_chat(&phonework.anna).unwrap(),
            "recalled" => {
                phonework.ask("/list", 1).await;
                phonework.emulator.recall(&stolen).unwrap();
            }
            _ => {
                phonework.emulator.utter(PhoneUtterance { reply_to: Some(stolen.clone()), ..words }).unwrap();
            }
        }
        phonework.logged(WARNING, 1).await;
        assert!(phonework.lines(&["WARN", WARNING])[0].contains(stolen.as_str()), "{way}");
    }))
    .await;
}

#[tokio::test]
async fn what_is_known_here_or_older_than_the_connection_alarms_nobody() {
    let mut phonework =
        installed(EmulatorOptions { redelivery: Vec::new(), ..EmulatorOptions::default() }).await;
    phonework.configure("ALLOWED_OPEN_IDS", json!([phonework.anna]));
    // There is no connection yet, and it is not pushed again.
    let early = phonework.say("/status");
    phonework.start().await;
    phonework.emulator.enter_chat(&phonework.anna).unwrap();
    phonework.emulator.recall(&early).unwrap();
    // The newest message is the bot's own; a message that is known is taken back.
    let known = phonework.say("/status");
    phonework.hear(&phonework.chat, 1).await;
    phonework.emulator.enter_chat(&phonework.anna).unwrap();
    phonework.emulator.recall(&known).unwrap();
    // In a group the bot is not told of every message.
    let group = phonework.emulator.group();
    let aside = phonework.emulator.say(&phonework.anna, &group, "not for the bot");
    phonework.emulator.recall(&aside).unwrap();
    // A stranger is answered once; then they are let in.
    let mings = phonework.emulator.p2p(&phonework.ming);
    phonework.emulator.say(&phonework.ming, &mings, "hello");
    phonework.hear(&mings, 1).await;
    let written = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(8);
    let again =
        PhoneUtterance { sent_at: Some(written), ..PhoneUtterance::text(&phonework.ming, &mings, "hello?") };
    let ignored = phonework.emulator.utter(again).unwrap();
    let taken = |emulator: &Emulator| {
        emulator.acks().iter().any(|ack| ack.message_id.as_ref() == Some(&ignored)).then_some(())
    };
    phonework.emulator.wait_for(taken, PATIENCE).await.unwrap();
    phonework.reload("ALLOWED_OPEN_IDS", json!([phonework.anna, phonework.ming]));
    phonework.logged("the keyring was read again", 1).await;
    until_it_is(written).await;
    phonework.emulator.enter_chat(&phonework.ming).unwrap();
    phonework.emulator.say(&phonework.ming, &mings, "/list");
    phonework.hear(&mings, 2).await;
    phonework.emulator.enter_chat(&phonework.ming).unwrap();

    // They are looked at in the order in which they were named.
    phonework.logged("no sign of another program", 5).await;
    assert_eq!(phonework.lines(&[WARNING]), [""; 0]);
    assert_eq!(phonework.lines(&["no sign of another program", aside.as_str()]), [""; 0]);
}
