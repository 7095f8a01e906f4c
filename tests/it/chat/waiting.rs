//! Messages that wait or come too late, and turns that were cut: what commands and buttons do with them.

use phonework::emulator::{PhoneUtterance, ShownMessage, ShownToast};
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};

fn done(content: &str) -> ShownToast {
    ShownToast { kind: "success".to_owned(), content: content.to_owned() }
}

/// A daemon in which a turn of Anna's runs and these messages wait behind it.
async fn behind_a_slow_turn(messages: &[&str]) -> Phonework {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("slow 3600");
    phonework.logged("turn started", 1).await;
    for text in messages {
        let waits = phonework.say_later(text);
        phonework.reacted(&waits, "OneSecond").await;
    }
    phonework
}

#[tokio::test]
async fn a_waiting_message_is_cancelled_and_another_sent_now_by_buttons() {
    let phonework = behind_a_slow_turn(&["echo one", "echo two", "echo three"]).await;
    let queue = phonework.show("/cancel").await;
    assert!(queue.text.contains("2. echo two"), "{queue:?}");
    assert_eq!(queue.buttons(), ["Send now", "Cancel"].repeat(3));
    assert_eq!(phonework.press(&queue, "Cancel", 1).await, done("Cancelled: “echo two”"));
    let gone = "This message is no longer waiting, or it is not yours.";
    assert_eq!(phonework.press(&queue, "Cancel", 1).await.content, gone);
    let mings = phonework.emulator.p2p(&phonework.ming);
    phonework.emulator.say(&phonework.ming, &mings, "/cancel");
    assert_eq!(phonework.hear(&mings, 1).await, ["You have no messages waiting."]);
    assert_eq!(phonework.press(&queue, "Send now", 2).await, done("Running now: “echo three”"));
    let heard = phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == "one")).await;
    let place = |words: &str| heard.iter().position(|text| text == words);
    assert!(place("three") < place("one") && place("three").is_some(), "{heard:?}");
    assert_eq!(place("two"), None);
    assert_eq!(phonework.press(&queue, "Send now", 2).await.content, gone);
}

#[tokio::test]
async fn a_queue_that_lasts_has_a_card_that_follows_it() {
    let phonework = behind_a_slow_turn(&["echo one"]).await;
    let queue = phonework.emulator.card_with(&phonework.chat, "Cancel", PATIENCE).await;
    assert!(queue.text.contains("1. echo one"), "{queue:?}");
    phonework.say_later("echo two");
    let queue = phonework.becomes(&queue.message_id, |shown| shown.text.contains("2. echo two")).await;
    assert_eq!(phonework.press(&queue, "Cancel", 0).await, done("Cancelled: “echo one”"));
    let queue = phonework.becomes(&queue.message_id, |shown| shown.text.contains("1. echo two")).await;
    assert_eq!(phonework.press(&queue, "Send now", 0).await, done("Running now: “echo two”"));
    let over = phonework.becomes(&queue.message_id, |shown| shown.buttons().is_empty()).await;
    assert_eq!(over.text, "The queue is empty.");
    phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == "two")).await;
    assert_eq!(phonework.emulator.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn the_card_of_a_queue_says_when_the_daemon_was_interrupted() {
    let mut phonework = behind_a_slow_turn(&["echo one"]).await;
    let queue = phonework.emulator.card_with(&phonework.chat, "Cancel", PATIENCE).await;
    let cancel = queue.value_of("Cancel").unwrap();
    phonework.kill().await;
    phonework.start().await;
    let over = phonework.becomes(&queue.message_id, |shown| shown.buttons().is_empty()).await;
    assert!(over.text.starts_with("phonework was interrupted"), "{over:?}");
    phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == "one")).await;
    let said = phonework.emulator.press_earlier(&queue.message_id, &phonework.anna, cancel, None).await;
    assert_eq!(said.content, "This message is no longer waiting, or it is not yours.");
}

#[tokio::test]
async fn waiting_messages_are_cancelled_and_sent_now_by_commands() {
    let phonework = behind_a_slow_turn(&["echo one", "echo two"]).await;
    assert_eq!(phonework.ask("/cancel 3", 1).await, ["There is no waiting message 3. /cancel lists them."]);
    assert_eq!(phonework.ask("/cancel 1", 1).await, ["Cancelled: “echo one”"]);
    phonework.say("/now");
    let heard = phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == "two")).await;
    assert!(heard.contains(&"Running now: “echo two”".to_owned()), "{heard:?}");
    assert!(!heard.contains(&"one".to_owned()), "{heard:?}");
    assert_eq!(phonework.ask("/now", 1).await, ["You have no messages waiting."]);
}

#[tokio::test]
async fn a_cancelled_message_stays_cancelled_over_a_crash() {
    let mut phonework = behind_a_slow_turn(&["echo one", "echo two"]).await;
    let queue = phonework.show("/cancel").await;
    assert_eq!(phonework.press(&queue, "Cancel", 0).await, done("Cancelled: “echo one”"));
    phonework.kill().await;
    phonework.start().await;
    let heard = phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == "two")).await;
    assert!(!heard.contains(&"one".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn in_a_group_nobody_can_cancel_another_persons_message() {
    let phonework = Phonework::practising(json!({})).await;
    let group = phonework.emulator.group();
    let say = |text: &str| phonework.say_in_group(text);
    say("/new shop");
    phonework.nth_said(&group, 0).await;
    say("slow 3600");
    phonework.logged("turn started", 1).await;
    for _ in 0..2 {
        let waits = say("echo mine");
        phonework.reacted(&waits, "OneSecond").await;
    }
    say("/cancel");
    let queue = phonework.emulator.card_with(&group, "Cancel", PATIENCE).await;
    for label in ["Cancel", "Send now"] {
        let said = phonework.emulator.press(&queue.message_id, &phonework.ming, label).await;
        assert_eq!(said.content, "This message is no longer waiting, or it is not yours.");
    }
    let said = phonework.emulator.press(&queue.message_id, &phonework.anna, "Cancel").await;
    assert_eq!(said, done("Cancelled: “echo mine”"));
}

#[tokio::test]
async fn in_a_group_nobody_reads_messages_of_other_chats() {
    let phonework = behind_a_slow_turn(&["echo secret one"]).await;
    let group = phonework.emulator.group();
    phonework.say_in_group("/switch 1");
    phonework.nth_said(&group, 0).await;
    let waits = phonework.say_in_group("echo for all");
    phonework.reacted(&waits, "OneSecond").await;
    let waits = phonework.say_later("echo secret two");
    phonework.reacted(&waits, "OneSecond").await;
    // The queue's own card may come between.
    let answer = async |text: &str, begins: &str| {
        let asked = phonework.say_in_group(text);
        let answers =
            |shown: &ShownMessage| shown.reply_to.as_ref() == Some(&asked) && shown.text.starts_with(begins);
        let find = |_: &_| phonework.said(&group).into_iter().find(answers);
        phonework.emulator.wait_for(find, PATIENCE).await.expect(begins).text
    };
    insta::assert_snapshot!(answer("/cancel", "Waiting: 3").await, @r"
    Waiting: 3
    1. shop
    [Send now]
    [Cancel]
    2. echo for all
    shop
    [Send now]
    [Cancel]
    3. shop
    [Send now]
    [Cancel]
    Or type /cancel <n> to remove a message, or /now <n> to stop what is running and run it.
    ");
    insta::assert_snapshot!(answer("/list", "Your sessions").await, @r"
    Your sessions: 1
    ▶ 1. shop · running
    [Close]
    ▶ marks the session that is active here. Or type /switch <n> or /close <n>.
    ");
    assert_eq!(answer("/now 3", "Running now").await, "Running now: “shop”");
    let others = phonework.heard(&group);
    assert!(others.iter().all(|text| !text.contains("secret") && !text.contains("slow")), "{others:?}");
    // In her own chat she reads everything.
    phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == "secret one")).await;
}

#[tokio::test]
async fn late_messages_are_run_or_dropped_by_a_button_and_the_card_says_so() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let late = |phonework: &Phonework, text: &str| {
        let said = PhoneUtterance::text(&phonework.anna, &phonework.chat, text);
        let sent_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(30));
        phonework.emulator.utter(PhoneUtterance { sent_at, ..said }).unwrap();
    };
    late(&phonework, "echo first");
    let question = phonework.nth_said(&phonework.chat, 1).await;
    assert_eq!(question.buttons(), ["Run", "Discard"]);
    assert!(question.text.contains("• echo first"), "{question:?}");
    // After a crash the question comes again, and the old card closes.
    phonework.kill().await;
    phonework.start().await;
    phonework.becomes(&question.message_id, |shown| shown.buttons().is_empty()).await;
    let asked_anew = phonework.nth_said(&phonework.chat, 2).await;
    let said = phonework.press(&asked_anew, "Run", 0).await;
    assert_eq!(said, done("Run: 1."));
    let over = phonework.becomes(&asked_anew.message_id, |shown| shown.buttons().is_empty()).await;
    assert!(over.text.contains("Run: 1."), "{over:?}");
    phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == "first")).await;
    late(&phonework, "echo second");
    let question = phonework.emulator.card_with(&phonework.chat, "Discard", PATIENCE).await;
    assert_eq!(phonework.press(&question, "Discard", 0).await, done("Discarded: 1."));
    phonework.becomes(&question.message_id, |shown| shown.text.contains("Discarded: 1.")).await;
    assert_eq!(phonework.ask("/run", 1).await, ["None of your messages arrived late."]);
}

/// A daemon that died during a turn and was started again, and the card that it shows about the turn.
async fn cut_turn() -> (Phonework, ShownMessage) {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("hang");
    phonework.logged("turn started", 1).await;
    phonework.kill().await;
    phonework.start().await;
    let cut = phonework.emulator.card_with(&phonework.chat, "Dismiss", PATIENCE).await;
    (phonework, cut)
}

#[tokio::test]
async fn a_cut_turn_is_run_again_once_however_often_it_is_pressed() {
    let (mut phonework, cut) = cut_turn().await;
    assert_eq!(cut.buttons(), ["Run again", "Continue", "Dismiss"]);
    let again = cut.value_of("Run again").unwrap();
    let mut said = phonework.press_twice(&cut, &phonework.anna.clone(), "Run again").await;
    said.sort();
    assert_eq!(said, ["Already done; this button works only once.", "Running it again."]);
    let over = phonework.becomes(&cut.message_id, |shown| shown.buttons().is_empty()).await;
    assert!(over.text.contains("Running it again."), "{over:?}");
    phonework.logged("turn started", 2).await;
    // The daemon dies in this turn too, and the first card is pressed once more.
    phonework.kill().await;
    phonework.start().await;
    let said = phonework.emulator.press_earlier(&cut.message_id, &phonework.anna, again, None).await;
    assert!(said.content.starts_with("I only keep the last message of each session"), "{said:?}");
    let cut = phonework.emulator.card_with(&phonework.chat, "Dismiss", PATIENCE).await;
    let said = phonework.emulator.press(&cut.message_id, &phonework.anna, "Dismiss").await;
    assert_eq!(said, done("Dismissed."));
    phonework.becomes(&cut.message_id, |shown| shown.text.contains("Dismissed.")).await;
    assert_eq!(phonework.ask("echo alive", 1).await, ["alive"]);
    let outcomes: Vec<_> = phonework.audited(3).await.iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["cut", "cut", "answered"]);
}

#[tokio::test]
async fn claude_goes_on_after_a_cut_turn_and_by_a_command() {
    let (phonework, cut) = cut_turn().await;
    assert_eq!(phonework.press(&cut, "Continue", 0).await, done("Claude continues."));
    phonework.audited(2).await;
    phonework.say("/continue");
    let prompts: Vec<_> = phonework.audited(3).await.iter().map(|line| line["prompt"].clone()).collect();
    assert_eq!(prompts, ["hang", "Continue.", "Continue."]);
}

#[tokio::test]
async fn only_the_last_turn_of_a_session_can_run_again() {
    let (phonework, cut) = cut_turn().await;
    assert_eq!(phonework.ask("echo newer", 1).await, ["newer"]);
    let said = phonework.press(&cut, "Run again", 0).await;
    assert!(said.content.starts_with("I only keep the last message of each session"), "{said:?}");
    assert_eq!(phonework.audited(2).await.len(), 2);
}

#[tokio::test]
async fn words_typed_while_claude_asks_are_the_answer_and_those_after_them_a_prompt() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("ask");
    phonework.logged("approval requested", 1).await;
    let answered = |texts: &[String]| texts.iter().any(|text| text.contains("You answered:"));
    phonework.say("neither, thank you");
    phonework.say_later("echo next");
    let heard = phonework
        .hear_until(&phonework.chat, |texts| answered(texts) && texts.iter().any(|text| text == "next"))
        .await;
    assert!(heard.iter().any(|text| text.contains("neither, thank you")), "{heard:?}");
    let prompts: Vec<_> = phonework.audited(2).await.iter().map(|line| line["prompt"].clone()).collect();
    assert_eq!(prompts, ["ask", "echo next"]);
}

#[tokio::test]
async fn what_claude_had_said_stays_on_the_card_of_a_cut_turn_that_is_dismissed() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("stream 300 words in 3600");
    let streams = |emulator: &phonework::emulator::Emulator| {
        emulator.shown(&phonework.chat).into_iter().find(|shown| shown.text.contains("word"))
    };
    assert!(phonework.emulator.wait_for(streams, PATIENCE).await.is_some());
    phonework.logged("turn started", 1).await;
    phonework.stop().await;
    phonework.start().await;
    let cut = phonework.emulator.card_with(&phonework.chat, "Dismiss", PATIENCE).await;
    let said = cut.answer();
    assert_eq!(phonework.press(&cut, "Dismiss", 0).await, done("Dismissed."));
    let over = phonework.becomes(&cut.message_id, |shown| shown.buttons().is_empty()).await;
    assert_eq!(over.answer(), said);
    assert!(over.text.contains("Dismissed."), "{over:?}");
}
