//! The time from the push of an event to its acknowledgement, with the commit in between.

use std::time::{Duration, Instant};

use crate::rig::{PATIENCE, Rig};
use crate::table::Table;

const MESSAGES: usize = 400;
const BURSTS: usize = 3;
const PEOPLE_IN_BURST: usize = 100;
const MESSAGES_PER_PERSON: usize = 10;

/// Each message is pushed after the one before was acknowledged.
pub(crate) async fn one_after_another(table: &mut Table) {
    let mut rig = Rig::new(8).await;
    rig.start().await;
    for nth in 0..MESSAGES {
        let (user, chat) = &rig.people[nth % rig.people.len()];
        rig.emulator.say(user, chat, "hello");
        acknowledged(&rig, nth + 1).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    table.times("message pushed → acknowledged, one after another", latencies(&rig));
    rig.end().await;
}

/// A thousand messages from a hundred people at once. Nobody has a session, so each is also answered with a sentence.
pub(crate) async fn burst(table: &mut Table) {
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..BURSTS {
        let mut rig = Rig::new(PEOPLE_IN_BURST).await;
        rig.start().await;
        for nth in 0..MESSAGES_PER_PERSON {
            for (user, chat) in &rig.people {
                rig.emulator.say(user, chat, &format!("hello {nth}"));
            }
        }
        acknowledged(&rig, PEOPLE_IN_BURST * MESSAGES_PER_PERSON).await;
        let latencies = latencies(&rig);
        refused.push((rig.emulator.acks().len() - latencies.len()) as f64);
        accepted.extend(latencies);
        rig.end().await;
    }
    table.times("message pushed → acknowledged, 1,000 of 100 people at once", accepted);
    table.add("  of which Feishu was asked to send again", "", refused);
}

/// Waits until this many messages are acknowledged. It polls seldom, because a poll takes the emulator's time.
async fn acknowledged(rig: &Rig, messages: usize) {
    let until = Instant::now() + PATIENCE;
    while rig.emulator.acks().len() < messages {
        assert!(Instant::now() < until, "only {} messages were acknowledged", rig.emulator.acks().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The times of the messages that were accepted.
fn latencies(rig: &Rig) -> Vec<Duration> {
    rig.emulator.acks().iter().filter(|ack| ack.code == 200).map(|ack| ack.latency).collect()
}
