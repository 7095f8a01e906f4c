//! Whether Claude Code answers, as the daemon finds out.

use std::os::unix::fs::PermissionsExt;

use phonework::claude::probe::{ANSWER_TIMEOUT, Probe, ProbeResult};

use super::real::Scene;
use super::*;
use crate::support::messages_api::{Asked, Reply};

fn probe(launch: &Launch) -> Probe {
    Probe {
        command: launch.program.path.display().to_string(),
        env: launch.env.clone(),
        model: None,
        cwd: launch.cwd.clone(),
        phonework: phonework().to_owned(),
        isolation: Isolation::None,
        answer_timeout: ANSWER_TIMEOUT,
    }
}

/// A program of its own in place of Claude Code.
fn program(folder: &Path, script: &str) -> Probe {
    let path = folder.join("claude");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let mut launch = launch(ClaudeProgram { path, arguments: Vec::new() }, folder);
    launch.env.insert("HOME".to_owned(), folder.display().to_string());
    probe(&launch)
}

#[tokio::test]
async fn the_real_claude_is_asked_once_and_leaves_no_conversation() {
    let scene = Scene::new(|asked: &Asked| Reply::text(format!("pong to {}", asked.text))).await;
    let probed = probe(&scene.launch()).check_answer().await;
    assert_eq!(probed.why, None);
    assert_eq!(probed.version.as_deref(), Some("2.1.330 (Claude Code)"));
    assert_eq!(scene.sent().matches("\"ping\"").count(), 1);
    let mut folders = vec![scene.folder.path().join("config/projects")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            assert!(entry.path().is_dir(), "{} was left", entry.path().display());
            folders.push(entry.path());
        }
    }
}

#[tokio::test]
async fn an_empty_answer_of_the_real_claude_is_none() {
    let scene = Scene::new(|_: &Asked| Reply::text("")).await;
    let why = probe(&scene.launch()).check_answer().await.why.unwrap();
    assert!(why.starts_with("`claude -p ping` ended without an answer"), "{why}");
}

#[tokio::test]
async fn an_api_that_refuses_the_real_claude_is_told() {
    let refused =
        serde_json::json!({"type": "error", "error": {"type": "authentication_error", "message": "no"}});
    let scene = Scene::new(move |_: &Asked| Reply::Status(401, refused.clone())).await;
    let why = probe(&scene.launch()).check_answer().await.why.unwrap();
    assert!(why.starts_with("`claude -p ping` ended with status 1 and said: "), "{why}");
    assert!(why.ends_with("run `claude` as the daemon's user to see what is wrong"), "{why}");
}

#[tokio::test]
async fn the_practice_agent_answers() {
    let folder = tempfile::tempdir().unwrap();
    let probe =
        Probe { command: format!("{} practice-agent", phonework().display()), ..program(folder.path(), "") };
    let ProbeResult { version, why, .. } = probe.check_answer().await;
    assert_eq!((version.unwrap().contains("practice agent"), why), (true, None));
}

#[tokio::test]
async fn a_program_that_is_not_there_or_says_nothing_or_never_ends_is_told_and_nothing_of_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Probe { command: "/nowhere/claude".to_owned(), ..program(folder.path(), "") };
    assert!(missing.check_answer().await.why.unwrap().starts_with("`/nowhere/claude` does not exist"));

    let silent = program(folder.path(), "exit 0").check_answer().await;
    assert_eq!((silent.path.is_some(), silent.version), (true, None));
    assert!(silent.why.unwrap().contains("ended without an answer"));

    let mark = format!("7{}", std::process::id());
    let script = format!("[ \"$1\" = --version ] && exec echo 9; sleep {mark} & sleep {mark}");
    let hanging = Probe { answer_timeout: Duration::from_millis(300), ..program(folder.path(), &script) };
    let hanging = hanging.check_answer().await;
    assert_eq!(hanging.version.as_deref(), Some("9"));
    assert!(hanging.why.unwrap().contains("gave no answer within 0 s"));
    let mut left = std::fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&format!("sleep\0{mark}"))
    });
    assert!(left.next().is_none());
}
