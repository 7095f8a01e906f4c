//! The languages that the bot speaks.

use serde::{Deserialize, Serialize};

/// The language of what the bot itself says; Claude's words are never translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English, the default.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}
