//! `phonework demo`: an emulated Feishu with a phone in the browser, and the daemon against it, in one process. All it
//! writes lies in a temporary directory that goes with it.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::serve::{runtime, this_program};
use super::{DemoArgs, say};
use crate::claude::launch::ClaudeProgram;
use crate::daemon::config::{ConfigHandle, KeyringOrigin};
use crate::daemon::{Daemon, signals};
use crate::emulator::{EmulatedChatKind, Emulator, EmulatorOptions};
use crate::error::Failure;
use crate::logs;
use crate::paths::{Environment, StateDir};
use crate::session::file;
use crate::session::registry::{Registry, Session};

/// The project that each person has to himself, and the one of the group: `/list` then tells them apart.
const OWN: &str = "hello";
const OF_THE_GROUP: &str = "workshop";
/// After so long without the bot the page is shown all the same: it says what is wrong.
const CONNECTING: Duration = Duration::from_secs(10);

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
    // A person reads along: what is as it should be is not worth a line.
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
            // There is nobody left to tell that it failed.
            let _ = std::fs::remove_dir_all(remains);
        })?;
        // The terminal is gone, and with it who looks on.
        let closed = stop.clone();
        signals::on_hangup(move || closed.cancel())?;
        // Feishu delivers what was written before the bot is there only a quarter of a minute later.
        let connected =
            emulator.wait_for(|emulator| emulator.connections().first().map(drop), CONNECTING);
        let mut daemon = pin!(daemon.run(stop));
        let ended = tokio::select! {
            ended = &mut daemon => ended,
            _ = connected => {
                say(banner(emulator.base_url(), agent))?;
                daemon.await
            }
        };
        emulator.shutdown().await;
        ended
    })?;
    folder.close().map_err(unwritable)
}

/// What to do now, for somebody who has never seen it.
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

/// Writes the demo's keyring and sessions; the daemon to run, and a sentence on who answers.
fn prepare(
    folder: &Path,
    emulator: &Emulator,
    phonework: &Path,
    environment: &Environment,
) -> Result<(Daemon, &'static str), Failure> {
    let projects = folder.join("projects");
    let temporary = folder.join("tmp");
    for folder in [&projects.join(OWN), &projects.join(OF_THE_GROUP), &temporary] {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    let real = ClaudeProgram::find("claude", environment.get("PATH")).is_ok();
    let practice = format!("{} practice-agent", phonework.display());
    // Claude Code keeps its own folder, where its login is; all else that an agent writes goes with the demo.
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
    let sessions = sessions(emulator, &project(OWN)?, &project(OF_THE_GROUP)?);
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

/// A session for each person in each of his chats.
fn sessions(emulator: &Emulator, own: &Path, of_the_group: &Path) -> Registry {
    let mut registry = Registry::default();
    for chat in emulator.chats() {
        for user in &chat.members {
            let project = match chat.kind {
                EmulatedChatKind::P2p => own,
                EmulatedChatKind::Group => of_the_group,
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
