//! The table, row by row.

use super::*;

const RESET: Option<Duration> = Some(Duration::from_secs(7));

fn meant(api: &str, http: u16, code: Option<i64>, reset: Option<Duration>) -> RetryAdvice {
    classify(api, FailedAnswer { http, code, message: "no", reset })
}

fn again(seconds: Option<u64>, outcome_known: bool) -> RetryAdvice {
    RetryAdvice::Retry { after: seconds.map(Duration::from_secs), outcome_known }
}

#[test]
fn rate_limits_wait_as_long_as_the_server_says() {
    for code in [99_991_400, 11_232, 11_233, 11_247] {
        assert_eq!(meant(CREATE, 400, Some(code), RESET), again(Some(7), true), "{code}");
        assert_eq!(meant(CREATE, 429, Some(code), None), again(None, true), "{code}");
    }
    assert_eq!(meant(REPLY, 429, Some(1), RESET), again(Some(7), true));
    assert_eq!(meant(REPLY, 429, None, RESET), again(Some(7), true));
    assert_eq!(meant(REPLY, 400, Some(230_020), None), again(Some(1), true));
    assert_eq!(meant(REPLY, 400, Some(230_020), RESET), again(Some(7), true));
}

#[test]
fn an_unknown_outcome_is_tried_again() {
    for (http, code) in [(500, Some(1)), (502, None), (200, Some(2200)), (400, Some(1501)), (200, None)] {
        assert_eq!(meant(CREATE, http, code, None), again(None, false), "{http} {code:?}");
    }
    assert_eq!(meant(CREATE, 400, Some(230_049), None), again(Some(1), false));
    assert_eq!(meant(CREATE, 404, None, None), again(None, true));
    assert_eq!(meant(CREATE, 302, None, None), again(None, false));
}

#[test]
fn a_token_that_stays_bad_is_tried_again_and_a_bad_secret_is_the_operators() {
    for code in [99_991_661, 99_991_663, 99_991_664, 99_991_665, 99_991_668, 99_991_671, 99_991_677] {
        assert_eq!(meant(CREATE, 400, Some(code), None), again(Some(5), true), "{code}");
    }
    for code in [10_014, 10_015, 99_991_543] {
        assert_eq!(
            meant(TOKEN, 200, Some(code), None),
            RetryAdvice::Refused(RefusalReason::Operator),
            "{code}"
        );
    }
    assert_eq!(meant(TOKEN, 200, Some(10_003), None), again(Some(30), true));
}

#[test]
fn refusals_are_told_apart() {
    for (api, code, refusal) in [
        (CREATE, 230_025, RefusalReason::TooLong),
        (REPLY, 230_011, RefusalReason::TargetGone),
        (REPLY, 230_019, RefusalReason::TargetGone),
        (REPLY, 230_050, RefusalReason::TargetGone),
        (REPLY, 230_054, RefusalReason::TargetGone),
        (REPLY, 230_071, RefusalReason::TargetGone),
        (REPLY, 230_072, RefusalReason::TargetGone),
        (REPLY, 230_111, RefusalReason::TargetGone),
        (REPLY, 231_003, RefusalReason::TargetGone),
        (REACT, 231_003, RefusalReason::TargetGone),
        (REACT, 230_110, RefusalReason::TargetGone),
        (REACT, 231_001, RefusalReason::Bug),
        (CREATE, 230_011, RefusalReason::Undeliverable),
        (CREATE, 230_002, RefusalReason::Undeliverable),
        (CREATE, 230_018, RefusalReason::Undeliverable),
        (CREATE, 230_022, RefusalReason::Content),
        (REPLY, 230_028, RefusalReason::Content),
        (CREATE, 230_029, RefusalReason::Undeliverable),
        (CREATE, 230_034, RefusalReason::Undeliverable),
        (CREATE, 230_035, RefusalReason::Undeliverable),
        (CREATE, 230_038, RefusalReason::Undeliverable),
        (CREATE, 230_053, RefusalReason::Undeliverable),
        (CREATE, 230_054, RefusalReason::Undeliverable),
        (REPLY, 230_075, RefusalReason::Undeliverable),
        (CREATE, 232_009, RefusalReason::Undeliverable),
        (CREATE, 230_006, RefusalReason::Operator),
        (CREATE, 230_013, RefusalReason::Undeliverable),
        (CREATE, 230_027, RefusalReason::Operator),
        (BOT_INFO, 99_991_672, RefusalReason::Operator),
        (CREATE, 99_991_662, RefusalReason::Operator),
        (CREATE, 99_991_673, RefusalReason::Operator),
        (CREATE, 99_991_401, RefusalReason::Operator),
        (CREATE, 99_991_403, RefusalReason::Operator),
        (CREATE, 230_001, RefusalReason::Bug),
        (CREATE, 230_017, RefusalReason::Bug),
        (CREATE, 230_055, RefusalReason::Bug),
        (CREATE, 230_099, RefusalReason::Shape),
        (CREATE, -1, RefusalReason::Bug),
        (UPDATE, 230_001, RefusalReason::CardGone),
        (UPDATE, 230_002, RefusalReason::Undeliverable),
        (UPDATE, 230_011, RefusalReason::CardGone),
        (UPDATE, 230_017, RefusalReason::CardGone),
        (UPDATE, 230_022, RefusalReason::Content),
        (UPDATE, 230_025, RefusalReason::TooLong),
        (UPDATE, 230_027, RefusalReason::Scope),
        (UPDATE, 230_028, RefusalReason::Content),
        (UPDATE, 230_031, RefusalReason::CardGone),
        (UPDATE, 230_071, RefusalReason::CardGone),
        (UPDATE, 230_110, RefusalReason::CardGone),
        (UPDATE, 231_003, RefusalReason::CardGone),
        (UPDATE, 99_991_672, RefusalReason::Scope),
        (UPLOAD, 99_991_672, RefusalReason::Scope),
        (UPLOAD, 234_001, RefusalReason::Bug),
        (UPLOAD, 234_006, RefusalReason::TooLong),
        (UPLOAD, 234_010, RefusalReason::Bug),
        (UPLOAD, 230_054, RefusalReason::Bug),
        (UPLOAD, 230_028, RefusalReason::Content),
        (ENTITY, 10_002, RefusalReason::Shape),
        (ENTITY, 200_220, RefusalReason::Shape),
        (ENTITY, 200_860, RefusalReason::TooLong),
        (ENTITY, 300_301, RefusalReason::Shape),
        (ENTITY, 300_302, RefusalReason::Shape),
        (ENTITY, 300_303, RefusalReason::Shape),
        (ENTITY, 300_305, RefusalReason::Shape),
        (ENTITY, 300_307, RefusalReason::Shape),
        (ENTITY, 99_991_672, RefusalReason::Scope),
        (STREAM, 200_740, RefusalReason::CardGone),
        (STREAM, 200_750, RefusalReason::CardGone),
        (STREAM, 200_850, RefusalReason::StreamClosed),
        (STREAM, 200_510, RefusalReason::StreamClosed),
        (STREAM, 300_309, RefusalReason::StreamClosed),
        (STREAM, 300_310, RefusalReason::Shape),
        (STREAM, 300_311, RefusalReason::CardGone),
        (STREAM, 300_313, RefusalReason::Shape),
        (STREAM, 300_317, RefusalReason::Sequence),
        (SETTINGS, 200_770, RefusalReason::Sequence),
        (REPLACE, 200_860, RefusalReason::TooLong),
        (REPLACE, 300_121, RefusalReason::Shape),
        (REPLACE, 230_028, RefusalReason::Content),
        (REPLACE, -1, RefusalReason::Bug),
    ] {
        assert_eq!(meant(api, 400, Some(code), RESET), RetryAdvice::Refused(refusal), "{api} {code}");
    }
    assert_eq!(meant(CREATE, 413, None, None), RetryAdvice::Refused(RefusalReason::TooLong));
    assert_eq!(meant(ENTITY, 404, None, None), RetryAdvice::Refused(RefusalReason::Scope));
    assert_eq!(meant(ENTITY, 403, None, None), again(None, true));
}

#[test]
fn why_a_card_could_not_be_built_is_read_from_what_the_answer_says() {
    let said = |message: &str| {
        let failed = FailedAnswer { http: 400, code: Some(230_099), message, reset: None };
        [CREATE, REPLY, UPDATE].map(|api| classify(api, failed))
    };
    let words = "Failed to create card content, ext=ErrCode: ";
    for (sub_code, refusal) in [
        ("11310; ErrMsg: card table number over limit; ", RefusalReason::Shape),
        ("11310; ErrMsg: element exceeds the limit; ", RefusalReason::Shape),
        ("200861; ErrMsg: unsupported tag note; ", RefusalReason::Shape),
        ("200621; ErrMsg: parse card json err; ", RefusalReason::Shape),
        ("200570; ErrMsg: bad image key; ", RefusalReason::Shape),
        ("200860", RefusalReason::TooLong),
        ("200830; ErrMsg: schema", RefusalReason::CardGone),
        ("x", RefusalReason::Shape),
        ("99999999999999999999", RefusalReason::Shape),
    ] {
        let expected = [RetryAdvice::Refused(refusal); 3];
        assert_eq!(said(&format!("{words}{sub_code}")), expected, "{sub_code}");
    }
    let locked = said(&format!("{words}11310; ErrMsg: card action is lock; "));
    assert_eq!(locked, [again(Some(1), true); 3]);
}

#[test]
fn an_operation_on_a_card_that_somebody_uses_or_that_went_wrong_inside_is_tried_again() {
    assert_eq!(meant(STREAM, 400, Some(200_810), None), again(Some(1), true));
    assert_eq!(meant(REPLACE, 400, Some(300_120), None), again(None, false));
    assert_eq!(meant(UPDATE, 400, Some(230_020), None), again(Some(1), true));
    assert_eq!(meant(SETTINGS, 400, Some(99_991_400), RESET), again(Some(7), true));
}

#[test]
fn the_servers_wait_is_read_and_bounded() {
    assert_eq!(reset_after(" 3 "), Some(Duration::from_secs(3)));
    assert_eq!(reset_after("0"), Some(Duration::ZERO));
    assert_eq!(reset_after("18446744073709551615"), Some(MAX_RESET_WAIT));
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
        advice: RetryAdvice::Refused(RefusalReason::Undeliverable),
    };
    let sentence = "im.message.create: code 230002 (HTTP 400) Bot is not in chat [log id log-1]";
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn what_all_calls_have_is_not_the_trouble_of_one() {
    let own = |api, http: Option<u16>, code| {
        let failed = FailedAnswer { http: http.unwrap_or(200), code, message: "no", reset: None };
        let advice = match http {
            Some(_) => classify(api, failed),
            None => again(None, false),
        };
        ApiError { api, code, http, message: "no".to_owned(), log_id: None, advice }.may_be_isolated()
    };
    let everybodys = [
        (TOKEN, Some(200), Some(10_014)),
        (TOKEN, None, None),
        (CREATE, Some(400), Some(99_991_400)),
        (CREATE, Some(400), Some(230_020)),
        (CREATE, Some(429), None),
        (REPLY, Some(400), Some(99_991_663)),
        (CREATE, Some(400), Some(99_991_401)),
        (CREATE, Some(400), Some(99_991_403)),
        (CREATE, Some(400), Some(230_006)),
    ];
    let its_own = [
        (CREATE, None, None),
        (CREATE, Some(502), None),
        (CREATE, Some(403), None),
        (UPDATE, Some(400), Some(300_120)),
        (UPDATE, Some(400), Some(200_810)),
        (CREATE, Some(500), Some(2200)),
        (REPLY, Some(400), Some(230_049)),
    ];
    for (api, http, code) in everybodys {
        assert!(!own(api, http, code), "{api} {http:?} {code:?}");
    }
    for (api, http, code) in its_own {
        assert!(own(api, http, code), "{api} {http:?} {code:?}");
    }
    let unconnected = ApiError {
        api: CREATE,
        code: None,
        http: None,
        message: "connection refused".to_owned(),
        log_id: None,
        advice: again(None, true),
    };
    assert!(!unconnected.may_be_isolated());
}
