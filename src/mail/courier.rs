//! The courier: sends what is in the outbox.
//!
//! Each recipient is a lane with a task of its own: strict order inside, one post under way at a time, and no lane
//! waits for another's trouble. The lanes ask the courier before each try; it owns the [`RateLimiter`], so the limits that
//! they share hold. A lane's task lives as long as there is something for it to send.

mod api_request;
mod card_update;
mod change;
mod document;
mod lane;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{Id, JoinSet},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Recipient, Store, StoreError,
    live_cards::LiveCards,
    rate_limit::{ApiRoute, Priority, RateLimiter, backoff},
};
use lane::Lane;

pub use api_request::{
    ApiRequest, ContentObjection, DeliveryAdvice, EntityChange, OutgoingContent, RequestFailure, Transport,
};
pub(super) use card_update::CardState;

/// Sends what is in the outbox and what comes into it, and what the stage shows, until `stop`; then goes on until the
/// outbox is empty, for `drain` at most. What is left then is sent by the next run.
pub async fn run(
    store: Store,
    stage: LiveCards,
    deliver: impl Transport,
    stop: CancellationToken,
    drain: Duration,
) {
    let Some(pending) = pending(&store, &stop).await else { return };
    let (gate, mut asks) = mpsc::channel(64);
    let mut courier = Courier {
        office: LaneContext { store: store.clone(), stage: stage.clone(), deliver, gate, stop: stop.clone() },
        pacing: RateLimiter::default(),
        asking: Vec::new(),
        lanes: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    courier.look_after(pending);
    let mut deadline = None;
    loop {
        let next = courier.let_through(Instant::now());
        if deadline.is_some() && courier.lanes.is_empty() {
            courier.look_after(store.fresh_lanes_now());
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
            lanes = store.fresh_lanes() => courier.look_after(lanes),
            lanes = stage.fresh(), if deadline.is_none() => courier.look_after(lanes),
            Some(ask) = asks.recv() => courier.take(ask),
            Some(ended) = courier.tasks.join_next_with_id() => {
                courier.ended(ended.map_or_else(|error| (error.id(), Some(error)), |(id, ())| (id, None)));
            }
            () = until(next) => {}
        }
    }
}

/// Everyone for whom something is in the outbox; `None` when there is no use in waiting for it.
async fn pending(store: &Store, stop: &CancellationToken) -> Option<Vec<Recipient>> {
    let mut failures = 0;
    loop {
        let error = match store.pending_lanes().await {
            Ok(lanes) => return Some(lanes),
            Err(StoreError::Stopped) => return None,
            Err(error) => error,
        };
        failures += 1;
        tracing::error!(%error, "the outbox cannot be read, it will be tried again");
        tokio::select! {
            () = stop.cancelled() => return None,
            () = sleep(backoff(failures, None, fastrand::f64())) => {}
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
    Pass { lane: Recipient, way: ApiRoute, haste: Priority, go: oneshot::Sender<SendPermit> },
    /// Feishu has answered.
    Answered { lane: Recipient, way: ApiRoute },
}

/// Whether a lane may send; if not, when it may ask again. What is owed waits until it may.
type SendPermit = Result<(), Instant>;

/// What all lanes work with.
#[derive(Clone)]
struct LaneContext<D> {
    store: Store,
    stage: LiveCards,
    deliver: D,
    gate: mpsc::Sender<LaneRequest>,
    /// From here on no pictures are brought.
    stop: CancellationToken,
}

struct Courier<D> {
    office: LaneContext<D>,
    pacing: RateLimiter,
    /// Lanes that want to send, in the order in which they asked.
    asking: Vec<(Recipient, ApiRoute, oneshot::Sender<SendPermit>)>,
    lanes: BTreeMap<Recipient, RunningLane>,
    tasks: JoinSet<()>,
}

struct RunningLane {
    task: Id,
    /// Whether posts or pictures came since the task began; it may have looked for them too early.
    again: bool,
    /// Wakes it when it waits until it may bring a picture.
    poke: Arc<Notify>,
}

impl<D: Transport> Courier<D> {
    /// Sees to it that a task sends what these have in the outbox.
    fn look_after(&mut self, lanes: impl IntoIterator<Item = Recipient>) {
        for lane in lanes {
            if let Some(at_work) = self.lanes.get_mut(&lane) {
                at_work.again = true;
                at_work.poke.notify_one();
                continue;
            }
            let poke = Arc::<Notify>::default();
            let walk = Lane::new(self.office.clone(), &lane, poke.clone()).walk();
            let task = self.tasks.spawn(walk).id();
            self.lanes.insert(lane, RunningLane { task, again: false, poke });
        }
    }

    fn take(&mut self, ask: LaneRequest) {
        match ask {
            LaneRequest::Pass { lane, way, haste: Priority::Owed, go } => self.asking.push((lane, way, go)),
            LaneRequest::Pass { lane, way, haste: Priority::Spare, go } => {
                let pass = self.pacing.ask(&lane, way, Priority::Spare, Instant::now().into_std());
                // A task that does not wait any more has ended.
                let _ = go.send(pass.map_err(Instant::from_std));
            }
            LaneRequest::Answered { lane, way } => {
                self.pacing.answered(&lane, way, Instant::now().into_std())
            }
        }
    }

    /// Lets those send who may; when the next one may.
    fn let_through(&mut self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for (lane, way, go) in std::mem::take(&mut self.asking) {
            match self.pacing.ask(&lane, way, Priority::Owed, now.into_std()) {
                // A task that does not wait any more has ended.
                Ok(()) => {
                    let _ = go.send(Ok(()));
                }
                Err(at) => {
                    next = Some(next.map_or(at, |next: std::time::Instant| next.min(at)));
                    self.asking.push((lane, way, go));
                }
            }
        }
        next.map(Instant::from_std)
    }

    fn ended(&mut self, (id, error): (Id, Option<tokio::task::JoinError>)) {
        let Some(lane) =
            self.lanes.iter().find(|(_, at_work)| at_work.task == id).map(|(lane, _)| lane.clone())
        else {
            return;
        };
        let again = self.lanes.remove(&lane).is_some_and(|at_work| at_work.again);
        if let Some(error) = &error {
            tracing::error!(%error, ?lane, "sending failed unexpectedly, it begins again with the next post");
        }
        if again {
            self.look_after([lane]);
        }
    }
}

#[cfg(test)]
mod tests;
