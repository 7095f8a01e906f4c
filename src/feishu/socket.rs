//! The long connection: keeps one WebSocket to Feishu alive, for ever.
//!
//! Each try asks for a fresh endpoint, connects, and hands the socket to [`super::connection`] until it is lost.
//! Nothing ends the loop but the stop token: a refusal that only an operator can mend is reported once as an error
//! and tried again every few minutes. Which URL was connected to is never logged, as it carries a ticket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, client::IntoClientRequest as _};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::backoff::Backoff;
use super::connection::{self, Ended};
use super::endpoint::{self, ConnectError, Endpoint};
use super::{Client, Credentials, body_up_to, http_error_text};

/// The longest time for asking where to connect.
pub const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest time for name, TCP, TLS and upgrade together.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest time for TCP to one of several addresses.
const DIAL_TIMEOUT: Duration = Duration::from_secs(4);
/// The largest WebSocket message that is read. Feishu documents no limit; events are kilobytes.
pub const LARGEST_MESSAGE: usize = 16 * 1024 * 1024;
/// The longest answer of the endpoint that is read.
const ENDPOINT_BODY: usize = 1024 * 1024;

/// One event or callback, to be answered within 3 s or Feishu delivers it again.
#[derive(Debug)]
pub struct Delivery {
    /// JSON: see [`super::event::parse`].
    pub payload: Vec<u8>,
    /// When its last part arrived.
    pub received: Instant,
    /// Takes the answer. When it is dropped, or 10 s pass, the answer is 500.
    pub answer: oneshot::Sender<Answer>,
}

/// What Feishu is told about a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// 200: taken over. 500: deliver it again (after 15 s, 5 min, 1 h, 6 h).
    pub code: u16,
    /// The body of a callback's answer: a toast, a new card.
    pub data: Option<Value>,
}

/// How the connection is, for `health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionState {
    /// What is going on.
    pub phase: Phase,
    /// Since when.
    pub since: Timestamp,
    /// When the last WebSocket message of any kind arrived, over any connection.
    pub last_frame: Option<Timestamp>,
    /// Connections made after the first one.
    pub reconnects: u64,
    /// Why the last connection or try ended; stays after a recovery.
    pub last_error: Option<String>,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A try is on its way.
    Connecting,
    /// There is a connection.
    Connected,
    /// The next try comes later.
    Waiting {
        /// When.
        until: Timestamp,
    },
    /// It was told to stop.
    Stopped,
}

impl ConnectionState {
    /// The state before the first try.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { phase: Phase::Connecting, since: now, last_frame: None, reconnects: 0, last_error: None }
    }
}

/// Keeps the connection until `stop`.
///
/// Reading waits for nobody: when the channel of deliveries is full, Feishu is asked to deliver again. Answers are
/// written as they come, in any order.
pub async fn run(
    base_url: String,
    credentials: Credentials,
    client: Client,
    deliveries: mpsc::Sender<Delivery>,
    state: watch::Sender<ConnectionState>,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::default();
    let mut journal = Journal::default();
    loop {
        enter(&state, Phase::Connecting);
        journal.trying();
        let tried = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            tried = connect(&base_url, &credentials, &client) => tried,
        };
        let wait = match tried {
            Ok((socket, endpoint)) => {
                let again = journal.connected(&endpoint);
                state.send_modify(|state| state.reconnects += u64::from(again));
                enter(&state, Phase::Connected);
                match connection::serve(socket, &endpoint, &deliveries, &state, &stop).await {
                    Ended::Stopped => break,
                    Ended::Lost { reason, proven } => {
                        let wait = if proven {
                            backoff.lost(Instant::now(), fastrand::f64())
                        } else {
                            backoff.failed(fastrand::f64())
                        };
                        journal.lost(&reason, wait);
                        state.send_modify(|state| state.last_error = Some(reason));
                        wait
                    }
                }
            }
            Err(error) => {
                let wait = match &error {
                    ConnectError::Refused(_) => backoff.refused(fastrand::f64()),
                    ConnectError::Trouble(_) => backoff.failed(fastrand::f64()),
                };
                journal.failed(&error, wait);
                state.send_modify(|state| state.last_error = Some(error.to_string()));
                wait
            }
        };
        if !wait.is_zero() {
            enter(&state, Phase::Waiting { until: Timestamp::now() + wait });
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    enter(&state, Phase::Stopped);
    tracing::info!("the connection to Feishu is closed");
}

fn enter(state: &watch::Sender<ConnectionState>, phase: Phase) {
    state.send_modify(|state| {
        state.phase = phase;
        state.since = Timestamp::now();
    });
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(
    base_url: &str,
    credentials: &Credentials,
    client: &Client,
) -> Result<(Socket, Endpoint), ConnectError> {
    let endpoint = ask_endpoint(base_url, credentials, client).await?;
    let socket = timeout(HANDSHAKE_TIMEOUT, upgrade(&endpoint.url, client)).await.map_err(|_| {
        ConnectError::Trouble(format!("no connection within {} s", HANDSHAKE_TIMEOUT.as_secs()))
    })??;
    Ok((socket, endpoint))
}

async fn ask_endpoint(
    base_url: &str,
    credentials: &Credentials,
    client: &Client,
) -> Result<Endpoint, ConnectError> {
    let url = Url::parse(&format!("{}{}", base_url.trim_end_matches('/'), endpoint::PATH))
        .map_err(|_| ConnectError::Refused("FEISHU_DOMAIN is no usable base URL".to_owned()))?;
    let plain_allowed = url.scheme() == "http";
    let request = client
        .http()
        .post(url)
        .header("locale", "zh")
        .timeout(ENDPOINT_TIMEOUT)
        .json(&endpoint::request(credentials));
    let no_answer = |error| ConnectError::Trouble(format!("no endpoint: {}", http_error_text(error)));
    let answer = request.send().await.map_err(no_answer)?;
    let http = answer.status().as_u16();
    let body = body_up_to(answer, ENDPOINT_BODY).await.map_err(no_answer)?;
    endpoint::read(http, &body.unwrap_or_default(), plain_allowed)
}

async fn upgrade(url: &Url, client: &Client) -> Result<Socket, ConnectError> {
    let trouble = |error: WsError| ConnectError::Trouble(format!("no connection: {}", ws_error_text(&error)));
    let request = url.as_str().into_client_request().map_err(trouble)?;
    let stream = dial(url).await.map_err(|error| ConnectError::Trouble(format!("no connection: {error}")))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .max_message_size(Some(LARGEST_MESSAGE))
        .max_frame_size(Some(LARGEST_MESSAGE));
    let connector = Connector::Rustls(client.tls());
    match client_async_tls_with_config(request, stream, Some(config), Some(connector)).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) => {
            let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
            Err(endpoint::upgrade_refused(answer.status().as_u16(), header))
        }
        Err(error) => Err(trouble(error)),
    }
}

/// TCP to the host, trying its addresses in turn; an address that swallows packets costs a few seconds only.
async fn dial(url: &Url) -> std::io::Result<TcpStream> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    let mut last = std::io::Error::other("the host has no address");
    for address in families_alternating(&found) {
        match timeout(DIAL_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// The addresses in the system's order, but with IPv4 and IPv6 by turns: one of them is often broken as a whole.
fn families_alternating(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = found.first() else { return Vec::new() };
    let (preferred, other): (Vec<_>, Vec<_>) =
        found.iter().copied().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut ordered = Vec::with_capacity(found.len());
    for place in 0..found.len() {
        ordered.extend(preferred.get(place));
        ordered.extend(other.get(place));
    }
    ordered
}

/// A WebSocket error without the URL.
pub(super) fn ws_error_text(error: &WsError) -> String {
    if let WsError::Url(_) | WsError::HttpFormat(_) = error {
        return "the WebSocket URL cannot be used".to_owned();
    }
    error.to_string()
}

/// What is logged of the tries: each of them, but a refusal that stays the same is an error only once.
#[derive(Default)]
struct Journal {
    connected_before: bool,
    attempt: u64,
    refusal: Option<String>,
    down_since: Option<Instant>,
}

impl Journal {
    fn trying(&mut self) {
        self.attempt += 1;
        tracing::info!(attempt = self.attempt, "connecting to Feishu");
    }

    /// Says whether there had been a connection before.
    fn connected(&mut self, endpoint: &Endpoint) -> bool {
        let again = std::mem::replace(&mut self.connected_before, true);
        let connection = endpoint.connection.as_str();
        match self.down_since.take() {
            Some(since) => {
                let down_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(connection, attempt = self.attempt, down_ms, "connected to Feishu again");
            }
            None => tracing::info!(connection, "connected to Feishu"),
        }
        self.attempt = 0;
        self.refusal = None;
        again
    }

    fn lost(&mut self, reason: &str, wait: Duration) {
        self.down_since.get_or_insert_with(Instant::now);
        tracing::warn!(reason, retry_ms = wait.as_millis() as u64, "lost the connection to Feishu");
    }

    fn failed(&mut self, error: &ConnectError, wait: Duration) {
        self.down_since.get_or_insert_with(Instant::now);
        let (attempt, retry_ms) = (self.attempt, wait.as_millis() as u64);
        match error {
            ConnectError::Refused(text) if self.refusal.as_ref() != Some(text) => {
                tracing::error!(attempt, retry_ms, "{error}");
                self.refusal = Some(text.clone());
            }
            ConnectError::Refused(_) => tracing::info!(attempt, retry_ms, "Feishu still refuses the app"),
            ConnectError::Trouble(_) => tracing::warn!(attempt, retry_ms, "could not connect: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_alternate_between_the_families() {
        let of = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = of(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]);
        let expected = of(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]);
        assert_eq!(families_alternating(&found), expected);
        assert_eq!(families_alternating(&[]), []);
    }

    #[test]
    fn an_error_about_the_url_does_not_show_it() {
        let error = "wss://x.example/a b?ticket=hush".into_client_request().unwrap_err();
        assert_eq!(ws_error_text(&error), "the WebSocket URL cannot be used");
    }
}
