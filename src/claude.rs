//! Claude Code: the lines it speaks, how it is started, and how everything it starts is ended.
//!
//! - [`wire`] reads and writes the lines of its stdin and stdout; pure.
//! - [`launch`] says what is run: program, arguments, environment; pure except for [`launch::ClaudeProgram::find`].
//! - [`process`] runs it and delivers its lines.
//! - [`probe`] checks that it answers.
//! - [`running`] finds other processes that have a conversation open.
//! - [`warden`] stands between the daemon and the program, so that no descendant outlives the session.
//! - `orphans` ends what a killed warden leaves behind.
//! - [`failure`] turns a failure into a sentence that a person can act on; pure.
//!
//! Invariant: nothing here knows Feishu, a chat or a user.

pub mod failure;
pub mod launch;
pub(crate) mod orphans;
pub mod probe;
pub mod process;
pub mod running;
pub mod warden;
pub mod wire;
