//! Claude Code as a process: the real one, the practice agent, and shells in its place.

mod practice;
mod probe;
mod real;
mod warden;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use phonework::claude::launch::{ClaudeProgram, Conversation, Launch};
use phonework::claude::process::{ClaudeProcess, ProcessEvent, ProcessExit};
use phonework::claude::wire::{self, ContentBlock, Output, PermissionRequest, TurnResult};
use phonework::ids::ClaudeSessionId;
use phonework::sandbox::Isolation;
use phonework::sandbox::limits::ResourceLimits;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Only ends a test that hangs; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(120);

fn phonework() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_phonework"))
}

async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing happened")
}

/// A new conversation in `cwd`.
fn launch(program: ClaudeProgram, cwd: &Path) -> Launch {
    Launch {
        program,
        cwd: cwd.to_owned(),
        conversation: Conversation::New(ClaudeSessionId::random()),
        model: None,
        permission_mode: "default".to_owned(),
        rules: Vec::new(),
        trusted: false,
        env: BTreeMap::new(),
        isolation: Isolation::None,
        git_runs_programs: false,
        limits: ResourceLimits::NONE,
    }
}

/// Claude Code's arguments come after the script and mean nothing to it.
fn shell(script: &str) -> ClaudeProgram {
    ClaudeProgram { path: PathBuf::from("/bin/sh"), arguments: vec!["-c".into(), script.into()] }
}

/// A running process and its events.
struct Session {
    process: ClaudeProcess,
    events: mpsc::Receiver<ProcessEvent>,
}

impl Session {
    fn start(launch: &Launch) -> Self {
        let (process, events) = ClaudeProcess::spawn(launch, phonework()).unwrap();
        Self { process, events }
    }

    fn ask(&self, text: &str) -> Uuid {
        let uuid = Uuid::new_v4();
        self.process.send(wire::user_message(&uuid, text)).unwrap();
        uuid
    }

    async fn event(&mut self) -> ProcessEvent {
        patiently(self.events.recv()).await.expect("no event after the exit")
    }

    async fn line(&mut self) -> Output {
        match self.event().await {
            ProcessEvent::Line(output) => output,
            ProcessEvent::Exited(exit) => panic!("ended: {exit:?}"),
        }
    }

    async fn permission(&mut self) -> PermissionRequest {
        loop {
            if let Output::Permission(request) = self.line().await {
                return request;
            }
        }
    }

    /// The rest of the turn: the answer's texts and the result.
    async fn turn(&mut self) -> (Vec<String>, TurnResult) {
        let mut texts = Vec::new();
        loop {
            let line = self.line().await;
            if let Output::Result(result) = line {
                return (texts, result);
            }
            if let Output::Assistant(assistant) = line {
                texts.extend(assistant.blocks.into_iter().filter_map(|block| match block {
                    ContentBlock::Text(text) => Some(text),
                    ContentBlock::ToolUse { .. } | ContentBlock::Other => None,
                }));
            }
        }
    }

    /// The exit, which must be the last event, and the lines before it.
    async fn exit(mut self) -> (Vec<Output>, ProcessExit) {
        let mut lines = Vec::new();
        loop {
            match self.event().await {
                ProcessEvent::Line(line) => lines.push(line),
                ProcessEvent::Exited(exit) => {
                    assert_eq!(patiently(self.events.recv()).await, None);
                    assert_eq!(self.process.pid(), None);
                    return (lines, exit);
                }
            }
        }
    }
}

/// A named pipe that a process of the session holds: it tells when the process has begun, and when the last one that
/// inherited it is gone.
struct Lifeline {
    path: PathBuf,
    begun: oneshot::Receiver<()>,
    gone: oneshot::Receiver<()>,
}

impl Lifeline {
    fn new(folder: &Path) -> Self {
        let path = folder.join("lifeline");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        let ((begin, begun), (end, gone)) = (oneshot::channel(), oneshot::channel());
        let pipe = path.clone();
        // A thread of its own: opening waits for a writer, for ever if there is none.
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(std::fs::File::open(pipe).unwrap());
            pipe.read_line(&mut String::new()).unwrap();
            let _ = begin.send(());
            pipe.read_to_end(&mut Vec::new()).unwrap();
            let _ = end.send(());
        });
        Self { path, begun, gone }
    }

    /// A command that holds the pipe for ever.
    fn holder(&self) -> String {
        format!("exec 3>{}; echo begun >&3; sleep 987654", self.path.display())
    }

    async fn begun(&mut self) {
        patiently(&mut self.begun).await.unwrap();
    }

    async fn gone(self) {
        patiently(self.gone).await.unwrap();
    }
}
