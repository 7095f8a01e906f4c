//! The integration tests: one binary.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod claude;
mod cli;
mod emulator;
mod feishu;
mod mail;
mod support;
