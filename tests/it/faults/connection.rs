//! The long connection in trouble.

mod lost;
mod nonsense;
mod refused;
mod shared;
mod tls;
mod unreachable;

use std::time::Duration;

use phonework::emulator::{EmulatorOptions, ServedClientConfig};
use serde_json::json;

use crate::support::phonework::Phonework;

const ENDPOINT: &str = "/callback/ws/endpoint";

/// A Feishu that wants to be pinged every two seconds, and pushes again every second.
fn quick() -> EmulatorOptions {
    let config = EmulatorOptions::default().client_config;
    let client_config = ServedClientConfig { ping_interval: 2, ..config };
    let redelivery = vec![Duration::from_secs(1); 60];
    EmulatorOptions { client_config, redelivery, ..EmulatorOptions::default() }
}

/// A phonework with the practice agent, not started.
async fn installed(feishu: EmulatorOptions) -> Phonework {
    let agent = format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework"));
    Phonework::installed_at(feishu, &agent, json!({})).await
}

/// The same, with a daemon that is connected.
async fn running(feishu: EmulatorOptions) -> Phonework {
    let mut phonework = installed(feishu).await;
    phonework.start().await;
    phonework.open_shop().await;
    phonework
}
