//! The emulated Feishu keeps Feishu's rules.

mod api;
mod cards;
mod faults;
mod socket;

use std::time::Duration;

use phonework::emulator::{Emulator, EmulatorOptions};

/// Longer than anything here takes; a test that reaches it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// An emulator without rates, which most tests would trip over.
pub(crate) async fn easy() -> Emulator {
    Emulator::start(EmulatorOptions { rate_limits: false, ..EmulatorOptions::default() })
        .await
        .expect("a free port")
}
