//! The control socket of an installed phonework, for the system's own client of such sockets and for the users of a
//! machine.

use serde_json::Value;

use super::installed::{Installed, System};

const SOCKET: &str = "/run/phonework/control.sock";

#[tokio::test]
async fn varlinkctl_lists_introspects_calls_and_follows_the_interface() {
    let host = Installed::running(System::Debian13).await;
    let listed = host.shell(&format!("varlinkctl list-interfaces {SOCKET}")).await;
    assert_eq!(listed, "io.phonework\norg.varlink.service");
    let shown = host.shell(&format!("varlinkctl introspect {SOCKET} io.phonework")).await;
    for method in ["Sessions", "Close", "Tail", "Health", "Allowed", "Allow", "Disallow"] {
        assert!(shown.contains(&format!("method {method}(")), "{shown}");
    }
    let answered = host.shell(&format!("varlinkctl call {SOCKET} io.phonework.Sessions '{{}}'")).await;
    let answered: Value = serde_json::from_str(&answered).unwrap();
    assert_eq!(answered["sessions"][0]["project"], "shop");

    let follow = "'{\"follow\": true}'";
    let following = format!(
        "systemd-run --quiet --unit=follower varlinkctl call --more --json=short --timeout=infinity \
         {SOCKET} io.phonework.Tail {follow}"
    );
    host.shell(&following).await;
    // It connects in its own time; what is said before that is among the past turns.
    host.phonework.ask("echo while somebody follows", 1).await;
    let seen = "journalctl --unit=follower --output=cat | grep '\"over\"' | grep -c answered";
    host.until(seen).await;
    host.phonework.ask("echo and still does", 1).await;
    host.until("journalctl --unit=follower --output=cat | grep -c 'and still does'").await;
}

#[tokio::test]
async fn members_of_the_group_look_and_act_and_others_do_neither_and_claude_s_processes_do_nothing() {
    let host = Installed::running(System::Debian13).await;
    host.shell("useradd --groups phonework olga && useradd otto").await;
    let by = |user: &str, line: &str| {
        format!("setpriv --reuid={user} --regid={user} --init-groups --reset-env -- {line}")
    };
    let call = format!("varlinkctl call {SOCKET} io.phonework.Sessions '{{}}'");
    let seen = host.shell(&by("olga", &call)).await;
    assert!(seen.contains("shop"), "{seen}");
    host.shell(&by("olga", "phonework allow ou_0123456789abcdef0123456789abcdef")).await;
    let refused = host.shell(&format!("! {}", by("otto", &call))).await;
    assert!(refused.contains("Permission denied"), "{refused}");
    let refused = host.shell(&format!("! {}", by("otto", "phonework sessions"))).await;
    assert!(refused.contains("may not connect to /run/phonework/control.sock; join the group"), "{refused}");
    for command in [call.as_str(), "phonework allow --json", "phonework close --all"] {
        host.phonework.ask(&format!("run {command} 2>&1"), 1).await;
        let refused = host.phonework.ask("/approve", 1).await;
        assert!(
            refused[0].contains("a process that Claude Code started may not use the control socket"),
            "{refused:?}"
        );
    }
}
