//! The integration tests: one binary.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod browser;
mod chat;
mod claude;
mod cli;
mod clients;
mod control;
mod corpora;
mod demo;
mod documents;
mod emulator;
mod faults;
mod feishu;
mod harness;
mod mail;
mod packages;
mod real;
mod red_team;
mod sdk;
mod support;
mod systemd;
mod tidy;
mod turns;
mod upgrade;
