//! The long connection: keeps one WebSocket to Feishu alive, for ever.
//!
//! Each try asks for a fresh endpoint, connects, and hands the socket to `feishu::connection` until it is lost.
//! Nothing ends the loop but the stop token: a refusal that only an operator can mend is reported once as an error
//! and tried again every few minutes. Which URL was connected to is never logged, as it carries a ticket.

use std::pin::pin;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, client::IntoClientRequest as _};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::backoff::{CALM, ReconnectBackoff};
use super::connection::{self, ConnectionEnd};
use super::endpoint::{self, ConnectError, Endpoint};
use super::journal::ConnectionJournal;
use super::reach::dial;
use super::suspend::{self, LOOK, SuspendDetector};
use super::{AppCredentials, HttpClient, body_up_to, http_error_text};

/// The longest time for asking where to connect.
pub const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for name, TCP, TLS and upgrade together.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
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
    /// When Feishu was last asked to deliver an event again, for whatever reason.
    pub turned_away: Option<Timestamp>,
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
        Self {
            phase: Phase::Connecting,
            since: now,
            last_frame: None,
            reconnects: 0,
            turned_away: None,
            last_error: None,
        }
    }
}

/// Keeps the connection until `stop`.
///
/// Reading waits for nobody: when the channel of deliveries is full, Feishu is asked to deliver again. Answers are
/// written as they come, in any order. A change of `hurry` ends the wait for the next try: somebody may have mended
/// what was wrong.
pub async fn run(
    base_url: String,
    credentials: AppCredentials,
    client: HttpClient,
    deliveries: mpsc::Sender<Delivery>,
    state: watch::Sender<ConnectionState>,
    mut hurry: watch::Receiver<()>,
    stop: CancellationToken,
) {
    let mut backoff = ReconnectBackoff::default();
    let mut journal = ConnectionJournal::default();
    let mut made = 0_u64;
    loop {
        enter(&state, Phase::Connecting);
        journal.trying();
        let mut sleeps = SuspendDetector::new(suspend::by_the_clocks);
        hurry.mark_unchanged();
        let tried = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            tried = connect(&base_url, &credentials, &client) => tried,
        };
        let wait = match tried {
            Ok((socket, endpoint)) => {
                state.send_modify(|state| state.reconnects = made);
                made += 1;
                enter(&state, Phase::Connected);
                let (proof, proven) = oneshot::channel();
                let serving = connection::serve(socket, &endpoint, &deliveries, &state, proof, sleeps, &stop);
                match follow(serving, proven, &mut journal, &endpoint.connection).await {
                    ConnectionEnd::Stopped => break,
                    ConnectionEnd::Lost { reason, proven } => {
                        let now = Instant::now();
                        let wait = if proven {
                            backoff.lost(now, fastrand::f64())
                        } else {
                            backoff.failed(fastrand::f64())
                        };
                        journal.lost(&reason, wait, now);
                        state.send_modify(|state| state.last_error = Some(reason));
                        wait
                    }
                }
            }
            Err(error) => {
                let wait = match &error {
                    ConnectError::Refused(_) => backoff.refused(fastrand::f64()),
                    ConnectError::Trouble(_) => backoff.failed(fastrand::f64()),
                    ConnectError::Unreachable(_) => backoff.unreachable(fastrand::f64()),
                };
                journal.failed(&error, wait, Instant::now());
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
            () = pause(wait, &mut hurry, &mut sleeps) => {}
        }
    }
    enter(&state, Phase::Stopped);
    tracing::info!("the connection to Feishu is closed");
}

/// Serves a connection, and tells the journal when it works and when it has done so for a while.
async fn follow(
    serving: impl Future<Output = ConnectionEnd>,
    proven: oneshot::Receiver<()>,
    journal: &mut ConnectionJournal,
    connection: &str,
) -> ConnectionEnd {
    let mut serving = pin!(serving);
    tokio::select! {
        biased;
        Ok(()) = proven => journal.connected(connection, Instant::now()),
        ended = &mut serving => return ended,
    }
    tokio::select! {
        ended = &mut serving => return ended,
        () = tokio::time::sleep(CALM) => journal.holds(Instant::now()),
    }
    serving.await
}

/// Waits so long at most: less when it is told to hurry, or when the host was asleep, as no timer runs then.
async fn pause(wait: Duration, hurry: &mut watch::Receiver<()>, sleeps: &mut SuspendDetector) {
    let until = tokio::time::Instant::now() + wait;
    loop {
        let now = tokio::time::Instant::now();
        if now >= until || sleeps.notice().is_some() {
            return;
        }
        tokio::select! {
            Ok(()) = hurry.changed() => return,
            () = tokio::time::sleep_until(until.min(now + LOOK)) => {}
        }
    }
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
    credentials: &AppCredentials,
    client: &HttpClient,
) -> Result<(Socket, Endpoint), ConnectError> {
    let endpoint = ask_endpoint(base_url, credentials, client).await?;
    let socket = timeout(HANDSHAKE_TIMEOUT, upgrade(&endpoint.url, client)).await.map_err(|_| {
        ConnectError::Unreachable(format!("no connection within {} s", HANDSHAKE_TIMEOUT.as_secs()))
    })??;
    Ok((socket, endpoint))
}

async fn ask_endpoint(
    base_url: &str,
    credentials: &AppCredentials,
    client: &HttpClient,
) -> Result<Endpoint, ConnectError> {
    let url = Url::parse(&format!("{}{}", base_url.trim_end_matches('/'), endpoint::PATH))
        .map_err(|_| ConnectError::Refused("FEISHU_DOMAIN is no usable base URL".to_owned()))?;
    let plain_allowed = url.scheme() == "http";
    let request = client
        .fresh()
        .post(url)
        .header("locale", "zh")
        .timeout(ENDPOINT_TIMEOUT)
        .json(&endpoint::request(credentials));
    let no_answer = |error| format!("no endpoint: {}", http_error_text(error));
    let answer = request.send().await.map_err(|error| ConnectError::Unreachable(no_answer(error)))?;
    let http = answer.status().as_u16();
    let body = body_up_to(answer, ENDPOINT_BODY).await;
    let body = body.map_err(|error| ConnectError::Trouble(no_answer(error)))?;
    endpoint::read(http, &body.unwrap_or_default(), plain_allowed)
}

async fn upgrade(url: &Url, client: &HttpClient) -> Result<Socket, ConnectError> {
    let unreachable = |error: String| ConnectError::Unreachable(format!("no connection: {error}"));
    let trouble = |error: WsError| ConnectError::Trouble(format!("no connection: {}", ws_error_text(&error)));
    let request = url.as_str().into_client_request().map_err(trouble)?;
    let stream = dial(url).await.map_err(|error| unreachable(error.to_string()))?;
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
        Err(
            error @ (WsError::Io(_)
            | WsError::Tls(_)
            | WsError::ConnectionClosed
            | WsError::AlreadyClosed
            | WsError::Protocol(ProtocolError::HandshakeIncomplete)),
        ) => Err(unreachable(ws_error_text(&error))),
        Err(error) => Err(trouble(error)),
    }
}

/// A WebSocket error without the URL.
pub(super) fn ws_error_text(error: &WsError) -> String {
    if let WsError::Url(_) | WsError::HttpFormat(_) = error {
        return "the WebSocket URL cannot be used".to_owned();
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn an_error_about_the_url_does_not_show_it() {
        let error = "wss://x.example/a b?ticket=hush".into_client_request().unwrap_err();
        assert_eq!(ws_error_text(&error), "the WebSocket URL cannot be used");
    }

    fn never() -> Duration {
        Duration::ZERO
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_it_is_over_or_when_somebody_asks_for_it() {
        let started = tokio::time::Instant::now();
        let (ask, mut asked) = watch::channel(());
        pause(Duration::from_secs(12), &mut asked, &mut SuspendDetector::new(never)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(12));
        ask.send_replace(());
        pause(Duration::from_secs(300), &mut asked, &mut SuspendDetector::new(never)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(12));
        drop(ask);
        pause(Duration::from_secs(3), &mut asked, &mut SuspendDetector::new(never)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_does_not_outlast_a_sleep_of_the_host() {
        static ASLEEP: AtomicU64 = AtomicU64::new(0);
        let started = tokio::time::Instant::now();
        let (_ask, mut asked) = watch::channel(());
        let mut sleeps = SuspendDetector::new(|| Duration::from_secs(ASLEEP.load(Ordering::Relaxed)));
        let sleeping = async {
            tokio::time::sleep(Duration::from_secs(17)).await;
            ASLEEP.store(8 * 3600, Ordering::Relaxed);
        };
        tokio::join!(pause(Duration::from_secs(300), &mut asked, &mut sleeps), sleeping);
        assert_eq!(started.elapsed(), Duration::from_secs(20));
    }
}
