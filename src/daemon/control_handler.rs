//! What the calls of the control socket do: the daemon's [`Handler`].

mod past_turns;
mod tail;
mod tail_entries;

use std::time::Duration;

use tokio::time::timeout;

use super::config::ConfigHandle;
use super::health::{HealthSources, ask_router, sessions_snapshot};
use crate::chat::router::operator::OperatorRequest;
use crate::control::wire::{self, CloseCall, ControlCall, ControlError, PeopleList, SessionsCall};
use crate::control::{Handler, NoReply, Peer, Replies};
use crate::ids::ConvId;

/// Maximum number of sessions in one of several replies.
const BATCH_SIZE: usize = 200;
/// Maximum number of sessions in the only reply to a caller that takes one.
const MAX_IN_SINGLE_REPLY: usize = 1000;
/// Maximum time for writing a closed session to disk.
const SAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers the calls of operators. Cheap to clone.
#[derive(Clone)]
pub(super) struct ControlHandler {
    pub(super) config: ConfigHandle,
    pub(super) health: HealthSources,
}

impl Handler for ControlHandler {
    async fn handle<R: Replies>(
        &self,
        peer: Peer,
        call: ControlCall,
        replies: &mut R,
    ) -> Result<(), NoReply> {
        match call {
            ControlCall::Sessions(call) => self.sessions(call, replies).await,
            ControlCall::Close(CloseCall { conv_id }) => {
                self.close(conv_id).await?;
                Ok(replies.send(&EmptyReply {}, true).await?)
            }
            ControlCall::Tail(call) => self.tail(call, replies).await,
            ControlCall::Health(call) => {
                let health = self.health.report(call.probe == Some(true)).await;
                Ok(replies.send(&health, true).await?)
            }
            ControlCall::Allowed => {
                let people = self.config.people().await?;
                Ok(replies.send(&PeopleList { people }, true).await?)
            }
            ControlCall::Allow(call) => {
                self.config.allow(call.open_id, format!("uid {}", peer.uid)).await?;
                Ok(replies.send(&EmptyReply {}, true).await?)
            }
            ControlCall::Disallow(call) => {
                self.config.disallow(call.open_id).await?;
                Ok(replies.send(&EmptyReply {}, true).await?)
            }
        }
    }
}

/// The reply of a call that returns nothing.
#[derive(serde::Serialize)]
struct EmptyReply {}

impl ControlHandler {
    async fn sessions<R: Replies>(&self, call: SessionsCall, replies: &mut R) -> Result<(), NoReply> {
        let snapshot = sessions_snapshot(&self.health.router).await?;
        let mut sessions = snapshot.sessions(call.all == Some(true)).peekable();
        let batch = if replies.takes_more() { BATCH_SIZE } else { MAX_IN_SINGLE_REPLY };
        loop {
            let page: Vec<_> = sessions.by_ref().take(batch).collect();
            let last = sessions.peek().is_none();
            if !last && !replies.takes_more() {
                return Err(NoReply::ExpectedMore);
            }
            replies.send(&wire::Sessions { sessions: page }, last).await?;
            if last {
                return Ok(());
            }
        }
    }

    async fn close(&self, conv_id: ConvId) -> Result<(), ControlError> {
        let closed =
            ask_router(&self.health.router, |answer| OperatorRequest::Close(conv_id.clone(), answer)).await?;
        let Some(saved) = closed else { return Err(ControlError::NoSuchSession { conv_id }) };
        timeout(SAVE_TIMEOUT, saved.done()).await.map_err(|_| ControlError::Failed {
            reason: format!(
                "{conv_id} is closed, but that is not on disk yet; if phonework ends before it is, the session is open again"
            ),
        })
    }
}
