//! What goes wrong, one thing after the other.

use std::fmt;

use phonework::emulator::{
    ConnectionEnding, DeliveryFaults, Duplicate, FaultDuration, FaultEffect, InjectedFault,
};
use phonework::process_tree;
use rustix::process::{Signal, kill_process};

use crate::rig::Rig;

/// One kind after the other; what lasts, lasts until the next one.
#[derive(Default)]
pub(crate) struct Troubles {
    made: usize,
}

impl Troubles {
    pub(crate) fn next(&mut self, rig: &Rig) {
        self.end(rig);
        let emulator = &rig.emulator;
        let sending = |effect, times| {
            emulator.fault(InjectedFault::sending(effect, FaultDuration::Times(times)));
        };
        match self.made % 14 {
            0 => emulator.drop_connections(ConnectionEnding::Reset),
            1 => sending(FaultEffect::Refuse { http: 500, code: 2200, reset: None }, 3),
            2 => {
                emulator.delivering(DeliveryFaults {
                    duplicate: Duplicate::NewEventId,
                    ..DeliveryFaults::default()
                });
            }
            3 | 9 => kill_one(rig),
            4 => emulator.stall(true),
            5 => sending(FaultEffect::Refuse { http: 429, code: 99_991_400, reset: Some(1) }, 3),
            6 => emulator.expire_tokens(),
            7 => {
                emulator
                    .fault(InjectedFault::endpoint(FaultEffect::Page { http: 502 }, FaultDuration::Times(2)));
                emulator.drop_connections(ConnectionEnding::Close);
            }
            8 => sending(FaultEffect::Lose, 3),
            10 => sending(FaultEffect::Page { http: 502 }, 3),
            11 => {
                emulator.delivering(DeliveryFaults { slices: 3, reversed: true, ..DeliveryFaults::default() })
            }
            12 => emulator.drop_connections(ConnectionEnding::End),
            _ => sending(FaultEffect::Delay { ms: 1500 }, 5),
        }
        self.made += 1;
    }

    /// Nothing goes wrong any more.
    pub(crate) fn end(&self, rig: &Rig) {
        rig.emulator.stall(false);
        rig.emulator.lift_all();
    }
}

/// A warden or an agent.
fn kill_one(rig: &Rig) {
    let there = process_tree::descendants(rig.pid());
    if !there.is_empty() {
        // It may just have ended.
        let _ = kill_process(there[fastrand::usize(..there.len())], Signal::KILL);
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults", self.made)
    }
}
