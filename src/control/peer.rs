//! Decides what a caller may do, by what the kernel says about it. This is the only place that decides it.
//!
//! Whoever can connect may read; the mode of the socket and of its directory decide who can. A process that Claude Code
//! started may do nothing, whatever its uid. Every such process is a descendant of the daemon, because the daemon and
//! the wardens are subreapers.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerPidfd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, geteuid, getpid};

use super::Peer;
use crate::process_tree;

/// A caller, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its user id and process id.
    pub peer: Peer,
    /// The caller's group ids, the supplementary ones included.
    pub groups: Vec<u32>,
    /// Whether its process descends from the daemon.
    pub lineage: Lineage,
}

/// Whether a process descends from the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lineage {
    /// It does: it is Claude Code, or something that Claude Code started.
    Daemon,
    /// It does not descend from the daemon.
    Elsewhere,
    /// Unknown: the process has ended, or is in a pid namespace that is not visible from here.
    Unknown,
}

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Nothing; the sentence says why.
    None(&'static str),
    /// The caller may look, and change nothing.
    Read,
    /// The caller may look and change.
    Change,
}

/// What callers are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DaemonIdentity {
    /// The daemon's user id.
    pub uid: u32,
    /// The socket's group id.
    pub gid: u32,
}

impl DaemonIdentity {
    /// For this process, with a socket of the group `gid`.
    #[must_use]
    pub(crate) fn of_process(gid: u32) -> Self {
        Self { uid: geteuid().as_raw(), gid }
    }

    /// What a caller may do.
    #[must_use]
    pub(crate) fn rights(self, caller: &Caller) -> Rights {
        let own = caller.peer.uid == self.uid;
        match caller.lineage {
            Lineage::Daemon => {
                Rights::None("a process that Claude Code started may not use the control socket")
            }
            Lineage::Unknown if own => Rights::None(
                "it is not known whether Claude Code started the process that connected: it has ended, or is not visible from here",
            ),
            Lineage::Elsewhere | Lineage::Unknown => {
                let may_change = own || caller.peer.uid == 0 || caller.groups.contains(&self.gid);
                if may_change { Rights::Change } else { Rights::Read }
            }
        }
    }
}

impl Caller {
    /// Reads what `/proc` says about the process that connected.
    #[must_use]
    pub(crate) fn inspect(peer: Peer, gid: u32, process: &PeerProcess) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", peer.pid)).unwrap_or_default();
        let (groups, lineage) = (supplementary_groups(&status), lineage(peer.pid));
        // What was read may be about another process only if this one has ended.
        let (mut groups, lineage) =
            if process.has_ended() { (Vec::new(), Lineage::Unknown) } else { (groups, lineage) };
        groups.push(gid);
        Self { peer, groups, lineage }
    }
}

/// The process that connected, held by the kernel: its number cannot become another's unseen.
#[derive(Debug)]
pub(crate) enum PeerProcess {
    /// Held by a descriptor of it (Linux 6.5 and newer).
    Held(OwnedFd),
    /// The process has ended, so that nothing can be said of it.
    Ended,
    /// This kernel holds no processes.
    Unheld,
}

impl PeerProcess {
    /// The process at the other end of a Unix socket.
    #[must_use]
    pub(crate) fn of(stream: impl AsFd) -> Self {
        match getsockopt(&stream.as_fd(), PeerPidfd) {
            Ok(process) => Self::Held(process),
            Err(Errno::ENOPROTOOPT | Errno::ENOSYS | Errno::EOPNOTSUPP) => Self::Unheld,
            Err(_) => Self::Ended,
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            // A descriptor of a process can be read once it has ended.
            Self::Held(process) => {
                let mut ready = [PollFd::new(process, PollFlags::IN)];
                !matches!(poll(&mut ready, Some(&Timespec::default())), Ok(0))
            }
            Self::Ended => true,
            Self::Unheld => false,
        }
    }
}

/// The supplementary groups in the text of `/proc/PID/status`.
fn supplementary_groups(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
    line.split_whitespace().filter_map(|gid| gid.parse().ok()).collect()
}

/// Maximum number of attempts to walk up the tree; one fails if a process on the way ends.
const MAX_ATTEMPTS: usize = 20;

/// Follows a process's parents up to the daemon or to the top.
fn lineage(pid: i32) -> Lineage {
    (0..MAX_ATTEMPTS).find_map(|_| walk(Pid::from_raw(pid)?)).unwrap_or(Lineage::Unknown)
}

/// `None` if a process on the way has ended. Its children then have another parent, and the next attempt finds it.
fn walk(first: Pid) -> Option<Lineage> {
    let mut pid = first;
    while let Some(parent) = process_tree::parent(pid)? {
        if parent == getpid() {
            return Some(Lineage::Daemon);
        }
        pid = parent;
    }
    // The parent is the kernel, or outside of this pid namespace.
    Some(Lineage::Elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: DaemonIdentity = DaemonIdentity { uid: 900, gid: 50 };

    fn rights(uid: u32, groups: &[u32], lineage: Lineage) -> Rights {
        IDENTITY.rights(&Caller { peer: Peer { uid, pid: 7 }, groups: groups.to_vec(), lineage })
    }

    #[test]
    fn root_the_daemons_user_and_the_group_may_change_and_others_may_read() {
        for (uid, groups) in [(0, &[0_u32] as &[u32]), (900, &[]), (1000, &[7, 50])] {
            assert_eq!(rights(uid, groups, Lineage::Elsewhere), Rights::Change, "{uid}");
        }
        assert_eq!(rights(1000, &[7], Lineage::Elsewhere), Rights::Read);
    }

    #[test]
    fn a_process_that_claude_started_may_do_nothing_whatever_its_user() {
        for (uid, groups) in [(0, &[50_u32] as &[u32]), (900, &[50]), (1000, &[50])] {
            assert!(matches!(rights(uid, groups, Lineage::Daemon), Rights::None(_)), "{uid}");
        }
    }

    #[test]
    fn a_process_of_the_daemons_user_that_has_ended_may_have_been_claudes() {
        assert!(matches!(rights(900, &[50], Lineage::Unknown), Rights::None(_)));
        assert_eq!(rights(1000, &[50], Lineage::Unknown), Rights::Change);
    }

    #[test]
    fn a_child_descends_from_the_daemon_and_other_processes_do_not() {
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
    fn a_caller_that_has_ended_is_nobody() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let held = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        let process = PeerProcess::Held(held);
        let peer = Peer { uid: 900, pid: pid.as_raw_pid() };
        assert!(!process.has_ended());
        assert_eq!(Caller::inspect(peer, 50, &process).lineage, Lineage::Daemon);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.has_ended());
        let own = Peer { uid: 900, pid: getpid().as_raw_pid() };
        let caller = Caller::inspect(own, 50, &process);
        assert_eq!((caller.groups, caller.lineage), (vec![50], Lineage::Unknown));
    }

    #[test]
    fn groups_are_read_from_the_status() {
        assert_eq!(supplementary_groups("Name:\tx\nGroups:\t4 27 1000 \nNStgid:\t1"), [4, 27, 1000]);
        assert_eq!(supplementary_groups("Name:\tx\nGroups:\t \n"), Vec::<u32>::new());
        assert_eq!(supplementary_groups(""), Vec::<u32>::new());
    }
}
