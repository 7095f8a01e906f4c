//! Pushing events to one random connection, waiting for the acknowledgement, and pushing again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use base64::Engine as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::emulator::{
    injected_faults::{Duplicate, ReleaseOrder},
    wire,
    world::{SharedWorld, World, log, new_id},
};
use crate::{
    feishu::frame::Frame,
    ids::{EventId, MessageId},
};

/// The headers that a client must give back with its acknowledgement, and the one that it adds.
const ECHOED: [&str; 8] =
    ["type", "message_id", "sum", "seq", "trace_id", "timestamp", "instance_id", "biz_rt"];

/// An acknowledgement that a client sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ack {
    /// The id of the event that was acknowledged.
    pub event_id: EventId,
    /// The event's type, such as `im.message.receive_v1`.
    pub event_type: String,
    /// The message that the event is about, if it is about one.
    pub message_id: Option<MessageId>,
    /// 1 for the first push, 2 for the first one after it, …
    pub attempt: u32,
    /// 200, or 500 for "again".
    pub code: i64,
    /// When the event was pushed.
    pub pushed: Timestamp,
    /// From the push to the acknowledgement.
    pub latency: Duration,
    /// The number of the connection.
    pub connection: u64,
    /// When the acknowledgement arrived.
    pub at: Timestamp,
}

/// An event that waits for its acknowledgement.
pub(crate) struct PendingEvent {
    pub(crate) connection: u64,
    event_id: EventId,
    event_type: String,
    message_id: Option<MessageId>,
    attempt: u32,
    pushed: (Instant, Timestamp),
    waiter: oneshot::Sender<Acked>,
}

/// What an acknowledgement says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Acked {
    pub(crate) code: i64,
    /// The answer to a callback; `Err` when it is not base64 of JSON.
    pub(crate) data: Result<Option<Value>, ()>,
}

impl SharedWorld {
    /// Pushes an event as the faults in force have it, and again until it is acknowledged.
    pub(crate) fn deliver(self: &Arc<Self>, envelope: Value) {
        let (held, delay) = self.change(|world| {
            if world.faults.hold_deliveries {
                world.held.push(envelope.clone());
            }
            (world.faults.hold_deliveries, world.faults.delay())
        });
        if held {
            return;
        }
        if delay.is_zero() {
            self.push(envelope);
        } else {
            let shared = Arc::clone(self);
            self.spawn(async move {
                tokio::time::sleep(delay).await;
                shared.push(envelope);
            });
        }
    }

    /// Lets held events go.
    pub(crate) fn release(self: &Arc<Self>, order: ReleaseOrder) {
        let mut held = self.change(|world| {
            world.faults.hold_deliveries = false;
            std::mem::take(&mut world.held)
        });
        if order == ReleaseOrder::Reversed {
            held.reverse();
        }
        for envelope in held {
            self.push(envelope);
        }
    }

    /// Pushes a callback, once, and waits for its answer; the error is the code that Feishu's app shows.
    pub(crate) async fn call_back(self: &Arc<Self>, envelope: &Value) -> Result<Option<Value>, i64> {
        let Some(answer) = self.change(|world| world.hand_over(envelope, 1)) else { return Err(200_340) };
        let Ok(answer) = tokio::time::timeout(self.options.ack_deadline, answer).await else {
            return Err(200_341);
        };
        let Ok(acked) = answer else { return Err(200_342) };
        if acked.code != 200 {
            return Err(200_671);
        }
        acked.data.map_err(|()| 200_672)
    }

    fn push(self: &Arc<Self>, envelope: Value) {
        let duplicate = self.look(|world| world.faults.delivering.duplicate);
        let second = match duplicate {
            Duplicate::No => None,
            Duplicate::Same => Some(envelope.clone()),
            Duplicate::NewEventId => {
                let mut second = envelope.clone();
                second["header"]["event_id"] = Value::String(new_id(""));
                Some(second)
            }
        };
        for envelope in std::iter::once(envelope).chain(second) {
            // The first push happens here and now, so that events keep the order of what happened.
            let first = self.change(|world| world.hand_over(&envelope, 1));
            let shared = Arc::clone(self);
            self.spawn(async move { shared.follow(envelope, first).await });
        }
    }

    async fn follow(&self, envelope: Value, first: Option<oneshot::Receiver<Acked>>) {
        let mut pushed = first;
        for (number, wait) in (2..).zip(&self.options.redelivery) {
            if self.is_acknowledged(pushed).await {
                return;
            }
            tokio::time::sleep(*wait).await;
            pushed = self.change(|world| world.hand_over(&envelope, number));
        }
        if !self.is_acknowledged(pushed).await {
            let event_id = envelope["header"]["event_id"].as_str().unwrap_or_default().to_owned();
            self.change(|world| world.complain(format!("the event {event_id} was never acknowledged")));
        }
    }

    async fn is_acknowledged(&self, pushed: Option<oneshot::Receiver<Acked>>) -> bool {
        let Some(pushed) = pushed else { return false };
        let acked = tokio::time::timeout(self.options.ack_deadline, pushed).await;
        matches!(acked, Ok(Ok(Acked { code: 200, .. })))
    }
}

impl World {
    /// Sends an event to one random connection; `None` when there is none that takes it.
    pub(crate) fn hand_over(&mut self, envelope: &Value, attempt: u32) -> Option<oneshot::Receiver<Acked>> {
        let place = fastrand::usize(..self.connections.len().max(1));
        let connection = self.connections.values().nth(place)?;
        let frame_id = uuid::Uuid::new_v4().to_string();
        let payload = serde_json::to_vec(envelope).unwrap_or_default();
        let delivering = self.faults.delivering;
        let pushed = (Instant::now(), Timestamp::now());
        let now = pushed.1.as_millisecond();
        let mut frames = wire::event(self.service(), &frame_id, &payload, delivering.slices, now);
        if delivering.reversed {
            frames.reverse();
        }
        for frame in frames {
            connection.frames.try_send(frame).ok()?;
        }
        let number = connection.info.number;
        let (waiter, acked) = oneshot::channel();
        let header = |name: &str| envelope["header"][name].as_str().unwrap_or_default();
        let event = &envelope["event"];
        let message_id =
            [&event["message"]["message_id"], &event["context"]["open_message_id"], &event["message_id"]];
        let pending = PendingEvent {
            connection: number,
            event_id: EventId::from(header("event_id")),
            event_type: header("event_type").to_owned(),
            message_id: message_id.iter().find_map(|id| id.as_str()).map(MessageId::from),
            attempt,
            pushed,
            waiter,
        };
        self.pending.insert(frame_id, pending);
        Some(acked)
    }

    /// Takes a client's acknowledgement.
    pub(crate) fn acknowledge(&mut self, connection: u64, frame: &Frame) {
        for key in ECHOED {
            if wire::header(frame, key).is_none() {
                self.complain(format!("an acknowledgement without the header {key} came"));
            }
        }
        let frame_id = wire::header(frame, "message_id").unwrap_or_default();
        let Some(pending) = self.pending.remove(frame_id) else {
            self.complain(format!("an acknowledgement of the unknown frame {frame_id:?} came"));
            return;
        };
        let payload = frame.payload.as_deref().unwrap_or_default();
        let body = serde_json::from_slice::<Value>(payload).unwrap_or_default();
        let code = body["code"].as_i64().unwrap_or_default();
        if code == 0 {
            self.complain("an acknowledgement without a code came".to_owned());
        }
        let ack = Ack {
            event_id: pending.event_id,
            event_type: pending.event_type,
            message_id: pending.message_id,
            attempt: pending.attempt,
            code,
            pushed: pending.pushed.1,
            latency: pending.pushed.0.elapsed(),
            connection,
            at: Timestamp::now(),
        };
        log(&mut self.acks, ack);
        // Nobody waits any more when the deadline passed: the acknowledgement came too late.
        let _ = pending.waiter.send(Acked { code, data: callback_answer(&body) });
    }
}

fn callback_answer(body: &Value) -> Result<Option<Value>, ()> {
    if body["data"].is_null() {
        return Ok(None);
    }
    let text = body["data"].as_str().ok_or(())?;
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| ())?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| ())
}
