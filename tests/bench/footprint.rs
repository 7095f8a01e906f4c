//! The daemon's memory, the size of its binary, the time that its start takes, and the speed of this disk.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::rig::{Memory, Rig};
use crate::table::Table;

const STARTS: usize = 20;
const SUSPENDED_SESSIONS: usize = 1000;
const SYNCS: usize = 300;

/// Measures a small synced write on this machine. An ack waits for one of them, the way to an agent for two.
pub(crate) fn disk(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let mut file = OpenOptions::new().create_new(true).append(true).open(folder.path().join("file")).unwrap();
    let mut sync = || {
        let began = Instant::now();
        file.write_all(&[b'x'; 4096]).unwrap();
        file.sync_data().unwrap();
        began.elapsed()
    };
    table.times("this disk: 4 KiB appended and synced", (0..SYNCS).map(|_| sync()).collect::<Vec<_>>());
}

/// Measures starts with and without suspended sessions.
pub(crate) async fn starts(table: &mut Table) {
    let mut rig = Rig::new(8).await;
    for (sessions, name) in [(0, "idle"), (SUSPENDED_SESSIONS, "idle, 1,000 sleeping sessions")] {
        rig.suspended(sessions);
        let (mut took, mut memory) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            took.push(rig.start().await);
            // The daemon asks who the bot is after it has connected.
            tokio::time::sleep(Duration::from_millis(300)).await;
            memory.push(rig.memory());
            rig.end().await;
        }
        if sessions == 0 {
            table.times("process started → connected", took);
        }
        self::memory(table, name, &memory);
    }
}

pub(crate) fn memory(table: &mut Table, when: &str, measured: &[Memory]) {
    let mut add = |what: &str, of: fn(&Memory) -> u64| {
        table.add(
            &format!("memory {when}: {what}"),
            "MB",
            measured.iter().map(|memory| megabytes(of(memory) * 1024)),
        );
    };
    add("resident", |memory| memory.resident);
    add("proportional", |memory| memory.proportional);
    add("private", |memory| memory.private);
}

pub(crate) fn binary(table: &mut Table) {
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_phonework")).unwrap().len();
    table.add("size of the binary", "MB", [megabytes(size)]);
}

/// Megabytes of a million bytes.
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
