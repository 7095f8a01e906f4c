//! Notifies systemd of the daemon's state (sd_notify); `systemctl status` shows it.
//!
//! - **READY**: with the first connection to Feishu, with the first attempt that failed, or after 10 s, whichever comes
//!   first. So `systemctl start` returns when people can write to the bot, or when the status says why they cannot. A
//!   boot without a network does not fail; the daemon keeps trying.
//! - **STATUS**: one line on the current state, sent when it changes, at most once a second.
//! - **RELOADING** when the keyring is about to be read again, and READY when that is done, even if the keyring was
//!   refused: the status then says so until a reload succeeds. `Type=notify` of systemd 252 and later understands this.
//! - **STOPPING**, with the additional time that the stop may take.
//! - **WATCHDOG**: see [`super::watchdog`].
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is sent.

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

/// Maximum time until the daemon counts as started, even without an answer from Feishu.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// Minimum time between two status lines.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum length of a status line, in characters.
const MAX_STATUS_CHARS: usize = 300;

/// The outcome of reloads of the keyring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reloads {
    /// Number of reloads that are done, refused ones included.
    pub(crate) done: u64,
    /// When and why the last reload was refused, if it was.
    pub(crate) refused: Option<(Timestamp, String)>,
}

/// The sources of the status line.
#[derive(Debug)]
pub(super) struct StatusSources {
    pub(super) connection: watch::Receiver<ConnectionState>,
    pub(super) load: watch::Receiver<RouterLoad>,
    pub(super) reloads: watch::Receiver<Reloads>,
    /// Names of tasks that are stuck.
    pub(super) stuck: watch::Receiver<Vec<&'static str>>,
    pub(super) stop: CancellationToken,
    /// Maximum duration of the stop.
    pub(super) stop_timeout: Duration,
}

/// Sends RELOADING: the keyring is about to be read again.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "failed to read the clock for systemd"),
    }
}

/// Sends the reason why the daemon does not start.
pub(crate) fn failed(why: &str) {
    notify(&[NotifyState::Status(&one_line(why))]);
}

/// Feeds the watchdog: no task is stuck.
pub(super) fn alive() {
    // The environment names the process to watch; if it is another one, nothing is sent.
    if sd_notify::watchdog_enabled().is_some() {
        notify(&[NotifyState::Watchdog]);
    }
}

/// Sends the names of stuck tasks as the status. The task that sends status lines may itself be stuck.
pub(super) fn stuck(tasks: &[&str]) {
    notify(&[NotifyState::Status(&stuck_text(tasks))]);
}

/// Starts the task that keeps systemd informed, if systemd asks for it. Abort it when the daemon has stopped.
pub(super) fn start(sources: StatusSources) -> Option<JoinHandle<()>> {
    std::env::var_os("NOTIFY_SOCKET").map(|_| tokio::spawn(run(sources)))
}

async fn run(mut sources: StatusSources) {
    let zone = TimeZone::system();
    let mut status = DaemonStatus::default();
    let (mut ready, mut stopping, mut timed_out) = (false, false, false);
    let mut ready_timeout = std::pin::pin!(sleep(READY_TIMEOUT));
    let mut sent = String::new();
    let mut next = Instant::now();
    let mut reloads = sources.reloads.borrow().done;
    loop {
        let state = sources.connection.borrow_and_update().clone();
        let is_known = state.phase == Phase::Connected || state.last_error.is_some();
        status.set_connection(&state);
        status.load = *sources.load.borrow_and_update();
        let newest = sources.reloads.borrow_and_update().clone();
        let reloaded = std::mem::replace(&mut reloads, newest.done) != newest.done;
        status.refused = newest.refused;
        status.stopping = stopping;
        status.stuck.clone_from(&sources.stuck.borrow_and_update());
        let line = status.line(&zone);
        let now = Instant::now();
        let becomes_ready = !ready && (is_known || timed_out);
        ready |= becomes_ready;
        if becomes_ready || (reloaded && ready) {
            notify(&[NotifyState::Ready, NotifyState::Status(&line)]);
            (sent, next) = (line.clone(), now + STATUS_INTERVAL);
        } else if line != sent && now >= next {
            notify(&[NotifyState::Status(&line)]);
            (sent, next) = (line.clone(), now + STATUS_INTERVAL);
        }
        tokio::select! {
            Ok(()) = sources.connection.changed() => {}
            Ok(()) = sources.load.changed() => {}
            Ok(()) = sources.reloads.changed() => {}
            Ok(()) = sources.stuck.changed() => {}
            () = &mut ready_timeout, if !timed_out => timed_out = true,
            () = sleep_until(next), if line != sent => {}
            () = sources.stop.cancelled(), if !stopping => {
                stopping = true;
                let more = u32::try_from(sources.stop_timeout.as_micros()).unwrap_or(u32::MAX);
                notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(more)]);
            }
            else => return,
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "failed to notify systemd");
    }
}

/// The state that the status line shows.
#[derive(Clone, Debug, Default, PartialEq)]
struct DaemonStatus {
    connected: bool,
    /// Since when there is no connection, if there is none.
    down_since: Option<Timestamp>,
    /// Why the last connection or attempt ended.
    why: Option<String>,
    load: RouterLoad,
    /// When and why the last reload was refused, if it was.
    refused: Option<(Timestamp, String)>,
    stopping: bool,
    /// Names of tasks that are stuck.
    stuck: Vec<&'static str>,
}

impl DaemonStatus {
    /// Updates the state of the connection. An outage lasts across attempts, until there is a connection.
    fn set_connection(&mut self, state: &ConnectionState) {
        self.connected = state.phase == Phase::Connected;
        self.why.clone_from(&state.last_error);
        self.down_since = match (self.connected, self.down_since) {
            (true, _) => None,
            (false, None) => Some(state.since),
            (false, Some(since)) => Some(since),
        };
    }

    /// The status line, with times in this zone.
    fn line(&self, zone: &TimeZone) -> String {
        let at = |time: Timestamp| time.to_zoned(zone.clone()).strftime("%b %-d %H:%M").to_string();
        let mut line = match (self.stopping, self.connected, &self.why) {
            (true, _, _) => "stopping".to_owned(),
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
            let _ = write!(line, "; {}", stuck_text(&self.stuck));
        }
        one_line(&line)
    }
}

fn stuck_text(tasks: &[&str]) -> String {
    format!("{} {} not move", tasks.join(" and "), if tasks.len() == 1 { "does" } else { "do" })
}

/// The text on one line of limited length. A line break would begin another assignment for systemd.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    match line.char_indices().nth(MAX_STATUS_CHARS) {
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
    fn the_status_line_shows_the_state_of_the_daemon() {
        let mut status = DaemonStatus::default();
        let mut lines = Vec::new();
        let waiting = Phase::Waiting { until: Timestamp::UNIX_EPOCH };
        let mut say = |status: &DaemonStatus| lines.push(status.line(&TimeZone::UTC));
        status.set_connection(&state(Phase::Connecting, 60, None));
        say(&status);
        status.set_connection(&state(waiting, 120, Some("no answer\nWATCHDOG=trigger")));
        status.load = RouterLoad { open: 1, running: 0, waiting: 1 };
        say(&status);
        status.set_connection(&state(Phase::Connected, 180, Some("no answer")));
        status.load = RouterLoad { open: 3, running: 1, waiting: 2 };
        say(&status);
        status.set_connection(&state(Phase::Connecting, 3600, Some("no sign of life")));
        status.set_connection(&state(waiting, 7200, Some("no connection")));
        say(&status);
        status.set_connection(&state(Phase::Connected, 9000, Some("no connection")));
        let at = Timestamp::from_second(10_000).unwrap();
        status.refused = Some((at, "keyring.yaml:3:1: there is no key COLOUR".to_owned()));
        say(&status);
        status.refused = None;
        status.stopping = true;
        status.stuck = vec!["router", "mail"];
        say(&status);
        insta::assert_snapshot!(lines.join("\n"), @r"
        connecting to Feishu; 0 sessions open, 0 running, 0 messages wait
        not connected to Feishu since Jan 1 00:01 (no answer WATCHDOG=trigger); 1 session open, 0 running, 1 message waits
        connected to Feishu; 3 sessions open, 1 running, 2 messages wait
        not connected to Feishu since Jan 1 01:00 (no connection); 3 sessions open, 1 running, 2 messages wait
        connected to Feishu; 3 sessions open, 1 running, 2 messages wait; the keyring is as it was before the reload of Jan 1 02:46: keyring.yaml:3:1: there is no key COLOUR
        stopping; 3 sessions open, 1 running, 2 messages wait; router and mail do not move
        ");
    }

    #[test]
    fn a_status_line_has_a_maximum_length() {
        let line = one_line(&"ü".repeat(1000));
        assert_eq!(line.chars().count(), MAX_STATUS_CHARS + 1);
    }
}
