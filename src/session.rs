//! A conversation with Claude Code: who owns it, what its turns go through, what is kept of it.
//!
//! `registry` says which sessions there are, `actor` runs one that has a process, by what the pure `machine` decides; what people see of its turns is made in `show`.

pub mod actor;
pub mod event_feed;
pub mod file;
pub mod machine;
pub mod registry;
pub mod report;
pub mod show;
pub mod turn;
