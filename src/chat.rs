//! The two sides brought together: Feishu's events become messages in the inbox, and those become commands or prompts.
//!
//! socket → `intake` (seen before? allowed? whose? commit, ack) → `router` (commands, each person's queue, seats) → a
//! session's actor. A press of a button goes the same way (`press`), and who pressed is answered in time. What is shown
//! is made in `show`. What is not here: what Feishu's events look like (`feishu::event`), what a session does with a
//! prompt (`session::machine`).

mod after;
pub mod alarm;
mod answers;
mod asked;
pub mod command;
mod fault;
mod follow;
pub mod intake;
mod late;
mod live;
pub mod load;
mod look;
pub mod misdelivery;
mod opening;
pub mod operator;
mod ordered_writer;
pub mod press;
mod queue;
mod reports;
pub mod router;
pub mod show;
pub mod stale;
pub mod strangers;
mod turns;
pub mod user_queues;
