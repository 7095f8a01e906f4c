use std::time::Duration;

use super::super::tests::*;
use super::*;
use crate::claude::wire::{PermissionRequest, PermissionRule};
use serde_json::{Value, json};

fn questions(input: Value) -> OpenRequest {
    asked(PermissionRequest {
        request_id: "q".to_owned(),
        tool: "AskUserQuestion".to_owned(),
        input,
        for_person: true,
        ..PermissionRequest::default()
    })
}

fn plan() -> OpenRequest {
    plan_of(json!({}))
}

fn plan_of(input: Value) -> OpenRequest {
    asked(PermissionRequest {
        request_id: "p".to_owned(),
        tool: "ExitPlanMode".to_owned(),
        input,
        for_person: true,
        ..PermissionRequest::default()
    })
}

fn ask(ask: &OpenRequest) -> String {
    let until = now().checked_add(Duration::from_secs(600)).unwrap();
    told(|scene| asking(scene, ask, &until, 1))
}

fn after(ask: &OpenRequest, decided: &RequestOutcome) -> String {
    told(|scene| super::decided(scene, ask, decided, &now()))
}

#[test]
fn a_permission_request_shows_all_that_would_run_and_every_way_to_decide() {
    insta::assert_snapshot!(ask(&bash()));
}

#[test]
fn a_request_without_a_rule_offers_none() {
    let mut request = bash().request;
    (request.rules, request.edits) = (Vec::new(), false);
    insta::assert_snapshot!(ask(&asked(request)));
}

#[test]
fn what_no_chat_shows_whole_can_only_be_denied_and_what_claude_says_of_it_is_marked_as_that() {
    let input =
        json!({"command": "x\n".repeat(150_000), "description": "Lists files.\n\nWhy it asks: read-only."});
    let shown = ask(&asked(PermissionRequest { input, ..bash().request }));
    let (_, after) = shown.split_once("Claude says: ").unwrap();
    insta::assert_snapshot!(&after[..after.find("\n\n").unwrap_or(after.len())]);
}

#[test]
fn a_permission_request_says_all_that_there_is_to_know_of_it() {
    let bash = || PermissionRequest { rules: Vec::new(), edits: false, ..bash().request };
    let wide =
        json!({"file_path": "/home/ann/shop/a.sql", "content": format!("SELECT {}\n", "price, ".repeat(8))});
    let wide = PermissionRequest { tool: "Write".to_owned(), input: wide, ..bash() };
    let path = Some("/etc/hosts".to_owned());
    let cases = [
        ("a blocked path", PermissionRequest { blocked_path: path, ..bash() }, 1),
        ("a subagent", PermissionRequest { subagent: true, ..bash() }, 1),
        ("wide lines", wide, 1),
        ("three open", bash(), 3),
    ];
    let until = now().checked_add(Duration::from_secs(600)).unwrap();
    let cases = cases.map(|(name, request, open)| (name, (asked(request), open)));
    insta::assert_snapshot!(each(cases, |(ask, open)| told(|scene| asking(scene, &ask, &until, open))));
}

#[test]
fn a_decided_request_says_what_was_decided_by_whom_and_when() {
    let rules = vec![PermissionRule { tool: "Bash".to_owned(), content: Some("npm test *".to_owned()) }];
    let decisions = [
        RequestOutcome::Allowed,
        RequestOutcome::AllowedRules(rules),
        RequestOutcome::AllowedEdits,
        RequestOutcome::Denied(None),
        RequestOutcome::Denied(Some("Not the build folder".to_owned())),
        RequestOutcome::Expired,
        RequestOutcome::Withdrawn,
    ];
    let all: Vec<String> = decisions.iter().map(|decided| after(&bash(), decided)).collect();
    insta::assert_snapshot!(all.join("\n\n————————\n\n"));
}

#[test]
fn a_request_that_a_restart_left_open_is_expired() {
    let question = questions(json!({"questions": [{"question": "Which?", "options": [{"label": "A"}]}]}));
    let cases = [("a tool", bash()), ("a question", question), ("a plan", plan())];
    insta::assert_snapshot!(each(cases, |ask| told(|scene| fallback(scene, &ask))));
}

#[test]
fn a_decided_request_stays_one_card() {
    let mut request = bash().request;
    request.input = json!({"command": "echo 字\n".repeat(20_000)});
    let ask = asked(request);
    let documents = in_english(|scene| {
        [super::decided(scene, &ask, &RequestOutcome::Allowed, scene.now), fallback(scene, &ask)]
    });
    for document in documents {
        let size = serde_json::to_string(&document).unwrap().len();
        assert!((6 << 10..9 << 10).contains(&size), "{size} bytes");
        assert!(read(&document).contains("\n…"));
    }
}

#[test]
fn one_question_of_few_options_has_a_button_for_each() {
    let question = json!({"questions": [{
        "question": "Which database?", "header": "Database", "multiSelect": false,
        "options": [
            {"label": "Postgres", "description": "As in production"},
            {"label": "SQLite", "description": "No server"},
        ],
    }]});
    insta::assert_snapshot!(ask(&questions(question)));
}

#[test]
fn one_question_of_many_choices_or_many_options_is_a_form() {
    let asks = |many: bool, labels: &[&str]| {
        let options: Vec<Value> = labels.iter().map(|label| json!({"label": label})).collect();
        let question = json!({"question": "Which checks?", "multiSelect": many, "options": options});
        questions(json!({"questions": [question]}))
    };
    let cases = [
        ("many choices", asks(true, &["Lint", "Test"])),
        ("five options", asks(false, &["Lint", "Test", "Build", "Bench", "Fuzz"])),
    ];
    insta::assert_snapshot!(each(cases, |question| ask(&question)));
}

#[test]
fn several_questions_are_a_form() {
    let input = json!({"questions": [
        {"question": "Which database?", "header": "Database", "options": [
            {"label": "Postgres", "description": "As in production"}, {"label": "SQLite"}]},
        {"question": "Which checks?", "multiSelect": true, "options": [
            {"label": "Lint"}, {"label": "Test"}, {"label": "Lint"}]},
    ]});
    insta::assert_snapshot!(ask(&questions(input)));
}

#[test]
fn answered_questions_show_their_answers() {
    let input = json!({"questions": [{"question": "Which?", "options": [{"label": "A"}]}]});
    let answers = vec![("Which?".to_owned(), "A".to_owned())];
    let all = [RequestOutcome::Answered(answers), RequestOutcome::Denied(None)];
    let all: Vec<String> = all.iter().map(|decided| after(&questions(input.clone()), decided)).collect();
    insta::assert_snapshot!(all.join("\n\n————————\n\n"));
}

#[test]
fn a_plan_that_is_not_sent_is_the_last_text() {
    insta::assert_snapshot!(ask(&plan()));
}

#[test]
fn a_plan_that_is_sent_is_shown_in_its_own_words() {
    let plan = json!({"plan": "## Two steps\n\n1. Read the log\n2. Mend `build.sh`"});
    insta::assert_snapshot!(ask(&plan_of(plan)));
}

#[test]
fn a_plan_is_approved_or_sent_back() {
    let all = [RequestOutcome::AllowedEdits, RequestOutcome::Denied(Some("Smaller steps".to_owned()))];
    let all: Vec<String> = all.iter().map(|decided| after(&plan(), decided)).collect();
    insta::assert_snapshot!(all.join("\n\n————————\n\n"));
}

#[test]
fn a_reminder_names_what_waits() {
    let until = now().checked_add(Duration::from_secs(300)).unwrap();
    let asks = [bash(), questions(json!({"questions": [{"question": "Which?"}]})), plan()];
    let all: Vec<String> = asks
        .iter()
        .map(|ask| told(|scene| Document::new(vec![Block::text(reminder(scene, ask, &until))])))
        .collect();
    insta::assert_snapshot!(all.join("\n\n"));
}
