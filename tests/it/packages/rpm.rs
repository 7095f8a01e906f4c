//! The RPM, installed by rpm in this system: its own dependencies are packages that only its own family has.

use super::installed::{Installed, System};

#[tokio::test]
async fn an_rpm_starts_nothing_restarts_what_runs_when_it_is_upgraded_and_stops_it_when_it_goes() {
    let host = Installed::with_packages("rpm", System::Here).await;
    let said = host.install_by("rpm --install --nodeps").await;
    assert!(said.contains("phonework is installed, but not configured and not running. Next:"), "{said}");
    let state = "systemctl is-active phonework; systemctl is-enabled phonework; true";
    assert_eq!(host.shell(state).await, "inactive\ndisabled");

    host.configure().await;
    host.shell("systemctl enable --now phonework").await;
    host.phonework.connected_after(0).await;
    host.phonework.ask("/new --create shop", 1).await;
    host.phonework.ask("remember the red bicycle", 1).await;
    let connections = host.phonework.emulator.connections_made();
    let said = host.upgrade_by("rpm --upgrade --nodeps").await;
    assert!(!said.contains("Next:"), "{said}");
    host.phonework.connected_after(connections).await;
    let said = host.phonework.ask("recall", 1).await;
    assert!(said[0].ends_with("I remember: the red bicycle"), "{said:?}");
    assert_eq!(host.phonework.emulator.connections_made(), connections + 1);
    assert_eq!(host.shell("rpm --query --queryformat='%{RELEASE}' phonework").await, super::NEW.to_string());

    host.shell("useradd alice && ! systemctl enable --now phonework@alice").await;
    host.shell("rpm --erase phonework").await;
    host.shell("! pgrep -u phonework").await;
    let left = "find /etc /srv /run /usr /var/lib -xdev -name '*phonework*' \
                -not -path '/run/systemd/*' -not -path '/srv/phonework/*' -not -path '/var/lib/phonework/*' | sort";
    insta::assert_snapshot!(host.shell(left).await, @"
    /etc/phonework
    /srv/phonework
    /var/lib/phonework
    /var/lib/phonework-alice
    ");
}
