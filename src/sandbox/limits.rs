//! What the processes of one session may use together. The warden looks once a second and ends a session that is over;
//! no other session and not the daemon.

use std::time::Duration;

use rustix::process::Pid;

/// How often the warden looks.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The beginning of the line that the warden writes to stderr when it ends a session that is over a limit.
pub const OVER_LIMIT: &str = "phonework: the session is over its limit";

/// What all processes of a session may use together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Maximum memory in bytes: what the processes have of their own and share among themselves, without files.
    pub memory: u64,
    /// Maximum number of processes.
    pub processes: u64,
}

impl ResourceLimits {
    /// No limit of memory and processes.
    pub const NONE: Self = Self { memory: u64::MAX, processes: u64::MAX };

    /// Why a session with this use is over its limits, as the end of a sentence; none while it is not.
    #[must_use]
    pub fn exceeded_by(self, usage: Usage) -> Option<String> {
        let mebibytes = |bytes: u64| bytes >> 20;
        if usage.processes > self.processes {
            return Some(format!("{} processes, where {} are allowed", usage.processes, self.processes));
        }
        (usage.memory > self.memory).then(|| {
            let (used, allowed) = (mebibytes(usage.memory), mebibytes(self.memory));
            format!("{used} MiB of memory, where {allowed} MiB are allowed")
        })
    }
}

/// What processes use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory in use, in bytes.
    pub memory: u64,
    /// Number of processes that run.
    pub processes: u64,
}

/// What these processes use now; one that has ended uses nothing.
#[must_use]
pub fn usage(processes: &[Pid]) -> Usage {
    let statuses = processes
        .iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).ok());
    statuses.fold(Usage::default(), |sum, status| Usage {
        memory: sum.memory.saturating_add(memory(&status)),
        processes: sum.processes + 1,
    })
}

/// The memory in `/proc/PID/status` that is not a file's: in bytes.
fn memory(status: &str) -> u64 {
    let kibibytes = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
    };
    (kibibytes("RssAnon:") + kibibytes("RssShmem:")) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_over_its_limit_by_memory_or_by_processes() {
        let limits = ResourceLimits { memory: 1 << 30, processes: 10 };
        let over = |memory, processes| limits.exceeded_by(Usage { memory, processes });
        assert_eq!(over(1 << 30, 10), None);
        assert_eq!(
            over((1 << 30) + (5 << 20), 10).unwrap(),
            "1029 MiB of memory, where 1024 MiB are allowed"
        );
        assert_eq!(over(0, 11).unwrap(), "11 processes, where 10 are allowed");
        assert_eq!(ResourceLimits::NONE.exceeded_by(Usage { memory: u64::MAX, processes: u64::MAX }), None);
    }

    #[test]
    fn files_in_memory_do_not_count() {
        let status =
            "Name:\tx\nVmRSS:\t 9 kB\nRssAnon:\t    2048 kB\nRssFile:\t   99 kB\nRssShmem:\t   1024 kB\n";
        assert_eq!(memory(status), 3 << 20);
        assert_eq!(memory(""), 0);
        let own = usage(&[rustix::process::getpid()]);
        assert!(own.processes == 1 && own.memory > 0);
    }
}
