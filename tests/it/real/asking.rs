//! What Claude asks, on cards: decided by their owner, once, for the very request that they show.

use std::sync::atomic::{AtomicUsize, Ordering};

use phonework::emulator::{ShownMessage, ShownToast};
use phonework::ids::ChatId;

use super::*;
use crate::support::messages_api::questions;
use crate::support::phonework::PATIENCE;

/// `run …` runs a command, `NAME JSON` uses another tool; then its result is told.
fn user_of_tools(asked: &Asked) -> Reply {
    const TOOLS: [&str; 3] = ["Write", "AskUserQuestion", "ExitPlanMode"];
    let tool = asked.text.split_once(' ').and_then(|(name, input)| {
        let name = TOOLS.into_iter().find(|tool| *tool == name)?;
        Some((name, serde_json::from_str(input).expect("its input")))
    });
    match tool.filter(|_| asked.tool_results.is_empty()) {
        Some(("ExitPlanMode", input)) => Reply::TextAndTool("1. Write it.".to_owned(), "ExitPlanMode", input),
        Some((name, input)) => Reply::Tool { name, input },
        None => match asked.tool_results.last() {
            Some(result) => Reply::text(format!("result: {}", result.trim())),
            None => runner(asked),
        },
    }
}

async fn shop(more: Value) -> (Phonework, MessagesApi) {
    let (phonework, api) = real(user_of_tools, more).await;
    phonework.open_shop().await;
    (phonework, api)
}

impl Phonework {
    /// The newest card in Anna's chat with this button.
    async fn card_with(&self, label: &str) -> ShownMessage {
        self.emulator.card_with(&self.chat, label, PATIENCE).await
    }

    /// Anna presses a button of the newest card that has it.
    async fn press_newest(&self, label: &str) -> ShownToast {
        let card = self.card_with(label).await;
        self.emulator.press(&card.message_id, &self.anna, label).await
    }

    /// Waits until the bot has said this in a chat, on a card that is done or in a text.
    async fn says(&self, chat: &ChatId, words: &str) -> ShownMessage {
        let said = |emulator: &phonework::emulator::Emulator| {
            let shown = emulator.shown(chat).into_iter().rev();
            shown.filter(|one| one.from_bot() && !one.is_unfinished()).find(|one| one.text.contains(words))
        };
        match self.emulator.wait_for(said, PATIENCE).await {
            Some(shown) => shown,
            None => panic!("{words:?}: {:#?}\n--- log\n{}", self.heard(chat), self.log()),
        }
    }

    fn made(&self, name: &str) -> bool {
        self.projects().join("shop").join(name).exists()
    }
}

fn toast(kind: &str, content: &str) -> ShownToast {
    ShownToast { kind: kind.to_owned(), content: content.to_owned() }
}

#[tokio::test]
async fn a_command_is_allowed_by_a_button_and_the_card_says_so_afterwards() {
    let (phonework, _api) = shop(json!({})).await;
    phonework.say("run touch granted && echo touched");
    let card = phonework.card_with("Allow once").await;
    assert!(card.text.contains("touch granted && echo touched"), "{}", card.text);
    let pressed = phonework.press_newest("Allow once").await;
    assert_eq!(pressed, toast("success", "Allowed."));
    phonework.says(&phonework.chat, "result: touched").await;
    assert!(phonework.made("granted"));
    let card = phonework.emulator.shown_message(&card.message_id).unwrap();
    assert!(card.text.contains("Allowed") && card.buttons().is_empty(), "{}", card.text);
    let approval = &phonework.audited(1).await[0]["approvals"][0];
    assert_eq!(
        (&approval["decision"], &approval["by"]),
        (&json!("allowed"), &json!(phonework.anna.as_str()))
    );
}

/// With `PHONEWORK_LATE=601` it comes 601 seconds after the request, which nobody wants to wait for each time.
#[tokio::test]
async fn an_approval_counts_however_late_it_comes_in_its_time() {
    let late = std::env::var("PHONEWORK_LATE").map_or(0, |seconds| seconds.parse().expect("seconds"));
    let (phonework, _api) = shop(json!({"APPROVAL_TIMEOUT": format!("{}s", late + 600)})).await;
    phonework.say("run touch granted && echo touched");
    phonework.card_with("Allow once").await;
    tokio::time::sleep(std::time::Duration::from_secs(late)).await;
    assert_eq!(phonework.press_newest("Allow once").await, toast("success", "Allowed."));
    phonework.says(&phonework.chat, "result: touched").await;
    assert!(phonework.made("granted"));
    let decided = &phonework.audited(1).await[0]["approvals"][0];
    assert_eq!(decided["decision"], "allowed");
}

#[tokio::test]
async fn a_denial_s_reason_reaches_the_model_and_the_audit_log() {
    let (phonework, _api) = shop(json!({})).await;
    phonework.say("run touch denied");
    let card = phonework.card_with("Deny with this reason").await;
    let why = json!({"reason": "not on a Friday"});
    phonework.emulator.submit(&card.message_id, &phonework.anna, "Deny with this reason", why).await;
    phonework.says(&phonework.chat, "result: not on a Friday").await;
    assert!(!phonework.made("denied"));
    let approval = &phonework.audited(1).await[0]["approvals"][0];
    assert_eq!((&approval["decision"], &approval["detail"]), (&json!("denied"), &json!("not on a Friday")));
}

#[tokio::test]
async fn nobody_but_the_session_s_owner_decides() {
    let (phonework, _api) = real(user_of_tools, json!({})).await;
    let group = phonework.emulator.group();
    let say = |text: &str| phonework.emulator.say(&phonework.anna, &group, &format!("@phonework {text}"));
    say("/new shop");
    phonework.says(&group, "is open and active here").await;
    say("run touch granted");
    let card = phonework.emulator.card_with(&group, "Allow once", PATIENCE).await;
    for label in ["Allow once", "Deny"] {
        let told = phonework.emulator.press(&card.message_id, &phonework.ming, label).await;
        assert_ne!(told.kind, "success", "{told:?}");
    }
    let card = phonework.emulator.shown_message(&card.message_id).unwrap();
    assert!(card.buttons().contains(&"Allow once") && !phonework.made("granted"), "{}", card.text);
    let told = phonework.emulator.press(&card.message_id, &phonework.anna, "Allow once").await;
    assert_eq!(told, toast("success", "Allowed."));
    phonework.says(&group, "result:").await;
    assert!(phonework.made("granted"));
}

#[tokio::test]
async fn the_same_press_twice_counts_once_and_one_on_a_card_of_an_earlier_turn_never() {
    let (phonework, _api) = shop(json!({})).await;
    phonework.say("run echo once >> made");
    let card = phonework.card_with("Allow once").await;
    let [allow, deny] = ["Allow once", "Deny"].map(|label| card.value_of(label).unwrap());
    let again = |value: &Value| {
        phonework.emulator.press_earlier(&card.message_id, &phonework.anna, value.clone(), None)
    };
    let (first, second) = tokio::join!(again(&allow), again(&allow));
    let mut told = [first.content, second.content];
    told.sort();
    assert_eq!(told[0], "Allowed.");
    phonework.says(&phonework.chat, "result:").await;
    // The turn is over; and then another one asks the same.
    assert_ne!(again(&deny).await.kind, "success");
    phonework.say("run echo once >> made");
    let next = phonework.card_with("Allow once").await;
    assert_ne!(again(&allow).await.kind, "success");
    let next = phonework.emulator.shown_message(&next.message_id).unwrap();
    assert!(next.buttons().contains(&"Allow once"), "{}", next.text);
    phonework.press_newest("Deny").await;
    phonework.says(&phonework.chat, "The user said no.").await;
    let made = std::fs::read_to_string(phonework.projects().join("shop/made")).unwrap();
    assert_eq!(made, "once\n");
}

#[tokio::test]
async fn a_card_that_asked_before_the_daemon_was_killed_has_expired_and_decides_nothing() {
    let (mut phonework, _api) = shop(json!({})).await;
    // What was killed in its first turn may have no conversation on disk yet.
    phonework.ask("hello", 1).await;
    phonework.say("run touch granted");
    let card = phonework.card_with("Allow once").await;
    let allow = card.value_of("Allow once").unwrap();
    phonework.kill().await;
    phonework.start().await;
    phonework.says(&phonework.chat, "was interrupted while this was running").await;
    let expired = phonework.emulator.wait_for(
        |emulator| emulator.shown_message(&card.message_id).filter(|shown| shown.buttons().is_empty()),
        PATIENCE,
    );
    let expired = expired.await.expect("the card changes");
    assert!(expired.text.contains("xpired"), "{}", expired.text);
    let press = phonework.emulator.press_earlier(&card.message_id, &phonework.anna, allow, None);
    assert_ne!(press.await.kind, "success");
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
    assert!(!phonework.made("granted"));
}

#[tokio::test]
async fn an_approval_that_is_open_when_the_daemon_is_stopped_is_no_longer_open_afterwards() {
    let (mut phonework, _api) = shop(json!({})).await;
    phonework.say("run touch granted");
    let card = phonework.card_with("Allow once").await;
    assert!(phonework.stop().await.success());
    phonework.start().await;
    let closed = phonework.emulator.wait_for(
        |emulator| emulator.shown_message(&card.message_id).filter(|shown| shown.buttons().is_empty()),
        PATIENCE,
    );
    assert!(closed.await.is_some());
    assert!(!phonework.made("granted"));
}

#[tokio::test]
async fn always_holds_for_the_session_also_after_a_restart_and_for_no_other() {
    let (mut phonework, _api) = shop(json!({})).await;
    phonework.say("run mkdir one");
    phonework.press_newest("Always allow in this session").await;
    phonework.says(&phonework.chat, "result:").await;
    assert!(phonework.stop().await.success());
    phonework.start().await;
    phonework.ask("run mkdir one two", 1).await;
    assert!(phonework.made("two"));
    phonework.say("run touch other");
    phonework.press_newest("Deny").await;
    phonework.says(&phonework.chat, "The user said no.").await;

    phonework.ask("/new shop", 1).await;
    phonework.say("run mkdir one three");
    phonework.press_newest("Deny").await;
    phonework.says(&phonework.chat, "The user said no.").await;
    assert!(!phonework.made("three"));
}

fn ask() -> String {
    let input = questions(&[
        ("Which colour?", false, ["Red", "Green", "Blue"]),
        ("Which sizes?", true, ["S", "M", "L"]),
    ]);
    format!("AskUserQuestion {input}")
}

#[tokio::test]
async fn questions_are_answered_by_a_form_and_by_typing() {
    let (phonework, _api) = shop(json!({})).await;
    phonework.say(&ask());
    let card = phonework.card_with("Answer").await;
    for words in ["Which colour?", "Which sizes?", "as Green"] {
        assert!(card.text.contains(words), "{}", card.text);
    }
    let fields = json!({"q0": "Green", "q1": ["S", "L"], "w1": "or none"});
    phonework.emulator.submit(&card.message_id, &phonework.anna, "Answer", fields).await;
    let said = phonework.says(&phonework.chat, "result:").await;
    assert!(said.text.contains("Green") && said.text.contains("S, L, or none"), "{}", said.text);

    phonework.say(&ask());
    phonework.card_with("Answer").await;
    phonework.say("3\nm");
    let said = phonework.says(&phonework.chat, "=\"Blue\"").await;
    assert!(said.text.contains("=\"M\""), "{}", said.text);
    // What is typed is a prompt again.
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
}

#[tokio::test]
async fn a_plan_is_sent_back_by_typing_and_approved_with_edits_by_a_button() {
    let (mut phonework, _api) = real(user_of_tools, json!({})).await;
    phonework.ask("/new shop --mode plan", 1).await;
    phonework.say("ExitPlanMode {}");
    let card = phonework.card_with("Approve").await;
    assert!(card.text.contains("Write it."), "{}", card.text);
    phonework.say("first the tests");
    phonework.says(&phonework.chat, "result: first the tests").await;
    phonework.say("ExitPlanMode {}");
    phonework.press_newest("Approve and accept edits").await;
    phonework.says(&phonework.chat, "approved").await;
    // The mode is kept over a restart.
    assert!(phonework.stop().await.success());
    phonework.start().await;
    let file = phonework.projects().join("shop/planned");
    phonework.ask(&format!("Write {}", json!({"file_path": file, "content": "x"})), 1).await;
    assert!(phonework.made("planned"));
}

#[tokio::test]
async fn thirty_approvals_in_one_turn_each_have_their_card() {
    let calls = AtomicUsize::new(0);
    let script = move |_: &Asked| match calls.fetch_add(1, Ordering::Relaxed) {
        n if n < 30 => Reply::bash(&format!("echo {n} >> made")),
        _ => Reply::text("thirty"),
    };
    let (phonework, _api) = real(script, json!({})).await;
    phonework.open_shop().await;
    phonework.say("go");
    let mut cards = std::collections::BTreeSet::new();
    for n in 0..30 {
        let command = format!("echo {n} >> made");
        let asks =
            |shown: &ShownMessage| shown.buttons().contains(&"Allow once") && shown.text.contains(&command);
        let asking = phonework
            .emulator
            .wait_for(|emulator| emulator.shown(&phonework.chat).into_iter().find(asks), PATIENCE);
        let card = asking.await.expect("it is asked");
        let told = phonework.emulator.press(&card.message_id, &phonework.anna, "Allow once").await;
        assert_eq!(told, toast("success", "Allowed."));
        cards.insert(card.message_id);
    }
    phonework.says(&phonework.chat, "thirty").await;
    assert_eq!(cards.len(), 30);
    let made = std::fs::read_to_string(phonework.projects().join("shop/made")).unwrap();
    assert_eq!(made, (0..30).map(|n| format!("{n}\n")).collect::<String>());
    assert_eq!(phonework.audited(1).await[0]["approvals"].as_array().unwrap().len(), 30);
}
