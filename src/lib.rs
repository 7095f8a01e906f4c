//! phonework lets people work with Claude Code from their phones.

pub mod audit;
pub mod chat;
pub mod claude;
pub mod cli;
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
pub mod render;
pub mod session;
pub mod words;
