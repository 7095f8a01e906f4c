//! The one task that knows both sides: it takes committed messages, follows commands, keeps each person's queue, seats
//! the live sessions and hands them their prompts.
//!
//! It owns the registry, the desks and the seats; all else talks to it by messages. It never waits for Feishu, for
//! Claude or for a person, and what it does for a message does not depend on how many sessions there are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use super::answers::TypedAnswers;
use super::command::{self, ParsedMessage};
use super::load::RouterLoad;
use super::opening::{DirectoryLookup, PendingOpenings};
use super::operator::OperatorRequest;
use super::ordered_writer::OrderedWriter;
use super::press::ButtonPress;
use super::queue::QueueCards;
use super::stale::{self, StaleMessages};
use super::user_queues::{QueuedMessage, UserQueues};
use crate::crash::{self, Point};
use crate::feishu::socket::Answer;
use crate::ids::{ChatId, ConvId, MessageId, OpenId, SlotId};
use crate::keyring::ResolvedKeyring;
use crate::mail::live_cards::LiveCards;
use crate::mail::{Mail, Recipient, Settlement, Store};
use crate::pulse::Pulse;
use crate::sandbox::Sandboxes;
use crate::session::actor::{SessionHandle, SessionReport};
use crate::session::event_feed::EventFeed;
use crate::session::file::Saver;
use crate::session::machine::Input;
use crate::session::process_slots::ProcessSlots;
use crate::session::registry::{Registry, Session};
use crate::session::report;
use crate::session::turn::ReplyTarget;
use crate::words::Words;

/// So long the disk has, when the daemon leaves, for what was said last.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the router is told from outside the sessions.
#[derive(Debug)]
pub enum RouterEvent {
    /// A message is in the inbox.
    Mail(Mail),
    /// A user opened his chat with the bot: he is about to write.
    Entered(ChatId, OpenId),
    /// A message was taken back by its sender; the event is answered when that is on record.
    Recalled(MessageId, oneshot::Sender<Answer>),
    /// Somebody pressed a button.
    Press(ButtonPress),
    /// An operator asks.
    Order(OperatorRequest),
}

/// All that the router needs.
#[derive(Debug)]
pub struct RouterParts {
    /// The configuration in force.
    pub settings: watch::Receiver<Arc<ResolvedKeyring>>,
    /// This program, which Claude is started through.
    pub phonework: PathBuf,
    /// What sessions can reach.
    pub sandboxes: Sandboxes,
    /// The sessions.
    pub registry: Registry,
    /// Writes them down.
    pub saver: Saver,
    /// Inbox and outbox.
    pub store: Store,
    /// Who looks on.
    pub tap: EventFeed,
    /// What is shown while it happens.
    pub stage: LiveCards,
    /// Is told how much there is to do.
    pub load: watch::Sender<RouterLoad>,
    /// Its sign of life.
    pub pulse: Pulse,
}

/// The router; see the module.
pub struct Router {
    pub(super) settings: Arc<ResolvedKeyring>,
    pub(super) phonework: PathBuf,
    pub(super) sandboxes: Sandboxes,
    pub(super) registry: Registry,
    pub(super) saver: Saver,
    pub(super) store: Store,
    pub(super) tap: EventFeed,
    pub(super) stage: LiveCards,
    pub(super) scribe: OrderedWriter,
    pub(super) desk: UserQueues<PendingPrompt>,
    pub(super) seats: ProcessSlots,
    /// What each person's running turn was begun with, should it not get on record.
    pub(super) begun: BTreeMap<OpenId, RunningPrompt>,
    pub(super) handles: BTreeMap<ConvId, SessionHandle>,
    pub(super) reports: mpsc::Sender<SessionReport>,
    pub(super) later: mpsc::Sender<DeferredTask>,
    pub(super) stale: StaleMessages,
    pub(super) opening: PendingOpenings,
    pub(super) queues: QueueCards,
    pub(super) answers: TypedAnswers,
    pub(super) last_received: Option<Timestamp>,
    pub(super) load: watch::Sender<RouterLoad>,
}

/// What the router does after a while.
pub(super) enum DeferredTask {
    /// Try a person's next message again.
    Dispatch(OpenId),
    /// Ask a person about his messages that came too late.
    AskStale(OpenId),
    /// Go on with a `/new`: this is what the disk says.
    Found(Box<DirectoryLookup>),
    /// Show what waits of a person's in a chat, if it still does.
    ShowQueue(OpenId, ChatId, SlotId),
    /// Run what a button asked for, which is on record; whether it is a turn that runs again.
    Chosen(Mail, bool),
}

/// A message whose turn runs.
#[derive(Debug)]
pub(super) struct RunningPrompt {
    pub(super) waiting: QueuedMessage<PendingPrompt>,
    pub(super) since: Timestamp,
}

/// A message that waits for its turn.
#[derive(Clone, Debug)]
pub(super) struct PendingPrompt {
    pub(super) mail: Mail,
    pub(super) again: bool,
}

impl Router {
    /// Serves until `leave` names the time by which all turns must have ended, and then until they have.
    pub async fn run(
        parts: RouterParts,
        mut news: mpsc::Receiver<RouterEvent>,
        leave: oneshot::Receiver<Instant>,
    ) {
        let (reports, mut reports_rx) = mpsc::channel(256);
        let (later, mut later_rx) = mpsc::channel(256);
        let (scribe, scribe_task) = OrderedWriter::start(parts.store.clone());
        let mut changes = parts.settings;
        let settings = changes.borrow_and_update().clone();
        let mut router = Self {
            seats: ProcessSlots::new(settings.keyring.max_live_sessions),
            settings,
            phonework: parts.phonework,
            sandboxes: parts.sandboxes,
            registry: parts.registry,
            saver: parts.saver,
            store: parts.store,
            tap: parts.tap,
            stage: parts.stage,
            scribe,
            desk: UserQueues::default(),
            begun: BTreeMap::new(),
            handles: BTreeMap::new(),
            reports,
            later,
            stale: StaleMessages::default(),
            opening: PendingOpenings::default(),
            queues: QueueCards::default(),
            answers: TypedAnswers::default(),
            last_received: None,
            load: parts.load,
        };
        let pulse = parts.pulse;
        let mut leave = std::pin::pin!(leave);
        let by = loop {
            router.publish_load();
            router.show_queues();
            pulse.beat();
            tokio::select! {
                biased;
                by = &mut leave => break by.unwrap_or_else(|_| Instant::now()),
                Ok(()) = changes.changed() => router.configure(changes.borrow_and_update().clone()),
                Some(report) = reports_rx.recv() => router.report(report),
                Some(later) = later_rx.recv() => router.later(later),
                Some(news) = news.recv() => router.news(news),
                () = pulse.rest() => {}
            }
        };
        // Leaving has an end of its own.
        drop(pulse);
        router.leave(by, &mut reports_rx).await;
        drop(router);
        // The scribe ends when the router's last words are on record. A broken disk must not keep the daemon.
        if tokio::time::timeout(LAST_WORDS, scribe_task).await.is_err() {
            warn!("not all is on record: what is missing is taken up at the next start");
        }
    }

    /// Takes a new configuration; a live session keeps what it was started with until it sleeps.
    fn configure(&mut self, settings: Arc<ResolvedKeyring>) {
        self.seats.resize(settings.keyring.max_live_sessions);
        self.settings = settings;
        for (user, waiting) in self.desk.expel(|user| self.settings.allows(user)) {
            info!(%user, messages = waiting.len(), "no longer allowed: what is his is stopped");
            let mails = waiting.iter().map(|waiting| waiting.item.mail.seq).collect();
            self.scribe.write(None, Settlement { mails, ..Settlement::at(Timestamp::now()) });
            if let Some(conv_id) = self.desk.running(&user) {
                self.control(conv_id, Input::Close);
            }
        }
    }

    fn news(&mut self, news: RouterEvent) {
        match news {
            RouterEvent::Mail(mail) => self.mail(mail),
            RouterEvent::Recalled(message_id, ack) => self.recalled(&message_id, ack),
            RouterEvent::Order(order) => self.order(order),
            RouterEvent::Press(pressed) => self.pressed(pressed),
            RouterEvent::Entered(chat, user) => {
                let active = self.registry.of(&user).active(&chat).map(|session| session.conv_id.clone());
                if let Some(conv_id) = active {
                    self.warm(&conv_id);
                }
            }
        }
    }

    fn mail(&mut self, mail: Mail) {
        crash::at(Point::MessageRouted);
        self.last_received = self.last_received.max(Some(mail.received));
        info!(message_id = %mail.message_id, user = %mail.user, "message taken over");
        if self.is_shut_out(&mail) {
            return;
        }
        if stale::is_stale(mail.created, Timestamp::now(), self.settings.keyring.stale_after) {
            return self.keep_stale(mail);
        }
        self.fresh(mail);
    }

    /// Whether a message waited while its sender was shut out; it is settled then.
    pub(super) fn is_shut_out(&self, mail: &Mail) -> bool {
        let allowed = self.settings.allows(&mail.user);
        if !allowed {
            info!(message_id = %mail.message_id, user = %mail.user, "no longer allowed: not run");
            self.scribe.write(None, Settlement { mails: vec![mail.seq], ..Settlement::at(Timestamp::now()) });
        }
        !allowed
    }

    /// A message that is to be run, or a command that is to be followed.
    pub(super) fn fresh(&mut self, mail: Mail) {
        match self.opening.hold(&mail) {
            Ok(false) => {}
            Ok(true) => return,
            Err(full) => return self.not_taken(&mail, full),
        }
        match command::parse(&mail.text) {
            ParsedMessage::Command(command) => self.command(mail, command),
            ParsedMessage::Faulty(fault) => self.answer(&mail, self.words().fault(&fault)),
            ParsedMessage::Words if mail.text.trim().is_empty() => self.answer(&mail, self.words().empty()),
            ParsedMessage::Words => {
                let settled = mail.conv_id.clone();
                let active = || self.registry.of(&mail.user).active(&mail.chat_id).map(|s| s.conv_id.clone());
                match settled.or_else(active) {
                    Some(conv_id) => self.words_for(mail, conv_id),
                    None if mail.text.starts_with('/') => self.answer(&mail, self.words().help()),
                    None => self.answer(&mail, self.words().no_session()),
                }
            }
        }
    }

    fn later(&mut self, later: DeferredTask) {
        match later {
            DeferredTask::Dispatch(user) => self.dispatch(&user),
            DeferredTask::AskStale(user) => self.ask_stale(&user),
            DeferredTask::Found(lookup) => self.found(*lookup),
            DeferredTask::ShowQueue(user, chat, slot) => self.queue_lasts(&user, &chat, slot),
            DeferredTask::Chosen(mail, again) => self.chosen(mail, again),
        }
    }

    pub(super) fn after(&self, wait: Duration, what: DeferredTask) {
        let later = self.later.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            // The router is gone only when the daemon leaves.
            let _ = later.send(what).await;
        });
    }

    /// Answers a message with a sentence of the bot's; with that it is done.
    pub(super) fn answer(&self, mail: &Mail, text: String) {
        let reply = reply(mail);
        self.scribe.write(None, report::notice(vec![mail.seq], &reply, text));
    }

    pub(super) fn words(&self) -> Words {
        Words(self.settings.keyring.language)
    }

    pub(super) fn mode(&self, session: &Session) -> String {
        session
            .permission_mode
            .clone()
            .unwrap_or_else(|| self.settings.keyring.permission_mode.as_str().to_owned())
    }
}

/// Where the answer to a message goes: in a group it quotes the message.
pub(super) fn reply(mail: &Mail) -> ReplyTarget {
    let under = mail.group.then(|| mail.message_id.clone());
    ReplyTarget { to: Recipient::Chat(mail.chat_id.clone()), under }
}
