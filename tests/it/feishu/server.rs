//! A small Feishu for the tests of the client: scripted HTTP answers, and the far ends of its WebSockets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use phonework::feishu::frame::Frame;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request};

/// Longer than anything takes; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    pub(crate) base_url: String,
    sockets: mpsc::Receiver<Socket>,
    requests: mpsc::UnboundedReceiver<Asked>,
    script: Arc<Mutex<Script>>,
}

/// The far end of one connection.
pub(crate) struct Socket {
    inner: WebSocketStream<TcpStream>,
    /// What the URL carried.
    pub(crate) query: String,
}

/// A request that arrived.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) call: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

pub(crate) struct Told(pub(crate) u16, pub(crate) &'static [(&'static str, &'static str)], pub(crate) String);

#[derive(Default)]
struct Script {
    told: VecDeque<Told>,
    refused_upgrades: VecDeque<&'static [(&'static str, &'static str)]>,
    endpoints: usize,
    tokens: usize,
    ping_interval: i64,
    web_socket: String,
}

#[derive(Clone)]
struct Http {
    script: Arc<Mutex<Script>>,
    requests: mpsc::UnboundedSender<Asked>,
}

impl Server {
    /// A server whose endpoint answers ask for a ping at this interval, in seconds.
    pub(crate) async fn start(ping_interval: i64) -> Self {
        let web_socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", http.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script {
            ping_interval,
            web_socket: web_socket.local_addr().unwrap().to_string(),
            ..Script::default()
        }));
        let (accepted, sockets) = mpsc::channel(16);
        let (asked, requests) = mpsc::unbounded_channel();
        tokio::spawn(accept(web_socket, Arc::clone(&script), accepted));
        let state = Http { script: Arc::clone(&script), requests: asked };
        let app = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(http, app).await });
        Self { base_url, sockets, requests, script }
    }

    /// Tells this to the next request that is not yet answered by the script.
    pub(crate) fn tell(&self, status: u16, body: &Value) {
        self.tell_page(Told(status, &[], body.to_string()));
    }

    pub(crate) fn tell_page(&self, told: Told) {
        self.script.lock().unwrap().told.push_back(told);
    }

    pub(crate) fn refuse_upgrade(&self, headers: &'static [(&'static str, &'static str)]) {
        self.script.lock().unwrap().refused_upgrades.push_back(headers);
    }

    pub(crate) async fn socket(&mut self) -> Socket {
        timeout(PATIENCE, self.sockets.recv()).await.unwrap().unwrap()
    }

    pub(crate) async fn request(&mut self) -> Asked {
        timeout(PATIENCE, self.requests.recv()).await.unwrap().unwrap()
    }

    /// The calls that arrived and were not looked at yet.
    pub(crate) fn calls(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).map(|asked| asked.call).collect()
    }
}

impl Socket {
    pub(crate) async fn message(&mut self) -> Option<Message> {
        timeout(PATIENCE, self.inner.next()).await.unwrap().and_then(Result::ok)
    }

    /// The next frame that is no ping.
    pub(crate) async fn frame(&mut self) -> Frame {
        loop {
            let message = self.message().await.unwrap();
            let frame = Frame::from_bytes(&message.into_data()).unwrap();
            if frame.header("type") != Some("ping") {
                return frame;
            }
        }
    }

    pub(crate) async fn push(&mut self, frame: &Frame) {
        self.push_message(Message::binary(frame.to_bytes())).await;
    }

    pub(crate) async fn push_message(&mut self, message: Message) {
        timeout(PATIENCE, self.inner.send(message)).await.unwrap().unwrap();
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Script>>, accepted: mpsc::Sender<Socket>) {
    while let Ok((stream, _)) = listener.accept().await {
        let refusal = script.lock().unwrap().refused_upgrades.pop_front();
        let mut query = String::new();
        #[expect(clippy::result_large_err, reason = "the library asks for it")]
        let upgrade = |request: &Request, response| {
            query = request.uri().query().unwrap_or_default().to_owned();
            match refusal {
                None => Ok(response),
                Some(headers) => {
                    let mut refused = ErrorResponse::new(None);
                    *refused.status_mut() = StatusCode::FORBIDDEN;
                    for (name, value) in headers {
                        refused.headers_mut().insert(*name, value.parse().unwrap());
                    }
                    Err(refused)
                }
            }
        };
        if let Ok(inner) = tokio_tungstenite::accept_hdr_async(stream, upgrade).await {
            let _ = accepted.send(Socket { inner, query }).await;
        }
    }
}

async fn answer(
    State(http): State<Http>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let _ = http.requests.send(Asked { call: format!("{method} {uri}"), headers, body });
    let mut script = http.script.lock().unwrap();
    let Told(status, headers, body) = match uri.path() {
        "/open-apis/auth/v3/tenant_access_token/internal" => {
            script.tokens += 1;
            let token = format!("t-{}", script.tokens);
            let body = json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": 7200});
            Told(200, &[], body.to_string())
        }
        path => script.told.pop_front().unwrap_or_else(|| {
            assert_eq!(path, "/callback/ws/endpoint", "nothing is scripted");
            script.endpoints += 1;
            let url =
                format!("ws://{}/?device_id=d&service_id=33&ticket={}", script.web_socket, script.endpoints);
            let data = json!({"URL": url, "ClientConfig": {"PingInterval": script.ping_interval}});
            Told(200, &[], json!({"code": 0, "msg": "", "data": data}).to_string())
        }),
    };
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}
