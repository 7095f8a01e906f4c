//! Feishu's own clients judge the emulated Feishu: what they do not take is no Feishu.

use phonework::emulator::{Emulator, EmulatorOptions, ServedClientConfig};
use tokio::process::Command;

use crate::{
    emulator::LONG,
    support::tools::{run_script, source, tool},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdk_talks_to_the_emulator_and_comes_back_when_dropped() {
    let emulator = emulator().await;
    let mut command = Command::new(tool("venv/bin/python"));
    command.arg(source("tests/sdk/python.py")).args(credentials(&emulator));
    run_script(&mut command, LONG * 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_sdk_talks_to_the_emulator_and_comes_back_when_dropped() {
    let emulator = emulator().await;
    let modules = tool("node_modules/@larksuiteoapi/node-sdk");
    let modules = modules.parent().and_then(std::path::Path::parent).expect("node_modules");
    let mut command = Command::new("node");
    command.env("NODE_PATH", modules).arg(source("tests/sdk/node.cjs")).args(credentials(&emulator));
    run_script(&mut command, LONG * 3).await;
}

/// An emulator whose clients come back at once.
async fn emulator() -> Emulator {
    let client_config = ServedClientConfig {
        reconnect_count: -1,
        reconnect_interval: 1,
        reconnect_nonce: 0,
        ping_interval: 1,
    };
    Emulator::start(EmulatorOptions { client_config, ..EmulatorOptions::default() })
        .await
        .expect("a free port")
}

fn credentials(emulator: &Emulator) -> [String; 3] {
    let options = emulator.options();
    [emulator.base_url().to_owned(), options.app_id.clone(), options.app_secret.clone()]
}
