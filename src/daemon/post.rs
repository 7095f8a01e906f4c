//! The courier's way to Feishu.

use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::config::Settings;
use crate::chat::alarm::Alert;
use crate::crash::{self, Point};
use crate::feishu::api::{self, Api, Outgoing, Recipient};
use crate::feishu::content;
use crate::feishu::failure::{self, ApiError, Refusal};
use crate::feishu::socket::{ConnectionState, Phase};
use crate::mail::courier::{Advice, Content, Deliver, Errand, Objection, Operation, Refused};
use crate::render::ladder;
use crate::words::Words;

/// Feishu's API, for the courier, and the long connection, which tells when Feishu can be reached again.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) api: Api,
    pub(super) connection: watch::Receiver<ConnectionState>,
    pub(super) settings: Settings,
}

impl Deliver for Post {
    async fn run(&self, errand: &Errand) -> Result<Option<String>, Refused> {
        crash::at(Point::RequestSending);
        let answer = self.ask(errand).await;
        crash::at(Point::RequestAnswered);
        answer.map_err(|error| refused(error, is_up(&self.connection.borrow())))
    }

    fn in_place_of(&self, objection: Objection) -> String {
        match objection {
            Objection::TooLong => self.words().not_taken_too_long(),
            Objection::Content => self.words().not_taken(),
            Objection::Shape => self.words().not_taken_as_it_is(),
        }
    }

    fn words(&self) -> Words {
        Words(self.settings.borrow().keyring.language)
    }

    async fn recovered(&self) {
        let mut connection = self.connection.clone();
        // One look only: two at a time, with a writer between them, wait for each other.
        let now = connection.borrow().clone();
        let (was_up, before) = (is_up(&now), now.reconnects);
        let again = |state: &ConnectionState| is_up(state) && (!was_up || state.reconnects != before);
        if connection.wait_for(again).await.is_err() {
            // The connection is not kept any more: the daemon leaves.
            std::future::pending().await
        }
    }
}

impl Post {
    async fn ask(&self, errand: &Errand) -> Result<Option<String>, ApiError> {
        match errand {
            Errand::Send { to, reply_to, content, uuid } => {
                let (msg_type, content) = match content {
                    Content::Text(text) => ("text", content::text(text)),
                    Content::Card(card) => ("interactive", card.clone()),
                    Content::Entity(id) => ("interactive", content::entity(id)),
                    Content::File(key) => ("file", content::file(key)),
                };
                let outgoing = Outgoing {
                    to: to.clone(),
                    reply_to: reply_to.clone(),
                    msg_type: msg_type.to_owned(),
                    content,
                    uuid: uuid.clone(),
                };
                self.api.send(&outgoing).await.map(|id| Some(id.to_string()))
            }
            Errand::React { on, emoji } => self.api.react(on, emoji).await.map(|()| None),
            Errand::Update { message_id, card } => self.api.update(message_id, card).await.map(|()| None),
            Errand::Upload { name, text } => self.api.upload(name, text.clone().into()).await.map(Some),
            Errand::Make { card } => self.api.make_entity(card).await.map(Some),
            Errand::Operate { entity, sequence, operation } => {
                let operation = match operation {
                    Operation::Stream(text) => api::Operation::Stream { element: ladder::STREAM, text },
                    Operation::Streaming(on) => api::Operation::Streaming(*on),
                    Operation::Replace(card) => api::Operation::Replace(card),
                };
                self.api.operate(entity, *sequence, operation).await.map(|()| None)
            }
        }
    }
}

fn is_up(state: &ConnectionState) -> bool {
    state.phase == Phase::Connected
}

/// What a failure means for the courier. Whether the long connection is up tells what did not come from Feishu: without
/// it the network is to blame, whatever the errand was.
fn refused(error: ApiError, is_up: bool) -> Refused {
    let own = error.may_be_its_own() && (error.code.is_some() || is_up);
    let advice = match error.advice {
        failure::Advice::Retry { after, outcome_known } => Advice::Retry { after, outcome_known, own },
        failure::Advice::Refused(Refusal::TargetGone) => Advice::TargetGone,
        failure::Advice::Refused(Refusal::TooLong) => Advice::Unacceptable(Objection::TooLong),
        failure::Advice::Refused(Refusal::Content) => Advice::Unacceptable(Objection::Content),
        // The answer is owed until the app is mended.
        failure::Advice::Refused(Refusal::Operator) => {
            Advice::Retry { after: None, outcome_known: true, own }
        }
        failure::Advice::Refused(Refusal::Shape | Refusal::Bug) => Advice::Unacceptable(Objection::Shape),
        failure::Advice::Refused(Refusal::CardGone) => Advice::CardGone,
        failure::Advice::Refused(Refusal::StreamClosed) => Advice::StreamClosed,
        failure::Advice::Refused(Refusal::Sequence) => Advice::Sequence,
        failure::Advice::Refused(Refusal::Scope) => Advice::NotForThisApp,
        failure::Advice::Refused(Refusal::Undeliverable) => Advice::Undeliverable,
    };
    Refused { advice, reason: error.to_string(), cause: error.cause() }
}

/// Sends what cannot be put into the outbox: each once, whatever comes of it.
pub(super) async fn alert(api: Api, mut alerts: mpsc::Receiver<Alert>) {
    while let Some(Alert { chat, under, text }) = alerts.recv().await {
        let outgoing = Outgoing {
            to: Recipient::Chat(chat),
            reply_to: under,
            msg_type: "text".to_owned(),
            content: content::text(&text),
            uuid: Uuid::new_v4().to_string(),
        };
        if let Err(error) = api.send(&outgoing).await {
            tracing::debug!(%error, "a person could not be told that his message is not on record");
        }
    }
}

#[cfg(test)]
mod tests;
