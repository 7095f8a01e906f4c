//! The courier's way to Feishu.

use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::config::Settings;
use crate::chat::alarm::Alert;
use crate::crash::{self, Point};
use crate::feishu::api::{Api, Outgoing, Recipient};
use crate::feishu::content;
use crate::feishu::failure::{self, ApiError, Refusal};
use crate::feishu::socket::{ConnectionState, Phase};
use crate::ids::MessageId;
use crate::mail::courier::{Advice, Deliver, Letter, Objection, Refused};
use crate::words::Words;

/// Feishu's API, for the courier, and the long connection, which tells when Feishu can be reached again.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) api: Api,
    pub(super) connection: watch::Receiver<ConnectionState>,
    pub(super) settings: Settings,
}

impl Deliver for Post {
    async fn send(&self, letter: &Letter) -> Result<MessageId, Refused> {
        let outgoing = Outgoing {
            to: letter.to.clone(),
            reply_to: letter.reply_to.clone(),
            msg_type: "text".to_owned(),
            content: content::text(&letter.text),
            uuid: letter.uuid.clone(),
        };
        crash::at(Point::RequestSending);
        let answer = self.api.send(&outgoing).await;
        crash::at(Point::RequestAnswered);
        answer.map_err(refused)
    }

    async fn react(&self, on: &MessageId, emoji: &str) -> Result<(), Refused> {
        crash::at(Point::RequestSending);
        let answer = self.api.react(on, emoji).await;
        crash::at(Point::RequestAnswered);
        answer.map_err(refused)
    }

    fn in_place_of(&self, objection: Objection) -> String {
        let words = Words(self.settings.borrow().keyring.language);
        match objection {
            Objection::TooLong => words.not_taken_too_long(),
            Objection::Content => words.not_taken(),
        }
    }

    async fn recovered(&self) {
        let mut connection = self.connection.clone();
        let is_up = |state: &ConnectionState| state.phase == Phase::Connected;
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

fn refused(error: ApiError) -> Refused {
    let advice = match error.advice {
        failure::Advice::Retry { after, outcome_known } => Advice::Retry { after, outcome_known },
        failure::Advice::Refused(Refusal::TargetGone) => Advice::TargetGone,
        failure::Advice::Refused(Refusal::TooLong) => Advice::Unacceptable(Objection::TooLong),
        failure::Advice::Refused(Refusal::Content) => Advice::Unacceptable(Objection::Content),
        // The answer is owed until the app is mended.
        failure::Advice::Refused(Refusal::Operator) => Advice::Retry { after: None, outcome_known: true },
        failure::Advice::Refused(Refusal::Undeliverable | Refusal::Bug) => Advice::Undeliverable,
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
