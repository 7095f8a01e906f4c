//! What goes wrong: the daemon killed, Feishu down, a disk that cannot be read.

use std::process::Stdio;

use phonework::emulator::{Delivering, Duplicate, Effect, Ending, Fault, Lasting, Utterance};
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};

#[tokio::test]
async fn a_kill_in_the_middle_of_a_turn_loses_nothing_and_is_told() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("remember blue", 1).await;
    phonework.say("slow 3600");
    phonework.logged("turn begun", 2).await;
    let waits = phonework.say("recall");
    phonework.reacted(&waits, "OneSecond").await;
    phonework.kill().await;
    phonework.start().await;
    let heard = phonework.hear(&phonework.chat, 4).await;
    assert!(heard[2].contains("was interrupted while this ran: “slow 3600”"), "{heard:?}");
    assert!(heard[3].contains("blue"), "{heard:?}");
    assert!(phonework.ask("/status", 1).await[0].contains("shop"));
    let outcomes: Vec<_> = phonework.audited(3).await.iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["answered", "cut", "answered"]);
}

#[tokio::test]
async fn a_daemon_that_is_told_to_leave_ends_what_runs_and_exits_in_good_order() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("echo x", 1).await;
    assert!(phonework.stop().await.success());
    assert!(phonework.log().contains("left in good order"));
}

#[tokio::test]
async fn what_is_delivered_twice_is_run_once_also_after_a_restart() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.emulator.delivering(Delivering { duplicate: Duplicate::NewEventId, ..Delivering::default() });
    phonework.ask("echo once", 1).await;
    phonework.ask("echo then", 1).await;
    assert_eq!(phonework.heard(&phonework.chat).len(), 3);
    phonework.kill().await;
    phonework.start().await;
    assert_eq!(phonework.ask("echo after", 1).await, ["after"]);
    assert_eq!(phonework.heard(&phonework.chat)[1..], ["once", "then", "after"]);
}

#[tokio::test]
async fn messages_that_come_too_late_are_asked_about_once_and_run_or_dropped() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    let late = |text: &str, minutes: i64| {
        let said = Utterance::text(&phonework.anna, &phonework.chat, text);
        let sent_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes));
        phonework.emulator.utter(Utterance { sent_at, ..said }).unwrap();
    };
    late("echo second", 30);
    late("echo first", 120);
    let heard = phonework.hear(&phonework.chat, 2).await;
    assert!(heard[1].starts_with("2 messages of yours came late, the oldest 2h after"), "{heard:?}");
    // A restart asks again: nothing is lost, and nothing is run unasked.
    phonework.kill().await;
    phonework.start().await;
    let heard = phonework.hear(&phonework.chat, 3).await;
    assert!(heard[2].starts_with("2 messages"), "{heard:?}");
    assert_eq!(phonework.ask("/run", 2).await, ["first", "second"]);
    let late = |text: &str| {
        let said = Utterance::text(&phonework.anna, &phonework.chat, text);
        let sent_at = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(6));
        phonework.emulator.utter(Utterance { sent_at, ..said }).unwrap();
    };
    late("echo third");
    phonework.hear(&phonework.chat, 6).await;
    assert_eq!(phonework.ask("/discard", 1).await, ["Dropped: 1."]);
    assert_eq!(phonework.ask("/run", 1).await, ["No message of yours waits for that."]);
}

#[tokio::test]
async fn an_answer_that_feishu_does_not_take_is_sent_until_it_does_and_shown_once() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    for effect in [
        Effect::Refuse { http: 500, code: 2200, reset: None },
        Effect::Refuse { http: 429, code: 99_991_400, reset: Some(1) },
        Effect::Page { http: 502 },
        Effect::Lose,
        Effect::Cut,
    ] {
        phonework.emulator.fault(Fault::sending(effect, Lasting::Times(1)));
    }
    assert_eq!(phonework.ask("echo at last", 1).await, ["at last"]);
    phonework.emulator.expire_tokens();
    assert_eq!(phonework.ask("echo and on", 1).await, ["and on"]);
    assert_eq!(phonework.heard(&phonework.chat)[1..], ["at last", "and on"]);
}

#[tokio::test]
async fn a_dropped_connection_is_back_at_once_and_misses_nothing() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    for (nth, ending) in [Ending::Close, Ending::Reset, Ending::End].into_iter().enumerate() {
        let before = phonework.emulator.connections_made();
        phonework.emulator.drop_connections(ending);
        let back = phonework.emulator.wait_for(|e| (e.connections_made() > before).then_some(()), PATIENCE);
        back.await.unwrap();
        assert_eq!(phonework.ask(&format!("echo {nth}"), 1).await, [nth.to_string()]);
    }
}

#[tokio::test]
async fn a_new_keyring_counts_at_once_and_a_bad_one_is_refused() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.reload("TURN_TIMEOUT", json!("soon"));
    phonework.logged("the keyring is refused, the old one stays", 1).await;
    assert_eq!(phonework.ask("echo as before", 1).await, ["as before"]);
    phonework.say("slow 3600");
    phonework.logged("turn begun", 2).await;
    let waits = phonework.say("echo never");
    phonework.reacted(&waits, "OneSecond").await;
    phonework.reload("TURN_TIMEOUT", json!("5m"));
    phonework.logged("the keyring was read again", 1).await;
    // Whom the new one does not let in is stopped in the middle.
    phonework.reload("ALLOWED_OPEN_IDS", json!([]));
    let heard = phonework
        .hear_until(&phonework.chat, |texts| texts.last().is_some_and(|text| text == "⏹ Stopped."))
        .await;
    assert!(!heard.contains(&"never".to_owned()), "{heard:?}");
    let said = phonework.ask("echo still me?", 1).await;
    assert!(said[0].contains(phonework.anna.as_str()), "{said:?}");
}

#[tokio::test]
async fn what_waits_over_a_restart_is_not_run_for_whom_the_keyring_shuts_out() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.say("slow 3600");
    phonework.logged("turn begun", 1).await;
    let waits = phonework.say("echo never");
    phonework.reacted(&waits, "OneSecond").await;
    phonework.kill().await;
    let only_ming = json!([phonework.ming]);
    phonework.configure("ALLOWED_OPEN_IDS", only_ming);
    phonework.start().await;
    phonework.logged("no longer allowed: not run", 1).await;
    let mings = phonework.emulator.p2p(&phonework.ming);
    phonework.emulator.say(&phonework.ming, &mings, "/new shop");
    phonework.hear(&mings, 1).await;
    assert!(!phonework.heard(&phonework.chat).contains(&"never".to_owned()));
}

#[tokio::test]
async fn a_second_daemon_on_the_same_state_is_refused_in_one_sentence() {
    let phonework = Phonework::practising(json!({})).await;
    let output = phonework.serve().stderr(Stdio::piped()).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("phonework:")).count(), 1, "{said}");
    phonework.open_shop().await;
}

#[tokio::test]
async fn state_that_cannot_be_read_stops_the_start_and_stays_as_it_is() {
    let phonework = Phonework::installed("claude", json!({})).await;
    std::fs::create_dir(phonework.state()).unwrap();
    for (name, content) in [
        ("sessions.json", "{\"version\":1,"),
        ("sessions.json", "{\"version\":9,\"sessions\":[]}"),
        ("mail.db", "no database"),
    ] {
        let path = phonework.state().join(name);
        std::fs::write(&path, content).unwrap();
        let output = phonework.serve().stderr(Stdio::piped()).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.lines().any(|line| line.starts_with("phonework:") && line.contains(name)), "{said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn a_missing_claude_is_said_in_the_chat_and_does_not_stop_the_daemon() {
    let mut phonework = Phonework::installed("no-such-claude", json!({})).await;
    phonework.start().await;
    phonework.open_shop().await;
    let said = phonework.ask("hello", 1).await;
    assert!(said[0].contains("no-such-claude"), "{said:?}");
    assert!(phonework.ask("/list", 1).await[0].contains("shop"));
}

#[tokio::test]
async fn no_secret_prompt_or_answer_reaches_the_log() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("echo whispered-words", 1).await;
    phonework.ask("run echo whispered-command", 1).await;
    phonework.ask("/approve", 1).await;
    let log = phonework.log();
    let secret = phonework.emulator.options().app_secret.clone();
    for word in [secret.as_str(), "whispered", "Bearer", "t-", "ticket="] {
        let leaked: Vec<_> = log.lines().filter(|line| line.contains(word)).collect();
        // Words such as "not-" hold a "t-" too.
        let leaked: Vec<_> = leaked
            .iter()
            .filter(|line| word != "t-" || line.split([' ', '"', '=']).any(|w| w.starts_with("t-")))
            .collect();
        assert!(leaked.is_empty(), "{word}: {leaked:?}");
    }
}

#[tokio::test]
async fn the_agents_environment_holds_nothing_of_the_daemons() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("run env > seen", 1).await;
    phonework.ask("/approve", 1).await;
    let seen = std::fs::read_to_string(phonework.projects().join("shop/seen")).unwrap();
    assert!(seen.contains("PATH="));
    for word in ["FEISHU", "PHONEWORK", "never-to-be-seen", phonework.emulator.options().app_secret.as_str()]
    {
        assert!(!seen.contains(word), "{seen}");
    }
}

#[tokio::test]
async fn the_audit_log_is_a_whole_chain_that_git_does_not_see() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("echo one", 1).await;
    phonework.ask("echo two", 1).await;
    phonework.ask("echo three", 1).await;
    let folder = phonework.projects().join("shop/.phonework");
    assert_eq!(std::fs::read_to_string(folder.join(".gitignore")).unwrap().trim(), "*");
    let lines = phonework.audited(3).await;
    assert_eq!((&lines[0]["prompt"], &lines[0]["response"]), (&json!("echo one"), &json!("one")));
    for key in ["at", "conv_id", "user", "outcome", "duration_ms", "cost_usd", "tools", "approvals", "prev"] {
        assert!(lines[0].get(key).is_some(), "{key}: {}", lines[0]);
    }
    let file = folder.join(format!("{}.jsonl", lines[0]["conv_id"].as_str().unwrap()));
    let chain = phonework::audit::verify(&file).unwrap();
    assert!(matches!(chain, phonework::audit::Chain::Whole { lines: 3, .. }), "{chain:?}");
}
