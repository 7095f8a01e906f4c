//! Who may do what: the one place where that is decided, by what the kernel says of the caller.
//!
//! Whoever can connect may look: the socket's mode and its directory see to that. A process that Claude Code started
//! may do nothing, whatever its uid: every such process is a descendant of the daemon, as the daemon and the wardens
//! are subreapers.

use rustix::process::{Pid, geteuid, getpid};

use super::Peer;
use crate::process_tree;

/// A caller, as far as the kernel knows him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who he is.
    pub peer: Peer,
    /// His groups.
    pub groups: Vec<u32>,
    /// Where his process comes from.
    pub lineage: Lineage,
}

/// Where a process comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lineage {
    /// From the daemon: Claude Code, or something that it started.
    Daemon,
    /// From somewhere else.
    Elsewhere,
    /// Nobody can tell: the process has ended, or is in a pid namespace that cannot be seen from here.
    Unknown,
}

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Nothing: why, a sentence.
    None(&'static str),
    /// Look on.
    Look,
    /// Look on and change something.
    Change,
}

/// What is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaemonIdentity {
    /// The daemon's user.
    pub uid: u32,
    /// The socket's group.
    pub gid: u32,
}

impl DaemonIdentity {
    /// This process, with a socket of this group.
    #[must_use]
    pub fn of_process(gid: u32) -> Self {
        Self { uid: geteuid().as_raw(), gid }
    }

    /// What a caller may do.
    #[must_use]
    pub fn rights(self, caller: &Caller) -> Rights {
        let own = caller.peer.uid == self.uid;
        match caller.lineage {
            Lineage::Daemon => {
                Rights::None("a process that Claude Code started may not use the control socket")
            }
            Lineage::Unknown if own => Rights::None(
                "whether Claude Code started the process that connected cannot be told: it is gone, or cannot be seen from here",
            ),
            Lineage::Elsewhere | Lineage::Unknown => {
                let may_change = own || caller.peer.uid == 0 || caller.groups.contains(&self.gid);
                if may_change { Rights::Change } else { Rights::Look }
            }
        }
    }
}

impl Caller {
    /// Looks at the process that connected, by its credentials.
    #[must_use]
    pub fn look(peer: Peer, gid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", peer.pid)).unwrap_or_default();
        let mut groups = supplementary_groups(&status);
        groups.push(gid);
        Self { peer, groups, lineage: lineage(peer.pid) }
    }
}

/// The supplementary groups in `/proc/PID/status`.
fn supplementary_groups(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    line.split_whitespace().filter_map(|gid| gid.parse().ok()).collect()
}

/// So often the way up is begun again when somebody on it has ended meanwhile.
const TRIES: usize = 20;

/// Follows the parents of a process up.
fn lineage(pid: i32) -> Lineage {
    (0..TRIES).find_map(|_| walk(Pid::from_raw(pid)?)).unwrap_or(Lineage::Unknown)
}

/// None when the way up broke off: who has ended has handed his children on by now.
fn walk(first: Pid) -> Option<Lineage> {
    let mut pid = first;
    while let Some(parent) = process_tree::parent(pid)? {
        if parent == getpid() {
            return Some(Lineage::Daemon);
        }
        pid = parent;
    }
    // The kernel, or another pid namespace.
    Some(Lineage::Elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPER: DaemonIdentity = DaemonIdentity { uid: 900, gid: 50 };

    fn rights(uid: u32, groups: &[u32], lineage: Lineage) -> Rights {
        KEEPER.rights(&Caller { peer: Peer { uid, pid: 7 }, groups: groups.to_vec(), lineage })
    }

    #[test]
    fn root_the_daemons_user_and_the_group_may_change_and_others_look() {
        for (uid, groups) in [(0, &[0_u32] as &[u32]), (900, &[]), (1000, &[7, 50])] {
            assert_eq!(rights(uid, groups, Lineage::Elsewhere), Rights::Change, "{uid}");
        }
        assert_eq!(rights(1000, &[7], Lineage::Elsewhere), Rights::Look);
    }

    #[test]
    fn what_claude_started_may_do_nothing_whoever_it_is() {
        for (uid, groups) in [(0, &[50_u32] as &[u32]), (900, &[50]), (1000, &[50])] {
            assert!(matches!(rights(uid, groups, Lineage::Daemon), Rights::None(_)), "{uid}");
        }
    }

    #[test]
    fn a_process_that_is_gone_may_have_been_claudes_if_the_user_is_the_daemons() {
        assert!(matches!(rights(900, &[50], Lineage::Unknown), Rights::None(_)));
        assert_eq!(rights(1000, &[50], Lineage::Unknown), Rights::Change);
    }

    #[test]
    fn the_lineage_of_a_child_is_the_daemon_and_that_of_others_is_not() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let of_child = lineage(i32::try_from(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(of_child, Lineage::Daemon);
        assert_eq!(lineage(i32::try_from(child.id()).unwrap()), Lineage::Unknown);
        assert_eq!(lineage(getpid().as_raw_pid()), Lineage::Elsewhere);
        assert_eq!(lineage(1), Lineage::Elsewhere);
        assert_eq!(lineage(0), Lineage::Unknown);
    }

    #[test]
    fn groups_are_read_from_the_status() {
        assert_eq!(supplementary_groups("Name:\tx\nGroups:\t4 27 1000 \nNStgid:\t1"), [4, 27, 1000]);
        assert_eq!(supplementary_groups("Name:\tx\nGroups:\t \n"), Vec::<u32>::new());
        assert_eq!(supplementary_groups(""), Vec::<u32>::new());
    }
}
