//! The daemon put together: which parts there are, who talks to whom, in what order they start and stop.
//!
//! Start: lock the state directory, read what is on disk (anything unreadable ends the start there, untouched), tell
//! the users of cut turns, then connect. Stop: take no new events, let running turns end until the deadline, end the
//! children, send what is owed, save, leave.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::audit::{AuditLine, AuditRecord, writer};
use crate::backoff::Backoff;
use crate::chat::intake::Intake;
use crate::chat::misdelivery;
use crate::chat::router::{Router, RouterEvent, RouterLoad, RouterParts};
use crate::chat::show;
use crate::claude::orphans;
use crate::control::listener::Listener;
use crate::control::server;
use crate::error::Failure;
use crate::feishu::api::Api;
use crate::feishu::socket::{self, ConnectionState};
use crate::feishu::{AppCredentials, HttpClient};
use crate::ids::{OpenId, SlotId};
use crate::logs::LastingTrouble;
use crate::mail::courier::Transport as _;
use crate::mail::live_cards::LiveCards;
use crate::mail::{
    self, Mail, PastTurn, Post as Mailed, PostBody, Recipient, Settlement, Slot, Store, TurnStart, courier,
};
use crate::paths::StateDir;
use crate::sandbox::SandboxLayout;
use crate::session::event_feed::EventFeed;
use crate::session::file::{self, Saver};
use crate::words::Words;

pub mod config;
mod console;
mod feishu_transport;
mod health;
pub mod notify;
mod proof;
pub mod pulse;
mod sandbox;
pub mod signals;
mod single_instance;

use config::{ConfigHandle, Settings};
use console::ControlHandler;
use feishu_transport::FeishuTransport;
use health::HealthSources;
use notify::StatusSources;
use proof::ClaudeProver;
use single_instance::SingleInstance;

/// Running turns may take so long to end when the daemon is told to leave.
pub const DRAIN: Duration = Duration::from_secs(20);
/// The outbox may take so long to be emptied then.
const FLUSH: Duration = Duration::from_secs(10);
/// Leaving takes no longer than this and what turns are given: sessions have 15 s to end, `sessions.json` and the last
/// words 5 s each, the outbox its time.
const LEAVING: Duration = Duration::from_secs(15 + 5 + 5 + 10 + 10);
/// So many deliveries wait between the connection and the disk; more are refused, and Feishu sends them again.
const DELIVERIES: usize = 4096;
/// So many messages wait between the disk and the router.
const NEWS: usize = 1024;
/// New messages are not kept waiting for longer by what the last run left behind.
const TAKING_UP: Duration = Duration::from_secs(10);
/// The waits before Feishu is asked again who the bot is.
const RETRY: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60), jitter: 0.0 };
/// So many people at once are told past the outbox.
const ALERTS: usize = 64;

/// What the daemon runs with.
#[derive(Debug)]
pub struct Daemon {
    /// The configuration; a new one counts from then on, but for what connects to Feishu.
    pub config: ConfigHandle,
    /// Its state, locked.
    pub state: StateDir,
    /// Where operators reach it, if they do.
    pub control: Option<Listener>,
    /// This program, which Claude is started through.
    pub phonework: PathBuf,
    /// What a session's sandbox is made of, and what it must hide.
    pub layout: SandboxLayout,
    /// How long running turns may take to end when it is told to leave.
    pub drain: Duration,
}

impl Daemon {
    /// Runs until `stop`, and then until all is in order.
    ///
    /// # Errors
    /// State on disk that cannot be read: one sentence, exit code 78, nothing overwritten. Another phonework on this
    /// machine with the same app: exit code 1.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        if let Err(error) = orphans::adopt() {
            warn!(%error, "what a killed warden leaves behind will not be found");
        }
        let settings = self.config.settings();
        let keyring = settings.borrow().keyring.clone();
        let _alone = SingleInstance::claim(&keyring.app_id, &keyring.domain).await?;
        let sessions = self.state.path().join("sessions.json");
        let mut registry = file::load(&sessions).map_err(Failure::config)?;
        let pulses = pulse::pulses();
        let mail_pulse = pulses.patient("mail", pulse::PATIENCE_WITH_DISKS);
        let (store, left) = mail::open_watched(&self.state.path().join("mail.db"), mail_pulse)
            .map_err(|error| Failure::config(error.to_string()))?;
        for (conv_id, at) in &left.activity {
            registry.touched(conv_id, *at);
        }
        let client = HttpClient::new().map_err(|error| Failure::failed(error.to_string()))?;
        let (saver, saver_task) = Saver::start(sessions, registry.clone());

        // The lines of cut turns come behind what was not written.
        let unwritten = left.unwritten.into_iter().map(|entry| entry.conv_id).collect();
        let cut = left.cut.into_iter().map(|turn| {
            let session = registry.running(&turn.conv_id);
            let closed = session.is_none_or(|session| session.closed_at.is_some());
            CutTurn { project: session.map(|session| session.cwd.clone()), closed, turn }
        });
        let cut = cut.collect();

        let started = Timestamp::now();
        let credentials =
            AppCredentials { app_id: keyring.app_id.clone(), app_secret: keyring.app_secret.clone() };
        let api = Api::new(keyring.domain.clone(), credentials.clone(), client.clone());
        let flush = CancellationToken::new();
        let (state, connection) = watch::channel(ConnectionState::new(started));
        let post = FeishuTransport { api: api.clone(), connection, settings: settings.clone() };
        let (tap, stage) = (EventFeed::default(), LiveCards::default());
        let courier = courier::run(store.clone(), stage.clone(), post.clone(), flush.clone(), FLUSH);
        let courier = tokio::spawn(pulses.pulse("courier").of(courier));
        let clerk = tokio::spawn(writer::run(store.clone(), unwritten, flush.clone(), FLUSH));

        let (news, news_rx) = mpsc::channel(NEWS);
        let (leave, leave_rx) = oneshot::channel();
        let (load, load_rx) = watch::channel(RouterLoad::default());
        let sandboxes = sandbox::start(settings.clone(), self.layout, self.phonework.clone()).await;
        let parts = RouterParts {
            settings: settings.clone(),
            phonework: self.phonework.clone(),
            sandboxes: sandboxes.clone(),
            registry,
            saver,
            store: store.clone(),
            event_feed: tap.clone(),
            live_cards: stage.clone(),
            load,
            pulse: pulses.pulse("router"),
        };
        let router = tokio::spawn(Router::run(parts, news_rx, leave_rx));
        let left = RecoveredState { cut, waiting: left.waiting, words: Words(keyring.language) };
        let mut taking_up = tokio::spawn(left.take_up(store.clone(), news.clone()));

        let (bot, bot_rx) = watch::channel(None);
        let (deliveries, deliveries_rx) = mpsc::channel(DELIVERIES);
        let (hurry, hurry_rx) = watch::channel(());
        let hurrying = tokio::spawn(hurry_when_configured(settings.clone(), hurry));
        let (alerts, alerts_rx) = mpsc::channel(ALERTS);
        let alarm = tokio::spawn(feishu_transport::alert(api, alerts_rx));
        let (_watch, stuck) = pulse::watch(pulses.clone());
        let serving = self.control.map(|listener| {
            let prover =
                ClaudeProver::start(settings.clone(), self.phonework, sandboxes.clone(), tap.clone());
            let health = HealthSources {
                settings: settings.clone(),
                connection: post.connection.clone(),
                api: post.api.clone(),
                store: store.clone(),
                news: news.clone(),
                stage: stage.clone(),
                tap,
                prover,
                sandboxes,
                pulses: pulses.clone(),
                started,
                last: watch::Sender::default(),
            };
            let (console, left) =
                (ControlHandler { config: self.config.clone(), health }, CancellationToken::new());
            (tokio::spawn(server::run(listener, console, left.clone())), left)
        });
        let telling = notify::start(StatusSources {
            connection: post.connection.clone(),
            load: load_rx,
            reloads: self.config.reloads(),
            stuck,
            stop: stop.clone(),
            leaving: self.drain + LEAVING,
        });
        // What is left comes before what is new, but for a disk that does not take it: people are to be told of that.
        let _ = timeout(TAKING_UP, &mut taking_up).await;
        let (hints, watcher) = misdelivery::watcher(store.clone(), post.connection.clone());
        let watching = tokio::spawn(watcher.run(post.api.clone()));
        let pulse = pulses.pulse("intake");
        let intake = Intake { settings, store: store.clone(), bot: bot_rx, router: news, alerts, pulse };
        let intake = tokio::spawn(intake.run(deliveries_rx, hints));
        let whoami = tokio::spawn(learn_name(post, bot, stop.clone()));

        let socket =
            socket::run(keyring.domain.clone(), credentials, client, deliveries, state, hurry_rx, stop);
        pulses.pulse("connection").of(socket).await;

        info!("leaving: no new messages are taken");
        taking_up.abort();
        hurrying.abort();
        watching.abort();
        let _ = intake.await;
        let _ = leave.send(Instant::now() + self.drain);
        let _ = router.await;
        flush.cancel();
        let _ = courier.await;
        let _ = clerk.await;
        let _ = whoami.await;
        alarm.abort();
        let _ = saver_task.await;
        if let Some((serving, left)) = serving {
            left.cancel();
            let _ = serving.await;
        }
        if let Some(telling) = telling {
            telling.abort();
        }
        info!("left in good order");
        Ok(())
    }
}

/// What the last run left behind.
struct RecoveredState {
    /// Turns that ran.
    cut: Vec<CutTurn>,
    /// Messages that waited.
    waiting: Vec<Mail>,
    words: Words,
}

impl RecoveredState {
    /// Tells the users of cut turns, then gives the router what waited. A disk that takes nothing holds it up; what it
    /// does not come to is left to the next start.
    async fn take_up(self, store: Store, news: mpsc::Sender<RouterEvent>) {
        for cut in self.cut {
            cut.tell(&store, self.words).await;
        }
        if !self.waiting.is_empty() {
            info!(messages = self.waiting.len(), "messages waited for this start");
        }
        for mail in self.waiting {
            if news.send(RouterEvent::Mail(mail)).await.is_err() {
                return;
            }
        }
    }
}

/// A turn that ran when the last daemon went down.
struct CutTurn {
    turn: TurnStart,
    /// Its session's, if that is still known.
    project: Option<PathBuf>,
    /// Whether its session was closed meanwhile.
    closed: bool,
}

impl CutTurn {
    /// Tells its user, and puts it on record.
    async fn tell(self, store: &Store, words: Words) {
        let Self { turn: cut, project, closed } = self;
        info!(conv_id = %cut.conv_id, user = %cut.user, "a turn was cut when the daemon went down");
        let at = Timestamp::now();
        let line = AuditLine {
            at,
            conv_id: cut.conv_id,
            user: cut.user,
            turn: Some(cut.turn_id),
            duration_ms: u64::try_from(at.duration_since(cut.at).as_millis()).unwrap_or(0),
            prompt: cut.prompt.clone(),
            response: String::new(),
            outcome: "cut".to_owned(),
            cost_usd: None,
            tools: Vec::new(),
            approvals: Vec::new(),
        };
        let document = if closed {
            show::interrupted::session_closed(&cut.prompt, words)
        } else {
            show::interrupted::offer(&line.conv_id, cut.turn_id, &cut.prompt, words, cut.group)
        };
        // The turn's card, if it has one, says so.
        let slot = Some(Slot { id: SlotId::of_turn(cut.turn_id), fallback: None });
        let to = Recipient::Chat(cut.chat_id);
        let post = Mailed { to, reply_to: cut.reply_to, body: PostBody::Document { document, slot } };
        let settlement = Settlement {
            mails: cut.mail.into_iter().collect(),
            turn: Some((cut.turn_id, PastTurn::CUT_BY_CRASH.to_owned())),
            posts: vec![post],
            audit: project.map(|project| AuditRecord { project, line }),
            ..Settlement::at(at)
        };
        store.settle_with_retry(settlement).await;
    }
}

/// Who has the keyring read again may have mended the app: the next try to connect need not wait.
async fn hurry_when_configured(mut settings: Settings, hurry: watch::Sender<()>) {
    while settings.changed().await.is_ok() {
        hurry.send_replace(());
    }
}

/// Asks Feishu for the bot's own open_id, by which mentions of it are known, until it says.
async fn learn_name(post: FeishuTransport, bot: watch::Sender<Option<OpenId>>, stop: CancellationToken) {
    let mut failures = 0_u32;
    let mut trouble = LastingTrouble::default();
    loop {
        let asked = tokio::select! {
            asked = post.api.bot_open_id() => asked,
            () = stop.cancelled() => return,
        };
        match asked {
            Ok(open_id) => {
                let past = trouble.over(Instant::now()).map_or(0, |past| past.failures);
                info!(%open_id, failures = past, "Feishu knows this bot");
                bot.send_replace(Some(open_id));
                return;
            }
            Err(error) if trouble.met(&error.cause(), Instant::now()) => {
                warn!(%error, "Feishu does not say who this bot is; groups are not heard until it does");
            }
            Err(error) => debug!(%error, "Feishu still does not say who this bot is"),
        }
        failures = failures.saturating_add(1);
        tokio::select! {
            () = tokio::time::sleep(RETRY.wait(failures, 0.0)) => {}
            () = post.recovered() => failures = 0,
            () = stop.cancelled() => return,
        }
    }
}
