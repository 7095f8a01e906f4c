//! `phonework demo`: runs an emulated Feishu, with a phone in the browser, and a daemon that connects to it, in one
//! process. Everything it writes lies in a temporary directory that is removed when it ends.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::serve::{runtime, this_program};
use super::{DemoArgs, print_lines};
use crate::claude::launch::ClaudeProgram;
use crate::daemon::config::{ConfigHandle, KeyringOrigin};
use crate::daemon::{Daemon, signals};
use crate::emulator::{EmulatedChatKind, Emulator, EmulatorOptions};
use crate::error::Failure;
use crate::logs;
use crate::paths::{Environment, StateDir};
use crate::session::file;
use crate::session::registry::{Registry, Session};

/// The project of each person in their own chat with the bot.
const OWN_PROJECT: &str = "hello";
/// The project in the group. It has another name, so that `/list` shows which is which.
const GROUP_PROJECT: &str = "workshop";
/// Maximum wait for the bot to connect. Then the page's address is printed all the same; the page says what is wrong.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run(args: &DemoArgs, environment: &Environment) -> Result<(), Vec<Failure>> {
    demo(args, environment).map_err(|failure| vec![failure])
}

pub(super) fn emulator_alone(args: &DemoArgs) -> Result<(), Vec<Failure>> {
    let served = runtime().and_then(|runtime| {
        let emulated = runtime.block_on(crate::emulator::serve_alone(args.port));
        emulated.map_err(|error| Failure::failed(format!("the emulated Feishu ended: {error}")))
    });
    served.map_err(|failure| vec![failure])
}

fn demo(args: &DemoArgs, environment: &Environment) -> Result<(), Failure> {
    // A person is watching the terminal, so only warnings are logged.
    logs::begin(environment, "warn")?;
    let folder = tempfile::Builder::new().prefix("phonework-demo-").tempdir().map_err(unwritable)?;
    let phonework = this_program()?;
    runtime()?.block_on(async {
        let emulator =
            Emulator::start(EmulatorOptions { port: args.port, ..EmulatorOptions::default() }).await.map_err(|error| {
                let port = args.port;
                Failure::failed(format!(
                    "the phone's page cannot be served on port {port}: {error}; give another --port, or none for any that is free"
                ))
            })?;
        let (daemon, agent) = prepare(folder.path(), &emulator, &phonework, environment)?;
        let stop = CancellationToken::new();
        let remains = folder.path().to_owned();
        signals::watch(stop.clone(), move || {
            // If this fails, nobody can be told.
            let _ = std::fs::remove_dir_all(remains);
        })?;
        // The terminal was closed.
        let closed = stop.clone();
        signals::on_hangup(move || closed.cancel())?;
        // Messages written before the bot connects would be delivered only 15 s later.
        let connected =
            emulator.wait_for(|emulator| emulator.connections().first().map(drop), CONNECT_TIMEOUT);
        let mut daemon = pin!(daemon.run(stop));
        let ended = tokio::select! {
            ended = &mut daemon => ended,
            _ = connected => {
                print_lines(banner(emulator.base_url(), agent))?;
                daemon.await
            }
        };
        emulator.shutdown().await;
        ended
    })?;
    folder.close().map_err(unwritable)
}

/// Instructions for a person who sees the demo for the first time.
fn banner(url: &str, agent: &str) -> [String; 7] {
    [
        "A phone on an emulated Feishu is at",
        "",
        &format!("    {url}"),
        "",
        "Open it in a browser and write to the bot: as Anna, as Ming, or in their group with @phonework.",
        agent,
        "/help in a chat shows the commands. Ctrl-C here ends the demo.",
    ]
    .map(str::to_owned)
}

/// Writes the demo's keyring and sessions. Returns the daemon to run, and a sentence that says who answers.
fn prepare(
    folder: &Path,
    emulator: &Emulator,
    phonework: &Path,
    environment: &Environment,
) -> Result<(Daemon, &'static str), Failure> {
    let projects = folder.join("projects");
    let temporary = folder.join("tmp");
    for folder in [&projects.join(OWN_PROJECT), &projects.join(GROUP_PROJECT), &temporary] {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    let real = ClaudeProgram::find("claude", environment.get("PATH")).is_ok();
    let practice = format!("{} practice-agent", phonework.display());
    // Claude Code uses its own folder, which holds its login. Everything else an agent writes is removed with the demo.
    let written = if real {
        json!({ "TMPDIR": temporary })
    } else {
        json!({ "TMPDIR": temporary, "CLAUDE_CONFIG_DIR": folder.join("practice") })
    };
    let users: Vec<_> = emulator.users().into_iter().map(|user| user.open_id).collect();
    let path = folder.join("keyring.yaml");
    // JSON is YAML, and needs no quoting rules of our own.
    let keyring = json!({
        "FEISHU_APP_ID": emulator.options().app_id,
        "FEISHU_APP_SECRET": emulator.options().app_secret,
        "FEISHU_DOMAIN": emulator.base_url(),
        "ALLOWED_OPEN_IDS": users,
        "WORKING_DIR": projects,
        "CLAUDE_COMMAND": if real { "claude" } else { &practice },
        "CLAUDE_ENV": written,
        // The practice agent runs nothing.
        "SANDBOX": if real { "auto" } else { "off" },
    });
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(unwritable)?;
    file.write_all(keyring.to_string().as_bytes()).map_err(unwritable)?;
    let origin = KeyringOrigin { path: path.clone(), environment: environment.clone(), private: Vec::new() };
    let checked = origin.read()?;

    let state = StateDir::open(&folder.join("state"))?;
    let project =
        |name: &str| checked.workspace.project(name).map_err(|error| Failure::failed(error.to_string()));
    let sessions = sessions(emulator, &project(OWN_PROJECT)?, &project(GROUP_PROJECT)?);
    file::save(&state.path().join("sessions.json"), &sessions).map_err(unwritable)?;
    let agent = if real {
        "Claude Code answers, with your login; it keeps its own record of what is said."
    } else {
        "No `claude` is on your PATH, so a practice agent answers; it says what it can do."
    };
    let config = ConfigHandle::start(origin, checked, state.path().join("allowed.json"))?;
    let layout = super::serve::layout(environment, &state, vec![path]);
    let phonework = phonework.to_owned();
    let daemon = Daemon { config, state, control: None, phonework, layout, drain: Duration::ZERO };
    Ok((daemon, agent))
}

/// A session for each person in each of their chats.
fn sessions(emulator: &Emulator, own: &Path, group: &Path) -> Registry {
    let mut registry = Registry::default();
    for chat in emulator.chats() {
        for user in &chat.members {
            let project = match chat.kind {
                EmulatedChatKind::P2p => own,
                EmulatedChatKind::Group => group,
            };
            let (user, chat_id) = (user.clone(), chat.chat_id.clone());
            registry.open(Session::new(user, chat_id, project.to_owned(), Timestamp::now()));
        }
    }
    registry
}

fn unwritable(error: std::io::Error) -> Failure {
    Failure::failed(format!("the demo cannot write its temporary files: {error}; see TMPDIR"))
}
