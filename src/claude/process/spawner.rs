//! The thread that starts processes.
//!
//! The kernel sends the parent-death signal when the *thread* that forked the process ends. A tokio worker may end
//! long before the daemon does, so one thread that never ends starts every warden.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use crate::claude::orphans;

struct SpawnRequest {
    command: Command,
    runtime: Handle,
    reply: SyncSender<std::io::Result<Child>>,
}

/// Starts the process; waits for the system only. Call it within a tokio runtime, which then reaps the process.
pub(in crate::claude) fn spawn(command: Command) -> std::io::Result<Child> {
    let (reply, child) = sync_channel(1);
    let request = SpawnRequest { command, runtime: Handle::current(), reply };
    let gone = || std::io::Error::other("the thread that starts processes is gone");
    thread()?.send(request).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// The queue of the thread. It needs no bound, as each caller waits for its one request.
fn thread() -> std::io::Result<&'static Sender<SpawnRequest>> {
    static THREAD: OnceLock<Sender<SpawnRequest>> = OnceLock::new();
    if let Some(requests) = THREAD.get() {
        return Ok(requests);
    }
    let (requests, queue) = channel::<SpawnRequest>();
    std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        for SpawnRequest { mut command, runtime, reply } in queue {
            let _within = runtime.enter();
            // The caller waits for the reply, so this does not fail.
            let _ = reply.send(orphans::spawn_known(|| command.spawn()));
        }
    })?;
    // If two first callers race, the thread of the second ends with its queue before it has started anything.
    Ok(THREAD.get_or_init(|| requests))
}
