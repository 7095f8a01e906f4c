//! The state of the emulated Feishu: one [`World`] behind one lock that is never held across an await, and a counter of
//! changes that waiters watch, so that nothing polls.
//!
//! Each child holds the part of the state that it is named for, and the `impl World` that changes it.

pub(crate) mod app_settings;
pub(crate) mod card_entity;
pub(crate) mod delivery;
pub(crate) mod messages;
pub(crate) mod people;
pub(crate) mod presses;
pub(crate) mod rates;
pub(crate) mod shown;

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::emulator::{
    answer::FeishuRefusal,
    http::ApiCall,
    injected_faults::Faults,
    options::{Chat, EmulatorOptions, User},
    socket::LiveConnection,
    world::app_settings::AppSettings,
    world::card_entity::CardEntity,
    world::delivery::{Ack, PendingEvent},
    world::rates::Rates,
    world::shown::Reaction,
};
use crate::ids::{ChatId, MessageId, OpenId};

/// The most entries that a log of the past keeps; the oldest make room.
const LOG_LENGTH: usize = 20_000;

/// What every task of the emulator holds.
pub(crate) struct SharedWorld {
    pub(crate) options: EmulatorOptions,
    /// `http://127.0.0.1:PORT`.
    pub(crate) base_url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) runtime: Handle,
    /// The number of the newest change.
    pub(crate) changed: watch::Sender<u64>,
    world: Mutex<World>,
}

impl SharedWorld {
    pub(crate) fn new(options: EmulatorOptions, base_url: String) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::new(World::new(&options)),
            options,
            base_url,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            changed: watch::Sender::new(0),
        })
    }

    /// Changes the world and wakes whoever waits for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let (result, revision) = {
            let mut world = self.lock();
            world.revision += 1;
            (change(&mut world), world.revision)
        };
        self.changed.send_modify(|newest| *newest = (*newest).max(revision));
        result
    }

    /// Looks at the world.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock())
    }

    /// Waits until the world is so.
    pub(crate) async fn until(&self, is: impl Fn(&World) -> bool) {
        let mut changed = self.changed.subscribe();
        while !self.look(&is) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Spawns a task that ends with the emulator.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let until_stopped = async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        };
        self.tasks.spawn_on(until_stopped, &self.runtime);
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Bot,
    User(OpenId),
}

/// Someone named in a message, as `@_user_1` in its text.
#[derive(Clone, Debug)]
pub(crate) struct NamedPerson {
    pub(crate) key: String,
    pub(crate) open_id: OpenId,
    pub(crate) name: String,
    pub(crate) bot: bool,
}

/// A message in a chat.
#[derive(Clone, Debug)]
pub(crate) struct ChatMessage {
    pub(crate) message_id: MessageId,
    pub(crate) chat_id: ChatId,
    pub(crate) sender: Sender,
    pub(crate) msg_type: String,
    /// The content's JSON, decoded; for a card the card itself.
    pub(crate) content: Value,
    /// The card entity that the message shows, if it shows one.
    pub(crate) card_id: Option<String>,
    pub(crate) mentions: Vec<NamedPerson>,
    pub(crate) parent: Option<MessageId>,
    pub(crate) root: Option<MessageId>,
    pub(crate) thread_id: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) edits: u32,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) recalled: bool,
    /// The change that last touched it.
    pub(crate) revision: u64,
}

impl ChatMessage {
    /// Adds what the message replies to and its topic to Feishu's description of it.
    pub(crate) fn name_references(&self, described: &mut Value) {
        let references = [
            ("parent_id", self.parent.as_ref().map(MessageId::as_str)),
            ("root_id", self.root.as_ref().map(MessageId::as_str)),
            ("thread_id", self.thread_id.as_deref()),
        ];
        for (name, id) in references {
            if let Some(id) = id {
                described[name] = id.into();
            }
        }
    }
}

/// An uploaded picture or file.
#[derive(Clone, Debug)]
pub(crate) struct StoredFile {
    pub(crate) name: String,
    pub(crate) content_type: String,
    /// Feishu's `file_type`, or `image`.
    pub(crate) kind: String,
    pub(crate) bytes: bytes::Bytes,
    /// Whether the bot uploaded it: it may only send what it did.
    pub(crate) by_bot: bool,
}

/// The right to change a card after a click (Feishu: 30 minutes, twice).
#[derive(Clone, Debug)]
pub(crate) struct CallbackToken {
    pub(crate) message_id: MessageId,
    pub(crate) made: Instant,
    pub(crate) uses_left: u8,
    /// Set when the callback was answered; an earlier use is lost.
    pub(crate) answered: bool,
}

pub(crate) struct World {
    pub(crate) users: Vec<User>,
    pub(crate) chats: Vec<Chat>,
    pub(crate) bot: OpenId,
    pub(crate) bot_name: String,
    pub(crate) enforce_rates: bool,
    pub(crate) messages: Vec<ChatMessage>,
    places: HashMap<MessageId, usize>,
    /// What was sent with a uuid, and when.
    pub(crate) uuids: HashMap<String, (MessageId, Instant)>,
    /// Tenant access tokens and the time of their issue.
    pub(crate) tokens: Vec<(String, Instant)>,
    pub(crate) tokens_issued: u64,
    /// Tickets of addresses given out and not yet used.
    pub(crate) tickets: HashSet<String>,
    /// What only the client may know: tokens, and what connection addresses carry; used or not.
    pub(crate) secrets: VecDeque<String>,
    pub(crate) connections: BTreeMap<u64, LiveConnection>,
    pub(crate) connections_made: u64,
    pub(crate) pending: HashMap<String, PendingEvent>,
    pub(crate) held: Vec<Value>,
    pub(crate) acks: VecDeque<Ack>,
    pub(crate) calls: VecDeque<ApiCall>,
    pub(crate) complaints: VecDeque<String>,
    pub(crate) refused_cards: VecDeque<String>,
    pub(crate) rates: Rates,
    pub(crate) faults: Faults,
    pub(crate) cards: BTreeMap<String, CardEntity>,
    pub(crate) stored: BTreeMap<String, StoredFile>,
    pub(crate) callback_tokens: HashMap<String, CallbackToken>,
    pub(crate) app: AppSettings,
    pub(crate) revision: u64,
}

impl World {
    fn new(options: &EmulatorOptions) -> Self {
        Self {
            users: options.users.clone(),
            chats: options.chats.clone(),
            bot: OpenId::from("ou_b0700000000000000000000000000b07"),
            bot_name: options.bot_name.clone(),
            enforce_rates: options.rate_limits,
            messages: Vec::new(),
            places: HashMap::new(),
            uuids: HashMap::new(),
            tokens: Vec::new(),
            tokens_issued: 0,
            tickets: HashSet::new(),
            secrets: VecDeque::new(),
            connections: BTreeMap::new(),
            connections_made: 0,
            pending: HashMap::new(),
            held: Vec::new(),
            acks: VecDeque::new(),
            calls: VecDeque::new(),
            complaints: VecDeque::new(),
            refused_cards: VecDeque::new(),
            rates: Rates::default(),
            faults: Faults::default(),
            cards: BTreeMap::new(),
            stored: BTreeMap::new(),
            callback_tokens: HashMap::new(),
            app: AppSettings::default(),
            revision: 0,
        }
    }

    pub(crate) fn add(&mut self, mut message: ChatMessage) -> &ChatMessage {
        message.revision = self.revision;
        let place = self.messages.len();
        self.places.insert(message.message_id.clone(), place);
        self.messages.push(message);
        &self.messages[place]
    }

    pub(crate) fn message(&self, id: &MessageId) -> Option<&ChatMessage> {
        self.places.get(id).map(|place| &self.messages[*place])
    }

    /// The message for changing: what is shown of it is new from now on.
    pub(crate) fn message_mut(&mut self, id: &MessageId) -> Option<&mut ChatMessage> {
        let message = self.places.get(id).map(|place| &mut self.messages[*place])?;
        message.revision = self.revision;
        Some(message)
    }

    pub(crate) fn chat(&self, id: &ChatId) -> Option<&Chat> {
        self.chats.iter().find(|chat| chat.chat_id == *id)
    }

    pub(crate) fn user(&self, id: &OpenId) -> Option<&User> {
        self.users.iter().find(|user| user.open_id == *id)
    }

    pub(crate) fn name_of(&self, sender: &Sender) -> String {
        match sender {
            Sender::Bot => self.bot_name.clone(),
            Sender::User(id) => self.user(id).map_or_else(|| id.to_string(), |user| user.name.clone()),
        }
    }

    /// Counts a request against a rate, if rates are enforced.
    pub(crate) fn admit(&mut self, key: &str, limits: &[(usize, Duration)]) -> Result<(), Duration> {
        if self.enforce_rates { self.rates.admit(key, limits, Instant::now()) } else { Ok(()) }
    }

    /// Feishu: 5 requests a second for one chat or one message.
    pub(crate) fn admit_to(&mut self, target: &str) -> Result<(), FeishuRefusal> {
        self.admit(target, &[(5, Duration::from_secs(1))])
            .map_err(|_| FeishuRefusal::new(230_020, "This operation triggers the frequency limit."))
    }

    /// Notes what was given to the client in confidence.
    pub(crate) fn confide(&mut self, secret: &str) {
        log(&mut self.secrets, secret.to_owned());
    }

    /// Notes a card that was refused for what it is made of. That is no complaint: a test that has the client break the
    /// rules of the long connection, say, still wants to know of it.
    pub(crate) fn refused_card(&mut self, refused: String) {
        log(&mut self.refused_cards, refused);
    }

    /// Notes something that a client did and Feishu might not forgive.
    pub(crate) fn complain(&mut self, complaint: String) {
        log(&mut self.complaints, complaint);
    }
}

/// Adds to a log of bounded length.
pub(crate) fn log<T>(log: &mut VecDeque<T>, entry: T) {
    if log.len() == LOG_LENGTH {
        log.pop_front();
    }
    log.push_back(entry);
}

/// A new id with Feishu's prefix and 32 hexadecimal digits.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}{:032x}", fastrand::u128(..))
}
