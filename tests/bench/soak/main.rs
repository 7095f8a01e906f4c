//! Hours of steady traffic and regular faults: the real daemon, built as it is packaged and never restarted, against the
//! emulated Feishu, with the practice agent as Claude.
//!
//! `cargo bench --bench soak -- --minutes 60` prints what was measured, and fails when a message did not get its one
//! answer or when something grew: descriptors, threads and children have to be as few at the end as at the start;
//! memory and `mail.db` are judged in a run of 20 minutes and more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../rig.rs"]
mod rig;

mod people;
mod samples;
mod trouble;

use std::time::{Duration, Instant};

use phonework::emulator::EmulatorOptions;
use serde_json::json;

use people::People;
use rig::Rig;
use samples::Samples;
use trouble::Troubles;

const PEOPLE: usize = 12;
/// Two for each of the people; a quarter of them may be live, and none for long.
const SESSIONS: usize = 24;
const SEATS: usize = 6;
/// Between two messages, whoever writes them.
const TICK: Duration = Duration::from_millis(500);
/// Between two faults.
const TROUBLE: Duration = Duration::from_secs(10);
/// So long what is open may take to be answered when nothing goes wrong any more, and the daemon to become small.
const CALM: Duration = Duration::from_secs(180);

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--minutes").skip(1);
    let minutes = arguments.next().map_or(60, |minutes| minutes.parse().expect("--minutes takes a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let complaints = runtime.block_on(soak(Duration::from_secs(minutes * 60)));
    for complaint in &complaints {
        println!("NOT SO: {complaint}");
    }
    if !complaints.is_empty() {
        std::process::exit(1);
    }
    println!("Every message got its one answer, and nothing grew.");
}

async fn soak(length: Duration) -> Vec<String> {
    let feishu = EmulatorOptions {
        // Feishu waits 15 s and more before it sends an event again; here it is not the waiting that is tried.
        redelivery: vec![Duration::from_secs(2); 1000],
        ..EmulatorOptions::default()
    };
    let keyring = json!({ "MAX_LIVE_SESSIONS": SEATS, "IDLE_TIMEOUT": "15s", "APPROVAL_TIMEOUT": "5s" });
    let mut rig = Rig::with(PEOPLE, feishu, keyring).await;
    rig.sleeping(SESSIONS);
    rig.start().await;
    let mut people = People::new(&rig);
    // What is made once, such as the thread that makes processes, is not growth.
    people.everybody_says_hello(&rig);
    let mut complaints = answered(&rig, &people).await;
    let mut samples = Samples::new(length);
    samples.start(asleep(&rig, None).await);

    let (began, mut troubles) = (Instant::now(), Troubles::default());
    let (mut next_trouble, mut tick) = (began + TROUBLE, tokio::time::interval(TICK));
    while began.elapsed() < length {
        tick.tick().await;
        people.somebody_writes(&rig);
        people.decide(&rig);
        if Instant::now() >= next_trouble {
            troubles.next(&rig);
            next_trouble += TROUBLE;
        }
        if samples.is_due(began.elapsed()) {
            samples.add(samples::look(&rig, people.unanswered(&rig)));
        }
    }
    troubles.end(&rig);
    complaints.extend(answered(&rig, &people).await);
    let start = samples.first();
    samples.end(asleep(&rig, Some(start)).await);
    println!("{samples}");
    println!("{} messages, {troubles}", people.sent());
    complaints.extend(samples.growth(people.sent()));
    let status = rig.stop().await;
    if !status.success() {
        complaints.push(format!("the daemon ends with {status}"));
    }
    complaints.extend(people.judge(&rig));
    complaints
}

/// Waits until every message has its answer.
async fn answered(rig: &Rig, people: &People) -> Vec<String> {
    let until = Instant::now() + CALM;
    while people.unanswered(rig) > 0 && Instant::now() < until {
        tokio::time::sleep(TICK).await;
    }
    match people.unanswered(rig) {
        0 => Vec::new(),
        open => vec![format!("{open} messages have no answer")],
    }
}

/// Waits until no session is live any more and the daemon holds no more than it did, and looks then.
async fn asleep(rig: &Rig, before: Option<samples::Sample>) -> samples::Sample {
    let until = Instant::now() + CALM;
    let mut quiet = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sample = samples::look(rig, 0);
        let small = before.is_none_or(|before| sample.holds_no_more_than(&before));
        quiet = if sample.children == 0 && small { quiet + 1 } else { 0 };
        // A thread that blocks ends 10 s after its work, and Feishu's connections are kept for a while, too.
        if quiet > 20 || Instant::now() >= until {
            return sample;
        }
    }
}
