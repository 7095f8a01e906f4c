//! An operator's whole story: from the installation to the day when nothing is left.

use serde_json::{Value, json};

use super::installed::{Installed, System};
use crate::support::phonework::silence;

#[tokio::test]
async fn an_operator_s_story_in_this_system() {
    story(System::Here).await;
}

#[tokio::test]
async fn an_operator_s_story_in_debian_13() {
    story(System::Debian13).await;
}

async fn story(system: System) {
    let mut host = Installed::nowhere(system).await;
    let before = listing(&host).await;
    installing_starts_nothing_and_says_what_is_next(&host).await;
    what_was_said_leads_to_a_bot_that_answers(&host).await;
    a_reload_takes_a_good_keyring_and_refuses_a_bad_one(&mut host).await;
    an_upgrade_restarts_it_once_and_loses_nothing(&host).await;
    after_a_reboot_it_is_there_with_its_sessions(&mut host).await;
    after_kill_9_it_comes_back(&host).await;
    a_frozen_one_is_brought_back_with_nothing_lost(&host).await;
    who_was_waiting_when_it_was_stopped_is_told(&host).await;
    removing_stops_it_and_keeps_what_is_the_operator_s(&host).await;
    purging_leaves_projects_and_their_user_and_no_more(&host).await;
    host.shell("rm -r /srv/phonework/shop").await;
    host.install().await;
    host.shell("dpkg --purge phonework").await;
    assert_eq!(listing(&host).await, before);
}

/// Whatever has to do with phonework, besides what was written about it.
async fn listing(host: &Installed) -> String {
    let people = host.shell("getent passwd phonework; getent group phonework; true").await;
    let files = "find /etc /opt /root /run /srv /usr /var -xdev -name '*phonework*' \
                 -not -path '/var/log/*' -not -path '/run/log/*' -not -path '/run/systemd/*' -not -path '/var/cache/man/*'";
    let units = "systemctl list-units --all --plain --no-legend '*phonework*'; \
                 systemctl list-unit-files --no-legend '*phonework*' || true";
    [people, host.shell(files).await, host.shell(units).await].join("\n--\n")
}

async fn installing_starts_nothing_and_says_what_is_next(host: &Installed) {
    let said = host.install().await;
    let next = said.split_once("phonework is installed").map(|(_, next)| next).unwrap_or_default();
    let next = next.split("\nProcessing").next().unwrap();
    insta::allow_duplicates! { insta::assert_snapshot!(next, @"
    , but not configured and not running. Next:
      install -m 0640 -g phonework /usr/share/phonework/keyring.yaml /etc/phonework/
      editor /etc/phonework/keyring.yaml
      sudo -u phonework -H claude    (once, to sign Claude Code in)
      sudo -u phonework phonework check --keyring /etc/phonework/keyring.yaml
      systemctl enable --now phonework
    ") }
    let state = host.shell("systemctl is-active phonework; systemctl is-enabled phonework; true").await;
    assert_eq!(state, "inactive\ndisabled");
    let modes = "stat --format='%A %U %G %n' /etc/phonework /srv/phonework /usr/share/phonework/keyring.yaml \
                 /var/lib/phonework /var/lib/phonework/home";
    let modes = host.shell(modes).await;
    insta::allow_duplicates! { insta::assert_snapshot!(modes, @"
    drwxr-xr-x root root /etc/phonework
    drwxrws--- phonework phonework /srv/phonework
    -rw------- root root /usr/share/phonework/keyring.yaml
    drwx------ phonework phonework /var/lib/phonework
    drwx------ phonework phonework /var/lib/phonework/home
    ") }
    // Whoever starts it nevertheless is told the same.
    host.shell("! systemctl start phonework").await;
    assert_eq!(host.property("ExecMainStatus").await, "78");
}

async fn what_was_said_leads_to_a_bot_that_answers(host: &Installed) {
    host.shell("install -m 0640 -g phonework /usr/share/phonework/keyring.yaml /etc/phonework/").await;
    let said = host.shell("! phonework check").await;
    assert!(said.contains("/etc/phonework/keyring.yaml") && said.contains("FEISHU_APP_ID"), "{said}");
    host.configure().await;
    let as_service = "setpriv --reuid=phonework --regid=phonework --init-groups --reset-env";
    let check = "phonework check --keyring /etc/phonework/keyring.yaml";
    let said = host.shell(&format!("{as_service} {check}")).await;
    assert!(said.starts_with("/etc/phonework/keyring.yaml is good"), "{said}");
    host.shell("systemctl enable --now phonework").await;
    host.phonework.connected_after(0).await;
    assert_eq!(host.property("ActiveState").await, "active");
    let said = host.phonework.ask("/new --create shop", 1).await;
    assert!(said[0].contains("is open and active here"), "{said:?}");
    assert_eq!(host.phonework.ask("echo hello", 1).await, ["hello"]);
    host.phonework.ask("remember the blue bicycle", 1).await;
    let conv_id = host.shell("ls /srv/phonework/shop/.phonework | sed -n 's/[.]jsonl$//p'").await;
    host.until(&format!("journalctl --unit=phonework PHONEWORK_CONV_ID={conv_id} | grep -q 'turn ended'"))
        .await;
    let listed: Value = serde_json::from_str(&host.shell("phonework sessions --json").await).unwrap();
    assert_eq!(listed["sessions"][0]["conv_id"], conv_id, "{listed}");
    let health = host.shell("phonework health").await;
    assert!(health.starts_with("healthy\n"), "{health}");
}

async fn a_reload_takes_a_good_keyring_and_refuses_a_bad_one(host: &mut Installed) {
    let pid = host.property("MainPID").await;
    host.reload("LANGUAGE", json!("zh")).await;
    let said = host.phonework.ask("/list", 1).await;
    assert!(said[0].ends_with("就绪"), "{said:?}");
    host.reload("LANGUAGE", json!("fr")).await;
    host.until("journalctl --unit=phonework --output=cat | grep -q LANGUAGE").await;
    let said = host.phonework.ask("/list", 1).await;
    assert!(said[0].ends_with("就绪"), "{said:?}");
    host.reload("LANGUAGE", json!("en")).await;
    let said = host.phonework.ask("/list", 1).await;
    assert!(said[0].ends_with("ready"), "{said:?}");
    assert_eq!(host.property("MainPID").await, pid);
}

async fn an_upgrade_restarts_it_once_and_loses_nothing(host: &Installed) {
    let connections = host.phonework.emulator.connections_made();
    // The first is at work, the second waits.
    let heard = host.phonework.heard(&host.phonework.chat).len();
    host.phonework.say("slow 1");
    host.phonework.say_later("echo that waited");
    host.upgrade_by("dpkg --install").await;
    host.phonework.connected_after(connections).await;
    let said = host
        .phonework
        .hear_until(&host.phonework.chat, |all| all[heard..].contains(&"that waited".to_owned()))
        .await;
    let said = &said[heard..];
    assert_eq!(said.iter().filter(|text| *text == "that waited").count(), 1, "{said:?}");
    assert_eq!(host.phonework.emulator.connections_made(), connections + 1);
    let version = host.shell("dpkg-query --show --showformat='${Version}' phonework").await;
    assert!(version.ends_with(&format!("-{}", super::NEW)), "{version}");
}

async fn after_a_reboot_it_is_there_with_its_sessions(host: &mut Installed) {
    let connections = host.phonework.emulator.connections_made();
    host.systemd.reboot().await;
    host.phonework.connected_after(connections).await;
    remembers(host).await;
}

async fn after_kill_9_it_comes_back(host: &Installed) {
    let connections = host.phonework.emulator.connections_made();
    host.shell("systemctl kill --kill-whom=main --signal=KILL phonework").await;
    host.phonework.connected_after(connections).await;
    remembers(host).await;
}

async fn a_frozen_one_is_brought_back_with_nothing_lost(host: &Installed) {
    // The watchdog's minute would only make the test long.
    let shorter = "[Service]\\nWatchdogSec=12s\\nTimeoutAbortSec=500ms\\n";
    let folder = "/run/systemd/system/phonework.service.d";
    host.shell(&format!("mkdir -p {folder} && printf '{shorter}' >{folder}/shorter.conf")).await;
    let connections = host.phonework.emulator.connections_made();
    host.shell("systemctl daemon-reload && systemctl restart phonework").await;
    host.phonework.connected_after(connections).await;
    let connections = host.phonework.emulator.connections_made();
    let heard = host.phonework.heard(&host.phonework.chat).len();
    host.shell("systemctl kill --kill-whom=main --signal=STOP phonework").await;
    host.phonework.say("echo while it was frozen");
    host.phonework.connected_after(connections).await;
    let again = "while it was frozen".to_owned();
    let said = host.phonework.hear_until(&host.phonework.chat, |all| all[heard..].contains(&again)).await;
    host.until("journalctl --unit=phonework --output=cat | grep -q 'Watchdog timeout'").await;
    host.shell(&format!("rm -r {folder} && systemctl daemon-reload")).await;
    assert_eq!(said[heard..].iter().filter(|text| **text == again).count(), 1, "{said:?}");
    remembers(host).await;
}

async fn who_was_waiting_when_it_was_stopped_is_told(host: &Installed) {
    let connections = host.phonework.emulator.connections_made();
    let begun = "journalctl --unit=phonework --output=cat | grep -c 'turn started'";
    let turns = host.shell(begun).await;
    host.phonework.say("slow 3600");
    host.until(&format!("test $({begun}) -gt {turns}")).await;
    host.shell("systemctl stop phonework").await;
    assert_eq!(host.property("Result").await, "success");
    host.shell("! pgrep -u phonework").await;
    let heard = host.phonework.heard(&host.phonework.chat);
    let told = "⚠\u{fe0f} phonework was shut down while this was running: “slow 3600”. /retry runs it again.";
    assert!(heard.last().unwrap().ends_with(told), "{heard:?}");
    host.shell("systemctl start phonework").await;
    host.phonework.connected_after(connections).await;
    remembers(host).await;
}

/// Whether the session still knows what it was told on the first day.
async fn remembers(host: &Installed) {
    let said = host.phonework.ask("recall", 1).await;
    assert!(said[0].ends_with("I remember: the blue bicycle"), "{said:?}");
}

async fn removing_stops_it_and_keeps_what_is_the_operator_s(host: &Installed) {
    silence::is_kept(&host.journal().await, &host.phonework.emulator);
    // Somebody's own one, which is not configured: it leaves traces all the same.
    host.shell("useradd alice && ! systemctl enable --now phonework@alice").await;
    host.shell("dpkg --remove phonework").await;
    host.shell("! pgrep -u phonework").await;
    let left = "find /etc /srv /run /var/lib -name '*phonework*' -not -path '/srv/phonework/*' -not -path '/run/systemd/*' \
                -not -path '/var/lib/dpkg/*' -not -path '*/home/*' | sort";
    let left = host.shell(left).await;
    insta::allow_duplicates! { insta::assert_snapshot!(left, @"
    /etc/phonework
    /srv/phonework
    /var/lib/phonework
    /var/lib/phonework-alice
    ") }
}

async fn purging_leaves_projects_and_their_user_and_no_more(host: &Installed) {
    let said = host.shell("dpkg --purge phonework").await;
    assert!(
        said.contains("/srv/phonework contains projects and is kept, together with the user phonework."),
        "{said}"
    );
    let owner = host.shell("stat --format=%U:%G /srv/phonework/shop").await;
    assert_eq!(owner, "phonework:phonework");
    let audit = host.shell("cat /srv/phonework/shop/.phonework/*.jsonl").await;
    let first: Value = serde_json::from_str(audit.lines().next().unwrap()).unwrap();
    assert_eq!(first["prompt"], "echo hello");
}
