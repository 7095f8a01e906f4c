//! The courier's [`Transport`]: makes its requests with Feishu's API, and tells what a failure means for the courier.

use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::config::Settings;
use crate::chat::storage_alarm::StorageAlert;
use crate::crash::{self, Point};
use crate::feishu::api::{self, Api, Outgoing, Recipient};
use crate::feishu::content;
use crate::feishu::failure::{self, ApiError, RefusalReason};
use crate::feishu::socket::{ConnectionState, Phase};
use crate::mail::courier::{
    ApiRequest, ContentObjection, DeliveryAdvice, EntityChange, OutgoingContent, RequestFailure, Transport,
};
use crate::render::ladder;
use crate::words::Words;

/// Feishu's API for the courier. The long connection tells when Feishu can be reached again. Cheap to clone.
#[derive(Clone)]
pub(super) struct FeishuTransport {
    pub(super) api: Api,
    pub(super) connection: watch::Receiver<ConnectionState>,
    pub(super) settings: Settings,
}

impl Transport for FeishuTransport {
    async fn run(&self, request: &ApiRequest) -> Result<Option<String>, RequestFailure> {
        crash::at(Point::RequestSending);
        let answer = self.call(request).await;
        crash::at(Point::RequestAnswered);
        answer.map_err(|error| failure_of(error, is_up(&self.connection.borrow())))
    }

    fn in_place_of(&self, objection: ContentObjection) -> String {
        match objection {
            ContentObjection::TooLong => self.words().not_taken_too_long(),
            ContentObjection::Content => self.words().not_taken(),
            ContentObjection::Shape => self.words().not_taken_as_it_is(),
        }
    }

    fn words(&self) -> Words {
        Words(self.settings.borrow().keyring.language)
    }

    async fn recovered(&self) {
        let mut connection = self.connection.clone();
        // Borrow once: two borrows with a writer waiting in between would deadlock.
        let now = connection.borrow().clone();
        let (was_up, before) = (is_up(&now), now.reconnects);
        let again = |state: &ConnectionState| is_up(state) && (!was_up || state.reconnects != before);
        if connection.wait_for(again).await.is_err() {
            // The connection task has ended: the daemon is shutting down.
            std::future::pending().await
        }
    }
}

impl FeishuTransport {
    /// The id or key that the API returns, if the call returns one.
    async fn call(&self, request: &ApiRequest) -> Result<Option<String>, ApiError> {
        match request {
            ApiRequest::Send { to, reply_to, content, uuid } => {
                let (msg_type, content) = match content {
                    OutgoingContent::Text(text) => ("text", content::text(text)),
                    OutgoingContent::Card(card) => ("interactive", card.clone()),
                    OutgoingContent::Entity(id) => ("interactive", content::entity(id)),
                    OutgoingContent::File(key) => ("file", content::file(key)),
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
            ApiRequest::React { on, emoji } => self.api.react(on, emoji).await.map(|()| None),
            ApiRequest::Update { message_id, card } => self.api.update(message_id, card).await.map(|()| None),
            ApiRequest::Upload { name, text } => self.api.upload(name, text.clone().into()).await.map(Some),
            ApiRequest::CreateEntity { card } => self.api.create_entity(card).await.map(Some),
            ApiRequest::ChangeEntity { entity, sequence, change } => {
                let operation = match change {
                    EntityChange::Stream(text) => {
                        api::CardOperation::Stream { element: ladder::STREAM, text }
                    }
                    EntityChange::Streaming(on) => api::CardOperation::Streaming(*on),
                    EntityChange::Replace(card) => api::CardOperation::Replace(card),
                };
                self.api.change_entity(entity, *sequence, operation).await.map(|()| None)
            }
        }
    }
}

fn is_up(state: &ConnectionState) -> bool {
    state.phase == Phase::Connected
}

/// What a failed call means for the courier. If there was no answer from Feishu and the long connection is down, the
/// network is to blame and not this request.
fn failure_of(error: ApiError, is_up: bool) -> RequestFailure {
    let own = error.may_be_isolated() && (error.code.is_some() || is_up);
    let advice = match error.advice {
        failure::RetryAdvice::Retry { after, outcome_known } => {
            DeliveryAdvice::Retry { after, outcome_known, own }
        }
        failure::RetryAdvice::Refused(RefusalReason::TargetGone) => DeliveryAdvice::TargetGone,
        failure::RetryAdvice::Refused(RefusalReason::TooLong) => {
            DeliveryAdvice::Unacceptable(ContentObjection::TooLong)
        }
        failure::RetryAdvice::Refused(RefusalReason::Content) => {
            DeliveryAdvice::Unacceptable(ContentObjection::Content)
        }
        // The message is kept until an operator has fixed the app.
        failure::RetryAdvice::Refused(RefusalReason::Operator) => {
            DeliveryAdvice::Retry { after: None, outcome_known: true, own }
        }
        failure::RetryAdvice::Refused(RefusalReason::Shape | RefusalReason::Bug) => {
            DeliveryAdvice::Unacceptable(ContentObjection::Shape)
        }
        failure::RetryAdvice::Refused(RefusalReason::CardGone) => DeliveryAdvice::CardGone,
        failure::RetryAdvice::Refused(RefusalReason::StreamClosed) => DeliveryAdvice::StreamClosed,
        failure::RetryAdvice::Refused(RefusalReason::Sequence) => DeliveryAdvice::StaleSequence,
        failure::RetryAdvice::Refused(RefusalReason::Scope) => DeliveryAdvice::NotForThisApp,
        failure::RetryAdvice::Refused(RefusalReason::Undeliverable) => DeliveryAdvice::Undeliverable,
    };
    RequestFailure { advice, reason: error.to_string(), cause: error.cause() }
}

/// Sends messages that cannot be put into the outbox, because the disk accepts no writes. Each is sent once, whatever
/// becomes of it.
pub(super) async fn send_alerts(api: Api, mut alerts: mpsc::Receiver<StorageAlert>) {
    while let Some(StorageAlert { chat, under, text }) = alerts.recv().await {
        let outgoing = Outgoing {
            to: Recipient::Chat(chat),
            reply_to: under,
            msg_type: "text".to_owned(),
            content: content::text(&text),
            uuid: Uuid::new_v4().to_string(),
        };
        if let Err(error) = api.send(&outgoing).await {
            tracing::debug!(%error, "failed to tell a person that their message is not on record");
        }
    }
}

#[cfg(test)]
mod tests;
