//! A conversation that somebody also has open at the machine.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use super::*;

/// Claude Code run by a person at the machine, on the conversation of Anna's session.
fn at_the_machine(phonework: &Phonework, api: &MessagesApi, arguments: &[&str]) -> Child {
    Command::new(claude())
        .arg("-p")
        .arg(format!("--resume={}", phonework.conversation()))
        .args(arguments)
        .env("CLAUDE_CONFIG_DIR", phonework.claude_folder())
        .env("ANTHROPIC_BASE_URL", api.url())
        .env("ANTHROPIC_API_KEY", "a-key-of-the-test")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .current_dir(phonework.projects().join("shop"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Where Claude Code keeps the conversation of Anna's session.
fn transcript(phonework: &Phonework) -> std::fs::File {
    let name = format!("{}.jsonl", phonework.conversation());
    let projects = std::fs::read_dir(phonework.claude_folder().join("projects")).unwrap();
    let found = projects.map(|project| project.unwrap().path().join(&name)).find(|path| path.exists());
    std::fs::File::options().append(true).open(found.unwrap()).unwrap()
}

#[tokio::test]
async fn a_conversation_that_is_open_at_the_machine_is_told_before_both_write() {
    let (phonework, api) = real(echo, json!({})).await;
    phonework.open_shop().await;
    phonework.ask("speak of herons", 1).await;
    let flags = ["--output-format=stream-json", "--input-format=stream-json", "--verbose"];
    let mut other = at_the_machine(&phonework, &api, &flags);
    let entry = phonework.claude_folder().join(format!("sessions/{}.json", other.id().unwrap()));
    until(|| entry.exists().then_some(())).await;
    let calls = api.requests().len();
    let said = phonework.ask("mine", 1).await;
    assert!(said[0].starts_with("⚠️ Not run: this conversation is open"), "{said:?}");
    assert_eq!(api.requests().len(), calls);

    // It goes on there, and is closed.
    let mut input = other.stdin.take().unwrap();
    let message = json!({"type": "user", "message": {"role": "user", "content": "speak of kingfishers"}});
    input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().contains("\"type\":\"result\"") {}
    drop(input);
    assert!(other.wait().await.unwrap().success());
    assert_eq!(phonework.ask("/retry", 1).await, ["You said: mine"]);
    let last = api.requests().last().unwrap()["messages"].to_string();
    assert!(last.contains("herons") && last.contains("kingfishers"), "{last}");
}

#[tokio::test]
async fn what_was_said_at_the_machine_meanwhile_is_known_whether_the_session_slept_or_not() {
    let (mut phonework, api) = real(echo, json!({})).await;
    phonework.open_shop().await;
    phonework.ask("speak of herons", 1).await;
    let other = at_the_machine(&phonework, &api, &["speak of kingfishers"]);
    assert!(other.wait_with_output().await.unwrap().status.success());
    // As if it had taken a person's time. The session's own process was awake meanwhile.
    let transcript = transcript(&phonework);
    transcript.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(1)).unwrap();
    phonework.ask("awake", 1).await;
    let last = api.requests().last().unwrap()["messages"].to_string();
    assert!(last.contains("herons") && last.contains("kingfishers"), "{last}");

    assert!(phonework.stop().await.success());
    let other = at_the_machine(&phonework, &api, &["speak of dippers"]);
    assert!(other.wait_with_output().await.unwrap().status.success());
    phonework.start().await;
    phonework.ask("asleep", 1).await;
    let last = api.requests().last().unwrap()["messages"].to_string();
    assert!(last.contains("kingfishers") && last.contains("dippers") && last.contains("awake"), "{last}");
}
