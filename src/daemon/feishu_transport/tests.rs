//! The courier and the emulated Feishu, with all that can go wrong between them.

mod deaths;
mod faults;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    emulator::{ApiCall, Emulator, EmulatorOptions, ShownMessage},
    feishu::{AppCredentials, HttpClient},
    ids::{ChatId, MessageId, SlotId},
    keyring::{self, ResolvedKeyring},
    mail::{
        self, MailDepths, Post as Mail, PostBody, Settlement, Slot, Store, courier,
        live_cards::{CardUpdate, LiveCards},
    },
    paths::Workspace,
    people::AccessList,
    render::document::{Block, Document, LongAnswers},
};

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The answer that must be in the chat exactly once.
const ANSWER: &str = "forty-two";

/// A chat on the emulated Feishu, a store, live cards, and the transport that a courier uses.
struct CourierFixture {
    emulator: Emulator,
    folder: TempDir,
    post: FeishuTransport,
    store: Store,
    stage: LiveCards,
    chat: ChatId,
    /// The message that everything replies to, if any.
    asked: Option<MessageId>,
    slot: SlotId,
}

impl CourierFixture {
    async fn new() -> Self {
        let emulator = Emulator::start(EmulatorOptions { rate_limits: false, ..EmulatorOptions::default() })
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "FEISHU_APP_ID: {}\nFEISHU_APP_SECRET: {}\nFEISHU_DOMAIN: {}\n",
            emulator.options().app_id,
            emulator.options().app_secret,
            emulator.base_url()
        );
        let keyring = keyring::parse(&text).unwrap();
        let credentials =
            AppCredentials { app_id: keyring.app_id.clone(), app_secret: keyring.app_secret.clone() };
        let api = Api::new(keyring.domain.clone(), credentials, HttpClient::new().unwrap());
        let workspace = Workspace::open(folder.path(), None).unwrap();
        let checked =
            ResolvedKeyring { keyring, workspace, notes: Vec::new(), access: AccessList::default() };
        // The senders may be dropped: receivers keep the last value.
        let settings = watch::Sender::new(Arc::new(checked)).subscribe();
        let connection = watch::Sender::new(ConnectionState::new(Timestamp::now())).subscribe();
        let (store, _) = mail::open(&folder.path().join("mail.db")).unwrap();
        let chat = emulator.p2p(&emulator.user(0));
        let (post, stage) = (FeishuTransport { api, connection, settings }, LiveCards::default());
        Self { emulator, folder, post, store, stage, chat, asked: None, slot: SlotId::random() }
    }

    /// The same for an app that may not create card entities.
    async fn without_entities() -> Self {
        let office = Self::new().await;
        office.emulator.withhold_scope("cardkit:card:write");
        office
    }

    /// The same in a group, where everything replies to a message.
    fn in_group(mut self) -> Self {
        self.chat = self.emulator.group();
        self.asked = Some(self.emulator.say(&self.emulator.user(0), &self.chat, "How many?"));
        self
    }

    /// Recalls the message that everything replies to, if it is still there.
    fn take_back(&self) {
        let asked = self.asked.as_ref().expect("nothing was asked");
        let _ = self.emulator.recall(asked);
        assert!(self.emulator.shown_message(asked).is_some_and(|shown| shown.recalled));
    }

    fn open(&self) -> JoinHandle<()> {
        self.open_with(self.post.clone())
    }

    fn open_with(&self, deliver: impl Transport) -> JoinHandle<()> {
        let (store, stage, stop) = (self.store.clone(), self.stage.clone(), CancellationToken::new());
        tokio::spawn(courier::run(store, stage, deliver, stop, Duration::ZERO))
    }

    /// Starts another courier on the same outbox, as a new daemon does.
    fn reopen(&mut self) -> JoinHandle<()> {
        (self.store, _) = mail::open(&self.folder.path().join("mail.db")).unwrap();
        self.stage = LiveCards::default();
        self.open()
    }

    fn show(&self, text: &str) {
        let document = Document::new(vec![Block::small("Bash ls"), Block::Stream { text: text.to_owned() }]);
        let to = Recipient::Chat(self.chat.clone());
        self.stage.show(self.slot, CardUpdate { to, reply_to: self.asked.clone(), document, fallback: None });
    }

    /// Shows a card update, and waits for the call that sends it.
    async fn shown(&self, text: &str) {
        let before = self.sendings().len();
        self.show(text);
        self.emulator
            .wait_for(|_| (self.sendings().len() > before).then_some(()), PATIENCE)
            .await
            .expect("no update was sent");
    }

    /// The API calls that change the chat.
    fn sendings(&self) -> Vec<ApiCall> {
        let is_one = |call: &ApiCall| {
            let path = call.path.strip_prefix("/open-apis/").unwrap_or_default();
            call.method != "GET" && (path.starts_with("im/") || path.starts_with("cardkit/v1/cards/"))
        };
        self.emulator.api_calls().into_iter().filter(is_one).collect()
    }

    async fn answer(&self, document: Document) {
        let slot = Some(Slot { id: self.slot, fallback: None });
        let body = PostBody::Document { document, slot };
        let post = Mail { to: Recipient::Chat(self.chat.clone()), reply_to: self.asked.clone(), body };
        let settlement = Settlement { posts: vec![post], ..Settlement::at(Timestamp::now()) };
        self.store.settle(settlement).await.unwrap();
    }

    /// Waits until nothing is pending.
    async fn done(&self) -> MailDepths {
        let done = async {
            loop {
                let depths = self.store.depths().await.unwrap();
                if depths.pending == 0 {
                    return depths;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, done).await.expect("it is still pending")
    }

    /// The bot's messages.
    fn heard(&self) -> Vec<ShownMessage> {
        self.emulator.shown(&self.chat).into_iter().filter(ShownMessage::from_bot).collect()
    }

    /// How often the answer is in the chat, in a message or in a file.
    fn answers(&self) -> usize {
        let files = self.heard().into_iter().filter(|shown| shown.msg_type == "file").count();
        let said = self.heard().iter().map(|shown| shown.text.matches(ANSWER).count()).sum::<usize>();
        if said == 0 { files } else { said }
    }
}

fn short() -> Document {
    Document::new(vec![Block::markdown(ANSWER), Block::small("shop")])
}

/// One that goes out as a card and a file.
fn as_file() -> Document {
    let text = format!("{}\n{ANSWER}\n", "line of many\n\n".repeat(2_000));
    Document { long: LongAnswers::File, ..Document::new(vec![Block::markdown(text)]) }
}
