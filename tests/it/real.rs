//! The key cases with the real Claude Code: the real daemon, the emulated Feishu, a scripted Messages API.

mod asking;
mod elsewhere;
mod trouble;

use std::path::PathBuf;

use phonework::emulator::Emulator;
use serde_json::{Value, json};

use crate::support::messages_api::{Asked, Gate, MessagesApi, Reply};
use crate::support::phonework::{PATIENCE, Phonework, until};
use crate::support::tools::tool;

/// A running phonework whose Claude Code is the real one, with this script for a model.
async fn real(
    script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    more: Value,
) -> (Phonework, MessagesApi) {
    with_env(script, more, json!({})).await
}

/// The same with more in Claude's environment.
async fn with_env(
    script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    mut more: Value,
    env: Value,
) -> (Phonework, MessagesApi) {
    // The real one runs as it does where phonework is installed.
    if more.get("SANDBOX").is_none() {
        more["SANDBOX"] = "auto".into();
    }
    let api = MessagesApi::start(script).await;
    let mut phonework = Phonework::installed(claude().to_str().unwrap(), more).await;
    phonework
        .add_claude_env(json!({ "ANTHROPIC_BASE_URL": api.url(), "ANTHROPIC_API_KEY": "a-key-of-the-test" }));
    phonework.add_claude_env(env);
    phonework.start().await;
    (phonework, api)
}

fn claude() -> PathBuf {
    tool("node_modules/@anthropic-ai/claude-code-linux-x64/claude")
}

/// Answers every prompt with itself.
fn echo(asked: &Asked) -> Reply {
    Reply::text(format!("You said: {}", asked.text))
}

/// Runs a command when a prompt says `run …`, and then tells its result.
fn runner(asked: &Asked) -> Reply {
    match (asked.tool_results.last(), asked.text.strip_prefix("run ")) {
        (Some(result), _) => Reply::text(format!("result: {}", result.trim())),
        (None, Some(command)) => Reply::bash(command),
        (None, None) => echo(asked),
    }
}

/// Whether a process runs that has this in its command line.
fn runs(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    })
}

#[tokio::test]
async fn a_turn_is_answered_word_for_word_and_the_next_one_remembers_it() {
    let answer = "Done — 完成:\n\n```rust\nfn main() {}\n```\n  * <at user_id=\"all\"></at> & more  ";
    let (phonework, api) = real(move |_| Reply::text(answer), json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("the first prompt", 1).await;
    let read = "Done — 完成:\n\n```rust\nfn main() {}\n```\n\n- <at user_id=\"all\"></at> & more";
    assert_eq!(said[0], read);
    let card = phonework.said(&phonework.chat).pop().unwrap().content.to_string();
    assert!(!card.contains("<at "), "nobody is pinged by what Claude says: {card}");
    phonework.ask("the second prompt", 1).await;
    let last = api.requests().last().unwrap().to_string();
    assert!(last.contains("the first prompt") && last.contains("the second prompt"), "{last}");
    assert_eq!(phonework.audited(1).await[0]["response"], answer);
}

#[tokio::test]
async fn a_permission_is_asked_with_all_that_would_run_and_granted_or_denied() {
    let (phonework, _api) = real(runner, json!({})).await;
    phonework.open_shop().await;
    let asked = phonework.ask("run touch granted && echo touched", 1).await;
    assert!(asked[0].contains("touch granted && echo touched"), "{asked:?}");
    assert_eq!(phonework.ask("/approve", 1).await, ["result: touched"]);
    assert!(phonework.projects().join("shop/granted").exists());
    phonework.ask("run touch denied", 1).await;
    let said = phonework.ask("/deny not here", 1).await;
    assert!(said[0].contains("not here"), "{said:?}");
    assert!(!phonework.projects().join("shop/denied").exists());
}

#[tokio::test]
async fn stop_in_the_middle_of_a_long_command_leaves_no_process() {
    let (phonework, _api) = real(runner, json!({})).await;
    phonework.open_shop().await;
    // One in the command's own group, and one that left it.
    let mark = format!("9{}", std::process::id());
    phonework.ask(&format!("run touch up; setsid sleep 7{mark} & sleep 8{mark}"), 1).await;
    phonework.say("/approve");
    until(|| (runs(&format!("sleep\07{mark}")) && runs(&format!("sleep\08{mark}"))).then_some(())).await;
    assert_eq!(phonework.ask("/stop", 1).await, ["⏹ Stopped."]);
    assert!(!runs(&format!("sleep\07{mark}")) && !runs(&format!("sleep\08{mark}")));
    assert_eq!(phonework.ask("still there?", 1).await, ["You said: still there?"]);
}

#[tokio::test]
async fn stop_while_a_permission_is_asked_ends_the_turn_and_runs_nothing() {
    let (phonework, _api) = real(runner, json!({})).await;
    phonework.open_shop().await;
    phonework.ask("run touch made", 1).await;
    assert_eq!(phonework.ask("/stop", 1).await, ["⏹ Stopped."]);
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
    assert!(!phonework.projects().join("shop/made").exists());
}

#[tokio::test]
async fn the_conversation_goes_on_after_kill_9_of_the_daemon_in_the_middle_of_a_turn() {
    let gate = Gate::new();
    let held = gate.clone();
    let script = move |asked: &Asked| match asked.text.as_str() {
        "think long" => Reply::Hold("so far".into(), held.clone(), "and on".into()),
        _ => echo(asked),
    };
    let (mut phonework, api) = real(script, json!({})).await;
    phonework.open_shop().await;
    phonework.ask("my cat is called Mimi", 1).await;
    phonework.say("think long");
    gate.reached().await;
    phonework.kill().await;
    gate.open();
    phonework.start().await;
    let heard = phonework.hear(&phonework.chat, 3).await;
    assert!(heard[2].contains("was interrupted while this was running: “think long”"), "{heard:?}");
    assert_eq!(phonework.ask("what was it?", 1).await, ["You said: what was it?"]);
    assert!(api.requests().last().unwrap().to_string().contains("Mimi"));
    assert_eq!(phonework.ask("/retry", 1).await, ["You said: what was it?"]);
}

#[tokio::test]
async fn an_answer_of_200_000_characters_arrives_whole_as_a_file_below_its_beginning() {
    let answer: String = (0..).map(|n| format!("{n}: 一行字 of the answer\n")).take(9_000).collect();
    let answer: String = answer.chars().take(200_000).collect();
    let whole = answer.clone();
    let (phonework, _api) = real(move |_| Reply::text(whole.clone()), json!({})).await;
    phonework.open_shop().await;
    phonework.say("tell me all");
    let file = |_: &Emulator| {
        let said = phonework.said(&phonework.chat);
        said.iter().find_map(|shown| phonework.emulator.file_of(shown))
    };
    let (name, bytes) = phonework.emulator.wait_for(file, PATIENCE).await.expect("a file");
    assert!(name.ends_with(".md"), "{name}");
    assert!(String::from_utf8(bytes.to_vec()).unwrap().starts_with(&answer));
    let said = phonework.said(&phonework.chat);
    assert!(
        said[1].answer().starts_with(answer.lines().next().unwrap()),
        "its beginning can be read at once"
    );
}

#[tokio::test]
async fn two_users_at_once_are_both_answered_and_do_not_wait_for_each_other() {
    let gate = Gate::new();
    let held = gate.clone();
    let script = move |asked: &Asked| match asked.text.as_str() {
        "think long" => Reply::Hold("Anna's ".into(), held.clone(), "answer".into()),
        _ => echo(asked),
    };
    let (phonework, _api) = real(script, json!({})).await;
    let mings = phonework.emulator.p2p(&phonework.ming);
    phonework.open_shop().await;
    phonework.say("think long");
    gate.reached().await;
    phonework.emulator.say(&phonework.ming, &mings, "/new shop");
    phonework.emulator.say(&phonework.ming, &mings, "hello");
    assert_eq!(phonework.hear(&mings, 2).await[1], "You said: hello");
    gate.open();
    assert_eq!(phonework.hear(&phonework.chat, 2).await[1], "Anna's answer");
}

#[tokio::test]
async fn ten_messages_sent_at_once_are_handled_in_order_each_in_a_turn_of_its_own() {
    let (phonework, api) = real(echo, json!({})).await;
    phonework.open_shop().await;
    for n in 0..10 {
        phonework.say_later(&format!("message {n}"));
    }
    // What waits long has a card of its own, whose words are no answer.
    let answers = |heard: &[String]| -> Vec<String> {
        heard.iter().filter(|text| text.starts_with("You said: ")).cloned().collect()
    };
    let heard = phonework.hear_until(&phonework.chat, |heard| answers(heard).len() >= 10).await;
    assert_eq!(answers(&heard), (0..10).map(|n| format!("You said: message {n}")).collect::<Vec<_>>());
    assert_eq!(api.requests().len(), 10);
}

#[tokio::test]
async fn a_slow_turn_ends_at_the_sessions_own_time() {
    let gate = Gate::new();
    let held = gate.clone();
    let script = move |asked: &Asked| match asked.text.as_str() {
        "think long" => Reply::Hold("so far".into(), held.clone(), "and on".into()),
        _ => echo(asked),
    };
    let (phonework, _api) = real(script, json!({})).await;
    phonework.ask("/new shop --timeout 5", 1).await;
    phonework.say("think long");
    let heard = phonework
        .hear_until(&phonework.chat, |texts| texts.last().is_some_and(|text| text.contains('⏹')))
        .await;
    assert!(
        heard.last().unwrap().contains("⏹ Stopped: the turn reached this session's limit of 5s"),
        "{heard:?}"
    );
    assert_eq!(phonework.ask("hello", 1).await, ["You said: hello"]);
}

#[tokio::test]
async fn claudes_errors_come_in_words_a_person_can_act_on() {
    let script = |asked: &Asked| match asked.text.as_str() {
        "refused" => Reply::error(403, "permission_error", "no"),
        "broken" => Reply::error(400, "invalid_request_error", "the request is broken"),
        _ => echo(asked),
    };
    let (phonework, _api) = real(script, json!({})).await;
    phonework.open_shop().await;
    for prompt in ["refused", "broken"] {
        let said = phonework.ask(prompt, 1).await;
        assert!(said[0].starts_with("⚠️"), "{said:?}");
    }
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
    assert_eq!(phonework.heard(&phonework.chat).len(), 4);
}

#[tokio::test]
async fn a_conversation_that_claude_has_lost_begins_anew_and_its_user_is_told() {
    let (mut phonework, _api) = real(echo, json!({})).await;
    phonework.open_shop().await;
    phonework.ask("hello", 1).await;
    assert!(phonework.stop().await.success());
    std::fs::remove_dir_all(phonework.claude_folder().join("projects")).unwrap();
    phonework.start().await;
    let said = phonework.ask("again", 2).await;
    assert!(said[0].contains("has lost this conversation"), "{said:?}");
    assert_eq!(said[1], "You said: again");
}

#[tokio::test]
async fn claudes_own_commands_are_claudes_and_a_hostile_file_mention_is_only_words() {
    let (phonework, api) = real(echo, json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("/cost", 1).await;
    assert!(said[0].to_lowercase().contains("cost"), "{said:?}");
    let said = phonework.ask("/no-such-command", 1).await;
    assert!(said[0].starts_with("Unknown command: /"), "{said:?}");
    std::fs::write(phonework.projects().join("secret.txt"), "the contents of the file").unwrap();
    phonework.ask("look at @../secret.txt", 1).await;
    assert!(!api.requests().iter().any(|request| request.to_string().contains("the contents of the file")));
}
