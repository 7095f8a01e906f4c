//! phonework lets people work with Claude Code from their phones: a daemon that listens to a Feishu bot and drives one
//! Claude Code session for each conversation.
//!
//! # Words
//! A **session** is a conversation with Claude Code in one project (a directory), owned by one person. A **turn** is
//! one prompt and all that Claude does until its result. A session is **live** while its `claude` process runs, else
//! it **sleeps**, and its next message resumes it. The **inbox** holds messages taken over from Feishu and not yet
//! answered, the **outbox** messages to Feishu that it has not confirmed.
//!
//! # The way of a message
//! [`feishu::socket`] receives a frame, [`feishu::event`] reads it, [`chat::intake`] decides: seen before? allowed?
//! whose? It commits the message to the inbox ([`mail`]) and acknowledges it, and only then hands it to
//! [`chat::router`]. The router follows commands and keeps each person's queue. A prompt goes to its session's actor
//! ([`session::actor`]), which puts the turn on record and writes the prompt to Claude ([`claude::process`]). What
//! Claude says feeds the session's machine ([`session::machine`]); the end of the turn is rendered
//! ([`session::report`], [`render`]) and committed in one transaction: message answered, parts of the answer in the
//! outbox, a line for the audit log ([`audit`]). The courier ([`mail::courier`]) sends the outbox, in order for each
//! chat, until Feishu confirms.
//!
//! # What people see
//! Whoever has something to show makes a [`render::document`]. One that has to arrive is a post of the outbox: the courier
//! takes it down the ladder ([`render::ladder`]: card, simpler card, several cards, text, file) until Feishu has it all.
//! One that is changed later has a slot, which is its card in the chat. What goes on is shown on the stage
//! ([`mail::stage`]): only its newest picture is brought, behind all that is owed. What a button asks for ([`act`]) goes
//! the way of a typed command from the router on.
//!
//! # Rooms
//! - [`feishu`]: Feishu's frames, events and calls. Knows nothing of Claude.
//! - [`claude`]: Claude Code's lines, how it is started, kept apart and ended. Knows nothing of Feishu.
//! - [`session`]: what a conversation is and goes through.
//! - [`mail`]: inbox, outbox and turns on disk.
//! - [`audit`]: what was asked and done, in the project.
//! - [`chat`]: brings the sides together.
//! - [`control`]: the control socket, by which operators look and act; [`people`]: who was let in at run time.
//! - [`render`], [`words`]: what people read; [`act`]: what the buttons of a card ask for.
//! - [`emulator`]: a Feishu on loopback, with a phone in the browser; for the demo and for the tests.
//! - [`daemon`], [`cli`]: how it is put together and called; [`keyring`], [`paths`], [`logs`], [`error`],
//!   [`language`], [`ids`]: what they need.
//! - [`pulse`]: signs of life, by which the watchdog tells that all of it moves.
//! - [`crash`]: where tests have the daemon die; empty in what is installed.
//!
//! # Invariants
//! Those marked with a star are kept by a test that reads the source tree.
//! - A message is acknowledged after its commit, a prompt written to Claude after its turn's. So nothing acknowledged
//!   is lost, and no prompt is run twice.
//! - `feishu` does not name `claude`, `session` or `chat`; `claude` does not name `feishu`, `mail` or `chat`;
//!   `control` knows none of them. *
//! - Parsers, the machine, rendering and commands are pure: no tokio, no files, no clock. *
//! - Each piece of state has one owner: `mail.db` its thread, the registry and the queues the router, a `claude`
//!   process its actor, a chat's order the courier. No lock is held across an await.
//! - Whether a session is somebody's is decided in [`session::registry`] alone, what a caller of the control socket may do
//!   in [`control::peer`].
//! - What reads Claude's output never waits for a person or for Feishu.
//! - Secrets, prompts and answers reach no log; no secret of Feishu's reaches Claude.
//! - There is no TCP port but the emulator's, which is on loopback.

pub mod act;
pub mod audit;
pub mod chat;
pub mod claude;
pub mod cli;
pub mod control;
pub mod crash;
pub mod daemon;
pub mod emulator;
pub mod error;
pub mod feishu;
pub mod ids;
pub mod keyring;
pub mod language;
pub mod logs;
pub mod mail;
pub mod paths;
pub mod people;
pub mod pulse;
pub mod render;
pub mod session;
pub mod words;
