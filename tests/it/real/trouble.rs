//! What goes wrong between Claude Code and the API, what grows too long, and what runs in the background.

use std::sync::atomic::{AtomicUsize, Ordering};

use phonework::process_tree;
use rustix::process::{Signal, kill_process};

use super::*;

/// The `n`th answer to the `n`th call, and the last one to all further calls.
fn in_order(replies: Vec<Reply>) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let calls = AtomicUsize::new(0);
    move |_| replies[calls.fetch_add(1, Ordering::Relaxed).min(replies.len() - 1)].clone()
}

#[tokio::test]
async fn a_machine_that_is_not_logged_in_says_so_in_the_chat() {
    let (phonework, api) = with_env(echo, json!({}), json!({"ANTHROPIC_API_KEY": ""})).await;
    phonework.open_shop().await;
    let said = phonework.ask("hello", 1).await;
    assert!(said[0].starts_with("⚠️ Claude Code is not logged in on this machine."), "{said:?}");
    assert_eq!(api.requests().len(), 0);
}

#[tokio::test]
async fn a_bad_key_is_said_while_claude_goes_on_trying_and_again_at_the_end() {
    let script = in_order(vec![Reply::error(401, "authentication_error", "invalid x-api-key")]);
    let (phonework, _api) = real(script, json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("hello", 2).await;
    assert_eq!(
        said[0],
        "⏳ Claude's API refuses the credentials of this host. Claude Code keeps trying. /stop ends it."
    );
    assert!(said[1].starts_with("⚠️ Anthropic refused the credentials of this machine."), "{said:?}");
}

#[tokio::test]
async fn stop_ends_a_turn_whose_calls_are_being_tried_again() {
    let script = |asked: &Asked| match asked.text.as_str() {
        "hello" => Reply::error(500, "api_error", "Internal server error"),
        _ => echo(asked),
    };
    let (phonework, _api) = with_env(script, json!({}), json!({"CLAUDE_CODE_MAX_RETRIES": "10"})).await;
    phonework.open_shop().await;
    let said = phonework.ask("hello", 1).await;
    assert!(said[0].starts_with("⏳ Claude's API fails (HTTP 500)."), "{said:?}");
    assert_eq!(phonework.ask("/stop", 1).await, ["⏹ Stopped."]);
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
}

#[tokio::test]
async fn a_claude_that_is_killed_in_the_middle_of_a_turn_costs_that_turn_and_no_memory() {
    let gate = Gate::new();
    let held = gate.clone();
    let script = move |asked: &Asked| match asked.text.as_str() {
        "think long" => Reply::Hold("so far".into(), held.clone(), "and on".into()),
        _ => echo(asked),
    };
    let (phonework, api) = real(script, json!({})).await;
    phonework.open_shop().await;
    phonework.ask("speak of herons", 1).await;
    phonework.say("think long");
    gate.reached().await;
    let warden = process_tree::children(phonework.pid())[0].pid;
    kill_process(process_tree::children(warden)[0].pid, Signal::KILL).unwrap();
    let told = |texts: &[String]| texts.last().is_some_and(|text| text.contains("was killed (signal 9)"));
    phonework.hear_until(&phonework.chat, told).await;
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
    assert!(api.requests().last().unwrap()["messages"].to_string().contains("herons"));
}

#[tokio::test]
async fn servers_that_are_overloaded_or_fail_end_the_turn_with_a_way_on() {
    let script = |asked: &Asked| match asked.text.as_str() {
        "overloaded" => Reply::error(529, "overloaded_error", "Overloaded"),
        "failing" => Reply::error(500, "api_error", "Internal server error"),
        _ => echo(asked),
    };
    let (phonework, _api) = with_env(script, json!({}), json!({"CLAUDE_CODE_MAX_RETRIES": "0"})).await;
    phonework.open_shop().await;
    let said = phonework.ask("overloaded", 1).await;
    assert!(said[0].starts_with("⚠️ Anthropic's servers are overloaded"), "{said:?}");
    let said = phonework.ask("failing", 1).await;
    assert!(said[0].starts_with("⚠️ Anthropic's servers failed (HTTP 500)"), "{said:?}");
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
}

#[tokio::test]
async fn a_usage_limit_is_told_with_the_time_until_which_it_lasts() {
    let resets = jiff::Timestamp::now().as_second() + 2 * 3600;
    let headers = vec![
        ("anthropic-ratelimit-unified-status", "rejected".to_owned()),
        ("anthropic-ratelimit-unified-reset", resets.to_string()),
        ("anthropic-ratelimit-unified-representative-claim", "five_hour".to_owned()),
    ];
    // Only a subscription has such limits.
    let env = json!({"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "a-token-of-the-test", "TZ": "UTC"});
    let (phonework, _api) = with_env(in_order(vec![Reply::Limited(headers)]), json!({}), env).await;
    phonework.open_shop().await;
    let mut said = phonework.ask("hello", 1).await;
    said.extend(phonework.ask("well?", 1).await);
    let zone = jiff::tz::TimeZone::system();
    let until = jiff::Timestamp::from_second(resets).unwrap().to_zoned(zone);
    let until = until.strftime("%Y-%m-%d %H:%M UTC%:z").to_string();
    let told = format!("⚠️ Claude's usage limit is reached until {until} (in ");
    assert!(said.iter().all(|text| text.starts_with(&told)), "{said:?}");
}

#[tokio::test]
async fn too_many_requests_are_waited_for_when_the_api_says_how_long() {
    let limited = Reply::Limited(vec![("retry-after", "1".to_owned())]);
    let (phonework, api) = real(in_order(vec![limited, Reply::text("at last")]), json!({})).await;
    phonework.open_shop().await;
    assert_eq!(phonework.ask("hello", 1).await, ["at last"]);
    assert_eq!(api.requests().len(), 2);
}

#[tokio::test]
async fn too_many_requests_for_an_hour_end_the_turn_at_once() {
    let limited = Reply::Limited(vec![("retry-after", "3600".to_owned())]);
    let (phonework, api) = real(in_order(vec![limited]), json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("hello", 1).await;
    assert!(said[0].starts_with("⚠️ Claude's usage limit is reached."), "{said:?}");
    assert_eq!(api.requests().len(), 1);
}

#[tokio::test]
async fn a_model_that_declines_to_answer_is_told_as_that() {
    let (phonework, _api) = real(in_order(vec![Reply::Refusal]), json!({})).await;
    phonework.open_shop().await;
    let said = phonework.ask("hello", 1).await;
    assert!(said[0].starts_with("⚠️ The model declined to answer. Claude Code says:"), "{said:?}");
}

#[tokio::test]
async fn a_network_that_is_down_is_said_while_claude_goes_on_trying_and_again_at_the_end() {
    // A port that nobody listens on any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let env = json!({"ANTHROPIC_BASE_URL": format!("http://{closed}")});
    let (phonework, _api) = with_env(echo, json!({}), env).await;
    phonework.open_shop().await;
    let said = phonework.ask("hello", 2).await;
    assert_eq!(said[0], "⏳ Claude's API cannot be reached. Claude Code keeps trying. /stop ends it.");
    assert!(said[1].starts_with("⚠️ Claude Code could not reach the API"), "{said:?}");
}

#[tokio::test]
async fn an_answer_that_is_cut_in_the_middle_of_its_stream_comes_whole_and_once() {
    let script = in_order(vec![Reply::Cut("the whole".to_owned()), Reply::text("the whole answer")]);
    let (phonework, _api) = real(script, json!({})).await;
    phonework.open_shop().await;
    assert_eq!(phonework.ask("hello", 1).await, ["the whole answer"]);
    assert_eq!(phonework.ask("and?", 1).await, ["the whole answer"]);
}

#[tokio::test]
async fn an_answer_that_is_longer_than_a_message_of_the_model_goes_on_without_a_seam() {
    let script = in_order(vec![Reply::Broken("half of a sen".to_owned()), Reply::text("tence.")]);
    let (phonework, _api) = real(script, json!({})).await;
    phonework.open_shop().await;
    assert_eq!(phonework.ask("hello", 1).await, ["half of a sentence."]);
}

/// Refuses `long` prompts until the conversation was summarised.
fn short_of_room() -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let summarised = AtomicUsize::new(0);
    move |asked| {
        if asked.text.starts_with("CRITICAL: Respond with TEXT ONLY") {
            summarised.fetch_add(1, Ordering::Relaxed);
            Reply::text("<summary>It was about herons.</summary>")
        } else if asked.text == "long" && summarised.load(Ordering::Relaxed) == 0 {
            let words = "prompt is too long: 250000 tokens > 200000 maximum";
            Reply::error(400, "invalid_request_error", words)
        } else {
            Reply::text("an answer")
        }
    }
}

#[tokio::test]
async fn a_context_that_is_full_is_summarised_which_is_shown_and_the_prompt_is_answered() {
    let (phonework, _api) = real(short_of_room(), json!({})).await;
    phonework.open_shop().await;
    phonework.ask("first", 1).await;
    phonework.ask("second", 1).await;
    let said = phonework.ask("long", 2).await;
    assert!(said[0].starts_with("🗜 The conversation became too long"), "{said:?}");
    assert_eq!(said[1], "an answer");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_whatever_is_summarised_is_refused_with_the_ways_on() {
    let words = "prompt is too long: 250000 tokens > 200000 maximum";
    let (phonework, _api) =
        real(in_order(vec![Reply::error(400, "invalid_request_error", words)]), json!({})).await;
    phonework.open_shop().await;
    phonework.say("long");
    let refused = |texts: &[String]| {
        texts.last().is_some_and(|text| text.starts_with("⚠️ The conversation has grown too long"))
    };
    phonework.hear_until(&phonework.chat, refused).await;
}

#[tokio::test]
async fn compact_says_that_it_is_done() {
    let (phonework, _api) = real(short_of_room(), json!({})).await;
    phonework.open_shop().await;
    phonework.ask("first", 1).await;
    assert_eq!(phonework.ask("/compact", 1).await, ["🗜 The conversation has been summarized."]);
}

#[tokio::test]
async fn clear_begins_a_conversation_that_is_the_one_resumed_after_a_restart() {
    let (mut phonework, api) = real(echo, json!({})).await;
    phonework.open_shop().await;
    phonework.ask("speak of herons", 1).await;
    let before = phonework.conversation();
    let said = phonework.ask("/clear", 1).await;
    assert_eq!(said, ["🧹 A new conversation starts here. Claude remembers nothing of the old one."]);
    phonework.ask("speak of kingfishers", 1).await;
    assert_ne!(phonework.conversation(), before);
    phonework.kill().await;
    phonework.start().await;
    assert_eq!(phonework.ask("go on", 1).await, ["You said: go on"]);
    let last = api.requests().last().unwrap()["messages"].to_string();
    assert!(last.contains("kingfishers") && !last.contains("herons"), "{last}");
}

/// Runs a command in the background when a prompt says `background …`.
fn in_background(asked: &Asked) -> Reply {
    match (asked.tool_results.last(), asked.text.strip_prefix("background ")) {
        (Some(_), _) => Reply::text("It runs."),
        (None, Some(command)) => {
            let input = json!({"command": command, "description": "a command", "run_in_background": true});
            Reply::Tool { name: "Bash", input }
        }
        (None, None) => echo(asked),
    }
}

#[tokio::test]
async fn the_end_of_a_background_command_is_told_as_what_nobody_asked_for() {
    let (phonework, _api) = real(in_background, json!({})).await;
    phonework.open_shop().await;
    let go = phonework.projects().join("shop/go");
    let said = phonework.ask("background until test -e go; do sleep 0.05; done", 1).await;
    assert_eq!(said, ["It runs."]);
    std::fs::write(go, "").unwrap();
    phonework.hear(&phonework.chat, 3).await;
    let told = &phonework.said(&phonework.chat)[2];
    let head = "🔔 Message from Claude: something that ran in the background has finished.\nYou said:";
    assert!(told.text.starts_with(head), "{}", told.text);
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
}

#[tokio::test]
async fn stop_ends_what_runs_in_the_background_though_no_turn_runs() {
    let (phonework, _api) = real(in_background, json!({})).await;
    phonework.open_shop().await;
    let mark = format!("7{}", std::process::id());
    phonework.ask(&format!("background touch up; setsid sleep 9{mark} & sleep 6{mark}"), 1).await;
    phonework.ask("/approve", 1).await;
    until(|| (runs(&format!("sleep\09{mark}")) && runs(&format!("sleep\06{mark}"))).then_some(())).await;
    let said = phonework.ask("/stop", 1).await;
    assert_eq!(said, ["⏹ Claude's process ended, and with it a task that ran in the background."]);
    until(|| (!runs(&format!("sleep\09{mark}")) && !runs(&format!("sleep\06{mark}"))).then_some(())).await;
    assert_eq!(phonework.ask("/stop", 1).await, ["Nothing is running."]);
    assert_eq!(phonework.ask("well?", 1).await, ["You said: well?"]);
}
