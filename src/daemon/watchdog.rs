//! The watchdog: a thread checks that every essential task of the daemon makes progress. It names stuck tasks in the
//! journal, and feeds systemd's watchdog only while there are none.
//!
//! Watched are the router, the intake, the courier, the long connection and the database thread. Not watched are:
//! - The tasks that write `sessions.json`, the bot's own sentences and the audit log. They wait for the disk as long as
//!   it takes, and the database thread already shows whether the disk works.
//! - Sessions. Each concerns one person, and its turns have a time limit.
//!
//! How a task shows its progress: [`crate::pulse`].

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::systemd;
use crate::logs::events;
use crate::pulse::{PATIENCE, Pulses, StuckTask};

/// How long a task that waits for a disk may be stuck. A restart would not help.
pub(super) const DISK_PATIENCE: Duration = Duration::from_secs(300);

/// Stops the watchdog thread when it is dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    _end: Option<Sender<()>>,
}

/// The pulses of the daemon's tasks. If systemd's watchdog is shorter than usual, tasks have less time, so that a stuck
/// task is named before the watchdog fires.
#[must_use]
pub(super) fn pulses() -> Pulses {
    Pulses::new(sd_notify::watchdog_enabled().map_or(PATIENCE, |watchdog| PATIENCE.min(watchdog / 3)))
}

/// Starts the thread. The receiver holds the names of the tasks that are stuck.
#[must_use]
pub(super) fn start(pulses: Pulses) -> (Watchdog, watch::Receiver<Vec<&'static str>>) {
    let (end, ended) = channel::<()>();
    let (names, names_rx) = watch::channel(Vec::new());
    let mut reading = PulseReading::default();
    let mut last_check = Instant::now();
    let check = move || {
        let every = pulses.every();
        loop {
            let now = Instant::now();
            // This process was stopped and continued, or got no CPU time: the tasks could not make progress either.
            if now.duration_since(last_check) > every * 2 {
                pulses.awoke();
            }
            last_check = now;
            let stuck = pulses.stuck();
            let all_is_well = reading.update(&stuck);
            names.send_if_modified(|names| {
                let stuck: Vec<_> = stuck.iter().map(|stuck| stuck.name).collect();
                let changed = *names != stuck;
                if changed && !stuck.is_empty() {
                    systemd::stuck(&stuck);
                }
                *names = stuck;
                changed
            });
            if all_is_well {
                systemd::alive();
            }
            match ended.recv_timeout(every) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    let started: io::Result<_> = std::thread::Builder::new().name("watchdog".to_owned()).spawn(check);
    match started {
        Ok(_) => (Watchdog { _end: Some(end) }, names_rx),
        Err(error) => {
            warn!(%error, "failed to start the watchdog thread: stuck tasks will not be noticed, and systemd's watchdog is not fed");
            (Watchdog { _end: None }, names_rx)
        }
    }
}

/// The tasks that were stuck at the last check.
#[derive(Debug, Default)]
struct PulseReading {
    stuck: BTreeSet<&'static str>,
}

/// A change since the last check.
#[derive(Debug, PartialEq, Eq)]
enum PulseChange {
    Stuck(StuckTask),
    Moves(&'static str),
}

impl PulseReading {
    /// Logs what has changed. Returns whether no task is stuck.
    fn update(&mut self, stuck: &[StuckTask]) -> bool {
        for change in self.changes(stuck) {
            match change {
                PulseChange::Stuck(StuckTask { name, still }) => {
                    let still_s = still.as_secs();
                    error!(
                        name: events::TASK_STUCK,
                        task = name,
                        still_s,
                        "a task is stuck; the watchdog is not fed until it makes progress"
                    );
                }
                PulseChange::Moves(name) => {
                    info!(name: events::TASK_MOVES, task = name, "the task makes progress again");
                }
            }
        }
        stuck.is_empty()
    }

    fn changes(&mut self, stuck: &[StuckTask]) -> Vec<PulseChange> {
        let names: BTreeSet<_> = stuck.iter().map(|stuck| stuck.name).collect();
        let moves = self.stuck.difference(&names).map(|name| PulseChange::Moves(name));
        let new =
            stuck.iter().filter(|stuck| !self.stuck.contains(stuck.name)).cloned().map(PulseChange::Stuck);
        let changes = moves.chain(new).collect();
        self.stuck = names;
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_task_is_reported_once_and_so_is_its_recovery() {
        let mut reading = PulseReading::default();
        let stuck = |name, seconds| StuckTask { name, still: Duration::from_secs(seconds) };
        assert_eq!(reading.changes(&[]), []);
        assert_eq!(reading.changes(&[stuck("router", 21)]), [PulseChange::Stuck(stuck("router", 21))]);
        assert_eq!(
            reading.changes(&[stuck("router", 26), stuck("mail", 301)]),
            [PulseChange::Stuck(stuck("mail", 301))]
        );
        assert_eq!(reading.changes(&[stuck("mail", 306)]), [PulseChange::Moves("router")]);
        assert_eq!(reading.changes(&[]), [PulseChange::Moves("mail")]);
    }

    #[test]
    fn the_watchdog_is_fed_only_while_no_task_is_stuck() {
        let mut reading = PulseReading::default();
        let stuck = [StuckTask { name: "router", still: Duration::from_secs(21) }];
        assert_eq!(
            [reading.update(&[]), reading.update(&stuck), reading.update(&stuck), reading.update(&[])],
            [true, false, false, true]
        );
    }
}
