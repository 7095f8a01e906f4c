//! What `systemctl` says of the service is the truth.

use phonework::emulator::Outage;
use phonework::logs::events;
use serde_json::json;

use super::installed::{Installed, shipped};
use super::message_id;

#[tokio::test]
async fn a_start_returns_when_the_bot_can_be_written_to_and_the_status_tells_how_things_are() {
    let machine = Installed::new(json!({})).await;
    machine.start().await;
    assert_eq!(
        machine.shows("StatusText").await,
        "connected to Feishu; 0 sessions open, 0 running, 0 messages wait"
    );
    machine.phonework.open_shop().await;
    machine.phonework.say("hang");
    machine.phonework.say_later("echo next");
    let busy = "connected to Feishu; 1 session open, 1 running, 1 message waits";
    machine.shows_in_time("StatusText", |text| text == busy).await;
    machine.phonework.say("/stop");
    let idle = "connected to Feishu; 1 session open, 0 running, 0 messages wait";
    machine.shows_in_time("StatusText", |text| text == idle).await;
}

#[tokio::test]
async fn without_a_feishu_the_service_starts_and_says_why_it_is_not_connected() {
    let machine = Installed::new(json!({})).await;
    machine.phonework.emulator.outage(Some(Outage::Refusing));
    machine.start().await;
    let status = machine.shows("StatusText").await;
    assert!(status.starts_with("not connected to Feishu since "), "{status}");
    assert!(status.contains("refused"), "{status}");
    assert!(status.ends_with("; 0 sessions open, 0 running, 0 messages wait"), "{status}");
    let told = machine.journal(&[&message_id(events::NOT_CONNECTED)], 1).await;
    assert_eq!((told.len(), &told[0]["PRIORITY"]), (1, &json!("4")));
    machine.phonework.emulator.outage(None);
    machine.shows_in_time("StatusText", |text| text.starts_with("connected to Feishu; ")).await;
    machine.phonework.emulator.outage(Some(Outage::Refusing));
    machine.shows_in_time("StatusText", |text| text.starts_with("not connected to Feishu since ")).await;
}

#[tokio::test]
async fn without_a_keyring_the_start_fails_once_and_says_what_to_do() {
    let machine = Installed::new(json!({})).await;
    machine.systemd.succeed(&["rm", "/etc/phonework/keyring.yaml"]).await;
    assert!(!machine.systemd.run(&["systemctl", "start", "phonework"]).await.status.success());
    let shown = [machine.shows("ExecMainStatus").await, machine.shows("NRestarts").await];
    assert_eq!(
        (shown, machine.shows("ActiveState").await),
        (["78", "0"].map(str::to_owned), "failed".to_owned())
    );
    let status = machine.systemd.run(&["systemctl", "status", "phonework"]).await.stdout;
    let status = String::from_utf8_lossy(&status);
    let sentence = "there is no keyring at /etc/phonework/keyring.yaml; write one";
    assert!(status.contains(sentence), "{status}");
}

#[tokio::test]
async fn a_reload_takes_a_good_keyring_and_refuses_a_bad_one_and_the_status_says_so() {
    let mut machine = Installed::new(json!({ "LANGUAGE": "zh" })).await;
    machine.start().await;
    machine.phonework.configure("LANGUAGE", json!("tlh"));
    machine.install_keyring().await;
    machine.systemd.succeed(&["systemctl", "reload", "phonework"]).await;
    let refused = |text: &str| {
        text.contains("; the keyring is as it was before the reload of ") && text.contains("LANGUAGE")
    };
    machine.shows_in_time("StatusText", refused).await;
    let told = machine.journal(&[&message_id(events::RELOAD_REFUSED)], 1).await;
    assert_eq!((told.len(), &told[0]["PRIORITY"]), (1, &json!("3")));
    assert_eq!(machine.shows("ActiveState").await, "active");
    machine.phonework.configure("LANGUAGE", json!("en"));
    machine.install_keyring().await;
    machine.systemd.succeed(&["systemctl", "reload", "phonework"]).await;
    let taken = "connected to Feishu; 0 sessions open, 0 running, 0 messages wait";
    machine.shows_in_time("StatusText", |text| text == taken).await;
    machine.phonework.open_shop().await;
    assert_eq!(machine.shows("NRestarts").await, "0");
}

#[tokio::test]
async fn a_stop_waits_for_the_running_turn_though_it_takes_longer_than_stops_usually_may() {
    let machine = Installed::new(json!({})).await;
    machine.drop_in("[Service]\nTimeoutStopSec=1s\n").await;
    machine.start().await;
    machine.phonework.open_shop().await;
    machine.phonework.say("slow 4");
    machine.shows_in_time("StatusText", |text| text.contains(" 1 running")).await;
    machine.systemd.succeed(&["systemctl", "stop", "phonework"]).await;
    assert_eq!(machine.shows("Result").await, "success");
    let heard = machine.phonework.hear(&machine.phonework.chat, 2).await;
    assert!(heard[1].contains("practice agent"), "{heard:?}");
}

#[tokio::test]
async fn after_kill_9_systemd_brings_it_back_with_its_sessions() {
    let machine = Installed::new(json!({})).await;
    machine.start().await;
    machine.phonework.open_shop().await;
    machine.systemd.succeed(&["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "phonework"]).await;
    machine.shows_in_time("NRestarts", |restarts| restarts == "1").await;
    assert_eq!(machine.phonework.ask("echo on we go", 1).await, ["on we go"]);
    let status = machine.shows_in_time("StatusText", |text| text.starts_with("connected")).await;
    assert!(status.contains("; 1 session open, "), "{status}");
}

#[tokio::test]
async fn root_and_members_of_the_group_may_look_and_others_may_not() {
    let machine = Installed::new(json!({})).await;
    machine.start().await;
    let script = "useradd --groups phonework ada && useradd eve";
    machine.systemd.succeed(&["sh", "-c", script]).await;
    let places = ["stat", "--format=%U:%G:%a", "/run/phonework", "/run/phonework/control.sock"];
    assert_eq!(machine.systemd.succeed(&places).await, "phonework:phonework:750\nphonework:phonework:660");
    let mut looks = Vec::new();
    for user in ["root", "ada", "eve"] {
        let ids = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env"];
        let look = [&ids[..], &["phonework", "sessions"]].concat();
        let output = machine.systemd.run(&look).await;
        looks.push((user, output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let refused = "phonework: this user may not connect to /run/phonework/control.sock; join the group of that directory, \
                   or use sudo\n";
    let told = [("root", Some(0), ""), ("ada", Some(0), ""), ("eve", Some(1), refused)];
    assert_eq!(looks, told.map(|(user, code, words)| (user, code, words.to_owned())));
}

#[tokio::test]
async fn a_developers_own_service_works_as_the_developer() {
    let machine = Installed::new(json!({
        "WORKING_DIR": "/home/dev/src",
        "CLAUDE_ENV": { "CLAUDE_CONFIG_DIR": "/home/dev/claude" },
    }))
    .await;
    machine.systemd.succeed(&["useradd", "--create-home", "dev"]).await;
    machine.systemd.succeed(&["install", "-d", "-o", "dev", "/home/dev/src", "/home/dev/src/shop"]).await;
    let script = "install -d /etc/phonework/dev && mv /etc/phonework/keyring.yaml /etc/phonework/dev/ \
                  && chgrp dev /etc/phonework/dev/keyring.yaml";
    machine.systemd.succeed(&["sh", "-c", script]).await;
    machine.systemd.succeed(&["systemctl", "start", "phonework@dev"]).await;
    machine.phonework.open_shop().await;
    machine.phonework.say("run touch made && stat --format=%U:%a made");
    machine.phonework.hear(&machine.phonework.chat, 2).await;
    machine.phonework.say("/approve");
    let heard = machine.phonework.hear(&machine.phonework.chat, 3).await;
    assert!(heard[2].contains("dev:644"), "{heard:?}");
    let places = ["stat", "--format=%U:%a", "/var/lib/phonework-dev", "/run/phonework-dev"];
    assert_eq!(machine.systemd.succeed(&places).await, "dev:700\ndev:700");
    // A client finds its socket by itself.
    let own =
        ["setpriv", "--reuid=dev", "--regid=dev", "--init-groups", "--reset-env", "phonework", "sessions"];
    let sessions = machine.systemd.succeed(&own).await;
    assert!(sessions.contains("shop"), "{sessions}");
}

#[tokio::test]
async fn a_users_own_service_needs_no_root() {
    let machine = Installed::new(json!({
        "WORKING_DIR": "/home/dev/src",
        "CLAUDE_ENV": { "CLAUDE_CONFIG_DIR": "/home/dev/claude" },
    }))
    .await;
    let unit = shipped().join("user/phonework.service").display().to_string();
    let script = "useradd --create-home dev && cd /home/dev \
                  && install -D --mode=644 \"$0\" /usr/lib/systemd/user/phonework.service \
                  && install -d -o dev src src/shop .config .config/phonework \
                  && install --mode=600 -o dev /etc/phonework/keyring.yaml .config/phonework/ \
                  && systemctl start \"user@$(id -u dev)\"";
    machine.systemd.succeed(&["sh", "-c", script, &unit]).await;
    let user = "export XDG_RUNTIME_DIR=/run/user/$(id -u); cd; exec \"$@\"";
    let user =
        ["setpriv", "--reuid=dev", "--regid=dev", "--init-groups", "--reset-env", "sh", "-c", user, "sh"];
    let as_user = |command: &'static [&'static str]| [&user[..], command].concat();
    machine.systemd.succeed(&as_user(&["systemctl", "--user", "start", "phonework"])).await;
    let show = as_user(&["systemctl", "--user", "show", "--value", "--property=StatusText", "phonework"]);
    let status = machine.systemd.succeed(&show).await;
    assert!(status.starts_with("connected to Feishu; "), "{status}");
    machine.phonework.open_shop().await;
    assert_eq!(machine.phonework.ask("echo all mine", 1).await, ["all mine"]);
    let sessions = machine.systemd.succeed(&as_user(&["phonework", "sessions"])).await;
    assert!(sessions.contains("shop"), "{sessions}");
    machine.systemd.succeed(&as_user(&["test", "-s", ".local/state/phonework/sessions.json"])).await;
}
