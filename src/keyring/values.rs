//! Parses kinds of values: those of the keyring, some of which the chat's commands take too.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::fault::{UnplacedFault, quoted};
use crate::language::Language;
use crate::sandbox::Mode;
use crate::sandbox::verdict::Wanted;

/// Maximum duration in a setting: 30 days, far from where adding it to a clock would overflow.
pub(crate) const MAX_DURATION: Duration = Duration::from_hours(30 * 24);

/// Parses a duration: seconds (`300`, `300s`), minutes (`10m`) or hours (`2h`), whole numbers.
///
/// # Errors
/// When it is none of these, zero, or longer than [`MAX_DURATION`].
pub(crate) fn duration(text: &str) -> Result<Duration, DurationError> {
    let (digits, unit) = match text.as_bytes() {
        [.., b's'] => (&text[..text.len() - 1], 1),
        [.., b'm'] => (&text[..text.len() - 1], 60),
        [.., b'h'] => (&text[..text.len() - 1], 3600),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::NotATime);
    }
    // Digits that do not fit are a number all the same, only too large a one.
    let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    match seconds.map(Duration::from_secs) {
        Some(Duration::ZERO) => Err(DurationError::Zero),
        Some(duration) if duration <= MAX_DURATION => Ok(duration),
        Some(_) | None => Err(DurationError::TooLong),
    }
}

/// Why a text is not a usable duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// Not a whole number with `s`, `m`, `h` or nothing after it.
    #[error("is no time")]
    NotATime,
    /// Zero: nothing could ever be done.
    #[error("is zero")]
    Zero,
    /// The duration is longer than [`MAX_DURATION`].
    #[error("is longer than 30 days")]
    TooLong,
}

/// The permission modes of Claude Code, except the one that asks nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// Asks before the first use of each tool that changes something. Claude Code also calls it `manual`.
    #[default]
    #[serde(alias = "manual")]
    Default,
    /// Edits files without asking, and asks for everything else.
    AcceptEdits,
    /// Makes plans and changes nothing.
    Plan,
    /// Asks nobody, and denies what the rules do not allow.
    DontAsk,
    /// Claude Code itself decides what to ask for.
    Auto,
}

impl PermissionMode {
    /// All modes, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Self::Default, Self::AcceptEdits, Self::Plan, Self::DontAsk, Self::Auto];

    /// The name that `claude --permission-mode` takes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Plan => "plan",
            Self::DontAsk => "dontAsk",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for PermissionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PermissionMode {
    type Err = PermissionModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "manual" => Ok(Self::Default),
            "bypassPermissions" => Err(PermissionModeError::Bypass),
            other => {
                Self::ALL.into_iter().find(|mode| mode.as_str() == other).ok_or(PermissionModeError::Unknown)
            }
        }
    }
}

/// Why a text is not a usable permission mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionModeError {
    /// `bypassPermissions`: whoever can write to the bot could then run anything on this machine.
    #[error("would run everything unasked, which phonework never does")]
    Bypass,
    /// Claude Code has no such mode.
    #[error("is no permission mode")]
    Unknown,
}

/// Parses `SANDBOX`.
pub(super) fn sandbox(text: &str) -> Result<Wanted, UnplacedFault> {
    match text {
        "auto" => Ok(Wanted::Auto),
        "bwrap" => Ok(Wanted::Only(Mode::Bwrap)),
        "landlock" => Ok(Wanted::Only(Mode::Landlock)),
        "off" => Ok(Wanted::Off),
        other => {
            Err(UnplacedFault::new(format!("is {}", quoted(other)), "give auto, bwrap, landlock or off"))
        }
    }
}

/// Reads a size: whole mebibytes (`512M`) or gibibytes (`4G`), at least 256 MiB, which Claude Code needs to run at all.
pub(super) fn size(text: &str) -> Result<u64, UnplacedFault> {
    let expected = "give a size with its unit, 256M at least: 512M, 4G";
    let (digits, unit) = match text.as_bytes() {
        [.., b'M'] => (&text[..text.len() - 1], 1 << 20),
        [.., b'G'] => (&text[..text.len() - 1], 1 << 30),
        _ => ("", 0),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = digits.parse::<u64>().ok().filter(|_| is_number).and_then(|count| count.checked_mul(unit));
    match bytes {
        Some(bytes) if bytes >= 256 << 20 => Ok(bytes),
        Some(_) | None => Err(UnplacedFault::new(format!("is {}", quoted(text)), expected)),
    }
}

/// Parses `LANGUAGE`.
pub(super) fn language(text: &str) -> Result<Language, UnplacedFault> {
    match text {
        "en" => Ok(Language::En),
        "zh" => Ok(Language::Zh),
        other => Err(UnplacedFault::new(format!("is {}", quoted(other)), "give en or zh")),
    }
}

/// Parses `FEISHU_DOMAIN` into a base URL.
pub(super) fn domain(text: &str) -> Result<String, UnplacedFault> {
    match text {
        "feishu" => Ok("https://open.feishu.cn".to_owned()),
        "lark" => Ok("https://open.larksuite.com".to_owned()),
        other if other.contains("://") => base_url(other),
        other => Err(UnplacedFault::new(
            format!("is {}", quoted(other)),
            "give feishu, lark or a base URL like https://host",
        )),
    }
}

/// Parses a base URL and removes trailing slashes. Faults never show it, because a URL may hold a password.
pub(super) fn base_url(text: &str) -> Result<String, UnplacedFault> {
    const EXPECTED: &str = "give a URL like https://host or https://host/path";
    let wrong = |problem: &str| Err(UnplacedFault::new(problem, EXPECTED));
    let Ok(url) = Url::parse(text) else { return wrong("is no URL") };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        wrong("is no http or https URL")
    } else if !url.username().is_empty() || url.password().is_some() {
        wrong("is a URL with a name or password in it")
    } else if url.query().is_some() || url.fragment().is_some() {
        wrong("is a URL with a `?` or `#`")
    } else {
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
}

/// Whether this can be passed to Claude Code as `--model`: one word that is not an option. Which models exist is not
/// checked.
#[must_use]
pub(crate) fn is_model_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 200
        && !text.starts_with('-')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_minutes_or_hours() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("300"), Ok(300));
        assert_eq!(seconds("300s"), Ok(300));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("2h"), Ok(7200));
        assert_eq!(seconds("720h"), Ok(2_592_000));
        for text in ["", "s", "-5", "+5", "1.5h", "10 m", "1h30m", "2d", "٣", "五m", "soon"] {
            assert_eq!(seconds(text), Err(DurationError::NotATime), "{text:?}");
        }
        assert_eq!(seconds("0h"), Err(DurationError::Zero));
        for text in ["721h", "18446744073709551615h", "99999999999999999999"] {
            assert_eq!(seconds(text), Err(DurationError::TooLong), "{text:?}");
        }
    }

    #[test]
    fn modes_are_named_as_claude_code_names_them() {
        for mode in PermissionMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("\"{mode}\""));
        }
        assert_eq!("manual".parse(), Ok(PermissionMode::Default));
        assert_eq!("bypassPermissions".parse::<PermissionMode>(), Err(PermissionModeError::Bypass));
        assert_eq!("acceptedits".parse::<PermissionMode>(), Err(PermissionModeError::Unknown));
    }

    #[test]
    fn a_domain_becomes_a_base_url() {
        assert_eq!(domain("feishu"), Ok("https://open.feishu.cn".to_owned()));
        assert_eq!(domain("lark"), Ok("https://open.larksuite.com".to_owned()));
        assert_eq!(domain("http://127.0.0.1:8099/"), Ok("http://127.0.0.1:8099".to_owned()));
        assert_eq!(
            domain("https://feishu.corp.example/base//"),
            Ok("https://feishu.corp.example/base".to_owned())
        );
        for text in
            ["ftp://host", "https://me:secret@host", "https://", "https://host?x", "file:///etc/passwd"]
        {
            let wrong = domain(text).unwrap_err();
            assert!(!wrong.problem.contains("secret"), "{wrong:?}");
        }
    }

    #[test]
    fn a_model_name_is_one_word_and_not_an_option() {
        assert!(is_model_name("claude-opus-4-5[1m]"));
        for text in ["", "--resume", "a b", "a\nb"] {
            assert!(!is_model_name(text), "{text:?}");
        }
    }
}
