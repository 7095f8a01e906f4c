//! What a person sees in the chat: how an answer becomes messages.
//!
//! Everything here is pure; nothing here knows how a message is sent.

mod card;
pub mod diff;
pub mod document;
pub mod ladder;
mod layout;
pub mod limits;
mod markdown;
pub mod permission;
pub mod source;
pub mod split;
pub mod tool;
