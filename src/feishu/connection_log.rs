//! What the journal says of the long connection: each cause of an outage once, and its end. Every attempt is logged at
//! debug level.
//!
//! A connection that is lost again within seconds has not ended the outage.

use std::time::{Duration, Instant};

use super::endpoint::ConnectError;
use crate::logs::{LastingTrouble, PastTrouble, events};

/// Logs the attempts to connect and what becomes of them.
#[derive(Default)]
pub(super) struct ConnectionLog {
    outage: LastingTrouble,
    /// Attempts since the last connection that worked.
    attempt: u64,
    /// Whether the end of the current outage was logged already.
    end_logged: bool,
    /// Whether the connection was lost again after that.
    lost_again: bool,
}

impl ConnectionLog {
    pub(super) fn connecting(&mut self) {
        self.attempt += 1;
        tracing::debug!(attempt = self.attempt, "connecting to Feishu");
    }

    /// The first message has arrived over a connection.
    pub(super) fn connected(&mut self, connection: &str, now: Instant) {
        let attempt = std::mem::take(&mut self.attempt);
        match self.outage.so_far(now) {
            None => tracing::info!(name: events::CONNECTED, connection, "connected to Feishu"),
            Some(outage) if std::mem::replace(&mut self.end_logged, true) => {
                let down_ms = milliseconds(outage.lasted);
                tracing::debug!(connection, attempt, down_ms, "connected once more");
            }
            Some(outage) => {
                let down_ms = milliseconds(outage.lasted);
                tracing::info!(
                    name: events::RECONNECTED,
                    connection,
                    attempt,
                    down_ms,
                    "connected to Feishu again"
                );
            }
        }
    }

    /// A connection has worked for a while: the outage is over.
    pub(super) fn stable(&mut self, now: Instant) {
        let outage = self.outage.over(now);
        let lost_again = std::mem::take(&mut self.lost_again);
        self.end_logged = false;
        if let Some(PastTrouble { failures, lasted }) = outage.filter(|_| lost_again) {
            let down_ms = milliseconds(lasted);
            tracing::info!(
                name: events::RECONNECTED,
                failures,
                down_ms,
                "the connection to Feishu is stable again"
            );
        }
    }

    pub(super) fn lost(&mut self, reason: &str, wait: Duration, now: Instant) {
        self.lost_again |= self.end_logged;
        let retry_ms = milliseconds(wait);
        if self.outage.met(reason, now) {
            tracing::warn!(name: events::CONNECTION_LOST, reason, retry_ms, "lost the connection to Feishu");
        } else {
            tracing::debug!(reason, retry_ms, "lost the connection to Feishu once more");
        }
    }

    pub(super) fn failed(&mut self, error: &ConnectError, wait: Duration, now: Instant) {
        let (attempt, retry_ms) = (self.attempt, milliseconds(wait));
        let first = self.outage.met(&error.to_string(), now);
        match error {
            ConnectError::Refused(_) if first => {
                tracing::error!(name: events::NOT_CONNECTED, attempt, retry_ms, "{error}");
            }
            ConnectError::Trouble(_) | ConnectError::Unreachable(_) if first => {
                tracing::warn!(name: events::NOT_CONNECTED, attempt, retry_ms, "could not connect: {error}");
            }
            ConnectError::Refused(_) | ConnectError::Trouble(_) | ConnectError::Unreachable(_) => {
                tracing::debug!(attempt, retry_ms, "still could not connect: {error}");
            }
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
