//! What every request to Feishu passes: the log of calls, faults, the gateway's rates, the token.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{DropConnection, MAX_REQUEST_BYTES};
use crate::emulator::{
    answer::{AgainstCard, AnswerCode, FeishuRefusal, gateway_page, refuse},
    content::not_built,
    injected_faults::{FaultEffect, FaultId},
    world::{SharedWorld, World, log},
};
use crate::ids::{ChatId, MessageId};

/// A request that reached the emulated Feishu.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApiCall {
    /// Its number, from 1.
    pub number: u64,
    /// When the request arrived.
    pub at: Timestamp,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The request's JSON; `null` when it had none or carried a secret.
    pub request: Value,
    /// The status of the answer; `None` while, or because, it is not answered.
    pub http: Option<u16>,
    /// Feishu's code in the answer, if it had one.
    pub code: Option<i64>,
}

/// Lets a request through to its handler, or not.
pub(super) async fn gate(State(shared): State<Arc<SharedWorld>>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let Ok((request, sent)) = read_json(request).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (number, struck) = shared.change(|world| {
        let number = world.calls.back().map_or(1, |call| call.number + 1);
        let chat = world.chat_of(&path, &sent);
        let at = Timestamp::now();
        let call = ApiCall {
            number,
            at,
            method: method.clone(),
            path: path.clone(),
            request: sent,
            http: None,
            code: None,
        };
        log(&mut world.calls, call);
        (number, world.faults.strike(&method, &path, chat.as_ref()))
    });
    let away = shared.look(|world| world.faults.outage.is_some());
    let response = match struck {
        // Who was connected before, or is let in to hear nothing.
        _ if away => {
            shared.until(|world| world.faults.outage.is_none()).await;
            unanswered()
        }
        None => pass(&shared, number, request, next).await,
        Some((id, effect)) => suffer(&shared, number, id, effect, request, next).await,
    };
    if response.extensions().get::<DropConnection>().is_none() {
        let http = response.status().as_u16();
        let code = response.extensions().get::<AnswerCode>().map(|code| code.0);
        shared.change(|world| {
            if let Some(call) = world.calls.iter_mut().rev().find(|call| call.number == number) {
                call.http = Some(http);
                call.code = code;
            }
        });
    }
    response
}

impl World {
    /// The chat that a request is about, if it is about one.
    fn chat_of(&self, path: &str, sent: &Value) -> Option<ChatId> {
        if let Some(receiver) = sent["receive_id"].as_str() {
            let kinds = ["chat_id", "open_id"].iter();
            return kinds.filter_map(|kind| self.receiver(kind, receiver).ok()).next();
        }
        let id = path.strip_prefix("/open-apis/im/v1/messages/")?.split('/').next()?;
        self.message(&MessageId::from(id)).map(|message| message.chat_id.clone())
    }
}

async fn suffer(
    shared: &Arc<SharedWorld>,
    number: u64,
    id: FaultId,
    effect: FaultEffect,
    request: Request,
    next: Next,
) -> Response {
    match effect {
        FaultEffect::Refuse { http, code, reset } => {
            let reset = reset.map(Duration::from_secs);
            refuse(&FeishuRefusal { http, reset, ..FeishuRefusal::new(code, "emulated failure") })
        }
        FaultEffect::RefuseCard { sub_code, words } => refuse(&not_built(sub_code, &words)),
        FaultEffect::Page { http } => gateway_page(http),
        FaultEffect::Garbage => {
            ([(header::CONTENT_TYPE, "application/json")], "{\"code\":0,").into_response()
        }
        FaultEffect::RefuseHandshake { status, auth_code } => {
            refuse_handshake(status, auth_code, "emulated refusal")
        }
        FaultEffect::Delay { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            pass(shared, number, request, next).await
        }
        FaultEffect::Hold => {
            until_lifted(shared, id).await;
            pass(shared, number, request, next).await
        }
        FaultEffect::Silence => {
            until_lifted(shared, id).await;
            unanswered()
        }
        FaultEffect::Lose => {
            pass(shared, number, request, next).await;
            unanswered()
        }
        FaultEffect::Cut => unanswered(),
    }
}

/// Has the request with this number in the log done, unless the gateway is against it.
async fn pass(shared: &Arc<SharedWorld>, number: u64, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with("/open-apis/") {
        let api = request.extensions().get::<MatchedPath>().map_or(path, MatchedPath::as_str);
        let key = format!("{} {api}", request.method());
        let free = path.starts_with("/open-apis/auth/");
        let life = shared.options.token_life;
        let admitted = shared.change(|world| {
            let limits = [(50, Duration::from_secs(1)), (1000, Duration::from_secs(60))];
            world.admit(&key, &limits).map_err(FeishuRefusal::too_frequent)?;
            if free {
                return Ok(());
            }
            check_token(world, request.headers(), life)?;
            world.app.check(request.method(), request.uri().path())
        });
        if let Err(refusal) = admitted {
            return refuse(&refusal);
        }
    }
    let response = next.run(request).await;
    if let Some(AgainstCard(against)) = response.extensions().get() {
        shared.change(|world| {
            if let Some(call) = world.calls.iter().rev().find(|call| call.number == number) {
                let refused = format!("{} {}: {against}\n{}", call.method, call.path, call.request);
                world.refused_card(refused);
            }
        });
    }
    response
}

fn check_token(world: &World, headers: &HeaderMap, life: Duration) -> Result<(), FeishuRefusal> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(sent) = sent else {
        return Err(FeishuRefusal::new(
            99_991_661,
            "Missing access token for authorization. Please make a request with token attached.",
        ));
    };
    let Some(token) = sent.strip_prefix("Bearer ").filter(|token| token.starts_with("t-")) else {
        return Err(FeishuRefusal::new(
            99_991_671,
            "Invalid access token for authorization. Please make a request with a valid token.",
        ));
    };
    match world.tokens.iter().find(|(known, _)| known == token) {
        Some((_, issued)) if issued.elapsed() < life => Ok(()),
        Some(_) | None => Err(FeishuRefusal::new(
            99_991_663,
            "Invalid access token for authorization. Please make a request with token attached.",
        )),
    }
}

/// A refused upgrade, with the headers that say why.
pub(crate) fn refuse_handshake(status: i64, auth_code: Option<i64>, msg: &'static str) -> Response {
    let http = if status == 403 { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
    let mut response = http.into_response();
    let headers = response.headers_mut();
    headers.insert("handshake-status", HeaderValue::from(status));
    headers.insert("handshake-msg", HeaderValue::from_static(msg));
    if let Some(code) = auth_code {
        headers.insert("handshake-autherrcode", HeaderValue::from(code));
    }
    response
}

async fn until_lifted(shared: &Arc<SharedWorld>, id: FaultId) {
    shared.until(|world| world.faults.hits(id).is_none()).await;
}

fn unanswered() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(DropConnection);
    response
}

/// Reads a JSON body for the log and puts it back.
async fn read_json(request: Request) -> Result<(Request, Value), axum::Error> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.starts_with("application/json")) {
        return Ok((request, Value::Null));
    }
    let (parts, body) = request.into_parts();
    let bytes: Bytes = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await?;
    let secret =
        parts.uri.path().starts_with("/open-apis/auth/") || parts.uri.path().starts_with("/callback/");
    let sent = if secret { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or_default() };
    Ok((Request::from_parts(parts, Body::from(bytes)), sent))
}
