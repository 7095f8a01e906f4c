//! The phone in the browser, and the same controls over HTTP: `/` and `/phone/…`.
//!
//! Only for this machine: the host must be loopback, and a request that another site's page made is refused, so that
//! no website can drive the demo. What a chat shows is foreign text: the page never makes HTML of it, and its policy
//! forbids any script but its own.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::emulator::{
    injected_faults::{ConnectionEnding, DeliveryFaults, FaultId, InjectedFault, ReleaseOrder},
    world::SharedWorld,
    world::people::{PeopleError, PhoneUtterance},
    world::presses::Click,
};
use crate::ids::{ChatId, MessageId, OpenId};

/// A comment is sent on a silent feed this often, so that both sides notice when the other is gone.
const FEED_BREATH: Duration = Duration::from_secs(15);

type Feishu = State<Arc<SharedWorld>>;

/// The page and its endpoints.
pub(crate) fn routes() -> Router<Arc<SharedWorld>> {
    Router::new()
        .route("/", get(page))
        .route("/phone/people", get(people))
        .route("/phone/feed", get(feed))
        .route("/phone/file/{key}", get(file).post(keep))
        .route("/phone/say", post(say))
        .route("/phone/click", post(click))
        .route("/phone/enter", post(enter))
        .route("/phone/recall", post(recall))
        .route("/phone/react", post(react))
        .route("/phone/calls", get(calls))
        .route("/phone/acks", get(acks))
        .route("/phone/connections", get(connections))
        .route("/phone/drop", post(drop_connections))
        .route("/phone/stall", post(stall))
        .route("/phone/delivering", post(delivering))
        .route("/phone/fault", post(fault))
        .route("/phone/lift", post(lift))
        .layer(middleware::from_fn(only_this_machine))
}

/// Refuses what does not come from this machine's own pages and programs.
async fn only_this_machine(request: Request, next: Next) -> Response {
    if is_from_here(request.headers()) {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let Some(host) = text("host") else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let loopback = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    let same_origin = text("origin").is_none_or(|origin| origin == format!("http://{host}"));
    // A browser says of every request whose page made it; other programs say nothing.
    let same_site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    loopback && same_origin && same_site
}

async fn page() -> Response {
    let nonce = format!("{:032x}", fastrand::u128(..));
    let scripts = [
        include_str!("page/markdown.js"),
        include_str!("page/sheet.js"),
        include_str!("page/typing.js"),
        include_str!("page/card.js"),
        include_str!("page/chat.js"),
    ];
    let html = include_str!("page/phone.html")
        .replace("{{style}}", include_str!("page/phone.css"))
        .replace("{{script}}", &scripts.join("\n"))
        .replace("{{nonce}}", &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, html).into_response()
}

async fn people(State(shared): Feishu) -> Json<Value> {
    Json(shared.look(|world| {
        json!({"users": world.users, "chats": world.chats, "bot": {"open_id": world.bot, "name": world.bot_name}})
    }))
}

/// What changed, as server-sent events: first everything, then what is new.
async fn feed(State(shared): Feishu) -> Response {
    let seen = shared.changed.subscribe();
    let changes = stream::unfold((shared, seen, None), |(shared, mut bell, last)| async move {
        let Some(last) = last else {
            let (text, newest) = news(&shared, 0);
            return Some((Ok::<_, std::convert::Infallible>(text), (shared, bell, Some(newest))));
        };
        let text = match tokio::time::timeout(FEED_BREATH, bell.wait_for(|newest| *newest > last)).await {
            Ok(Ok(_)) => None,
            Ok(Err(_)) => return None,
            Err(_) => Some(": still here\n\n".to_owned()),
        };
        let (text, newest) = match text {
            Some(text) => (text, last),
            None => news(&shared, last),
        };
        Some((Ok(text), (shared, bell, Some(newest))))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(changes)).into_response()
}

fn news(shared: &SharedWorld, last: u64) -> (String, u64) {
    shared.look(|world| {
        let news = json!({
            "messages": world.shown_since(None, last),
            "connections": world.connections.values().map(|connection| &connection.info).collect::<Vec<_>>(),
            "connections_made": world.connections_made,
            "acks": world.acks.len(),
        });
        (format!("data: {news}\n\n"), world.revision)
    })
}

async fn file(State(shared): Feishu, Path(key): Path<String>) -> Response {
    let Some(stored) = shared.look(|world| world.stored.get(&key).cloned()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Only pictures are shown; anything else is handed out for saving, as it might be a page with scripts.
    let disposition = if stored.kind == "image" { "inline" } else { "attachment" };
    let headers = [
        (header::CONTENT_TYPE, stored.content_type),
        (header::CONTENT_DISPOSITION, disposition.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
    ];
    (headers, stored.bytes).into_response()
}

/// Keeps a person's file under a name; answers with its key.
async fn keep(State(shared): Feishu, Path(name): Path<String>, body: Bytes) -> Json<Value> {
    Json(json!({ "key": shared.change(|world| world.keep(&name, body)) }))
}

#[derive(Deserialize)]
struct PhoneMessage {
    user: OpenId,
    chat: ChatId,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    reply_to: Option<MessageId>,
}

async fn say(State(shared): Feishu, Json(said): Json<PhoneMessage>) -> Response {
    let mut utterance = match (said.text, said.kind) {
        (Some(text), None) => PhoneUtterance::text(&said.user, &said.chat, &text),
        (_, Some(kind)) => PhoneUtterance::of(&said.user, &said.chat, &kind, said.content),
        (None, None) => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
    };
    utterance.reply_to = said.reply_to;
    done(shared.change(|world| world.say(utterance, &shared.options.app_id)).map(|(id, event)| {
        if let Some(event) = event {
            shared.deliver(event);
        }
        json!({ "message_id": id })
    }))
}

#[derive(Deserialize)]
struct Clicking {
    user: OpenId,
    message_id: MessageId,
    #[serde(flatten)]
    click: Click,
}

async fn click(State(shared): Feishu, Json(asked): Json<Clicking>) -> Response {
    let clicked = shared.click(&asked.user, &asked.message_id, asked.click).await;
    done(clicked.map(|clicked| json!(clicked)))
}

#[derive(Deserialize)]
struct Acting {
    user: Option<OpenId>,
    message_id: Option<MessageId>,
    #[serde(default)]
    emoji: String,
}

async fn enter(State(shared): Feishu, Json(acting): Json<Acting>) -> Response {
    let user = acting.user.unwrap_or_else(|| OpenId::from(""));
    event_of(&shared, shared.look(|world| world.enter(&user, &shared.options.app_id)))
}

async fn recall(State(shared): Feishu, Json(acting): Json<Acting>) -> Response {
    let id = acting.message_id.unwrap_or_else(|| MessageId::from(""));
    event_of(&shared, shared.change(|world| world.recall(&id, &shared.options.app_id)))
}

async fn react(State(shared): Feishu, Json(acting): Json<Acting>) -> Response {
    let user = acting.user.unwrap_or_else(|| OpenId::from(""));
    let id = acting.message_id.unwrap_or_else(|| MessageId::from(""));
    let app_id = &shared.options.app_id;
    event_of(&shared, shared.change(|world| world.person_reacts(&user, &id, &acting.emoji, app_id)))
}

async fn calls(State(shared): Feishu) -> Json<Value> {
    Json(shared.look(|world| json!(world.calls)))
}

async fn acks(State(shared): Feishu) -> Json<Value> {
    Json(shared.look(|world| json!(world.acks)))
}

async fn connections(State(shared): Feishu) -> Json<Value> {
    Json(shared.look(|world| {
        let living: Vec<_> = world.connections.values().map(|connection| &connection.info).collect();
        json!({"living": living, "made": world.connections_made, "complaints": world.complaints})
    }))
}

#[derive(Deserialize)]
struct Dropping {
    how: ConnectionEnding,
}

async fn drop_connections(State(shared): Feishu, Json(dropping): Json<Dropping>) -> Json<Value> {
    shared.change(|world| world.control_all(|control| control.ending = Some(dropping.how)));
    Json(json!({}))
}

#[derive(Deserialize)]
struct Stalling {
    stalled: bool,
}

async fn stall(State(shared): Feishu, Query(stalling): Query<Stalling>) -> Json<Value> {
    shared.change(|world| world.stall(stalling.stalled));
    Json(json!({}))
}

async fn delivering(State(shared): Feishu, Json(delivering): Json<DeliveryFaults>) -> Json<Value> {
    shared.change(|world| world.faults.delivering = delivering);
    Json(json!({}))
}

async fn fault(State(shared): Feishu, Json(fault): Json<InjectedFault>) -> Json<Value> {
    Json(json!({ "id": shared.change(|world| world.faults.set(fault)) }))
}

#[derive(Deserialize)]
struct Lifting {
    id: Option<FaultId>,
}

async fn lift(State(shared): Feishu, Json(lifting): Json<Lifting>) -> Json<Value> {
    match lifting.id {
        Some(id) => shared.change(|world| world.faults.lift(id)),
        None => {
            shared.change(|world| world.faults.lift_all());
            shared.release(ReleaseOrder::AsTheyCame);
        }
    }
    Json(json!({}))
}

fn event_of(shared: &Arc<SharedWorld>, event: Result<Value, PeopleError>) -> Response {
    done(event.map(|event| {
        shared.deliver(event);
        json!({})
    }))
}

fn done(result: Result<Value, PeopleError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(impossible) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": impossible.to_string() })))
                .into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_this_machines_own_pages_and_programs_are_heard() {
        let host = ("host", "127.0.0.1:4000");
        assert!(is_from_here(&headers(&[host])));
        assert!(is_from_here(&headers(&[
            host,
            ("origin", "http://127.0.0.1:4000"),
            ("sec-fetch-site", "same-origin")
        ])));
        assert!(!is_from_here(&headers(&[("host", "evil.example:4000")])));
        assert!(!is_from_here(&headers(&[host, ("origin", "http://evil.example")])));
        assert!(!is_from_here(&headers(&[host, ("origin", "null")])));
        assert!(!is_from_here(&headers(&[host, ("sec-fetch-site", "cross-site")])));
        assert!(!is_from_here(&HeaderMap::new()));
    }
}
