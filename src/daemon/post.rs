//! The courier's way to Feishu.

use crate::feishu::api::{Api, Outgoing};
use crate::feishu::content;
use crate::feishu::failure::{self, ApiError, Refusal};
use crate::ids::MessageId;
use crate::mail::courier::{Advice, Deliver, Letter, Refused};

/// Feishu's API, for the courier.
#[derive(Clone)]
pub(super) struct Post(pub(super) Api);

impl Deliver for Post {
    async fn send(&self, letter: &Letter) -> Result<MessageId, Refused> {
        let outgoing = Outgoing {
            to: letter.to.clone(),
            reply_to: letter.reply_to.clone(),
            msg_type: "text".to_owned(),
            content: content::text(&letter.text),
            uuid: letter.uuid.clone(),
        };
        self.0.send(&outgoing).await.map_err(refused)
    }

    async fn react(&self, on: &MessageId, emoji: &str) -> Result<(), Refused> {
        self.0.react(on, emoji).await.map_err(refused)
    }
}

fn refused(error: ApiError) -> Refused {
    let advice = match error.advice {
        failure::Advice::Retry { after, outcome_known } => Advice::Retry { after, outcome_known },
        failure::Advice::Refused(Refusal::TargetGone) => Advice::TargetGone,
        failure::Advice::Refused(Refusal::TooLong) => Advice::TooLong,
        failure::Advice::Refused(Refusal::Undeliverable | Refusal::Operator | Refusal::Bug) => {
            Advice::Undeliverable
        }
    };
    Refused { advice, reason: error.to_string() }
}
