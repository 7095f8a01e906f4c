//! A conversation with Claude Code: who owns it, what its turns go through, what is kept of it.
//!
//! `registry` says which sessions there are, `seats` which of them may have a process, `actor` runs one that has, by
//! what the pure `machine` decides; what people see of its turns is made in `show`.

pub mod actor;
pub mod file;
pub mod ledger;
pub mod machine;
pub mod registry;
pub mod report;
pub mod seats;
pub mod show;
pub mod tap;
pub mod turn;
