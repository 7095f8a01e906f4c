//! The thread that makes processes.
//!
//! The kernel sends a parent's death signal when the *thread* that made the process ends. A worker of tokio may end
//! long before the daemon does, so every warden is made by one thread that never ends.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;

use crate::claude::orphans;

struct SpawnRequest {
    command: Command,
    runtime: Handle,
    made: SyncSender<std::io::Result<Child>>,
}

/// Makes the process; waits for the system alone. To be called within a tokio runtime, which then reaps it.
pub(in crate::claude) fn spawn(command: Command) -> std::io::Result<Child> {
    let (made, child) = sync_channel(1);
    let order = SpawnRequest { command, runtime: Handle::current(), made };
    let gone = || std::io::Error::other("the thread that makes processes is gone");
    thread()?.send(order).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// Its queue needs no bound: each caller waits for its one order.
fn thread() -> std::io::Result<&'static Sender<SpawnRequest>> {
    static THREAD: OnceLock<Sender<SpawnRequest>> = OnceLock::new();
    if let Some(orders) = THREAD.get() {
        return Ok(orders);
    }
    let (orders, queue) = channel::<SpawnRequest>();
    std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        for SpawnRequest { mut command, runtime, made } in queue {
            let _within = runtime.enter();
            // A caller always waits for the answer.
            let _ = made.send(orphans::bear(|| command.spawn()));
        }
    })?;
    // Two first callers at once: the second one's thread ends with its queue, before it has made anything.
    Ok(THREAD.get_or_init(|| orders))
}
