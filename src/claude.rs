//! Claude Code: its lines, how it is started, and how everything that it starts comes to an end.
//!
//! - [`wire`] is the language of its stdin and stdout, pure.
//! - [`launch`] says what is run: program, arguments, environment; pure but for [`launch::ClaudeProgram::find`].
//! - [`process`] runs it and hands its lines over.
//! - [`probe`] asks it for a sign of life.
//! - [`running`] tells who else has a conversation open.
//! - [`warden`] stands between the daemon and the program, so that no descendant outlives the session.
//! - [`orphans`] ends what a killed warden leaves behind.
//! - [`failure`] turns what went wrong into a sentence that a person can act on; pure.
//!
//! Invariant: nothing here knows Feishu, a chat or a user.

pub mod failure;
pub mod launch;
pub mod orphans;
pub mod probe;
pub mod process;
pub mod running;
pub mod warden;
pub mod wire;
