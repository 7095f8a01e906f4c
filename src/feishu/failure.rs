//! What a failed API call means: one table, keyed by the API and Feishu's code.
//!
//! The same number may mean different things on different APIs (230071, 230072 and 230075 on *reply* and on *edit*,
//! 10002 on card entities and elsewhere), so the API is part of the key.

mod meaning;

use std::fmt;
use std::time::Duration;

pub use meaning::{FailedAnswer, classify};

/// The call that makes a token.
pub const TOKEN: &str = "auth.token";
/// The bot's own data.
pub const BOT_INFO: &str = "bot.info";
/// A new message to a chat or a person.
pub const CREATE: &str = "im.message.create";
/// A message that replies to another.
pub const REPLY: &str = "im.message.reply";
/// A message as Feishu keeps it.
pub const READ: &str = "im.message.get";
/// A reaction to a message.
pub const REACT: &str = "im.reaction.create";
/// Another card in the place of a message's.
pub const UPDATE: &str = "im.message.patch";
/// A file to be sent.
pub const UPLOAD: &str = "im.file.create";
/// A new card entity.
pub const ENTITY: &str = "cardkit.card.create";
/// The text of an entity's element, as it is streamed.
pub const STREAM: &str = "cardkit.element.content";
/// An entity's settings.
pub const SETTINGS: &str = "cardkit.card.settings";
/// Another card in the place of an entity's.
pub const REPLACE: &str = "cardkit.card.update";

/// The longest wait that a server's header can ask for.
pub const LONGEST_RESET: Duration = Duration::from_secs(120);

/// A call that failed, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Which call.
    pub api: &'static str,
    /// Feishu's code; `None` when the answer was not Feishu's JSON or there was none.
    pub code: Option<i64>,
    /// The HTTP status; `None` when there was no answer.
    pub http: Option<u16>,
    /// What Feishu or the network said, in one line of at most 300 characters.
    pub message: String,
    /// What Feishu's support asks for.
    pub log_id: Option<String>,
    /// What to do.
    pub advice: RetryAdvice,
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// Make the same call again, a message with the same `uuid`.
    Retry {
        /// Not before this long; `None` leaves it to the caller's backoff.
        after: Option<Duration>,
        /// Whether it is certain that the call did nothing.
        outcome_known: bool,
    },
    /// The same call will fail again.
    Refused(RefusalReason),
}

/// Why a call is refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The content is too long: split it.
    TooLong,
    /// The content did not pass a check: Feishu's own, or one that the company has set up.
    Content,
    /// The content is not what Feishu shows: a card with too many tables or elements, or one that it does not
    /// understand.
    Shape,
    /// The message to reply or react to is not there (any more); the chat may be.
    TargetGone,
    /// The card to change cannot be changed (any more): it was recalled, is older than 14 days, or not this app's.
    CardGone,
    /// The card entity does not stream (any more): Feishu ends that after 10 minutes.
    StreamClosed,
    /// The operation's number is not higher than that of an earlier one on the same card entity.
    Sequence,
    /// This cannot be brought to this chat or person: it is gone, or bars the bot.
    Undeliverable,
    /// The app may not make this call, but others: a permission is missing that is asked for this one only.
    Scope,
    /// An operator has to change the app: a missing permission, a wrong secret, a disabled app. Until he does, the same
    /// call fails.
    Operator,
    /// The request makes no sense to Feishu.
    Bug,
}

impl ApiError {
    /// What stays the same from one such failure to the next: the call, and its code or what the network said.
    #[must_use]
    pub fn cause(&self) -> String {
        match (self.code, self.http) {
            (None, None) => format!("{}: {}", self.api, self.message),
            (code, http) => format!("{}: {code:?} {http:?}", self.api),
        }
    }

    /// Whether it can be the trouble of this call alone: not that of the app, of its token, of the network or of a
    /// limit, which all calls have.
    #[must_use]
    pub fn may_be_its_own(&self) -> bool {
        if self.api == TOKEN
            || self.advice == RetryAdvice::Refused(RefusalReason::Operator)
            || self.http == Some(429)
        {
            return false;
        }
        match (self.code, self.advice) {
            (Some(code), _) => !is_limit(code) && !is_token_error(code),
            // There was no connection.
            (None, RetryAdvice::Retry { outcome_known: true, .. }) if self.http.is_none() => false,
            (None, _) => true,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.api)?;
        if let Some(code) = self.code {
            write!(f, "code {code} ")?;
        }
        if let Some(http) = self.http {
            write!(f, "(HTTP {http}) ")?;
        }
        f.write_str(&self.message)?;
        match &self.log_id {
            Some(log_id) => write!(f, " [log id {log_id}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

/// Whether a code says that the token is missing, expired or wrong: a new one may do.
#[must_use]
pub fn is_token_error(code: i64) -> bool {
    matches!(code, 99_991_661 | 99_991_663..=99_991_665 | 99_991_668 | 99_991_671 | 99_991_677)
}

/// Whether a code says that there were too many calls.
#[must_use]
pub fn is_limit(code: i64) -> bool {
    matches!(code, 99_991_400 | 11_232 | 11_233 | 11_247 | 230_020)
}

/// The wait that the header `x-ogw-ratelimit-reset` asks for (seconds), if it can be read.
#[must_use]
pub fn reset_after(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_RESET))
}

#[cfg(test)]
mod tests;
