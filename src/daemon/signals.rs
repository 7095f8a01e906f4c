//! Signals: the first SIGTERM or SIGINT shuts the daemon down cleanly, a second one ends it at once. What SIGHUP does is
//! up to the caller.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::error::Failure;

/// Cancels `stop` at the first SIGTERM or SIGINT. At the second, calls `last` and ends the process.
///
/// # Errors
/// When the signals cannot be watched.
pub(crate) fn watch(stop: CancellationToken, last: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(async move {
        let signal = next(&mut terminate, &mut interrupt).await;
        info!(signal, "received a signal: shutting down");
        stop.cancel();
        let signal = next(&mut terminate, &mut interrupt).await;
        info!(signal, "received another signal: ending at once");
        last();
        std::process::exit(1);
    });
    Ok(())
}

/// Calls `then` at each SIGHUP.
///
/// # Errors
/// When the signal cannot be watched.
pub(crate) fn on_hangup(mut then: impl FnMut() + Send + 'static) -> Result<(), Failure> {
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            then();
        }
    });
    Ok(())
}

fn failed(error: std::io::Error) -> Failure {
    Failure::failed(format!("signals cannot be watched: {error}"))
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
