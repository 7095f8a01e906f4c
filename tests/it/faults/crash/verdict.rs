//! What must be so at the end of a day, whatever went wrong in it.

use std::collections::BTreeMap;

use phonework::emulator::ShownMessage;

use super::day::{Evidence, GATE, IN_TWO, LATE, PLAIN, RECALLED, long};

/// The sentences that are broken.
pub(super) fn broken(evidence: &Evidence) -> Vec<String> {
    let mut broken: Vec<String> = evidence.broken_chains.clone();
    if !evidence.plan.deaths.contains(&evidence.deaths) {
        broken.push(format!("the daemon died {} times, not {:?}", evidence.deaths, evidence.plan.deaths));
    }
    let heard = evidence.chats.iter().flatten().filter(|shown| shown.from_bot() && !shown.is_unfinished());
    let heard: Vec<String> = heard.map(ShownMessage::answer).collect();
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    no_prompt_is_run_twice(evidence, &mut broken);
    every_turn_has_one_ending(evidence, &heard, &mut broken);
    the_long_answer_is_whole(evidence, &mut broken);
    commands_are_followed_once(&heard, &mut broken);
    broken
}

fn no_prompt_is_run_twice(evidence: &Evidence, broken: &mut Vec<String>) {
    let mut given: BTreeMap<&str, usize> = BTreeMap::new();
    for prompt in &evidence.journal {
        *given.entry(prompt).or_default() += 1;
    }
    for (prompt, times) in given {
        let most = if evidence.retried && prompt == long() { 2 } else { 1 };
        if times > most {
            broken.push(format!("run {times} times: {:.40}", prompt));
        }
        if prompt == RECALLED && evidence.taken_back_in_time {
            broken.push("a message that was taken back in time was run".to_owned());
        }
    }
}

/// One line in the audit log, and one answer or one notice on the phone.
fn every_turn_has_one_ending(evidence: &Evidence, heard: &[&str], broken: &mut Vec<String>) {
    for prompt in PLAIN.into_iter().chain([GATE, RECALLED]) {
        let lines = evidence.audit.iter().filter(|line| line["prompt"] == prompt);
        let outcomes: Vec<&str> = lines.map(|line| line["outcome"].as_str().unwrap_or_default()).collect();
        let told = format!("interrupted while this was running: “{prompt}”");
        let told = heard.iter().filter(|text| text.contains(&told)).count();
        let token = prompt.split_whitespace().last().unwrap_or_default();
        let answer = |text: &&&str| **text == token || text.contains(&format!("said:\n{token}"));
        let answers = heard.iter().filter(answer).count();
        let as_it_should = match outcomes[..] {
            ["answered"] => (answers, told) == (1, 0),
            ["cut"] => (answers, told) == (0, 1) && evidence.deaths > 0,
            [] => prompt == RECALLED && (answers, told) == (0, 0),
            _ => false,
        };
        if !as_it_should {
            broken.push(format!("{prompt}: {outcomes:?}, {answers} answers, told {told} times"));
        }
    }
    let of_two = evidence.audit.iter().filter(|line| line["prompt"] == IN_TWO || line["prompt"] == GATE);
    let mut sessions: Vec<&str> = of_two.filter_map(|line| line["conv_id"].as_str()).collect();
    sessions.dedup();
    if sessions.len() != 1 {
        broken.push(format!("what was said to one session went to {sessions:?}"));
    }
    let asked = asked_about_late(heard);
    if asked == 0 || (evidence.deaths == 0 && asked > 1) {
        broken.push(format!("asked {asked} times about {LATE:?}"));
    }
}

/// The cards that ask, or asked, what becomes of what came too late.
pub(super) fn asked_about_late(heard: &[impl AsRef<str>]) -> usize {
    let says =
        ["after you sent it, because I was offline", "it will ask again", "Asked again below", "Run: 1."];
    heard.iter().filter(|text| says.iter().any(|words| text.as_ref().contains(words))).count()
}

fn the_long_answer_is_whole(evidence: &Evidence, broken: &mut Vec<String>) {
    let prompt = long();
    let wanted = prompt.trim_start_matches("echo ");
    let lines = evidence.audit.iter().filter(|line| line["prompt"] == prompt.as_str());
    let outcomes: Vec<&str> = lines.map(|line| line["outcome"].as_str().unwrap_or_default()).collect();
    let expected: &[&str] = if evidence.retried { &["cut", "answered"] } else { &["answered"] };
    if outcomes != expected {
        broken.push(format!("the long one ended as {outcomes:?}"));
    }
    let parts = evidence.chats[1].iter().filter(|shown| {
        shown.from_bot() && shown.answer().starts_with("ming-long") && !shown.is_unfinished()
    });
    let (heads, bodies): (Vec<String>, Vec<String>) =
        parts.map(|shown| (shown.text.lines().next().unwrap_or_default().to_owned(), shown.answer())).unzip();
    let lines = bodies.iter().flat_map(|body| body.lines());
    if heads != ["[1/3]", "[2/3]", "[3/3]"] || !lines.clone().eq(wanted.lines()) {
        let lines = lines.count();
        broken
            .push(format!("the long answer came as {heads:?}, {lines} of {} lines", wanted.lines().count()));
    }
}

fn commands_are_followed_once(heard: &[&str], broken: &mut Vec<String>) {
    let said = |words: &str| heard.iter().filter(|text| text.contains(words)).count();
    let times = [
        "(one) is open",
        "(two) is open",
        "(three) is open",
        "(two) is now active here",
        "in one is closed",
        "1. two",
        "There is no session",
        "no active session",
    ]
    .map(said);
    if times != [1, 1, 1, 2, 1, 1, 0, 0] || said("(four) is open") + said("in four is closed") != 2 {
        broken.push(format!("commands were answered otherwise than once: {times:?}"));
    }
}
