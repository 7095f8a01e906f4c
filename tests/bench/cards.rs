//! What cards cost: the calls to Feishu of turns that are shown while they run, and how long the first words take to the
//! phone. The real daemon, built for release, against the emulated Feishu with its rates, with the practice agent as
//! Claude.
//!
//! `cargo bench --bench cards` takes five minutes, prints a table and asserts nothing but that Feishu refused no call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod rig;
mod table;

use std::time::{Duration, Instant};

use phonework::emulator::{ApiCall, Emulator, Options, Shown};
use serde_json::json;

use rig::Rig;
use table::Table;

/// Turns of each short kind.
const TURNS: usize = 10;
/// The scope by which the text of a card is typed out.
const SCOPE: &str = "cardkit:card:write";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut table = Table::default();
    runtime.block_on(async {
        for (how, scope) in [("typed out", true), ("redrawn", false)] {
            let mut rig = Rig::with(1, Options::default(), json!({})).await;
            if !scope {
                rig.emulator.withhold_scope(SCOPE);
            }
            rig.sleeping(1);
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

/// So many turns of one kind.
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
        let speaks = |call: &&ApiCall| call.path.contains("/messages") || call.path.contains("/cardkit/");
        let refused: Vec<_> =
            made.iter().filter(|call| call.code.is_some_and(|code| code != 0) && !is_scope(call)).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        calls.push(made.iter().filter(speaks).count() as f64);
    }
    table.add(name, "", calls);
}

/// A call that was refused because the app may not make entities: once, and then not for an hour.
fn is_scope(call: &ApiCall) -> bool {
    call.path.contains("/cardkit/") && call.code == Some(99_991_672)
}

/// A turn, until its end is in the chat and nothing more comes of it.
async fn turn(rig: &Rig, prompt: &str, patience: Duration) {
    let (user, chat) = &rig.people[0];
    let over = |shown: &[Shown]| shown.iter().filter(|shown| is_end(shown)).count();
    let before = over(&rig.emulator.shown(chat));
    rig.emulator.say(user, chat, prompt);
    let ended = |emulator: &Emulator| (over(&emulator.shown(chat)) > before).then_some(());
    rig.emulator.wait_for(ended, patience).await.expect("the turn ends");
    // The last word of a card that is above may come a little later.
    let settled =
        |emulator: &Emulator| emulator.shown(chat).iter().all(|shown| !shown.is_unfinished()).then_some(());
    rig.emulator.wait_for(settled, patience).await.expect("nothing goes on");
}

async fn turn_with_first(rig: &Rig, prompt: &str, first: &mut Vec<Duration>) {
    let chat = &rig.people[0].1;
    let before = rig.emulator.shown(chat).len();
    let began = Instant::now();
    let words = |shown: &Shown| shown.from_bot() && !shown.answer().is_empty();
    let shown =
        |emulator: &Emulator| emulator.shown(chat).iter().skip(before).any(words).then(|| began.elapsed());
    let (seen, ()) = tokio::join!(
        rig.emulator.wait_for(shown, Duration::from_secs(60)),
        turn(rig, prompt, Duration::from_secs(180))
    );
    first.push(seen.expect("words on the phone"));
}

/// The card of a turn that is over has a button to go on.
fn is_end(shown: &Shown) -> bool {
    shown.from_bot() && shown.buttons().contains(&"Continue")
}
