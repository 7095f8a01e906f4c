//! How long the daemon takes to recover from a fault: from the end of the cause (or from its beginning, where the daemon
//! has to notice it) to the connection, and to the answer of a message that waited.
//!
//! `cargo bench --bench recovery` prints a table and asserts nothing. It takes a quarter of an hour and needs root: it
//! runs in its own network namespace, whose loopback drops every packet during an outage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod rig;
mod table;

use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use phonework::emulator::{ConnectionEnding, Emulator};

use rig::Rig;
use table::Table;

/// Ends a run that hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Number of daemons that go through the same outage.
const DAEMONS: usize = 8;
const REPETITIONS: usize = 20;
const OUTAGE: Duration = Duration::from_secs(5 * 60);

fn main() {
    if !is_in_its_own_network() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut table = Table::default();
    runtime.block_on(recovery(&mut table));
    println!("{table}");
}

/// Starts this program again in its own network namespace, unless it runs in one already.
fn is_in_its_own_network() -> bool {
    const MARK: &str = "BENCH_IN_ITS_OWN_NETWORK";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let script = "ip link set lo up && exec \"$0\"";
    let program = std::env::current_exe().unwrap();
    let status =
        Command::new("unshare").args(["--net", "sh", "-c", script]).arg(program).env(MARK, "1").status();
    assert!(status.expect("unshare runs").success());
    false
}

async fn recovery(table: &mut Table) {
    resets(table).await;
    revoked_tokens(table).await;
    kills(table).await;
    for (name, outage) in [("packets swallowed for 1 min", OUTAGE / 5), ("5 min of outage", OUTAGE)] {
        outages(table, name, outage).await;
    }
    half_open(table).await;
}

async fn resets(table: &mut Table) {
    let rig = ready().await;
    let mut took = Vec::new();
    for _ in 0..REPETITIONS {
        // After two losses in quick succession the daemon waits on purpose.
        tokio::time::sleep(Duration::from_secs(11)).await;
        let before = rig.emulator.connections_made();
        let began = Instant::now();
        rig.emulator.drop_connections(ConnectionEnding::Reset);
        took.push(since(&rig, began, |emulator| emulator.connections_made() > before).await);
    }
    table.times("socket reset → connected", took);
}

async fn revoked_tokens(table: &mut Table) {
    let rig = ready().await;
    let (mut usual, mut revoked) = (Vec::new(), Vec::new());
    for nth in 0..REPETITIONS {
        usual.push(answered(&rig, Instant::now(), &format!("echo usual {nth}")).await);
        rig.emulator.expire_tokens();
        revoked.push(answered(&rig, Instant::now(), &format!("echo revoked {nth}")).await);
        // One chat gets at most five messages a second.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    table.times("message → answer, as usual", usual);
    table.times("message → answer, the token revoked before", revoked);
}

async fn kills(table: &mut Table) {
    let mut rig = ready().await;
    let (mut connected, mut told) = (Vec::new(), Vec::new());
    for nth in 0..REPETITIONS {
        let (user, chat) = rig.people[0].clone();
        let before = rig.emulator.shown(&chat).len();
        rig.emulator.say(&user, &chat, &format!("slow 360{nth}"));
        let turns = nth + 1;
        while rig.log().matches("turn started").count() < 2 * turns {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rig.kill().await;
        let began = Instant::now();
        connected.push(rig.start().await);
        told.push(since(&rig, began, |emulator| emulator.shown(&chat).len() > before + 1).await);
        answered(&rig, began, &format!("echo well {nth}")).await;
    }
    table.times("killed and started → connected", connected);
    table.times("killed and started → told that the turn was cut", told);
}

/// Existing connections are dead, and new ones work.
async fn half_open(table: &mut Table) {
    let rigs = join_all((0..DAEMONS).map(|_| ready())).await;
    let took = join_all(rigs.iter().map(|rig| async move {
        let before = rig.emulator.connections_made();
        let began = Instant::now();
        rig.emulator.stall(true);
        since(rig, began, |emulator| emulator.connections_made() > before).await
    }));
    table.times("half-open socket → connected", took.await);
}

/// No packet gets through, and an answer becomes ready meanwhile.
async fn outages(table: &mut Table, name: &str, outage: Duration) {
    let rigs = join_all((0..DAEMONS).map(|_| ready())).await;
    for rig in &rigs {
        let (user, chat) = &rig.people[0];
        rig.emulator.say(user, chat, "slow 10");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop_packets(true);
    tokio::time::sleep(outage).await;
    let before: Vec<u64> = rigs.iter().map(|rig| rig.emulator.connections_made()).collect();
    drop_packets(false);
    let began = Instant::now();
    let connected = rigs.iter().zip(&before).map(|(rig, before)| async move {
        since(rig, began, |emulator| emulator.connections_made() > *before).await
    });
    let delivered = rigs.iter().map(|rig| async move {
        let chat = &rig.people[0].1;
        let is_there = |emulator: &Emulator| {
            emulator.shown(chat).iter().any(|shown| shown.answer().contains("That took 10 seconds"))
        };
        since(rig, began, is_there).await
    });
    let (connected, delivered) = tokio::join!(join_all(connected), join_all(delivered));
    table.times(&format!("{name}, network back → connected"), connected);
    table.times(&format!("{name}, network back → the waiting answer"), delivered);
}

fn drop_packets(dropping: bool) {
    let verb = if dropping { "add" } else { "del" };
    let status = Command::new("tc").args(["qdisc", verb, "dev", "lo", "root", "blackhole"]).status();
    assert!(status.expect("tc runs").success());
}

/// A running daemon with one person, whose session is live.
async fn ready() -> Rig {
    let mut rig = Rig::new(1).await;
    rig.suspended(1);
    rig.start().await;
    answered(&rig, Instant::now(), "echo hello").await;
    rig
}

/// The time from `began` to the answer to an `echo`, which is sent now.
async fn answered(rig: &Rig, began: Instant, prompt: &str) -> Duration {
    let (user, chat) = &rig.people[0];
    rig.emulator.say(user, chat, prompt);
    let answer = prompt.strip_prefix("echo ").unwrap();
    let is_there = |emulator: &Emulator| {
        emulator.shown(chat).iter().any(|shown| shown.from_bot() && shown.answer() == answer)
    };
    since(rig, began, is_there).await
}

async fn since(rig: &Rig, began: Instant, happened: impl Fn(&Emulator) -> bool) -> Duration {
    let took = rig.emulator.wait_for(|emulator| happened(emulator).then(|| began.elapsed()), PATIENCE).await;
    took.unwrap_or_else(|| panic!("it did not happen\n{}", rig.log()))
}
