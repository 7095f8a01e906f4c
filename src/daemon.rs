//! The composition root: which parts the daemon has, how they are connected, and in what order they start and stop.
//!
//! Start: load the state from disk (state that cannot be read ends the start and is left untouched), build what the
//! parts share, spawn the tasks, tell the users of cut turns, and only then accept new messages.
//!
//! Stop: accept no new messages, let running turns end until the deadline, end the child processes, send what is in the
//! outbox, save, and return.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::audit::writer;
use crate::chat::intake::Intake;
use crate::chat::misdelivery;
use crate::chat::router::{Router, RouterEvent, RouterLoad, RouterParts};
use crate::claude::orphans;
use crate::control::listener::Listener;
use crate::control::server;
use crate::error::Failure;
use crate::feishu::api::Api;
use crate::feishu::socket::{self, ConnectionState};
use crate::feishu::{AppCredentials, HttpClient};
use crate::mail::live_cards::LiveCards;
use crate::mail::{self, Store, Unfinished, courier};
use crate::paths::StateDir;
use crate::pulse::Pulses;
use crate::sandbox::{SandboxLayout, Sandboxes};
use crate::session::event_feed::EventFeed;
use crate::session::file::{self, Saver};
use crate::session::registry::Registry;
use crate::words::Words;

mod bot_identity;
mod claude_proof;
pub(crate) mod config;
mod control_handler;
mod feishu_transport;
mod health;
mod recovery;
mod sandbox;
pub(crate) mod signals;
mod single_instance;
pub(crate) mod systemd;
mod watchdog;

use claude_proof::ClaudeProver;
use config::{ConfigHandle, Settings};
use control_handler::ControlHandler;
use feishu_transport::FeishuTransport;
use health::HealthSources;
use recovery::RecoveredState;
use single_instance::SingleInstance;
use systemd::StatusSources;

/// Time that running turns have to end when the daemon stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Time that the outbox then has to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum duration of a stop, besides the time for running turns: 15 s for the sessions to end, 5 s each for
/// `sessions.json` and the last messages, [`FLUSH_TIMEOUT`] for the outbox, and a reserve of 10 s.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(15 + 5 + 5 + 10 + 10);
/// Maximum number of deliveries that wait between the long connection and the disk. Any more are refused, and Feishu
/// delivers them again.
const DELIVERY_CAPACITY: usize = 4096;
/// Maximum number of events that wait for the router.
const ROUTER_CAPACITY: usize = 1024;
/// Maximum time that new messages wait until what the previous run left unfinished is taken up.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of alerts that wait to be sent past the outbox.
const ALERT_CAPACITY: usize = 64;

/// Everything that a daemon needs to run.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// The configuration. Changes take effect at once, except for the keys that connect to Feishu.
    pub(crate) config: ConfigHandle,
    /// The state directory, locked.
    pub(crate) state: StateDir,
    /// The control socket; `None` for a daemon without one.
    pub(crate) control: Option<Listener>,
    /// The path of this program, which is also the warden that Claude is started through.
    pub(crate) phonework: PathBuf,
    /// What the sandbox of a session is made of, and what it must hide.
    pub(crate) layout: SandboxLayout,
    /// Time that running turns have to end when the daemon stops.
    pub(crate) drain: Duration,
}

impl Daemon {
    /// Runs until `stop` is cancelled, then shuts down.
    ///
    /// # Errors
    /// State on disk that cannot be read: exit code 78, nothing is overwritten. Another phonework on this machine with
    /// the same app: exit code 1.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        // Load.
        if let Err(error) = orphans::adopt() {
            warn!(%error, "failed to become a subreaper: processes that a killed warden leaves behind will not be found");
        }
        let settings = self.config.settings();
        let keyring = settings.borrow().keyring.clone();
        let _instance = SingleInstance::claim(&keyring.app_id, &keyring.domain).await?;
        let pulses = watchdog::pulses();
        let LoadedState { sessions, registry, store, unfinished } = load(self.state.path(), &pulses)?;
        let client = HttpClient::new().map_err(|error| Failure::failed(error.to_string()))?;

        // Build.
        let credentials =
            AppCredentials { app_id: keyring.app_id.clone(), app_secret: keyring.app_secret.clone() };
        let api = Api::new(keyring.domain.clone(), credentials.clone(), client.clone());
        let started = Timestamp::now();
        let (connection_state, connection) = watch::channel(ConnectionState::new(started));
        let (router_events, router_inbox) = mpsc::channel(ROUTER_CAPACITY);
        let shared = Shared {
            started,
            settings: settings.clone(),
            store: store.clone(),
            transport: FeishuTransport { api: api.clone(), connection, settings: settings.clone() },
            router: router_events,
            event_feed: EventFeed::default(),
            live_cards: LiveCards::default(),
            pulses: pulses.clone(),
            flush: CancellationToken::new(),
        };

        // Spawn.
        let (saver, saver_task) = Saver::start(sessions, registry.clone());
        let Unfinished { cut, waiting, unwritten, .. } = unfinished;
        let recovered = RecoveredState::new(cut, waiting, &registry, Words(keyring.language));
        let courier = shared.spawn_courier();
        // The lines of cut turns go to the audit log behind the lines that were not written.
        let unwritten = unwritten.into_iter().map(|entry| entry.conv_id).collect();
        let audit_writer = writer::run(store.clone(), unwritten, shared.flush.clone(), FLUSH_TIMEOUT);
        let audit_writer = tokio::spawn(audit_writer);
        let sandboxes = sandbox::start(settings.clone(), self.layout, self.phonework.clone()).await;
        let router =
            shared.spawn_router(router_inbox, registry, saver, self.phonework.clone(), sandboxes.clone());
        let mut recovery = tokio::spawn(recovered.take_up(store.clone(), shared.router.clone()));
        let (retry_now, retry_requests) = watch::channel(());
        let retry = tokio::spawn(retry_after_reload(settings.clone(), retry_now));
        let (alerts, alert_requests) = mpsc::channel(ALERT_CAPACITY);
        let alert_sender = tokio::spawn(feishu_transport::send_alerts(api.clone(), alert_requests));
        let (_watchdog, stuck) = watchdog::start(pulses.clone());
        let control = self.control.map(|listener| {
            let prover = ClaudeProver::start(
                settings.clone(),
                self.phonework,
                sandboxes.clone(),
                shared.event_feed.clone(),
            );
            shared.spawn_control_server(listener, self.config.clone(), prover, sandboxes)
        });
        let status = systemd::start(StatusSources {
            connection: shared.transport.connection.clone(),
            load: router.load,
            reloads: self.config.reloads(),
            stuck,
            stop: stop.clone(),
            stop_timeout: self.drain + SHUTDOWN_MARGIN,
        });
        // Unfinished messages go before new ones, unless the disk accepts no writes: then people have to be told.
        let _ = timeout(RECOVERY_TIMEOUT, &mut recovery).await;
        let (hints, watcher) = misdelivery::watcher(store.clone(), shared.transport.connection.clone());
        let misdelivery = tokio::spawn(watcher.run(api));
        let (bot, bot_id) = watch::channel(None);
        let (deliveries, delivery_inbox) = mpsc::channel(DELIVERY_CAPACITY);
        let pulse = pulses.pulse("intake");
        let intake = Intake { settings, store, bot: bot_id, router: shared.router, alerts, pulse };
        let intake = tokio::spawn(intake.run(delivery_inbox, hints));
        let bot_identity = tokio::spawn(bot_identity::learn(shared.transport, bot, stop.clone()));

        // Run.
        let domain = keyring.domain.clone();
        let connection =
            socket::run(domain, credentials, client, deliveries, connection_state, retry_requests, stop);
        pulses.pulse("connection").of(connection).await;

        // Stop.
        info!("shutting down: no new messages are accepted");
        recovery.abort();
        retry.abort();
        misdelivery.abort();
        let _ = intake.await;
        let _ = router.drain.send(Instant::now() + self.drain);
        let _ = router.task.await;
        shared.flush.cancel();
        let _ = courier.await;
        let _ = audit_writer.await;
        let _ = bot_identity.await;
        alert_sender.abort();
        let _ = saver_task.await;
        if let Some(ControlServer { task, stop }) = control {
            stop.cancel();
            let _ = task.await;
        }
        if let Some(status) = status {
            status.abort();
        }
        info!("shut down cleanly");
        Ok(())
    }
}

/// What was read from the state directory.
struct LoadedState {
    /// The path of `sessions.json`.
    sessions: PathBuf,
    registry: Registry,
    store: Store,
    unfinished: Unfinished,
}

/// Reads the state of the previous run.
///
/// # Errors
/// When a file cannot be read: exit code 78, and the file is left as it is.
fn load(state: &Path, pulses: &Pulses) -> Result<LoadedState, Failure> {
    let sessions = state.join("sessions.json");
    let mut registry = file::load(&sessions).map_err(Failure::config)?;
    let pulse = pulses.patient("mail", watchdog::DISK_PATIENCE);
    let (store, unfinished) = mail::open_watched(&state.join("mail.db"), pulse)
        .map_err(|error| Failure::config(error.to_string()))?;
    for (conv_id, at) in &unfinished.activity {
        registry.touch(conv_id, *at);
    }
    Ok(LoadedState { sessions, registry, store, unfinished })
}

/// The handles that several tasks share.
struct Shared {
    started: Timestamp,
    settings: Settings,
    store: Store,
    transport: FeishuTransport,
    router: mpsc::Sender<RouterEvent>,
    event_feed: EventFeed,
    live_cards: LiveCards,
    pulses: Pulses,
    /// Cancelled when the courier and the audit writer shall finish their work and end.
    flush: CancellationToken,
}

/// The router's task, and the channels to it that only the composition root uses.
struct RouterTask {
    task: JoinHandle<()>,
    /// Tells the router to stop; carries the deadline of the running turns.
    drain: oneshot::Sender<Instant>,
    load: watch::Receiver<RouterLoad>,
}

/// The control server's task, and the token that stops it.
struct ControlServer {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Shared {
    fn spawn_courier(&self) -> JoinHandle<()> {
        let (store, cards, transport) = (self.store.clone(), self.live_cards.clone(), self.transport.clone());
        let courier = courier::run(store, cards, transport, self.flush.clone(), FLUSH_TIMEOUT);
        tokio::spawn(self.pulses.pulse("courier").of(courier))
    }

    fn spawn_router(
        &self,
        inbox: mpsc::Receiver<RouterEvent>,
        registry: Registry,
        saver: Saver,
        phonework: PathBuf,
        sandboxes: Sandboxes,
    ) -> RouterTask {
        let (drain, drain_request) = oneshot::channel();
        let (load_sender, load) = watch::channel(RouterLoad::default());
        let parts = RouterParts {
            settings: self.settings.clone(),
            phonework,
            sandboxes,
            registry,
            saver,
            store: self.store.clone(),
            event_feed: self.event_feed.clone(),
            live_cards: self.live_cards.clone(),
            load: load_sender,
            pulse: self.pulses.pulse("router"),
        };
        let task = tokio::spawn(Router::run(parts, inbox, drain_request));
        RouterTask { task, drain, load }
    }

    fn spawn_control_server(
        &self,
        listener: Listener,
        config: ConfigHandle,
        prover: ClaudeProver,
        sandboxes: Sandboxes,
    ) -> ControlServer {
        let health = HealthSources {
            settings: self.settings.clone(),
            connection: self.transport.connection.clone(),
            api: self.transport.api.clone(),
            store: self.store.clone(),
            live_cards: self.live_cards.clone(),
            router: self.router.clone(),
            event_feed: self.event_feed.clone(),
            prover,
            sandboxes,
            pulses: self.pulses.clone(),
            started: self.started,
            last_mail: watch::Sender::default(),
        };
        let stop = CancellationToken::new();
        let server = server::run(listener, ControlHandler { config, health }, stop.clone());
        ControlServer { task: tokio::spawn(server), stop }
    }
}

/// Asks the long connection to try again at once whenever the keyring was read again: the operator may have fixed what
/// kept it from connecting.
async fn retry_after_reload(mut settings: Settings, retry_now: watch::Sender<()>) {
    while settings.changed().await.is_ok() {
        retry_now.send_replace(());
    }
}
