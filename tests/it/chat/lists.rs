//! What lists and status cards show, and what their buttons do.

use phonework::emulator::{Click, PressTarget, ShownToast};
use phonework::ids::ChatId;
use serde_json::json;

use crate::support::bot::Bot;
use crate::support::phonework::{Phonework, until};

fn toast(kind: &str, content: &str) -> ShownToast {
    ShownToast { kind: kind.to_owned(), content: content.to_owned() }
}

async fn two_sessions() -> Phonework {
    let phonework = Phonework::practising(json!({})).await;
    std::fs::create_dir(phonework.projects().join("blog")).unwrap();
    phonework.open_shop().await;
    phonework.ask("/new blog", 1).await;
    phonework
}

#[tokio::test]
async fn a_session_is_switched_to_by_its_button_once() {
    let phonework = two_sessions().await;
    let list = phonework.show("/list").await;
    assert_eq!(list.buttons(), ["Switch", "Close", "Close"]);
    let (said, shown) = phonework.press_and_hear(&list, "Switch", 0).await;
    assert_eq!(said, toast("success", "Session 1 (shop) is now active here."));
    assert_eq!(shown.answer(), "Session 1 (shop) is now active here.");
    assert!(phonework.show("/status").await.text.contains("project: shop"));
    // The card still shows the button; pressed again, there is nothing to do.
    let said = phonework.press(&list, "Switch", 0).await;
    assert_eq!(said, toast("warning", "The session in shop is already active here."));
}

#[tokio::test]
async fn an_old_card_closes_only_the_session_that_it_shows() {
    let mut phonework = two_sessions().await;
    let list = phonework.show("/list").await;
    // By now the second session is the first of the list, and active.
    phonework.ask("/close 1", 1).await;
    phonework.ask("/new shop", 1).await;
    phonework.ask("/switch 1", 1).await;
    phonework.kill().await;
    phonework.start().await;
    let said = phonework.press(&list, "Close", 0).await;
    assert_eq!(said, toast("warning", "This session is closed."));
    assert!(phonework.show("/status").await.text.contains("project: blog"));
    let said = phonework.press_twice(&list, &phonework.anna.clone(), "Switch").await;
    assert_eq!(said, ["This session is closed."; 2]);
    let (said, _) = phonework.press_and_hear(&list, "Close", 1).await;
    assert_eq!(said, toast("success", "The session in blog is closed."));
    let list = phonework.show("/list").await.text;
    assert!(list.contains("1. shop") && !list.contains("blog"), "{list}");
}

#[tokio::test]
async fn two_presses_at_once_close_once() {
    let phonework = two_sessions().await;
    let list = phonework.show("/list").await;
    let before = phonework.said(&phonework.chat).len();
    let mut said = phonework.press_twice(&list, &phonework.anna.clone(), "Close").await;
    said.sort();
    assert_eq!(said, ["The session in shop is closed.", "This session is closed."]);
    let closed = phonework.nth_said(&phonework.chat, before).await;
    assert_eq!(closed.buttons(), ["Open a new one here"]);
    assert_eq!(phonework.ask("echo x", 1).await, ["x"]);
    assert_eq!(phonework.said(&phonework.chat).len(), before + 2);
}

#[tokio::test]
async fn in_a_group_nobody_can_press_for_another_person() {
    let phonework = Phonework::practising(json!({})).await;
    let group = phonework.emulator.group();
    let say = |text: &str| phonework.say_in_group(text);
    say("/new shop");
    phonework.nth_said(&group, 0).await;
    say("/list");
    let list = phonework.nth_said(&group, 1).await;
    let said = phonework.emulator.press(&list.message_id, &phonework.ming, "Close").await;
    assert_eq!(said, toast("warning", "This session belongs to somebody else."));
    say("/status");
    assert!(phonework.nth_said(&group, 2).await.text.contains("project: shop"));
    let said = phonework.emulator.press(&list.message_id, &phonework.anna, "Close").await;
    assert_eq!(said, toast("success", "The session in shop is closed."));
}

#[tokio::test]
async fn a_stranger_who_presses_learns_nothing_but_that_they_are_not_let_in() {
    let mut phonework = two_sessions().await;
    let list = phonework.show("/list").await;
    let only_ming = json!([phonework.ming]);
    phonework.reload("ALLOWED_OPEN_IDS", only_ming);
    phonework.logged("the keyring was read again", 1).await;
    let said = phonework.press(&list, "Close", 0).await;
    assert_eq!(said, toast("error", "You don't have access yet."));
    let sessions = std::fs::read_to_string(phonework.state().join("sessions.json")).unwrap();
    assert!(!sessions.contains("closed_at"), "{sessions}");
}

#[tokio::test]
async fn a_card_of_another_version_does_nothing_and_says_why() {
    let phonework = two_sessions().await;
    let bot = Bot::new(&phonework.emulator).await;
    let button = |value: serde_json::Value| {
        json!({"tag": "button", "text": {"tag": "plain_text", "content": "x"},
               "behaviors": [{"type": "callback", "value": value}]})
    };
    let values = [json!({"phonework": 2, "act": {"do": "run_late"}}), json!({"anything": "else"})];
    let card = json!({"schema": "2.0", "body": {"elements": values.map(button)}});
    let sent = bot.send(phonework.chat.as_str(), "interactive", &card, &json!(null)).await;
    let id = sent.body["data"]["message_id"].as_str().unwrap().into();
    for nth in 0..2 {
        let press = Click::from(PressTarget::Nth(nth));
        let said = phonework.emulator.click(&phonework.anna, &id, press).await.unwrap().toast;
        let why = "This card is from another version of phonework. Please type the command instead.";
        assert_eq!(said, Some(toast("error", why)));
    }
}

#[tokio::test]
async fn a_new_session_is_offered_where_one_was_lately() {
    let phonework = Phonework::practising(json!({})).await;
    assert!(phonework.show("/new").await.text.starts_with("Which directory?"));
    phonework.open_shop().await;
    phonework.ask("/close", 1).await;
    let offered = phonework.show("/new").await;
    assert_eq!(offered.buttons(), ["Open"]);
    let before = phonework.said(&phonework.chat).len();
    let said = phonework.press_twice(&offered, &phonework.anna.clone(), "Open").await;
    let opened = "Session 1 (shop) is open and active here: ";
    assert!(said.iter().all(|said| said.starts_with(opened)), "{said:?}");
    phonework.nth_said(&phonework.chat, before + 1).await;
    let list = phonework.show("/list").await.text;
    assert!(list.contains("1. shop") && !list.contains("2. "), "{list}");
}

#[tokio::test]
async fn the_list_shows_what_was_asked_last_and_how_to_see_the_rest() {
    let phonework = Phonework::practising(json!({})).await;
    for _ in 0..16 {
        phonework.ask("/new shop", 1).await;
    }
    phonework.ask("echo  some\n words", 1).await;
    let first = phonework.show("/list").await.text;
    assert!(first.contains("15. shop") && first.contains("Page 1 of 2. /list 2 shows the next."), "{first}");
    let second = phonework.show("/list 2").await.text;
    assert!(second.contains("▶ 16. shop · ready\necho some words"), "{second}");
}

#[tokio::test]
async fn the_status_shows_a_sessions_cost_to_the_hundredth_of_a_cent() {
    let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    phonework.sleeping(1);
    let file = phonework.state().join("sessions.json");
    let mut sessions: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    sessions["sessions"][0]["cost_usd"] = json!(0.0042);
    std::fs::write(&file, sessions.to_string()).unwrap();
    phonework.start().await;
    let status = phonework.show("/status").await.text;
    assert!(status.contains("\ncost: $0.0042\n"), "{status}");
}

#[tokio::test]
async fn in_a_group_the_list_shows_only_prompts_from_that_group() {
    let phonework = Phonework::practising(json!({})).await;
    let group = phonework.emulator.group();
    let mut said = 0;
    let mut listed = async |before: &[&str]| {
        for text in before.iter().chain(&["/list"]) {
            phonework.say_in_group(text);
            phonework.nth_said(&group, said).await;
            said += 1;
        }
        phonework.nth_said(&group, said - 1).await.text
    };
    let list = listed(&["/new shop", "echo for all"]).await;
    assert!(list.contains("\necho for all\n"), "{list}");
    phonework.ask("/switch 1", 1).await;
    phonework.ask("echo secret", 1).await;
    let list = listed(&[]).await;
    assert!(list.contains("▶ 1. shop") && !list.contains("echo"), "{list}");
    let list = phonework.show("/list").await.text;
    assert!(list.contains("\necho secret\n"), "{list}");
}

#[tokio::test]
async fn the_mode_is_changed_by_typing_and_by_pressing_and_outlives_a_restart() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("/mode bypassPermissions", 1).await;
    insta::assert_snapshot!(said[0], @"bypassPermissions is not available here: everything would run without asking. acceptEdits asks least.");
    let shown = phonework.show("/mode").await;
    assert_eq!(shown.buttons(), ["acceptEdits", "plan"]);
    let said = phonework.press(&shown, "acceptEdits", 0).await;
    assert_eq!(said, toast("success", "The permission mode of the session in shop is now acceptEdits."));
    let said = phonework.press(&shown, "acceptEdits", 0).await;
    assert_eq!(said, toast("warning", "The permission mode of the session in shop is acceptEdits."));
    phonework.kill().await;
    phonework.start().await;
    // In this mode Claude writes a file without asking.
    phonework.ask("write made words", 1).await;
    assert_eq!(std::fs::read_to_string(phonework.projects().join("shop/made")).unwrap().trim(), "words");
    let said = phonework.ask("/mode default", 1).await;
    assert_eq!(said, ["The permission mode of the session in shop is now default."]);
}

#[tokio::test]
async fn each_person_chooses_how_long_answers_are_sent_and_the_choice_is_kept() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    assert!(phonework.ask("/long", 1).await[0].contains("several messages. /long file"));
    assert!(
        phonework.ask("/long file", 1).await[0].starts_with("Long answers are now sent to you as a file")
    );
    phonework.kill().await;
    phonework.start().await;
    assert!(phonework.ask("/long", 1).await[0].starts_with("Long answers are now sent to you as a file"));
    let mings: ChatId = phonework.emulator.p2p(&phonework.ming);
    phonework.emulator.say(&phonework.ming, &mings, "/long");
    assert!(phonework.hear(&mings, 1).await[0].contains("several messages. /long file"));
    let sessions = until(|| std::fs::read_to_string(phonework.state().join("sessions.json")).ok()).await;
    assert!(sessions.contains(&format!("\"{}\": \"file\"", phonework.anna)), "{sessions}");
}
