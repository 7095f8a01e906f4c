//! Hours of steady traffic and regular faults for one daemon that is never restarted: the real daemon, built as it is
//! packaged, with the emulated Feishu, and the practice agent in place of Claude.
//!
//! `cargo bench --bench soak -- --minutes 60` prints its samples. It fails when a message did not get its one answer, or
//! when something grew: there must be no more descriptors, threads and children at the end than at the start. Memory
//! and `mail.db` are judged in a run of at least 20 minutes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../rig.rs"]
mod rig;

mod faults;
mod people;
mod samples;

use std::time::{Duration, Instant};

use phonework::emulator::EmulatorOptions;
use serde_json::json;

use faults::Faults;
use people::People;
use rig::Rig;
use samples::Samples;

const PEOPLE: usize = 12;
/// Two for each person. A quarter of them may be live, and none for long.
const SESSIONS: usize = 24;
const MAX_LIVE_SESSIONS: usize = 6;
/// The time between two messages of anybody.
const MESSAGE_INTERVAL: Duration = Duration::from_millis(500);
/// The time between two faults.
const FAULT_INTERVAL: Duration = Duration::from_secs(10);
/// How long, after the last fault, open messages may take to be answered and the daemon to shrink.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(180);

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--minutes").skip(1);
    let minutes = arguments.next().map_or(60, |minutes| minutes.parse().expect("--minutes takes a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let complaints = runtime.block_on(soak(Duration::from_secs(minutes * 60)));
    for complaint in &complaints {
        println!("FAILED: {complaint}");
    }
    if !complaints.is_empty() {
        std::process::exit(1);
    }
    println!("Every message got its one answer, and nothing grew.");
}

async fn soak(length: Duration) -> Vec<String> {
    let feishu = EmulatorOptions {
        // Feishu waits for at least 15 s before it pushes an event again. Waiting is not what is tested here.
        redelivery: vec![Duration::from_secs(2); 1000],
        ..EmulatorOptions::default()
    };
    let keyring =
        json!({ "MAX_LIVE_SESSIONS": MAX_LIVE_SESSIONS, "IDLE_TIMEOUT": "15s", "APPROVAL_TIMEOUT": "5s" });
    let mut rig = Rig::with(PEOPLE, feishu, keyring).await;
    rig.suspended(SESSIONS);
    rig.start().await;
    let mut people = People::new(&rig);
    // What is created once, such as the thread that starts processes, is not growth.
    people.everybody_says_hello(&rig);
    let mut complaints = answered(&rig, &people).await;
    let mut samples = Samples::new(length);
    samples.start(asleep(&rig, None).await);

    let (began, mut faults) = (Instant::now(), Faults::default());
    let (mut next_fault, mut tick) = (began + FAULT_INTERVAL, tokio::time::interval(MESSAGE_INTERVAL));
    while began.elapsed() < length {
        tick.tick().await;
        people.somebody_writes(&rig);
        people.decide(&rig);
        if Instant::now() >= next_fault {
            faults.next(&rig);
            next_fault += FAULT_INTERVAL;
        }
        if samples.is_due(began.elapsed()) {
            samples.add(samples::sample(&rig, people.unanswered(&rig)));
        }
    }
    faults.end(&rig);
    complaints.extend(answered(&rig, &people).await);
    let start = samples.first();
    samples.end(asleep(&rig, Some(start)).await);
    println!("{samples}");
    println!("{} messages, {faults}", people.sent());
    complaints.extend(samples.growth(people.sent()));
    let status = rig.stop().await;
    if !status.success() {
        complaints.push(format!("the daemon ends with {status}"));
    }
    complaints.extend(people.judge(&rig));
    complaints
}

/// Waits until every message has its answer; what has none.
async fn answered(rig: &Rig, people: &People) -> Vec<String> {
    let until = Instant::now() + SETTLE_TIMEOUT;
    while people.unanswered(rig) > 0 && Instant::now() < until {
        tokio::time::sleep(MESSAGE_INTERVAL).await;
    }
    match people.unanswered(rig) {
        0 => Vec::new(),
        open => vec![format!("{open} messages have no answer")],
    }
}

/// Waits until no session is live and the daemon holds no more than before, and takes a sample then.
async fn asleep(rig: &Rig, before: Option<samples::Sample>) -> samples::Sample {
    let until = Instant::now() + SETTLE_TIMEOUT;
    let mut quiet = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sample = samples::sample(rig, 0);
        let small = before.is_none_or(|before| sample.holds_no_more_than(&before));
        quiet = if sample.children == 0 && small { quiet + 1 } else { 0 };
        // An idle blocking thread ends after 10 s, and connections to Feishu are kept for a while too.
        if quiet > 20 || Instant::now() >= until {
            return sample;
        }
    }
}
