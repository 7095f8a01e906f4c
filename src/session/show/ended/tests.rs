use super::super::tests::*;
use super::*;
use crate::claude::failure::{self, Cause};
use crate::claude::running::OpenElsewhere;
use crate::language::Language;
use serde_json::json;

fn end(done: &FinishedTurn) -> String {
    told(|context| document(context, done, Path::new(LOG)).unwrap())
}

#[test]
fn an_answer_is_complete_with_its_cost_and_what_to_do_next() {
    insta::assert_snapshot!(end(&done(TurnOutcome::Answered)));
}

#[test]
fn edits_and_commands_are_in_folds() {
    let tools = vec![
        used("Bash", json!({"command": "cargo test"}), true, "error: no\n", None),
        used(
            "Edit",
            json!({"file_path": "/home/ann/shop/src/a.rs"}),
            false,
            "ok",
            Some(change("/home/ann/shop/src/a.rs", &[" fn a() {", "-    1", "+    2", "+    .into()", " }"])),
        ),
        used("Bash", json!({"command": "cargo test"}), false, "2 passed\n", None),
        used("Read", json!({"file_path": "/etc/hosts"}), false, "127.0.0.1", None),
    ];
    insta::assert_snapshot!(end(&FinishedTurn { tools, ..done(TurnOutcome::Answered) }));
}

#[test]
fn a_failed_turn_says_so_in_its_heading() {
    let failed = FinishedTurn {
        text: String::new(),
        ..done(TurnOutcome::Failed("The API fails (HTTP 500).".to_owned()))
    };
    insta::assert_snapshot!(end(&failed));
}

#[test]
fn a_stopped_turn_keeps_its_text() {
    insta::assert_snapshot!(end(&done(TurnOutcome::Stopped)));
}

#[test]
fn an_interrupted_turn_can_be_run_again_or_dismissed() {
    insta::assert_snapshot!(end(&done(TurnOutcome::Interrupted)));
}

#[test]
fn a_turn_that_claude_started_has_its_own_heading_and_cannot_be_run_again() {
    insta::assert_snapshot!(end(&FinishedTurn { prompt: None, ..done(TurnOutcome::Answered) }));
}

/// Makes an outcome, which may contain sentences in the given language.
type Ended = fn(Language) -> TurnOutcome;

fn crashed(language: Language) -> TurnOutcome {
    TurnOutcome::Crashed(failure::sentence(Cause::Stuck, language))
}

fn limited(language: Language, until: &str, words: Option<&str>) -> TurnOutcome {
    let (until, words) = (until.parse().unwrap(), words.map(str::to_owned));
    TurnOutcome::Limited { until, words, otherwise: failure::sentence(Cause::RateLimited, language) }
}

fn elsewhere(since: Option<&str>, terminal: bool) -> TurnOutcome {
    let since = since.map(|since| since.parse().unwrap());
    TurnOutcome::OpenElsewhere(OpenElsewhere { pid: 4321, since, terminal })
}

#[test]
fn a_turn_that_ends_without_an_answer_says_why() {
    const CLAUDES: Option<&str> = Some("You've hit your 5-hour limit");
    let cases: [(_, Ended); 12] = [
        ("answered without text", |_| TurnOutcome::Answered),
        ("stopped", |_| TurnOutcome::Stopped),
        ("timed out", |_| TurnOutcome::TimedOut(Duration::from_secs(600))),
        ("crashed", crashed),
        ("limited", |language| limited(language, "2026-11-22T13:15:00Z", CLAUDES)),
        ("limited until another day", |language| limited(language, "2026-11-24T01:00:00Z", None)),
        ("limited until now", |language| limited(language, "2026-11-22T11:44:00Z", CLAUDES)),
        ("open in a terminal", |_| elsewhere(Some("2026-11-22T03:05:00Z"), true)),
        ("open in a program", |_| elsewhere(None, false)),
        ("unknown command", |_| TurnOutcome::UnknownCommand("frobnicate".to_owned())),
        ("compacted", |_| TurnOutcome::Compacted),
        ("cleared", |_| TurnOutcome::Cleared),
    ];
    let silent = |language, outcome: Ended| {
        let mut done = FinishedTurn { text: String::new(), ..done(outcome(language)) };
        if matches!(done.outcome, TurnOutcome::Compacted | TurnOutcome::Cleared) {
            done.gauges.context = None;
        }
        done
    };
    let end = |outcome| {
        told(|context| document(context, &silent(context.words.0, outcome), Path::new(LOG)).unwrap())
    };
    insta::assert_snapshot!(each(cases, end));
}

#[test]
fn a_turn_that_claude_started_says_why_it_ended() {
    let cases: [(_, Ended); 4] = [
        ("stopped", |_| TurnOutcome::Stopped),
        ("timed out", |_| TurnOutcome::TimedOut(Duration::from_secs(600))),
        ("crashed", crashed),
        ("cut", |_| TurnOutcome::Interrupted),
    ];
    let unasked = |language, outcome: Ended| FinishedTurn { prompt: None, ..done(outcome(language)) };
    let end = |outcome| {
        told(|context| document(context, &unasked(context.words.0, outcome), Path::new(LOG)).unwrap())
    };
    insta::assert_snapshot!(each(cases, end));
}

#[test]
fn a_card_without_an_answer_has_a_final_state() {
    let cases = [("stopped", told(stopped)), ("interrupted", told(interrupted))];
    insta::assert_snapshot!(each(cases, |last_word| last_word));
}

#[test]
fn a_turn_that_nobody_noticed_ends_silently() {
    let done = FinishedTurn { prompt: None, text: String::new(), ..done(TurnOutcome::Stopped) };
    assert_eq!(in_english(|context| document(context, &done, Path::new(LOG))), None);
}

#[test]
fn the_folds_of_a_turn_that_did_much_stay_small() {
    let line = "x".repeat(90);
    let lines: Vec<String> = (0..200).map(|n| format!("+{n} {line}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut tools = Vec::new();
    for n in 0..500 {
        let command = json!({"command": format!("echo {n} {}", "字".repeat(2000))});
        tools.push(used("Bash", command, false, &"字".repeat(1300), None));
        tools.push(used("Edit", json!({}), false, "", Some(change(&format!("/home/ann/shop/{n}"), &lines))));
    }
    let done = FinishedTurn { tools, ..done(TurnOutcome::Answered) };
    let document = in_english(|context| document(context, &done, Path::new(LOG))).unwrap();
    let size = serde_json::to_string(&document).unwrap().len();
    assert!(size < 14 << 10, "{size} bytes");
    let folds: Vec<&str> = document
        .blocks
        .iter()
        .filter_map(|block| if let Block::Fold { title, .. } = block { Some(title.as_str()) } else { None })
        .collect();
    assert_eq!(folds, ["Edits: 500 (+100000 −0)", "Commands: 500"]);
}

#[test]
fn an_answer_that_nobody_would_notice_on_its_card_is_a_new_message() {
    let took = |seconds| FinishedTurn { took: Duration::from_secs(seconds), ..done(TurnOutcome::Answered) };
    assert_eq!(
        [(29, false), (29, true), (30, false)].map(|(time, below)| is_below(&took(time), below)),
        [false, true, true]
    );
    assert!(!is_below(&FinishedTurn { outcome: TurnOutcome::Interrupted, ..took(60) }, true));
    insta::assert_snapshot!(told(answered_below));
}

#[test]
fn a_command_shows_the_end_of_its_output_or_says_where_it_is() {
    let command = json!({"command": "seq 1 20000; echo END"});
    let saved = crate::claude::wire::SavedOutput { path: "/c/b.txt".to_owned(), size: "106.2KB".to_owned() };
    let mut tool = used("Bash", command, false, "1\n2\n3", None);
    if let Some((_, end)) = &mut tool.end {
        (end.cut, end.saved) = (true, Some(saved));
    }
    let done = FinishedTurn { tools: vec![tool], ..done(TurnOutcome::Answered) };
    let shown = end(&done);
    let expected = "$ seq 1 20000; echo END\n    1\n    2\n    3\n    … This is only the beginning of 106.2KB of output. All of it: /c/b.txt";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_plan_is_no_edit_of_the_project() {
    let edit = |path: &str| used("Write", json!({}), false, "", Some(change(path, &["+a"])));
    let folds = |paths: &[&str]| {
        let tools = paths.iter().map(|path| edit(path)).collect();
        end(&FinishedTurn { tools, ..done(TurnOutcome::Answered) })
    };
    let plans = ["/home/ann/.claude/plans/bright-sun.md", "/var/lib/claude/plans/x.md"];
    assert!(!folds(&plans).contains("Edits") && !folds(&plans).contains("changed"));
    for path in ["/home/ann/shop/plans/x.md", "/home/ann/shop/a.rs", "/etc/hosts"] {
        assert!(folds(&[path, plans[0]]).contains("Edits: 1 (+1 −0)"), "{path}");
        assert!(folds(&[path, plans[0]]).contains("1 file changed +1 −0"), "{path}");
    }
}

#[test]
fn an_answer_that_shows_nothing_says_so() {
    for text in ["```\n```", " \n", "```rust\n\n```\n", "---"] {
        let blank = FinishedTurn { text: text.to_owned(), ..done(TurnOutcome::Answered) };
        assert!(end(&blank).contains("text: (Claude ended its turn without a text.)"), "{text}");
    }
}
