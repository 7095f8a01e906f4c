//! The way to a running agent and back, and the calls that a turn takes.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use phonework::emulator::ApiCall;

use crate::rig::{PATIENCE, Rig};
use crate::table::{Table, quantile};

const TURNS: usize = 400;
/// As many as there may be live sessions.
const PEOPLE: usize = 8;
/// The time between two turns: the daemon sends 5 messages a second to one chat, and 50 in all.
const PAUSE: Duration = Duration::from_millis(30);
const TURNS_WITH_SUSPENDED: usize = 150;
const SUSPENDED_SESSIONS: usize = 10_000;

/// What a trivial turn took.
struct Turn {
    /// The time from the push of the event until the agent read the prompt.
    there: Duration,
    /// The time from when the agent wrote its result until the call reached Feishu.
    back: Duration,
    /// Number of requests of every kind that reached Feishu.
    calls: u64,
}

/// Measures both directions, the calls, and the memory after a hundred turns.
pub(crate) async fn directions(table: &mut Table) {
    let mut rig = Rig::new(PEOPLE).await;
    rig.suspended(PEOPLE);
    rig.start().await;
    // The first turn of each person starts their agent.
    for person in 0..PEOPLE {
        turn(&rig, person).await;
    }
    let mut turns = Vec::new();
    for nth in 0..TURNS {
        turns.push(turn(&rig, nth % PEOPLE).await);
        if nth == 100 {
            crate::footprint::memory(table, "after 100 turns, 8 agents live", &[rig.memory()]);
        }
    }
    rig.end().await;
    table.times("message pushed → prompt read by a warm agent", turns.iter().map(|turn| turn.there));
    table.times("result written by the agent → answer at Feishu", turns.iter().map(|turn| turn.back));
    table.add("calls to Feishu for a trivial turn", "", turns.iter().map(|turn| turn.calls as f64));
}

/// Measures the same turns alternately at two daemons, one of them with many suspended sessions.
pub(crate) async fn many_suspended(table: &mut Table) {
    let mut rigs = [Rig::new(PEOPLE).await, Rig::new(PEOPLE).await];
    rigs[0].suspended(PEOPLE);
    rigs[1].suspended(SUSPENDED_SESSIONS);
    let mut took = [Vec::new(), Vec::new()];
    for rig in &mut rigs {
        rig.start().await;
        for person in 0..PEOPLE {
            turn(rig, person).await;
        }
    }
    for nth in 0..TURNS_WITH_SUSPENDED {
        for (rig, took) in rigs.iter().zip(&mut took) {
            let turn = turn(rig, nth % PEOPLE).await;
            took.push((turn.there + turn.back).as_secs_f64() * 1e3);
        }
    }
    for rig in &mut rigs {
        rig.end().await;
    }
    let medians = took.each_mut().map(|took| {
        took.sort_by(f64::total_cmp);
        quantile(took, 0.5)
    });
    let [few, many] = took;
    table.add("both ways, one session each", "ms", few);
    table.add("both ways, 10,000 sleeping sessions", "ms", many);
    table.add("  the second median by the first", "", [medians[1] / medians[0]]);
}

async fn turn(rig: &Rig, person: usize) -> Turn {
    let (user, chat) = &rig.people[person];
    let before = last_call(rig);
    let message = rig.emulator.say(user, chat, "stamp");
    let until = Instant::now() + PATIENCE;
    let (pushed, (read, wrote, arrived)) = loop {
        // A poll takes the emulator's time, so none is made while the message is on its way.
        tokio::time::sleep(PAUSE).await;
        let calls = rig.emulator.api_calls();
        let stamped = calls.iter().filter(|call| call.number > before).find_map(stamp);
        let acks = rig.emulator.acks();
        let ack = acks.iter().rev().find(|ack| ack.message_id.as_ref() == Some(&message));
        if let Some((ack, stamped)) = ack.zip(stamped) {
            break (ack.pushed.as_nanosecond(), stamped);
        }
        assert!(Instant::now() < until, "no answer, or no ack\n{}", rig.log());
    };
    let between = |from: i128, to: i128| Duration::from_nanos(u64::try_from(to - from).unwrap_or_default());
    Turn {
        there: between(pushed, read),
        back: between(wrote, arrived.as_nanosecond()),
        calls: last_call(rig) - before,
    }
}

fn last_call(rig: &Rig) -> u64 {
    rig.emulator.api_calls().last().map_or(0, |call| call.number)
}

/// The two times in the practice agent's answer, and the time at which the call came.
fn stamp(call: &ApiCall) -> Option<(i128, i128, Timestamp)> {
    let content = call.request["content"].as_str()?;
    let (read, wrote) = content.split_once("read ")?.1.split_once(" wrote ")?;
    // The rest of the card follows it.
    let wrote = wrote.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((read.parse().ok()?, wrote.parse().ok()?, call.at))
}
