//! The server: takes callers in, reads what they ask, and has it answered.
//!
//! Each connection has a task of its own. Its calls are answered in order; a caller may send the next before the last
//! is answered. A caller who is silent, slow, or one of too many costs the others nothing.

mod change;
mod conversation;
mod room;
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
use super::peer::{Caller, DaemonIdentity, Rights};
use super::{Handler, Peer};
use crate::logs::LastingTrouble;
use conversation::CallerConnection;
use room::Callers;
use warnings::Warnings;

/// So many are connected at once. When one more comes, somebody else has to go: see [`Callers`].
const MOST: usize = 256;
/// Between two tries to take somebody in, when the system is out of something.
const BREATH: Duration = Duration::from_millis(50);
/// When the daemon leaves, a change that was begun has so long to end.
const ENDING: Duration = Duration::from_millis(900);

/// Serves until `stop`.
pub async fn run(listener: Listener, handler: impl Handler, stop: CancellationToken) {
    let keeper = DaemonIdentity::of_process(listener.gid);
    let room = Callers::new(MOST);
    let (refusals, crowding) = (Arc::new(Warnings::default()), Warnings::default());
    let mut trouble = LastingTrouble::default();
    let mut conversations = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = conversations.join_next() => continue,
            stream = listener.inner.accept() => stream,
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                if trouble.met(&error.to_string(), Instant::now()) {
                    warn!(%error, "nobody can be taken in at the control socket");
                }
                sleep(BREATH).await;
                continue;
            }
        };
        trouble.over(Instant::now());
        let caller = match caller(&stream) {
            Ok(caller) => caller,
            Err(error) => {
                debug!(%error, "a caller of the control socket was not taken in");
                continue;
            }
        };
        let rights = keeper.rights(&caller);
        let uid = caller.peer.uid;
        let Some(seat) = room.enter(uid, !matches!(rights, Rights::None(_))) else {
            if let Some(before) = crowding.due(uid, Instant::now()) {
                warn!(peer_uid = uid, before, "the control socket has too many callers: one was turned away");
            }
            continue;
        };
        let conversation =
            CallerConnection::new(stream, caller.peer, rights, seat, handler.clone(), Arc::clone(&refusals));
        conversations.spawn(conversation.hold(stop.clone()));
    }
    let ended = async { while conversations.join_next().await.is_some() {} };
    if tokio::time::timeout(ENDING, ended).await.is_err() {
        debug!("not all callers of the control socket were let go of");
    }
}

/// Who has just connected.
fn caller(stream: &Stream) -> io::Result<Caller> {
    let Stream::UdSocket(stream) = stream;
    let credentials = stream.inner().peer_cred()?;
    // A process outside of this pid namespace has none that means anything here.
    let peer = Peer { uid: credentials.uid(), pid: credentials.pid().unwrap_or(0) };
    Ok(Caller::look(peer, credentials.gid()))
}
