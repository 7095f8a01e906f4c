//! Every refusal that Feishu knows, of the address and of the handshake.

use futures_util::future::join_all;
use phonework::emulator::{EmulatorOptions, FaultDuration, FaultEffect, InjectedFault};
use serde_json::json;

use super::installed;
use crate::support::phonework::field;

fn code(http: u16, code: i64) -> FaultEffect {
    FaultEffect::Refuse { http, code, reset: None }
}

fn handshake(status: i64, auth_code: Option<i64>) -> InjectedFault {
    InjectedFault::handshake(FaultEffect::RefuseHandshake { status, auth_code }, FaultDuration::Times(1))
}

#[tokio::test]
async fn trouble_of_feishus_is_told_and_tried_again_after_a_while() {
    let endpoint = |effect| InjectedFault::endpoint(effect, FaultDuration::Times(1));
    let troubles = [
        (endpoint(code(200, 1)), "code 1 "),
        (endpoint(code(200, 1_000_040_343)), "code 1000040343"),
        (endpoint(code(200, 1_000_040_345)), "code 1000040345"),
        (endpoint(code(500, 2200)), "HTTP 500"),
        (endpoint(code(429, 99_991_400)), "HTTP 429"),
        (endpoint(FaultEffect::Page { http: 502 }), "HTTP 502 without a Feishu code"),
        (endpoint(FaultEffect::Page { http: 200 }), "HTTP 200 without a Feishu code"),
        (endpoint(FaultEffect::Garbage), "HTTP 200 without a Feishu code"),
        (handshake(514, Some(1_000_040_351)), "refused with status 514"),
        (handshake(514, None), "refused with status 514"),
        (handshake(500, None), "refused with status 500"),
        (
            InjectedFault::handshake(FaultEffect::Page { http: 503 }, FaultDuration::Times(1)),
            "refused with HTTP 503",
        ),
    ];
    join_all(troubles.map(|(fault, words)| async move {
        let mut phonework = installed(EmulatorOptions::default()).await;
        phonework.emulator.fault(fault);
        phonework.start().await;
        let told = phonework.lines(&["WARN", "could not connect"]);
        assert_eq!(told.len(), 1, "{words}: {told:?}");
        assert!(told[0].contains(words), "{words}: {told:?}");
        assert!(field(&told[0], "retry_ms") <= 1000, "{told:?}");
        phonework.logged("connected to Feishu again", 1).await;
    }))
    .await;
}

#[tokio::test]
async fn what_an_operator_has_to_mend_is_told_as_an_error_and_tried_again_when_he_says_so() {
    let endpoint = |effect| InjectedFault::endpoint(effect, FaultDuration::UntilLifted);
    let always = |fault: InjectedFault| InjectedFault { lasting: FaultDuration::UntilLifted, ..fault };
    let refusals = [
        (endpoint(code(200, 403)), "banned or disabled"),
        (endpoint(code(200, 514)), "check FEISHU_APP_ID and FEISHU_APP_SECRET"),
        (endpoint(code(200, 1_000_040_344)), "no credentials arrived"),
        (endpoint(code(200, 1_000_040_350)), "too many connections"),
        (endpoint(code(400, 10_003)), "code 10003"),
        (always(handshake(403, None)), "banned or disabled"),
        (always(handshake(514, Some(1_000_040_350))), "too many connections"),
    ];
    join_all(refusals.map(|(fault, words)| async move {
        let mut phonework = installed(EmulatorOptions::default()).await;
        let fault = phonework.emulator.fault(fault);
        phonework.launch();
        phonework.logged("Feishu refuses the app", 1).await;
        let told = phonework.lines(&["ERROR", "Feishu refuses the app"]);
        assert!(told[0].contains(words), "{words}: {told:?}");
        let wait = field(&told[0], "retry_ms");
        assert!((150_000..=300_000).contains(&wait), "{told:?}");
        // Having the keyring read again is a try at once; what stays the same is no error again.
        phonework.reload("LANGUAGE", json!("en"));
        phonework.logged("still could not connect: Feishu refuses the app", 1).await;
        assert_eq!(phonework.lines(&["ERROR", "Feishu refuses the app"]).len(), 1);
        phonework.emulator.lift(fault);
        phonework.reload("LANGUAGE", json!("en"));
        phonework.connected_after(0).await;
        phonework.open_shop().await;
    }))
    .await;
}
