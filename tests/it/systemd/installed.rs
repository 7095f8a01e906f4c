//! phonework installed on a machine with systemd, as a package installs it.

use std::path::{Path, PathBuf};

use phonework::emulator::EmulatorOptions;
use serde_json::{Value, json};

use crate::support::phonework::{PATIENCE, Phonework};
use crate::support::systemd::SystemdBox;

/// What the package ships.
pub(super) fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// A machine of its own, with the shipped units, the user, the folders and a keyring; nothing runs yet.
pub(super) struct Installed {
    /// The Feishu, its people, and the keyring to install.
    pub(super) phonework: Phonework,
    pub(super) systemd: SystemdBox,
}

impl Installed {
    /// One with these keys more in its keyring.
    pub(super) async fn new(more: Value) -> Self {
        Self::on(false, more).await
    }

    /// The same with systemd 257.
    pub(super) async fn on_debian_13(more: Value) -> Self {
        Self::on(true, more).await
    }

    async fn on(debian_13: bool, more: Value) -> Self {
        let mut keyring = json!({
            "WORKING_DIR": "/srv/phonework",
            "CLAUDE_ENV": { "CLAUDE_CONFIG_DIR": "/var/lib/phonework/home/claude" },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            keyring[key] = value.clone();
        }
        // What Feishu sends again, it sends soon.
        let feishu = EmulatorOptions::default().with_redelivery_scaled(0.02);
        let phonework = Phonework::installed_at(feishu, "/usr/bin/phonework practice-agent", keyring).await;
        let program = PathBuf::from(format!("{}:/usr/bin/phonework", env!("CARGO_BIN_EXE_phonework")));
        let shared = [phonework.folder(), shipped(), program];
        let systemd = if debian_13 {
            SystemdBox::boot_debian_13(&shared).await
        } else {
            SystemdBox::boot(&shared).await
        };
        let this = Self { phonework, systemd };
        let file = |name: &str| shipped().join(name).display().to_string();
        this.systemd.succeed(&["systemd-sysusers", &file("phonework.sysusers.conf")]).await;
        this.systemd.succeed(&["systemd-tmpfiles", "--create", &file("phonework.tmpfiles.conf")]).await;
        for unit in ["phonework.service", "phonework@.service"] {
            this.systemd.succeed(&["cp", &file(unit), "/etc/systemd/system/"]).await;
        }
        this.systemd.succeed(&["systemctl", "daemon-reload"]).await;
        let shop = ["install", "-d", "-o", "phonework", "-g", "phonework", "/srv/phonework/shop"];
        this.systemd.succeed(&shop).await;
        this.install_keyring().await;
        this
    }

    /// Puts the keyring where the unit has it.
    pub(super) async fn install_keyring(&self) {
        let keyring = self.phonework.folder().join("keyring.yaml").display().to_string();
        let place = "/etc/phonework/keyring.yaml";
        self.systemd.succeed(&["install", "-m", "0640", "-g", "phonework", &keyring, place]).await;
    }

    /// Adds a drop-in to the service.
    pub(super) async fn drop_in(&self, text: &str) {
        self.systemd.succeed(&["mkdir", "-p", "/etc/systemd/system/phonework.service.d"]).await;
        self.systemd.install_unit("phonework.service.d/test.conf", text).await;
    }

    /// Starts the service, and returns when systemd says that it has started.
    pub(super) async fn start(&self) {
        self.systemd.succeed(&["systemctl", "start", "phonework"]).await;
    }

    /// A property of the service.
    pub(super) async fn shows(&self, property: &str) -> String {
        self.systemd.succeed(&["systemctl", "show", "--value", "--property", property, "phonework"]).await
    }

    /// A property of the service, as soon as it is as wanted.
    pub(super) async fn shows_in_time(&self, property: &str, is: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let watching = async {
            loop {
                last = self.shows(property).await;
                if is(&last) {
                    return;
                }
            }
        };
        let came = tokio::time::timeout(PATIENCE, watching).await;
        assert!(came.is_ok(), "{property} is {last:?}\n{}", self.log().await);
        last
    }

    /// The lines of the journal that these arguments of `journalctl` find, as soon as there are this many.
    pub(super) async fn journal(&self, arguments: &[&str], many: usize) -> Vec<Value> {
        let command = [&["journalctl", "--output=json", "--all"], arguments].concat();
        let reading = async {
            loop {
                let text = self.systemd.succeed(&command).await;
                let lines: Vec<Value> =
                    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                if lines.len() >= many {
                    return lines;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(lines) => lines,
            Err(_) => panic!("{arguments:?} does not find {many} lines\n{}", self.log().await),
        }
    }

    /// All that the service logged.
    pub(super) async fn log(&self) -> String {
        self.systemd.succeed(&["journalctl", "--unit=phonework", "--output=short-precise"]).await
    }
}
