//! `phonework demo` as somebody meets it who has just fetched phonework: the real program, and a browser.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::browser::{BROWSER, drive};
use crate::support::messages_api::{MessagesApi, Reply};
use crate::support::phonework::PATIENCE;
use crate::support::tools::tool;

/// The last words of what the demo says before it waits for people.
const READY: &str = "Ctrl-C here ends the demo.";

/// A user's home and temporary folder, and a PATH with nothing on it but a shell.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "home", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        symlink("/bin/sh", folder.path().join("bin/sh")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn demo(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phonework"));
        command
            .arg("demo")
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", self.path("bin"))
            .env("TMPDIR", self.path("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // As a shell starts it, so that a signal can be sent to all that it has started.
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    fn temporary(&self) -> Vec<OsString> {
        std::fs::read_dir(self.path("tmp")).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    /// The processes that run with this machine's temporary folder, or with one in it.
    fn processes(&self) -> Vec<String> {
        let variable = format!("TMPDIR={}", self.path("tmp").display());
        let mut found = Vec::new();
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            if environment.split(|&byte| byte == 0).any(|entry| entry.starts_with(variable.as_bytes())) {
                let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                found.push(String::from_utf8_lossy(&command).replace('\0', " "));
            }
        }
        found
    }
}

/// A demo that has said where its page is.
struct Demo {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    said: String,
    url: String,
}

impl Demo {
    async fn start(command: &mut Command) -> Self {
        let mut child = command.args(["--port", "0"]).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = String::new();
        while !said.contains(READY) {
            let line = tokio::time::timeout(PATIENCE, stdout.next_line()).await.expect("it begins in time");
            said += &line.unwrap().expect("it says all");
            said.push('\n');
        }
        let url = said.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
        Self { child, stdout, url: url.to_owned(), said }
    }

    /// What it said, with its address as `URL`.
    fn said(&self) -> String {
        self.said.replace(&self.url, "URL")
    }

    /// Sends a signal as a terminal does, to the whole group; what the demo said after that.
    async fn end(mut self, signal: Signal) -> String {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process_group(pid, signal).unwrap();
        let mut rest = String::new();
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            rest += &line;
        }
        let ended = tokio::time::timeout(PATIENCE, self.child.wait_with_output()).await;
        let ended = ended.expect("it leaves in time").unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(0), "{stderr}");
        rest + &stderr
    }

    async fn phone(&self, path: &str, body: &Value) {
        let sent = client().post(format!("{}/phone/{path}", self.url)).json(body).send().await.unwrap();
        assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    }

    /// Waits until some phone shows these words.
    async fn shows(&self, words: &str) {
        let mut feed = client().get(format!("{}/phone/feed", self.url)).send().await.unwrap();
        let mut shown = String::new();
        let wait = async {
            while !shown.contains(words) {
                let chunk = feed.chunk().await.unwrap().expect("the feed goes on");
                shown += &String::from_utf8_lossy(&chunk);
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it is shown in time");
    }
}

fn client() -> reqwest::Client {
    // Whoever is first sets it for the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn without_claude_a_practice_agent_answers_and_the_phone_shows_the_whole_job() {
    let machine = Machine::new();
    let demo = Demo::start(&mut machine.demo()).await;
    insta::assert_snapshot!(demo.said());
    drive("tests/browser/demo.cjs", &[&demo.url, BROWSER, "practice"]).await;
    assert_eq!(demo.end(Signal::INT).await, "", "a person reads along");
    assert_eq!(machine.temporary(), [""; 0]);
}

#[tokio::test]
async fn with_claude_on_the_path_it_is_claude_who_answers() {
    let machine = Machine::new();
    let claude = tool("node_modules/@anthropic-ai/claude-code-linux-x64/claude");
    symlink(claude, machine.path("bin/claude")).unwrap();
    let api = MessagesApi::start(|asked| Reply::text(format!("hello, {}", asked.text))).await;
    let mut command = machine.demo();
    command
        .env("ANTHROPIC_BASE_URL", api.url())
        .env("ANTHROPIC_API_KEY", "dummy")
        .env("CLAUDE_CONFIG_DIR", machine.path("home/claude"));
    let demo = Demo::start(&mut command).await;
    insta::assert_snapshot!(demo.said());
    drive("tests/browser/demo.cjs", &[&demo.url, BROWSER, "real"]).await;
    demo.end(Signal::INT).await;
    assert_eq!((machine.temporary(), machine.processes()), (vec![], vec![]));
}

#[tokio::test]
async fn it_leaves_nothing_behind_when_it_ends_in_the_middle_of_a_turn() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let machine = Machine::new();
        let demo = Demo::start(&mut machine.demo()).await;
        let people: Value = serde_json::from_str(
            &client().get(format!("{}/phone/people", demo.url)).send().await.unwrap().text().await.unwrap(),
        )
        .unwrap();
        let (user, chat) = (&people["users"][0]["open_id"], &people["chats"][0]["chat_id"]);
        for text in ["run echo never", "echo never"] {
            demo.phone("say", &json!({"user": user, "chat": chat, "text": text})).await;
        }
        demo.shows("May Claude use Bash").await;
        assert_eq!(machine.processes().len(), 3, "demo, warden and agent: {:?}", machine.processes());
        assert_eq!(machine.temporary().len(), 1);

        let address = demo.url.strip_prefix("http://").unwrap().to_owned();
        demo.end(signal).await;
        assert_eq!((machine.temporary(), machine.processes()), (vec![], vec![]), "{signal:?}");
        assert!(std::net::TcpStream::connect(address).is_err(), "the port is closed");
        assert!(is_empty(&machine.path("home")), "nothing in the home");
    }
}

#[tokio::test]
async fn a_port_in_use_is_told_in_one_sentence() {
    let machine = Machine::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = machine.demo().args(["--port", &port]).output().await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap().replace(&port, "PORT");
    insta::assert_snapshot!(said);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(machine.temporary(), [""; 0]);
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}
