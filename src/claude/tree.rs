//! The tree of processes below one, as `/proc` shows it.

use std::collections::BTreeMap;

use rustix::process::{Pid, Signal, kill_process};

/// Every living descendant of a process, parents first. Zombies are not among them. A process whose parent ended
/// is found as long as the root is a subreaper, as the warden is.
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

/// The parent of a living process; within, none for the topmost of a pid namespace.
#[must_use]
pub fn parent(pid: Pid) -> Option<Option<Pid>> {
    let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    living_parent(&String::from_utf8_lossy(&stat)).map(Pid::from_raw)
}

/// A child of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildOf {
    /// The child.
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

/// Kills every descendant of a process with SIGKILL and says whether there was any. One pass: a process that was
/// being born meanwhile is found by the next.
pub fn kill_descendants(root: Pid) -> bool {
    let found = descendants(root);
    for &pid in &found {
        // The only errors are "gone already" and "not ours to kill" (a set-user-id program).
        let _ = kill_process(pid, Signal::KILL);
    }
    !found.is_empty()
}

/// The parent in a line of `/proc/PID/stat`; none for a zombie.
fn living_parent(stat: &str) -> Option<i32> {
    state_and_parent(stat).filter(|(state, _)| !is_dead(*state)).map(|(_, parent)| parent)
}

/// The name before them may hold blanks and parentheses.
fn state_and_parent(stat: &str) -> Option<(char, i32)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_dead(state: char) -> bool {
    matches!(state, 'Z' | 'X')
}

/// When a process was started, in ticks since the machine was, from its line of `/proc/PID/stat`.
#[must_use]
pub fn started(stat: &str) -> Option<&str> {
    // Field 22 of the line; the second, which may hold anything, and the first are cut off here.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_behind_any_name() {
        assert_eq!(living_parent("12 (a) S 3) (b) S 7 12 12 0"), Some(7));
        assert_eq!(living_parent("12 (sleep) Z 7 12 12 0"), None);
        assert_eq!(living_parent("12 (sleep"), None);
        assert_eq!(living_parent(""), None);
        let numbers: Vec<String> = (4..30).map(|n| n.to_string()).collect();
        assert_eq!(started(&format!("12 (a) b) S {}", numbers.join(" "))), Some("22"));
        assert_eq!(started("12 (a) S 4 5"), None);
    }
}
