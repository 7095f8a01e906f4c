//! The control socket of the real daemon.

mod callers;
mod operators;

use serde_json::json;

use crate::support::phonework::Phonework;
use crate::support::varlink::Varlink;

/// A phonework with the practice agent, and a connection to its control socket.
async fn started() -> (Phonework, Varlink) {
    let phonework = Phonework::practising(json!({})).await;
    let operator = Varlink::connect(&phonework.socket()).await;
    (phonework, operator)
}
