//! When to ping, and when to hold a connection for dead.
//!
//! A connection is alive only while frames arrive. Feishu answers every ping, so silence for two ping periods means
//! that nobody is there, whatever the network stack believes. The clock counts from the last frame of any kind and is
//! never wound up by a ping. It does not run while the host is asleep: after that the connection has to prove itself.

use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest time between two pings. Feishu asks for 120 s, which is too rare to notice a dead connection.
pub const LONGEST_PERIOD: Duration = Duration::from_secs(15);
/// A silence that is shorter than this is never held for death, however often Feishu wants to be pinged.
pub const SHORTEST_SILENCE: Duration = Duration::from_secs(5);
/// The longest time for a sign of life after the host was asleep.
pub const PROOF: Duration = Duration::from_secs(5);

/// What Feishu asks of a client: in the endpoint's answer, and in pongs from then on.
///
/// Its settings for reconnecting are not read: they are slower than ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientConfig {
    /// Time between two pings, as it was sent (seconds); anything may stand here.
    pub ping_interval: Option<i64>,
}

/// The state of one connection.
#[derive(Clone, Debug)]
pub struct Liveness {
    period: Duration,
    last_inbound: Instant,
    last_ping: Option<Instant>,
    /// When the proof is due that was asked for.
    proof_due: Option<Instant>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivenessAction {
    /// Send a ping; it counts as sent.
    Ping,
    /// Nothing before this time.
    Wait(Instant),
    /// Nothing has been heard for this long: drop the connection.
    Dead(Duration),
}

impl ClientConfig {
    /// Reads the object that Feishu calls `ClientConfig`. What makes no sense counts as absent.
    #[must_use]
    pub fn read(config: &Value) -> Self {
        Self { ping_interval: config.get("PingInterval").and_then(Value::as_i64) }
    }

    /// Reads the payload of a pong; `None` when it has none.
    #[must_use]
    pub fn from_pong(payload: &[u8]) -> Option<Self> {
        let config = serde_json::from_slice::<Value>(payload).ok()?;
        config.is_object().then(|| Self::read(&config))
    }

    /// How often to ping: as often as asked, at least every 15 s, at most every second.
    #[must_use]
    pub fn ping_period(self) -> Duration {
        match self.ping_interval.map(u64::try_from) {
            Some(Ok(seconds @ 1..)) => Duration::from_secs(seconds).min(LONGEST_PERIOD),
            Some(Ok(0) | Err(_)) | None => LONGEST_PERIOD,
        }
    }
}

impl Liveness {
    /// A connection that has just been made. The first ping is due at once.
    #[must_use]
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        Self { period: config.ping_period(), last_inbound: now, last_ping: None, proof_due: None }
    }

    /// A frame of any kind arrived, readable or not.
    pub fn heard(&mut self, now: Instant) {
        self.last_inbound = now;
        self.proof_due = None;
    }

    /// The host was asleep until now: whoever was at the other end may be gone. A ping is due at once, and a sign of
    /// life soon.
    pub fn woke(&mut self, now: Instant) {
        self.last_ping = None;
        self.proof_due = Some(now + PROOF);
    }

    /// Feishu changed its mind about the interval.
    pub fn configure(&mut self, config: ClientConfig) {
        self.period = config.ping_period();
    }

    /// What is to be done at `now`.
    pub fn pulse(&mut self, now: Instant) -> LivenessAction {
        let silence = now.saturating_duration_since(self.last_inbound);
        let end = self.last_inbound + (self.period * 2).max(SHORTEST_SILENCE);
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
    fn an_absurd_interval_is_replaced_and_a_sensible_one_honoured() {
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
        assert_eq!(liveness.pulse(start), LivenessAction::Ping);
        assert_eq!(liveness.pulse(start), LivenessAction::Wait(start + 10 * S));
        liveness.heard(start + 9 * S);
        assert_eq!(liveness.pulse(start + 10 * S), LivenessAction::Ping);
        assert_eq!(liveness.pulse(start + 11 * S), LivenessAction::Wait(start + 20 * S));
    }

    #[test]
    fn two_periods_of_silence_are_death_and_pings_do_not_put_it_off() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(120), start);
        assert_eq!(liveness.pulse(start), LivenessAction::Ping);
        liveness.heard(start + S);
        assert_eq!(liveness.pulse(start + 15 * S), LivenessAction::Ping);
        assert_eq!(liveness.pulse(start + 30 * S), LivenessAction::Ping);
        assert_eq!(liveness.pulse(start + 30 * S), LivenessAction::Wait(start + 31 * S));
        assert_eq!(liveness.pulse(start + 31 * S), LivenessAction::Dead(30 * S));
        liveness.heard(start + 31 * S);
        assert_eq!(liveness.pulse(start + 31 * S), LivenessAction::Wait(start + 45 * S));
    }

    #[test]
    fn who_wants_a_ping_every_second_still_may_be_slow_to_answer() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(1), start);
        for second in 0..5 {
            assert_eq!(liveness.pulse(start + second * S), LivenessAction::Ping);
        }
        assert_eq!(liveness.pulse(start + 5 * S), LivenessAction::Dead(5 * S));
    }

    #[test]
    fn after_a_sleep_of_the_host_the_connection_has_to_prove_itself_at_once() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(120), start);
        assert_eq!(liveness.pulse(start), LivenessAction::Ping);
        liveness.heard(start + S);
        liveness.woke(start + 2 * S);
        assert_eq!(liveness.pulse(start + 2 * S), LivenessAction::Ping);
        assert_eq!(liveness.pulse(start + 2 * S), LivenessAction::Wait(start + 7 * S));
        let mut proven = liveness.clone();
        assert_eq!(liveness.pulse(start + 7 * S), LivenessAction::Dead(6 * S));
        proven.heard(start + 3 * S);
        assert_eq!(proven.pulse(start + 7 * S), LivenessAction::Wait(start + 17 * S));
    }

    #[test]
    fn a_sleep_gives_a_silent_connection_no_more_time() {
        let start = Instant::now();
        let mut liveness = Liveness::new(every(120), start);
        liveness.woke(start + 29 * S);
        assert_eq!(liveness.pulse(start + 29 * S), LivenessAction::Ping);
        assert_eq!(liveness.pulse(start + 29 * S), LivenessAction::Wait(start + 30 * S));
    }

    #[test]
    fn a_pong_changes_the_period_at_once() {
        let start = Instant::now();
        let mut liveness = Liveness::new(ClientConfig::default(), start);
        assert_eq!(liveness.pulse(start), LivenessAction::Ping);
        liveness.configure(every(5));
        assert_eq!(liveness.pulse(start + 2 * S), LivenessAction::Wait(start + 5 * S));
    }
}
