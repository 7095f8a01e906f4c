//! The courier: sends what is in the outbox, and the updates of live cards.
//!
//! Each recipient has a lane with a task of its own. Inside a lane the order is strict and one request runs at a time;
//! no lane waits for the trouble of another. Before each try a lane asks the courier for a permit: the courier owns the
//! [`RateLimiter`], so the limits hold for all lanes together. The task of a lane lives for as long as there is
//! something to send.
//!
//! [`lane`] sends posts one after the other; [`attempt`] says when to try again and when to give up. [`document`] brings
//! a document down the ladder, [`live_update`] sends the updates of live cards, and [`card_change`] changes a card that
//! is in the chat for both of them. [`api_request`] is what the courier asks of Feishu.

mod api_request;
mod attempt;
mod card_change;
mod document;
mod lane;
mod live_update;
mod rate_limit;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{Id, JoinSet},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Recipient, Store, StoreError, live_cards::LiveCards};
use lane::Lane;
use rate_limit::{ApiRoute, Priority, RateLimiter};

pub(crate) use api_request::{
    ApiRequest, ContentObjection, DeliveryAdvice, EntityChange, OutgoingContent, RequestFailure, Transport,
};
pub(super) use live_update::CardState;

/// Maximum number of requests of lanes that wait for the courier.
const MAX_LANE_REQUESTS: usize = 64;

/// Sends the outbox and the live cards until `stop`; then goes on until the outbox is empty, for `drain` at most. What
/// is left then is sent after the next start.
pub(crate) async fn run(
    store: Store,
    live_cards: LiveCards,
    transport: impl Transport,
    stop: CancellationToken,
    drain: Duration,
) {
    let Some(pending) = pending_lanes(&store, &stop).await else { return };
    let (requests, mut lane_requests) = mpsc::channel(MAX_LANE_REQUESTS);
    let mut courier = Courier {
        context: LaneContext {
            store: store.clone(),
            live_cards: live_cards.clone(),
            transport,
            requests,
            stop: stop.clone(),
        },
        limiter: RateLimiter::default(),
        waiting: Vec::new(),
        lanes: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    courier.start_lanes(pending);
    let mut deadline = None;
    loop {
        let next_permit = courier.grant_permits(Instant::now());
        if deadline.is_some() && courier.lanes.is_empty() {
            courier.start_lanes(store.fresh_lanes_now());
            if courier.lanes.is_empty() {
                return;
            }
        }
        tokio::select! {
            () = stop.cancelled(), if deadline.is_none() => deadline = Some(Instant::now() + drain),
            () = until(deadline) => {
                tracing::warn!(recipients = courier.lanes.len(), "stopped with mail left for the next start");
                return;
            }
            lanes = store.fresh_lanes() => courier.start_lanes(lanes),
            lanes = live_cards.fresh_lanes(), if deadline.is_none() => courier.start_lanes(lanes),
            Some(request) = lane_requests.recv() => courier.handle(request),
            Some(ended) = courier.tasks.join_next_with_id() => {
                courier.lane_ended(ended.map_or_else(|error| (error.id(), Some(error)), |(id, ())| (id, None)));
            }
            () = until(next_permit) => {}
        }
    }
}

/// The recipients of what was pending at the start; `None` when the daemon stops before the outbox can be read.
async fn pending_lanes(store: &Store, stop: &CancellationToken) -> Option<Vec<Recipient>> {
    let mut failures = 0;
    loop {
        let error = match store.pending_lanes().await {
            Ok(lanes) => return Some(lanes),
            Err(StoreError::Stopped) => return None,
            Err(error) => error,
        };
        failures += 1;
        tracing::error!(%error, "failed to read the outbox, trying again");
        tokio::select! {
            () = stop.cancelled() => return None,
            () = sleep(attempt::RETRY.wait(failures, fastrand::f64())) => {}
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What a lane tells the courier.
enum LaneRequest {
    /// It wants to send.
    Permit { lane: Recipient, route: ApiRoute, priority: Priority, reply: oneshot::Sender<SendPermit> },
    /// Feishu has answered the lane's request.
    Answered { lane: Recipient, route: ApiRoute },
}

/// Whether a lane may send; if not, when it may ask again. The answer to what is owed comes when it may.
type SendPermit = Result<(), Instant>;

/// What all lanes work with.
#[derive(Clone)]
struct LaneContext<T> {
    store: Store,
    live_cards: LiveCards,
    transport: T,
    requests: mpsc::Sender<LaneRequest>,
    /// Once it is cancelled, no live updates are sent.
    stop: CancellationToken,
}

struct Courier<T> {
    context: LaneContext<T>,
    limiter: RateLimiter,
    /// Lanes that wait for a permit, in the order in which they asked.
    waiting: Vec<(Recipient, ApiRoute, oneshot::Sender<SendPermit>)>,
    lanes: BTreeMap<Recipient, RunningLane>,
    tasks: JoinSet<()>,
}

/// The task of a lane.
struct RunningLane {
    task: Id,
    /// Whether something to send came since it started. It may have looked before that, so it is started again.
    restart: bool,
    /// Wakes it from a wait.
    wake: Arc<Notify>,
}

impl<T: Transport> Courier<T> {
    /// Makes sure that a task sends what there is for each of these.
    fn start_lanes(&mut self, lanes: impl IntoIterator<Item = Recipient>) {
        for lane in lanes {
            if let Some(running) = self.lanes.get_mut(&lane) {
                running.restart = true;
                running.wake.notify_one();
                continue;
            }
            let wake = Arc::<Notify>::default();
            let task = self.tasks.spawn(Lane::new(self.context.clone(), &lane, wake.clone()).run()).id();
            self.lanes.insert(lane, RunningLane { task, restart: false, wake });
        }
    }

    fn handle(&mut self, request: LaneRequest) {
        match request {
            LaneRequest::Permit { lane, route, priority: Priority::Owed, reply } => {
                self.waiting.push((lane, route, reply));
            }
            LaneRequest::Permit { lane, route, priority: Priority::Optional, reply } => {
                let permit = self.limiter.ask(&lane, route, Priority::Optional, Instant::now().into_std());
                // A lane that has ended no longer waits.
                let _ = reply.send(permit.map_err(Instant::from_std));
            }
            LaneRequest::Answered { lane, route } => {
                self.limiter.answered(&lane, route, Instant::now().into_std());
            }
        }
    }

    /// Lets the waiting lanes send, as far as the limits allow; when the next one may.
    fn grant_permits(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for (lane, route, reply) in std::mem::take(&mut self.waiting) {
            match self.limiter.ask(&lane, route, Priority::Owed, now.into_std()) {
                // A lane that has ended no longer waits.
                Ok(()) => {
                    let _ = reply.send(Ok(()));
                }
                Err(at) => {
                    next = Some(next.map_or(at, |next: std::time::Instant| next.min(at)));
                    self.waiting.push((lane, route, reply));
                }
            }
        }
        next.map(Instant::from_std)
    }

    fn lane_ended(&mut self, (id, error): (Id, Option<tokio::task::JoinError>)) {
        let ended = self.lanes.iter().find(|(_, running)| running.task == id).map(|(lane, _)| lane.clone());
        let Some(lane) = ended else { return };
        let restart = self.lanes.remove(&lane).is_some_and(|running| running.restart);
        if let Some(error) = &error {
            tracing::error!(%error, ?lane, "a lane ended unexpectedly, it starts again with the next post");
        }
        if restart {
            self.start_lanes([lane]);
        }
    }
}
