//! The audit writer: appends queued lines to their files.
//!
//! The store queues a line in the transaction that settles its turn. The writer appends the line to its file and then
//! takes it off the queue. The lines of one session are written in order: a line that cannot be written is tried again
//! and holds up the lines behind it, but no other session's. What is still queued when the daemon stops is written
//! after the next start.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    future::Future,
    io::{self, ErrorKind},
    time::Duration,
};

use tokio::{
    task::{Id, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Appended, AuditEntry, append};
use crate::{
    backoff::Backoff,
    crash::{self, Point},
    ids::ConvId,
};

/// Maximum number of files that are written to at once: a disk that does not answer holds up its own files only.
const MAX_WRITERS: usize = 16;

/// The waits before a session's lines are tried again.
const RETRY: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60), jitter: 0.0 };

/// The queue of lines on record that are not in their files yet.
pub(crate) trait LineQueue: Clone + Send + Sync + 'static {
    /// Why the queue could not be read or changed. The next call may succeed.
    type Error: Display + Send;

    /// The first lines of a session, in order; none when all are written.
    fn next_lines(
        &self,
        conv_id: &ConvId,
    ) -> impl Future<Output = Result<Vec<AuditEntry>, Self::Error>> + Send;

    /// Takes a line off the queue: it is in its file, or its project is gone.
    fn written(&self, id: i64) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The sessions for which lines were queued since the last call; waits until there are some. For one caller.
    fn fresh_sessions(&self) -> impl Future<Output = BTreeSet<ConvId>> + Send;

    /// As [`LineQueue::fresh_sessions`], without waiting.
    fn fresh_sessions_now(&self) -> BTreeSet<ConvId>;
}

/// Writes the lines of the sessions in `unwritten`, and those that are queued later, until `stop`; then everything that
/// can be written within `drain`.
pub(crate) async fn run<Q: LineQueue>(
    queue: Q,
    unwritten: BTreeSet<ConvId>,
    stop: CancellationToken,
    drain: Duration,
) {
    let mut writer = AuditWriter {
        queue: queue.clone(),
        ready: unwritten,
        running: BTreeMap::new(),
        tasks: JoinSet::new(),
        failing: BTreeMap::new(),
    };
    let mut deadline = None;
    loop {
        writer.start_tasks();
        if deadline.is_some() && writer.running.is_empty() {
            let fresh = queue.fresh_sessions_now();
            if fresh.is_empty() {
                return;
            }
            writer.ready.extend(fresh);
            continue;
        }
        let retry_at = writer.failing.values().filter_map(|trouble| trouble.retry_at).min();
        tokio::select! {
            () = stop.cancelled(), if deadline.is_none() => {
                deadline = Some(Instant::now() + drain);
                writer.retry_all();
            }
            () = until(deadline) => return warn!("stopped with audit lines left for the next start"),
            sessions = queue.fresh_sessions() => writer.ready.extend(sessions),
            Some(ended) = writer.tasks.join_next_with_id() => match ended {
                Ok((id, outcome)) => writer.ended(id, outcome),
                Err(error) => writer.ended(error.id(), Err(error.to_string())),
            },
            () = until(retry_at), if deadline.is_none() => writer.retry_due(Instant::now()),
        }
    }
}

struct AuditWriter<Q> {
    queue: Q,
    /// Sessions that have lines and no task.
    ready: BTreeSet<ConvId>,
    /// Sessions whose lines a task writes now.
    running: BTreeMap<Id, ConvId>,
    tasks: JoinSet<Result<(), String>>,
    /// Sessions whose last attempt failed.
    failing: BTreeMap<ConvId, WriteTrouble>,
}

struct WriteTrouble {
    failures: u32,
    /// When to try again; `None` while a task tries or is about to.
    retry_at: Option<Instant>,
}

impl<Q: LineQueue> AuditWriter<Q> {
    /// Starts a task for each ready session that does not wait, as far as tasks are free.
    fn start_tasks(&mut self) {
        let busy: BTreeSet<&ConvId> = self.running.values().collect();
        let waits =
            |conv_id: &ConvId| self.failing.get(conv_id).is_some_and(|trouble| trouble.retry_at.is_some());
        let free = MAX_WRITERS.saturating_sub(busy.len());
        let next = self.ready.iter().filter(|conv_id| !busy.contains(conv_id) && !waits(conv_id));
        let next: Vec<ConvId> = next.take(free).cloned().collect();
        for conv_id in next {
            self.ready.remove(&conv_id);
            let task = self.tasks.spawn(write_lines(self.queue.clone(), conv_id.clone()));
            self.running.insert(task.id(), conv_id);
        }
    }

    /// Ends the waits that are over by `now`.
    fn retry_due(&mut self, now: Instant) {
        for trouble in self.failing.values_mut() {
            trouble.retry_at = trouble.retry_at.filter(|at| *at > now);
        }
    }

    /// Ends all waits.
    fn retry_all(&mut self) {
        for trouble in self.failing.values_mut() {
            trouble.retry_at = None;
        }
    }

    fn ended(&mut self, id: Id, outcome: Result<(), String>) {
        let Some(conv_id) = self.running.remove(&id) else { return };
        match outcome {
            Ok(()) => {
                if self.failing.remove(&conv_id).is_some() {
                    info!(%conv_id, "the audit log is written again");
                }
            }
            Err(reason) => {
                let trouble = self
                    .failing
                    .entry(conv_id.clone())
                    .or_insert(WriteTrouble { failures: 0, retry_at: None });
                if trouble.failures == 0 {
                    error!(%conv_id, reason, "the audit log cannot be written; its lines are kept and tried again");
                }
                trouble.failures = trouble.failures.saturating_add(1);
                trouble.retry_at = Some(Instant::now() + RETRY.wait(trouble.failures, 0.0));
                self.ready.insert(conv_id);
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Writes all queued lines of a session.
async fn write_lines<Q: LineQueue>(queue: Q, conv_id: ConvId) -> Result<(), String> {
    loop {
        let entries = queue.next_lines(&conv_id).await.map_err(|error| error.to_string())?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            let id = entry.id;
            let appended = tokio::task::spawn_blocking(move || {
                crash::write(Point::AuditLineWrite)?;
                append(&entry)
            });
            match appended.await.map_err(io::Error::other).flatten() {
                Ok(Appended::AfterChange) => {
                    warn!(%conv_id, "somebody changed the audit log; the next line follows the change");
                }
                Ok(Appended::Chained | Appended::Already) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    warn!(%conv_id, %error, "an audit line is lost with its project");
                }
                Err(error) => return Err(error.to_string()),
            }
            crash::at(Point::AuditLineWritten);
            queue.written(id).await.map_err(|error| error.to_string())?;
            crash::at(Point::AuditMarked);
        }
    }
}
