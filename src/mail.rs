//! Mail: what came from Feishu and is not yet answered (the inbox), what goes to Feishu and is not yet confirmed (the
//! outbox), and the turns between, in `mail.db`.
//!
//! Promises:
//! - What a call of the [`Store`] says is done is on the disk, all of it or nothing of it.
//! - Calls take effect in the order in which they were made.
//! - A message is taken in once, a turn begins once and is settled once; whoever tries again gets
//!   [`StoreError::Conflict`].
//! - A post stays in the outbox until Feishu has confirmed it or refused it for good; posts to one recipient leave in
//!   the order in which they were committed.
//!
//! Not here: Feishu's JSON and its HTTP (the [`courier`] writes against [`courier::Transport`]), sessions, and who may
//! talk.

mod call;
mod card;
pub mod courier;
mod database_files;
mod database_thread;
mod inbox;
mod keep;
mod known;
mod last_word;
mod ledger;
pub mod live_cards;
mod outbox;
mod pressed;
mod pruning;
pub mod rate_limit;
mod schema;
mod scope;
mod store;

use jiff::Timestamp;
use uuid::Uuid;

pub use crate::feishu::api::Recipient;
pub use card::CardRecord;
pub use outbox::{PostFate, QueuedPost};
pub use pressed::PastTurn;
pub use schema::OpenError;
pub use store::{Committed, Store, StoreError, open, open_watched};

use crate::{
    audit::{AuditEntry, AuditRecord},
    ids::{ChatId, ConvId, MessageId, OpenId, SlotId},
    render::document::Document,
};

/// A message to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// Feishu's id for it; a second one with the same id is not taken.
    pub message_id: MessageId,
    /// Where it was written.
    pub chat_id: ChatId,
    /// Who wrote it.
    pub user: OpenId,
    /// Whether the chat is a group.
    pub group: bool,
    /// What was written.
    pub text: String,
    /// When Feishu says that it was written.
    pub created: Timestamp,
    /// When it came in here.
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

/// A turn as it is on record before its prompt goes to Claude, until a [`Settlement`] names it and its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnStart {
    /// A new id, which the prompt carries.
    pub turn_id: Uuid,
    /// The mail that asks for it, which has to be waiting; `None` for a turn that no new mail asks for.
    pub mail: Option<i64>,
    /// The session.
    pub conv_id: ConvId,
    /// Who asks.
    pub user: OpenId,
    /// Where the answer goes.
    pub chat_id: ChatId,
    /// Whether the chat is a group.
    pub group: bool,
    /// The message that the answer replies to.
    pub reply_to: Option<MessageId>,
    /// What goes to Claude.
    pub prompt: String,
    /// When it began.
    pub at: Timestamp,
}

/// What ends mails and a turn, with all that follows from it: one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// Mails that are answered by this, each waiting or running until now.
    pub mails: Vec<i64>,
    /// The turn that ends, running until now, and how it ended, in one word.
    pub turn: Option<(Uuid, String)>,
    /// What is sent, in this order.
    pub posts: Vec<Post>,
    /// The last words of cards that may never have got into the chat: sent after the posts, if they did.
    pub last_words: Vec<(SlotId, Post)>,
    /// The turn's line for the audit log.
    pub audit: Option<AuditRecord>,
    /// Now.
    pub at: Timestamp,
}

impl Settlement {
    /// One that settles nothing yet.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self { mails: Vec::new(), turn: None, posts: Vec::new(), last_words: Vec::new(), audit: None, at }
    }
}

impl Settlement {
    /// All that is sent, or may be.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Post> {
        self.posts.iter().chain(self.last_words.iter().map(|(_, post)| post))
    }
}

impl Mail {
    /// A message that was taken over under this number and is not assigned yet.
    #[must_use]
    pub fn new(seq: i64, message: NewMail) -> Self {
        Self { seq, message, conv_id: None }
    }
}

/// Something to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where it goes.
    pub to: Recipient,
    /// The message it replies to. When that is gone, it is sent without.
    pub reply_to: Option<MessageId>,
    /// What is sent.
    pub body: PostBody,
}

/// What a [`Post`] sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostBody {
    /// A text, short enough for one message.
    Text(String),
    /// A document, which comes down the ladder until Feishu takes it.
    Document {
        /// What it says.
        document: Document,
        /// The card that it becomes, or changes if that is in the chat already; none for one that stays as it is.
        slot: Option<Slot>,
    },
    /// An emoji on a message.
    Reaction {
        /// The message.
        on: MessageId,
        /// Feishu's name of the emoji, such as `OnIt`.
        emoji: String,
        /// What is sent as a text when Feishu refuses the reaction.
        otherwise: Option<String>,
    },
}

/// A card that is changed while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub id: SlotId,
    /// What the card says if the daemon ends before it is changed once more; none when this is its last word.
    pub epitaph: Option<Document>,
}

/// What the last run of the daemon left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Mails that nobody has begun with, in the order of acceptance.
    pub waiting: Vec<Mail>,
    /// Turns that were running, in the order in which they began.
    pub cut: Vec<TurnStart>,
    /// Lines for the audit log of which it is not known whether they were written, in order.
    pub unwritten: Vec<AuditEntry>,
    /// When each session last began or ended a turn, as far as its turns are still known.
    pub activity: Vec<(ConvId, Timestamp)>,
}

/// A post that Feishu refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WedgedPost {
    /// When.
    pub at: Timestamp,
    /// Where it was to go.
    pub to: Recipient,
    /// Why.
    pub why: String,
}

/// How much mail there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailDepths {
    /// Mails that nobody has begun with.
    pub waiting: u32,
    /// Mails whose turn runs.
    pub running: u32,
    /// Posts that Feishu has not confirmed.
    pub pending: u32,
    /// Posts that Feishu refused for good, of the last 30 days.
    pub wedged: u32,
    /// When the oldest waiting mail came in.
    pub oldest_waiting: Option<Timestamp>,
    /// When the oldest pending post was committed.
    pub oldest_pending: Option<Timestamp>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message of somebody's, `om_` and its number, written in 1970.
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
