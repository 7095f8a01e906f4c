//! The process tree as `/proc` shows it: who descends from whom, and killing everything below a process.
//!
//! The warden, the daemon and the control socket's check of its callers all look at the same tree. Every function
//! reads `/proc`; none waits for anything else.

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal, kill_process};

/// Every living descendant of a process, parents first; zombies are left out.
///
/// A process whose parent has ended is found only if `root` is a subreaper, as the daemon and the wardens are.
#[must_use]
pub fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = std::fs::read(process.path().join("stat")) else { continue };
        if let Some(parent) = living_parent(&String::from_utf8_lossy(&stat)) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&root.as_raw_pid()).unwrap_or_default();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children.remove(&pid).unwrap_or_default());
        next += 1;
    }
    found.into_iter().filter_map(Pid::from_raw).collect()
}

/// The parent of a living process: `None` if the process is gone, `Some(None)` if it is the topmost of the pid
/// namespace.
pub(crate) fn parent(pid: Pid) -> Option<Option<Pid>> {
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    living_parent(&String::from_utf8_lossy(&stat)).map(Pid::from_raw)
}

/// A child process, as [`children`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildOf {
    /// The child's process id.
    pub pid: Pid,
    /// Whether it has ended and waits to be reaped.
    pub zombie: bool,
}

/// The children of a process, zombies included.
#[must_use]
pub fn children(parent: Pid) -> Vec<ChildOf> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = processes.filter_map(|process| {
        let pid = Pid::from_raw(process.file_name().to_str()?.parse().ok()?)?;
        let stat = std::fs::read(process.path().join("stat")).ok()?;
        let (state, of) = state_and_parent(&String::from_utf8_lossy(&stat))?;
        (of == parent.as_raw_pid()).then_some(ChildOf { pid, zombie: is_dead(state) })
    });
    children.collect()
}

/// Sends SIGKILL to every descendant of a process; false if there was none. This is one pass: a process that was
/// forked meanwhile is found by the next call.
pub(crate) fn kill_descendants(root: Pid) -> bool {
    let found = descendants(root);
    for &pid in &found {
        // The only errors are "gone already" and "not ours to kill" (a set-user-id program).
        let _ = kill_process(pid, Signal::KILL);
    }
    !found.is_empty()
}

/// The start time in a line of `/proc/PID/stat`, in clock ticks since boot. With the pid it identifies a process, as
/// pids are used again.
#[must_use]
pub fn start_time(stat: &str) -> Option<&str> {
    // It is field 22. The first two are cut off here, as the second, the name, may hold anything.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)
}

/// The parent in a line of `/proc/PID/stat`; `None` for a zombie.
fn living_parent(stat: &str) -> Option<i32> {
    state_and_parent(stat).filter(|(state, _)| !is_dead(*state)).map(|(_, parent)| parent)
}

/// State and parent follow the name, which may itself hold spaces and parentheses.
fn state_and_parent(stat: &str) -> Option<(char, i32)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_dead(state: char) -> bool {
    matches!(state, 'Z' | 'X')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_process_name() {
        assert_eq!(living_parent("12 (a) S 3) (b) S 7 12 12 0"), Some(7));
        assert_eq!(living_parent("12 (sleep) Z 7 12 12 0"), None);
        assert_eq!(living_parent("12 (sleep"), None);
        assert_eq!(living_parent(""), None);
        let numbers: Vec<String> = (4..30).map(|n| n.to_string()).collect();
        assert_eq!(start_time(&format!("12 (a) b) S {}", numbers.join(" "))), Some("22"));
        assert_eq!(start_time("12 (a) S 4 5"), None);
    }
}
