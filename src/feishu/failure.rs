//! What a failed API call means, and what to do about it: one table, keyed by the API and Feishu's code.
//!
//! The same number may mean different things on different APIs (230071, 230072 and 230075 on *reply* and on *edit*,
//! 10002 on card entities and elsewhere), so the API is part of the key.

mod meaning;

use std::fmt;
use std::time::Duration;

pub(crate) use meaning::{FailedAnswer, classify};

/// Gets a token.
pub const TOKEN: &str = "auth.token";
/// Gets the bot's own data.
pub(crate) const BOT_INFO: &str = "bot.info";
/// Sends a message to a chat or a person.
pub(crate) const CREATE: &str = "im.message.create";
/// Replies to a message.
pub(crate) const REPLY: &str = "im.message.reply";
/// Reads a message.
pub(crate) const READ: &str = "im.message.get";
/// Adds a reaction to a message.
pub(crate) const REACT: &str = "im.reaction.create";
/// Replaces the card of a message.
pub(crate) const UPDATE: &str = "im.message.patch";
/// Uploads a file.
pub(crate) const UPLOAD: &str = "im.file.create";
/// Creates a card entity.
pub(crate) const ENTITY: &str = "cardkit.card.create";
/// Streams the text of an element of a card entity.
pub(crate) const STREAM: &str = "cardkit.element.content";
/// Changes the settings of a card entity.
pub(crate) const SETTINGS: &str = "cardkit.card.settings";
/// Replaces the card of a card entity.
pub(crate) const REPLACE: &str = "cardkit.card.update";

/// Maximum wait that a response's header can ask for.
pub(crate) const MAX_RESET_WAIT: Duration = Duration::from_secs(120);

/// A call that failed, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The call: one of the constants above.
    pub api: &'static str,
    /// Feishu's code; `None` if the response was not Feishu's JSON, or there was none.
    pub code: Option<i64>,
    /// The HTTP status; `None` if there was no response.
    pub http: Option<u16>,
    /// What Feishu or the network said, in one line of at most 300 characters.
    pub message: String,
    /// The log id, which Feishu's support asks for.
    pub log_id: Option<String>,
    /// What to do about the failure.
    pub advice: RetryAdvice,
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// Make the same call again, a message with the same `uuid`.
    Retry {
        /// Minimum wait; `None` leaves it to the caller's backoff.
        after: Option<Duration>,
        /// Whether it is certain that the call had no effect.
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
    /// The message to reply or react to does not exist (any more). The chat may exist.
    TargetGone,
    /// The card to change cannot be changed (any more): it was recalled, is older than 14 days, or not this app's.
    CardGone,
    /// The card entity does not stream (any more): Feishu ends that after 10 minutes.
    StreamClosed,
    /// The operation's number is not higher than that of an earlier one on the same card entity.
    Sequence,
    /// Nothing can be sent to this chat or person: it does not exist any more, or it bars the bot.
    Undeliverable,
    /// The app lacks a permission that only this call needs.
    Scope,
    /// An operator has to fix the app: a missing permission, a wrong secret, a disabled app. Until then the same call
    /// fails.
    Operator,
    /// Feishu does not understand the request.
    Bug,
}

impl ApiError {
    /// Identifies repeated failures: the call with its code, or with what the network said.
    #[must_use]
    pub fn cause(&self) -> String {
        match (self.code, self.http) {
            (None, None) => format!("{}: {}", self.api, self.message),
            (code, http) => format!("{}: {code:?} {http:?}", self.api),
        }
    }

    /// Whether the failure may concern this call alone. Trouble with the app, its token, the network or a rate limit
    /// concerns all calls.
    #[must_use]
    pub(crate) fn may_be_isolated(&self) -> bool {
        if self.api == TOKEN
            || self.advice == RetryAdvice::Refused(RefusalReason::Operator)
            || self.http == Some(429)
        {
            return false;
        }
        match (self.code, self.advice) {
            (Some(code), _) => !is_limit(code) && !is_token_error(code),
            // There was no connection, so all calls fail.
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

/// Whether a code says that the token is missing, expired or wrong, so that a new one may help.
#[must_use]
pub(crate) fn is_token_error(code: i64) -> bool {
    matches!(code, 99_991_661 | 99_991_663..=99_991_665 | 99_991_668 | 99_991_671 | 99_991_677)
}

/// Whether a code says that there were too many calls.
#[must_use]
fn is_limit(code: i64) -> bool {
    matches!(code, 99_991_400 | 11_232 | 11_233 | 11_247 | 230_020)
}

/// The wait that the header `x-ogw-ratelimit-reset` asks for (in seconds), if it can be parsed.
#[must_use]
pub(crate) fn reset_after(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(MAX_RESET_WAIT))
}

#[cfg(test)]
mod tests;
