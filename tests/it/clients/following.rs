//! `phonework tail`.

use serde_json::{Value, json};

use super::played::{Played, Said};

fn entry(second: u32, turn: &str, kind: &str, more: Value) -> Value {
    let mut entry = json!({
        "at": format!("2026-09-21T14:13:{second:02}Z"), "conv_id": "c-k3v9x2mq", "user": "ou_anna", "turn": turn,
        "kind": kind, "text": null, "cut": null, "tool": null, "failed": null, "decision": null, "by": null,
        "outcome": null, "duration_ms": null, "cost_usd": null, "count": null, "altered": false,
    });
    entry.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    entry
}

fn prompt(second: u32, turn: &str, text: &str) -> Value {
    entry(second, turn, "prompt", json!({"text": text}))
}

fn tool(second: u32, turn: &str) -> Value {
    entry(second, turn, "tool", json!({"tool": "Bash", "text": r#"{"command":"cargo test"}"#}))
}

fn end(second: u32, turn: &str, text: &str) -> [Value; 2] {
    let over = json!({"outcome": "answered", "duration_ms": 4200, "cost_usd": 0.0125});
    [entry(second, turn, "answer", json!({"text": text})), entry(second, turn, "over", over)]
}

#[test]
fn the_last_turns_are_told() {
    let daemon = Played::new(|_, _, _| {
        let [answer, over] = end(24, "a", "All tests pass.\n\n\u{1b}]0;owned\u{7}");
        vec![
            Said::More(json!({"entries": [prompt(20, "a", "Run the tests,\nplease"), tool(22, "a")]})),
            Said::Last(json!({"entries": [answer, over]})),
        ]
    });
    insta::assert_snapshot!(daemon.asked(&["tail", "-n", "3", "c-k3v9x2mq"]), @r"
    exit 0
    2026-09-21 14:13:20 c-k3v9x2mq ou_anna asks
        Run the tests,
        please
    2026-09-21 14:13:22 c-k3v9x2mq Bash
        command: cargo test
    2026-09-21 14:13:24 c-k3v9x2mq Claude answers
        All tests pass.

    2026-09-21 14:13:24 c-k3v9x2mq answered after 4.2s, $0.0125
    ");
    let printed = String::from_utf8(daemon.command(&["tail", "--json"]).output().unwrap().stdout).unwrap();
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [answer, over] = end(24, "a", "All tests pass.\n\n\u{1b}]0;owned\u{7}");
    assert_eq!(lines, [prompt(20, "a", "Run the tests,\nplease"), tool(22, "a"), answer, over]);
    assert!(!printed.contains(|c: char| c.is_control() && c != '\n'));
    let asked: Vec<Value> = daemon.calls().iter().map(|call| call["parameters"].clone()).collect();
    assert_eq!(
        asked,
        [
            json!({"conv_id": "c-k3v9x2mq", "turns": 3, "since": null, "follow": false}),
            json!({"conv_id": null, "turns": 10, "since": null, "follow": false}),
        ]
    );
}

#[test]
fn following_survives_restarts_of_the_daemon_and_tells_nothing_twice() {
    let daemon = Played::new(|connection, method, _| {
        let told = |entries: Vec<Value>| Said::More(json!({"entries": entries}));
        assert_eq!(method, "Tail");
        match connection {
            0 => vec![
                told([vec![prompt(1, "a", "first")], end(5, "a", "one").to_vec()].concat()),
                told(vec![prompt(10, "b", "second")]),
                told(vec![tool(11, "b")]),
                Said::HangsUp,
            ],
            // It told all that it knew, and left in good order.
            1 => vec![told(vec![]), Said::Last(json!({"entries": []}))],
            // It has just come.
            2 => vec![Said::Error("io.phonework.Failed", json!({"reason": "phonework is starting"}))],
            3 => vec![
                told(
                    [
                        vec![prompt(10, "b", "second"), tool(12, "b"), tool(14, "b")],
                        end(15, "b", "two").to_vec(),
                    ]
                    .concat(),
                ),
                told(vec![prompt(20, "c", "third")]),
                Said::Error("io.phonework.NoSuchSession", json!({"conv_id": "c-k3v9x2mq"})),
            ],
            more => panic!("a connection too many: {more}"),
        }
    });
    let told = daemon.asked(&["tail", "-f"]).replace(daemon.socket().to_str().unwrap(), "SOCKET");
    insta::assert_snapshot!(told, @r"
    exit 1
    2026-09-21 14:13:01 c-k3v9x2mq ou_anna asks
        first
    2026-09-21 14:13:05 c-k3v9x2mq Claude answers
        one
    2026-09-21 14:13:05 c-k3v9x2mq answered after 4.2s, $0.0125
    2026-09-21 14:13:10 c-k3v9x2mq ou_anna asks
        second
    2026-09-21 14:13:11 c-k3v9x2mq Bash
        command: cargo test
    2026-09-21 14:13:14 c-k3v9x2mq Bash
        command: cargo test
    2026-09-21 14:13:15 c-k3v9x2mq Claude answers
        two
    2026-09-21 14:13:15 c-k3v9x2mq answered after 4.2s, $0.0125
    2026-09-21 14:13:20 c-k3v9x2mq ou_anna asks
        third
    phonework: note: the daemon went away; waiting for it
    phonework: note: the daemon went away; waiting for it
    phonework: there is no open session c-k3v9x2mq; `phonework sessions` lists them
    ");
    let since: Vec<Value> = daemon.calls().iter().map(|call| call["parameters"]["since"].clone()).collect();
    assert_eq!(since.len(), 4);
    assert_eq!(since[0], Value::Null);
    assert_eq!(since[1], since[3]);
}

#[test]
fn a_session_that_nobody_knows_is_told_in_one_sentence() {
    let daemon =
        Played::new(|_, _, parameters| vec![Said::Error("io.phonework.NoSuchSession", parameters.clone())]);
    insta::assert_snapshot!(daemon.asked(&["tail", "-f", "c-1"]) + &daemon.asked(&["tail", "-n", "x"]), @r"
    exit 1
    phonework: there is no open session c-1; `phonework sessions` lists them
    exit 2
    phonework: invalid value 'x' for '-n <N>': give a number of turns; `phonework --help` shows the usage
    ");
}
