//! What a power cut leaves: only what was synced counts, so nothing may be said before. The daemon's system calls tell.

use phonework::emulator::Emulator;
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework, until};

const CALLS: &str = "trace=recvfrom,sendto,writev,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2";

/// A system call that is of interest here, in the order in which they began, or ended where they sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// A WebSocket frame comes in.
    Event,
    /// An acknowledgement goes out to Feishu.
    Ack,
    /// `mail.db`'s log is written to.
    Wrote,
    /// It is on the disk.
    Synced,
    /// Claude is given a prompt.
    Prompt,
    /// `sessions.json` is written, beside its place.
    SessionsSynced,
    /// It is in its place.
    SessionsReplaced,
    /// That is on the disk.
    FolderSynced,
    /// A chat is told that a session is open.
    SaidOpen,
}

#[tokio::test]
async fn nothing_is_acknowledged_run_or_said_to_be_open_before_it_is_synced_to_the_disk() {
    let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    let trace = phonework.projects().with_file_name("trace");
    let wrapper = ["strace", "-D", "-f", "-q", "-y", "-s", "400", "-e", CALLS, "-o", trace.to_str().unwrap()];
    phonework.set_wrapper(&wrapper);
    phonework.set_env("PHONEWORK_CRASH", Some("count".to_owned()));
    phonework.start().await;
    // The first ping is the first frame that goes out.
    let pinged = |emulator: &Emulator| (emulator.connections().first()?.pings > 0).then_some(());
    phonework.emulator.wait_for(pinged, PATIENCE).await.unwrap();
    phonework.open_shop().await;
    phonework.logged("point confirmation-committed passed: 1", 1).await;
    let prompts = 4;
    for number in 1..=prompts {
        phonework.ask(&format!("echo {number}"), 1).await;
        // Nothing else is written meanwhile.
        phonework.logged(&format!("point confirmation-committed passed: {}", number + 1), 1).await;
        phonework.logged(&format!("point audit-marked passed: {number}"), 1).await;
    }
    let calls = until(|| {
        let calls = calls(&std::fs::read_to_string(&trace).unwrap());
        (calls.iter().filter(|call| **call == Call::Prompt).count() == prompts).then_some(calls)
    })
    .await;

    // What lies between two events belongs to the first of them. The answer to the first ping, which says nothing to
    // be kept, is one, too.
    let days: Vec<&[Call]> = calls.split(|call| *call == Call::Event).skip(1).collect();
    let (mut acked, mut run, mut opened) = (0, 0, 0);
    for day in days {
        let place = |wanted: Call| day.iter().position(|call| *call == wanted);
        // A sync with a write before it that no other sync has brought to the disk.
        let commits = |until: usize| {
            let of_log = day[..until].iter().filter(|call| [Call::Wrote, Call::Synced].contains(call));
            let of_log: Vec<&Call> = of_log.collect();
            of_log.windows(2).filter(|two| *two == [&Call::Wrote, &Call::Synced]).count()
        };
        if let Some(ack) = place(Call::Ack) {
            assert!(commits(ack) >= 1, "acknowledged before it was on the disk: {day:?}");
            acked += 1;
        }
        if let Some(prompt) = place(Call::Prompt) {
            assert!(commits(prompt) >= 2, "run before its turn was on the disk: {day:?}");
            run += 1;
        }
        if let Some(said) = place(Call::SaidOpen) {
            let order = [Call::SessionsSynced, Call::SessionsReplaced, Call::FolderSynced].map(place);
            assert!(order.is_sorted() && order[0].is_some() && order[2] < Some(said), "{day:?}");
            opened += 1;
        }
    }
    assert_eq!((acked, run, opened), (prompts + 1, prompts, 1), "{calls:?}");
}

/// Reads what strace wrote.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    // The syncs of each thread that have begun and not ended.
    let mut syncing = std::collections::BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
        let call = call.trim_start();
        let name = call.split('(').next().unwrap_or_default();
        let frame = || call.contains("<socket:") && call.contains(", \"\\202");
        match name {
            "fsync" | "fdatasync" => {
                let what = if call.contains("mail.db-wal>") {
                    Call::Synced
                } else if call.contains("/.sessions") {
                    Call::SessionsSynced
                } else if call.contains("/state>") {
                    Call::FolderSynced
                } else {
                    continue;
                };
                if call.contains("<unfinished") {
                    syncing.insert(thread, what);
                } else if call.ends_with("= 0") {
                    calls.push(what);
                }
            }
            _ if call.starts_with("<... fsync resumed>") => {
                if let Some(what) = syncing.remove(thread).filter(|_| call.ends_with("= 0")) {
                    calls.push(what);
                }
            }
            _ if call.starts_with("<... recvfrom resumed>\"\\202") => calls.push(Call::Event),
            "pwrite64" if call.contains("mail.db-wal>") => calls.push(Call::Wrote),
            "recvfrom" if frame() => calls.push(Call::Event),
            _ if call.starts_with("<... recvfrom resumed>\"\\202") => calls.push(Call::Event),
            "sendto" if frame() => calls.push(Call::Ack),
            "write" if call.contains("<pipe:") && call.contains("\\\"role\\\":\\\"user\\\"") => {
                calls.push(Call::Prompt);
            }
            "rename" | "renameat" | "renameat2" if call.contains("sessions.json") => {
                calls.push(Call::SessionsReplaced);
            }
            "writev" if call.contains("is open and active here") => calls.push(Call::SaidOpen),
            _ => {}
        }
    }
    // The ping and its answer come first.
    let first = calls.iter().position(|call| *call == Call::Ack).map_or(0, |ping| ping + 1);
    calls.split_off(first)
}
