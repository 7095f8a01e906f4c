//! phonework lets people work with Claude Code from their phones.

pub mod ids;
