//! Claude Code in trouble: the practice agent, and programs that are no Claude at all.

use std::os::unix::fs::PermissionsExt as _;

use phonework::emulator::{Emulator, ShownMessage};
use phonework::process_tree;
use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework, until};

#[tokio::test]
async fn a_missing_claude_is_said_in_the_chat_and_does_not_stop_the_daemon() {
    let mut phonework = Phonework::installed("no-such-claude", json!({})).await;
    phonework.start().await;
    phonework.open_shop().await;
    for prompt in ["hello", "/cost"] {
        let said = phonework.ask(prompt, 1).await;
        assert!(said[0].contains("no-such-claude"), "{said:?}");
    }
    assert!(phonework.ask("/list", 1).await[0].contains("shop"));
}

#[tokio::test]
async fn a_command_that_is_not_claude_ends_each_turn_in_words() {
    for program in ["true", "cat", "yes"] {
        let mut phonework = Phonework::installed(program, json!({})).await;
        phonework.start().await;
        phonework.open_shop().await;
        for prompt in ["hello", "/cost"] {
            let said = phonework.ask(prompt, 1).await;
            assert!(said[0].starts_with("⚠️ Claude Code ended unexpectedly"), "{program}: {said:?}");
        }
    }
}

/// A phonework whose Claude Code is this shell script.
async fn scripted(script: &str, more: serde_json::Value) -> (Phonework, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("claude");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut phonework = Phonework::installed(program.to_str().unwrap(), more).await;
    phonework.start().await;
    phonework.open_shop().await;
    (phonework, folder)
}

#[tokio::test]
async fn a_program_that_echoes_its_input_or_does_not_read_it_has_the_turns_time_and_no_more() {
    for script in ["exec cat", "exec sleep 987654"] {
        let (phonework, _program) = scripted(script, json!({"TURN_TIMEOUT": "1s"})).await;
        let said = phonework.ask("hello", 1).await;
        assert!(
            said[0].starts_with("⏹ Stopped: the turn reached this session's limit of 1s"),
            "{script}: {said:?}"
        );
    }
}

#[tokio::test]
async fn a_program_that_writes_without_end_what_is_not_claudes_is_ended_and_told() {
    let (phonework, _program) = scripted("while :; do echo y; done", json!({})).await;
    for prompt in ["hello", "/cost"] {
        let said = phonework.ask(prompt, 1).await;
        assert!(said[0].contains("does not speak its language"), "{said:?}");
    }
}

#[tokio::test]
async fn invalid_lines_are_skipped_and_logged_once() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    for _ in 0..2 {
        let said = phonework.ask("garbage", 1).await;
        assert_eq!(said, ["(practice agent, not Claude) That was garbage."]);
    }
    assert_eq!(phonework.log().matches("claude wrote a line that cannot be read").count(), 1);
}

#[tokio::test]
async fn a_line_of_megabytes_does_no_harm_and_one_that_is_too_long_is_told() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    assert_eq!(phonework.ask("flood 50", 1).await, ["(practice agent, not Claude) That was a flood."]);
    let said = phonework.ask("flood 70", 2).await;
    assert!(said[0].contains("over 64 MB"), "{said:?}");
    assert_eq!(said[1], "(practice agent, not Claude) That was a flood.");
}

#[tokio::test]
async fn an_agent_that_ends_in_the_middle_of_a_turn_is_told_and_the_next_prompt_starts_another() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("crash", 1).await;
    assert!(said[0].starts_with("⚠️ Claude Code ended unexpectedly (exit status 70)."), "{said:?}");
    let said = phonework.ask("quit", 1).await;
    assert_eq!(said, ["⚠️ Claude Code ended unexpectedly (exit status 0)."]);
    assert_eq!(phonework.ask("echo well", 1).await, ["well"]);
}

#[tokio::test]
async fn an_agent_that_closes_its_output_and_lives_on_is_ended_and_told() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    assert_eq!(phonework.ask("mute", 1).await, ["⚠️ Claude Code ended unexpectedly."]);
    assert_eq!(phonework.ask("echo well", 1).await, ["well"]);
}

#[tokio::test]
async fn a_silence_of_a_minute_is_said_in_the_chat_and_the_answer_still_comes() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("slow 63", 2).await;
    assert_eq!(
        said,
        [
            "⏳ Nothing from Claude for 1m. I keep waiting, for at most 29m more. /stop ends it.",
            "(practice agent, not Claude) That took 63 seconds."
        ]
    );
    // After such a wait the phone is in a pocket: the answer is a message of its own, which notifies.
    let is_over = |shown: &ShownMessage| shown.text.starts_with("Done · shop\nClaude answered at ");
    let cards = |_: &Emulator| phonework.said(&phonework.chat).iter().any(is_over).then_some(());
    assert!(phonework.emulator.wait_for(cards, PATIENCE).await.is_some());
}

#[tokio::test]
async fn a_compaction_is_shown_in_the_chat() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("compact", 2).await;
    assert!(said[0].starts_with("🗜 The conversation became too long"), "{said:?}");
    assert_eq!(said[1], "(practice agent, not Claude) I have made room.");
}

#[tokio::test]
async fn what_claude_says_unasked_is_marked_as_such_and_is_no_prompts_answer() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("later 0 it is built", 2).await;
    assert_eq!(said, ["(practice agent, not Claude) I will say that.", "it is built"]);
    // It comes while the next prompt runs.
    phonework.ask("later 0.1 it is built", 1).await;
    let said = phonework.ask("slow 1", 2).await;
    assert_eq!(said, ["(practice agent, not Claude) That took 1 seconds.", "it is built"]);
    let marked = "🔔 Message from Claude: something that ran in the background has finished.";
    let cards: Vec<bool> =
        phonework.said(&phonework.chat).iter().map(|shown| shown.text.starts_with(marked)).collect();
    assert_eq!(cards, [false, false, true, false, false, true]);
    let audit = phonework.audited(5).await;
    assert_eq!((&audit[1]["prompt"], &audit[1]["response"]), (&json!(""), &json!("it is built")));
}

#[tokio::test]
async fn a_warden_that_is_killed_takes_all_that_was_below_it_along_while_the_daemon_lives() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    // One in a session of its own, whose parent is gone.
    phonework.ask("run (setsid sleep 987654 &); touch begun; sleep 987654", 1).await;
    phonework.say("/approve");
    let begun = phonework.projects().join("shop/begun");
    let below = until(|| {
        let below = process_tree::descendants(phonework.pid());
        (begun.exists() && below.len() >= 5).then_some(below)
    })
    .await;
    let warden = process_tree::children(phonework.pid())[0].pid;
    kill_process(warden, Signal::KILL).unwrap();
    let told = |texts: &[String]| texts.last().is_some_and(|text| text.contains("was killed (signal 9)"));
    phonework.hear_until(&phonework.chat, told).await;
    assert_eq!(process_tree::descendants(phonework.pid()), []);
    assert_eq!(process_tree::children(phonework.pid()), [], "nor a zombie");
    for pid in below {
        assert!(rustix::process::test_kill_process(pid).is_err(), "{pid:?} lives");
    }
    assert_eq!(phonework.ask("echo well", 1).await, ["well"]);
}

/// Another process, which Claude Code's list says has the conversation open.
fn opened_by_another(phonework: &Phonework, entrypoint: &str) -> (tokio::process::Child, u32) {
    let other = tokio::process::Command::new("sleep").arg("987654").kill_on_drop(true).spawn().unwrap();
    let pid = other.id().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let sessions = phonework.claude_folder().join("sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    let entry = json!({"pid": pid, "procStart": process_tree::start_time(&stat), "sessionId": phonework.conversation(),
        "cwd": "/", "kind": "interactive", "entrypoint": entrypoint, "startedAt": 200_000_000, "status": "idle"});
    std::fs::write(sessions.join(format!("{pid}.json")), entry.to_string()).unwrap();
    (other, pid)
}

#[tokio::test]
async fn a_conversation_that_is_open_elsewhere_is_not_written_to_before_its_user_says_so() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("remember blue", 1).await;
    let (mut other, pid) = opened_by_another(&phonework, "cli");
    let said = phonework.ask("echo mine", 1).await;
    let told =
        format!("⚠️ Not run: this conversation is open in a terminal on the host (pid {pid}, since 1970-");
    assert!(said[0].starts_with(&told), "{said:?}");
    assert_eq!(phonework.audited(2).await[1]["outcome"], "open_elsewhere");
    // Closed there.
    other.kill().await.unwrap();
    assert_eq!(phonework.ask("/retry", 1).await, ["mine"]);
    assert_eq!(phonework.ask("recall", 1).await, ["(practice agent, not Claude) I remember: blue"]);
}

#[tokio::test]
async fn who_insists_has_his_prompt_run_though_the_conversation_is_open_elsewhere() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("remember blue", 1).await;
    let (_other, _) = opened_by_another(&phonework, "sdk-cli");
    let said = phonework.ask("echo mine", 1).await;
    assert!(said[0].contains("open in another program on the host"), "{said:?}");
    assert_eq!(phonework.ask("/retry", 1).await, ["mine"]);
    assert_eq!(phonework.ask("echo and on", 1).await, ["and on"]);
}

#[tokio::test]
async fn who_presses_run_again_has_his_prompt_run_though_the_conversation_is_open_elsewhere() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("remember blue", 1).await;
    let (_other, _) = opened_by_another(&phonework, "sdk-cli");
    let told = phonework.show("echo mine").await;
    assert!(told.text.contains("open in another program on the host"), "{told:?}");
    assert_eq!(phonework.press(&told, "Run again", 0).await.content, "Running it again.");
    phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == "mine")).await;
}
