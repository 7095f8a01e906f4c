//! The table from Feishu's codes to what they mean.

use std::time::Duration;

use super::{
    CREATE, ENTITY, REPLACE, REPLY, RefusalReason, RetryAdvice, SETTINGS, STREAM, TOKEN, UPDATE, UPLOAD,
    is_token_error,
};

/// The parts of a failed response that its meaning depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedAnswer<'a> {
    /// The HTTP status of the answer.
    pub http: u16,
    /// Feishu's code, if the body was Feishu's JSON.
    pub code: Option<i64>,
    /// The message in the body.
    pub message: &'a str,
    /// The wait that the server asks for, if it does.
    pub reset: Option<Duration>,
}

/// What a failed response means. A token error gets here only after a new token failed as well.
#[must_use]
pub(crate) fn classify(api: &str, failed: FailedAnswer<'_>) -> RetryAdvice {
    let FailedAnswer { http, code, message, reset } = failed;
    let again = |after, outcome_known| RetryAdvice::Retry { after, outcome_known };
    let Some(code) = code else { return without_code(api, http, reset) };
    match code {
        99_991_400 | 11_232 | 11_233 | 11_247 => again(reset, true),
        _ if http == 429 => again(reset, true),
        // 5 requests a second for one chat or one message.
        230_020 => again(reset.or(Some(Duration::from_secs(1))), true),
        // 230049: a message with this uuid is being sent. 200810: a person is using the card.
        230_049 => again(Some(Duration::from_secs(1)), false),
        200_810 => again(Some(Duration::from_secs(1)), true),
        230_099 if message.contains("card action is lock") => again(Some(Duration::from_secs(1)), true),
        2200 | 1500..=1503 | 300_000 | 300_120 => again(reset, false),
        _ if http >= 500 => again(reset, false),
        _ if is_token_error(code) => again(Some(Duration::from_secs(5)), true),
        99_991_672 | 230_027 if is_optional(api) => RetryAdvice::Refused(RefusalReason::Scope),
        10_014 | 10_015 | 99_991_543 | 99_991_662 | 99_991_673 | 99_991_672 | 99_991_401 | 99_991_403
        | 230_006 | 230_027 => RetryAdvice::Refused(RefusalReason::Operator),
        // Without a token nothing can be sent, so an unknown code is no reason to give up.
        _ if api == TOKEN => again(Some(Duration::from_secs(30)), true),
        _ => RetryAdvice::Refused(refusal(api, code, message)),
    }
}

/// Whether phonework can do without this call, if the app has no permission for it.
fn is_optional(api: &str) -> bool {
    [UPDATE, UPLOAD, ENTITY, STREAM, SETTINGS, REPLACE].contains(&api)
}

fn refusal(api: &str, code: i64, message: &str) -> RefusalReason {
    if [ENTITY, STREAM, SETTINGS, REPLACE].contains(&api) {
        return entity_refusal(code);
    }
    match code {
        // An upload belongs to no chat yet. Whatever the reason, its content can still be sent as text.
        _ if api == UPLOAD && ![230_022, 230_025, 230_028, 234_006].contains(&code) => RefusalReason::Bug,
        230_025 | 234_006 => RefusalReason::TooLong,
        230_022 | 230_028 => RefusalReason::Content,
        230_099 => card_refusal(sub_code(message)),
        230_001 | 230_011 | 230_017 | 230_031 | 230_050 | 230_054 | 230_055 | 230_071 | 230_072 | 230_075
        | 230_110 | 231_003
            if api == UPDATE =>
        {
            RefusalReason::CardGone
        }
        230_011 | 230_110 | 231_003 if api == CREATE => RefusalReason::Undeliverable,
        230_011 | 230_110 | 231_003 => RefusalReason::TargetGone,
        230_019 | 230_050 | 230_054 | 230_071 | 230_072 | 230_111 if api == REPLY => {
            RefusalReason::TargetGone
        }
        230_002 | 230_013 | 230_018 | 230_029 | 230_034 | 230_035 | 230_038 | 230_050 | 230_053 | 230_054
        | 230_075 | 232_009 => RefusalReason::Undeliverable,
        _ => RefusalReason::Bug,
    }
}

/// 230099: Feishu could not make a message of the card. Whatever the reason, a simpler card may be accepted.
fn card_refusal(sub_code: Option<i64>) -> RefusalReason {
    match sub_code {
        Some(200_860) => RefusalReason::TooLong,
        // The new card has an older schema than the card that is shown, or the message shows no card.
        Some(200_830) => RefusalReason::CardGone,
        // 11310: elements or tables; 200861: a tag; 200621: the JSON; 200570: a picture; and so on.
        Some(_) | None => RefusalReason::Shape,
    }
}

/// What the codes of the card entity APIs mean.
fn entity_refusal(code: i64) -> RefusalReason {
    match code {
        200_740 | 200_750 | 300_311 | 230_002 | 230_011 | 230_031 | 230_110 => RefusalReason::CardGone,
        200_850 | 200_510 | 300_309 => RefusalReason::StreamClosed,
        300_317 | 200_770 => RefusalReason::Sequence,
        200_860 | 230_025 => RefusalReason::TooLong,
        230_022 | 230_028 => RefusalReason::Content,
        10_002
        | 200_220
        | 300_121
        | 300_122
        | 300_301..=300_303
        | 300_305
        | 300_307
        | 300_310
        | 300_312..=300_315 => RefusalReason::Shape,
        _ => RefusalReason::Bug,
    }
}

/// The number after `ErrCode:`.
fn sub_code(message: &str) -> Option<i64> {
    let after = message.split_once("ErrCode:")?.1.trim_start();
    let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    after.get(..digits)?.parse().ok()
}

/// A response that is not Feishu's JSON comes from something in between, which may be gone later.
fn without_code(api: &str, http: u16, reset: Option<Duration>) -> RetryAdvice {
    match http {
        // A domain without card entities answers like this.
        404 if api == ENTITY => RetryAdvice::Refused(RefusalReason::Scope),
        413 => RetryAdvice::Refused(RefusalReason::TooLong),
        400..500 => RetryAdvice::Retry { after: reset, outcome_known: true },
        _ => RetryAdvice::Retry { after: reset, outcome_known: false },
    }
}
