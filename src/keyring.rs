//! The keyring is phonework's configuration, `keyring.yaml`: its keys, their meanings and defaults.
//!
//! Pure: [`parse`] turns text into a [`Keyring`], or into a [`KeyringFault`] that says where the text is wrong and what
//! is expected there. Only `keyring::disk` reads files and looks at paths.
//!
//! Faults, log lines and `Debug` output never show a value that may be secret.

mod disk;
mod draft;
mod fault;
mod reader;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

pub(crate) use self::disk::{ResolvedKeyring, missing_claude, resolve};
pub use self::disk::{load, read};
pub use self::fault::{KeyringFault, TextPosition};
pub use self::reader::{parse, parse_all};
pub use self::values::{PermissionMode, PermissionModeError};
pub(crate) use self::values::{duration, is_model_name};
use crate::ids::OpenId;
use crate::language::Language;
use crate::sandbox::Extra;
use crate::sandbox::verdict::Wanted;

/// Every key of the keyring.
pub const KEYS: [&str; 22] = [
    "FEISHU_APP_ID",
    "FEISHU_APP_SECRET",
    "FEISHU_DOMAIN",
    "ALLOWED_OPEN_IDS",
    "WORKING_DIR",
    "CLAUDE_COMMAND",
    "CLAUDE_ENV",
    "CLAUDE_MODEL",
    "PERMISSION_MODE",
    "TURN_TIMEOUT",
    "IDLE_TIMEOUT",
    "APPROVAL_TIMEOUT",
    "MAX_LIVE_SESSIONS",
    "STALE_AFTER",
    "SANDBOX",
    "SANDBOX_PATHS",
    "LIMITS",
    "TRUSTED_PROJECTS",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_MODEL",
    "LANGUAGE",
];

/// A parsed keyring. Paths are as they were written, until [`resolve`] resolves them.
#[derive(Clone)]
pub struct Keyring {
    /// `FEISHU_APP_ID`: the id of the self-built app.
    pub app_id: String,
    /// `FEISHU_APP_SECRET`: the app secret.
    pub app_secret: SecretString,
    /// `FEISHU_DOMAIN`: a base URL without a trailing slash; default `https://open.feishu.cn`.
    pub domain: String,
    /// `ALLOWED_OPEN_IDS`: the people who may talk to the bot; default nobody.
    pub allowed: BTreeSet<OpenId>,
    /// `WORKING_DIR`: absolute, or below `~`; default the home itself.
    pub working_dir: PathBuf,
    /// `CLAUDE_COMMAND`: a name to be looked up on `PATH`, or a path; default `claude`.
    pub claude_command: String,
    /// `CLAUDE_ENV`: added to Claude's environment. The values may be secret.
    pub claude_env: BTreeMap<String, String>,
    /// `CLAUDE_MODEL`: `None` leaves the choice to Claude Code.
    pub claude_model: Option<String>,
    /// `PERMISSION_MODE`: the mode of new sessions; default `default`.
    pub permission_mode: PermissionMode,
    /// `TURN_TIMEOUT`: how long Claude may work on one prompt, not counting the time it waits for people; default 30 min.
    pub turn_timeout: Duration,
    /// `IDLE_TIMEOUT`: how long a session stays live without a message; default 30 min.
    pub idle_timeout: Duration,
    /// `APPROVAL_TIMEOUT`: how long a permission request waits before it is denied; default 10 min.
    pub approval_timeout: Duration,
    /// `MAX_LIVE_SESSIONS`: claude processes at once, 1 to 1,000; default 8.
    pub max_live_sessions: usize,
    /// `STALE_AFTER`: a message older than this is not run without asking; default 5 min.
    pub stale_after: Duration,
    /// `SANDBOX`: default the strongest that works here.
    pub(crate) sandbox: Wanted,
    /// `SANDBOX_PATHS` and `LIMITS: processes`; default no path, 1,000 processes.
    pub sandbox_extra: Extra,
    /// `LIMITS: memory`: maximum number of bytes that a session's processes hold together; default 4 GiB.
    pub memory_limit: u64,
    /// `TRUSTED_PROJECTS`: projects whose own hooks and MCP servers may start; default none.
    pub trusted_projects: Vec<PathBuf>,
    /// `OPENAI_…`: the mail boy; default none.
    pub mail_boy: Option<MailBoy>,
    /// `LANGUAGE`: the language of what the bot itself says; default English.
    pub language: Language,
    /// The positions of values that may turn out to be wrong only when they are resolved.
    positions: BTreeMap<&'static str, TextPosition>,
}

/// The endpoint of the small LLM that turns natural language into session management.
#[derive(Clone, Debug)]
pub struct MailBoy {
    /// `OPENAI_BASE_URL`, without a trailing slash.
    pub base_url: String,
    /// `OPENAI_API_KEY`; a private endpoint may need none.
    pub api_key: Option<SecretString>,
    /// `OPENAI_MODEL`: the name of the model.
    pub model: String,
}

impl Keyring {
    /// Where the value of `key` begins in the file, for the keys whose values name something on this machine.
    #[must_use]
    pub fn position(&self, key: &str) -> Option<TextPosition> {
        self.positions.get(key).copied()
    }

    /// Whether both keyrings connect to the same Feishu as the same app.
    #[must_use]
    pub(crate) fn connects_as(&self, other: &Self) -> bool {
        let app = |keyring: &Self| (keyring.app_id.clone(), keyring.domain.clone());
        app(self) == app(other) && self.app_secret.expose_secret() == other.app_secret.expose_secret()
    }

    /// The keys that have no effect in this version, each as a sentence.
    #[must_use]
    pub(crate) fn ineffective_settings(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.mail_boy.is_some() {
            notes.push("the OPENAI_… keys have no effect yet, as this version has no mail boy".to_owned());
        }
        notes
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only the names in CLAUDE_ENV: its values are often secret.
        f.debug_struct("Keyring")
            .field("app_id", &self.app_id)
            .field("domain", &self.domain)
            .field("allowed", &self.allowed)
            .field("working_dir", &self.working_dir)
            .field("claude_command", &self.claude_command)
            .field("claude_env", &self.claude_env.keys().collect::<Vec<_>>())
            .field("claude_model", &self.claude_model)
            .field("permission_mode", &self.permission_mode)
            .field("turn_timeout", &self.turn_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("approval_timeout", &self.approval_timeout)
            .field("max_live_sessions", &self.max_live_sessions)
            .field("stale_after", &self.stale_after)
            .field("sandbox", &self.sandbox)
            .field("sandbox_extra", &self.sandbox_extra)
            .field("memory_limit", &self.memory_limit)
            .field("trusted_projects", &self.trusted_projects)
            .field("mail_boy", &self.mail_boy.as_ref().map(|mail_boy| &mail_boy.model))
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}
