//! Ends the processes of a session whose warden was killed with SIGKILL.
//!
//! The daemon is a subreaper: a descendant whose parents are gone becomes its child instead of escaping to init. The
//! daemon starts no children of its own except wardens, so every other child is an orphan, and nobody else waits for
//! it. As process 1 (in a container) the daemon also receives orphans that were never its descendants; then this
//! module does nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use tokio::process::Child;

use crate::process_tree;

/// Maximum wait for a killed process to be gone; one that is stuck in the kernel may never be.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two looks at killed processes; most are gone within about this time.
const REAP_INTERVAL: Duration = Duration::from_millis(2);

/// Children that are not orphans; `None` until [`adopt`] ran.
static KNOWN_CHILDREN: Mutex<Option<Vec<Pid>>> = Mutex::new(None);

fn known_children() -> MutexGuard<'static, Option<Vec<Pid>>> {
    KNOWN_CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the subreaper of all its descendants. Children that it already has do not count as orphans.
///
/// # Errors
/// Those of the system; orphans then go to init.
pub(crate) fn adopt() -> std::io::Result<()> {
    rustix::process::set_child_subreaper(Some(getpid()))?;
    if !getpid().is_init() {
        *known_children() =
            Some(process_tree::children(getpid()).into_iter().map(|child| child.pid).collect());
    }
    Ok(())
}

/// Starts a child that does not count as an orphan.
pub(super) fn spawn_known(spawn: impl FnOnce() -> std::io::Result<Child>) -> std::io::Result<Child> {
    // The lock is held across the fork, so that nobody takes the new child for an orphan.
    let mut known = known_children();
    let child = spawn()?;
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    if let Some(known) = &mut *known {
        known.extend(pid);
    }
    Ok(child)
}

/// Kills and reaps every orphan. Blocks until they are gone: call it on a thread that nobody waits for.
pub(super) fn end_all() {
    let deadline = Instant::now() + KILL_TIMEOUT;
    while kill_and_reap() && Instant::now() < deadline {
        std::thread::sleep(REAP_INTERVAL);
    }
}

/// One pass of [`end_all`]; true if it found an orphan.
fn kill_and_reap() -> bool {
    let mut known = known_children();
    let Some(known) = &mut *known else { return false };
    let children = process_tree::children(getpid());
    // The pid of a reaped warden may be used again for another process.
    known.retain(|pid| children.iter().any(|child| child.pid == *pid));
    let mut any = false;
    for orphan in children.into_iter().filter(|child| !known.contains(&child.pid)) {
        any = true;
        if !orphan.zombie {
            process_tree::kill_descendants(orphan.pid);
            // The only errors are "gone already" and "not ours to kill" (a set-user-id program).
            let _ = kill_process(orphan.pid, Signal::KILL);
        }
        // One that is not dead yet is found again by the next pass.
        let _ = waitpid(Some(orphan.pid), WaitOptions::NOHANG);
    }
    any
}
