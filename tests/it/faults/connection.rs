//! The long connection in trouble.

mod lost;
mod nonsense;
mod refused;
mod tls;
mod unreachable;

use phonework::emulator::{ClientConfig, Options};
use serde_json::json;

use crate::support::phonework::Phonework;

const ENDPOINT: &str = "/callback/ws/endpoint";

/// A Feishu that wants to be pinged every two seconds, and pushes again after one and a half.
fn quick() -> Options {
    let config = Options::default().client_config;
    let client_config = ClientConfig { ping_interval: 2, ..config };
    Options { client_config, ..Options::default() }.with_redelivery_scaled(0.1)
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
