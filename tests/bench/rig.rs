//! A daemon to measure: in a temporary directory, against an emulated Feishu with as many people as wanted.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phonework::emulator::{Chat, EmulatedChatKind, Emulator, EmulatorOptions, User};
use phonework::ids::{ChatId, ConvId, OpenId};
use phonework::session::file;
use phonework::session::registry::{Registry, Session};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

/// Only ends a run that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) emulator: Emulator,
    pub(crate) people: Vec<(OpenId, ChatId)>,
    folder: TempDir,
    daemon: Option<Child>,
}

/// A process's memory, in kB.
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) proportional: u64,
    pub(crate) private: u64,
}

impl Rig {
    /// One that is not started. Feishu's rates are not enforced.
    pub(crate) async fn new(people: usize) -> Self {
        Self::with(people, EmulatorOptions { rate_limits: false, ..EmulatorOptions::default() }, json!({}))
            .await
    }

    /// One that is not started, with a Feishu of this kind and these keys more in its keyring.
    pub(crate) async fn with(people: usize, feishu: EmulatorOptions, keyring: Value) -> Self {
        let people: Vec<_> = (0..people)
            .map(|n| (OpenId::from(format!("ou_{n:032x}")), ChatId::from(format!("oc_{n:032x}"))))
            .collect();
        let users =
            people.iter().map(|(open_id, _)| User { open_id: open_id.clone(), name: open_id.to_string() });
        let chats = people.iter().map(|(user, chat)| Chat {
            chat_id: chat.clone(),
            kind: EmulatedChatKind::P2p,
            name: feishu.bot_name.clone(),
            members: vec![user.clone()],
        });
        let options = EmulatorOptions { users: users.collect(), chats: chats.collect(), ..feishu.clone() };
        let emulator = Emulator::start(options).await.unwrap();
        let this = Self { emulator, people, folder: tempfile::tempdir().unwrap(), daemon: None };
        this.install(&keyring);
        this
    }

    fn install(&self, more: &Value) {
        for folder in ["state", "projects", "projects/shop"] {
            fs::create_dir(self.folder.path().join(folder)).unwrap();
        }
        fs::set_permissions(self.folder.path().join("state"), Permissions::from_mode(0o700)).unwrap();
        let options = self.emulator.options();
        let mut keyring = json!({
            "FEISHU_APP_ID": options.app_id,
            "FEISHU_APP_SECRET": options.app_secret,
            "FEISHU_DOMAIN": self.emulator.base_url(),
            "ALLOWED_OPEN_IDS": self.people.iter().map(|(user, _)| user).collect::<Vec<_>>(),
            "WORKING_DIR": self.folder.path().join("projects"),
            "CLAUDE_COMMAND": format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework")),
            "CLAUDE_ENV": { "CLAUDE_CONFIG_DIR": self.folder.path().join("claude") },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            keyring[key] = value.clone();
        }
        let path = self.folder.path().join("keyring.yaml");
        fs::write(&path, keyring.to_string()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Puts so many sessions in `sessions.json`, all asleep, shared out among all people; the last of each is active.
    pub(crate) fn sleeping(&self, sessions: usize) {
        let cwd = self.folder.path().join("projects/shop").canonicalize().unwrap();
        let mut registry = Registry::default();
        for (n, (owner, chat_id)) in (0..sessions).zip(self.people.iter().cycle()) {
            let session = Session::new(owner.clone(), chat_id.clone(), cwd.clone(), Timestamp::now());
            registry.open(Session { conv_id: ConvId::from(format!("c-{n:08}")), ..session });
        }
        file::save(&self.state().join("sessions.json"), &registry).unwrap();
    }

    /// Where the daemon keeps its state.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Where all sessions work.
    pub(crate) fn shop(&self) -> PathBuf {
        self.folder.path().join("projects/shop")
    }

    /// What the daemon has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap()
    }

    /// The daemon's log.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log_file(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap()
    }

    /// Starts the daemon; how long it took until it was connected.
    pub(crate) async fn start(&mut self) -> Duration {
        let before = self.emulator.connections_made();
        let began = Instant::now();
        self.daemon = Some(self.serve().spawn().unwrap());
        let connected = |emulator: &Emulator| (emulator.connections_made() > before).then(|| began.elapsed());
        let took = self.emulator.wait_for(connected, PATIENCE).await;
        took.unwrap_or_else(|| panic!("no connection\n{}", self.log()))
    }

    /// Starts the daemon as systemd does; how long it took until it said that it is ready.
    pub(crate) async fn start_as_a_service(&mut self) -> Duration {
        let place = self.folder.path().join("notify");
        let _ = fs::remove_file(&place);
        let notified = UnixDatagram::bind(&place).unwrap();
        let began = Instant::now();
        self.daemon = Some(self.serve().env("NOTIFY_SOCKET", &place).spawn().unwrap());
        let mut said = vec![0; 4096];
        let ready = async {
            loop {
                let many = notified.recv(&mut said).await.unwrap();
                if said[..many].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                    return began.elapsed();
                }
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("the daemon is ready")
    }

    /// A client of the daemon.
    pub(crate) fn client(&self, command: &str) -> Command {
        let mut client = Command::new(env!("CARGO_BIN_EXE_phonework"));
        client.arg(command).arg("--socket").arg(self.folder.path().join("control.sock"));
        client
    }

    fn serve(&self) -> Command {
        let mut daemon = Command::new(env!("CARGO_BIN_EXE_phonework"));
        daemon
            .arg("serve")
            .arg("--keyring")
            .arg(self.folder.path().join("keyring.yaml"))
            .arg("--state-dir")
            .arg(self.state())
            .arg("--socket")
            .arg(self.folder.path().join("control.sock"))
            .stdin(Stdio::null())
            .stdout(self.log_file())
            .stderr(self.log_file())
            .kill_on_drop(true);
        daemon
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.daemon.take().unwrap().kill().await.unwrap();
    }

    /// `kill -9`, and away with what it has kept.
    pub(crate) async fn end(&mut self) {
        self.kill().await;
        for suffix in ["", "-wal", "-shm"] {
            // The files beside the database are not always there.
            let _ = fs::remove_file(self.state().join(format!("mail.db{suffix}")));
        }
    }

    /// SIGTERM, and what became of it.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let mut daemon = self.daemon.take().unwrap();
        tokio::time::timeout(PATIENCE, daemon.wait()).await.expect("the daemon leaves").unwrap()
    }

    /// The daemon.
    pub(crate) fn pid(&self) -> Pid {
        let pid = self.daemon.as_ref().and_then(Child::id).unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// What the daemon holds of memory; its agents are not in it.
    pub(crate) fn memory(&self) -> Memory {
        let pid = self.pid().as_raw_pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        Memory {
            resident: kilobytes(&status, "VmRSS:"),
            proportional: kilobytes(&rollup, "Pss:"),
            private: kilobytes(&rollup, "Private_Clean:") + kilobytes(&rollup, "Private_Dirty:"),
        }
    }
}

fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
