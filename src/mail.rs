//! Mail: messages from Feishu that are not answered yet (the inbox), messages to Feishu that it has not confirmed (the
//! outbox), and the turns between them.
//!
//! Three parts: the store keeps mail in `mail.db`, the live cards hold in memory what running turns show, and the courier
//! sends both to Feishu.
//!
//! Promises:
//! - When a call of the [`Store`] has succeeded, all of its change is on the disk; when it has failed, none of it is.
//! - Calls take effect in the order in which they were made.
//! - A message is accepted once, and a turn begins once and is settled once; a second try gets
//!   [`StoreError::Conflict`].
//! - A post stays in the outbox until Feishu has confirmed it or refused it for good. Posts to one recipient are sent in
//!   the order in which they were committed.
//!
//! Not here: Feishu's JSON and HTTP (the courier sends through its `Transport`), sessions, and who may talk to
//! the bot.

pub(crate) mod courier;
pub(crate) mod live_cards;
mod store;
mod wake_set;

use jiff::Timestamp;
use uuid::Uuid;

pub use crate::feishu::api::Recipient;
pub use store::{CardRecord, Committed, OpenError, PostFate, QueuedPost, Store, StoreError, open};
pub(crate) use store::{PastTurn, open_watched};

use crate::{
    audit::{AuditEntry, AuditRecord},
    ids::{ChatId, ConvId, MessageId, OpenId, SlotId},
    render::document::Document,
};

/// A message to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// Feishu's id of the message. A second message with the same id is not taken over.
    pub message_id: MessageId,
    /// The chat that it was written in.
    pub chat_id: ChatId,
    /// The open_id of the sender.
    pub user: OpenId,
    /// Whether the chat is a group.
    pub group: bool,
    /// The text, as the sender wrote it.
    pub text: String,
    /// When it was written, as Feishu says.
    pub created: Timestamp,
    /// When phonework received it.
    pub received: Timestamp,
}

/// A message that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its number in the inbox: a later message has a higher one, and none is given twice.
    pub seq: i64,
    /// The message as it was taken over.
    pub message: NewMail,
    /// The session that it was assigned to; `None` until it is.
    pub conv_id: Option<ConvId>,
}

impl Mail {
    /// A message that was taken over under this number and is not assigned yet.
    #[must_use]
    pub fn new(seq: i64, message: NewMail) -> Self {
        Self { seq, message, conv_id: None }
    }
}

/// A turn, as it is recorded before its prompt goes to Claude. A [`Settlement`] ends it together with its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnStart {
    /// A new id, which the prompt carries.
    pub turn_id: Uuid,
    /// The number of the waiting message that asks for it; `None` for a turn that no new message asks for.
    pub mail: Option<i64>,
    /// The session that runs it.
    pub conv_id: ConvId,
    /// The sender of the prompt.
    pub user: OpenId,
    /// The chat that the answer goes to.
    pub chat_id: ChatId,
    /// Whether the chat is a group.
    pub group: bool,
    /// The message that the answer replies to.
    pub reply_to: Option<MessageId>,
    /// What goes to Claude, word for word.
    pub prompt: String,
    /// When the turn began.
    pub at: Timestamp,
}

/// What ends messages and a turn, with everything that follows from it, in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The numbers of the messages that are answered, each waiting or running until now.
    pub mails: Vec<i64>,
    /// The running turn that ends, and how it ended, in one word.
    pub turn: Option<(Uuid, String)>,
    /// What is sent, in this order.
    pub posts: Vec<Post>,
    /// The final updates of cards that may never have got into the chat. They follow the posts, each only if its card
    /// is in the chat or on its way.
    pub final_updates: Vec<(SlotId, Post)>,
    /// The turn's line for the audit log.
    pub audit: Option<AuditRecord>,
    /// When it was settled.
    pub at: Timestamp,
}

impl Settlement {
    /// A settlement that settles nothing yet.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self { mails: Vec::new(), turn: None, posts: Vec::new(), final_updates: Vec::new(), audit: None, at }
    }

    /// Everything that is sent, or may be.
    pub(crate) fn all_posts(&self) -> impl Iterator<Item = &Post> {
        self.posts.iter().chain(self.final_updates.iter().map(|(_, post)| post))
    }
}

/// A message to Feishu that is owed until Feishu confirms it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The chat or the person that it goes to.
    pub to: Recipient,
    /// The message that it replies to. If that is gone, the post is sent as a message of its own.
    pub reply_to: Option<MessageId>,
    /// The text, document or reaction that is sent.
    pub body: PostBody,
}

/// What a [`Post`] sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostBody {
    /// A text that is short enough for one message.
    Text(String),
    /// A document, which comes down the ladder until Feishu takes it.
    Document {
        /// What people read.
        document: Document,
        /// The slot whose card shows it; `None` for a document that stays as it is. If the card is in the chat already,
        /// it is changed.
        slot: Option<Slot>,
    },
    /// An emoji on a message.
    Reaction {
        /// The message that the reaction is put on.
        on: MessageId,
        /// Feishu's name of the emoji, such as `OnIt`.
        emoji: String,
        /// The text that is sent when Feishu refuses the reaction.
        otherwise: Option<String>,
    },
}

/// The place of a card that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its id, which the card keeps for as long as it changes.
    pub id: SlotId,
    /// What the card shows if the daemon ends before another post changes it; `None` when this is its final update.
    pub fallback: Option<Document>,
}

/// What the last run of the daemon did not finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Messages that no turn has begun for, in the order of acceptance.
    pub waiting: Vec<Mail>,
    /// Turns that were running, in the order in which they began.
    pub cut: Vec<TurnStart>,
    /// Audit lines that may not be in their files yet, in order.
    pub unwritten: Vec<AuditEntry>,
    /// When each session last began or ended a turn, as far as its turns are still known.
    pub activity: Vec<(ConvId, Timestamp)>,
}

/// A post that Feishu refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WedgedPost {
    /// When it was given up.
    pub(crate) at: Timestamp,
    /// The chat or person it was meant for.
    pub(crate) to: Recipient,
    /// Feishu's code and message.
    pub(crate) why: String,
}

/// How much mail there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailDepths {
    /// Number of messages that no turn has begun for.
    pub waiting: u32,
    /// Number of messages whose turn runs.
    pub running: u32,
    /// Number of posts that Feishu has not confirmed.
    pub pending: u32,
    /// Number of posts that Feishu refused for good within the last 30 days.
    pub wedged: u32,
    /// When the oldest waiting message was received.
    pub oldest_waiting: Option<Timestamp>,
    /// When the oldest pending post was committed.
    pub oldest_pending: Option<Timestamp>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message with this number and the id `om_` and the number, written in 1970.
    pub(crate) fn mail_of(seq: i64, user: &str) -> Mail {
        let message = NewMail {
            message_id: format!("om_{seq}").into(),
            chat_id: "oc_1".into(),
            user: user.into(),
            group: false,
            text: String::new(),
            created: Timestamp::UNIX_EPOCH,
            received: Timestamp::UNIX_EPOCH,
        };
        Mail::new(seq, message)
    }
}
