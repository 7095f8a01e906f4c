//! One WebSocket connection from its first ping to its end.
//!
//! Reading and writing go on side by side: a stuck write does not stop the reading, and ends the connection when it
//! lasts. What does not make sense (broken frames, text, unknown types) changes nothing; it counts as a sign of life.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;

use super::endpoint::Endpoint;
use super::excerpt;
use super::frame::{Frame, METHOD_CONTROL, METHOD_DATA};
use super::liveness::{ClientConfig, Liveness, LivenessAction};
use super::reassembly::{Assembled, Reassembly};
use super::socket::{Answer, ConnectionState, Delivery, ws_error_text};
use super::suspend::{LOOK, SuspendDetector};
use crate::crash::{self, Point};

/// The longest time for writing one frame.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for a delivery's answer. Feishu gives up after 3 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time for the last answers and the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The most deliveries without an answer: as many as wait and are on their way to the disk, so that a burst is refused
/// only when the queue is full. What is refused comes again 15 s later.
const MOST_UNANSWERED: usize = 4608;
/// The most frames that wait to be written. When there are more, the writing is stuck and they are dropped.
const MOST_OUTGOING: usize = 8192;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    /// As it was told to.
    Stopped,
    /// It is gone.
    Lost {
        /// Why, fit for a log.
        reason: String,
        /// Whether anything had arrived over it.
        proven: bool,
    },
}

/// Reads deliveries and writes their answers until the connection is lost or `stop`. `proof` is told when anything has
/// arrived.
pub(super) async fn serve<S>(
    socket: WebSocketStream<S>,
    endpoint: &Endpoint,
    deliveries: &mpsc::Sender<Delivery>,
    state: &watch::Sender<ConnectionState>,
    proof: oneshot::Sender<()>,
    sleeps: SuspendDetector,
    stop: &CancellationToken,
) -> ConnectionEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut stream) = socket.split();
    let (outgoing, mut queue) = mpsc::channel(MOST_OUTGOING);
    let mut reader = SocketReader {
        service: endpoint.service_id,
        deliveries,
        state,
        outgoing,
        unanswered: FuturesUnordered::new(),
        reassembly: Reassembly::default(),
        liveness: Liveness::new(endpoint.config, now()),
        sleeps,
        proof: Some(proof),
    };
    let reason = tokio::select! {
        () = stop.cancelled() => None,
        reason = reader.read(&mut stream) => Some(reason),
        reason = write(&mut sink, &mut queue) => Some(reason),
    };
    if let Some(reason) = reason {
        // The answer to a close frame lies ready; it is not worth waiting for.
        let _ = sink.flush().now_or_never();
        return ConnectionEnd::Lost { reason, proven: reader.proof.is_none() };
    }
    let farewell = async {
        queue.close();
        while let Some(frame) = queue.recv().await {
            sink.send(message(&frame)).await?;
        }
        while let Some((_, frame)) = reader.unanswered.next().await {
            sink.send(message(&frame)).await?;
        }
        Ok::<(), WsError>(())
    };
    let said_all = timeout(CLOSE_TIMEOUT, farewell).await;
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let closed = timeout(CLOSE_TIMEOUT, sink.send(Message::Close(Some(close)))).await;
    if !matches!((said_all, closed), (Ok(Ok(())), Ok(Ok(())))) {
        tracing::debug!("the connection was left before all was said");
    }
    ConnectionEnd::Stopped
}

/// Writes what waits; returns why it cannot.
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
    "nothing is left to write".to_owned()
}

fn message(frame: &Frame) -> Message {
    Message::binary(frame.to_bytes())
}

/// The time as tokio counts it, which tests can stop.
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
    sleeps: SuspendDetector,
    /// Until anything has arrived.
    proof: Option<oneshot::Sender<()>>,
}

impl SocketReader<'_> {
    /// Reads until the connection is lost; returns why.
    async fn read<S>(&mut self, stream: &mut SplitStream<WebSocketStream<S>>) -> String
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            if let Some(slept) = self.sleeps.notice() {
                let slept_s = slept.as_secs();
                tracing::info!(slept_s, "this host was asleep: the connection has to prove itself");
                self.liveness.woke(now());
            }
            let wake = match self.liveness.pulse(now()) {
                LivenessAction::Ping => {
                    self.write(Frame::ping(self.service));
                    continue;
                }
                // What has arrived already but was not read yet is a sign of life too.
                LivenessAction::Dead(silence) => match stream.next().now_or_never() {
                    Some(arrived) => match self.take(arrived) {
                        Some(reason) => return reason,
                        None => continue,
                    },
                    None => return format!("nothing was heard for {} s", silence.as_secs()),
                },
                LivenessAction::Wait(until) => until.min(now() + LOOK),
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

    /// Takes what the socket gave; returns why the connection is lost, if it is.
    fn take(&mut self, arrived: Option<Result<Message, WsError>>) -> Option<String> {
        let message = match arrived {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Some(ws_error_text(&error)),
            None => return Some("the connection ended".to_owned()),
        };
        if let Message::Close(close) = message {
            let why = close.map(|close| format!(": {} {}", close.code, excerpt(&close.reason, 100)));
            return Some(format!("Feishu closed the connection{}", why.unwrap_or_default()));
        }
        if let Some(proof) = self.proof.take() {
            // Who does not want to know has not waited for it.
            let _ = proof.send(());
        }
        self.liveness.heard(now());
        self.state.send_modify(|state| state.last_frame = Some(Timestamp::now()));
        if let Message::Binary(bytes) = message {
            match Frame::from_bytes(&bytes) {
                Ok(frame) => self.take_frame(frame),
                Err(_) => tracing::debug!(bytes = bytes.len(), "ignored a message that is no frame"),
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
                    tracing::warn!("refused a part of an event: it does not fit the others")
                }
            },
            (method, kind) => {
                let kind = excerpt(kind.unwrap_or_default(), 40);
                tracing::debug!(method, kind, "ignored a frame");
            }
        }
    }

    /// Hands an event on and sees to its answer.
    fn deliver(&mut self, mut frame: Frame, payload: Vec<u8>) {
        crash::at(Point::FrameReceived);
        frame.payload = None;
        let received = now();
        let (answer, answered) = oneshot::channel();
        if self.unanswered.len() >= MOST_UNANSWERED {
            tracing::warn!("too many events are unanswered: asked Feishu to deliver one again");
            return self.answer(500, frame.acknowledged(500, 0, None));
        }
        if let Err(error) = self.deliveries.try_send(Delivery { payload, received, answer }) {
            tracing::warn!(%error, "an event could not be taken: asked Feishu to deliver it again");
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
            tracing::debug!("dropped a frame: the connection does not take any");
        }
    }
}

#[cfg(test)]
mod tests;
