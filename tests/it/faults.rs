//! What goes wrong.

mod agent;
mod api;
mod cards;
mod connection;
#[cfg(feature = "crash-points")]
mod crash;
mod disk;
mod mail;
mod overload;

use serde_json::json;

use crate::support::phonework::Phonework;

#[tokio::test]
async fn a_daemon_that_is_told_to_leave_ends_what_runs_and_exits_in_good_order() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("echo x", 1).await;
    assert!(phonework.stop().await.success());
    assert!(phonework.log().contains("shut down cleanly"));
}

#[tokio::test]
async fn a_new_keyring_counts_at_once_and_a_bad_one_is_refused() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.reload("TURN_TIMEOUT", json!("soon"));
    phonework.logged("the keyring is refused, the old one stays", 1).await;
    assert_eq!(phonework.ask("echo as before", 1).await, ["as before"]);
    phonework.say("slow 3600");
    phonework.logged("turn started", 2).await;
    let waits = phonework.say("echo never");
    phonework.reacted(&waits, "OneSecond").await;
    phonework.reload("TURN_TIMEOUT", json!("5m"));
    phonework.logged("the keyring was read again", 1).await;
    // Whom the new one does not let in is stopped in the middle.
    phonework.reload("ALLOWED_OPEN_IDS", json!([]));
    let heard = phonework
        .hear_until(&phonework.chat, |texts| texts.last().is_some_and(|text| text.ends_with("⏹ Stopped.")))
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
    phonework.logged("turn started", 1).await;
    let waits = phonework.say("echo never");
    phonework.reacted(&waits, "OneSecond").await;
    phonework.kill().await;
    let only_ming = json!([phonework.ming]);
    phonework.configure("ALLOWED_OPEN_IDS", only_ming);
    phonework.start().await;
    phonework.logged("its sender is no longer allowed", 1).await;
    let mings = phonework.emulator.p2p(&phonework.ming);
    phonework.emulator.say(&phonework.ming, &mings, "/new shop");
    phonework.hear(&mings, 1).await;
    assert!(!phonework.heard(&phonework.chat).contains(&"never".to_owned()));
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
