//! One WebSocket connection, from its first ping to its end: reads events, hands them on, and writes their answers.
//!
//! Reading and writing run side by side. A stuck write does not stop the reading; if it lasts, it ends the connection.
//! Messages that make no sense (broken frames, text, unknown types) only count as a sign of life.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::frame::{Frame, METHOD_CONTROL, METHOD_DATA};
use super::liveness::{ClientConfig, Liveness, LivenessAction};
use super::reassembly::{Assembled, Reassembly};
use super::suspend::{CHECK_INTERVAL, SuspendDetector};
use super::{excerpt, ws_error_text};
use crate::crash::{self, Point};

/// Maximum time for writing one frame.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for answering a delivery. Feishu itself waits 3 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for the last answers, and again for the close frame, when the daemon stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of deliveries without an answer: those that wait in the channel plus those being written to disk. So
/// a burst is refused only when the channel is full. Feishu delivers what was refused again after 15 s.
const MAX_UNANSWERED: usize = 4608;
/// Maximum number of frames that wait to be written. With more, writing is stuck and they are dropped.
const MAX_OUTGOING: usize = 8192;

/// One event or callback. Unless it is answered within 3 s, Feishu delivers it again.
#[derive(Debug)]
pub struct Delivery {
    /// JSON, for [`super::event::parse`].
    pub payload: Vec<u8>,
    /// When the last frame of it arrived.
    pub received: Instant,
    /// Takes the answer. If it is dropped, or not used within 10 s, the answer is 500.
    pub answer: oneshot::Sender<Answer>,
}

/// The answer to a delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// 200: accepted. 500: deliver it again (Feishu does so after 15 s, 5 min, 1 h and 6 h).
    pub code: u16,
    /// The body of the answer to a callback: a toast or a new card.
    pub data: Option<Value>,
}

/// The state of the long connection, for `phonework health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionState {
    /// What the connection is doing.
    pub phase: Phase,
    /// When the phase began.
    pub since: Timestamp,
    /// When the last WebSocket message of any kind arrived, over this or an earlier connection.
    pub last_frame: Option<Timestamp>,
    /// Number of connections made after the first one.
    pub reconnects: u64,
    /// When Feishu was last asked to deliver an event again, for any reason.
    pub turned_away: Option<Timestamp>,
    /// Why the last connection or attempt ended; kept after a recovery.
    pub last_error: Option<String>,
}

/// What the long connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// An attempt to connect is in progress.
    Connecting,
    /// The WebSocket is open.
    Connected,
    /// The next attempt comes later.
    Waiting {
        /// The time of the next attempt.
        until: Timestamp,
    },
    /// The daemon is shutting down.
    Stopped,
}

impl ConnectionState {
    /// The state before the first attempt.
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

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    /// The daemon is shutting down.
    Stopped,
    /// The connection is lost.
    Lost {
        /// The reason, safe to log.
        reason: String,
        /// Whether anything had arrived over the connection.
        worked: bool,
    },
}

/// Reads deliveries and writes their answers until the connection is lost or `stop` is cancelled. `first_message` is
/// signalled when the first message has arrived.
pub(super) async fn serve<S>(
    socket: WebSocketStream<S>,
    endpoint: &Endpoint,
    deliveries: &mpsc::Sender<Delivery>,
    state: &watch::Sender<ConnectionState>,
    first_message: oneshot::Sender<()>,
    suspends: SuspendDetector,
    stop: &CancellationToken,
) -> ConnectionEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut stream) = socket.split();
    let (outgoing, mut queue) = mpsc::channel(MAX_OUTGOING);
    let mut reader = SocketReader {
        service: endpoint.service_id,
        deliveries,
        state,
        outgoing,
        unanswered: FuturesUnordered::new(),
        reassembly: Reassembly::default(),
        liveness: Liveness::new(endpoint.config, now()),
        suspends,
        first_message: Some(first_message),
    };
    let reason = tokio::select! {
        () = stop.cancelled() => None,
        reason = reader.read(&mut stream) => Some(reason),
        reason = write(&mut sink, &mut queue) => Some(reason),
    };
    if let Some(reason) = reason {
        // Sends the answer to a close frame if that is possible at once.
        let _ = sink.flush().now_or_never();
        return ConnectionEnd::Lost { reason, worked: reader.first_message.is_none() };
    }
    let last_answers = async {
        queue.close();
        while let Some(frame) = queue.recv().await {
            sink.send(message(&frame)).await?;
        }
        while let Some((_, frame)) = reader.unanswered.next().await {
            sink.send(message(&frame)).await?;
        }
        Ok::<(), WsError>(())
    };
    let answered = timeout(CLOSE_TIMEOUT, last_answers).await;
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let closed = timeout(CLOSE_TIMEOUT, sink.send(Message::Close(Some(close)))).await;
    if !matches!((answered, closed), (Ok(Ok(())), Ok(Ok(())))) {
        tracing::debug!("closed the connection before all answers were written");
    }
    ConnectionEnd::Stopped
}

/// Writes the frames in the queue until that fails; returns why.
async fn write<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    queue: &mut mpsc::Receiver<Frame>,
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(frame) = queue.recv().await {
        let is_ack = frame.method == METHOD_DATA;
        if is_ack {
            crash::at(Point::AckSending);
        }
        match timeout(WRITE_TIMEOUT, sink.send(message(&frame))).await {
            Ok(Ok(())) if is_ack => crash::at(Point::AckSent),
            Ok(Ok(())) => {}
            Ok(Err(error)) => return ws_error_text(&error),
            Err(_) => return format!("a frame could not be written within {} s", WRITE_TIMEOUT.as_secs()),
        }
    }
    "the reader ended".to_owned()
}

fn message(frame: &Frame) -> Message {
    Message::binary(frame.to_bytes())
}

/// The current time by tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

struct SocketReader<'a> {
    service: i32,
    deliveries: &'a mpsc::Sender<Delivery>,
    state: &'a watch::Sender<ConnectionState>,
    outgoing: mpsc::Sender<Frame>,
    unanswered: FuturesUnordered<BoxFuture<'static, (u16, Frame)>>,
    reassembly: Reassembly,
    liveness: Liveness,
    suspends: SuspendDetector,
    /// `None` once a message has arrived.
    first_message: Option<oneshot::Sender<()>>,
}

impl SocketReader<'_> {
    /// Reads until the connection is lost; returns why.
    async fn read<S>(&mut self, stream: &mut SplitStream<WebSocketStream<S>>) -> String
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            if let Some(suspended) = self.suspends.check() {
                let slept_s = suspended.as_secs();
                tracing::info!(
                    slept_s,
                    "the host was suspended: checking whether the connection still works"
                );
                self.liveness.resumed(now());
            }
            let wake = match self.liveness.next_action(now()) {
                LivenessAction::Ping => {
                    self.write(Frame::ping(self.service));
                    continue;
                }
                // A message that has arrived but was not read yet is a sign of life too.
                LivenessAction::Dead(silence) => match stream.next().now_or_never() {
                    Some(arrived) => match self.take(arrived) {
                        Some(reason) => return reason,
                        None => continue,
                    },
                    None => return format!("nothing was heard for {} s", silence.as_secs()),
                },
                LivenessAction::Wait(until) => until.min(now() + CHECK_INTERVAL),
            };
            tokio::select! {
                arrived = stream.next() => {
                    if let Some(reason) = self.take(arrived) {
                        return reason;
                    }
                }
                Some((code, answer)) = self.unanswered.next() => self.answer(code, answer),
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    /// Handles what the socket gave; returns why the connection is lost, if it is.
    fn take(&mut self, arrived: Option<Result<Message, WsError>>) -> Option<String> {
        let message = match arrived {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Some(ws_error_text(&error)),
            None => return Some("the connection ended".to_owned()),
        };
        if let Message::Close(close) = message {
            let details = close.map(|close| format!(": {} {}", close.code, excerpt(&close.reason, 100)));
            return Some(format!("Feishu closed the connection{}", details.unwrap_or_default()));
        }
        if let Some(first_message) = self.first_message.take() {
            // Nobody waits any more if the connection is being dropped.
            let _ = first_message.send(());
        }
        self.liveness.frame_received(now());
        self.state.send_modify(|state| state.last_frame = Some(Timestamp::now()));
        if let Message::Binary(bytes) = message {
            match Frame::from_bytes(&bytes) {
                Ok(frame) => self.take_frame(frame),
                Err(_) => tracing::debug!(bytes = bytes.len(), "ignored a message that is not a frame"),
            }
        }
        None
    }

    fn take_frame(&mut self, frame: Frame) {
        match (frame.method, frame.header("type")) {
            (METHOD_CONTROL, Some("pong")) => {
                if let Some(config) = ClientConfig::from_pong(frame.body()) {
                    self.liveness.configure(config);
                }
            }
            (METHOD_DATA, Some("event")) => match self.reassembly.add(&frame, now()) {
                Assembled::Whole(payload) => self.deliver(frame, payload),
                Assembled::Waiting => {}
                Assembled::Refused => {
                    tracing::warn!("refused a slice of an event: it does not fit the other slices")
                }
            },
            (method, kind) => {
                let kind = excerpt(kind.unwrap_or_default(), 40);
                tracing::debug!(method, kind, "ignored a frame");
            }
        }
    }

    /// Hands an event on and arranges for its answer.
    fn deliver(&mut self, mut frame: Frame, payload: Vec<u8>) {
        crash::at(Point::FrameReceived);
        frame.payload = None;
        let received = now();
        let (answer, answered) = oneshot::channel();
        if self.unanswered.len() >= MAX_UNANSWERED {
            tracing::warn!("too many events are unanswered: asked Feishu to deliver this one again");
            return self.answer(500, frame.acknowledged(500, 0, None));
        }
        if let Err(error) = self.deliveries.try_send(Delivery { payload, received, answer }) {
            tracing::warn!(%error, "failed to accept an event: asked Feishu to deliver it again");
            return self.answer(500, frame.acknowledged(500, 0, None));
        }
        self.unanswered.push(
            async move {
                let answer = match timeout(ANSWER_TIMEOUT, answered).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) | Err(_) => {
                        tracing::warn!("an event was not answered: asked Feishu to deliver it again");
                        Answer { code: 500, data: None }
                    }
                };
                let took = now().saturating_duration_since(received).as_millis();
                let took = u64::try_from(took).unwrap_or(u64::MAX);
                (answer.code, frame.acknowledged(answer.code, took, answer.data.as_ref()))
            }
            .boxed(),
        );
    }

    /// Writes the answer to an event.
    fn answer(&self, code: u16, frame: Frame) {
        if code != 200 {
            self.state.send_modify(|state| state.turned_away = Some(Timestamp::now()));
        }
        self.write(frame);
    }

    fn write(&self, frame: Frame) {
        if self.outgoing.try_send(frame).is_err() {
            tracing::debug!("dropped a frame: too many frames wait to be written");
        }
    }
}

#[cfg(test)]
mod tests;
