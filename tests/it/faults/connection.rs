//! The long connection in trouble.

mod lost;
mod nonsense;
mod refused;
mod shared;
mod tls;
mod unreachable;

use std::time::Duration;

use phonework::emulator::{ClientConfig, Options};
use serde_json::json;

use crate::support::phonework::Phonework;

const ENDPOINT: &str = "/callback/ws/endpoint";

/// A Feishu that wants to be pinged every two seconds, and pushes again every second.
fn quick() -> Options {
    let config = Options::default().client_config;
    let client_config = ClientConfig { ping_interval: 2, ..config };
    let redelivery = vec![Duration::from_secs(1); 60];
    Options { client_config, redelivery, ..Options::default() }
}

/// A phonework with the practice agent, not started.
async fn installed(feishu: Options) -> Phonework {
    let agent = format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework"));
    Phonework::installed_at(feishu, &agent, json!({})).await
}

/// The same, running.
async fn running(feishu: Options) -> Phonework {
    let mut phonework = installed(feishu).await;
    phonework.start().await;
    phonework.open_shop().await;
    phonework
}
