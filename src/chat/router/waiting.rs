//! What waits in the router: messages in queues, behind a session that is being opened, stale ones, and what was typed as
//! an answer.

use super::opening::PendingOpenings;
use super::queue_cards::QueueCards;
use crate::chat::stale_messages::StaleMessages;
use crate::chat::typed_answers::TypedAnswers;
use crate::chat::user_queues::UserQueues;
use crate::ids::{ConvId, MessageId, OpenId};
use crate::mail::Mail;

/// Everything that waits. A message waits in one place at a time.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Prompts that wait for their turn.
    pub(super) queues: UserQueues<PendingPrompt>,
    /// The cards that show these queues.
    pub(super) queue_cards: QueueCards,
    /// Messages of people whose `/new` is being carried out.
    pub(super) openings: PendingOpenings,
    /// Messages that came too late to be run without asking.
    pub(super) stale: StaleMessages,
    /// Open requests of sessions, and what was typed as an answer to them.
    pub(super) answers: TypedAnswers,
}

/// A message that waits for its turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PendingPrompt {
    pub(super) mail: Mail,
    /// Whether an earlier prompt is run again, although the session may be open elsewhere: its owner knows that.
    pub(super) again: bool,
}

impl Waiting {
    /// Removes a message that was recalled, wherever it waits.
    pub(super) fn remove(&mut self, message_id: &MessageId) -> Option<Mail> {
        let queued = self.queues.remove(|pending| &pending.mail.message.message_id == message_id);
        queued
            .map(|queued| queued.item.mail)
            .or_else(|| self.stale.remove(message_id))
            .or_else(|| self.openings.remove(message_id))
    }

    /// Removes all that waits for a session; returns the messages' places in the inbox.
    pub(super) fn remove_session(&mut self, owner: &OpenId, conv_id: &ConvId) -> Vec<i64> {
        let removed = self.queues.remove_session(owner, conv_id);
        removed.iter().map(|queued| queued.item.mail.seq).collect()
    }
}
