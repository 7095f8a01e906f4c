//! Audit lines on their way to their files: put on record by the store, written here, and then taken off its list.
//!
//! A session's lines are written one after the other, in their order; one that cannot be written holds up those behind
//! it and is tried again, while other sessions' lines go on. What is still not written when the daemon leaves stays on
//! record for the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::audit::{self, Appended};
use crate::crash::{self, Point};
use crate::ids::ConvId;
use crate::mail::Store;

/// So many files are written to at once: one on a disk that does not answer holds up itself only.
const WRITERS: usize = 16;
/// The wait after the first failure; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Writes the lines of these sessions and those that come, until `stop`; then all that can be written within `drain`.
pub async fn run(store: Store, left: BTreeSet<ConvId>, stop: CancellationToken, drain: Duration) {
    let mut clerk = AuditWriter {
        store: store.clone(),
        ready: left,
        at_work: BTreeMap::new(),
        writers: JoinSet::new(),
        troubled: BTreeMap::new(),
    };
    let mut deadline = None;
    loop {
        clerk.set_to_work();
        if deadline.is_some() && clerk.at_work.is_empty() {
            let last = store.fresh_audits_now();
            if last.is_empty() {
                return;
            }
            clerk.ready.extend(last);
            continue;
        }
        let next = clerk.troubled.values().filter_map(|trouble| trouble.next).min();
        tokio::select! {
            () = stop.cancelled(), if deadline.is_none() => {
                deadline = Some(Instant::now() + drain);
                clerk.try_all_again(None);
            }
            () = until(deadline) => return warn!("some lines of the audit log are left for the next start"),
            sessions = store.fresh_audits() => clerk.ready.extend(sessions),
            Some(ended) = clerk.writers.join_next_with_id() => match ended {
                Ok((id, outcome)) => clerk.ended(id, outcome),
                Err(error) => clerk.ended(error.id(), Err(error.to_string())),
            },
            () = until(next), if deadline.is_none() => clerk.try_all_again(Some(Instant::now())),
        }
    }
}

struct AuditWriter {
    store: Store,
    /// Sessions that have lines, as far as nobody writes them.
    ready: BTreeSet<ConvId>,
    at_work: BTreeMap<Id, ConvId>,
    writers: JoinSet<Result<(), String>>,
    troubled: BTreeMap<ConvId, WriteTrouble>,
}

struct WriteTrouble {
    failures: u32,
    /// When it is tried again; none while it is.
    next: Option<Instant>,
}

impl AuditWriter {
    fn set_to_work(&mut self) {
        let busy: BTreeSet<&ConvId> = self.at_work.values().collect();
        let waits =
            |conv_id: &ConvId| self.troubled.get(conv_id).is_some_and(|trouble| trouble.next.is_some());
        let free = WRITERS.saturating_sub(busy.len());
        let next = self.ready.iter().filter(|conv_id| !busy.contains(conv_id) && !waits(conv_id));
        let next: Vec<ConvId> = next.take(free).cloned().collect();
        for conv_id in next {
            self.ready.remove(&conv_id);
            let task = self.writers.spawn(write(self.store.clone(), conv_id.clone()));
            self.at_work.insert(task.id(), conv_id);
        }
    }

    /// What failed is tried again, if its time has come by `now`.
    fn try_all_again(&mut self, now: Option<Instant>) {
        for trouble in self.troubled.values_mut() {
            trouble.next = trouble.next.filter(|at| now.is_some_and(|now| *at > now));
        }
    }

    fn ended(&mut self, id: Id, outcome: Result<(), String>) {
        let Some(conv_id) = self.at_work.remove(&id) else { return };
        match outcome {
            Ok(()) => {
                if self.troubled.remove(&conv_id).is_some() {
                    info!(%conv_id, "the audit log is written again");
                }
            }
            Err(reason) => {
                let trouble =
                    self.troubled.entry(conv_id.clone()).or_insert(WriteTrouble { failures: 0, next: None });
                if trouble.failures == 0 {
                    error!(%conv_id, reason, "the audit log cannot be written; its lines are kept, and it is tried again");
                }
                let pause = FIRST_PAUSE.saturating_mul(1 << trouble.failures.min(16)).min(LONGEST_PAUSE);
                trouble.failures += 1;
                trouble.next = Some(Instant::now() + pause);
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

/// Writes all lines of a session that are on record.
async fn write(store: Store, conv_id: ConvId) -> Result<(), String> {
    loop {
        let entries = store.unwritten_of(&conv_id).await.map_err(|error| error.to_string())?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            let id = entry.id;
            let appended = tokio::task::spawn_blocking(move || {
                crash::write(Point::AuditLineWrite)?;
                audit::append(&entry)
            });
            match appended.await.map_err(std::io::Error::other).flatten() {
                Ok(Appended::AfterChange) => {
                    warn!(%conv_id, "somebody changed the audit log; its next line stands after the change");
                }
                Ok(Appended::Chained | Appended::Already) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    warn!(%conv_id, %error, "a line of the audit log is lost with its project");
                }
                Err(error) => return Err(error.to_string()),
            }
            crash::at(Point::AuditLineWritten);
            store.audit_written(id).await.map_err(|error| error.to_string())?;
            crash::at(Point::AuditMarked);
        }
    }
}
