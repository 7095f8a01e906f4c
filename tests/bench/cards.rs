//! What cards cost: the calls to Feishu that live turns take, and the time until the first words are on the phone. It
//! measures the real daemon, built as it is packaged, with the emulated Feishu and its rate limits, and the practice
//! agent in place of Claude.
//!
//! `cargo bench --bench cards` takes seven minutes and prints a table. It asserts only that Feishu refused no call.
//! `cargo bench --bench cards -- --minutes 30` measures one turn of 30 minutes with 500 tools and 2 MB of output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod rig;
mod table;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use phonework::emulator::{ApiCall, Emulator, EmulatorOptions, ShownMessage};
use serde_json::json;

use rig::Rig;
use table::Table;

/// Number of turns of each short kind.
const TURNS: usize = 10;
/// The scope that lets the text of a card be typed out.
const SCOPE: &str = "cardkit:card:write";

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--minutes").skip(1);
    let minutes = arguments.next().map(|minutes| minutes.parse().expect("--minutes takes a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut table = Table::default();
    if let Some(minutes) = minutes {
        runtime.block_on(long(&mut table, minutes));
        return println!("{table}");
    }
    runtime.block_on(async {
        for (how, scope) in [("typed out", true), ("redrawn", false)] {
            let mut rig = Rig::with(1, EmulatorOptions::default(), json!({})).await;
            if !scope {
                rig.emulator.withhold_scope(SCOPE);
            }
            rig.suspended(1);
            rig.start().await;
            turn(&rig, "echo warm", Duration::from_secs(30)).await;
            let mut first = Vec::new();
            kind(&rig, &mut table, &format!("{how}: calls, a trivial turn"), "echo hello", TURNS, None).await;
            let tools = format!("{how}: calls, 5 tools in 10 s");
            kind(&rig, &mut table, &tools, "work 5 1000 in 10", TURNS / 2, None).await;
            let text = format!("{how}: calls, a text of 600 words in 2 min");
            kind(&rig, &mut table, &text, "stream 600 words in 120", 1, Some(&mut first)).await;
            for _ in 0..TURNS {
                turn_with_first(&rig, "stream 30 words in 3", &mut first).await;
            }
            table.times(&format!("{how}: message pushed → first words on the phone"), first);
            rig.end().await;
        }
    });
    println!("{table}");
}

/// One turn of this many minutes. Feishu ends the streaming of text after ten of them.
async fn long(table: &mut Table, minutes: u64) {
    let keyring = json!({ "TURN_TIMEOUT": format!("{}m", minutes + 10) });
    let mut rig = Rig::with(1, EmulatorOptions::default(), keyring).await;
    rig.suspended(1);
    rig.start().await;
    turn(&rig, "work 5 4096", Duration::from_secs(60)).await;
    let (made, began) = (rig.emulator.api_calls().len(), Timestamp::now());
    let prompt = format!("work 500 4096 in {}", minutes * 60);
    let mut over = Box::pin(turn(&rig, &prompt, Duration::from_secs((minutes + 5) * 60)));
    let mut resident = vec![rig.memory().resident as f64];
    loop {
        tokio::select! {
            () = &mut over => break,
            () = tokio::time::sleep(Duration::from_secs(10)) => resident.push(rig.memory().resident as f64),
        }
    }
    drop(over);
    let calls = rig.emulator.api_calls().split_off(made);
    let refused = refused(&calls);
    println!("refused: {refused:#?}");
    let of_minute = |minute: i64| {
        let since = |call: &&ApiCall| call.at.duration_since(began).as_secs() / 60 == minute;
        calls.iter().filter(|call| is_for_chat(call)).filter(since).count() as f64
    };
    table.add("calls in a minute of the turn", "", (0..).take(minutes as usize).map(of_minute));
    let (first, last) = (resident[0], resident[resident.len() - 1]);
    table.add("resident memory before, and at the end", "kB", vec![first, last]);
    table.add("resident memory every 10 s", "kB", resident);
    rig.end().await;
}

fn is_for_chat(call: &ApiCall) -> bool {
    call.path.contains("/messages") || call.path.contains("/cardkit/")
}

fn refused(calls: &[ApiCall]) -> Vec<&ApiCall> {
    calls.iter().filter(|call| call.code.is_some_and(|code| code != 0) && !is_scope(call)).collect()
}

/// Measures the calls of this many turns of one kind.
async fn kind(
    rig: &Rig,
    table: &mut Table,
    name: &str,
    prompt: &str,
    turns: usize,
    mut first: Option<&mut Vec<Duration>>,
) {
    let mut calls = Vec::new();
    for _ in 0..turns {
        let before = rig.emulator.api_calls().len();
        match &mut first {
            Some(first) => turn_with_first(rig, prompt, first).await,
            None => turn(rig, prompt, Duration::from_secs(60)).await,
        }
        let made: Vec<ApiCall> = rig.emulator.api_calls().split_off(before);
        let refused = refused(&made);
        assert!(refused.is_empty(), "{refused:#?}");
        calls.push(made.iter().filter(|call| is_for_chat(call)).count() as f64);
    }
    table.add(name, "", calls);
}

/// Whether a call was refused because the app may not create entities. That happens once an hour.
fn is_scope(call: &ApiCall) -> bool {
    call.path.contains("/cardkit/") && call.code == Some(99_991_672)
}

/// Runs a turn until its end is in the chat and nothing is unfinished.
async fn turn(rig: &Rig, prompt: &str, patience: Duration) {
    let (user, chat) = &rig.people[0];
    let over = |shown: &[ShownMessage]| shown.iter().filter(|shown| is_end(shown)).count();
    let before = over(&rig.emulator.shown(chat));
    rig.emulator.say(user, chat, prompt);
    let ended = |emulator: &Emulator| (over(&emulator.shown(chat)) > before).then_some(());
    rig.emulator.wait_for(ended, patience).await.expect("the turn ends");
    // The final update of a card further up may come a little later.
    let settled =
        |emulator: &Emulator| emulator.shown(chat).iter().all(|shown| !shown.is_unfinished()).then_some(());
    rig.emulator.wait_for(settled, patience).await.expect("nothing goes on");
}

async fn turn_with_first(rig: &Rig, prompt: &str, first: &mut Vec<Duration>) {
    let chat = &rig.people[0].1;
    let before = rig.emulator.shown(chat).len();
    let began = Instant::now();
    let words = |shown: &ShownMessage| shown.from_bot() && !shown.answer().is_empty();
    let shown =
        |emulator: &Emulator| emulator.shown(chat).iter().skip(before).any(words).then(|| began.elapsed());
    let (seen, ()) = tokio::join!(
        rig.emulator.wait_for(shown, Duration::from_secs(60)),
        turn(rig, prompt, Duration::from_secs(180))
    );
    first.push(seen.expect("words on the phone"));
}

/// Whether a message is the card of a turn that has ended: it has a button to continue.
fn is_end(shown: &ShownMessage) -> bool {
    shown.from_bot() && shown.buttons().contains(&"Continue")
}
