//! Completions: the scripts, and what they complete in real shells, with the real program and a daemon that is played.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{root, up_to_date};
use crate::clients::played::{Played, Said};

/// A script as the program writes it.
fn script(shell: &str) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_phonework")).env("PHONEWORK_COMPLETE", shell).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_start().to_owned()
}

#[test]
fn the_scripts_are_those_that_the_program_writes() {
    up_to_date("completions/phonework.bash", &script("bash"));
    up_to_date("completions/phonework.fish", &script("fish"));
    // zsh reads the file when it is first needed, and shall complete then already.
    let first = "\n[[ ${funcstack[1]} != _phonework ]] || _clap_dynamic_completer_phonework \"$@\"\n";
    up_to_date("completions/_phonework", &(script("zsh").trim_end().to_owned() + first));
}

/// Two sessions, one of them closed, and two people.
fn daemon() -> Played {
    Played::new(|_, method, parameters| {
        let session = |conv_id: &str, project: &str| {
            json!({
                "number": 1, "conv_id": conv_id, "user": "ou_anna", "chat_id": "oc_1", "project": project,
                "directory": "/srv/shop", "state": "ready", "active": true, "last_activity_at": "2026-09-21T14:13:20Z",
                "queue": 0, "running_since": null, "created_at": "2026-09-21T14:13:20Z", "closed_at": null,
                "claude_session_id": "x", "mode": "default", "model": null, "cost_usd": null,
            })
        };
        let mut sessions = vec![session("c-open1", "the shop"), session("c-$(touch x)", "evil\u{1b}[2J")];
        if parameters["all"] == true {
            sessions.push(session("c-over2", "evil\u{1b}[2J\n$(touch x)"));
        }
        match method {
            "Sessions" => vec![Said::Last(json!({"sessions": sessions}))],
            "Allowed" => vec![Said::Last(json!({"people": [
                {"open_id": "ou_anna", "source": "keyring", "at": null, "by": null},
                {"open_id": "ou_ming", "source": "operator", "at": "2026-09-21T14:13:20Z", "by": "uid 0"},
            ]}))],
            other => panic!("{other} is not called for a completion"),
        }
    })
}

/// What the shell's program prints, with the program first on `PATH` and this socket.
fn run(shell: &str, arguments: &[&str], socket: &Path) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_phonework")).parent().unwrap();
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(shell)
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("HOME", home.path())
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .env("PHONEWORK_SOCKET", socket)
        .current_dir(home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(
        std::fs::read_dir(home.path())
            .unwrap()
            .filter(|it| { it.as_ref().unwrap().file_name() == "x" })
            .count(),
        0
    );
    String::from_utf8(output.stdout).unwrap()
}

fn completions(name: &str) -> PathBuf {
    root().join("completions").join(name)
}

/// What bash offers after a line, which ends with the word to be completed.
fn bash(line: &[&str], socket: &Path) -> Vec<String> {
    let words = line.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let (last, n) = (line[line.len() - 1], line.len() - 1);
    let program = format!(
        "source '{}'; COMP_WORDS=({words}); COMP_CWORD={n}; COMP_TYPE=9; \
         \"$(complete -p phonework | sed 's/.*-F \\([^ ]*\\).*/\\1/')\" phonework '{last}' '{}'; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        completions("phonework.bash").display(),
        line[n - 1]
    );
    let offered = run("bash", &["--norc", "-c", &program], socket);
    let mut offered: Vec<String> = offered.lines().map(|it| it.trim().to_owned()).collect();
    offered.retain(|word| !word.is_empty());
    offered
}

#[test]
fn bash_completes_subcommands_options_sessions_and_people() {
    let daemon = daemon();
    let socket = daemon.socket();
    assert_eq!(bash(&["phonework", "se"], &socket), ["serve", "sessions"]);
    assert_eq!(bash(&["phonework", "health", "--p"], &socket), ["--probe", "--prometheus"]);
    assert_eq!(bash(&["phonework", "close", "c-"], &socket), ["c-open1"]);
    assert_eq!(bash(&["phonework", "tail", "c-"], &socket), ["c-open1", "c-over2"]);
    assert_eq!(bash(&["phonework", "allow", "--remove", "ou"], &socket), ["ou_ming"]);
    let all = ["serve", "sessions", "close", "tail", "health", "allow", "check", "demo", "help"];
    let offered = bash(&["phonework", ""], &socket);
    assert_eq!(offered.iter().filter(|word| !word.starts_with('-')).collect::<Vec<_>>(), all);
}

#[test]
fn fish_completes_sessions_with_their_projects() {
    let daemon = daemon();
    let complete = |line: &str| {
        let program = format!("source '{}'; complete -C '{line}'", completions("phonework.fish").display());
        run("fish", &["--no-config", "-c", &program], &daemon.socket())
    };
    assert_eq!(complete("phonework tail c-"), "c-open1\tthe shop\nc-over2\tevil\\u{1b}[2J\\n$(touch x)\n");
    assert_eq!(complete("phonework allow --remove ou"), "ou_ming\n");
}

#[test]
fn zsh_gets_sessions_with_their_projects_from_the_program() {
    let daemon = daemon();
    let output = Command::new(env!("CARGO_BIN_EXE_phonework"))
        .args(["--", "phonework", "close", "c-"])
        .env("PHONEWORK_COMPLETE", "zsh")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", "2")
        .env("PHONEWORK_SOCKET", daemon.socket())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "c-open1:the shop");
}

#[test]
fn without_a_daemon_or_with_one_that_is_silent_there_is_nothing_to_complete() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    assert_eq!(bash(&["phonework", "close", "c-"], &socket), Vec::<String>::new());
    let _silent = UnixListener::bind(&socket).unwrap();
    assert_eq!(bash(&["phonework", "close", "c-"], &socket), Vec::<String>::new());
}
