//! What the control socket's calls do: the [`Handler`] of the daemon.

mod follow;
mod past;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::config::ConfigHandle;
use super::health::{HealthSources, ask, look};
use crate::chat::router::operator::OperatorRequest;
use crate::control::wire::{self, CloseCall, ControlCall, ControlError, PeopleList, SessionsCall};
use crate::control::{Handler, NoReply, Peer, Replies};
use crate::ids::ConvId;

/// So many sessions go into one reply.
const BATCH: usize = 200;
/// So many sessions fit into the only reply of a caller that takes one.
const MOST_AT_ONCE: usize = 1000;
/// The disk has so long for a closed session.
const SAVING: Duration = Duration::from_secs(10);

/// Answers the calls of operators.
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
                let health = self.health.tell(call.probe == Some(true)).await;
                Ok(replies.send(&health, true).await?)
            }
            ControlCall::Allowed => {
                let people = self.config.people().await?;
                Ok(replies.send(&PeopleList { people }, true).await?)
            }
            ControlCall::Allow(call) => {
                self.config.let_in(call.open_id, format!("uid {}", peer.uid)).await?;
                Ok(replies.send(&EmptyReply {}, true).await?)
            }
            ControlCall::Disallow(call) => {
                self.config.shut_out(call.open_id).await?;
                Ok(replies.send(&EmptyReply {}, true).await?)
            }
        }
    }
}

/// The reply that says only that it was done.
#[derive(serde::Serialize)]
struct EmptyReply {}

impl ControlHandler {
    async fn sessions<R: Replies>(&self, call: SessionsCall, replies: &mut R) -> Result<(), NoReply> {
        let look = look(&self.health.news).await?;
        let mut sessions = look.sessions(call.all == Some(true)).peekable();
        let batch = if replies.takes_more() { BATCH } else { MOST_AT_ONCE };
        loop {
            let some: Vec<_> = sessions.by_ref().take(batch).collect();
            let last = sessions.peek().is_none();
            if !last && !replies.takes_more() {
                return Err(NoReply::ExpectedMore);
            }
            replies.send(&wire::Sessions { sessions: some }, last).await?;
            if last {
                return Ok(());
            }
        }
    }

    async fn close(&self, conv_id: ConvId) -> Result<(), ControlError> {
        let closed = ask(&self.health.news, |answer| OperatorRequest::Close(conv_id.clone(), answer)).await?;
        let Some(saved) = closed else { return Err(ControlError::NoSuchSession { conv_id }) };
        timeout(SAVING, saved.done()).await.map_err(|_| ControlError::Failed {
            reason: format!(
                "{conv_id} is closed, but the disk has not taken that yet; should phonework end before, it is open again"
            ),
        })
    }
}

/// What is said of entries that nobody can be told of any more.
fn missed(count: u64) -> wire::TailEntry {
    let (conv_id, user) = ("".into(), "".into());
    let of =
        crate::session::event_feed::FeedScope { conv_id: &conv_id, user: &user, turn: uuid::Uuid::nil() };
    of.missed(Timestamp::now(), count)
}
