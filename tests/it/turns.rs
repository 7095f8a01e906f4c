//! What a chat shows of a turn while it runs and afterwards, with the real daemon, the emulated Feishu and the practice
//! agent.

use phonework::emulator::{ApiCall, ShownMessage};
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};

/// Has the practice agent run a command that ends when the file `go` is there.
const RUN_UNTIL_GO: &str = "run until [ -e go ]; do sleep 0.02; done";

impl Phonework {
    /// Waits for a card of the bot's in Anna's chat that satisfies `is`; returns the newest.
    async fn card(&self, is: impl Fn(&ShownMessage) -> bool) -> ShownMessage {
        let newest = |shown: &[ShownMessage]| {
            shown.iter().rev().find(|message| message.from_bot() && message.is_card() && is(message)).cloned()
        };
        match self.emulator.wait_until(&self.chat, |shown| newest(shown).is_some(), PATIENCE).await {
            Ok(shown) => newest(&shown).unwrap(),
            Err(not) => {
                let texts: Vec<&str> = not.shown.iter().map(|shown| shown.text.as_str()).collect();
                panic!("no such card: {texts:#?}\n--- log\n{}", self.log())
            }
        }
    }

    /// The API calls that send or change something, without the `first` ones.
    fn calls_from(&self, first: usize) -> Vec<ApiCall> {
        let speaks = |call: &ApiCall| call.path.contains("/messages") || call.path.contains("/cardkit/");
        self.emulator.api_calls().into_iter().skip(first).filter(speaks).collect()
    }

    fn calls_made(&self) -> usize {
        self.emulator.api_calls().len()
    }
}

#[tokio::test]
async fn a_trivial_turn_is_one_call_to_feishu() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let before = phonework.calls_made();
    assert_eq!(phonework.ask("echo hello", 1).await, ["hello"]);
    phonework.audited(1).await;
    let calls = phonework.calls_from(before);
    assert_eq!(calls.len(), 1, "{calls:#?}");
}

#[tokio::test]
async fn a_turn_shows_what_it_does_and_ends_in_the_same_card() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let before = phonework.said(&phonework.chat).len();
    phonework.ask(RUN_UNTIL_GO, 1).await;
    phonework.say("/approve");
    let running = phonework.card(ShownMessage::is_unfinished).await;
    assert!(running.text.starts_with("Working · shop"), "{}", running.text);
    let running = phonework.becomes(&running.message_id, |shown| shown.text.contains("Bash until")).await;
    assert!(running.buttons().contains(&"Stop"), "{}", running.text);
    std::fs::write(phonework.projects().join("shop/go"), "").unwrap();
    let over = phonework.becomes(&running.message_id, |shown| !shown.is_unfinished()).await;
    assert_eq!(over.buttons(), ["Continue", "Run again", "Close session"]);
    assert!(over.text.contains("Commands: 1"), "{}", over.text);
    // The request's card and the turn's.
    let messages = phonework.said(&phonework.chat);
    assert_eq!(messages.len(), before + 2, "{messages:#?}");
}

#[tokio::test]
async fn what_claude_says_is_shown_as_it_comes_and_kept_when_the_turn_is_stopped() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("stream 10000 words in 1000");
    let running = phonework.card(|shown| shown.is_unfinished() && shown.text.lines().count() > 4).await;
    let first: Vec<&str> = running.text.lines().collect();
    let growing = |shown: &ShownMessage| shown.is_unfinished() && shown.text.len() > running.text.len();
    let grown = phonework.becomes(&running.message_id, growing).await;
    assert_eq!(grown.text.lines().next(), Some(first[0]));
    phonework.say("/stop");
    let over = phonework.becomes(&running.message_id, |shown| !shown.is_unfinished()).await;
    assert!(over.text.starts_with("Stopped · shop"), "{}", over.text);
    assert!(over.answer().ends_with("⏹ Stopped."), "{}", over.text);
    assert!(over.answer().len() > 100, "what was said is kept: {}", over.text);
}

#[tokio::test]
async fn a_request_has_a_card_of_its_own_that_later_says_what_was_decided() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let became = |words: &'static str| move |shown: &ShownMessage| shown.text.starts_with(words);
    for (said, head) in [("/approve", "Allowed · Bash · shop"), ("/deny use git", "Denied · Bash · shop")]
    {
        phonework.say("run touch made");
        let asked = phonework.card(became("May Claude use Bash? · shop")).await;
        let rule = "“Always allow” means, for the rest of this session: Bash(touch made)";
        assert!(asked.text.contains("touch made") && asked.text.contains(rule), "{}", asked.text);
        let buttons = asked.buttons();
        let offered = [
            "Allow once",
            "Always allow in this session",
            "Accept edits in this session",
            "Deny",
            "Deny with this reason",
        ];
        assert_eq!(buttons, offered);
        phonework.say(said);
        let decided = phonework.becomes(&asked.message_id, became(head)).await;
        assert!(
            decided.text.contains("touch made") && decided.text.contains("Decided by you at"),
            "{}",
            decided.text
        );
        assert_eq!(decided.buttons(), Vec::<&str>::new());
    }
    phonework.say("run touch made");
    let asked = phonework.card(became("May Claude use Bash? · shop")).await;
    phonework.say("/stop");
    phonework.becomes(&asked.message_id, became("No longer needed · Bash · shop")).await;
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires_without_a_reminder_if_its_time_is_short() {
    let phonework = Phonework::practising(json!({"APPROVAL_TIMEOUT": 2})).await;
    phonework.open_shop().await;
    phonework.say("run touch made");
    let asked = phonework.card(|shown| shown.buttons().contains(&"Allow once")).await;
    let expired = |shown: &ShownMessage| shown.text.starts_with("Expired · Bash · shop");
    let expired = phonework.becomes(&asked.message_id, expired).await;
    assert!(expired.text.contains("Nobody answered by"), "{}", expired.text);
    assert_eq!(expired.buttons(), Vec::<&str>::new());
    phonework.audited(1).await;
    let reminders = |shown: &&ShownMessage| shown.text.contains("still waiting for your decision about Bash");
    assert_eq!(phonework.said(&phonework.chat).iter().filter(reminders).count(), 0);
    assert!(!phonework.projects().join("shop/made").exists());
}

#[tokio::test]
async fn a_reminder_comes_at_half_of_a_requests_time_and_the_request_can_still_be_decided() {
    let phonework = Phonework::practising(json!({"APPROVAL_TIMEOUT": 60})).await;
    phonework.open_shop().await;
    phonework.say("run touch made");
    let asked = phonework.card(|shown| shown.buttons().contains(&"Allow once")).await;
    let reminders = |texts: &[String]| {
        texts.iter().filter(|text| text.contains("still waiting for your decision about Bash")).count()
    };
    phonework.hear_until(&phonework.chat, |texts| reminders(texts) > 0).await;
    assert_eq!(phonework.press(&asked, "Allow once", 0).await.content, "Allowed.");
    phonework.audited(1).await;
    assert_eq!(reminders(&phonework.heard(&phonework.chat)), 1);
    assert!(phonework.projects().join("shop/made").exists());
}

#[tokio::test]
async fn the_buttons_of_requests_questions_and_plans_do_what_they_say() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let (anna, emulator) = (&phonework.anna, &phonework.emulator);
    let head = |words: &'static str| move |shown: &ShownMessage| shown.text.starts_with(words);
    let answered = |words: &'static str| move |shown: &ShownMessage| shown.answer().contains(words);

    phonework.say("run touch made");
    let asked = phonework.card(head("May Claude use Bash? · shop")).await.message_id;
    emulator.submit(&asked, anna, "Deny with this reason", json!({"reason": "Not now"})).await;
    let denied = phonework.becomes(&asked, head("Denied · Bash · shop")).await;
    assert!(denied.text.contains("“Not now”"), "{}", denied.text);

    phonework.say("ask");
    let asked = phonework.card(head("Claude has a question · shop")).await;
    assert_eq!(asked.buttons(), ["Red", "Green", "Blue", "Answer", "Skip"]);
    emulator.press(&asked.message_id, anna, "Green").await;
    let told = phonework.becomes(&asked.message_id, head("Answered · shop")).await;
    assert!(told.text.contains("→ Green"), "{}", told.text);
    phonework.card(answered("Which colour shall it have? Green")).await;

    phonework.say("ask many");
    let asked = phonework.card(head("Claude has 3 questions · shop")).await.message_id;
    let fields = json!({"q0": "Blue", "q1": ["Code", "文档"], "w2": "tomorrow"});
    emulator.submit(&asked, anna, "Answer", fields).await;
    let told = phonework.becomes(&asked, head("Answered · shop")).await;
    for answer in ["→ Blue", "→ Code, 文档", "→ tomorrow"] {
        assert!(told.text.contains(answer), "{}", told.text);
    }
    phonework.card(answered("Which parts shall I do? Code, 文档")).await;

    phonework.say("plan");
    let asked = phonework.card(head("Claude's plan · shop")).await.message_id;
    emulator.submit(&asked, anna, "Keep planning", json!({"reason": "Smaller steps"})).await;
    phonework.becomes(&asked, head("Plan sent back · shop")).await;
    let again = phonework.card(head("Claude's plan · shop")).await;
    assert!(again.text.contains("Mind what you said: Smaller steps"), "{}", again.text);
    emulator.press(&again.message_id, anna, "Approve and accept edits").await;
    phonework.becomes(&again.message_id, head("Plan approved · shop")).await;
    phonework.card(answered("The plan is approved; the mode is acceptEdits.")).await;

    phonework.say("stream 10000 words in 1000");
    let running = phonework.card(ShownMessage::is_unfinished).await.message_id;
    emulator.press(&running, anna, "Stop").await;
    phonework.becomes(&running, head("Stopped · shop")).await;
}

#[tokio::test]
async fn a_restart_turns_an_open_request_into_an_expired_one() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("run touch made");
    let asked = phonework.card(|shown| shown.buttons().contains(&"Allow once")).await;
    phonework.kill().await;
    phonework.start().await;
    let expired = |shown: &ShownMessage| shown.text.starts_with("Expired · Bash · shop");
    let expired = phonework.becomes(&asked.message_id, expired).await;
    assert!(expired.text.contains("was restarted"), "{}", expired.text);
    assert_eq!(expired.buttons(), Vec::<&str>::new());
    assert!(!phonework.projects().join("shop/made").exists());
}

#[tokio::test]
async fn a_turn_of_500_tools_and_two_megabytes_costs_little_memory_and_few_calls() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("echo warm", 1).await;
    let (memory, before) = (phonework.most_memory(), phonework.calls_made());
    let said = phonework.ask("work 500 4000 in 6", 1).await;
    assert_eq!(said, ["(practice agent, not Claude) I have used 500 tools."]);
    assert_eq!(phonework.audited(2).await[1]["tools"].as_array().unwrap().len(), 500);
    let grown = phonework.most_memory() - memory;
    assert!(grown < 24, "{grown} MB more");
    let calls = phonework.calls_from(before);
    let refused: Vec<&ApiCall> = calls.iter().filter(|call| call.code != Some(0)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    // At most two updates a second, and four calls more: to create the card, to send it, to end its streaming, and to
    // show its last content.
    let lasted = calls.last().unwrap().at.duration_since(calls[0].at).as_millis();
    assert!(calls.len() as i128 <= 4 + lasted / 500, "{} calls in {lasted} ms", calls.len());
    let over = phonework.said(&phonework.chat).pop().unwrap();
    assert!(over.text.contains("Commands: 500"), "{}", over.text);
}
