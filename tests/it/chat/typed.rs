//! What people type while Claude asks concerns the requests in the same chat, and no others.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use phonework::emulator::ShownMessage;
use phonework::ids::ChatId;
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework, until};

/// A Claude Code that asks for permission during the turn of `now`, and by itself after the turns of `later` and
/// `question`. What is allowed leaves a file in the project; if a file `hold` is there, the turn goes on after that.
const ASKS: &str = r#"#!/bin/sh
request() {
    printf '{"type":"control_request","request_id":"r%s","request":{"subtype":"can_use_tool","tool_name":"%s","input":%s,"tool_use_id":"t"}}\n' "$$" "$1" "$2"
}
over() { printf '{"type":"result","subtype":"success","is_error":false,"result":"%s"}\n' "$1"; }
while read -r line; do
    case $line in
        *'"behavior":"allow"'*) touch allowed; [ -e hold ] || over done ;;
        *'"behavior":"deny"'*) over 'not done' ;;
        *'"now"'*) request Bash '{"command":"make"}' ;;
        *'"later"'*) over 'I shall ask'; request Bash '{"command":"make"}' ;;
        *'"question"'*)
            over 'I shall ask'
            request AskUserQuestion '{"questions":[{"question":"Which?","options":[{"label":"red"},{"label":"blue"}]}]}' ;;
    esac
done
"#;

/// A daemon with that Claude Code, an open session in `shop` and a directory `blog` for another one.
async fn asking() -> (Phonework, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("claude");
    std::fs::write(&program, ASKS).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut phonework = Phonework::installed(program.to_str().unwrap(), json!({})).await;
    std::fs::create_dir(phonework.projects().join("blog")).unwrap();
    phonework.start().await;
    phonework.open_shop().await;
    (phonework, folder)
}

impl Phonework {
    /// Waits for a card in this chat that begins with `head`.
    async fn headed(&self, chat: &ChatId, head: &str) -> ShownMessage {
        let find = |_: &_| self.said(chat).into_iter().find(|shown| shown.text.starts_with(head));
        let found = self.emulator.wait_for(find, PATIENCE).await;
        found.unwrap_or_else(|| panic!("no {head}: {:#?}\n--- log\n{}", self.said(chat), self.log()))
    }

    fn allowed(&self, project: &str) -> PathBuf {
        self.projects().join(project).join("allowed")
    }
}

#[tokio::test]
async fn a_typed_decision_concerns_the_request_in_its_chat_whatever_runs_elsewhere() {
    let (phonework, _program) = asking().await;
    let (chat, group) = (phonework.chat.clone(), phonework.emulator.group());
    phonework.say_in_group("/new blog");
    phonework.hear(&group, 1).await;
    phonework.say_in_group("later");
    phonework.headed(&group, "May Claude use Bash? · blog").await;
    phonework.say("now");
    phonework.headed(&chat, "May Claude use Bash? · shop").await;

    phonework.say_in_group("/approve");
    phonework.headed(&group, "Allowed · Bash · blog").await;
    until(|| phonework.allowed("blog").exists().then_some(())).await;
    // No request is open here any more. The one in the other chat is not meant: neither because its session runs, nor
    // because its session is the active one here.
    let nothing = "Claude is not asking for anything right now.";
    let times_told =
        |times| move |texts: &[String]| texts.iter().filter(|text| *text == nothing).count() == times;
    phonework.say_in_group("/approve");
    phonework.hear_until(&group, times_told(1)).await;
    phonework.say_in_group("/switch 1");
    phonework
        .hear_until(&group, |texts| texts.iter().any(|text| text.contains("1 (shop) is now active")))
        .await;
    phonework.say_in_group("/approve");
    phonework.hear_until(&group, times_told(2)).await;
    phonework.say("/deny");
    phonework.headed(&chat, "Denied · Bash · shop").await;
    assert!(!phonework.allowed("shop").exists());
}

#[tokio::test]
async fn with_two_requests_in_one_chat_nothing_is_decided_before_a_switch_to_one_of_them() {
    let (phonework, _program) = asking().await;
    let chat = phonework.chat.clone();
    phonework.say("later");
    phonework.headed(&chat, "May Claude use Bash? · shop").await;
    phonework.show("/new blog").await;
    phonework.say("now");
    phonework.headed(&chat, "May Claude use Bash? · blog").await;
    for command in ["/approve", "/deny"] {
        let said = phonework.ask(command, 1).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(said[0], @"Nothing was decided: several of your sessions are waiting for you here: 1 (shop), 2 (blog). Use the buttons on the right card, or type /switch <n> first.");
        }
    }
    phonework.show("/switch 1").await;
    phonework.say("/approve");
    phonework.headed(&chat, "Allowed · Bash · shop").await;
    // Now the other request is the only one.
    phonework.say("/deny");
    phonework.headed(&chat, "Denied · Bash · blog").await;
    until(|| phonework.allowed("shop").exists().then_some(())).await;
    assert!(!phonework.allowed("blog").exists());
}

#[tokio::test]
async fn words_answer_only_a_question_in_their_chat_also_one_that_claude_asks_by_itself() {
    let (phonework, _program) = asking().await;
    let (chat, group) = (phonework.chat.clone(), phonework.emulator.group());
    phonework.say("question");
    phonework.headed(&chat, "Claude has a question · shop").await;
    phonework.say_in_group("/switch 1");
    phonework.hear(&group, 1).await;
    phonework.say_in_group("now");
    phonework.logged("turn started", 2).await;
    phonework.say("blue");
    let answered = phonework.headed(&chat, "Answered · shop").await;
    assert!(answered.text.contains("→ blue"), "{answered:?}");
    // The words in the group became a prompt.
    phonework.headed(&group, "May Claude use Bash? · shop").await;
}

#[tokio::test]
async fn the_list_and_the_status_show_who_waits_for_whom_also_in_a_turn_that_claude_began() {
    let (phonework, _program) = asking().await;
    let chat = phonework.chat.clone();
    std::fs::write(phonework.projects().join("shop/hold"), "").unwrap();
    let shows = async |state: &str| {
        let list = phonework.show("/list").await.text;
        assert!(list.contains(&format!("▶ 1. shop · {state}\n")), "{list}");
        let status = phonework.show("/status").await.text;
        assert!(status.contains(&format!("state: {state}\n")), "{status}");
    };
    phonework.say("later");
    phonework.headed(&chat, "May Claude use Bash? · shop").await;
    shows("waiting for you").await;
    phonework.say("/approve");
    phonework.headed(&chat, "Allowed · Bash · shop").await;
    shows("running").await;
}
