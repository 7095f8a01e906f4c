#![doc = include_str!("../ARCHITECTURE.md")]

pub mod audit;
mod backoff;
pub mod card_action;
pub mod chat;
pub mod claude;
pub mod cli;
pub mod control;
pub mod crash;
mod daemon;
pub mod emulator;
pub mod error;
pub mod feishu;
mod graphemes;
pub mod ids;
pub mod keyring;
pub mod language;
pub mod logs;
pub mod mail;
pub mod paths;
pub mod people;
pub mod process_tree;
pub mod pulse;
pub mod render;
pub mod sandbox;
pub mod session;
mod terminal_text;
pub mod words;
