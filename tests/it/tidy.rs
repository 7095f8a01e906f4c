//! The rules that the source tree keeps: each is an invariant that ARCHITECTURE.md or CONTRIBUTING.md promises.

use std::path::{Path, PathBuf};

/// A file's path below the package, and its text.
type Source = (String, String);

/// The Rust files of `folder`.
fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Build output of the fuzz targets.
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The text without what only tests see, and without comments.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.split(" // ").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether a file belongs to a module: `src/feishu.rs` and `src/feishu/…` to `src/feishu`.
fn belongs(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Whether code names a module of the crate, on its own (`crate::chat::…`) or in braces (`crate::{chat, …}`).
fn mentions(code: &str, module: &str) -> bool {
    let names =
        |list: &str| list.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == module);
    code.split("crate::").skip(1).any(|after| match after.strip_prefix('{') {
        Some(list) => names(list.split(';').next().unwrap_or_default()),
        None => after.split(|c: char| !c.is_alphanumeric() && c != '_').next() == Some(module),
    })
}

/// Fails with the list of what breaks a rule.
fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn layers_know_only_what_is_below_them() {
    // A module, and the modules that it must not name.
    let layers: [(&str, &[&str]); 5] = [
        ("src/feishu", &["claude", "session", "chat", "daemon"]),
        ("src/claude", &["feishu", "mail", "chat", "session", "daemon"]),
        ("src/control", &["feishu", "mail", "chat", "session", "daemon", "cli"]),
        ("src/people", &["feishu", "claude", "mail", "chat", "session", "daemon", "cli"]),
        ("src/keyring", &["feishu", "claude", "mail", "chat", "session", "daemon", "cli"]),
    ];
    let mut broken = Vec::new();
    for (name, text) in sources("src") {
        let code = code(&text);
        for (layer, above) in layers.iter().filter(|(layer, _)| belongs(&name, layer)) {
            for module in above.iter().filter(|module| mentions(&code, module)) {
                broken.push(format!("{name} names crate::{module}, which {layer} does not know"));
            }
        }
    }
    none("Layers", &broken);
}

#[test]
fn pure_parts_have_no_runtime_no_files_and_no_clock() {
    let pure = [
        "src/feishu/frame",
        "src/feishu/reassembly",
        "src/feishu/event",
        "src/claude/wire",
        "src/keyring",
        "src/control/codec",
        "src/control/request",
        "src/control/wire",
        "src/daemon/health/judge",
        "src/render",
        "src/cli/show",
        "src/cli/tail/shown",
        "src/chat/command",
        "src/chat/show",
        "src/session/machine",
        "src/session/show",
    ];
    // The shell of a module whose other files are pure.
    let shells = ["src/keyring/disk.rs"];
    let impure =
        ["tokio::", "std::fs", "fs::", "std::env", "SystemTime::now", "Instant::now", "Timestamp::now"];
    let mut broken = Vec::new();
    for (name, text) in sources("src") {
        let excepted = shells.contains(&name.as_str()) || name.ends_with("/tests.rs");
        if excepted || !pure.iter().any(|module| belongs(&name, module)) {
            continue;
        }
        let code = code(&text);
        broken.extend(
            impure.iter().filter(|word| code.contains(*word)).map(|word| format!("{name} uses {word}")),
        );
    }
    none("Pure parts", &broken);
}

#[test]
fn a_file_has_one_job_and_at_most_400_lines() {
    let mut broken = Vec::new();
    for (name, text) in sources("src").into_iter().chain(sources("tests")) {
        let lines = text.lines().count();
        if lines > 400 {
            broken.push(format!("{name} has {lines} lines"));
        }
    }
    none("Length", &broken);
}

#[test]
fn lints_about_panics_are_not_allowed_away() {
    let lints = ["unwrap_used", "expect_used", "await_holding_lock", "unsafe_code", "missing_docs"];
    let mut broken = Vec::new();
    for (name, text) in sources("src") {
        // Attributes only, outside of tests; the word in a comment is nobody's concern.
        let code = code(&text);
        for attribute in code.split("allow(").chain(code.split("expect(clippy")).skip(1) {
            let list = attribute.split(')').next().unwrap_or_default();
            for lint in lints.iter().filter(|lint| list.contains(**lint)) {
                broken.push(format!("{name} allows {lint}"));
            }
        }
    }
    none("Lints", &broken);
}

#[test]
fn modules_are_named_for_what_they_are() {
    let mut broken = Vec::new();
    for (name, _) in sources("src").into_iter().chain(sources("tests")) {
        let vague = ["utils", "util", "common", "manager", "helpers", "helper", "misc", "mod"];
        for part in Path::new(&name).with_extension("").components() {
            if vague.iter().any(|word| part.as_os_str() == *word) {
                broken.push(name.clone());
            }
        }
    }
    none("Names", &broken);
}

#[test]
fn printing_is_for_the_command_line() {
    let mut broken = Vec::new();
    for (name, text) in sources("src") {
        let allowed = belongs(&name, "src/cli") || belongs(&name, "src/emulator");
        let code = code(&text);
        let prints = ["println!", "eprintln!", "print!(", "io::stdout()"];
        if !allowed && prints.iter().any(|word| code.contains(word)) {
            broken.push(name);
        }
    }
    none("Printing", &broken);
}

#[test]
fn the_operator_guide_lists_exactly_the_keys_of_the_keyring() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operator-guide.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let table = guide.split("| key | meaning | default |").nth(1).expect("the guide has the table of keys");
    let listed: Vec<&str> = table
        .lines()
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(listed, phonework::keyring::KEYS);
}

#[test]
fn the_rules_can_tell_right_from_wrong() {
    assert!(mentions("use crate::chat::Router;", "chat"));
    assert!(mentions("use crate::{chat, ids};", "chat"));
    assert!(mentions("crate::{\n    ids,\n    chat::Router,\n};", "chat"));
    assert!(!mentions("use crate::chats::Router; let chat = 1;", "chat"));
    assert!(belongs("src/feishu.rs", "src/feishu") && belongs("src/feishu/api.rs", "src/feishu"));
    assert!(!belongs("src/feishus.rs", "src/feishu"));
    assert_eq!(
        code("//! tokio::\nlet a = 1; // tokio::\n\n#[cfg(test)]\nmod tests {\n std::fs"),
        "let a = 1;"
    );
}
