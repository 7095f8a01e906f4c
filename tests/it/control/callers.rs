//! Who calls, and how badly.

use phonework::control::codec::MAX_REQUEST_BYTES;
use serde_json::json;
use tokio::process::Command;

use super::started;
use crate::support::phonework::{PATIENCE, Phonework};
use crate::support::tools::{run_script, source, tool};
use crate::support::varlink::Varlink;

#[tokio::test]
async fn another_varlink_client_lists_introspects_calls_and_follows() {
    let (phonework, _operator) = started().await;
    phonework.open_shop().await;
    phonework.ask("echo hello", 1).await;
    phonework.audited(1).await;
    let mut script = Command::new(tool("venv/bin/python3"));
    script.arg(source("tests/varlink/client.py")).arg(phonework.socket());
    run_script(&mut script, PATIENCE).await;
}

#[tokio::test]
async fn what_makes_no_sense_gets_an_error_where_varlink_has_one_and_then_silence() {
    let (phonework, mut operator) = started().await;
    let unknown = operator.call("Fly", json!({})).await;
    assert_eq!(unknown, Err("org.varlink.service.MethodNotFound".to_owned()));
    let wrong = operator.call("Close", json!({ "conv_id": [] })).await;
    assert_eq!(wrong, Err("org.varlink.service.InvalidParameter".to_owned()));
    // The same connection serves on.
    operator.call("Sessions", json!({})).await.unwrap();
    let no_request = json!({
        "error": "org.varlink.service.InvalidParameter",
        "parameters": { "parameter": "message" },
    });
    for nonsense in ["\0", "hello\0", "{\"method\":7}\0", "[[[[\0"] {
        let mut caller = Varlink::connect(&phonework.socket()).await;
        assert!(caller.send(nonsense.as_bytes()).await);
        assert_eq!(caller.reply().await, Some(no_request.clone()), "{nonsense:?}");
        assert_eq!(caller.reply().await, None, "{nonsense:?}");
    }
    let mut caller = Varlink::connect(&phonework.socket()).await;
    // It may be cut off before it has said all.
    caller.send(&vec![b' '; 4 * MAX_REQUEST_BYTES]).await;
    assert_eq!(caller.reply().await, Some(no_request));
    assert_eq!(caller.reply().await, None);
    operator.call("Sessions", json!({})).await.unwrap();
}

#[tokio::test]
async fn calls_that_were_sent_at_once_are_answered_in_order_and_a_oneway_call_is_not() {
    let (_phonework, mut operator) = started().await;
    let call = |method: &str, oneway: bool| {
        let request = json!({ "method": format!("io.phonework.{method}"), "oneway": oneway });
        format!("{request}\0")
    };
    let all = [call("Allowed", false), call("Sessions", true), call("Sessions", false), call("Fly", false)];
    assert!(operator.send(all.concat().as_bytes()).await);
    let mut answers = Vec::new();
    for _ in 0..3 {
        let reply = operator.reply().await.unwrap();
        answers.push(reply["parameters"].as_object().unwrap().keys().next().unwrap().clone());
    }
    assert_eq!(answers, ["people", "sessions", "method"]);
}

#[tokio::test]
async fn a_thousand_callers_who_stall_delay_neither_a_message_nor_an_operator() {
    let (phonework, _first) = started().await;
    phonework.open_shop().await;
    phonework.ask("echo hello", 1).await;
    phonework.audited(1).await;
    let mut stalling = Vec::new();
    for n in 0..1000 {
        let mut caller = Varlink::connect(&phonework.socket()).await;
        match n % 3 {
            0 => {}
            1 => {
                caller.send(b"{\"method\":").await;
            }
            // This caller sees that it is served, and takes nothing more.
            _ => {
                caller.ask_more("Tail", json!({ "follow": true })).await;
                assert!(caller.reply().await.is_some(), "{n}");
            }
        }
        stalling.push(caller);
        if n % 100 == 0 {
            assert_eq!(phonework.ask(&format!("echo {n}"), 1).await, [n.to_string()]);
        }
    }
    // All of them are still there, and as many as may be are connected.
    let mut operator = Varlink::connect(&phonework.socket()).await;
    let listed = operator.call("Sessions", json!({})).await.unwrap();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(stalling.len(), 1000);
    assert_eq!(phonework.ask("echo still here", 1).await, ["still here"]);
}

#[tokio::test]
async fn a_process_that_claude_started_is_refused_whatever_it_asks() {
    let (phonework, mut operator) = started().await;
    phonework.open_shop().await;
    let client = |arguments: &str| {
        format!("{} {arguments} --socket {}", env!("CARGO_BIN_EXE_phonework"), phonework.socket().display())
    };
    let refused = "a process that Claude Code started may not use the control socket";
    // Directly, and by a process that has left its group and lost its parents.
    for command in [
        client("sessions"),
        format!("setsid sh -c '{} & wait' 2>&1 | cat", client("allow ou_mallory")),
        client("health"),
    ] {
        phonework.ask(&format!("run {command} 2>&1"), 1).await;
        let said = phonework.ask("/approve", 1).await;
        assert!(said[0].contains(refused), "{said:?}");
    }
    let people = operator.call("Allowed", json!({})).await.unwrap();
    let ids: Vec<_> = people["people"].as_array().unwrap().iter().map(|person| &person["open_id"]).collect();
    assert!(!ids.contains(&&json!("ou_mallory")), "{ids:?}");
    // One warning a minute, however often it tries.
    phonework.logged("one more call was refused", 2).await;
    assert_eq!(phonework.lines(&["WARN", "a call of the control socket was refused"]).len(), 1);
}

#[tokio::test]
async fn what_an_operator_changes_is_in_the_log_with_who_it_was() {
    let (phonework, mut operator) = started().await;
    operator.call("Allow", json!({ "open_id": "ou_new" })).await.unwrap();
    phonework.logged("done for an operator", 1).await;
    let line = phonework.lines(&["done for an operator"]).remove(0);
    let uid = rustix::process::geteuid().as_raw();
    for word in [
        format!("peer_uid={uid}"),
        format!("peer_pid={}", std::process::id()),
        "call=\"Allow\"".to_owned(),
        "subject=\"ou_new\"".to_owned(),
    ] {
        assert!(line.contains(&word), "{line} has no {word}");
    }
}

#[tokio::test]
async fn what_an_operator_changes_is_done_and_in_the_log_also_when_he_hangs_up_at_once() {
    let (phonework, mut operator) = started().await;
    for n in 0..20 {
        let mut hasty = Varlink::connect(&phonework.socket()).await;
        let request =
            json!({ "method": "io.phonework.Allow", "parameters": { "open_id": format!("ou_{n}") } });
        assert!(hasty.send(format!("{request}\0").as_bytes()).await);
    }
    phonework.logged("done for an operator", 20).await;
    let people = operator.call("Allowed", json!({})).await.unwrap();
    assert_eq!(people["people"].as_array().unwrap().len(), 2 + 20);
}

#[cfg(feature = "crash-points")]
#[tokio::test]
async fn a_socket_that_systemd_passes_is_listened_on_and_stays() {
    let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    let passed = phonework.folder().join("passed.sock");
    let listen = format!("--listen={}", passed.display());
    phonework.set_wrapper(&["systemd-socket-activate", &listen]);
    phonework.launch();
    crate::support::phonework::until(|| passed.exists().then_some(())).await;
    let mut operator = Varlink::connect(&passed).await;
    assert_eq!(operator.call("Sessions", json!({})).await, Ok(json!({ "sessions": [] })));
    assert!(!phonework.socket().exists());
    assert!(phonework.stop().await.success());
    assert!(passed.exists());
}

#[cfg(feature = "crash-points")]
#[tokio::test]
async fn what_systemd_passes_and_is_not_one_listening_socket_is_refused() {
    // $1: what is passed, the rest: to whom.
    const PASS: &str = "import os, socket, sys
passed = {
    'two': lambda: (listening(), listening()),
    'deaf': socket.socketpair,
    'letters': lambda: (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),),
}
def listening():
    made = socket.socket(socket.AF_UNIX)
    made.bind('')
    made.listen()
    return made
sockets = passed[sys.argv[1]]()
many = 1 if sys.argv[1] == 'deaf' else len(sockets)
for n in range(many):
    high = os.dup2(sockets[n].fileno(), 100 + n)
for n in range(many):
    os.dup2(100 + n, 3 + n)
os.environ.update(LISTEN_FDS=str(many), LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])";
    for (passed, why) in [
        ("two", "there are 2"),
        ("deaf", "it does not listen"),
        ("letters", "fd 3 is not a valid unix stream socket"),
    ] {
        let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
        phonework.set_wrapper(&["python3", "-c", PASS, passed]);
        let output = phonework.serve().output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            said,
            format!(
                "phonework: what systemd passed as a socket cannot be used: {why}; the socket unit needs one \
                 ListenStream= with a path\n"
            )
        );
        assert_eq!(output.status.code(), Some(1), "{said}");
    }
}

#[tokio::test]
async fn a_second_daemon_with_the_same_socket_says_so_and_the_first_is_heard_on() {
    let (phonework, mut operator) = started().await;
    let other = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    let output = other.serve().arg("--socket").arg(phonework.socket()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "an option is given twice");
    let mut second = Command::new(env!("CARGO_BIN_EXE_phonework"));
    second.arg("serve").arg("--keyring").arg(other.folder().join("keyring.yaml"));
    second.arg("--state-dir").arg(other.state()).arg("--socket").arg(phonework.socket());
    let output = second.env("HOME", other.folder()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another phonework answers at "), "{said}");
    operator.call("Sessions", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_he_follows_is_let_go_of() {
    let (phonework, _operator) = started().await;
    let pid = phonework.pid().as_raw_pid();
    let descriptors = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let before = descriptors();
    let mut callers = Vec::new();
    for _ in 0..50 {
        let mut caller = Varlink::connect(&phonework.socket()).await;
        caller.ask_more("Tail", json!({ "follow": true })).await;
        callers.push(caller);
    }
    crate::support::phonework::until(|| (descriptors() >= before + 50).then_some(())).await;
    drop(callers);
    // A connection to Feishu may have come meanwhile.
    crate::support::phonework::until(|| (descriptors() <= before + 5).then_some(())).await;
}
