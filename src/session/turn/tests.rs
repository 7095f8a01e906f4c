use std::collections::BTreeMap;

use super::*;
use crate::claude::wire::FileChange;
use serde_json::json;

fn turn(now: Instant) -> Turn {
    Turn::new(None, Duration::from_secs(300), now)
}

fn said(message: &str, blocks: Vec<ContentBlock>) -> Assistant {
    Assistant { message_id: Some(message.into()), blocks, ..Assistant::default() }
}

fn text(text: &str) -> ContentBlock {
    ContentBlock::Text(text.into())
}

fn tool(id: &str) -> ContentBlock {
    ContentBlock::ToolUse { id: id.into(), name: "Bash".into(), input: json!({"command": "make"}) }
}

fn all(turn: &Turn) -> String {
    turn.said(usize::MAX).0
}

#[test]
fn a_text_is_seen_while_it_is_written_and_once_when_it_is_complete() {
    let now = Instant::now();
    let mut turn = turn(now);
    turn.message_begins();
    let mut seen = Vec::new();
    for piece in ["I lo", "ok at ", "it."] {
        turn.stream(0, piece);
        seen.push(all(&turn));
    }
    assert_eq!(seen, ["I lo", "I look at ", "I look at it."]);
    turn.add_message(said("m1", vec![text("I look at it.")]), now);
    assert_eq!(all(&turn), "I look at it.");
    // Claude Code may still send pieces of a text that is complete already.
    turn.stream(0, "it.");
    turn.stream(1, "Then ");
    assert_eq!(all(&turn), "I look at it.\n\nThen ");
    turn.message_begins();
    assert_eq!(all(&turn), "I look at it.");
}

#[test]
fn an_unfinished_text_is_part_of_the_answer() {
    let now = Instant::now();
    let mut turn = turn(now);
    turn.add_message(said("m1", vec![text("First.")]), now);
    turn.message_begins();
    turn.stream(0, "And sec");
    assert_eq!(turn.finish(TurnOutcome::Stopped, None, now).text, "First.\n\nAnd sec");
}

#[test]
fn a_text_continued_after_a_length_limit_is_seen_as_one() {
    let now = Instant::now();
    let mut turn = turn(now);
    turn.add_message(said("m1", vec![text("one, tw")]), now);
    turn.cut_off();
    turn.message_begins();
    turn.stream(0, "o, three");
    assert_eq!(all(&turn), "one, two, three");
    turn.add_message(said("m2", vec![text("o, three")]), now);
    assert_eq!(all(&turn), "one, two, three");
}

#[test]
fn the_end_of_the_text_is_cut_between_characters() {
    let now = Instant::now();
    let mut turn = turn(now);
    turn.add_message(said("m1", vec![text("语言")]), now);
    turn.add_message(said("m2", vec![text("abc")]), now);
    let ends: Vec<_> = [0, 2, 3, 4, 6, 8, 9].map(|most| turn.said(most)).into();
    let expected =
        [("", 9), ("bc", 7), ("abc", 6), ("abc", 6), ("言\n\nabc", 3), ("言\n\nabc", 3), ("语言\n\nabc", 0)];
    assert_eq!(ends, expected.map(|(text, left_out)| (text.to_owned(), left_out)));
}

#[test]
fn a_tool_runs_from_its_use_to_its_end_and_what_it_changed_is_kept() {
    let now = Instant::now();
    let mut turn = turn(now);
    let later = |seconds| now + Duration::from_secs(seconds);
    turn.add_message(said("m1", vec![tool("t1")]), later(1));
    turn.add_message(Assistant { subagent: true, ..said("m2", vec![tool("t2")]) }, later(2));
    let running = turn.running_tool().map(|tool| (tool.id.as_str(), tool.after));
    assert_eq!(running, Some(("t1", Duration::from_secs(1))));
    let change = FileChange { path: "/p/a".into(), added: 2, removed: 1, ..FileChange::default() };
    let end = |id: &str| ToolEnd { tool_use_id: id.into(), file: Some(change.clone()), ..ToolEnd::default() };
    turn.tool_ended(end("t1"), later(3));
    turn.tool_ended(end("t2"), later(4));
    turn.tool_ended(end("t3"), later(5));
    assert_eq!(turn.running_tool(), None);
    let done = turn.finish(TurnOutcome::Answered, None, later(6));
    let ends: Vec<_> = done.tools.iter().map(|tool| tool.end.as_ref().unwrap().0.as_secs()).collect();
    assert_eq!(ends, [3, 4]);
    assert_eq!(done.files(), BTreeMap::from([("/p/a", (4, 2))]));
}

#[test]
fn the_clock_is_paused_until_the_last_request_is_decided() {
    let now = Instant::now();
    let mut turn = turn(now);
    let later = |seconds| now + Duration::from_secs(seconds);
    let request = |id: &str| PermissionRequest { request_id: id.into(), ..PermissionRequest::default() };
    let hour = Duration::from_secs(3600);
    for id in ["r1", "r2"] {
        turn.ask(request(id), hour, later(100));
    }
    assert_eq!(turn.due(), Some(later(100 + 1800)));
    turn.decide("r1", RequestOutcome::Allowed, later(1000));
    assert!(!turn.is_over_time(later(1600)));
    turn.decide("r2", RequestOutcome::Allowed, later(1600));
    assert!(!turn.is_over_time(later(1799)));
    assert!(turn.is_over_time(later(1800)));
}
