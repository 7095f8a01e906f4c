//! The real program as a client of the control socket: what an operator reads and what scripts get, from a daemon that
//! is played (the real one is in the other tests), from one that dies, from an older one and from none.

mod following;
pub(crate) mod played;
mod real;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use played::{Played, Said, shown};

/// This number of hours and half an hour ago: no test takes that long.
fn ago(hours: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_mins(hours * 60 + 30)
}

fn session(n: u32, state: &str, more: Value) -> Value {
    let mut session = json!({
        "number": n, "conv_id": format!("c-k3v9x2m{n}"), "user": "ou_84aad35d084aa403a838cf73ee18467",
        "chat_id": "oc_1", "project": "shop", "directory": "/srv/src/shop", "state": state, "active": n == 1,
        "last_activity_at": ago(3), "queue": 0, "running_since": null, "created_at": ago(50), "closed_at": null,
        "claude_session_id": "5b9f7a9e-6d0c-4b55-9d56-0f7d3a1b2c3d", "mode": "default", "model": null, "cost_usd": 0.25,
        // Of a later version.
        "mood": "good",
    });
    session.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    session
}

fn three_sessions() -> Vec<Said> {
    let running = json!({"running_since": ago(1), "queue": 2});
    let hostile = json!({"project": "网店/\u{1b}[2Jfront\u{9b}1m"});
    vec![
        Said::More(json!({"sessions": [session(1, "running", running), session(2, "asleep", hostile)]})),
        Said::More(json!({"sessions": []})),
        Said::Last(json!({"sessions": [session(3, "ready", json!({}))]})),
    ]
}

#[test]
fn sessions_are_a_table_for_people() {
    let daemon = Played::new(|_, _, _| three_sessions());
    insta::assert_snapshot!(daemon.asked(&["sessions", "--all"]), @r"
    exit 0
    NO  CONV_ID     USER                                PROJECT                      STATE    ACTIVITY  QUEUE  RUNNING
    1*  c-k3v9x2m1  ou_84aad35d084aa403a838cf73ee18467  shop                         running  3h        2      1h
    2   c-k3v9x2m2  ou_84aad35d084aa403a838cf73ee18467  网店/\u{1b}[2Jfront\u{9b}1m  asleep   3h        0      -
    3   c-k3v9x2m3  ou_84aad35d084aa403a838cf73ee18467  shop                         ready    3h        0      -
    ");
    assert_eq!(daemon.calls(), [json!({"method": "io.phonework.Sessions", "parameters": {"all": true}})]);
    let empty = Played::new(|_, _, _| vec![Said::Last(json!({"sessions": []}))]);
    insta::assert_snapshot!(empty.asked(&["sessions"]), @r"
    exit 0
    There are no sessions; people begin one with /new in the chat.
    ");
}

#[test]
fn sessions_are_one_json_document_for_scripts() {
    let daemon = Played::new(|_, _, _| three_sessions());
    let output = daemon.command(&["sessions", "--json"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!printed.trim_end().contains(char::is_control), "{printed:?}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let sessions = printed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions[1]["project"], "网店/\u{1b}[2Jfront\u{9b}1m");
    assert_eq!(sessions[0]["state"], "running");
}

#[test]
fn on_a_terminal_the_table_fits_and_has_colours_unless_they_are_not_wanted() {
    let daemon = Played::new(|_, _, _| three_sessions());
    let on_a_terminal = |colour: &str| {
        let line = format!("stty cols 72; {colour} exec {} sessions", env!("CARGO_BIN_EXE_phonework"));
        let mut script = daemon.command(&[]);
        script.env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").env("TERM", "xterm");
        let mut terminal = std::process::Command::new("script");
        terminal.args(["-qec", &line, "/dev/null"]).env_clear();
        terminal.envs(script.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = terminal.stdin(std::process::Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
    };
    let plain = on_a_terminal("NO_COLOR=1");
    insta::assert_snapshot!(plain, @r"
    NO  CONV_ID     USER        PROJECT    STATE    ACTIVITY  QUEUE  RUNNING
    1*  c-k3v9x2m1  ou_84aad3…  shop       running  3h        2      1h
    2   c-k3v9x2m2  ou_84aad3…  …\u{9b}1m  asleep   3h        0      -
    3   c-k3v9x2m3  ou_84aad3…  shop       ready    3h        0      -
    ");
    let coloured = on_a_terminal("");
    assert!(coloured.contains("\x1b[32mrunning\x1b[0m"), "{coloured:?}");
    let without_codes = ["1", "2", "32", "33", "0"]
        .iter()
        .fold(coloured, |text, code| text.replace(&format!("\x1b[{code}m"), ""));
    assert_eq!(without_codes, plain);
}

fn closing(_: usize, method: &str, parameters: &Value) -> Vec<Said> {
    match method {
        "Sessions" => three_sessions(),
        _ if parameters["conv_id"] == "c-k3v9x2m2" => {
            vec![Said::Error("io.phonework.NoSuchSession", parameters.clone())]
        }
        _ if parameters["conv_id"] == "c-k3v9x2m3" => {
            vec![Said::Error(
                "io.phonework.Forbidden",
                json!({"reason": "you are not in the group phonework"}),
            )]
        }
        _ => vec![Said::Last(json!({}))],
    }
}

#[test]
fn each_session_that_is_closed_or_not_is_reported() {
    let daemon = Played::new(closing);
    let said = [
        daemon.asked(&["close", "c-k3v9x2m1", "c-k3v9x2m2"]),
        daemon.asked(&["close", "c-k3v9x2m1"]),
        // The second was closed by its owner since the list was made.
        daemon.asked(&["close", "--all"]),
        daemon.asked(&["close", "--json", "c-k3v9x2m2", "c-k3v9x2m1"]),
        daemon.asked(&["close"]),
        daemon.asked(&["close", "../etc"]),
        daemon.asked(&["close", "--all", "c-k3v9x2m1"]),
        Played::new(|_, _, _| vec![Said::Last(json!({"sessions": []}))]).asked(&["close", "--all"]),
    ];
    insta::assert_snapshot!(said.concat(), @r#"
    exit 1
    c-k3v9x2m1 is closed
    phonework: there is no open session c-k3v9x2m2; `phonework sessions` lists them
    exit 0
    c-k3v9x2m1 is closed
    exit 1
    c-k3v9x2m1 is closed
    phonework: you are not in the group phonework
    exit 1
    {"closed":["c-k3v9x2m1"],"failed":[{"conv_id":"c-k3v9x2m2","why":"there is no open session c-k3v9x2m2; `phonework sessions` lists them"}]}
    phonework: there is no open session c-k3v9x2m2; `phonework sessions` lists them
    exit 2
    phonework: the following required arguments were not provided: <CONV_ID>...; `phonework close --help` shows the usage
    exit 2
    phonework: invalid value '../etc' for '[CONV_ID]...': give a CONV_ID as `phonework sessions` shows it; `phonework --help` shows the usage
    exit 2
    phonework: the argument '--all' cannot be used with '[CONV_ID]...'; `phonework close --help` shows the usage
    exit 0
    There are no open sessions.
    "#);
}

#[test]
fn who_may_talk_to_the_bot_is_listed_and_changed() {
    let daemon = Played::new(|_, method, parameters| match method {
        "Allowed" => vec![Said::Last(json!({"people": [
            {"open_id": "ou_anna", "source": "keyring", "at": null, "by": null},
            {"open_id": "ou_ming", "source": "operator", "at": "2026-09-21T14:13:20Z", "by": "root"},
        ]}))],
        "Disallow" if parameters["open_id"] == "ou_anna" => vec![Said::Error(
            "io.phonework.InKeyring",
            json!({"open_id": "ou_anna", "keyring": "/etc/phonework/keyring.yaml"}),
        )],
        "Allow" if parameters["open_id"] == "anna" => {
            vec![Said::Error("io.phonework.NoOpenId", parameters.clone())]
        }
        _ => vec![Said::Last(json!({}))],
    });
    let said = [
        daemon.asked(&["allow"]),
        daemon.asked(&["allow", "--json"]),
        daemon.asked(&["allow", "ou_lena"]),
        daemon.asked(&["allow", "ou_lena", "--json"]),
        daemon.asked(&["allow", "anna"]),
        daemon.asked(&["allow", "--remove", "ou_ming"]),
        daemon.asked(&["allow", "--remove", "ou_anna"]),
        daemon.asked(&["allow", "ou_lena", "--remove", "ou_ming"]),
        Played::new(|_, _, _| vec![Said::Last(json!({"people": []}))]).asked(&["allow"]),
    ];
    insta::assert_snapshot!(said.concat(), @r#"
    exit 0
    OPEN_ID  LET IN BY         AT                WHO DID IT
    ou_anna  ALLOWED_OPEN_IDS  -                 -
    ou_ming  phonework allow   2026-09-21 14:13  root
    exit 0
    {"people":[{"open_id":"ou_anna","source":"keyring","at":null,"by":null},{"open_id":"ou_ming","source":"operator","at":"2026-09-21T14:13:20Z","by":"root"}]}
    exit 0
    ou_lena may talk to the bot now
    exit 0
    {"open_id":"ou_lena","allowed":true}
    exit 1
    phonework: "anna" is no open_id: it begins with ou_; the bot tells it to everyone who writes to it
    exit 0
    ou_ming may not talk to the bot any more
    exit 1
    phonework: ou_anna is let in by ALLOWED_OPEN_IDS in /etc/phonework/keyring.yaml; take it out there, then reload phonework
    exit 2
    phonework: the argument '[OPEN_ID]' cannot be used with '--remove <OPEN_ID>'; `phonework allow --help` shows the usage
    exit 0
    Nobody may talk to the bot; it tells everyone who writes to it their open_id, for `phonework allow OPEN_ID`.
    "#);
}

fn health(healthy: bool) -> Value {
    let problems = if healthy { vec![] } else { vec!["Claude Code does not answer: it printed nothing"] };
    json!({
        "healthy": healthy, "problems": problems, "notes": ["ALLOWED_OPEN_IDS is empty"], "version": "0.1.0",
        "pid": 812, "started_at": ago(80), "memory": 9_310_000,
        "connection": {"state": "connected", "since": ago(80), "next_try_at": null, "last_frame_at": ago(1),
            "reconnects": 2, "last_error": "connection reset", "turned_away_at": null},
        "api": {"last_success_at": ago(1), "last_error": null, "token_until": null},
        "mail": {"answers": true, "inbox": 0, "running": 1, "oldest_inbox_at": null, "outbox": 0,
            "oldest_outbox_at": null, "wedged": 0, "last_wedged": [], "last_received_at": ago(1)},
        "sessions": {"open": 3, "live": 1, "running": 1,
            "processes": [{"conv_id": "c-k3v9x2m1", "pid": 901, "processes": 4, "memory": 412_000_000}]},
        "claude": {"command": "claude", "path": "/usr/bin/claude", "version": "2.1.330 (Claude Code)",
            "proof": {"at": ago(2), "by": "probe", "passed": healthy, "took_ms": 2400, "why": null}},
        "sandbox": "off", "stuck": [],
    })
}

#[test]
fn health_is_a_page_and_an_exit_code() {
    let well = Played::new(|_, _, _| vec![Said::Last(health(true))]);
    let ill = Played::new(|_, _, _| vec![Said::Last(health(false))]);
    insta::assert_snapshot!(well.asked(&["health", "--probe"]) + &ill.asked(&["health"]), @r"
    exit 0
    healthy
    note        ALLOWED_OPEN_IDS is empty

    daemon      phonework 0.1.0, process 812, up for 3d, 9.3 MB resident
    connection  connected for 3d, last frame 1h ago, reconnects 2
                last error: connection reset
    api         last success 1h ago, no token
    mail        inbox 0, running 1, outbox 0, refused by Feishu 0, last message 1h ago
    sessions    open 3, live 1, running 1
                c-k3v9x2m1: process 901 with 3 below it, 412.0 MB
    claude      2.1.330 (Claude Code) at /usr/bin/claude
                answered `claude -p ping` 2h ago, in 2.4s
    sandbox     off
    exit 1
    NOT healthy: Claude Code does not answer: it printed nothing
    note        ALLOWED_OPEN_IDS is empty

    daemon      phonework 0.1.0, process 812, up for 3d, 9.3 MB resident
    connection  connected for 3d, last frame 1h ago, reconnects 2
                last error: connection reset
    api         last success 1h ago, no token
    mail        inbox 0, running 1, outbox 0, refused by Feishu 0, last message 1h ago
    sessions    open 3, live 1, running 1
                c-k3v9x2m1: process 901 with 3 below it, 412.0 MB
    claude      2.1.330 (Claude Code) at /usr/bin/claude
                did not answer `claude -p ping` 2h ago, after 2.4s
    sandbox     off
    ");
    assert_eq!(well.calls(), [json!({"method": "io.phonework.Health", "parameters": {"probe": true}})]);
}

#[test]
fn health_is_json_and_metrics_for_programs() {
    let ill = Played::new(|_, _, _| vec![Said::Last(health(false))]);
    let output = ill.command(&["health", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["problems"], json!(["Claude Code does not answer: it printed nothing"]));
    let metrics = ill.asked(&["health", "--prometheus"]);
    assert!(metrics.starts_with("exit 1\n# HELP phonework_up "), "{metrics}");
    assert!(metrics.contains("\nphonework_healthy 0\n"), "{metrics}");
    assert!(ill.asked(&["health", "--prometheus", "--json"]).starts_with("exit 2\nphonework: the argument"));
}

/// Each subcommand with something to do.
const ALL: [&[&str]; 7] = [
    &["sessions"],
    &["close", "c-1"],
    &["close", "--all"],
    &["tail"],
    &["tail", "-f"],
    &["health"],
    &["allow", "ou_anna"],
];

#[test]
fn without_a_daemon_one_sentence_says_how_to_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("control.sock");
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let daemon = Played::new(|_, _, _| vec![]);
    for path in [&gone, &stale] {
        let path = path.to_str().unwrap();
        let sentence = format!(
            "exit 2\nphonework: no phonework answers at {path}; start it with `systemctl start phonework`, or \
             `phonework serve` in a terminal\n"
        );
        for arguments in ALL {
            assert_eq!(daemon.asked(&[arguments, &["--socket", path]].concat()), sentence, "{arguments:?}");
        }
    }
    let metrics = daemon.asked(&["health", "--prometheus", "--socket", gone.to_str().unwrap()]);
    let metrics = metrics.replace(gone.to_str().unwrap(), "SOCKET");
    insta::assert_snapshot!(metrics, @r"
    exit 2
    # HELP phonework_up Whether the daemon answers on its control socket.
    # TYPE phonework_up gauge
    phonework_up 0
    # HELP phonework_healthy Whether all that is needed works.
    # TYPE phonework_healthy gauge
    phonework_healthy 0
    phonework: no phonework answers at SOCKET; start it with `systemctl start phonework`, or `phonework serve` in a terminal
    ");
}

#[test]
fn a_daemon_that_dies_or_talks_nonsense_is_told_in_one_sentence() {
    let mut told = String::new();
    for said in [
        vec![Said::HangsUp],
        vec![Said::More(json!({"sessions": [session(1, "ready", json!({}))]})), Said::HangsUp],
        vec![Said::Nonsense(b"no json")],
        vec![Said::Last(json!({"sessions": [{"number": 1}]}))],
        vec![Said::Error("io.phonework.Later", json!({"x": 1}))],
        vec![Said::Error("io.phonework.Failed", json!({"reason": "mail.db\u{1b}[2J does not answer"}))],
    ] {
        let daemon = Played::new(move |_, _, _| said.clone());
        told += &daemon.asked(&["sessions"]).replace(daemon.socket().to_str().unwrap(), "SOCKET");
    }
    insta::assert_snapshot!(told, @r"
    exit 1
    phonework: the daemon at SOCKET does not answer as it should: it closed the connection; see `journalctl -u phonework`
    exit 1
    phonework: the daemon at SOCKET does not answer as it should: it closed the connection; see `journalctl -u phonework`
    exit 1
    phonework: the daemon's reply to io.phonework.Sessions is not understood: expected ident at line 1 column 2; is it of another version?
    exit 1
    phonework: the daemon's reply to io.phonework.Sessions is not understood: missing field `conv_id` at line 1 column 39; is it of another version?
    exit 1
    phonework: the daemon answers io.phonework.Sessions with io.phonework.Later
    exit 1
    phonework: mail.db\u{1b}[2J does not answer
    ");
}

#[test]
fn another_version_of_the_daemon_is_told_and_not_guessed() {
    let older = Played::of_version("0.0.1", |_, method, _| match method {
        "Sessions" => vec![Said::Last(json!({"sessions": []}))],
        "Health" => vec![Said::Error("org.varlink.service.InvalidParameter", json!({"parameter": "probe"}))],
        _ => vec![Said::Error("org.varlink.service.MethodNotFound", json!({"method": "io.phonework.Allow"}))],
    });
    let said = [older.asked(&["sessions"]), older.asked(&["allow", "ou_anna"]), older.asked(&["health"])];
    insta::assert_snapshot!(said.concat().replace(env!("CARGO_PKG_VERSION"), "OWN"), @r"
    exit 0
    There are no sessions; people begin one with /new in the chat.
    phonework: note: the daemon is phonework 0.0.1, this program is OWN; `systemctl restart phonework` starts what is installed
    exit 1
    phonework: note: the daemon is phonework 0.0.1, this program is OWN; `systemctl restart phonework` starts what is installed
    phonework: the running daemon is too old for this (io.phonework.Allow); restart it with `systemctl restart phonework`
    exit 1
    phonework: note: the daemon is phonework 0.0.1, this program is OWN; `systemctl restart phonework` starts what is installed
    phonework: the running daemon is too old for this (probe of io.phonework.Health); restart it with `systemctl restart phonework`
    ");
}

#[test]
fn a_closed_pipe_is_no_error_for_a_client() {
    let daemon = Played::new(|_, method, _| match method {
        "Sessions" => three_sessions(),
        "Health" => vec![Said::Last(health(true))],
        // A sign of life, and nothing after it.
        _ => vec![Said::More(json!({"entries": []}))],
    });
    for arguments in [&["sessions"] as &[&str], &["health"], &["tail", "-f"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = daemon.command(arguments).stdout(writer).output().unwrap();
        assert_eq!(shown(&output), "exit 0\n", "{arguments:?}");
    }
}
