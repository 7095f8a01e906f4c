//! Disks that are full, read-only or slow.

use std::process::Stdio;
use std::time::Duration;

use phonework::audit::Chain;
use phonework::emulator::EmulatorOptions;
use phonework::ids::MessageId;
use serde_json::json;

use crate::support::{
    disk::Disk,
    phonework::{PATIENCE, Phonework},
};

/// A Feishu that does not wait long before it brings a message again.
pub(super) fn impatient() -> EmulatorOptions {
    let ack_deadline = Duration::from_millis(300);
    EmulatorOptions {
        ack_deadline,
        redelivery: vec![Duration::from_millis(100); 2_000],
        ..EmulatorOptions::default()
    }
}

async fn practising(feishu: EmulatorOptions) -> Phonework {
    Phonework::installed_at(feishu, &Phonework::practice_agent(), json!({})).await
}

fn answers(phonework: &Phonework, message: &MessageId) -> Vec<i64> {
    let acks = phonework.emulator.acks();
    acks.iter().filter(|ack| ack.message_id.as_ref() == Some(message)).map(|ack| ack.code).collect()
}

#[tokio::test]
async fn on_a_full_disk_messages_are_not_taken_their_senders_are_told_once_and_all_is_answered_when_there_is_room()
 {
    let mut phonework = practising(impatient()).await;
    let disk = Disk::mount(&phonework.state(), 16);
    phonework.start().await;
    phonework.open_shop().await;
    // The prompt finds room, its answer does not: the command ends when the disk is full.
    let pipe = phonework.projects().join("shop/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let request = phonework.show("run cat pipe").await;
    phonework.press(&request, "Allow once", 0).await;
    phonework.becomes(&request.message_id, |shown| shown.buttons().is_empty()).await;
    disk.fill();
    let lines: String = (1..=6_000).map(|number| format!("{number}\n")).collect();
    tokio::task::spawn_blocking(move || std::fs::write(&pipe, lines)).await.unwrap().unwrap();
    phonework.logged("mail.db cannot be written", 1).await;
    let padding = "x".repeat(120_000);
    let refused = [45, 46].map(|length| phonework.say_later(&format!("say {length} {padding}")));
    let chat = phonework.chat.clone();
    let told =
        |texts: &[String]| texts.iter().filter(|text| text.contains("the disk of the host is full")).count();
    phonework.hear_until(&chat, |texts| told(texts) > 0).await;
    let again = |phonework: &Phonework| refused.iter().all(|message| answers(phonework, message).len() > 2);
    phonework.emulator.wait_for(|_| again(&phonework).then_some(()), PATIENCE).await.unwrap();
    for message in &refused {
        assert!(answers(&phonework, message).iter().all(|code| *code == 500));
    }
    assert_eq!(phonework.heard(&chat).len(), 3, "{:?}", phonework.heard(&chat));

    disk.make_room();
    let last = |length: usize| format!("(practice agent, not Claude) {length} characters:\n");
    let begins = |texts: &[String], length: usize| {
        let wanted = last(length);
        texts.iter().filter(|text| text.trim() == wanted.trim()).count()
    };
    let all = |texts: &[String]| begins(texts, 45) == 1 && begins(texts, 46) == 1;
    let heard = phonework.hear_until(&chat, all).await;
    let said = phonework.said(&chat);
    let parts: Vec<_> = said.iter().filter(|shown| shown.text.starts_with('[')).collect();
    let many = parts.len();
    assert_eq!(parts[0].text.lines().next(), Some(format!("[1/{many}]").as_str()));
    let bodies: Vec<String> = parts.iter().map(|shown| shown.answer()).collect();
    let lines = bodies.iter().flat_map(|text| text.lines());
    let numbers: Vec<usize> = lines.filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert!(numbers.iter().copied().eq(1..=6_000), "{numbers:?}");
    assert_eq!((told(&heard), heard.len()), (1, many + 5));
    phonework.logged("mail.db can be written again", 1).await;
    let log = phonework.log();
    let loud = |line: &&str| line.contains("ERROR") || (line.contains("WARN") && line.contains("mail.db"));
    let loud: Vec<_> = log.lines().filter(loud).collect();
    assert_eq!(loud.len(), 1, "once, not for each message: {loud:#?}");
    assert!(phonework.stop().await.success());
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_to_stops_the_start_in_clear_words() {
    let mut phonework = practising(EmulatorOptions::default()).await;
    let disk = Disk::mount(&phonework.state(), 4);
    for used in [false, true] {
        if used {
            phonework.start().await;
            phonework.open_shop().await;
            assert!(phonework.stop().await.success());
        }
        disk.writable(false);
        let output = phonework.serve().stderr(Stdio::piped()).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        let sentence = said.lines().find(|line| line.starts_with("phonework:")).unwrap_or_default();
        assert!(sentence.contains("the state directory") && sentence.contains("Read-only"), "{said}");
        disk.writable(true);
    }
}

#[tokio::test]
async fn audit_lines_that_a_project_does_not_take_are_written_in_order_when_it_does() {
    let mut phonework = practising(EmulatorOptions::default()).await;
    let disk = Disk::mount(&phonework.projects().join("shop"), 1);
    phonework.start().await;
    phonework.open_shop().await;
    phonework.ask("echo first", 1).await;
    phonework.audited(1).await;
    let long = "x".repeat(3_500);
    type Deed = fn(&Disk);
    let troubles: [(Deed, Deed); 2] =
        [(Disk::fill, Disk::make_room), (|disk| disk.writable(false), |disk| disk.writable(true))];
    for ((nth, (begin, end)), lines) in (1..).zip(troubles).zip([3, 5]) {
        begin(&disk);
        phonework.ask(&format!("echo {long}"), 1).await;
        phonework.logged("the audit log cannot be written", nth).await;
        phonework.ask("echo and on", 1).await;
        end(&disk);
        phonework.logged("the audit log is written again", nth).await;
        assert_eq!(phonework.audited(lines).await.len(), lines);
    }
    assert!(phonework.stop().await.success());
    assert!(!phonework.log().contains("somebody changed the audit log"));
    let lines = phonework.audited(5).await;
    let prompts: Vec<_> = lines.iter().map(|line| line["prompt"].as_str().unwrap().len()).collect();
    assert_eq!(prompts, [10, 3_505, 11, 3_505, 11]);
    let file = phonework.projects().join("shop/.phonework");
    let file = file.join(format!("{}.jsonl", lines[0]["conv_id"].as_str().unwrap()));
    let chain = phonework::audit::verify(&file).unwrap();
    assert!(matches!(chain, Chain::Whole { lines: 5, .. }), "{chain:?}");
}

/// Each write takes longer than Feishu waits for an acknowledgement.
#[cfg(feature = "crash-points")]
#[tokio::test]
async fn on_a_slow_disk_messages_come_again_and_are_run_once_and_the_connection_stays() {
    use phonework::emulator::ServedClientConfig;

    let pings = ServedClientConfig {
        reconnect_count: -1,
        reconnect_interval: 1,
        reconnect_nonce: 0,
        ping_interval: 1,
    };
    let mut phonework = practising(EmulatorOptions { client_config: pings, ..impatient() }).await;
    let slow = ["inbox", "turn", "settlement", "assignment", "confirmation", "sessions"];
    let slow = slow.map(|name| format!("{name}-write:wait=600@2-3")).join(",");
    phonework.set_env("PHONEWORK_CRASH", Some(slow));
    phonework.start().await;
    phonework.open_shop().await;
    let ming = phonework.emulator.p2p(&phonework.ming);
    let said = [phonework.say_later("echo one"), phonework.say_later("echo two")];
    phonework.emulator.say(&phonework.ming, &ming, "/list");
    let heard = phonework.hear(&phonework.chat, 3).await;
    assert_eq!(heard[1..], ["one", "two"]);
    assert_eq!(phonework.hear(&ming, 1).await, ["You have no sessions. Open one with /new <dir>."]);
    let last = phonework.ask("echo three", 1).await;
    assert_eq!((last, phonework.heard(&phonework.chat).len()), (vec!["three".to_owned()], 4));
    assert!(said.iter().any(|message| answers(&phonework, message).len() > 1), "Feishu was told in time");
    assert_eq!(phonework.emulator.connections_made(), 1);
    let outcomes: Vec<_> = phonework.audited(3).await.iter().map(|line| line["prompt"].clone()).collect();
    assert_eq!(outcomes, ["echo one", "echo two", "echo three"]);
}

#[cfg(feature = "crash-points")]
#[tokio::test]
async fn a_daemon_that_is_told_to_leave_leaves_though_its_disk_takes_nothing_and_goes_on_after_the_next_start()
 {
    let mut phonework = practising(EmulatorOptions::default()).await;
    let broken = ["sessions", "settlement"].map(|name| format!("{name}-write:fail@2-1000000")).join(",");
    phonework.set_env("PHONEWORK_CRASH", Some(broken));
    phonework.start().await;
    phonework.open_shop().await;
    phonework.say("/new --create mill");
    phonework.logged("failed to write sessions.json", 1).await;
    assert!(phonework.stop().await.success());
    assert_eq!(phonework.log().matches("failed to write sessions.json").count(), 1);
    phonework.set_env("PHONEWORK_CRASH", None);
    phonework.start().await;
    let heard = phonework.hear(&phonework.chat, 2).await;
    assert!(heard[1].contains("(mill) is open and active here"), "{heard:?}");
}

#[cfg(feature = "crash-points")]
#[tokio::test]
async fn a_daemon_whose_disk_does_not_take_what_the_last_run_left_connects_and_leaves_and_tells_it_later() {
    let mut phonework = practising(EmulatorOptions::default()).await;
    phonework.start().await;
    phonework.open_shop().await;
    phonework.say("slow 3600");
    phonework.logged("turn started", 1).await;
    phonework.kill().await;
    phonework.set_env("PHONEWORK_CRASH", Some("settlement-write:fail@1-1000000".to_owned()));
    phonework.start().await;
    phonework.logged("mail.db cannot be written", 1).await;
    assert!(phonework.stop().await.success());
    phonework.set_env("PHONEWORK_CRASH", None);
    phonework.start().await;
    let heard = phonework.hear(&phonework.chat, 2).await;
    assert!(heard[1].contains("was interrupted while this was running: “slow 3600”"), "{heard:?}");
}
