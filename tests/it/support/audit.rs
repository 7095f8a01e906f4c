//! The audit logs of all projects.

use std::path::Path;

use serde_json::Value;

/// All lines of the audit logs below a folder, and what does not verify of them.
pub(crate) fn audit_below(projects: &Path) -> (Vec<Value>, Vec<String>) {
    let (mut lines, mut broken) = (Vec::new(), Vec::new());
    for project in std::fs::read_dir(projects).unwrap().flatten() {
        for file in std::fs::read_dir(project.path().join(".phonework")).into_iter().flatten().flatten() {
            if file.path().extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let text = std::fs::read_to_string(file.path()).unwrap();
            lines.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
            match phonework::audit::verify(&file.path()) {
                Ok(phonework::audit::Chain::Whole { .. }) => {}
                other => broken.push(format!("{other:?}")),
            }
        }
    }
    (lines, broken)
}
