//! The long connection: its address, its handshake, its frames.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use crate::emulator::{
    answer::{FeishuRefusal, answer, refuse},
    http::refuse_handshake,
    injected_faults::ConnectionEnding,
    options::ServedClientConfig,
    wire,
    world::{SharedWorld, World, new_id},
};
use crate::feishu::frame::Frame;

/// Frames that wait for a client that does not read; more are lost, and pushed again as unacknowledged.
const QUEUE: usize = 1024;
/// Addresses given out and not used; with more of them all are invalid.
const MAX_TICKETS: usize = 1000;
/// The service's number in the address and in every frame.
const SERVICE: i32 = 33_554_678;

/// A long connection as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionInfo {
    /// Its number, from 1, in the order of connecting.
    pub number: u64,
    /// When it was made.
    pub since: Timestamp,
    /// Pings received on it.
    pub pings: u64,
    /// When the last frame of the client came.
    pub last_frame: Option<Timestamp>,
    /// Whether it is stalled: neither read nor written.
    pub stalled: bool,
}

/// A long connection that is open.
pub(crate) struct LiveConnection {
    pub(crate) info: ConnectionInfo,
    pub(crate) frames: mpsc::Sender<Message>,
    pub(crate) control: watch::Sender<ConnectionCommand>,
}

/// What the connection's task is told to do beside sending.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionCommand {
    pub(crate) stalled: bool,
    pub(crate) ending: Option<ConnectionEnding>,
}

#[derive(Deserialize)]
struct EndpointRequest {
    #[serde(rename = "AppID", default)]
    app_id: String,
    #[serde(rename = "AppSecret", default)]
    app_secret: String,
}

/// `POST /callback/ws/endpoint`
pub(crate) async fn endpoint(State(shared): State<Arc<SharedWorld>>, body: Bytes) -> Response {
    let refused = |code, msg: &str| refuse(&FeishuRefusal { http: 200, ..FeishuRefusal::new(code, msg) });
    let Ok(sent) = serde_json::from_slice::<EndpointRequest>(&body) else {
        return refused(1_000_040_344, "no credential");
    };
    if sent.app_id.is_empty() || sent.app_secret.is_empty() {
        return refused(1_000_040_344, "no credential");
    }
    if sent.app_id != shared.options.app_id || sent.app_secret != shared.options.app_secret {
        return refused(514, "auth failed");
    }
    let (ticket, access_key) = (new_id(""), new_id(""));
    let device = fastrand::u64(1_000_000_000..u64::MAX);
    shared.change(|world| {
        if world.tickets.len() >= MAX_TICKETS {
            world.tickets.clear();
        }
        world.tickets.insert(ticket.clone());
        world.confide(&ticket);
        world.confide(&access_key);
    });
    // Clients find device_id and service_id by name, and some cannot when one of them comes first.
    let query = format!(
        "fpid=493&aid=552564&device_id={device}&access_key={access_key}&service_id={SERVICE}&ticket={ticket}"
    );
    let address = shared.options.seen_from_outside.clone();
    let address = address.unwrap_or_else(|| shared.base_url.replacen("http", "ws", 1));
    answer(Ok(
        json!({"URL": format!("{address}/ws/v2?{query}"), "ClientConfig": shared.options.client_config}),
    ))
}

/// `GET /ws/v2`: the WebSocket handshake. A ticket opens one connection.
pub(crate) async fn upgrade(
    State(shared): State<Arc<SharedWorld>>,
    Query(query): Query<HashMap<String, String>>,
    mut request: Request,
) -> Response {
    let ticket = query.get("ticket").map(String::as_str).unwrap_or_default();
    let most = shared.options.max_connections;
    let (known, crowded) =
        shared.change(|world| (world.tickets.remove(ticket), world.connections.len() >= most));
    if !known {
        return refuse_handshake(514, Some(1_000_040_351), "auth failed");
    }
    if crowded {
        return refuse_handshake(514, Some(1_000_040_350), "connections exceeded the limit");
    }
    let Some(accept) =
        request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()))
    else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let task = {
        let shared = Arc::clone(&shared);
        async move {
            let Ok(upgraded) = upgrade.await else { return };
            let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
            run(shared, parts.io.into_inner(), parts.read_buf).await;
        }
    };
    shared.spawn(task);
    let headers = [
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

async fn run(shared: Arc<SharedWorld>, stream: TcpStream, read: Bytes) {
    let mut socket = WebSocketStream::from_partially_read(stream, read.to_vec(), Role::Server, None).await;
    let (frames, mut queue) = mpsc::channel(QUEUE);
    let (control, mut told) = watch::channel(ConnectionCommand::default());
    let number = shared.change(|world| world.connect(frames, control));
    let ending = converse(&shared, number, &mut socket, &mut queue, &mut told).await;
    shared.change(|world| world.disconnect(number));
    match ending {
        Some(ConnectionEnding::Close) => {
            // The client's own close frame is not waited for: a client that does not read would hold this task.
            let _ = socket.close(None).await;
        }
        Some(ConnectionEnding::Reset) => {
            let _ = socket.get_ref().set_zero_linger();
        }
        Some(ConnectionEnding::End) | None => {}
    }
}

/// Reads and writes until the client leaves (`None`) or the connection is ended.
async fn converse(
    shared: &SharedWorld,
    number: u64,
    socket: &mut WebSocketStream<TcpStream>,
    queue: &mut mpsc::Receiver<Message>,
    told: &mut watch::Receiver<ConnectionCommand>,
) -> Option<ConnectionEnding> {
    loop {
        let control = *told.borrow_and_update();
        if control.ending.is_some() {
            return control.ending;
        }
        if control.stalled {
            told.changed().await.ok()?;
            continue;
        }
        let outgoing = tokio::select! {
            // What it was told comes first: once stalled it reads nothing that came later. An acknowledgement is not
            // late because more is to be pushed.
            biased;
            changed = told.changed() => {
                changed.ok()?;
                None
            }
            message = socket.next() => match message?.ok()? {
                Message::Binary(bytes) => {
                    let config = &shared.options.client_config;
                    shared.change(|world| world.take_frame(number, &bytes, config))
                }
                Message::Text(_) => {
                    shared.change(|world| world.complain("a text message came on the long connection".to_owned()));
                    None
                }
                // The library answers these itself with the next read.
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
            },
            frame = queue.recv() => Some(frame?),
        };
        if let Some(message) = outgoing {
            let sent = tokio::select! {
                sent = socket.send(message) => sent,
                ended = told.wait_for(|control| control.ending.is_some()) => return ended.ok()?.ending,
            };
            sent.ok()?;
        }
    }
}

impl World {
    fn connect(&mut self, frames: mpsc::Sender<Message>, control: watch::Sender<ConnectionCommand>) -> u64 {
        self.connections_made += 1;
        let number = self.connections_made;
        let info =
            ConnectionInfo { number, since: Timestamp::now(), pings: 0, last_frame: None, stalled: false };
        self.connections.insert(number, LiveConnection { info, frames, control });
        number
    }

    /// Forgets a connection; what it did not acknowledge counts as failed at once.
    fn disconnect(&mut self, number: u64) {
        self.connections.remove(&number);
        self.pending.retain(|_, pending| pending.connection != number);
    }

    /// Takes a frame of the client; the answer to a ping comes back.
    fn take_frame(&mut self, number: u64, bytes: &[u8], config: &ServedClientConfig) -> Option<Message> {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.info.last_frame = Some(Timestamp::now());
        }
        if let Some(missing) = wire::missing_field(bytes) {
            self.complain(format!("a frame without its required field {missing} came"));
            return None;
        }
        let Ok(frame) = Frame::decode(bytes) else {
            self.complain("a frame that cannot be decoded came".to_owned());
            return None;
        };
        if frame.method != 0 {
            self.acknowledge(number, &frame);
            return None;
        }
        if wire::header(&frame, "type") != Some("ping") {
            self.complain("a control frame that is no ping came".to_owned());
            return None;
        }
        if frame.service != SERVICE {
            self.complain(format!("a ping names the service {}", frame.service));
        }
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.info.pings += 1;
        }
        let usual = || serde_json::to_vec(config).unwrap_or_default();
        let payload = self.faults.pong.clone().unwrap_or_else(usual);
        Some(wire::pong(SERVICE, payload))
    }

    /// Tells every connection's task something.
    pub(crate) fn control_all(&mut self, tell: impl Fn(&mut ConnectionCommand)) {
        for connection in self.connections.values() {
            connection.control.send_modify(&tell);
        }
    }

    /// Stops or begins again to read and write on every connection there is.
    pub(crate) fn stall(&mut self, stalled: bool) {
        self.control_all(|control| control.stalled = stalled);
        for connection in self.connections.values_mut() {
            connection.info.stalled = stalled;
        }
    }

    /// Sends a message on every connection, as far as their queues take it.
    pub(crate) fn send_to_all(&mut self, message: &Message) {
        for connection in self.connections.values() {
            let _ = connection.frames.try_send(message.clone());
        }
    }

    /// The service's number, which every frame carries.
    pub(crate) fn service(&self) -> i32 {
        SERVICE
    }
}
