//! A phonework in a booted system, installed from its package.

use std::path::PathBuf;
use std::time::Duration;

use phonework::emulator::EmulatorOptions;
use serde_json::{Value, json};

use super::{NEW, OLD, package};
use crate::support::phonework::{PATIENCE, Phonework};
use crate::support::systemd::SystemdBox;

/// The systems that it is installed in.
#[derive(Clone, Copy)]
pub(super) enum System {
    /// In the systemd of this machine's own distribution.
    Here,
    /// In the systemd of Debian 13.
    Debian13,
}

/// A system with the packages at hand, and a Feishu with people.
pub(super) struct Installed {
    pub(super) phonework: Phonework,
    pub(super) systemd: SystemdBox,
    old: PathBuf,
    new: PathBuf,
}

impl Installed {
    /// A system that never had a phonework.
    pub(super) async fn nowhere(system: System) -> Self {
        Self::with_packages("deb", system).await
    }

    /// The same with packages of this kind at hand.
    pub(super) async fn with_packages(kind: &str, system: System) -> Self {
        let [old, new] = [OLD, NEW].map(|revision| package(kind, revision));
        let more = json!({ "WORKING_DIR": "/srv/phonework", "CLAUDE_ENV": {} });
        // Long waits of Feishu's before it delivers again would only make the tests long.
        let feishu =
            EmulatorOptions { redelivery: vec![Duration::from_secs(1); 1000], ..EmulatorOptions::default() };
        let phonework = Phonework::installed_at(feishu, "/usr/bin/phonework practice-agent", more).await;
        let shared = [&old, &new].map(|package| package.parent().unwrap().to_owned());
        let shared = [&shared[..], &[phonework.folder()]].concat();
        let systemd = match system {
            System::Here => SystemdBox::boot(&shared).await,
            System::Debian13 => SystemdBox::boot_debian_13(&shared).await,
        };
        let this = Self { phonework, systemd, old, new };
        // Else all pages of the machine are read anew with each package.
        this.shell("rm -f /var/lib/man-db/auto-update").await;
        this
    }

    /// Installs the package with a command that gets its path; what was said.
    pub(super) async fn install_by(&self, command: &str) -> String {
        self.shell(&format!("{command} {}", self.old.display())).await
    }

    /// Installs the newer one so; what was said.
    pub(super) async fn upgrade_by(&self, command: &str) -> String {
        self.shell(&format!("{command} {}", self.new.display())).await
    }

    /// Installs the Debian package; what was said.
    pub(super) async fn install(&self) -> String {
        self.install_by("dpkg --install").await
    }

    /// Writes the keyring as an operator does.
    pub(super) async fn configure(&self) {
        let keyring = self.phonework.folder().join("keyring.yaml");
        self.shell(&format!("install -m 0640 -g phonework {} /etc/phonework/", keyring.display())).await;
    }

    /// Sets a key of the keyring and has the service read it.
    pub(super) async fn reload(&mut self, key: &str, value: Value) {
        self.phonework.configure(key, value);
        self.configure().await;
        self.shell("systemctl reload phonework").await;
    }

    /// Installs, configures and starts it.
    pub(super) async fn running(system: System) -> Self {
        let this = Self::nowhere(system).await;
        this.install().await;
        this.configure().await;
        this.shell("systemctl enable --now phonework").await;
        this.phonework.connected_after(0).await;
        let said = this.phonework.ask("/new --create shop", 1).await;
        assert!(said[0].contains("is open and active here"), "{said:?}");
        this
    }

    /// Runs a shell's line that must succeed; what it wrote, with what it complained about.
    pub(super) async fn shell(&self, line: &str) -> String {
        // Nothing asks, and nothing speaks another language.
        let line = format!("export DEBIAN_FRONTEND=noninteractive LC_ALL=C; exec 2>&1; {line}");
        self.systemd.succeed(&["sh", "-c", &line]).await
    }

    /// A property of the service.
    pub(super) async fn property(&self, name: &str) -> String {
        self.shell(&format!("systemctl show --value --property={name} phonework")).await
    }

    /// Waits until a shell's line succeeds.
    pub(super) async fn until(&self, line: &str) {
        let trying = async {
            while !self.systemd.run(&["sh", "-c", line]).await.status.success() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, trying).await.is_err() {
            panic!("{line} does not succeed:\n{}", self.journal().await);
        }
    }

    /// All lines of the service's journal.
    pub(super) async fn journal(&self) -> String {
        self.shell("journalctl --unit=phonework --output=cat --no-pager").await
    }
}
