//! Feishu's answers: `{"code":0,"msg":"success","data":…}`, or a code of its own with an HTTP status beside it.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A request that Feishu does not fulfil.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FeishuRefusal {
    /// The HTTP status of the refusal.
    pub(crate) http: u16,
    /// Feishu's error code, as in its documentation.
    pub(crate) code: i64,
    /// Feishu's error message.
    pub(crate) msg: String,
    /// When a rate is exceeded: how long to wait.
    pub(crate) reset: Option<Duration>,
    /// Whether it is for what a card is made of: Feishu takes it at no time and in no chat.
    pub(crate) of_card: bool,
}

impl FeishuRefusal {
    /// A refusal as most are: HTTP 400.
    pub(crate) fn new(code: i64, msg: impl Into<String>) -> Self {
        Self { http: 400, code, msg: msg.into(), reset: None, of_card: false }
    }

    /// The refusal of a card for what it is made of.
    pub(crate) fn of_card(code: i64, msg: impl Into<String>) -> Self {
        Self { of_card: true, ..Self::new(code, msg) }
    }

    /// A parameter that Feishu does not take; `ext` says which.
    pub(crate) fn parameter(ext: &str) -> Self {
        Self::new(230_001, format!("Your request contains an invalid request parameter, ext={ext}"))
    }

    /// The gateway's rate for one API is exceeded.
    pub(crate) fn too_frequent(reset: Duration) -> Self {
        Self {
            http: 429,
            code: 99_991_400,
            msg: "request trigger frequency limit".to_owned(),
            reset: Some(reset),
            of_card: false,
        }
    }
}

/// The `code` of an answer, kept beside it for the log of calls.
#[derive(Clone, Copy)]
pub(crate) struct AnswerCode(pub(crate) i64);

/// What Feishu says against a card, kept beside the answer for the log of refused cards.
#[derive(Clone)]
pub(crate) struct AgainstCard(pub(crate) String);

/// An answer with `data`.
pub(crate) fn answer(result: Result<Value, FeishuRefusal>) -> Response {
    match result {
        Ok(data) => whole(json!({"code": 0, "msg": "success", "data": data})),
        Err(refusal) => refuse(&refusal),
    }
}

/// An answer whose JSON is given whole; `code` is 0.
pub(crate) fn whole(body: Value) -> Response {
    let mut response = Json(body).into_response();
    sign(&mut response, 0);
    response
}

/// A refusal as Feishu writes it.
pub(crate) fn refuse(refusal: &FeishuRefusal) -> Response {
    let log_id = log_id();
    let body = json!({
        "code": refusal.code,
        "msg": refusal.msg,
        "error": {"log_id": log_id, "troubleshooter": "https://open.feishu.cn/search?code=emulated"},
    });
    let status = StatusCode::from_u16(refusal.http).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, Json(body)).into_response();
    sign(&mut response, refusal.code);
    if refusal.of_card {
        response.extensions_mut().insert(AgainstCard(format!("{} {}", refusal.code, refusal.msg)));
    }
    if let Some(reset) = refusal.reset {
        let seconds = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
        response.headers_mut().insert("x-ogw-ratelimit-limit", HeaderValue::from_static("50"));
        response.headers_mut().insert("x-ogw-ratelimit-reset", HeaderValue::from(seconds));
    }
    response
}

/// What a gateway answers when the service behind it is gone: a page for people.
pub(crate) fn gateway_page(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let page = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>Bad Gateway</h1></center></body></html>";
    (status, [("content-type", "text/html")], page).into_response()
}

fn sign(response: &mut Response, code: i64) {
    response.extensions_mut().insert(AnswerCode(code));
    if let Ok(value) = HeaderValue::from_str(&log_id()) {
        response.headers_mut().insert("x-tt-logid", value);
    }
}

fn log_id() -> String {
    format!("20260101{:024X}", fastrand::u128(..) & ((1 << 96) - 1))
}
