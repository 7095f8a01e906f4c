//! The server: accepts connections, reads calls, and has them answered.
//!
//! Every connection has its own task. Its calls are answered in order; a caller may send the next call before the last
//! one is answered. A caller that is silent or slow, or one of too many, does not affect the others.

mod callers;
mod connection;
mod operator_change;
mod warnings;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Listener as _;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::listener::Listener;
use super::peer::{Caller, DaemonIdentity, PeerProcess, Rights};
use super::{Handler, Peer};
use crate::logs::LastingTrouble;
use callers::Callers;
use connection::CallerConnection;
use warnings::Warnings;

/// Maximum number of connections. One more evicts another: see [`Callers`].
const MAX_CALLERS: usize = 256;
/// Wait after a failed accept, such as when the system is out of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Time for changes that have begun to end when the daemon stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(900);

/// Serves until `stop` is cancelled.
pub async fn run(listener: Listener, handler: impl Handler, stop: CancellationToken) {
    let identity = DaemonIdentity::of_process(listener.gid);
    let callers = Callers::new(MAX_CALLERS);
    let (refusals, crowding) = (Arc::new(Warnings::default()), Warnings::default());
    let mut trouble = LastingTrouble::default();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            stream = listener.inner.accept() => stream,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                if trouble.met(&error.to_string(), Instant::now()) {
                    warn!(%error, "accept on the control socket failed");
                }
                sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        trouble.over(Instant::now());
        let caller = match caller(&stream) {
            Ok(caller) => caller,
            Err(error) => {
                debug!(%error, "failed to read the credentials of a caller of the control socket");
                continue;
            }
        };
        let rights = identity.rights(&caller);
        let uid = caller.peer.uid;
        let Some(slot) = callers.admit(uid, !matches!(rights, Rights::None(_))) else {
            if let Some(before) = crowding.due(uid, Instant::now()) {
                warn!(peer_uid = uid, before, "the control socket has too many callers: refused one");
            }
            continue;
        };
        let connection =
            CallerConnection::new(stream, caller.peer, rights, slot, handler.clone(), Arc::clone(&refusals));
        connections.spawn(connection.serve(stop.clone()));
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await.is_err() {
        debug!("not all connections of the control socket ended in time");
    }
}

/// Identifies the process that has just connected.
fn caller(stream: &Stream) -> io::Result<Caller> {
    let Stream::UdSocket(stream) = stream;
    let process = PeerProcess::of(stream.inner());
    let credentials = stream.inner().peer_cred()?;
    // A process outside of this pid namespace has none that means anything here.
    let peer = Peer { uid: credentials.uid(), pid: credentials.pid().unwrap_or(0) };
    Ok(Caller::inspect(peer, credentials.gid(), &process))
}
