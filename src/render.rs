//! How something to show becomes the messages of a chat: cards, texts and files.
//!
//! A [`document::Document`] says what to show. [`ladder::SendPlan`] turns it into the messages to send, from the best
//! form that Feishu may take (one card) down to the last resort (a file). Everything here is pure: no network, no files,
//! no clock.

mod card;
pub(crate) mod diff;
pub mod document;
mod fence;
pub mod ladder;
mod layout;
pub mod limits;
mod markdown;
pub(crate) mod permission;
pub(crate) mod plain_text;
pub mod split;
pub(crate) mod tool_line;

pub(crate) use fence::fenced;
pub(crate) use markdown::is_blank;
