//! The daemon as a service of a real systemd.

use serde_json::json;

use crate::support::phonework::{Phonework, until};
use crate::support::systemd::SystemdBox;

/// A service as `systemctl enable phonework` has it, with a phonework whose agent is the practice agent.
async fn service() -> (Phonework, SystemdBox) {
    let agent = format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework"));
    let phonework = Phonework::installed(&agent, json!({})).await;
    let systemd = SystemdBox::boot(&[phonework.folder()]).await;
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
    assert!(heard[2].contains("was interrupted while this ran"), "{heard:?}");
    let left: Vec<&String> = marks.iter().filter(|mark| runs(mark)).collect();
    assert!(left.is_empty(), "{left:?} run though the next daemon speaks");
    phonework.connected_after(1).await;
    assert_eq!(phonework.ask("echo on we go", 1).await, ["on we go"]);
}
