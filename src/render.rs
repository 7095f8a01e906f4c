//! What a person sees in the chat: how an answer becomes messages.
//!
//! Everything here is pure; nothing here knows how a message is sent.

pub mod document;
pub mod ladder;
pub mod permission;
pub mod split;
