//! A Feishu that answers as a script says, and an outbox whose posts it gets.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    ids::{MessageId, OpenId},
    language::Language,
    words::Words,
};
use serde_json::Value;
use tokio::sync::{Notify, watch};

/// A request that Feishu saw.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeenRequest {
    /// The time since the test began.
    pub(super) at: Duration,
    /// The chat, person, message or entity that it was for.
    pub(super) to: String,
    /// What it was to show, after the kind of request for all but texts.
    pub(super) said: String,
    pub(super) reply_to: Option<String>,
    /// The uuid of a message, or the sequence number of an operation on an entity.
    pub(super) uuid: String,
}

pub(super) type Script = Box<dyn FnMut(&SeenRequest) -> Option<DeliveryAdvice> + Send>;

/// A Feishu that answers as the script says; `None` accepts the request.
#[derive(Clone)]
pub(super) struct Feishu {
    pub(super) start: Instant,
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) seen: Arc<Mutex<Vec<SeenRequest>>>,
    pub(super) calls: watch::Sender<usize>,
    pub(super) recovered: Arc<Notify>,
    pub(super) hangs: bool,
}

impl Feishu {
    pub(super) fn new(script: impl FnMut(&SeenRequest) -> Option<DeliveryAdvice> + Send + 'static) -> Self {
        Self {
            start: Instant::now(),
            script: Arc::new(Mutex::new(Box::new(script))),
            seen: Arc::default(),
            calls: watch::Sender::new(0),
            recovered: Arc::default(),
            hangs: false,
        }
    }

    async fn call(
        &self,
        to: &str,
        said: &str,
        reply_to: Option<&MessageId>,
        uuid: &str,
    ) -> Result<(), RequestFailure> {
        let seen = SeenRequest {
            at: self.start.elapsed(),
            to: to.into(),
            said: said.into(),
            reply_to: reply_to.map(ToString::to_string),
            uuid: uuid.into(),
        };
        let answer = (self.script.lock().unwrap())(&seen);
        self.seen.lock().unwrap().push(seen);
        self.calls.send_modify(|calls| *calls += 1);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        answer.map_or(Ok(()), |advice| Err(refused(advice)))
    }

    pub(super) async fn called(&self, times: usize) {
        self.calls.subscribe().wait_for(|calls| *calls >= times).await.unwrap();
    }

    pub(super) fn said(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.said.clone()).collect()
    }
}

/// The texts of a card's elements, with `|` between them; buttons and the like are left out.
fn words(card: &str) -> String {
    fn collect(value: &Value, into: &mut Vec<String>) {
        if let Some(text) = value["content"].as_str() {
            into.push(text.to_owned());
        }
        let inner = value.as_object().into_iter().flatten().map(|(_, inner)| inner);
        let inner = inner.chain(value.as_array().into_iter().flatten());
        inner.filter(|inner| inner.is_object() || inner.is_array()).for_each(|inner| collect(inner, into));
    }
    let mut words = Vec::new();
    collect(&serde_json::from_str(card).unwrap(), &mut words);
    words.join("|")
}

fn refused(advice: DeliveryAdvice) -> RequestFailure {
    RequestFailure { advice, reason: "scripted".into(), cause: "scripted".into() }
}

impl Transport for Feishu {
    async fn run(&self, request: &ApiRequest) -> Result<Option<String>, RequestFailure> {
        match request {
            ApiRequest::Send { to, reply_to, content, uuid } => {
                let to = match to {
                    Recipient::Chat(id) => id.as_str(),
                    Recipient::User(id) => id.as_str(),
                };
                let said = match content {
                    OutgoingContent::Text(text) => text.clone(),
                    OutgoingContent::Card(card) => format!("card {}", words(card)),
                    OutgoingContent::Entity(id) => format!("entity {id}"),
                    OutgoingContent::File(key) => format!("file {key}"),
                };
                self.call(to, &said, reply_to.as_ref(), uuid).await?;
                Ok(Some(format!("om_{uuid}")))
            }
            ApiRequest::React { on, emoji } => {
                self.call(on.as_str(), &format!("react {emoji}"), None, "").await?;
                Ok(None)
            }
            ApiRequest::Update { message_id, card } => {
                self.call(message_id.as_str(), &format!("update {}", words(card)), None, "").await?;
                Ok(None)
            }
            ApiRequest::Upload { name, .. } => {
                self.call("", &format!("upload {name}"), None, "").await?;
                Ok(Some("key".to_owned()))
            }
            ApiRequest::CreateEntity { card } => {
                self.call("", &format!("make {}", words(card)), None, "").await?;
                Ok(Some("7".to_owned()))
            }
            ApiRequest::ChangeEntity { entity, sequence, change } => {
                let said = match change {
                    EntityChange::Stream(text) => format!("stream {text}"),
                    EntityChange::Streaming(on) => format!("streaming {on}"),
                    EntityChange::Replace(card) => format!("replace {}", words(card)),
                };
                self.call(entity, &said, None, &sequence.to_string()).await?;
                Ok(None)
            }
        }
    }

    fn in_place_of(&self, objection: ContentObjection) -> String {
        format!("{objection:?}")
    }

    fn words(&self) -> Words {
        Words(Language::En)
    }

    async fn recovered(&self) {
        self.recovered.notified().await;
    }
}

pub(super) const RETRY: Option<DeliveryAdvice> =
    Some(DeliveryAdvice::Retry { after: None, outcome_known: false, own: true });

/// Trouble that every request would have now.
pub(super) const NOT_NOW: Option<DeliveryAdvice> =
    Some(DeliveryAdvice::Retry { after: None, outcome_known: true, own: false });

pub(super) struct Outbox {
    pub(super) directory: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) live_cards: LiveCards,
}

impl Outbox {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = open(&directory.path().join("mail.db")).unwrap();
        Self { directory, store, live_cards: LiveCards::default() }
    }

    pub(super) async fn post(&self, posts: Vec<Post>) {
        let at = Timestamp::now();
        let settlement = Settlement { posts, ..Settlement::at(at) };
        self.store.settle(settlement).await.unwrap();
    }

    pub(super) fn send_through(&self, feishu: &Feishu) -> JoinHandle<()> {
        tokio::spawn(run(
            self.store.clone(),
            self.live_cards.clone(),
            feishu.clone(),
            CancellationToken::new(),
            Duration::from_secs(1),
        ))
    }

    /// Waits until nothing is pending.
    pub(super) async fn drained(&self) -> MailDepths {
        loop {
            let depths = self.store.depths().await.unwrap();
            if depths.pending == 0 {
                return depths;
            }
        }
    }
}

pub(super) fn text(chat: &str, text: &str) -> Post {
    Post { to: Recipient::Chat(ChatId::from(chat)), reply_to: None, body: PostBody::Text(text.into()) }
}

pub(super) fn reply(post: Post) -> Post {
    Post { reply_to: Some(MessageId::from("om_asked")), ..post }
}

pub(super) fn reaction(otherwise: Option<&str>) -> Post {
    let (on, emoji) = (MessageId::from("om_asked"), "OnIt".to_owned());
    let body = PostBody::Reaction { on, emoji, otherwise: otherwise.map(str::to_owned) };
    Post { to: Recipient::User(OpenId::from("ou_1")), reply_to: None, body }
}
