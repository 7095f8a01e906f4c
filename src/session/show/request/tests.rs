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
    told(|context| asking(context, ask, &until, 1))
}

fn after(ask: &OpenRequest, decided: &RequestOutcome) -> String {
    told(|context| super::decided(context, ask, decided, &now()))
}

#[test]
fn a_permission_request_shows_everything_that_would_run_and_every_way_to_decide() {
    insta::assert_snapshot!(ask(&bash()));
}

#[test]
fn a_request_without_a_rule_offers_none() {
    let mut request = bash().permission;
    (request.rules, request.edits) = (Vec::new(), false);
    insta::assert_snapshot!(ask(&asked(request)));
}

#[test]
fn a_request_that_is_too_long_to_show_can_only_be_denied_and_marks_what_claude_says() {
    let input = json!({"command": "x\n".repeat(150_000), "description": "Lists files.\n\nReason for asking: read-only."});
    let shown = ask(&asked(PermissionRequest { input, ..bash().permission }));
    let (_, after) = shown.split_once("Claude says: ").unwrap();
    insta::assert_snapshot!(&after[..after.find("\n\n").unwrap_or(after.len())]);
}

#[test]
fn a_permission_request_shows_all_details() {
    let bash = || PermissionRequest { rules: Vec::new(), edits: false, ..bash().permission };
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
    insta::assert_snapshot!(each(cases, |(ask, open)| told(|context| asking(context, &ask, &until, open))));
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
    insta::assert_snapshot!(each(cases, |ask| told(|context| fallback(context, &ask))));
}

#[test]
fn a_decided_request_stays_one_card() {
    let mut request = bash().permission;
    request.input = json!({"command": "echo 字\n".repeat(20_000)});
    let ask = asked(request);
    let documents = in_english(|context| {
        [super::decided(context, &ask, &RequestOutcome::Allowed, context.now), fallback(context, &ask)]
    });
    for document in documents {
        let size = serde_json::to_string(&document).unwrap().len();
        assert!((6 << 10..9 << 10).contains(&size), "{size} bytes");
        assert!(read(&document).contains("\n…"));
    }
}

#[test]
fn a_question_with_few_options_has_a_button_for_each() {
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
fn a_question_with_many_options_or_choices_is_a_form() {
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
fn a_plan_that_was_not_sent_is_claudes_last_text() {
    insta::assert_snapshot!(ask(&plan()));
}

#[test]
fn a_plan_that_was_sent_is_shown_as_it_is() {
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
        .map(|ask| told(|context| Document::new(vec![Block::text(reminder(context, ask, &until))])))
        .collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn options_that_a_button_cannot_show_are_numbered_and_shown_in_full() {
    let long = "x".repeat(120);
    let options = |options: Value| json!({"questions": [{"question": "Which?", "options": options}]});
    let labels = options(
        json!([{"label": format!("{long} one")}, {"label": format!("{long} two"), "description": "Last"}]),
    );
    let shown = ask(&questions(labels));
    for part in ["x one", "x two", "small: Last", "[1 Primary answer:0] [2 Plain answer:1]"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let previews = options(json!([{"label": "A", "preview": "+--+\n|  |"}, {"label": "B"}]));
    let shown = ask(&questions(previews));
    assert!(
        shown.contains("text: 1. A\ncode : +--+\n|  |\ntext: 2. B\n[1 Primary answer:0] [2 Plain answer:1]"),
        "{shown}"
    );
    let many = json!({"questions": [{"question": "Which?", "multiSelect": true, "options": [{"label": "A", "preview": "ls"}]}]});
    let shown = ask(&questions(many));
    assert!(shown.contains("1. A\n       ```\n       ls\n       ```"), "{shown}");
}
