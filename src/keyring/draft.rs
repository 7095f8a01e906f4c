//! A keyring while it is read: which values each key takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::fault::{KeyringFault, TextPosition, UnplacedFault, quoted};
use super::values::{
    PermissionMode, PermissionModeError, base_url, domain, duration, is_model_name, language, sandbox, size,
};
use super::{Keyring, MailBoy};
use crate::language::Language;
use crate::sandbox::Extra;
use crate::sandbox::verdict::Wanted;

/// The values that were read so far, and defaults for the others.
pub(super) struct KeyringDraft {
    /// The keys that were read, with good values or bad ones.
    pub(super) seen: BTreeSet<&'static str>,
    keyring: Keyring,
    /// The entries that were read of keys that take a map with known names.
    parts: BTreeSet<(&'static str, &'static str)>,
    openai_base_url: Option<String>,
    openai_api_key: Option<SecretString>,
    openai_model: Option<String>,
}

/// The kind of value that a key takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    Text,
    Time,
    Count,
    Texts,
    Variables,
    /// A map whose names are known.
    Parts,
}

impl ValueKind {
    pub(super) fn of(key: &str) -> Self {
        match key {
            "TURN_TIMEOUT" | "IDLE_TIMEOUT" | "APPROVAL_TIMEOUT" | "STALE_AFTER" => Self::Time,
            "MAX_LIVE_SESSIONS" => Self::Count,
            "ALLOWED_OPEN_IDS" | "TRUSTED_PROJECTS" => Self::Texts,
            "CLAUDE_ENV" => Self::Variables,
            "LIMITS" | "SANDBOX_PATHS" => Self::Parts,
            _ => Self::Text,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Text => "give text, in quotes",
            Self::Time => "give seconds (300) or a time like 90s, 10m or 2h",
            Self::Count => "give a whole number from 1 to 1000",
            Self::Texts => "give a list of texts, like [\"a\", \"b\"]",
            Self::Variables => "give a map of names to texts, like {NAME: \"value\"}",
            Self::Parts => "give a map, like {name: value}",
        }
    }
}

/// The value that the text gives for a key, an item or an entry.
#[derive(Clone, Copy)]
pub(super) enum GivenValue<'a> {
    Text(&'a str),
    Whole(u64),
    Number,
    Flag,
    Nothing,
    List,
    Map,
    Tag,
}

impl GivenValue<'_> {
    /// What it is, as the rest of a sentence.
    pub(super) fn is(self) -> &'static str {
        match self {
            Self::Text(_) => "is text",
            Self::Whole(_) | Self::Number => "is a number",
            Self::Flag => "is true or false",
            Self::Nothing => "has no value",
            Self::List => "is a list",
            Self::Map => "is a map",
            Self::Tag => "has a tag (`!…`)",
        }
    }
}

impl Default for KeyringDraft {
    fn default() -> Self {
        Self {
            seen: BTreeSet::new(),
            keyring: Keyring {
                app_id: String::new(),
                app_secret: SecretString::default(),
                domain: "https://open.feishu.cn".to_owned(),
                allowed: BTreeSet::new(),
                working_dir: PathBuf::from("~"),
                claude_command: "claude".to_owned(),
                claude_env: BTreeMap::new(),
                claude_model: None,
                permission_mode: PermissionMode::Default,
                turn_timeout: Duration::from_mins(30),
                idle_timeout: Duration::from_mins(30),
                approval_timeout: Duration::from_mins(10),
                max_live_sessions: 8,
                stale_after: Duration::from_mins(5),
                sandbox: Wanted::Auto,
                sandbox_extra: Extra { processes: Some(1000), ..Extra::default() },
                memory_limit: 4 << 30,
                trusted_projects: Vec::new(),
                mail_boy: None,
                language: Language::En,
                positions: BTreeMap::new(),
            },
            parts: BTreeSet::new(),
            openai_base_url: None,
            openai_api_key: None,
            openai_model: None,
        }
    }
}

impl KeyringDraft {
    /// Sets the value of a key. Lists and maps, for keys that take them, are set item by item instead.
    pub(super) fn value(&mut self, key: &str, given: GivenValue<'_>) -> Result<(), UnplacedFault> {
        match (ValueKind::of(key), given) {
            (ValueKind::Text, GivenValue::Text(text)) => self.text(key, text),
            (ValueKind::Time, GivenValue::Text(text)) => self.time(key, text),
            (ValueKind::Time, GivenValue::Whole(seconds)) => self.time(key, &seconds.to_string()),
            (ValueKind::Count, GivenValue::Whole(count)) => match usize::try_from(count) {
                Ok(count @ 1..=1000) => {
                    self.keyring.max_live_sessions = count;
                    Ok(())
                }
                Ok(_) | Err(_) => Err(UnplacedFault::new(format!("is {count}"), ValueKind::Count.expected())),
            },
            (kind @ (ValueKind::Time | ValueKind::Count), GivenValue::Number) => {
                Err(UnplacedFault::new("is no whole number above zero", kind.expected()))
            }
            (kind, GivenValue::Nothing) => {
                Err(UnplacedFault::new("has no value", format!("{}, or take the line out", kind.expected())))
            }
            (kind, given) => Err(UnplacedFault::new(given.is(), kind.expected())),
        }
    }

    fn time(&mut self, key: &str, text: &str) -> Result<(), UnplacedFault> {
        let time = duration(text).map_err(|error| {
            UnplacedFault::new(format!("is {}, which {error}", quoted(text)), ValueKind::Time.expected())
        })?;
        match key {
            "TURN_TIMEOUT" => self.keyring.turn_timeout = time,
            "IDLE_TIMEOUT" => self.keyring.idle_timeout = time,
            "APPROVAL_TIMEOUT" => self.keyring.approval_timeout = time,
            _ => self.keyring.stale_after = time,
        }
        Ok(())
    }

    fn text(&mut self, key: &str, text: &str) -> Result<(), UnplacedFault> {
        let keyring = &mut self.keyring;
        match key {
            "FEISHU_APP_ID" => keyring.app_id = one_word(text)?.to_owned(),
            "FEISHU_APP_SECRET" => keyring.app_secret = one_word(text)?.into(),
            "FEISHU_DOMAIN" => keyring.domain = domain(text)?,
            "WORKING_DIR" => keyring.working_dir = home_or_absolute(text)?,
            "CLAUDE_COMMAND" => keyring.claude_command = command(text)?.to_owned(),
            "CLAUDE_MODEL" if is_model_name(text) => keyring.claude_model = Some(text.to_owned()),
            "CLAUDE_MODEL" => {
                return Err(UnplacedFault::new(
                    format!("is {}, which is no model's name", quoted(text)),
                    "give it as `claude --model` takes it, or take the line out",
                ));
            }
            "PERMISSION_MODE" => keyring.permission_mode = permission_mode(text)?,
            "SANDBOX" => keyring.sandbox = sandbox(text)?,
            "LANGUAGE" => keyring.language = language(text)?,
            "OPENAI_BASE_URL" => self.openai_base_url = Some(base_url(text)?),
            "OPENAI_API_KEY" => self.openai_api_key = Some(one_word(text)?.into()),
            "OPENAI_MODEL" => self.openai_model = Some(one_word(text)?.to_owned()),
            // Not reached: the reader passes known keys only, and these are all that take text.
            _ => {
                return Err(UnplacedFault::new(
                    "is no key that takes text",
                    "keyring.yaml(5) lists the keys",
                ));
            }
        }
        Ok(())
    }

    /// Adds an item of a list.
    pub(super) fn item(&mut self, key: &str, text: &str) -> Result<(), UnplacedFault> {
        if key == "ALLOWED_OPEN_IDS" {
            if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(UnplacedFault::new(
                    format!("has an item that is {}", quoted(text)),
                    "give open_ids, which are single words like ou_…",
                ));
            }
            self.keyring.allowed.insert(text.into());
        } else {
            if text.trim().is_empty() || text.contains(char::is_control) {
                return Err(UnplacedFault::new(
                    format!("has an item that is {}", quoted(text)),
                    "give paths, absolute ones or relative to WORKING_DIR",
                ));
            }
            self.keyring.trusted_projects.push(text.into());
        }
        Ok(())
    }

    /// Checks the name of a variable of `CLAUDE_ENV` and returns it.
    pub(super) fn variable_name(&mut self, name: &str) -> Result<String, UnplacedFault> {
        let good = !name.is_empty()
            && !name.as_bytes()[0].is_ascii_digit()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !good {
            Err(UnplacedFault::new(
                "is no variable's name",
                "a name has letters, digits and `_`, and begins with no digit",
            ))
        } else if self.keyring.claude_env.contains_key(name) {
            Err(UnplacedFault::new("is given twice", "take one of the two out"))
        } else {
            Ok(name.to_owned())
        }
    }

    /// Sets a variable of `CLAUDE_ENV`.
    pub(super) fn variable(&mut self, name: &str, text: &str) -> Result<(), UnplacedFault> {
        if text.contains('\0') {
            return Err(UnplacedFault::new("has a NUL character", "take it out: no variable can hold one"));
        }
        self.keyring.claude_env.insert(name.to_owned(), text.to_owned());
        Ok(())
    }

    /// Checks the name of an entry of `LIMITS` or `SANDBOX_PATHS` and returns it.
    pub(super) fn part_name(&mut self, key: &'static str, name: &str) -> Result<&'static str, UnplacedFault> {
        let (known, expected): (&[&'static str], _) = match key {
            "LIMITS" => (&["memory", "processes"], "give memory or processes"),
            _ => (&["read", "write"], "give read or write"),
        };
        let Some(known) = known.iter().find(|known| **known == name) else {
            return Err(UnplacedFault::new(format!("has {}", quoted(name)), expected));
        };
        if self.parts.insert((key, *known)) {
            Ok(known)
        } else {
            Err(UnplacedFault::new(format!("has {known} twice"), "take one of the two out"))
        }
    }

    /// Sets an entry of `LIMITS`.
    pub(super) fn limit(&mut self, name: &str, given: GivenValue<'_>) -> Result<(), UnplacedFault> {
        match (name, given) {
            ("memory", GivenValue::Text(text)) => {
                self.keyring.memory_limit = size(text)?;
                Ok(())
            }
            ("processes", GivenValue::Whole(count @ 1..=1_000_000)) => {
                self.keyring.sandbox_extra.processes = Some(count);
                Ok(())
            }
            ("memory", given) => Err(UnplacedFault::new(given.is(), "give a size with its unit: 512M, 4G")),
            (_, given) => Err(UnplacedFault::new(given.is(), "give a whole number from 1 to 1000000")),
        }
    }

    /// Adds a path of `SANDBOX_PATHS`.
    pub(super) fn sandbox_path(&mut self, name: &str, text: &str) -> Result<(), UnplacedFault> {
        let path = home_or_absolute(text)?;
        let extra = &mut self.keyring.sandbox_extra;
        if name == "read" {
            extra.read.push(path)
        } else {
            extra.write.push(path)
        }
        Ok(())
    }

    /// The faults of required keys that are missing.
    pub(super) fn missing(&self) -> Vec<KeyringFault> {
        let mut missing = Vec::new();
        let mut needs = |key: &str, problem: &str, expected: &str| {
            if !self.seen.contains(key) {
                let (problem, expected) = (problem.to_owned(), expected.to_owned());
                missing.push(KeyringFault { position: None, key: Some(key.to_owned()), problem, expected });
            }
        };
        let credentials = "give it as the Credentials page of the app in Feishu's developer console shows it";
        needs("FEISHU_APP_ID", "is missing", credentials);
        needs("FEISHU_APP_SECRET", "is missing", credentials);
        if self.seen.iter().any(|key| key.starts_with("OPENAI_")) {
            let problem = "is missing, though another OPENAI_… key is given";
            let expected = "give OPENAI_BASE_URL and OPENAI_MODEL, or none of them for no mail boy";
            needs("OPENAI_BASE_URL", problem, expected);
            needs("OPENAI_MODEL", problem, expected);
        }
        missing
    }

    /// The finished keyring. Nothing must be [`Self::missing`].
    pub(super) fn finish(self, positions: BTreeMap<&'static str, TextPosition>) -> Keyring {
        let mail_boy = self.openai_base_url.zip(self.openai_model).map(|(base_url, model)| MailBoy {
            base_url,
            api_key: self.openai_api_key,
            model,
        });
        Keyring { mail_boy, positions, ..self.keyring }
    }
}

/// Accepts text without blanks, for ids and secrets. The text is never shown.
fn one_word(text: &str) -> Result<&str, UnplacedFault> {
    if text.is_empty() {
        Err(UnplacedFault::new("is empty", "give its value, or take the line out"))
    } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err(UnplacedFault::new("has a blank in it", "give it as one word"))
    } else {
        Ok(text)
    }
}

fn command(text: &str) -> Result<&str, UnplacedFault> {
    if text.trim().is_empty() || text.contains(char::is_control) {
        Err(UnplacedFault::new(format!("is {}", quoted(text)), "give the name or path of a program"))
    } else if text.contains('/') && !text.starts_with(['/', '~']) {
        Err(UnplacedFault::new(
            format!("is {}, a path relative to nothing", quoted(text)),
            "give a name to be found on PATH, or a path that begins with / or ~/",
        ))
    } else {
        Ok(text)
    }
}

fn home_or_absolute(text: &str) -> Result<PathBuf, UnplacedFault> {
    let good = text == "~" || text.starts_with("~/") || text.starts_with('/');
    if good && !text.contains(char::is_control) {
        Ok(text.into())
    } else {
        Err(UnplacedFault::new(format!("is {}", quoted(text)), "give a path that begins with / or ~/"))
    }
}

fn permission_mode(text: &str) -> Result<PermissionMode, UnplacedFault> {
    const EXPECTED: &str = "give default, acceptEdits, plan, dontAsk or auto";
    text.parse().map_err(|error| match error {
        PermissionModeError::Bypass => UnplacedFault::new(
            "is bypassPermissions, which would let Claude run everything unasked",
            EXPECTED,
        ),
        PermissionModeError::Unknown => UnplacedFault::new(format!("is {}", quoted(text)), EXPECTED),
    })
}
