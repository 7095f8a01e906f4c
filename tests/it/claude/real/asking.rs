//! What Claude asks and what becomes of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use phonework::card_action::{CardAction, Press, REASON, Verdict};
use phonework::claude::wire::RequestMatter;
use phonework::session::machine::{Effect, Input, Instruction, Notice, PressResult};
use phonework::session::turn::RequestOutcome;
use serde_json::json;

use super::driven::{Driven, button};
use super::*;
use crate::support::messages_api::questions;

/// `NAME JSON` uses a tool and then tells what it said.
fn user_of_tools(asked: &Asked) -> Reply {
    const TOOLS: [&str; 7] = ["Bash", "Read", "Write", "Edit", "WebFetch", "AskUserQuestion", "ExitPlanMode"];
    if let Some(result) = asked.tool_results.first() {
        return Reply::text(format!("it said: {result}"));
    }
    let Some((name, input)) = asked.text.split_once(' ') else { return Reply::text("nothing") };
    let name = TOOLS.into_iter().find(|tool| *tool == name).expect("a tool");
    let input = serde_json::from_str(input).expect("its input");
    if name == "ExitPlanMode" {
        return Reply::TextAndTool("1. Write it.".to_owned(), name, input);
    }
    Reply::Tool { name, input }
}

fn bash(command: &str) -> String {
    format!("Bash {}", json!({"command": command, "description": "a command of the test"}))
}

async fn scene() -> Scene {
    Scene::new(user_of_tools).await
}

#[tokio::test]
async fn each_tool_asks_with_all_that_it_would_do_and_does_it_when_it_was_allowed() {
    let scene = scene().await;
    let file = scene.project().join("f.txt");
    let mut driven = Driven::start(scene.launch());

    let write = json!({"file_path": file, "content": "a\nb\nc\n"});
    let (request, done) = driven.with(&format!("Write {write}"), Verdict::Allow).await;
    assert_eq!((request.input, request.edits, request.rules), (write, true, vec![]));
    assert_eq!(done.files(), BTreeMap::from([(file.to_str().unwrap(), (3, 0))]));

    driven.prompt(&format!("Read {}", json!({ "file_path": file })));
    driven.done().await;
    let edit = json!({"file_path": file, "old_string": "b", "new_string": "B\nBB", "replace_all": false});
    let (request, done) = driven.with(&format!("Edit {edit}"), Verdict::Allow).await;
    assert_eq!((request.input, request.edits), (edit, true));
    let (_, end) = done.tools[0].end.clone().unwrap();
    assert_eq!(end.file.unwrap().hunks[0].lines, [" a", "-b", "+B", "+BB", " c"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nB\nBB\nc\n");

    let (request, done) = driven.with(&bash("seq 3 | tee made"), Verdict::Allow).await;
    assert_eq!(request.input["command"], "seq 3 | tee made");
    let (_, end) = done.tools[0].end.clone().unwrap();
    assert_eq!((end.output.as_str(), end.is_error, end.cut), ("1\n2\n3", false, false));

    let fetch = json!({"url": "http://127.0.0.1:9/page", "prompt": "x"});
    let (request, done) = driven.with(&format!("WebFetch {fetch}"), Verdict::Allow).await;
    let rules: Vec<String> = request.rules.iter().map(ToString::to_string).collect();
    assert_eq!((request.input, rules), (fetch, vec!["WebFetch(domain:127.0.0.1)".to_owned()]));
    // It was let through: what it fails at is the network.
    assert!(!done.text.contains("The user said no"), "{}", done.text);
    assert!(done.gauges.context.is_some_and(|tokens| tokens > 0) && done.gauges.window.is_some());
}

#[tokio::test]
async fn a_denial_and_its_reason_reach_the_model_and_nothing_runs() {
    let scene = scene().await;
    let mut driven = Driven::start(scene.launch());
    driven.prompt(&bash("touch denied"));
    let ask = driven.asked().await;
    let mut press = button(&ask, Verdict::DenyWhy);
    press.fields.insert(REASON.to_owned(), vec!["not on a Friday".to_owned()]);
    assert_eq!(
        driven.press(&press),
        PressResult::Decided(RequestOutcome::Denied(Some("not on a Friday".to_owned())))
    );
    assert!(driven.done().await.text.contains("not on a Friday"));
    let (_, done) = driven.with(&bash("touch denied"), Verdict::Deny).await;
    assert!(done.text.contains("The user said no."), "{}", done.text);
    assert!(!scene.project().join("denied").exists());
}

#[tokio::test]
async fn what_was_allowed_for_the_session_is_allowed_after_its_sleep_and_in_no_other_session() {
    let scene = scene().await;
    let mut driven = Driven::start(scene.launch());
    // One with all that rules have to be careful with.
    let odd = r#"python3 -c "print(1, r'\\d')""#;
    for command in ["mkdir made", odd] {
        let (_, done) = driven.with(&bash(command), Verdict::AllowRule).await;
        assert_eq!(done.tools[0].is_error, Some(false), "{}", done.text);
    }
    driven.prompt(&bash(odd));
    driven.done().await;

    driven.sleep().await;
    let before = driven.launch.rules.clone();
    driven.prompt(&bash(odd));
    assert_eq!(driven.done().await.tools[0].is_error, Some(false));
    driven.prompt(&bash("mkdir made other"));
    driven.done().await;
    assert!(scene.project().join("other").exists());
    driven.with(&bash("touch other"), Verdict::Deny).await;
    assert_eq!(driven.launch.rules, before);

    let mut other = Driven::start(scene.launch());
    other.with(&bash(odd), Verdict::Deny).await;
    other.with(&bash("mkdir made elsewhere"), Verdict::Deny).await;
    let settings = scene.project().join(".claude");
    assert!(!settings.exists(), "nothing is written into the project");
}

#[tokio::test]
async fn rules_are_not_told_to_every_user_of_the_machine() {
    let scene = scene().await;
    let mut launch = scene.launch();
    launch.rules = vec!["Bash(touch a-secret-of-the-person)".to_owned()];
    let mut driven = Driven::start(launch);
    driven.prompt(&bash("touch a-secret-of-the-person"));
    driven.done().await;
    let told = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("touch a-secret")
    });
    assert!(!told && scene.project().join("a-secret-of-the-person").exists());
}

#[tokio::test]
async fn edits_that_were_accepted_for_the_session_are_not_asked_about_again_and_commands_are() {
    let scene = scene().await;
    let write =
        |name: &str| format!("Write {}", json!({"file_path": scene.project().join(name), "content": "x"}));
    let mut driven = Driven::start(scene.launch());
    driven.with(&write("one"), Verdict::AllowEdits).await;
    driven.prompt(&write("two"));
    driven.done().await;
    assert_eq!(driven.launch.permission_mode, "acceptEdits");
    driven.sleep().await;
    driven.prompt(&write("three"));
    let done = driven.done().await;
    assert_eq!(done.gauges.mode.as_deref(), Some("acceptEdits"));
    assert!(scene.project().join("three").exists());
    driven.with(&bash("make"), Verdict::Deny).await;
}

fn ask() -> String {
    let input = questions(&[
        ("Which colour?", false, ["Red", "Green", "Blue"]),
        ("Which sizes?", true, ["S", "M", "L"]),
        ("Anything else?", false, ["No", "Yes", "Later"]),
    ]);
    format!("AskUserQuestion {input}")
}

#[tokio::test]
async fn several_questions_are_answered_at_once_by_choices_and_own_words() {
    let scene = scene().await;
    let mut driven = Driven::start(scene.launch());
    driven.prompt(&ask());
    let ask = driven.asked().await;
    let RequestMatter::Questions(questions) = &ask.matter else { panic!("{ask:?}") };
    let told: Vec<_> = questions.iter().map(|one| (one.text.as_str(), one.many, one.options.len())).collect();
    assert_eq!(told, [("Which colour?", false, 3), ("Which sizes?", true, 3), ("Anything else?", false, 3)]);
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let fields = [("q0", texts(&["Green"])), ("q1", texts(&["S", "L"])), ("w2", texts(&["with a \"bow\""]))];
    let act = CardAction::Answer { about: ask.about(&"c-1".into()), option: None };
    let fields = fields.into_iter().map(|(name, texts)| (name.to_owned(), texts)).collect();
    let pressed = driven.press(&Press { action: act, group: false, fields });
    assert!(matches!(pressed, PressResult::Decided(RequestOutcome::Answered(_))), "{pressed:?}");
    let said = driven.done().await.text;
    for part in ["\"Which colour?\"=\"Green\"", "\"Which sizes?\"=\"S, L\"", "\"Anything else?\"=\"with a"] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn questions_are_answered_by_typing_and_can_be_declined() {
    let scene = scene().await;
    let mut driven = Driven::start(scene.launch());
    driven.prompt(&ask());
    driven.asked().await;
    driven.put(Input::Typed("blue\n1, 3\n2".to_owned(), order()));
    let said = driven.done().await.text;
    for part in ["\"Which colour?\"=\"Blue\"", "\"Which sizes?\"=\"S, L\"", "\"Anything else?\"=\"Yes\""] {
        assert!(said.contains(part), "{said}");
    }
    let (_, done) = driven.with(&ask(), Verdict::Deny).await;
    assert!(done.text.contains("The user does not want to answer."), "{}", done.text);
}

fn order() -> Instruction {
    let to = phonework::mail::Recipient::Chat("oc_1".into());
    let reply = phonework::session::turn::ReplyTarget { to, under: None };
    Instruction { mail: 7, message_id: "om_7".into(), reply, sent: Instant::now() }
}

#[tokio::test]
async fn a_plan_is_sent_back_with_words_and_then_approved() {
    let scene = scene().await;
    let write =
        |name: &str| format!("Write {}", json!({"file_path": scene.project().join(name), "content": "x"}));
    let mut driven = Driven::start(Launch { permission_mode: "plan".to_owned(), ..scene.launch() });
    driven.prompt("ExitPlanMode {}");
    let ask = driven.asked().await;
    assert_eq!(ask.matter, RequestMatter::Plan(Some("1. Write it.".to_owned())));
    driven.put(Input::Typed("first the tests".to_owned(), order()));
    let done = driven.done().await;
    assert!(done.text.contains("first the tests"), "{}", done.text);
    assert_eq!(done.gauges.mode.as_deref(), Some("plan"));

    let (_, done) = driven.with("ExitPlanMode {}", Verdict::AllowEdits).await;
    assert_eq!(done.gauges.mode.as_deref(), Some("acceptEdits"));
    assert_eq!(driven.launch.permission_mode, "acceptEdits");
    driven.prompt(&write("planned"));
    driven.done().await;
    assert!(scene.project().join("planned").exists());

    driven.put(Input::Mode("plan".to_owned()));
    let (_, done) = driven.with("ExitPlanMode {}", Verdict::Allow).await;
    assert!(done.gauges.mode.as_deref().is_some_and(|mode| mode != "plan"), "{:?}", done.gauges);
}

#[tokio::test]
async fn thirty_approvals_in_one_turn_are_each_decided_once() {
    let calls = AtomicUsize::new(0);
    let scene = Scene::new(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        n if n < 30 => Reply::bash(&format!("echo {n} >> made")),
        _ => Reply::text("thirty"),
    })
    .await;
    let mut driven = Driven::start(scene.launch());
    driven.prompt("go");
    let mut earlier = None;
    for n in 0..30 {
        let ask = driven.asked().await;
        assert_eq!(ask.permission.input["command"], format!("echo {n} >> made"));
        // Somebody is quick with both buttons, and with the card before it.
        assert_eq!(driven.choose(&ask, Verdict::Allow), PressResult::Decided(RequestOutcome::Allowed));
        assert_eq!(driven.choose(&ask, Verdict::Deny), PressResult::Already(RequestOutcome::Allowed));
        if let Some(earlier) = earlier.replace(ask) {
            assert_eq!(
                driven.choose(&earlier, Verdict::Allow),
                PressResult::Already(RequestOutcome::Allowed)
            );
        }
    }
    let done = driven.done().await;
    assert_eq!((done.text.as_str(), done.approvals.len()), ("thirty", 30));
    let made = std::fs::read_to_string(scene.project().join("made")).unwrap();
    assert_eq!(made, (0..30).map(|n| format!("{n}\n")).collect::<String>());
    assert_eq!(driven.choose(&earlier.unwrap(), Verdict::Allow), PressResult::Over);
}

#[tokio::test]
async fn an_approval_after_ten_minutes_counts_and_one_after_its_time_does_not() {
    let scene = scene().await;
    let mut driven = Driven::start(scene.launch());
    driven.prompt(&bash("touch late"));
    let ask = driven.asked().await;
    // Twice the time of a turn, and nothing happens.
    driven.after(Duration::from_secs(600));
    assert_eq!(driven.choose(&ask, Verdict::Allow), PressResult::Decided(RequestOutcome::Allowed));
    assert_eq!(driven.done().await.outcome.word(), "answered");
    assert!(scene.project().join("late").exists());

    driven.prompt(&bash("touch too-late"));
    let ask = driven.asked().await;
    driven.after(Duration::from_secs(1800));
    let remind = |effect| if let Effect::Remind(ask) = effect { Some(ask) } else { None };
    let reminded = driven.until(remind).await;
    assert_eq!(reminded.permission, ask.permission);
    driven.after(Duration::from_secs(1800));
    assert_eq!(driven.decided().await.1, RequestOutcome::Expired);
    assert_eq!(driven.choose(&ask, Verdict::Allow), PressResult::Already(RequestOutcome::Expired));
    let done = driven.done().await;
    assert!(done.text.contains("Nobody answered in time."), "{}", done.text);
    assert!(!scene.project().join("too-late").exists());
}

#[tokio::test]
async fn a_mode_is_changed_while_claude_asks_and_what_it_does_not_know_is_refused() {
    let scene = scene().await;
    let write =
        |name: &str| format!("Write {}", json!({"file_path": scene.project().join(name), "content": "x"}));
    let mut driven = Driven::start(scene.launch());
    driven.prompt(&write("one"));
    let ask = driven.asked().await;
    driven.put(Input::Mode("acceptEdits".to_owned()));
    assert_eq!(driven.choose(&ask, Verdict::Deny), PressResult::Decided(RequestOutcome::Denied(None)));
    driven.done().await;
    driven.prompt(&write("two"));
    driven.done().await;
    driven.put(Input::Mode("nonsense".to_owned()));
    let tell = |effect| if let Effect::Tell(notice) = effect { Some(notice) } else { None };
    assert_eq!(driven.until(tell).await, Notice::ModeRefused("nonsense".to_owned()));
    assert_eq!(driven.launch.permission_mode, "acceptEdits");
}

#[tokio::test]
async fn a_text_is_heard_while_it_is_written() {
    let gate = Gate::new();
    let held = gate.clone();
    let scene = Scene::new(move |_| {
        Reply::Hold("The first half, ".to_owned(), held.clone(), "and the second.".to_owned())
    })
    .await;
    let mut driven = Driven::start(scene.launch());
    driven.prompt("go");
    let piece = loop {
        if let Some(Output::TextDelta { text, .. }) = driven.hear().await {
            break text;
        }
    };
    let said = driven.machine.turn().map(|turn| turn.said(usize::MAX).0);
    assert_eq!((piece.as_str(), said.as_deref()), ("The first half, ", Some("The first half, ")));
    gate.open();
    assert_eq!(driven.done().await.text, "The first half, and the second.");
}

#[tokio::test]
async fn a_long_output_of_a_command_is_read_to_its_end_or_its_file_is_named() {
    let scene = scene().await;
    let mut driven = Driven::start(scene.launch());
    driven.prompt(&bash("seq 1 20000; echo END"));
    let done = driven.done().await;
    let (_, end) = done.tools[0].end.clone().unwrap();
    let named = end.saved.as_ref().is_some_and(|saved| std::path::Path::new(&saved.path).is_file());
    assert!(end.cut && (end.output.ends_with("\nEND") || named), "{:?} {}", end.saved, end.output);
    assert!(!end.output.contains("persisted-output"), "{}", end.output);

    let read = json!({"file_path": scene.project().join("not-there")});
    driven.prompt(&format!("Read {read}"));
    let done = driven.done().await;
    let (_, end) = done.tools[0].end.clone().unwrap();
    assert!(end.is_error && !end.output.contains("tool_use_error"), "{}", end.output);
}
