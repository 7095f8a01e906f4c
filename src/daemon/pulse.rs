//! The watchdog: a thread of its own looks whether every essential task of the daemon moves, names what does not in the
//! journal, and feeds systemd's watchdog only while all of them do.
//!
//! Watched are the router, the intake, the courier, the long connection and the thread of `mail.db`. The tasks that
//! write `sessions.json`, the bot's own sentences and the audit log are not: they wait for the disk as long as it takes,
//! and the disk has its watch in the thread of `mail.db`. No session is: it is one person's, and its turns have an end.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::notify;
use crate::logs::events;
use crate::pulse::{PATIENCE, Pulses, StuckTask};

/// A disk may hang for so long: a restart does not mend it.
pub const PATIENCE_WITH_DISKS: Duration = Duration::from_secs(300);

/// The watch goes on until this is dropped.
#[derive(Debug)]
pub struct Watch {
    _end: Option<Sender<()>>,
}

/// The pulses of a daemon. With a watchdog that is shorter than usual, tasks have less time: what is stuck is to be
/// named before the watchdog fires.
#[must_use]
pub fn pulses() -> Pulses {
    Pulses::new(sd_notify::watchdog_enabled().map_or(PATIENCE, |watchdog| PATIENCE.min(watchdog / 3)))
}

/// Starts the watch; says from then on which tasks do not move.
#[must_use]
pub fn watch(pulses: Pulses) -> (Watch, watch::Receiver<Vec<&'static str>>) {
    let (end, ended) = channel::<()>();
    let (names, names_rx) = watch::channel(Vec::new());
    let mut look = PulseReading::default();
    let mut looked = Instant::now();
    let looking = move || {
        let every = pulses.every();
        loop {
            let now = Instant::now();
            // Stopped and continued, or starved: the tasks get the time that this thread did not have either.
            if now.duration_since(looked) > every * 2 {
                pulses.awoke();
            }
            looked = now;
            let stuck = pulses.stuck();
            let all_is_well = look.at(&stuck);
            names.send_if_modified(|told| {
                let stuck: Vec<_> = stuck.iter().map(|stuck| stuck.name).collect();
                let changed = *told != stuck;
                if changed && !stuck.is_empty() {
                    notify::stuck(&stuck);
                }
                *told = stuck;
                changed
            });
            if all_is_well {
                notify::alive();
            }
            match ended.recv_timeout(every) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    let started: io::Result<_> = std::thread::Builder::new().name("watchdog".to_owned()).spawn(looking);
    match started {
        Ok(_) => (Watch { _end: Some(end) }, names_rx),
        Err(error) => {
            warn!(%error, "nobody watches whether the daemon's tasks move, and the watchdog is not fed");
            (Watch { _end: None }, names_rx)
        }
    }
}

/// What was seen at the last look.
#[derive(Debug, Default)]
struct PulseReading {
    stuck: BTreeSet<&'static str>,
}

/// A change since the last look.
#[derive(Debug, PartialEq, Eq)]
enum PulseChange {
    Stuck(StuckTask),
    Moves(&'static str),
}

impl PulseReading {
    /// Tells what has changed; whether all is well.
    fn at(&mut self, stuck: &[StuckTask]) -> bool {
        for change in self.changes(stuck) {
            match change {
                PulseChange::Stuck(StuckTask { name, still }) => {
                    let still_s = still.as_secs();
                    error!(
                        name: events::TASK_STUCK,
                        task = name,
                        still_s,
                        "a task of the daemon does not move; the watchdog is not fed until it does"
                    );
                }
                PulseChange::Moves(name) => {
                    info!(name: events::TASK_MOVES, task = name, "the task moves again");
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
    fn what_is_stuck_is_told_once_and_so_is_its_end() {
        let mut look = PulseReading::default();
        let stuck = |name, seconds| StuckTask { name, still: Duration::from_secs(seconds) };
        assert_eq!(look.changes(&[]), []);
        assert_eq!(look.changes(&[stuck("router", 21)]), [PulseChange::Stuck(stuck("router", 21))]);
        assert_eq!(
            look.changes(&[stuck("router", 26), stuck("mail", 301)]),
            [PulseChange::Stuck(stuck("mail", 301))]
        );
        assert_eq!(look.changes(&[stuck("mail", 306)]), [PulseChange::Moves("router")]);
        assert_eq!(look.changes(&[]), [PulseChange::Moves("mail")]);
    }

    #[test]
    fn the_watchdog_is_fed_only_while_nothing_is_stuck() {
        let mut look = PulseReading::default();
        let stuck = [StuckTask { name: "router", still: Duration::from_secs(21) }];
        assert_eq!(
            [look.at(&[]), look.at(&stuck), look.at(&stuck), look.at(&[])],
            [true, false, false, true]
        );
    }
}
