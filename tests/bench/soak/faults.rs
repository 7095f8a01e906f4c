//! The faults of a run, one after the other.

use std::fmt;

use phonework::emulator::{
    ConnectionEnding, DeliveryFaults, Duplicate, FaultDuration, FaultEffect, InjectedFault,
};
use phonework::process_tree;
use rustix::process::{Signal, kill_process};

use crate::rig::Rig;

/// Injects one kind of fault after the other. A fault that lasts ends with the next one.
#[derive(Default)]
pub(crate) struct Faults {
    injected: usize,
}

impl Faults {
    pub(crate) fn next(&mut self, rig: &Rig) {
        self.end(rig);
        let emulator = &rig.emulator;
        let sending = |effect, times| {
            emulator.fault(InjectedFault::sending(effect, FaultDuration::Times(times)));
        };
        match self.injected % 14 {
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
        self.injected += 1;
    }

    /// Ends all faults.
    pub(crate) fn end(&self, rig: &Rig) {
        rig.emulator.stall(false);
        rig.emulator.lift_all();
    }
}

/// Kills a warden or an agent.
fn kill_one(rig: &Rig) {
    let processes = process_tree::descendants(rig.pid());
    if !processes.is_empty() {
        // It may have ended just now.
        let _ = kill_process(processes[fastrand::usize(..processes.len())], Signal::KILL);
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults", self.injected)
    }
}
