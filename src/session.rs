//! A conversation with Claude Code: who owns it, what its turns go through, what is kept of it.
//!
//! `registry` says which sessions there are, `seats` which of them may have a process, `actor` runs one that has, by
//! what the pure `machine` decides; what people see of its turns is made in `show`.

pub mod actor;
pub mod audit_writer;
pub mod event_feed;
pub mod file;
pub mod machine;
pub mod process_slots;
pub mod registry;
pub mod report;
pub mod show;
pub mod turn;
