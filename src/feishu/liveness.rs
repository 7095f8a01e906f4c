//! Decides when to ping, and when a connection counts as dead.
//!
//! A connection is alive only while messages arrive. Feishu answers every ping, so two ping periods of silence mean that
//! nobody is there, whatever the network stack believes. The silence counts from the last message of any kind; a ping of
//! ours does not shorten it. The clock stands still while the host is suspended, so afterwards the connection has to
//! show soon that it still works.

use std::time::{Duration, Instant};

use serde_json::Value;

/// Maximum time between two pings. Feishu asks for 120 s, which would find a dead connection too late.
const MAX_PING_PERIOD: Duration = Duration::from_secs(15);
/// A shorter silence than this never ends a connection, however often Feishu wants to be pinged.
const MIN_SILENCE_LIMIT: Duration = Duration::from_secs(5);
/// Maximum time for a sign of life after the host was suspended.
const PROOF_TIMEOUT: Duration = Duration::from_secs(5);

/// Feishu's settings for a client: part of the endpoint's response, and later of pongs.
///
/// Its settings for reconnecting are ignored, because ours reconnect faster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientConfig {
    /// Seconds between two pings, as Feishu sent them: any number.
    pub ping_interval: Option<i64>,
}

/// When one connection last showed a sign of life, and when its next ping is due.
#[derive(Clone, Debug)]
pub(crate) struct Liveness {
    period: Duration,
    last_inbound: Instant,
    last_ping: Option<Instant>,
    /// Set after the host was suspended: when a message must have arrived.
    proof_due: Option<Instant>,
}

/// What a connection has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LivenessAction {
    /// Send a ping. It counts as sent.
    Ping,
    /// Do nothing before this time, unless a message arrives.
    Wait(Instant),
    /// Drop the connection: nothing has arrived for this long.
    Dead(Duration),
}

impl ClientConfig {
    /// Reads the object that Feishu calls `ClientConfig`. Values that make no sense count as absent.
    #[must_use]
    pub fn read(config: &Value) -> Self {
        Self { ping_interval: config.get("PingInterval").and_then(Value::as_i64) }
    }

    /// Reads the payload of a pong; `None` if it holds no settings.
    #[must_use]
    pub(crate) fn from_pong(payload: &[u8]) -> Option<Self> {
        let config = serde_json::from_slice::<Value>(payload).ok()?;
        config.is_object().then(|| Self::read(&config))
    }

    /// Time between two pings: what Feishu asks for, but at least 1 s and at most 15 s.
    #[must_use]
    fn ping_period(self) -> Duration {
        match self.ping_interval.map(u64::try_from) {
            Some(Ok(seconds @ 1..)) => Duration::from_secs(seconds).min(MAX_PING_PERIOD),
            Some(Ok(0) | Err(_)) | None => MAX_PING_PERIOD,
        }
    }
}

impl Liveness {
    /// For a new connection. The first ping is due at once.
    #[must_use]
    pub(crate) fn new(config: ClientConfig, now: Instant) -> Self {
        Self { period: config.ping_period(), last_inbound: now, last_ping: None, proof_due: None }
    }

    /// A message of any kind arrived, readable or not.
    pub(crate) fn frame_received(&mut self, now: Instant) {
        self.last_inbound = now;
        self.proof_due = None;
    }

    /// The host was suspended until now, and the connection may have died. A ping is due at once, and a sign of life
    /// within [`PROOF_TIMEOUT`].
    pub(crate) fn resumed(&mut self, now: Instant) {
        self.last_ping = None;
        self.proof_due = Some(now + PROOF_TIMEOUT);
    }

    /// Feishu has sent other settings.
    pub(crate) fn configure(&mut self, config: ClientConfig) {
        self.period = config.ping_period();
    }

    /// What the connection has to do at `now`.
    pub(crate) fn next_action(&mut self, now: Instant) -> LivenessAction {
        let silence = now.saturating_duration_since(self.last_inbound);
        let end = self.last_inbound + (self.period * 2).max(MIN_SILENCE_LIMIT);
        let end = self.proof_due.map_or(end, |due| due.min(end));
        if end <= now {
            return LivenessAction::Dead(silence);
        }
        let due = self.last_ping.map_or(now, |last| last + self.period);
        if due <= now {
            self.last_ping = Some(now);
            return LivenessAction::Ping;
        }
        LivenessAction::Wait(due.min(end))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn every(seconds: i64) -> ClientConfig {
        ClientConfig { ping_interval: Some(seconds) }
    }

    #[test]
    fn a_sensible_ping_interval_is_honoured_and_any_other_replaced() {
        for (asked, period) in [
            (json!({"PingInterval": 120}), 15),
            (json!({"PingInterval": 16}), 15),
            (json!({"PingInterval": 10, "ReconnectCount": -1}), 10),
            (json!({"PingInterval": 1}), 1),
            (json!({"PingInterval": 0}), 15),
            (json!({"PingInterval": -5}), 15),
            (json!({"PingInterval": i64::MAX}), 15),
            (json!({"PingInterval": 1e300}), 15),
            (json!({"PingInterval": "10"}), 15),
            (json!({}), 15),
            (json!(null), 15),
        ] {
            assert_eq!(ClientConfig::read(&asked).ping_period(), period * S, "{asked}");
        }
    }

    #[test]
    fn a_pong_may_be_empty_or_broken() {
        assert_eq!(ClientConfig::from_pong(br#"{"PingInterval":90}"#), Some(every(90)));
        assert_eq!(ClientConfig::from_pong(b""), None);
        assert_eq!(ClientConfig::from_pong(b"[]"), None);
        assert_eq!(ClientConfig::from_pong(b"{\xff"), None);
    }

    #[test]
    fn pings_come_at_once_and_then_every_period() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(10), start);
        assert_eq!(liveness.next_action(start), LivenessAction::Ping);
        assert_eq!(liveness.next_action(start), LivenessAction::Wait(start + 10 * S));
        liveness.frame_received(start + 9 * S);
        assert_eq!(liveness.next_action(start + 10 * S), LivenessAction::Ping);
        assert_eq!(liveness.next_action(start + 11 * S), LivenessAction::Wait(start + 20 * S));
    }

    #[test]
    fn two_periods_of_silence_end_the_connection_and_pings_do_not_postpone_that() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(120), start);
        assert_eq!(liveness.next_action(start), LivenessAction::Ping);
        liveness.frame_received(start + S);
        assert_eq!(liveness.next_action(start + 15 * S), LivenessAction::Ping);
        assert_eq!(liveness.next_action(start + 30 * S), LivenessAction::Ping);
        assert_eq!(liveness.next_action(start + 30 * S), LivenessAction::Wait(start + 31 * S));
        assert_eq!(liveness.next_action(start + 31 * S), LivenessAction::Dead(30 * S));
        liveness.frame_received(start + 31 * S);
        assert_eq!(liveness.next_action(start + 31 * S), LivenessAction::Wait(start + 45 * S));
    }

    #[test]
    fn a_server_that_wants_a_ping_every_second_still_has_time_to_answer() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(1), start);
        for second in 0..5 {
            assert_eq!(liveness.next_action(start + second * S), LivenessAction::Ping);
        }
        assert_eq!(liveness.next_action(start + 5 * S), LivenessAction::Dead(5 * S));
    }

    #[test]
    fn after_the_host_was_suspended_the_connection_must_show_a_sign_of_life_soon() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(120), start);
        assert_eq!(liveness.next_action(start), LivenessAction::Ping);
        liveness.frame_received(start + S);
        liveness.resumed(start + 2 * S);
        assert_eq!(liveness.next_action(start + 2 * S), LivenessAction::Ping);
        assert_eq!(liveness.next_action(start + 2 * S), LivenessAction::Wait(start + 7 * S));
        let mut answering = liveness.clone();
        assert_eq!(liveness.next_action(start + 7 * S), LivenessAction::Dead(6 * S));
        answering.frame_received(start + 3 * S);
        assert_eq!(answering.next_action(start + 7 * S), LivenessAction::Wait(start + 17 * S));
    }

    #[test]
    fn suspending_the_host_gives_a_silent_connection_no_extra_time() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(120), start);
        liveness.resumed(start + 29 * S);
        assert_eq!(liveness.next_action(start + 29 * S), LivenessAction::Ping);
        assert_eq!(liveness.next_action(start + 29 * S), LivenessAction::Wait(start + 30 * S));
    }

    #[test]
    fn a_pong_changes_the_period_at_once() {
        let start = Instant::now();
        let mut liveness = Liveness::new(ClientConfig::default(), start);
        assert_eq!(liveness.next_action(start), LivenessAction::Ping);
        liveness.configure(every(5));
        assert_eq!(liveness.next_action(start + 2 * S), LivenessAction::Wait(start + 5 * S));
    }
}
