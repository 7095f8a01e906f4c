//! The man pages and the shells' completions are what the program's definitions make of them.
//!
//! `PHONEWORK_WRITE_DOCUMENTS=1 tests/run documents` writes them anew.

mod completion;
mod links;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory as _;
use clap_mangen::Man;
use phonework::cli::Cli;
use phonework::control::wire::{
    ApiHealth, ClaudeHealth, ClaudeProof, ConnectionHealth, HealthCounts, HealthReport, LinkState,
    MailHealth, ProcessUsage, ProofSource, StuckTaskInfo, TroubleInfo, WedgedInfo,
};
use phonework::logs::events::MESSAGE_IDS;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Holds a generated file against the one in the source, or writes it when that is wanted.
fn up_to_date(path: &str, generated: &str) {
    let file = root().join(path);
    if std::env::var_os("PHONEWORK_WRITE_DOCUMENTS").is_some() {
        std::fs::write(&file, generated).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == generated,
        "{path} is out of date; `PHONEWORK_WRITE_DOCUMENTS=1 tests/run documents` writes it anew\n{generated}"
    );
}

/// The page of a command, and its path: its usage and options as clap has them, the rest from `man/sections`.
fn page(command: clap::Command) -> (String, String) {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let path = root().join(format!("man/sections/{name}.roff"));
    let sections =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, after) = sections.split_once(".\\\" OPTIONS\n").expect("a place for the options");
    let places = command.get_after_help().map(ToString::to_string);
    let has_subcommands = command.has_subcommands();
    let usage = command.clone().render_usage().to_string();
    let man = Man::new(command);
    let mut text = Vec::new();
    // Names of files are not to be parted, and lines not to be stretched.
    writeln!(
        text,
        ".\\\" Generated from the command line's definitions and man/sections.\n\
         .TH {} 1 \"\" \"phonework {}\" \"phonework\"\n.nh\n.ad l",
        name.replace('-', "\\-"),
        env!("CARGO_PKG_VERSION")
    )
    .unwrap();
    man.render_name_section(&mut text).unwrap();
    writeln!(text, ".SH SYNOPSIS\n.nf").unwrap();
    for line in usage.trim_start_matches("Usage:").lines() {
        let line = line.trim().replace('-', "\\-");
        let words = line.find(" [").or_else(|| line.find(" <")).unwrap_or(line.len());
        writeln!(text, "\\fB{}\\fR{}", &line[..words], &line[words..]).unwrap();
    }
    writeln!(text, ".fi").unwrap();
    text.extend_from_slice(before.as_bytes());
    if has_subcommands {
        man.render_subcommands_section(&mut text).unwrap();
    }
    man.render_options_section(&mut text).unwrap();
    let mut text = String::from_utf8(text).unwrap();
    if let Some(places) = places.filter(|_| !has_subcommands) {
        for paragraph in places.split("\n\n") {
            // A line must not begin like a request.
            writeln!(text, ".PP\n\\&{}", paragraph.replace('\\', "\\e").replace('-', "\\-")).unwrap();
        }
    }
    text.push_str(after);
    (format!("man/{name}.1"), text)
}

fn pages() -> Vec<(String, String)> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let hidden: Vec<String> =
        program.get_subcommands().filter(|it| it.is_hide_set()).map(|it| it.get_name().to_owned()).collect();
    let subcommands: Vec<clap::Command> = program
        .get_subcommands()
        .filter(|it| !hidden.iter().any(|name| name == it.get_name()))
        .cloned()
        .collect();
    std::iter::once(program).chain(subcommands).map(page).collect()
}

#[test]
fn the_man_pages_say_what_the_program_says() {
    let pages = pages();
    for (path, text) in &pages {
        up_to_date(path, text);
    }
    let mut expected: BTreeSet<PathBuf> = pages.iter().map(|(path, _)| root().join(path)).collect();
    expected.extend(["keyring.yaml.5", "phonework.7", "sections"].map(|name| root().join("man").join(name)));
    let found: BTreeSet<PathBuf> =
        std::fs::read_dir(root().join("man")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_man_pages_can_be_shown_without_a_warning() {
    for entry in std::fs::read_dir(root().join("man")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let man = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l"])
            .arg(&path)
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "80")
            .env("MANROFFSEQ", "")
            .env("PAGER", "cat")
            .output()
            .expect("man is installed");
        assert!(man.status.success(), "{}: {man:?}", path.display());
        assert_eq!(String::from_utf8_lossy(&man.stderr), "", "{}", path.display());
        let version = format!("phonework {}", env!("CARGO_PKG_VERSION"));
        assert!(String::from_utf8_lossy(&man.stdout).contains(&version), "{}", path.display());
    }
}

#[test]
fn every_key_of_the_keyring_is_documented_and_no_other() {
    let page = std::fs::read_to_string(root().join("man/keyring.yaml.5")).unwrap();
    let documented: Vec<&str> = page
        .lines()
        .zip(page.lines().skip(1))
        .filter(|(before, _)| *before == ".TP")
        .filter_map(|(_, line)| line.strip_prefix(".BR ").or(line.strip_prefix(".B ")))
        .flat_map(|line| line.split(|c: char| !c.is_ascii_uppercase() && c != '_'))
        .filter(|word| !word.is_empty())
        .collect();
    let sorted = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&documented), sorted(&phonework::keyring::KEYS));
    assert_eq!(documented.len(), phonework::keyring::KEYS.len());
}

#[test]
fn every_event_is_documented_with_its_message_id() {
    let page = std::fs::read_to_string(root().join("man/phonework.7")).unwrap();
    let listed: Vec<(String, &str)> = page
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, id)| (name.replace('\\', ""), id.trim()))
        .filter(|(_, id)| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .collect();
    assert_eq!(listed, MESSAGE_IDS.map(|(name, id)| (name.to_owned(), id)));
    for (name, _) in MESSAGE_IDS {
        let explained = format!(".TP\n.B {}\n", name.replace('-', "\\-"));
        assert!(page.contains(&explained), "{name} is not explained");
    }
    // The ids of the examples.
    let ids = page.split("MESSAGE_ID=").skip(1).map(|rest| &rest[..32]);
    assert_eq!(ids.filter(|id| !MESSAGE_IDS.iter().any(|(_, known)| known == id)).count(), 0);
}

/// A health that has something everywhere.
fn full() -> HealthReport {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let text = || Some("x".to_owned());
    HealthReport {
        healthy: false,
        problems: vec!["x".to_owned()],
        notes: vec!["x".to_owned()],
        version: "x".to_owned(),
        pid: 1,
        started_at: at,
        memory: 1,
        connection: ConnectionHealth {
            state: LinkState::Connected,
            since: at,
            next_try_at: Some(at),
            last_frame_at: Some(at),
            reconnects: 1,
            last_error: text(),
            turned_away_at: Some(at),
        },
        api: ApiHealth {
            last_success_at: Some(at),
            last_error: Some(TroubleInfo { at, what: "x".to_owned() }),
            token_until: Some(at),
        },
        mail: MailHealth {
            last_wedged: vec![WedgedInfo { at, to: "x".to_owned(), why: "x".to_owned() }],
            ..MailHealth::default()
        },
        sessions: HealthCounts {
            processes: vec![ProcessUsage { conv_id: "c-1".into(), pid: 1, processes: 1, memory: 1 }],
            ..HealthCounts::default()
        },
        claude: ClaudeHealth {
            proof: Some(ClaudeProof { at, by: ProofSource::Turn, passed: true, took_ms: 1, why: text() }),
            ..ClaudeHealth::default()
        },
        sandbox: "off".to_owned(),
        stuck: vec![StuckTaskInfo { task: "x".to_owned(), for_ms: 1 }],
    }
}

/// The paths of all values.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let separator = if path.is_empty() { "" } else { "." };
                paths(value, &format!("{path}{separator}{name}"), found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| paths(value, &format!("{path}[]"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn every_field_of_health_is_documented_and_no_other() {
    let mut fields = BTreeSet::new();
    paths(&serde_json::to_value(full()).unwrap(), "", &mut fields);
    let page = std::fs::read_to_string(root().join("man/phonework-health.1")).unwrap();
    let section = page.split(".SH JSON\n").nth(1).expect("a section").split(".SH ").next().unwrap();
    let documented: BTreeSet<String> = section
        .split(".TP\n\\fB")
        .skip(1)
        .map(|item| item.split("\\fR").next().unwrap().to_owned())
        .collect();
    assert_eq!(documented, fields);
}
