//! The processes of a round.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// A process and its command line.
pub(super) struct Process {
    pub(super) pid: Pid,
    pub(super) name: String,
}

impl Process {
    pub(super) fn signal(&self, signal: Signal) {
        // It may just have ended.
        let _ = kill_process(self.pid, signal);
    }
}

/// The processes whose environment names this journal.
pub(super) fn processes(journal: &Path) -> Vec<Process> {
    let mut found = Vec::new();
    let wanted = journal.to_str().unwrap();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if let Some(pid) = pid
            && String::from_utf8_lossy(&environment).contains(wanted)
        {
            let name = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(Process { pid, name: String::from_utf8_lossy(&name).replace('\0', " ") });
        }
    }
    found
}
