//! The long connection in trouble.

use phonework::emulator::Ending;
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};

#[tokio::test]
async fn a_dropped_connection_is_back_at_once_and_misses_nothing() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    for (nth, ending) in [Ending::Close, Ending::Reset, Ending::End].into_iter().enumerate() {
        let before = phonework.emulator.connections_made();
        phonework.emulator.drop_connections(ending);
        let back = phonework.emulator.wait_for(|e| (e.connections_made() > before).then_some(()), PATIENCE);
        back.await.unwrap();
        assert_eq!(phonework.ask(&format!("echo {nth}"), 1).await, [nth.to_string()]);
    }
}
