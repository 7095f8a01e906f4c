//! What an operator waits for: the client's commands, from the start of the process to its exit.

use std::time::{Duration, Instant};

use crate::rig::Rig;
use crate::table::Table;

const RUNS: usize = 30;

/// Measures the usual commands with few sessions and with many.
pub(crate) async fn commands(table: &mut Table) {
    for (sessions, many) in [(10, "10 sessions"), (10_000, "10,000 sessions")] {
        let mut rig = Rig::new(8).await;
        rig.suspended(sessions);
        rig.start().await;
        for command in ["sessions", "health"] {
            let mut took = Vec::new();
            for _ in 0..RUNS {
                took.push(run(&rig, command).await);
            }
            table.times(&format!("phonework {command}, {many}"), took);
        }
        rig.end().await;
    }
}

/// Measures the time from the start of the daemon until it tells systemd that it is ready.
pub(crate) async fn ready(table: &mut Table) {
    let mut rig = Rig::new(8).await;
    let mut took = Vec::new();
    for _ in 0..RUNS {
        took.push(rig.start_as_a_service().await);
        rig.end().await;
    }
    table.times("process started → READY", took);
}

async fn run(rig: &Rig, command: &str) -> Duration {
    let began = Instant::now();
    let output = rig.client(command).output().await.unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    took
}
