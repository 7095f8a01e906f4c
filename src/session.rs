//! A session: a conversation with Claude Code in one project, owned by one person.
//!
//! - [`registry`] knows which sessions there are and who owns them; [`mod@file`] keeps it on disk.
//! - `actor` runs a live session: it owns the process and runs the effects of [`machine`], which decides; pure.
//! - [`turn`] is one prompt and everything that Claude does until its result; pure.
//! - `show` makes the documents that people see of turns; pure. `report` makes shorter notices and audit records.
//! - `event_feed` publishes what happens for health checks and `phonework tail`.

pub(crate) mod actor;
pub(crate) mod event_feed;
pub mod file;
pub mod machine;
pub mod registry;
pub(crate) mod report;
pub(crate) mod show;
pub mod turn;
