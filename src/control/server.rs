//! The server: takes callers in, reads what they ask, and has it answered.
//!
//! Each connection has a task of its own. Its calls are answered in order; a caller may send the next before the last
//! is answered. A caller who is silent, slow, or one of too many costs the others nothing.

mod conversation;
mod room;

use std::io;
use std::time::Duration;

use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::StreamCommon as _;
use interprocess::local_socket::traits::tokio::Listener as _;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::listener::Listener;
use super::peer::{Caller, Keeper};
use super::{Handler, Peer};
use conversation::Conversation;
use room::Room;

/// So many are connected at once. When one more comes, the one who has kept the daemon waiting longest has to go.
const MOST: usize = 256;
/// Between two tries to take somebody in, when the system is out of something.
const BREATH: Duration = Duration::from_millis(50);
/// The connections have so long to end.
const ENDING: Duration = Duration::from_secs(1);

/// Serves until `stop`.
pub async fn run(listener: Listener, handler: impl Handler, stop: CancellationToken) {
    let keeper = Keeper::of_process(listener.gid);
    let room = Room::new(MOST);
    let mut conversations = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = conversations.join_next() => continue,
            stream = listener.inner.accept() => stream,
        };
        let taken_in = stream.and_then(|stream| Ok((caller(&stream)?, stream)));
        let (caller, stream) = match taken_in {
            Ok(taken_in) => taken_in,
            Err(error) => {
                debug!(%error, "a caller of the control socket was not taken in");
                sleep(BREATH).await;
                continue;
            }
        };
        let Some(seat) = room.enter() else {
            warn!(peer_uid = caller.peer.uid, "the control socket has too many callers: one was turned away");
            continue;
        };
        let conversation =
            Conversation::new(stream, caller.peer, keeper.rights(&caller), seat, handler.clone());
        let stop = stop.clone();
        conversations.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = conversation.hold() => {}
            }
        });
    }
    let ended = async { while conversations.join_next().await.is_some() {} };
    if tokio::time::timeout(ENDING, ended).await.is_err() {
        debug!("not all callers of the control socket were let go of");
    }
}

/// Who has just connected.
fn caller(stream: &Stream) -> io::Result<Caller> {
    let credentials = stream.peer_creds()?;
    let unknown = || io::Error::other("the kernel does not say who connects");
    let pid = credentials.pid().ok_or_else(unknown)?;
    let uid = credentials.euid().ok_or_else(unknown)?;
    let gid = credentials.egid().ok_or_else(unknown)?;
    Ok(Caller::look(Peer { uid, pid }, gid))
}
