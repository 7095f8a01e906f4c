//! The real daemon as a process of its own, in a temporary directory, against the emulated Feishu.

mod cards;
mod people;
pub(crate) mod silence;

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use phonework::emulator::{Emulator, EmulatorOptions};
use phonework::ids::{ChatId, ConvId, OpenId};
use phonework::session;
use phonework::session::registry::{Registry, Session};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Only ends a test that hangs; nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A phonework that is installed, and mostly running.
pub(crate) struct Phonework {
    pub(crate) emulator: Emulator,
    pub(crate) anna: OpenId,
    pub(crate) ming: OpenId,
    /// Anna's chat with the bot.
    pub(crate) chat: ChatId,
    folder: TempDir,
    keyring: Value,
    /// Variables for the daemon itself.
    environment: BTreeMap<&'static str, String>,
    /// A program that the daemon is run by, and its arguments.
    wrapper: Vec<String>,
    daemon: Option<Child>,
}

impl Phonework {
    /// One whose Claude Code is the practice agent, with these keys more in its keyring.
    pub(crate) async fn practising(more: Value) -> Self {
        Self::practising_at(EmulatorOptions::default(), more).await
    }

    /// The same with a Feishu of this kind.
    pub(crate) async fn practising_at(feishu: EmulatorOptions, more: Value) -> Self {
        let mut this = Self::installed_at(feishu, &Self::practice_agent(), more).await;
        this.start().await;
        this
    }

    /// The command of the practice agent.
    pub(crate) fn practice_agent() -> String {
        format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework"))
    }

    /// One that is not started. `more` replaces keys of its keyring.
    pub(crate) async fn installed(claude: &str, more: Value) -> Self {
        Self::installed_at(EmulatorOptions::default(), claude, more).await
    }

    /// The same with a Feishu of this kind.
    pub(crate) async fn installed_at(feishu: EmulatorOptions, claude: &str, more: Value) -> Self {
        let emulator = Emulator::start(feishu).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("projects")).unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::create_dir(folder.path().join("projects/shop")).unwrap();
        let (anna, ming) = (emulator.user(0), emulator.user(1));
        let mut keyring = json!({
            "FEISHU_APP_ID": emulator.options().app_id,
            "FEISHU_APP_SECRET": emulator.options().app_secret,
            "FEISHU_DOMAIN": emulator.base_url(),
            "ALLOWED_OPEN_IDS": [anna, ming],
            "WORKING_DIR": folder.path().join("projects"),
            "CLAUDE_COMMAND": claude,
            "CLAUDE_ENV": { "CLAUDE_CONFIG_DIR": folder.path().join("claude") },
            // What plays Claude Code leaves its traces in the folder of the test.
            "SANDBOX": "off",
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            keyring[key] = value.clone();
        }
        let chat = emulator.p2p(&anna);
        let (environment, wrapper) = (BTreeMap::new(), Vec::new());
        let this = Self { emulator, anna, ming, chat, folder, keyring, environment, wrapper, daemon: None };
        this.write_keyring();
        this
    }

    /// Where all of it lies.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Where the daemon keeps its state.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Where the daemon's control socket is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// The folder that the projects lie in.
    pub(crate) fn projects(&self) -> PathBuf {
        self.folder.path().join("projects")
    }

    /// What the daemon has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Where Claude Code keeps its own things.
    pub(crate) fn claude_folder(&self) -> PathBuf {
        self.folder.path().join("claude")
    }

    /// Adds variables to Claude's environment; before the start.
    pub(crate) fn add_claude_env(&mut self, more: Value) {
        let env = self.keyring["CLAUDE_ENV"].as_object_mut().unwrap();
        env.extend(more.as_object().unwrap().clone());
        self.write_keyring();
    }

    /// Puts a number of sessions in `shop` into `sessions.json`, all asleep, shared out among all people; the last of each
    /// is active in its owner's chat. Before the start.
    pub(crate) fn sleeping(&self, sessions: usize) {
        let cwd = self.projects().join("shop").canonicalize().unwrap();
        let mut registry = Registry::default();
        for (n, user) in (0..sessions).zip(self.emulator.users().iter().cycle()) {
            let chat = self.emulator.p2p(&user.open_id);
            let session = Session::new(user.open_id.clone(), chat, cwd.clone(), jiff::Timestamp::now());
            registry.open(Session { conv_id: ConvId::from(format!("c-{n:08}")), ..session });
        }
        std::fs::DirBuilder::new().mode(0o700).create(self.state()).unwrap();
        session::file::save(&self.state().join("sessions.json"), &registry).unwrap();
    }

    /// The most memory that the daemon has held so far, in MB; its agents are not in it.
    pub(crate) fn most_memory(&self) -> u64 {
        let pid = self.daemon.as_ref().and_then(Child::id).expect("a daemon runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    fn write_keyring(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join("keyring.yaml");
        std::fs::write(&path, self.keyring.to_string()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// `phonework serve`, ready to be spawned.
    pub(crate) fn serve(&self) -> Command {
        let mut words = self.wrapper.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_phonework")]);
        let mut command = Command::new(words.next().expect("there is a program"));
        command
            .args(words)
            .arg("serve")
            .arg("--keyring")
            .arg(self.folder.path().join("keyring.yaml"))
            .arg("--state-dir")
            .arg(self.state())
            .arg("--socket")
            .arg(self.socket())
            // A shell of Claude's would read whatever this machine's user has in their profile.
            .env("HOME", self.folder.path().join("home"))
            // What the agent must never see.
            .env("FEISHU_SECRET_OF_THE_TEST", silence::NEVER_TO_BE_SEEN)
            .env("PHONEWORK_LOG", "debug")
            .env("NO_COLOR", "1")
            .envs(&self.environment)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Sets a variable in the environment of the daemon that is started next, or takes it out.
    pub(crate) fn set_env(&mut self, name: &'static str, value: Option<String>) {
        match value {
            Some(value) => self.environment.insert(name, value),
            None => self.environment.remove(name),
        };
    }

    /// The daemon's next start is by this program.
    pub(crate) fn set_wrapper(&mut self, words: &[&str]) {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Starts the daemon and waits until it is connected.
    pub(crate) async fn start(&mut self) {
        let before = self.emulator.connections_made();
        self.launch();
        self.connected_after(before).await;
    }

    /// Waits until there is a connection after this number of earlier ones.
    pub(crate) async fn connected_after(&self, before: u64) {
        let connected = self.emulator.wait_for(
            |emulator| {
                (emulator.connections_made() > before && !emulator.connections().is_empty()).then_some(())
            },
            PATIENCE,
        );
        assert!(connected.await.is_some(), "no connection\n--- log\n{}", self.log());
    }

    /// Starts the daemon with the keyring as it is now.
    pub(crate) fn launch(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        self.daemon = Some(self.serve().stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// Waits until the emulated Feishu is as wanted; the error is how the daemon ended before that.
    pub(crate) async fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) -> Result<(), ExitStatus> {
        if !self.seen(is, PATIENCE).await? {
            let heard: Vec<_> =
                self.emulator.chats().iter().flat_map(|chat| self.heard(&chat.chat_id)).collect();
            panic!("{what} did not happen: {heard:#?}\n--- log\n{}", self.log());
        }
        Ok(())
    }

    /// Whether the emulated Feishu is as wanted within this time; the error is how the daemon ended before that.
    pub(crate) async fn seen(
        &mut self,
        is: impl Fn(&Self) -> bool,
        within: Duration,
    ) -> Result<bool, ExitStatus> {
        let mut daemon = self.daemon.take().expect("a daemon runs");
        let seen = tokio::select! {
            status = daemon.wait() => return Err(status.unwrap()),
            seen = self.emulator.wait_for(|_| is(self).then_some(()), within) => seen,
        };
        self.daemon = Some(daemon);
        Ok(seen.is_some())
    }

    /// How the daemon ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.daemon.as_mut().and_then(|daemon| daemon.try_wait().unwrap())
    }

    /// Kills the daemon with SIGKILL and waits for its end.
    pub(crate) async fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("a daemon runs");
        daemon.kill().await.unwrap();
    }

    /// Writes a key of the keyring anew and has the daemon read it, as `systemctl reload` does.
    pub(crate) fn reload(&mut self, key: &str, value: Value) {
        self.configure(key, value);
        self.signal(Signal::HUP);
    }

    /// Writes a key of the keyring anew.
    pub(crate) fn configure(&mut self, key: &str, value: Value) {
        self.keyring[key] = value;
        self.write_keyring();
    }

    /// The daemon's process id.
    pub(crate) fn pid(&self) -> Pid {
        let pid = self.daemon.as_ref().and_then(Child::id).expect("a daemon runs");
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// Sends the daemon a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Claude's name for the conversation of Anna's only session.
    pub(crate) fn conversation(&self) -> String {
        let sessions = std::fs::read_to_string(self.state().join("sessions.json")).unwrap();
        let sessions: Value = serde_json::from_str(&sessions).unwrap();
        sessions["sessions"][0]["cc_session_id"].as_str().unwrap().to_owned()
    }

    /// SIGTERM, and what became of it.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let mut daemon = self.daemon.take().expect("a daemon runs");
        tokio::time::timeout(PATIENCE, daemon.wait()).await.expect("the daemon leaves").unwrap()
    }
}

impl Drop for Phonework {
    /// Whatever the test was about: its daemons' logs tell nothing that they must not, and they sent no card that Feishu
    /// does not take. Most of it would come down the ladder, where nobody who looks for words misses it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            silence::is_kept(&self.log(), &self.emulator);
            let refused = self.emulator.refused_cards();
            assert!(refused.is_empty(), "Feishu refuses these cards: {refused:#?}");
        }
    }
}

/// Looks again and again until there is what is sought: for what makes no sound when it happens.
pub(crate) async fn until<T>(mut find: impl FnMut() -> Option<T>) -> T {
    let searching = async {
        loop {
            if let Some(found) = find() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, searching).await.expect("it happens in time")
}

/// The number that a line of the log gives this field.
pub(crate) fn field(line: &str, name: &str) -> u64 {
    let value = line.split(&format!(" {name}=")).nth(1).and_then(|rest| rest.split(' ').next());
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}
