//! A Feishu that does as a script says, and an outbox for it.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    ids::{MessageId, OpenId},
    language::Language,
    words::Words,
};
use serde_json::Value;
use tokio::sync::{Notify, watch};

/// What the double saw: when, where and what (`react` for an emoji).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) at: Duration,
    pub(super) to: String,
    pub(super) said: String,
    pub(super) reply_to: Option<String>,
    pub(super) uuid: String,
}

pub(super) type Script = Box<dyn FnMut(&Seen) -> Option<DeliveryAdvice> + Send>;

/// A Feishu that does as the script says: `None` takes the call.
#[derive(Clone)]
pub(super) struct Feishu {
    pub(super) start: Instant,
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    pub(super) calls: watch::Sender<usize>,
    pub(super) recovered: Arc<Notify>,
    pub(super) hangs: bool,
}

impl Feishu {
    pub(super) fn new(script: impl FnMut(&Seen) -> Option<DeliveryAdvice> + Send + 'static) -> Self {
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
        let seen = Seen {
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

/// The words of a card, each element's in a line; buttons and the like are left out.
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
    async fn run(&self, errand: &ApiRequest) -> Result<Option<String>, RequestFailure> {
        match errand {
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
            ApiRequest::Make { card } => {
                self.call("", &format!("make {}", words(card)), None, "").await?;
                Ok(Some("7".to_owned()))
            }
            ApiRequest::Operate { entity, sequence, operation } => {
                let said = match operation {
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

/// What every call would get now.
pub(super) const NOT_NOW: Option<DeliveryAdvice> =
    Some(DeliveryAdvice::Retry { after: None, outcome_known: true, own: false });

pub(super) struct Office {
    pub(super) directory: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) stage: LiveCards,
}

impl Office {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = open(&directory.path().join("mail.db")).unwrap();
        Self { directory, store, stage: LiveCards::default() }
    }

    pub(super) async fn post(&self, posts: Vec<Post>) {
        let at = Timestamp::now();
        let settlement = Settlement { posts, ..Settlement::at(at) };
        self.store.settle(settlement).await.unwrap();
    }

    pub(super) fn open(&self, feishu: &Feishu) -> JoinHandle<()> {
        tokio::spawn(run(
            self.store.clone(),
            self.stage.clone(),
            feishu.clone(),
            CancellationToken::new(),
            Duration::from_secs(1),
        ))
    }

    /// Waits until nothing is pending.
    pub(super) async fn done(&self) -> MailDepths {
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
