//! The rules that the source tree keeps: each is an invariant that ARCHITECTURE.md or CONTRIBUTING.md promises.
//! `tests/structure` prints what they measure.

mod items;
mod report;
mod rooms;
mod source;

use std::path::Path;

use self::report::MAX_LINES;
use self::source::{Source, sources};

/// The package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files of `src`.
fn product() -> Vec<Source> {
    sources(root(), "src")
}

/// All Rust files.
fn everything() -> Vec<Source> {
    product().into_iter().chain(sources(root(), "tests")).collect()
}

/// Fails with the list of what breaks a rule.
fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn layers_know_only_what_is_below_them() {
    // A module, and the modules that it must not name.
    let layers: [(&str, &[&str]); 6] = [
        ("src/feishu", &["claude", "session", "chat", "daemon"]),
        ("src/claude", &["feishu", "mail", "chat", "session", "daemon"]),
        (
            "src/sandbox",
            &["feishu", "claude", "mail", "chat", "session", "daemon", "cli", "control", "keyring"],
        ),
        ("src/control", &["feishu", "claude", "mail", "chat", "session", "daemon", "cli"]),
        ("src/people", &["feishu", "claude", "mail", "chat", "session", "daemon", "cli"]),
        ("src/keyring", &["feishu", "claude", "mail", "chat", "session", "daemon", "cli"]),
    ];
    let mut broken = Vec::new();
    for file in product() {
        let (name, named) = (&file.name, rooms::named(&file));
        for (layer, above) in layers.iter().filter(|(layer, _)| file.is_of(layer)) {
            for module in above.iter().filter(|module| named.contains(**module)) {
                broken.push(format!("{name} names crate::{module}, which {layer} does not know"));
            }
        }
    }
    none("Layers", &broken);
}

#[test]
fn rooms_stand_on_one_another_in_the_order_that_the_architecture_names() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let line = page.lines().find(|line| line.contains("from the ground up: ")).expect("the order of rooms");
    let order = line.split("from the ground up: ").nth(1).and_then(|rest| rest.split('.').next());
    let order: Vec<&str> = order.unwrap_or_default().split('`').skip(1).step_by(2).collect();
    let place = |room: &str| order.iter().position(|other| *other == room);
    let arrows = rooms::arrows(&product());
    let mut broken = Vec::new();
    for (room, others) in &arrows {
        if place(room).is_none() {
            broken.push(format!("{room} is not in the order"));
        }
        let above = others.iter().filter(|(other, _)| place(other) > place(room));
        broken.extend(above.map(|(other, files)| format!("{room} names {other} in {files} files")));
    }
    broken.extend(
        order.iter().filter(|room| !arrows.contains_key(**room)).map(|room| format!("there is no {room}")),
    );
    none("Rooms", &broken);
}

#[test]
fn a_type_name_stands_for_one_type() {
    let types = items::types(&product());
    let several = types.iter().filter(|(_, places)| places.len() > 1);
    let broken: Vec<_> = several.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect();
    none("Type names", &broken);
}

/// Not narrowed: the sandbox yet, and the emulator, whose `pub` is what tests may do with it, whether one does or not.
const WIDE: [&str; 2] = ["src/sandbox", "src/emulator"];

fn narrow(found: Vec<String>) -> Vec<String> {
    found.into_iter().filter(|place| !WIDE.iter().any(|wide| place.starts_with(wide))).collect()
}

#[test]
fn what_is_pub_is_named_elsewhere() {
    none("`pub` items that no other file names", &narrow(report::unnamed(root(), &product())));
}

#[test]
fn what_is_pub_is_what_a_user_of_the_library_needs() {
    let product = product();
    let users = report::users(root(), &product);
    none("`pub` items that should be `pub(crate)`", &narrow(report::unneeded(&product, &users)));
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
        "src/sandbox/bwrap",
        "src/sandbox/verdict",
        "src/sandbox/view",
        "src/cli/show",
        "src/cli/tail/printed",
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
    for file in product() {
        let name = file.name.as_str();
        let excepted = shells.contains(&name) || file.is_test();
        if excepted || !pure.iter().any(|module| file.is_of(module)) {
            continue;
        }
        let used = impure.iter().filter(|word| file.code.contains(**word));
        broken.extend(used.map(|word| format!("{name} uses {word}")));
    }
    none("Pure parts", &broken);
}

#[test]
fn a_file_has_one_job_and_at_most_400_lines_of_code() {
    let long = everything().into_iter().filter(|file| file.lines_of_code() > MAX_LINES);
    let broken: Vec<_> =
        long.map(|file| format!("{} has {} lines", file.name, file.lines_of_code())).collect();
    none("Length", &broken);
}

#[test]
fn lints_about_panics_are_not_allowed_away() {
    let lints = ["unwrap_used", "expect_used", "await_holding_lock", "unsafe_code", "missing_docs"];
    let mut broken = Vec::new();
    for Source { name, code, .. } in product() {
        // Attributes only, outside of tests; the word in a comment is nobody's concern.
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
    for Source { name, .. } in everything() {
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
    for file in product() {
        let allowed = file.is_of("src/cli") || file.is_of("src/emulator");
        let prints = ["println!", "eprintln!", "print!(", "io::stdout()"];
        if !allowed && prints.iter().any(|word| file.code.contains(word)) {
            broken.push(file.name);
        }
    }
    none("Printing", &broken);
}

#[test]
fn the_operator_guide_lists_exactly_the_keys_of_the_keyring() {
    let guide = root().join("docs/operator-guide.md");
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
fn the_table_in_tests_run_says_what_each_test_needs() {
    // What stands in a file whose tests need something.
    let signs: [(&str, &str); 10] = [
        ("tool(\"", "clients"),
        ("BROWSER", "chromium"),
        ("Command::new(\"node\")", "node"),
        ("Command::new(\"man\")", "man"),
        ("Command::new(\"openssl\")", "openssl"),
        ("\"strace\"", "strace"),
        ("\"fish\"", "fish"),
        ("Disk::mount(", "root"),
        ("SystemdBox::", "systemd"),
        ("package(\"", "packaging"),
    ];
    let run = std::fs::read_to_string(root().join("tests/run")).unwrap();
    let table = run.split("\nneeds='").nth(1).and_then(|rest| rest.split('\'').next()).expect("the table");
    let rows: Vec<(&str, Vec<&str>)> = table
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(prefix, words)| (prefix, words.split_whitespace().collect()))
        .collect();
    let tests = everything();
    let module = |file: &Source| {
        let path = file.name.trim_start_matches("tests/it/").trim_start_matches("src/");
        format!("{}::", path.trim_end_matches(".rs").replace('/', "::"))
    };
    let mut broken = Vec::new();
    let with_tests = |file: &&Source| {
        file.is_of("tests/it") && !file.is_of("tests/it/support") && !file.is_of("tests/it/tidy")
    };
    for file in tests.iter().filter(with_tests) {
        let module = module(file);
        for (_, need) in signs.iter().filter(|(sign, _)| file.text.contains(sign)) {
            let fits = |prefix: &str| prefix.starts_with(&module) || module.starts_with(prefix);
            if !rows.iter().any(|(prefix, words)| fits(prefix) && words.contains(need)) {
                broken.push(format!("{} needs {need}, which no row says", file.name));
            }
        }
    }
    for (prefix, _) in &rows {
        let (of, function) = prefix.rsplit_once("::").expect("a module");
        let named = |file: &&Source| module(file).starts_with(&format!("{of}::"));
        let begins = |file: &Source| file.code.contains(&format!("fn {function}"));
        if !tests.iter().filter(named).any(|file| function.is_empty() || begins(file)) {
            broken.push(format!("no test is called {prefix}…"));
        }
    }
    none("tests/run", &broken);
}

#[test]
fn the_rules_can_tell_right_from_wrong() {
    let named = |name: &str, text: &str| {
        rooms::named(&Source::new(name, text)).into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named("src/a.rs", "use crate::chat::Router;"), "chat");
    assert_eq!(named("src/a.rs", "use crate::{chat::{a, b}, ids};"), "chat ids");
    assert_eq!(named("src/a.rs", "use crate::{\n    ids,\n    chat::Router,\n};"), "chat ids");
    assert_eq!(named("src/a.rs", "use crate::chats::Router; let chat = 1; // crate::ids"), "chats");
    assert_eq!(named("src/a.rs", "use super::chat;"), "chat");
    assert_eq!(named("src/a/b.rs", "use super::chat; use super::super::ids;"), "ids");
    assert!(Source::new("src/feishu.rs", "").is_of("src/feishu"));
    assert!(Source::new("src/feishu/api.rs", "").is_of("src/feishu"));
    assert!(!Source::new("src/feishus.rs", "").is_of("src/feishu"));
    let text = "//! tokio::\nlet a = 1; // tokio::\n\n#[cfg(test)]\nmod tests {\n std::fs}\nlet b = '\"';";
    let file = Source::new("src/a.rs", text);
    assert_eq!(file.code.split_whitespace().collect::<Vec<_>>().join(" "), "let a = 1; let b = ;");
    assert_eq!((file.lines_of_code(), file.code.lines().count()), (2, 7));
    let literal = Source::new("src/a.rs", r##"f(r#"fs:: "x" "#, "\"fs::", b'\'', &'a str)"##);
    assert!(!literal.code.contains("fs::") && literal.code.ends_with("&'a str)"), "{}", literal.code);
}

#[test]
fn the_report_counts_what_there_is() {
    let file = |name: &str, text: &str| Source::new(name, text);
    let files = [
        file(
            "src/mail.rs",
            "use crate::render;\n/// A post.\npub struct Post { pub to: Lane, rest: Rest }\n",
        ),
        file("src/mail/lane.rs", "pub enum Lane { A }\npub struct Rest;\npub(crate) fn hidden() {}\n"),
        file(
            "src/render.rs",
            "impl Iterator for Lane {\n    type Item = u8;\n}\nfn a() {\n    crate::mail::b();\n}\n",
        ),
        file(
            "src/ids.rs",
            "struct Lane;\n#[cfg(test)]\nmod tests {\n    struct Post;\n    use crate::mail;\n}\n",
        ),
    ];
    let arrows = rooms::arrows(&files);
    assert_eq!(rooms::circles(&arrows), [["mail", "render"]]);
    assert_eq!(rooms::arrows_back(&arrows).len(), 1);
    let types = items::types(&files);
    assert_eq!(types.keys().collect::<Vec<_>>(), ["Lane", "Post", "Rest"]);
    assert_eq!(types["Lane"], ["src/mail/lane.rs:1", "src/ids.rs:1"]);
    let pub_items = items::pub_items(&files);
    assert_eq!(pub_items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["Post", "Lane", "Rest"]);
    let users = [file("tests/it/main.rs", "fn main() { Post::new() }")];
    let nobody = items::needed_by_nobody(&pub_items, &users, &items::associated_types(&files));
    assert_eq!(nobody.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["Rest"]);
    assert_eq!(items::short_docs(&files, 3), [("src/mail.rs:2".to_owned(), "A post.".to_owned())]);
    assert_eq!(items::functions(&files)[0], (3, "a".to_owned(), "src/render.rs:4".to_owned()));
    let report = report::report(root(), true);
    assert!(report.starts_with("rooms ") && report.contains("\nfiles over 400 lines of code"), "{report}");
}
