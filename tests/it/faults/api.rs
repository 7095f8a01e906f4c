//! Feishu's API in trouble.

mod again;
mod refused;
mod token;

use phonework::emulator::{ApiCall, FaultId, InjectedFault};
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};

/// A phonework with an open session.
async fn ready() -> Phonework {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework
}

/// Sets a fault of what is sent to Anna.
fn for_anna(phonework: &Phonework, fault: InjectedFault) -> FaultId {
    phonework.emulator.fault(fault.in_chat(&phonework.chat))
}

/// Waits until a fault has struck so often.
async fn struck(phonework: &Phonework, fault: FaultId, times: u32) {
    let enough = |hits: &u32| *hits >= times;
    let hits = phonework.emulator.wait_for(|emulator| emulator.struck(fault).filter(enough), PATIENCE).await;
    assert!(hits.is_some(), "not struck {times} times\n--- log\n{}", phonework.log());
}

/// What was sent to Anna's chat, each try: its call, what it says, its uuid.
fn sent(phonework: &Phonework) -> Vec<(ApiCall, String, String)> {
    let sent = phonework.calls("/open-apis/im/v1/messages").into_iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    sent.filter(|call| call.request["receive_id"] == phonework.chat.as_str())
        .map(|call| {
            let (content, uuid) = (text(&call.request["content"]), text(&call.request["uuid"]));
            (call, content, uuid)
        })
        .collect()
}
