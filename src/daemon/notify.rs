//! What systemd is told, and `systemctl status` shows.
//!
//! - **READY**: with the first connection to Feishu; when that does not come, with the first try that failed, or after
//!   10 s. So `systemctl start` returns when the bot can be written to, or when the status says why it cannot; a boot
//!   without a network does not fail, and the daemon goes on trying.
//! - **STATUS**: one line that is true, sent when it changes, at most once a second.
//! - **RELOADING** when the keyring is to be read again, and READY when that is done, also when it was refused: the status
//!   says so until a reload succeeds. That is what `Type=notify` of systemd 252 understands, and newer ones too.
//! - **STOPPING** with as much more time as leaving may take.
//! - **WATCHDOG**: see [`super::pulse`].
//!
//! Nothing of this happens when systemd has not asked for it (no `NOTIFY_SOCKET`).

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::chat::router::RouterLoad;
use crate::feishu::socket::{ConnectionState, Phase};

/// Without a word from Feishu, the daemon counts as started after so long.
const READY_AT_LATEST: Duration = Duration::from_secs(10);
/// Between two lines.
const PAUSE: Duration = Duration::from_secs(1);
/// No line is longer, in characters.
const LONGEST: usize = 300;

/// How reloads went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    /// How many are done.
    pub done: u64,
    /// Why the last one changed nothing, and since when that is so.
    pub refused: Option<(Timestamp, String)>,
}

/// What the status follows.
#[derive(Debug)]
pub(super) struct StatusSources {
    pub(super) connection: watch::Receiver<ConnectionState>,
    pub(super) load: watch::Receiver<RouterLoad>,
    pub(super) reloads: watch::Receiver<Reloads>,
    /// Tasks that do not move.
    pub(super) stuck: watch::Receiver<Vec<&'static str>>,
    pub(super) stop: CancellationToken,
    /// How long leaving may take.
    pub(super) leaving: Duration,
}

/// The keyring is to be read again.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "systemd cannot be told the time"),
    }
}

/// The daemon does not start, for this reason.
pub fn failed(why: &str) {
    tell(&[NotifyState::Status(&one_line(why))]);
}

/// All of the daemon moves.
pub(super) fn alive() {
    // Asked each time: another process's watchdog is not this one's to feed.
    if sd_notify::watchdog_enabled().is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

/// Parts of the daemon do not move, perhaps what follows them neither.
pub(super) fn stuck(tasks: &[&str]) {
    tell(&[NotifyState::Status(&still(tasks))]);
}

/// Starts telling systemd how the daemon is, if it wants to know. To be aborted when the daemon has left.
pub(super) fn start(followed: StatusSources) -> Option<JoinHandle<()>> {
    std::env::var_os("NOTIFY_SOCKET").map(|_| tokio::spawn(run(followed)))
}

async fn run(mut followed: StatusSources) {
    let zone = TimeZone::system();
    let mut standing = DaemonStatus::default();
    let (mut ready, mut leaving, mut late) = (false, false, false);
    let mut latest = std::pin::pin!(sleep(READY_AT_LATEST));
    let mut told = String::new();
    let mut next = Instant::now();
    let mut reloads = followed.reloads.borrow().done;
    loop {
        let state = followed.connection.borrow_and_update().clone();
        let is_known = state.phase == Phase::Connected || state.last_error.is_some();
        standing.connection(&state);
        standing.load = *followed.load.borrow_and_update();
        let newest = followed.reloads.borrow_and_update().clone();
        let reloaded = std::mem::replace(&mut reloads, newest.done) != newest.done;
        standing.refused = newest.refused;
        standing.leaving = leaving;
        standing.stuck.clone_from(&followed.stuck.borrow_and_update());
        let line = standing.line(&zone);
        let now = Instant::now();
        let starts = !ready && (is_known || late);
        ready |= starts;
        if starts || (reloaded && ready) {
            tell(&[NotifyState::Ready, NotifyState::Status(&line)]);
            (told, next) = (line.clone(), now + PAUSE);
        } else if line != told && now >= next {
            tell(&[NotifyState::Status(&line)]);
            (told, next) = (line.clone(), now + PAUSE);
        }
        tokio::select! {
            Ok(()) = followed.connection.changed() => {}
            Ok(()) = followed.load.changed() => {}
            Ok(()) = followed.reloads.changed() => {}
            Ok(()) = followed.stuck.changed() => {}
            () = &mut latest, if !late => late = true,
            () = sleep_until(next), if line != told => {}
            () = followed.stop.cancelled(), if !leaving => {
                leaving = true;
                let more = u32::try_from(followed.leaving.as_micros()).unwrap_or(u32::MAX);
                tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(more)]);
            }
            else => return,
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd does not listen");
    }
}

/// How the daemon is.
#[derive(Clone, Debug, Default, PartialEq)]
struct DaemonStatus {
    connected: bool,
    /// Since when it is not, once that is known; and why, as far as it is.
    down_since: Option<Timestamp>,
    why: Option<String>,
    load: RouterLoad,
    refused: Option<(Timestamp, String)>,
    leaving: bool,
    /// Tasks that do not move.
    stuck: Vec<&'static str>,
}

impl DaemonStatus {
    /// Takes in how the connection is: between tries it is down as long as it was before.
    fn connection(&mut self, state: &ConnectionState) {
        self.connected = state.phase == Phase::Connected;
        self.why.clone_from(&state.last_error);
        self.down_since = match (self.connected, self.down_since) {
            (true, _) => None,
            (false, None) => Some(state.since),
            (false, Some(since)) => Some(since),
        };
    }

    /// The line, with times in this zone.
    fn line(&self, zone: &TimeZone) -> String {
        let at = |time: Timestamp| time.to_zoned(zone.clone()).strftime("%b %-d %H:%M").to_string();
        let mut line = match (self.leaving, self.connected, &self.why) {
            (true, _, _) => "leaving".to_owned(),
            (false, true, _) => "connected to Feishu".to_owned(),
            (false, false, None) => "connecting to Feishu".to_owned(),
            (false, false, Some(why)) => {
                let since = self.down_since.map(|since| format!(" since {}", at(since)));
                format!("not connected to Feishu{} ({why})", since.unwrap_or_default())
            }
        };
        let RouterLoad { open, running, waiting } = self.load;
        let (sessions, wait) = (
            if open == 1 { "session" } else { "sessions" },
            if waiting == 1 { "message waits" } else { "messages wait" },
        );
        // Writing into a string does not fail.
        let _ = write!(line, "; {open} {sessions} open, {running} running, {waiting} {wait}");
        if let Some((since, why)) = &self.refused {
            let _ = write!(line, "; the keyring is as it was before the reload of {}: {why}", at(*since));
        }
        if !self.stuck.is_empty() {
            let _ = write!(line, "; {}", still(&self.stuck));
        }
        one_line(&line)
    }
}

fn still(tasks: &[&str]) -> String {
    format!("{} {} not move", tasks.join(" and "), if tasks.len() == 1 { "does" } else { "do" })
}

/// As much as fits into one line: a line break would begin another word to systemd.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(phase: Phase, second: i64, why: Option<&str>) -> ConnectionState {
        let since = Timestamp::from_second(second).unwrap();
        ConnectionState { phase, last_error: why.map(str::to_owned), ..ConnectionState::new(since) }
    }

    #[test]
    fn the_line_says_how_the_daemon_is() {
        let mut standing = DaemonStatus::default();
        let mut lines = Vec::new();
        let waiting = Phase::Waiting { until: Timestamp::UNIX_EPOCH };
        let mut say = |standing: &DaemonStatus| lines.push(standing.line(&TimeZone::UTC));
        standing.connection(&state(Phase::Connecting, 60, None));
        say(&standing);
        standing.connection(&state(waiting, 120, Some("no answer\nWATCHDOG=trigger")));
        standing.load = RouterLoad { open: 1, running: 0, waiting: 1 };
        say(&standing);
        standing.connection(&state(Phase::Connected, 180, Some("no answer")));
        standing.load = RouterLoad { open: 3, running: 1, waiting: 2 };
        say(&standing);
        standing.connection(&state(Phase::Connecting, 3600, Some("no sign of life")));
        standing.connection(&state(waiting, 7200, Some("no connection")));
        say(&standing);
        standing.connection(&state(Phase::Connected, 9000, Some("no connection")));
        let at = Timestamp::from_second(10_000).unwrap();
        standing.refused = Some((at, "keyring.yaml:3:1: there is no key COLOUR".to_owned()));
        say(&standing);
        standing.refused = None;
        standing.leaving = true;
        standing.stuck = vec!["router", "mail"];
        say(&standing);
        insta::assert_snapshot!(lines.join("\n"), @r"
        connecting to Feishu; 0 sessions open, 0 running, 0 messages wait
        not connected to Feishu since Jan 1 00:01 (no answer WATCHDOG=trigger); 1 session open, 0 running, 1 message waits
        connected to Feishu; 3 sessions open, 1 running, 2 messages wait
        not connected to Feishu since Jan 1 01:00 (no connection); 3 sessions open, 1 running, 2 messages wait
        connected to Feishu; 3 sessions open, 1 running, 2 messages wait; the keyring is as it was before the reload of Jan 1 02:46: keyring.yaml:3:1: there is no key COLOUR
        leaving; 3 sessions open, 1 running, 2 messages wait; router and mail do not move
        ");
    }

    #[test]
    fn a_line_has_an_end() {
        let line = one_line(&"ü".repeat(1000));
        assert_eq!(line.chars().count(), LONGEST + 1);
    }
}
