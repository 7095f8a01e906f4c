//! What is left of a session whose warden was killed with SIGKILL: it becomes the daemon's own child, and is ended.
//!
//! The daemon is a subreaper, so a process below it whose parents are gone becomes its child instead of escaping to
//! init. It makes no children of its own but wardens; so every other child is an orphan, and neither the daemon nor
//! anybody else waits for it. As process 1 (in a container) it is given orphans that were never below it, and lets
//! them be.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use tokio::process::Child;

use crate::process_tree;

/// How long a process that cannot be killed (stuck in the kernel) is waited for.
const KILLING: Duration = Duration::from_secs(10);
/// A process that was killed is gone within about this.
const DYING: Duration = Duration::from_millis(2);

/// The children that are none; nothing before [`adopt`].
static KNOWN: Mutex<Option<Vec<Pid>>> = Mutex::new(None);

fn known() -> MutexGuard<'static, Option<Vec<Pid>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the heir of all that are below it. Children that it has already are not counted as orphans.
///
/// # Errors
/// Those of the system; orphans then go to init.
pub fn adopt() -> std::io::Result<()> {
    rustix::process::set_child_subreaper(Some(getpid()))?;
    if !getpid().is_init() {
        *known() = Some(process_tree::children(getpid()).into_iter().map(|child| child.pid).collect());
    }
    Ok(())
}

/// Makes a child that is no orphan.
pub(super) fn bear(make: impl FnOnce() -> std::io::Result<Child>) -> std::io::Result<Child> {
    // Until it is known, nobody may look for orphans.
    let mut known = known();
    let child = make()?;
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    if let Some(known) = &mut *known {
        known.extend(pid);
    }
    Ok(child)
}

/// Kills and reaps every orphan there is. Waits for them: not for a task that others wait for.
pub(super) fn end_all() {
    let deadline = Instant::now() + KILLING;
    while end_some() && Instant::now() < deadline {
        std::thread::sleep(DYING);
    }
}

/// Whether any orphan was left.
fn end_some() -> bool {
    let mut known = known();
    let Some(known) = &mut *known else { return false };
    let children = process_tree::children(getpid());
    // A warden that was reaped is nobody any more, and its pid may become another's.
    known.retain(|pid| children.iter().any(|child| child.pid == *pid));
    let mut any = false;
    for orphan in children.into_iter().filter(|child| !known.contains(&child.pid)) {
        any = true;
        if !orphan.zombie {
            process_tree::kill_descendants(orphan.pid);
            // The only errors are "gone already" and "not ours to kill" (a set-user-id program).
            let _ = kill_process(orphan.pid, Signal::KILL);
        }
        // One that still dies is met again.
        let _ = waitpid(Some(orphan.pid), WaitOptions::NOHANG);
    }
    any
}
