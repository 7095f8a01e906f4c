//! The shipped units: what systemd thinks of them, and what still works inside.

use serde_json::json;

use super::installed::{Installed, shipped};
use crate::support::systemd::SystemdBox;

/// Keys that systemd before 254 does not know, and passes over with a warning.
const NEWER: [&str; 2] = ["'RestartSteps'", "'RestartMaxDelaySec'"];

#[tokio::test]
async fn the_units_are_as_closed_as_they_shall_be() {
    score(&SystemdBox::boot(&[shipped()]).await).await;
}

#[tokio::test]
async fn the_units_are_as_closed_as_they_shall_be_on_debian_13() {
    score(&SystemdBox::boot_debian_13(&[shipped()]).await).await;
}

async fn score(systemd: &SystemdBox) {
    let mut scores = Vec::new();
    for (unit, highest) in [("phonework.service", 3.5), ("phonework@.service", 4.5)] {
        let file = shipped().join(unit).display().to_string();
        let told =
            systemd.succeed(&["systemd-analyze", "security", "--offline=yes", "--no-pager", &file]).await;
        let score = told.split("Overall exposure level for ").nth(1).and_then(|rest| rest.split(' ').nth(1));
        let score: f64 = score.and_then(|score| score.parse().ok()).unwrap_or_else(|| panic!("{told}"));
        println!("{unit}: {score}");
        if score > highest {
            scores.push(format!("{unit} has {score}, more than {highest}"));
        }
    }
    assert_eq!(scores, [""; 0]);
}

#[tokio::test]
async fn systemd_understands_every_line_of_the_units_but_for_newer_ones() {
    verify(&Installed::new(json!({})).await, &NEWER).await;
}

#[tokio::test]
async fn systemd_of_debian_13_understands_every_line_of_the_units() {
    verify(&Installed::on_debian_13(json!({})).await, &[]).await;
}

async fn verify(machine: &Installed, not_understood: &[&str]) {
    let example = shipped().join("credentials.conf").display().to_string();
    machine.systemd.succeed(&["mkdir", "-p", "/etc/systemd/system/phonework.service.d"]).await;
    machine.systemd.succeed(&["cp", &example, "/etc/systemd/system/phonework.service.d/"]).await;
    let user = shipped().join("user/phonework.service").display().to_string();
    let mut objections = Vec::new();
    for unit in ["phonework.service", "phonework@root.service", &user] {
        let output = machine.systemd.run(&["systemd-analyze", "verify", "--man=no", unit]).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = told.lines().filter(|line| line.contains("phonework"));
        let told =
            told.filter(|line| !not_understood.iter().any(|key| line.contains(key))).map(str::to_owned);
        objections.extend(told);
    }
    assert_eq!(objections, [""; 0]);
}

/// Restricts itself to the directory it is in, and tries to write in another that it could write in before.
const LANDLOCK: &str = r#"
sub call { my $result = syscall(shift, @_); die "$!" if $result < 0; $result }
my $every_right = (1 << 13) - 1;
my $rules = pack("Q", $every_right);
my $set = call(444, $rules, length $rules, 0);
my $o_path = 010000000;
sysopen(my $here, ".", $o_path) or die "$!";
my $beneath = pack("Ql", $every_right, fileno $here);
call(445, $set, 1, $beneath, 0);
open(my $before, ">", "/tmp/outside") or die "$!";
call(446, $set, 0);
open(my $inside, ">", "inside") or die "$!";
open(my $after, ">", "/tmp/outside") or print "Landlock holds\n";
"#;

/// What Claude Code's sandbox does, at the least.
const BWRAP: &str = "bwrap --unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp \
                     sh -c 'test -d /proc/self && test $(ls -d /proc/[0-9]* | wc -l) -lt 9 && echo bwrap holds'";

#[tokio::test]
async fn sandboxes_work_inside_the_services() {
    enclose(&Installed::new(json!({})).await).await;
}

#[tokio::test]
async fn sandboxes_work_inside_the_services_on_debian_13() {
    enclose(&Installed::on_debian_13(json!({})).await).await;
}

#[tokio::test]
async fn a_session_runs_in_bwrap_inside_the_service() {
    runs_in_bwrap(&Installed::new(json!({ "SANDBOX": "auto" })).await).await;
}

#[tokio::test]
async fn a_session_runs_in_bwrap_inside_the_service_on_debian_13() {
    runs_in_bwrap(&Installed::on_debian_13(json!({ "SANDBOX": "auto" })).await).await;
}

async fn runs_in_bwrap(machine: &Installed) {
    // See below.
    machine.systemd.succeed(&["mount", "-t", "proc", "proc", "/proc"]).await;
    machine.start().await;
    machine.phonework.open_shop().await;
    assert_eq!(machine.phonework.ask("echo inside", 1).await, ["inside"]);
    let output = machine.systemd.run(&["phonework", "health", "--json"]).await;
    let health: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(health["sandbox"], "bwrap", "{health:#}\n{}", machine.log().await);
}

async fn enclose(machine: &Installed) {
    machine.systemd.succeed(&["useradd", "--create-home", "dev"]).await;
    // The container's /proc has parts that are mounted over, as no machine has; the kernel lets nobody mount a /proc of
    // their own then.
    machine.systemd.succeed(&["mount", "-t", "proc", "proc", "/proc"]).await;
    let script = format!("cd \"${{STATE_DIRECTORY%%:*}}\" && {BWRAP} && perl /usr/bin/landlocked\n");
    for (name, text) in [("inside", script.as_str()), ("landlocked", LANDLOCK)] {
        let place = format!("/usr/bin/{name}");
        machine.systemd.succeed(&["sh", "-c", "printf %s \"$1\" >\"$0\"", &place, text]).await;
    }
    let other_program =
        "[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart=/bin/sh /usr/bin/inside\n";
    for (unit, folder) in [("phonework", "phonework"), ("phonework@dev", "phonework@")] {
        let folder = format!("{folder}.service.d");
        machine.systemd.succeed(&["mkdir", "-p", &format!("/etc/systemd/system/{folder}")]).await;
        machine.systemd.install_unit(&format!("{folder}/inside.conf"), other_program).await;
        // What mounts over parts of /proc stops bwrap; with systemd 252 that does not come to light in a container.
        let properties =
            "--property=ProtectKernelTunables,ProtectKernelLogs,ProtectHostname,ProtectProc,ProcSubset";
        let shown = machine.systemd.succeed(&["systemctl", "show", "--value", properties, unit]).await;
        let mut shown: Vec<_> = shown.split_whitespace().collect();
        shown.sort_unstable();
        assert_eq!(shown, ["all", "default", "no", "no", "no"], "{unit}");
        machine.systemd.run(&["systemctl", "start", unit]).await;
        let said = ["journalctl", "--output=cat", "--unit", unit];
        let said = machine.systemd.succeed(&said).await;
        let held: Vec<_> = said.lines().filter(|line| line.ends_with(" holds")).collect();
        assert_eq!(held, ["bwrap holds", "Landlock holds"], "{unit}: {said}");
    }
}
