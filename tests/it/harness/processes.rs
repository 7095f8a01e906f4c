//! The processes of a round.

use std::path::Path;

use rustix::process::Pid;

/// The processes whose environment names this journal: wardens and agents.
pub(super) fn processes(journal: &Path) -> Vec<(Pid, String)> {
    let mut found = Vec::new();
    let wanted = journal.to_str().unwrap();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if let Some(pid) = pid
            && String::from_utf8_lossy(&environment).contains(wanted)
        {
            let name = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&name).replace('\0', " ")));
        }
    }
    found
}
