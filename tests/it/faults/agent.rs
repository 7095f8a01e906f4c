//! Claude Code in trouble.

use serde_json::json;

use crate::support::phonework::Phonework;

#[tokio::test]
async fn a_missing_claude_is_said_in_the_chat_and_does_not_stop_the_daemon() {
    let mut phonework = Phonework::installed("no-such-claude", json!({})).await;
    phonework.start().await;
    phonework.open_shop().await;
    let said = phonework.ask("hello", 1).await;
    assert!(said[0].contains("no-such-claude"), "{said:?}");
    assert!(phonework.ask("/list", 1).await[0].contains("shop"));
}
