//! The chat as people know it, with the real daemon, the emulated Feishu and the practice agent.

mod lists;
#[cfg(feature = "crash-points")]
mod pressed;
mod typed;
mod waiting;

use phonework::emulator::{Emulator, ShownMessage};
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};

/// How the practice agent marks its own sentences.
const PRACTICE: &str = "(practice agent, not Claude)";

#[tokio::test]
async fn a_plain_message_and_its_answer_go_through_word_for_word() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let words = "<b>ünïcode</b> 你好\n\n`x` & \"quoted\" \\ /stop @all 🎉";
    assert_eq!(phonework.ask(&format!("echo {words}"), 1).await, [words]);
    let audited = phonework.audited(1).await;
    assert_eq!(
        (&audited[0]["prompt"], &audited[0]["response"]),
        (&json!(format!("echo {words}")), &json!(words))
    );
    let calls = phonework.emulator.api_calls();
    let sent = calls.iter().filter(|call| call.path.contains("/messages")).count();
    assert_eq!(sent, 2, "one call for /new and one for the turn: {calls:#?}");
}

#[tokio::test]
async fn a_message_without_a_session_is_answered_with_how_to_open_one() {
    let phonework = Phonework::practising(json!({})).await;
    let said = phonework.ask("hello", 1).await;
    insta::assert_snapshot!(said[0], @"You have no active session here. Open one with /new <dir>, or choose one from /list with /switch <n>.");
    let said = phonework.ask("/lits", 1).await;
    assert!(said[0].contains("/new <dir>"), "{said:?}");
}

#[tokio::test]
async fn sessions_are_opened_listed_switched_and_closed() {
    let phonework = Phonework::practising(json!({})).await;
    std::fs::create_dir(phonework.projects().join("my blog")).unwrap();
    let mut said = phonework.ask("/new shop --timeout 600 --idle 2h --model opus", 1).await;
    said.extend(phonework.ask("/new \"my blog\"", 1).await);
    said.extend(phonework.ask("remember blue", 1).await);
    said.extend(phonework.ask("/switch 1", 1).await);
    said.extend(phonework.ask("recall", 1).await);
    said.extend(phonework.ask("/switch 2", 1).await);
    said.extend(phonework.ask("recall", 1).await);
    said.extend(phonework.ask("/switch 3", 1).await);
    said.extend(phonework.ask("/close 1", 1).await);
    said.extend(phonework.ask("/close", 1).await);
    said.extend(phonework.ask("/list", 1).await);
    let projects = phonework.projects().canonicalize().unwrap().display().to_string();
    insta::assert_snapshot!(said.join("\n---\n").replace(&projects, "PROJECTS"));
}

#[tokio::test]
async fn the_list_and_the_status_tell_how_things_are() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.ask("/new shop --timeout 600 --idle 2h --model opus --mode plan", 1).await;
    phonework.ask("echo x", 1).await;
    let mut said = Vec::new();
    for text in ["/list", "/status", "/help"] {
        said.push(phonework.show(text).await.text);
    }
    let sessions = std::fs::read_to_string(phonework.state().join("sessions.json")).unwrap();
    let sessions: serde_json::Value = serde_json::from_str(&sessions).unwrap();
    let mut text = said.join("\n---\n");
    let projects = phonework.projects().canonicalize().unwrap().display().to_string();
    for (found, shown) in [
        (projects.as_str(), "PROJECTS"),
        (sessions["sessions"][0]["conv_id"].as_str().unwrap(), "CONV_ID"),
        (sessions["sessions"][0]["cc_session_id"].as_str().unwrap(), "CC_SESSION_ID"),
    ] {
        text = text.replace(found, shown);
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn the_bot_speaks_chinese_when_told_to() {
    let phonework = Phonework::practising(json!({"LANGUAGE": "zh"})).await;
    let mut said = phonework.ask("你好", 1).await;
    said.extend(phonework.ask("/help", 1).await);
    said.extend(phonework.ask("/new", 1).await);
    insta::assert_snapshot!(said.join("\n---\n"));
}

#[tokio::test]
async fn nobody_sees_or_touches_anothers_sessions() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("remember secret", 1).await;
    let mings = phonework.emulator.p2p(&phonework.ming);
    for (nth, text) in ["/list", "/switch 1", "/close 1", "recall", "/retry"].into_iter().enumerate() {
        phonework.emulator.say(&phonework.ming, &mings, text);
        phonework.hear(&mings, nth + 1).await;
    }
    let heard = phonework.heard(&mings);
    assert!(heard.iter().all(|text| !text.contains("secret") && !text.contains("shop")), "{heard:?}");
    assert_eq!(phonework.ask("recall", 1).await.len(), 1);
}

#[tokio::test]
async fn a_stranger_gets_one_line_with_their_open_id_and_nothing_else() {
    let phonework = Phonework::practising(json!({"ALLOWED_OPEN_IDS": []})).await;
    for _ in 0..3 {
        phonework.say("/new shop");
    }
    // The answer to Ming comes after any further one to Anna would have come.
    let mings = phonework.emulator.p2p(&phonework.ming);
    phonework.emulator.say(&phonework.ming, &mings, "hello");
    phonework.hear(&mings, 1).await;
    let heard = phonework.hear(&phonework.chat, 1).await;
    assert_eq!(heard.len(), 1);
    assert!(heard[0].contains(phonework.anna.as_str()), "{heard:?}");
    assert!(!phonework.state().join("sessions.json").exists());
}

#[tokio::test]
async fn in_a_group_the_bot_listens_only_when_mentioned_and_quotes_what_it_answers() {
    let phonework = Phonework::practising(json!({})).await;
    let group = phonework.emulator.group();
    phonework.emulator.say(&phonework.anna, &group, "/new shop");
    let asked = phonework.say_in_group("/new shop");
    phonework.hear(&group, 1).await;
    phonework.say_in_group("echo for all");
    assert_eq!(phonework.hear(&group, 2).await[1], "for all");
    let shown = phonework.emulator.shown(&group);
    let answer = shown.iter().find(|message| message.from_bot()).unwrap();
    assert_eq!(answer.reply_to.as_ref(), Some(&asked));
    // The session of the group is not the one of her own chat.
    assert!(phonework.ask("echo here", 1).await[0].contains("no active session"));
}

#[tokio::test]
async fn posts_are_read_and_other_kinds_of_messages_get_a_friendly_line() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let post = json!({"title": "", "content": [[{"tag": "text", "text": "echo see "}, {"tag": "a", "text": "this", "href": "https://a.b/c"}]]});
    phonework.emulator.say_post(&phonework.anna, &phonework.chat, post);
    assert_eq!(phonework.hear(&phonework.chat, 2).await[1], "see [this](https://a.b/c)");
    phonework.emulator.say_kind(&phonework.anna, &phonework.chat, "sticker", json!({"file_key": "file_x"}));
    let said = phonework.hear(&phonework.chat, 3).await;
    insta::assert_snapshot!(said[2], @"I can only read text messages so far, not this kind (sticker). Please send it as text.");
}

#[tokio::test]
async fn a_directory_outside_is_refused_and_creating_a_missing_one_is_offered() {
    let phonework = Phonework::practising(json!({})).await;
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), phonework.projects().join("link")).unwrap();
    let absolute = format!("/new {}", outside.path().display());
    for text in [
        "/new ..",
        "/new /etc",
        "/new link",
        "/new shop/../../x",
        "/new --create ../x",
        "/new --create link/x",
        &absolute,
    ] {
        let said = phonework.ask(text, 1).await;
        assert!(said[0].starts_with("Only folders under"), "{text}: {said:?}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    let said = phonework.ask("/new blog", 1).await;
    assert!(said[0].ends_with("To create it: /new --create blog"), "{said:?}");
    assert!(phonework.ask("/new --create blog", 1).await[0].contains("is open"));
    assert!(phonework.projects().join("blog").is_dir());
}

#[tokio::test]
async fn ten_messages_at_once_are_answered_one_at_a_time_in_order() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let sent: Vec<_> = (0..10).map(|n| phonework.say(&format!("echo {n}"))).collect();
    let heard = phonework.hear(&phonework.chat, 11).await;
    assert_eq!(heard[1..], (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    phonework.reacted(&sent[9], "OneSecond").await;
}

#[tokio::test]
async fn messages_that_arrive_out_of_order_run_in_the_order_they_were_sent() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("slow 3600");
    phonework.emulator.hold_events();
    let sent: Vec<_> = (0..5).map(|n| phonework.say_later(&format!("echo {n}"))).collect();
    phonework.emulator.release_events(phonework::emulator::ReleaseOrder::Reversed);
    for message in &sent {
        phonework.reacted(message, "OneSecond").await;
    }
    phonework.say("/stop");
    let heard =
        phonework.hear_until(&phonework.chat, |texts| texts.last().is_some_and(|text| text == "4")).await;
    let echoes: Vec<_> = heard.iter().filter(|text| text.len() == 1).collect();
    assert_eq!(echoes, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_waiting_message_that_is_recalled_is_not_run() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("slow 3600");
    let recalled = phonework.say("echo back");
    phonework.reacted(&recalled, "OneSecond").await;
    phonework.emulator.recall(&recalled).unwrap();
    let last = phonework.say_later("echo last");
    phonework.reacted(&last, "OneSecond").await;
    phonework.say("/stop");
    let heard =
        phonework.hear_until(&phonework.chat, |texts| texts.last().is_some_and(|text| text == "last")).await;
    assert!(!heard.contains(&"back".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn commands_are_answered_while_a_turn_runs_and_stop_ends_it() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("slow 3600");
    let waits = phonework.say("echo next");
    phonework.reacted(&waits, "OneSecond").await;
    assert!(phonework.show("/list").await.text.contains("running"));
    phonework.say("/stop");
    let heard =
        phonework.hear_until(&phonework.chat, |texts| texts.last().is_some_and(|text| text == "next")).await;
    assert!(heard.iter().any(|text| text.ends_with("⏹ Stopped.")), "{heard:?}");
    assert_eq!(phonework.ask("/stop", 1).await, ["Nothing is running."]);
}

#[tokio::test]
async fn a_turn_that_ignores_the_interrupt_ends_at_its_timeout_all_the_same() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.ask("/new shop --timeout 1", 1).await;
    let said = phonework.ask("hang", 1).await;
    assert!(said[0].starts_with("⏹ Stopped: the turn reached this session's limit of 1s"), "{said:?}");
    assert_eq!(phonework.ask("echo alive", 1).await, ["alive"]);
}

#[tokio::test]
async fn a_permission_request_is_approved_or_denied() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    assert_eq!(phonework.ask("/approve", 1).await, ["Claude is not asking for anything right now."]);
    let asked = phonework.show("run touch made").await.text;
    assert!(asked.contains("```bash\ntouch made\n```"), "{asked}");
    assert!(asked.contains("Or type /approve [always|edits] or /deny [reason]."), "{asked}");
    phonework.ask("/approve", 1).await;
    assert!(phonework.projects().join("shop/made").exists());
    phonework.ask("run touch refused", 1).await;
    phonework.ask("/deny use git", 1).await;
    assert!(!phonework.projects().join("shop/refused").exists());
    let decisions: Vec<_> =
        phonework.audited(2).await.iter().map(|line| line["approvals"][0]["decision"].clone()).collect();
    assert_eq!(decisions, ["allowed", "denied"]);
}

#[tokio::test]
async fn stop_also_withdraws_open_requests() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("run touch made", 1).await;
    let said = phonework.ask("/stop", 1).await;
    assert_eq!(said.last().unwrap(), "⏹ Stopped.");
    assert_eq!(phonework.ask("/approve", 1).await, ["Claude is not asking for anything right now."]);
    assert!(!phonework.projects().join("shop/made").exists());
    assert_eq!(phonework.audited(1).await[0]["approvals"][0]["decision"], "withdrawn");
}

#[tokio::test]
async fn a_request_that_nobody_answers_is_denied() {
    let phonework = Phonework::practising(json!({"APPROVAL_TIMEOUT": 1})).await;
    phonework.open_shop().await;
    let said = phonework.ask("run touch made", 3).await;
    assert!(said[1].starts_with("⌛"), "{said:?}");
    assert!(!phonework.projects().join("shop/made").exists());
}

#[tokio::test]
async fn a_crash_and_an_error_cost_one_turn_and_retry_runs_it_again() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    assert_eq!(phonework.ask("/retry", 1).await, ["There is no earlier message to run again."]);
    let said = phonework.ask("crash", 1).await;
    assert!(said[0].starts_with("⚠️"), "{said:?}");
    let said = phonework.ask("error 429", 1).await;
    assert!(said[0].starts_with("⚠️") || said[0].contains(PRACTICE), "{said:?}");
    phonework.ask("echo again", 1).await;
    assert_eq!(phonework.ask("/retry", 1).await, ["again"]);
    let outcomes: Vec<_> = phonework.audited(4).await.iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["crashed", "failed", "answered", "answered"]);
}

#[tokio::test]
async fn the_parts_of_a_long_answer_make_up_the_answer() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("say 90000 characters");
    // The line above the words of each card.
    let head = |shown: &ShownMessage| shown.text.lines().next().unwrap_or_default().to_owned();
    let numbered = |shown: &ShownMessage| {
        let head = head(shown);
        let (nth, all) = head.strip_prefix('[')?.strip_suffix(']')?.split_once('/')?;
        Some((nth.parse::<usize>().ok()?, all.parse::<usize>().ok()?))
    };
    let all = |_: &Emulator| {
        let said = phonework.said(&phonework.chat);
        said.last().and_then(numbered).is_some_and(|(nth, all)| nth == all).then_some(said)
    };
    let said = phonework.emulator.wait_for(all, PATIENCE).await.expect("all parts");
    let parts = &said[1..];
    let heads: Vec<_> = parts.iter().filter_map(numbered).collect();
    assert!(heads.iter().copied().eq((1..=parts.len()).map(|nth| (nth, parts.len()))), "{heads:?}");
    let bodies = parts.iter().map(ShownMessage::answer);
    let joined = bodies.collect::<Vec<_>>().join("\n");
    let numbers: Vec<usize> =
        joined.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    assert!(parts.len() > 2 && numbers.len() > 1_000, "{} parts, {} lines", parts.len(), numbers.len());
    assert!(numbers.iter().copied().eq(1..=numbers.len()), "{numbers:?}");
}

#[tokio::test]
async fn an_unknown_command_gets_the_help_and_one_of_claudes_goes_to_claude() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("/nonsense", 1).await;
    assert!(said[0].starts_with("Unknown command: /nonsense\n"), "{said:?}");
    let said = phonework.ask("/cost", 1).await;
    assert!(!said[0].contains("Neither"), "{said:?}");
}

#[tokio::test]
async fn the_longest_idle_session_makes_room_and_remembers() {
    let phonework = Phonework::practising(json!({"MAX_LIVE_SESSIONS": 1})).await;
    std::fs::create_dir(phonework.projects().join("blog")).unwrap();
    phonework.open_shop().await;
    phonework.ask("remember blue", 1).await;
    phonework.ask("/new blog", 1).await;
    phonework.ask("remember red", 1).await;
    assert!(phonework.show("/list").await.text.contains("1. shop · asleep"));
    phonework.ask("/switch 1", 1).await;
    assert!(phonework.ask("recall", 1).await[0].contains("blue"));
}

#[tokio::test]
async fn an_idle_session_is_put_to_sleep_and_wakes_with_its_memory() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.ask("/new shop --idle 1", 1).await;
    phonework.ask("remember blue", 1).await;
    phonework.logged("claude ended", 1).await;
    assert!(phonework.ask("recall", 1).await[0].contains("blue"));
}

#[tokio::test]
async fn a_user_who_opens_the_chat_finds_their_session_warm() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.stop().await;
    phonework.start().await;
    assert!(phonework.show("/list").await.text.contains("asleep"));
    phonework.emulator.enter_chat(&phonework.anna).unwrap();
    // The event has no answer of its own: the list shows its effect.
    while !phonework.show("/list").await.text.contains("ready") {}
}
