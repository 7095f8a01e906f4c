use super::super::tests::*;
use super::*;
use crate::claude::wire::{Assistant, ContentBlock as Said, ToolEnd};
use crate::session::turn::TurnOutcome;
use serde_json::{Value, json};

/// A turn in which something happens every second.
struct Running {
    turn: Turn,
    now: Instant,
}

impl Running {
    fn new() -> Self {
        let now = Instant::now();
        Self { turn: Turn::new(Some(prompt()), Duration::from_secs(300), now), now }
    }

    fn says(&mut self, text: &str) {
        self.hears(Said::Text(text.to_owned()));
    }

    fn uses(&mut self, id: &str, name: &str, input: Value) {
        self.hears(Said::ToolUse { id: id.to_owned(), name: name.to_owned(), input });
    }

    fn hears(&mut self, block: Said) {
        self.now += Duration::from_secs(1);
        self.turn.add_message(Assistant { blocks: vec![block], ..Assistant::default() }, self.now);
    }

    fn ends(&mut self, id: &str, is_error: bool) {
        self.now += Duration::from_secs(1);
        let end = ToolEnd { tool_use_id: id.to_owned(), is_error, ..ToolEnd::default() };
        self.turn.tool_ended(end, self.now);
    }

    fn shown(&self) -> String {
        told(|context| document(context, &self.turn, self.now))
    }
}

#[test]
fn a_running_turn_shows_its_tool_calls_and_its_text() {
    let mut running = Running::new();
    running.says("I look at it.");
    for n in 0..5 {
        let id = n.to_string();
        running.uses(&id, "Bash", json!({"command": format!("echo {n}")}));
        running.ends(&id, n == 3);
    }
    running.now += Duration::from_secs(60);
    running.uses("last", "Edit", json!({"file_path": "/home/ann/shop/src/a.rs"}));
    running.turn.stream(1, "And now");
    running.now += Duration::from_secs(150);
    insta::assert_snapshot!(running.shown());
}

#[test]
fn a_turn_that_has_just_started_says_that_claude_is_working() {
    insta::assert_snapshot!(Running::new().shown());
}

#[test]
fn a_turn_with_an_open_request_says_that_it_waits() {
    let mut running = Running::new();
    running.uses("t", "Bash", json!({"command": "make"}));
    running.turn.ask(bash().permission, Duration::from_secs(600), running.now);
    insta::assert_snapshot!(running.shown());
}

#[test]
fn a_turn_that_is_being_stopped_cannot_be_stopped_again() {
    let mut running = Running::new();
    running.turn.ending = Some(TurnOutcome::Stopped);
    insta::assert_snapshot!(running.shown());
}

#[test]
fn the_end_of_a_long_text_is_shown_and_mostly_only_grows() {
    let mut running = Running::new();
    let mut before = String::new();
    let (mut typed_out, mut redrawn) = (0, 0);
    for n in 0..20_000 {
        running.turn.stream(0, &format!("line {n} 字\n"));
        if n % 20 != 0 {
            continue;
        }
        let document = in_english(|context| document(context, &running.turn, running.now));
        let text = document
            .blocks
            .iter()
            .find_map(|block| if let Block::Stream { text } = block { Some(text.clone()) } else { None });
        let text = text.unwrap();
        assert!(text.len() <= 8 << 10, "{}", text.len());
        assert!(text.ends_with(&format!("line {n} 字\n")));
        *(if text.starts_with(&before) { &mut typed_out } else { &mut redrawn }) += 1;
        before = text;
    }
    assert!(typed_out > 10 * redrawn, "{typed_out} typed out, {redrawn} drawn anew");
}

#[test]
fn the_card_of_a_long_turn_stays_small() {
    let mut running = Running::new();
    for n in 0..500 {
        let id = n.to_string();
        running.says(&"字\n".repeat(1000));
        running.uses(&id, "Bash", json!({"command": "x".repeat(10_000)}));
        running.ends(&id, false);
    }
    let shown = running.shown();
    assert!(shown.len() < 24 << 10, "{} bytes for both languages", shown.len());
    assert!(shown.contains("+497 earlier"));
}
