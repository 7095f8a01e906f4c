//! SIGTERM and SIGINT: the first asks the daemon to leave in good order, a second one is not waited for. SIGHUP: what
//! the caller makes of it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::error::Failure;

/// Cancels `stop` at the first signal; ends the process at the second, after `last`.
///
/// # Errors
/// The signals cannot be watched.
pub fn watch(stop: CancellationToken, last: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(async move {
        let signal = next(&mut terminate, &mut interrupt).await;
        info!(signal, "told to leave");
        stop.cancel();
        let signal = next(&mut terminate, &mut interrupt).await;
        info!(signal, "told to leave at once");
        last();
        std::process::exit(1);
    });
    Ok(())
}

/// Calls `then` at each SIGHUP.
///
/// # Errors
/// The signal cannot be watched.
pub fn on_hangup(mut then: impl FnMut() + Send + 'static) -> Result<(), Failure> {
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
