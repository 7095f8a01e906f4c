//! Both sides together: Feishu's events become messages in the inbox, and those become commands or prompts.
//!
//! A message goes from `intake` (seen before? allowed? whose? commit, ack) to the `router` and from there to a session's
//! actor; `router::dispatch` shows what happens to a prompt. A press of a button takes the same way. Beside the router
//! stand the pure states that it owns: `user_queues`, `process_slots`, `stale_messages` and `typed_answers`. `show` makes
//! the documents that people see.
//!
//! Not here: the shape of Feishu's events (`feishu::event`), and what a session does with a prompt (`session::machine`).

pub mod command;
mod fault;
pub(crate) mod intake;
pub(crate) mod misdelivery;
mod process_slots;
pub(crate) mod router;
pub mod show;
mod stale_messages;
pub(crate) mod storage_alarm;
mod strangers;
mod typed_answers;
mod user_queues;
