//! The daemon as a service of a real systemd.

mod credentials;
mod hardening;
mod installed;
mod journal;
mod memory;
mod status;
mod watchdog;

use phonework::logs::events::MESSAGE_IDS;
use serde_json::{Value, json};

use crate::support::phonework::{PATIENCE, Phonework, until};
use crate::support::systemd::SystemdBox;

/// A service as `systemctl enable phonework` has it, with a phonework whose agent is the practice agent.
async fn service() -> (Phonework, SystemdBox) {
    let agent = format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework"));
    let phonework = Phonework::installed(&agent, json!({})).await;
    // The container's /tmp is its own.
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_phonework")).parent().unwrap().to_owned();
    let systemd = SystemdBox::boot(&[phonework.folder(), program]).await;
    let unit = format!(
        "[Service]\n\
         ExecStart={} serve --keyring {} --state-dir {}\n\
         KillMode=mixed\n\
         Restart=on-failure\n\
         RestartSec=100ms\n",
        env!("CARGO_BIN_EXE_phonework"),
        phonework.folder().join("keyring.yaml").display(),
        phonework.state().display(),
    );
    systemd.install_unit("phonework.service", &unit).await;
    systemd.succeed(&["systemctl", "start", "phonework"]).await;
    phonework.connected_after(0).await;
    (phonework, systemd)
}

/// What `journalctl` finds an event by.
fn message_id(event: &str) -> String {
    let (_, id) = MESSAGE_IDS.iter().find(|(name, _)| *name == event).unwrap();
    format!("MESSAGE_ID={id}")
}

/// The processes that have this in their command line.
fn runs(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    })
}

#[tokio::test]
async fn no_process_is_left_after_kill_9_of_the_daemon_and_of_all_its_wardens() {
    let (phonework, systemd) = service().await;
    phonework.open_shop().await;
    // One in the command's own group, and one that left it.
    let (inside, outside) = (format!("8{}", std::process::id()), format!("9{}", std::process::id()));
    phonework.ask(&format!("run setsid sleep {outside} & sleep {inside}"), 1).await;
    phonework.say("/approve");
    let marks = [format!("sleep\0{inside}"), format!("sleep\0{outside}")];
    until(|| marks.iter().all(|mark| runs(mark)).then_some(())).await;
    systemd.succeed(&["pkill", "-KILL", "--full", "phonework (serve|warden)"]).await;
    let heard = phonework.hear(&phonework.chat, 3).await;
    assert!(heard[2].contains("was interrupted while this was running"), "{heard:?}");
    // In a container, systemd may go on before who it killed is gone.
    until(|| marks.iter().all(|mark| !runs(mark)).then_some(())).await;
    phonework.connected_after(1).await;
    assert_eq!(phonework.ask("echo on we go", 1).await, ["on we go"]);
}

#[tokio::test]
async fn what_happened_in_a_session_is_found_in_the_journal_by_its_fields() {
    let (phonework, systemd) = service().await;
    phonework.open_shop().await;
    phonework.ask("echo hello", 1).await;
    let audit = phonework.audited(1).await;
    let conv_id = format!("PHONEWORK_CONV_ID={}", audit[0]["conv_id"].as_str().unwrap());
    let user = format!("PHONEWORK_USER={}", phonework.anna);
    let journal = ["journalctl", "--unit=phonework", "--output=json", &conv_id, &user];
    let written = async {
        loop {
            let lines = systemd.succeed(&journal).await;
            if lines.contains("turn ended") {
                return lines;
            }
        }
    };
    let lines = tokio::time::timeout(PATIENCE, written).await.expect("it is in the journal");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| (&line["MESSAGE"], &line["PRIORITY"])).collect();
    let (begun, over, info) = (json!("turn started"), json!("turn ended"), json!("6"));
    assert_eq!(told, [(&begun, &info), (&over, &info)]);
    assert_eq!(lines[1]["PHONEWORK_OUTCOME"], "answered");
    assert_eq!(lines[1]["SYSLOG_IDENTIFIER"], "phonework");
}
