//! The long connection: keeps one WebSocket to Feishu open, for as long as the daemon runs.
//!
//! Each attempt asks Feishu for a new endpoint, connects, and serves the connection until it is lost. Only the stop
//! token ends the loop. A refusal that only an operator can fix is logged once as an error and tried again every few
//! minutes. The URL is never logged, because it carries a ticket.

use std::pin::pin;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::backoff::{ReconnectBackoff, STABLE_AFTER};
use super::connection::{self, ConnectionEnd};
use super::connection_log::ConnectionLog;
use super::endpoint::ConnectError;
use super::handshake::connect;
use super::suspend::{self, CHECK_INTERVAL, SuspendDetector};
use super::{AppCredentials, HttpClient};

pub use super::connection::{Answer, ConnectionState, Delivery, Phase};

/// Keeps the connection open until `stop` is cancelled.
///
/// Reading waits for nobody: when the channel of deliveries is full, Feishu is asked to deliver again. Answers are
/// written as they come, in any order. A change of `retry_now` ends the wait for the next attempt: somebody may have
/// fixed what was wrong.
pub async fn run(
    base_url: String,
    credentials: AppCredentials,
    client: HttpClient,
    deliveries: mpsc::Sender<Delivery>,
    state: watch::Sender<ConnectionState>,
    mut retry_now: watch::Receiver<()>,
    stop: CancellationToken,
) {
    let mut backoff = ReconnectBackoff::default();
    let mut log = ConnectionLog::default();
    let mut connections = 0_u64;
    loop {
        enter(&state, Phase::Connecting);
        log.connecting();
        let mut suspends = SuspendDetector::new(suspend::time_suspended);
        retry_now.mark_unchanged();
        let attempt = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            attempt = connect(&base_url, &credentials, &client) => attempt,
        };
        let wait = match attempt {
            Ok((socket, endpoint)) => {
                state.send_modify(|state| state.reconnects = connections);
                connections += 1;
                enter(&state, Phase::Connected);
                let (first_message, worked) = oneshot::channel();
                let serving =
                    connection::serve(socket, &endpoint, &deliveries, &state, first_message, suspends, &stop);
                match log_stages(serving, worked, &mut log, &endpoint.connection).await {
                    ConnectionEnd::Stopped => break,
                    ConnectionEnd::Lost { reason, worked } => {
                        let now = Instant::now();
                        let wait = if worked {
                            backoff.lost(now, fastrand::f64())
                        } else {
                            backoff.failed(fastrand::f64())
                        };
                        log.lost(&reason, wait, now);
                        state.send_modify(|state| state.last_error = Some(reason));
                        wait
                    }
                }
            }
            Err(error) => {
                let wait = match &error {
                    ConnectError::Refused(_) => backoff.refused(fastrand::f64()),
                    ConnectError::Trouble(_) => backoff.failed(fastrand::f64()),
                    ConnectError::Unreachable(_) => backoff.unreachable(fastrand::f64()),
                };
                log.failed(&error, wait, Instant::now());
                state.send_modify(|state| state.last_error = Some(error.to_string()));
                wait
            }
        };
        if !wait.is_zero() {
            enter(&state, Phase::Waiting { until: Timestamp::now() + wait });
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = pause(wait, &mut retry_now, &mut suspends) => {}
        }
    }
    enter(&state, Phase::Stopped);
    tracing::info!("the connection to Feishu is closed");
}

/// Serves a connection, and logs when it works and when it has worked for a while.
async fn log_stages(
    serving: impl Future<Output = ConnectionEnd>,
    worked: oneshot::Receiver<()>,
    log: &mut ConnectionLog,
    connection: &str,
) -> ConnectionEnd {
    let mut serving = pin!(serving);
    tokio::select! {
        biased;
        Ok(()) = worked => log.connected(connection, Instant::now()),
        ended = &mut serving => return ended,
    }
    tokio::select! {
        ended = &mut serving => return ended,
        () = tokio::time::sleep(STABLE_AFTER) => log.stable(Instant::now()),
    }
    serving.await
}

/// Waits for at most this long: less if `retry_now` changes, or if the host was suspended, as timers stand still then.
async fn pause(wait: Duration, retry_now: &mut watch::Receiver<()>, suspends: &mut SuspendDetector) {
    let until = tokio::time::Instant::now() + wait;
    loop {
        let now = tokio::time::Instant::now();
        if now >= until || suspends.check().is_some() {
            return;
        }
        tokio::select! {
            Ok(()) = retry_now.changed() => return,
            () = tokio::time::sleep_until(until.min(now + CHECK_INTERVAL)) => {}
        }
    }
}

fn enter(state: &watch::Sender<ConnectionState>, phase: Phase) {
    state.send_modify(|state| {
        state.phase = phase;
        state.since = Timestamp::now();
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn never() -> Duration {
        Duration::ZERO
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_after_its_time_or_when_a_retry_is_asked_for() {
        let started = tokio::time::Instant::now();
        let (ask, mut asked) = watch::channel(());
        pause(Duration::from_secs(12), &mut asked, &mut SuspendDetector::new(never)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(12));
        ask.send_replace(());
        pause(Duration::from_secs(300), &mut asked, &mut SuspendDetector::new(never)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(12));
        drop(ask);
        pause(Duration::from_secs(3), &mut asked, &mut SuspendDetector::new(never)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_soon_after_the_host_was_suspended() {
        static ASLEEP: AtomicU64 = AtomicU64::new(0);
        let started = tokio::time::Instant::now();
        let (_ask, mut asked) = watch::channel(());
        let mut suspends = SuspendDetector::new(|| Duration::from_secs(ASLEEP.load(Ordering::Relaxed)));
        let sleeping = async {
            tokio::time::sleep(Duration::from_secs(17)).await;
            ASLEEP.store(8 * 3600, Ordering::Relaxed);
        };
        tokio::join!(pause(Duration::from_secs(300), &mut asked, &mut suspends), sleeping);
        assert_eq!(started.elapsed(), Duration::from_secs(20));
    }
}
