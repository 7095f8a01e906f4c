//! A daemon to measure, in a temporary directory, with an emulated Feishu and any number of people.
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

/// Ends a run that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) emulator: Emulator,
    pub(crate) people: Vec<(OpenId, ChatId)>,
    folder: TempDir,
    daemon: Option<Child>,
}

/// The memory of a process, in kB.
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) proportional: u64,
    pub(crate) private: u64,
}

impl Rig {
    /// A daemon that is not started. Feishu does not enforce its rate limits.
    pub(crate) async fn new(people: usize) -> Self {
        Self::with(people, EmulatorOptions { rate_limits: false, ..EmulatorOptions::default() }, json!({}))
            .await
    }

    /// A daemon that is not started, with this Feishu and these additional keys in its keyring.
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
        this.write_keyring(&keyring);
        this
    }

    fn write_keyring(&self, more: &Value) {
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

    /// Writes this number of suspended sessions to `sessions.json`, spread over all people; the last of each is active.
    pub(crate) fn suspended(&self, sessions: usize) {
        let cwd = self.folder.path().join("projects/shop").canonicalize().unwrap();
        let mut registry = Registry::default();
        for (n, (owner, chat_id)) in (0..sessions).zip(self.people.iter().cycle()) {
            let session = Session::new(owner.clone(), chat_id.clone(), cwd.clone(), Timestamp::now());
            registry.open(Session { conv_id: ConvId::from(format!("c-{n:08}")), ..session });
        }
        file::save(&self.state().join("sessions.json"), &registry).unwrap();
    }

    /// The state directory of the daemon.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The project of all sessions.
    pub(crate) fn shop(&self) -> PathBuf {
        self.folder.path().join("projects/shop")
    }

    /// Everything that the daemon has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap()
    }

    /// The file that the daemon logs to.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log_file(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap()
    }

    /// Starts the daemon; the time until it is connected.
    pub(crate) async fn start(&mut self) -> Duration {
        let before = self.emulator.connections_made();
        let began = Instant::now();
        self.daemon = Some(self.serve().spawn().unwrap());
        let connected = |emulator: &Emulator| (emulator.connections_made() > before).then(|| began.elapsed());
        let took = self.emulator.wait_for(connected, PATIENCE).await;
        took.unwrap_or_else(|| panic!("no connection\n{}", self.log()))
    }

    /// Starts the daemon as systemd does; the time until it reports that it is ready.
    pub(crate) async fn start_as_a_service(&mut self) -> Duration {
        let socket = self.folder.path().join("notify");
        let _ = fs::remove_file(&socket);
        let notified = UnixDatagram::bind(&socket).unwrap();
        let began = Instant::now();
        self.daemon = Some(self.serve().env("NOTIFY_SOCKET", &socket).spawn().unwrap());
        let mut buffer = vec![0; 4096];
        let ready = async {
            loop {
                let length = notified.recv(&mut buffer).await.unwrap();
                if buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                    return began.elapsed();
                }
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("the daemon is ready")
    }

    /// A command of the client, for this daemon.
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

    /// Kills the daemon with SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.daemon.take().unwrap().kill().await.unwrap();
    }

    /// Kills the daemon with SIGKILL and removes its `mail.db`.
    pub(crate) async fn end(&mut self) {
        self.kill().await;
        for suffix in ["", "-wal", "-shm"] {
            // The files beside the database may be missing.
            let _ = fs::remove_file(self.state().join(format!("mail.db{suffix}")));
        }
    }

    /// Stops the daemon with SIGTERM; its exit status.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let mut daemon = self.daemon.take().unwrap();
        tokio::time::timeout(PATIENCE, daemon.wait()).await.expect("the daemon leaves").unwrap()
    }

    /// The process id of the running daemon.
    pub(crate) fn pid(&self) -> Pid {
        let pid = self.daemon.as_ref().and_then(Child::id).unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// The memory of the daemon, without its agents.
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
