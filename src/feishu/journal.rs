//! What the log says of the connection: each cause of an outage once, and its end. Every try is in the finer log.
//!
//! A connection that is lost again within seconds has not ended the outage.

use std::time::{Duration, Instant};

use super::endpoint::ConnectError;
use crate::logs::{LastingTrouble, PastTrouble, events};

/// Follows the tries.
#[derive(Default)]
pub(super) struct ConnectionJournal {
    outage: LastingTrouble,
    /// Tries since the last connection that worked.
    attempt: u64,
    /// Whether the end of the outage was told already, and whether it has come back since.
    told_end: bool,
    relapsed: bool,
}

impl ConnectionJournal {
    pub(super) fn trying(&mut self) {
        self.attempt += 1;
        tracing::debug!(attempt = self.attempt, "connecting to Feishu");
    }

    /// The first frame came over a connection.
    pub(super) fn connected(&mut self, connection: &str, now: Instant) {
        let attempt = std::mem::take(&mut self.attempt);
        match self.outage.so_far(now) {
            None => tracing::info!(name: events::CONNECTED, connection, "connected to Feishu"),
            Some(outage) if std::mem::replace(&mut self.told_end, true) => {
                tracing::debug!(
                    connection,
                    attempt,
                    down_ms = milliseconds(outage.lasted),
                    "connected once more"
                );
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

    /// A connection has worked for a while.
    pub(super) fn holds(&mut self, now: Instant) {
        let outage = self.outage.over(now);
        let relapsed = std::mem::take(&mut self.relapsed);
        self.told_end = false;
        if let Some(PastTrouble { failures, lasted }) = outage.filter(|_| relapsed) {
            let down_ms = milliseconds(lasted);
            tracing::info!(
                name: events::RECONNECTED,
                failures,
                down_ms,
                "the connection to Feishu holds again"
            );
        }
    }

    pub(super) fn lost(&mut self, reason: &str, wait: Duration, now: Instant) {
        self.relapsed |= self.told_end;
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
