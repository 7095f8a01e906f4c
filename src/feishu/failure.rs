//! What a failed API call means: one table, keyed by the API and Feishu's code.
//!
//! The same number may mean different things on different APIs (230071, 230072 and 230075 on *reply* and on *edit*),
//! so the API is part of the key.

use std::fmt;
use std::time::Duration;

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
    pub advice: Advice,
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Make the same call again, a message with the same `uuid`.
    Retry {
        /// Not before this long; `None` leaves it to the caller's backoff.
        after: Option<Duration>,
        /// Whether it is certain that the call did nothing.
        outcome_known: bool,
    },
    /// The same call will fail again.
    Refused(Refusal),
}

/// Why a call is refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The content is too long: split it.
    TooLong,
    /// The content did not pass a check: Feishu's own, or one that the company has set up.
    Content,
    /// The message to reply or react to is not there (any more); the chat may be.
    TargetGone,
    /// This cannot be brought to this chat or person: it is gone, or bars the bot.
    Undeliverable,
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

/// The wait that the header `x-ogw-ratelimit-reset` asks for (seconds), if it can be read.
#[must_use]
pub fn reset_after(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_RESET))
}

/// What a failed answer means: HTTP status, Feishu's code if the body was its JSON, and the wait that the server asks
/// for. A token error reaches this only after a new token failed as well.
#[must_use]
pub fn classify(api: &str, http: u16, code: Option<i64>, reset: Option<Duration>) -> Advice {
    let again = |after, outcome_known| Advice::Retry { after, outcome_known };
    let Some(code) = code else { return without_code(http, reset) };
    match code {
        99_991_400 | 11_232 | 11_233 | 11_247 => again(reset, true),
        _ if http == 429 => again(reset, true),
        // 5 requests a second for one chat.
        230_020 => again(reset.or(Some(Duration::from_secs(1))), true),
        // The same uuid is on its way; a card is being used.
        230_049 => again(Some(Duration::from_secs(1)), false),
        200_810 => again(Some(Duration::from_secs(1)), true),
        2200 | 1500..=1503 | 300_000 | 300_120 => again(reset, false),
        _ if http >= 500 => again(reset, false),
        _ if is_token_error(code) => again(Some(Duration::from_secs(5)), true),
        10_014 | 10_015 | 99_991_543 | 99_991_662 | 99_991_673 | 99_991_672 | 99_991_401 | 99_991_403
        | 230_006 | 230_027 => Advice::Refused(Refusal::Operator),
        // Without a token nothing can be sent, so that nothing is refused for an unknown reason.
        _ if api == TOKEN => again(Some(Duration::from_secs(30)), true),
        230_025 => Advice::Refused(Refusal::TooLong),
        230_022 | 230_028 => Advice::Refused(Refusal::Content),
        230_011 | 230_110 | 231_003 if api == CREATE => Advice::Refused(Refusal::Undeliverable),
        230_011 | 230_110 | 231_003 => Advice::Refused(Refusal::TargetGone),
        230_019 | 230_050 | 230_071 | 230_072 | 230_111 if api == REPLY => {
            Advice::Refused(Refusal::TargetGone)
        }
        230_002 | 230_013 | 230_018 | 230_029 | 230_034 | 230_035 | 230_038 | 230_050 | 230_053 | 230_054
        | 230_075 | 232_009 => Advice::Refused(Refusal::Undeliverable),
        _ => Advice::Refused(Refusal::Bug),
    }
}

/// An answer that is not the API's JSON comes from something between, which may be gone later.
fn without_code(http: u16, reset: Option<Duration>) -> Advice {
    match http {
        413 => Advice::Refused(Refusal::TooLong),
        400..500 => Advice::Retry { after: reset, outcome_known: true },
        _ => Advice::Retry { after: reset, outcome_known: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESET: Option<Duration> = Some(Duration::from_secs(7));

    fn again(seconds: Option<u64>, outcome_known: bool) -> Advice {
        Advice::Retry { after: seconds.map(Duration::from_secs), outcome_known }
    }

    #[test]
    fn rate_limits_wait_as_long_as_the_server_says() {
        for code in [99_991_400, 11_232, 11_233, 11_247] {
            assert_eq!(classify(CREATE, 400, Some(code), RESET), again(Some(7), true), "{code}");
            assert_eq!(classify(CREATE, 429, Some(code), None), again(None, true), "{code}");
        }
        assert_eq!(classify(REPLY, 429, Some(1), RESET), again(Some(7), true));
        assert_eq!(classify(REPLY, 429, None, RESET), again(Some(7), true));
        assert_eq!(classify(REPLY, 400, Some(230_020), None), again(Some(1), true));
        assert_eq!(classify(REPLY, 400, Some(230_020), RESET), again(Some(7), true));
    }

    #[test]
    fn an_unknown_outcome_is_tried_again() {
        for (http, code) in [(500, Some(1)), (502, None), (200, Some(2200)), (400, Some(1501)), (200, None)] {
            assert_eq!(classify(CREATE, http, code, None), again(None, false), "{http} {code:?}");
        }
        assert_eq!(classify(CREATE, 400, Some(230_049), None), again(Some(1), false));
        assert_eq!(classify(CREATE, 404, None, None), again(None, true));
        assert_eq!(classify(CREATE, 302, None, None), again(None, false));
    }

    #[test]
    fn a_token_that_stays_bad_is_tried_again_and_a_bad_secret_is_the_operators() {
        for code in [99_991_661, 99_991_663, 99_991_664, 99_991_665, 99_991_668, 99_991_671, 99_991_677] {
            assert_eq!(classify(CREATE, 400, Some(code), None), again(Some(5), true), "{code}");
        }
        for code in [10_014, 10_015, 99_991_543] {
            assert_eq!(classify(TOKEN, 200, Some(code), None), Advice::Refused(Refusal::Operator), "{code}");
        }
        assert_eq!(classify(TOKEN, 200, Some(10_003), None), again(Some(30), true));
    }

    #[test]
    fn refusals_are_told_apart() {
        for (api, code, refusal) in [
            (CREATE, 230_025, Refusal::TooLong),
            (REPLY, 230_011, Refusal::TargetGone),
            (REPLY, 230_019, Refusal::TargetGone),
            (REPLY, 230_050, Refusal::TargetGone),
            (REPLY, 230_071, Refusal::TargetGone),
            (REPLY, 230_072, Refusal::TargetGone),
            (REPLY, 230_111, Refusal::TargetGone),
            (REPLY, 231_003, Refusal::TargetGone),
            (REACT, 231_003, Refusal::TargetGone),
            (REACT, 230_110, Refusal::TargetGone),
            (REACT, 231_001, Refusal::Bug),
            (CREATE, 230_011, Refusal::Undeliverable),
            (CREATE, 230_002, Refusal::Undeliverable),
            (CREATE, 230_018, Refusal::Undeliverable),
            (CREATE, 230_022, Refusal::Content),
            (REPLY, 230_028, Refusal::Content),
            (CREATE, 230_029, Refusal::Undeliverable),
            (CREATE, 230_034, Refusal::Undeliverable),
            (CREATE, 230_035, Refusal::Undeliverable),
            (CREATE, 230_038, Refusal::Undeliverable),
            (CREATE, 230_053, Refusal::Undeliverable),
            (CREATE, 230_054, Refusal::Undeliverable),
            (REPLY, 230_075, Refusal::Undeliverable),
            (CREATE, 232_009, Refusal::Undeliverable),
            (CREATE, 230_006, Refusal::Operator),
            (CREATE, 230_013, Refusal::Undeliverable),
            (CREATE, 230_027, Refusal::Operator),
            (BOT_INFO, 99_991_672, Refusal::Operator),
            (CREATE, 99_991_662, Refusal::Operator),
            (CREATE, 99_991_673, Refusal::Operator),
            (CREATE, 99_991_401, Refusal::Operator),
            (CREATE, 99_991_403, Refusal::Operator),
            (CREATE, 230_001, Refusal::Bug),
            (CREATE, 230_017, Refusal::Bug),
            (CREATE, 230_055, Refusal::Bug),
            (CREATE, 230_099, Refusal::Bug),
            (CREATE, -1, Refusal::Bug),
        ] {
            assert_eq!(classify(api, 400, Some(code), RESET), Advice::Refused(refusal), "{api} {code}");
        }
        assert_eq!(classify(CREATE, 413, None, None), Advice::Refused(Refusal::TooLong));
    }

    #[test]
    fn the_servers_wait_is_read_and_bounded() {
        assert_eq!(reset_after(" 3 "), Some(Duration::from_secs(3)));
        assert_eq!(reset_after("0"), Some(Duration::ZERO));
        assert_eq!(reset_after("18446744073709551615"), Some(LONGEST_RESET));
        assert_eq!(reset_after("-1"), None);
        assert_eq!(reset_after("soon"), None);
    }

    #[test]
    fn an_error_is_one_sentence() {
        let error = ApiError {
            api: CREATE,
            code: Some(230_002),
            http: Some(400),
            message: "Bot is not in chat".to_owned(),
            log_id: Some("log-1".to_owned()),
            advice: Advice::Refused(Refusal::Undeliverable),
        };
        let sentence = "im.message.create: code 230002 (HTTP 400) Bot is not in chat [log id log-1]";
        assert_eq!(error.to_string(), sentence);
    }
}
