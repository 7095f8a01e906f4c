//! The one task that knows both sides: it takes committed messages and presses of buttons, follows commands, keeps what
//! waits in order, and hands prompts to live sessions.
//!
//! What happens to a message is in `dispatch`, a typed command is followed in `commands`, a press in `buttons`; both are
//! answered in `reply`. The router's state has three parts: the sessions there are (the registry), what waits
//! (`waiting`), and what lives (`live_sessions`).
//!
//! The router owns that state alone; everything else talks to it by messages. It never waits for Feishu, for Claude, for
//! the disk or for a person, and what a message costs does not depend on the number of sessions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::feishu::socket::Answer;
use crate::ids::{ChatId, ConvId, MessageId, OpenId, SlotId};
use crate::keyring::ResolvedKeyring;
use crate::mail::live_cards::LiveCards;
use crate::mail::{Mail, Settlement, Store};
use crate::pulse::Pulse;
use crate::sandbox::Sandboxes;
use crate::session::event_feed::EventFeed;
use crate::session::file::{Saved, Saver};
use crate::session::machine::Input;
use crate::session::registry::{Registry, Session};
use crate::words::Words;

mod buttons;
mod commands;
mod dispatch;
mod follow_up;
mod late_messages;
mod lists;
mod live_sessions;
mod opening;
pub(crate) mod operator;
mod ordered_writer;
mod queue_cards;
mod reply;
mod reports;
mod waiting;

pub(super) use buttons::ButtonPress;
pub(super) use reply::{reply_target, show_toast};

use live_sessions::{LiveSessions, SessionResources};
use opening::DirectoryLookup;
use operator::OperatorRequest;
use ordered_writer::OrderedWriter;
use waiting::Waiting;

/// How long the disk may take, when the daemon leaves, for the last entries.
const LAST_WRITES_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of reports of sessions, and of deferred tasks, that wait for the router.
const MAX_QUEUED: usize = 256;

/// An event from outside the sessions.
#[derive(Debug)]
pub(crate) enum RouterEvent {
    /// A message is in the inbox.
    Mail(Mail),
    /// Somebody opened their chat with the bot, probably in order to write.
    ChatEntered(ChatId, OpenId),
    /// A sender recalled a message; the event is acknowledged when that is on record.
    Recalled(MessageId, oneshot::Sender<Answer>),
    /// Somebody pressed a button.
    ButtonPressed(ButtonPress),
    /// An operator asks for something, by the control socket.
    Operator(OperatorRequest),
}

/// All that the router needs from the daemon.
#[derive(Debug)]
pub(crate) struct RouterParts {
    /// The configuration in force.
    pub(crate) settings: watch::Receiver<Arc<ResolvedKeyring>>,
    /// The program file of this daemon, which starts Claude.
    pub(crate) phonework: PathBuf,
    /// What sessions may reach.
    pub(crate) sandboxes: Sandboxes,
    /// The sessions there are.
    pub(crate) registry: Registry,
    /// Writes the registry to disk.
    pub(crate) saver: Saver,
    /// Handle of the database thread: inbox, outbox and turns.
    pub(crate) store: Store,
    /// Receives what sessions do, for whoever follows them.
    pub(crate) event_feed: EventFeed,
    /// Cards that change while something goes on.
    pub(crate) live_cards: LiveCards,
    /// Receives how much there is to do.
    pub(crate) load: watch::Sender<RouterLoad>,
    /// The router's sign of life, for the watchdog.
    pub(crate) pulse: Pulse,
}

/// How much there is to do, in numbers that cost nothing to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RouterLoad {
    /// Number of sessions that are not closed.
    pub(crate) open: usize,
    /// Number of sessions with a running turn.
    pub(crate) running: usize,
    /// Number of messages that wait for their turn.
    pub(crate) waiting: usize,
}

/// The router's state; see the module.
pub(crate) struct Router {
    settings: Arc<ResolvedKeyring>,
    registry: Registry,
    saver: Saver,
    store: Store,
    writer: OrderedWriter,
    live_cards: LiveCards,
    waiting: Waiting,
    live: LiveSessions,
    deferred: mpsc::Sender<DeferredTask>,
    /// When the message that was taken over last came in.
    last_received: Option<Timestamp>,
    load: watch::Sender<RouterLoad>,
}

/// Something that the router does later: after a while, or when another task has found out what it takes.
enum DeferredTask {
    /// Try to start a person's next message again.
    DispatchNext(OpenId),
    /// Ask a person about their stale messages.
    AskAboutStale(OpenId),
    /// Go on with a `/new`, now that its directory has been looked up.
    OpenSession(Box<DirectoryLookup>),
    /// Show a person's queue in a chat, if the same queue still waits.
    ShowQueue(OpenId, ChatId, SlotId),
    /// Run the message that a press of a finished turn's button became; with `again`, it runs that turn's prompt again.
    RunFollowUp { mail: Mail, again: bool },
}

impl Router {
    /// Serves until `leave` names the time by which all turns must have ended, and then until they have.
    pub(crate) async fn run(
        parts: RouterParts,
        mut events: mpsc::Receiver<RouterEvent>,
        leave: oneshot::Receiver<Instant>,
    ) {
        let (reports, mut reports_rx) = mpsc::channel(MAX_QUEUED);
        let (deferred, mut deferred_rx) = mpsc::channel(MAX_QUEUED);
        let (writer, writer_task) = OrderedWriter::start(parts.store.clone());
        let mut changes = parts.settings;
        let settings = changes.borrow_and_update().clone();
        let resources = SessionResources {
            phonework: parts.phonework,
            sandboxes: parts.sandboxes,
            store: parts.store.clone(),
            live_cards: parts.live_cards.clone(),
            event_feed: parts.event_feed,
            reports,
        };
        let mut router = Self {
            live: LiveSessions::new(resources, settings.keyring.max_live_sessions),
            settings,
            registry: parts.registry,
            saver: parts.saver,
            store: parts.store,
            writer,
            live_cards: parts.live_cards,
            waiting: Waiting::default(),
            deferred,
            last_received: None,
            load: parts.load,
        };
        let pulse = parts.pulse;
        let mut leave = std::pin::pin!(leave);
        let deadline = loop {
            router.publish_load();
            router.update_queue_cards();
            pulse.beat();
            tokio::select! {
                biased;
                deadline = &mut leave => break deadline.unwrap_or_else(|_| Instant::now()),
                Ok(()) = changes.changed() => router.configure(changes.borrow_and_update().clone()),
                Some(report) = reports_rx.recv() => router.handle_report(report),
                Some(task) = deferred_rx.recv() => router.run_deferred(task),
                Some(event) = events.recv() => router.handle_event(event),
                () = pulse.rest() => {}
            }
        };
        // From here on the deadline bounds everything, not the watchdog.
        drop(pulse);
        router.end_sessions(deadline, &mut reports_rx).await;
        drop(router);
        // The writer ends when the router's last entries are on record. A broken disk must not hold up the daemon.
        if tokio::time::timeout(LAST_WRITES_TIMEOUT, writer_task).await.is_err() {
            warn!("not everything is on record: the next start takes up what is missing");
        }
    }

    /// Takes a new configuration; a live session keeps what it was started with until it sleeps.
    fn configure(&mut self, settings: Arc<ResolvedKeyring>) {
        self.live.set_limit(settings.keyring.max_live_sessions);
        self.settings = settings;
        for (user, removed) in self.waiting.queues.remove_disallowed(|user| self.settings.access.allows(user))
        {
            info!(%user, messages = removed.len(), "user no longer allowed: their messages are dropped");
            let mails = removed.iter().map(|waiting| waiting.item.mail.seq).collect();
            self.writer.write(None, Settlement { mails, ..Settlement::at(Timestamp::now()) });
            if let Some(conv_id) = self.waiting.queues.running_session(&user) {
                self.live.control(conv_id, Input::Close);
            }
        }
    }

    fn handle_event(&mut self, event: RouterEvent) {
        match event {
            RouterEvent::Mail(mail) => self.receive(mail),
            RouterEvent::Recalled(message_id, ack) => self.recall(&message_id, ack),
            RouterEvent::Operator(request) => self.answer_operator(request),
            RouterEvent::ButtonPressed(press) => self.follow_press(press),
            RouterEvent::ChatEntered(chat, user) => {
                let active = self.registry.of(&user).active(&chat).map(|session| session.conv_id.clone());
                if let Some(conv_id) = active {
                    self.warm(&conv_id);
                }
            }
        }
    }

    fn run_deferred(&mut self, task: DeferredTask) {
        match task {
            DeferredTask::DispatchNext(user) => self.dispatch_next(&user),
            DeferredTask::AskAboutStale(user) => self.ask_about_stale(&user),
            DeferredTask::OpenSession(lookup) => self.finish_opening(*lookup),
            DeferredTask::ShowQueue(user, chat, slot) => self.show_lasting_queue(&user, &chat, slot),
            DeferredTask::RunFollowUp { mail, again } => self.run_follow_up(mail, again),
        }
    }

    fn defer(&self, wait: Duration, task: DeferredTask) {
        let deferred = self.deferred.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            // The router is gone only when the daemon leaves.
            let _ = deferred.send(task).await;
        });
    }

    /// Starts a session's process before there is work for it, if a slot is free.
    fn warm(&mut self, conv_id: &ConvId) {
        if let Some(session) = self.registry.running(conv_id) {
            self.live.warm(session, &self.settings, &self.registry);
        }
    }

    /// Has the registry written to disk.
    fn save(&self) -> Saved {
        self.saver.save(&self.registry)
    }

    /// Publishes the load, if it has changed.
    fn publish_load(&self) {
        let load = RouterLoad {
            open: self.registry.open_sessions(),
            running: self.waiting.queues.total_running(),
            waiting: self.waiting.queues.total_waiting(),
        };
        self.load.send_if_modified(|published| {
            let changed = *published != load;
            *published = load;
            changed
        });
    }

    fn words(&self) -> Words {
        Words(self.settings.keyring.language)
    }
}

/// A session's permission mode: its own, or the configured one.
fn permission_mode(session: &Session, settings: &ResolvedKeyring) -> String {
    let own = session.permission_mode.clone();
    own.unwrap_or_else(|| settings.keyring.permission_mode.as_str().to_owned())
}
