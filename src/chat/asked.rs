//! Who asks for something, by a command or by a button, and how he is answered: both do the same, on record before it is
//! said.

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::ordered_writer::AfterWrite;
use super::router::Router;
use crate::card_action::{Toast, ToastKind};
use crate::ids::{ChatId, MessageId, OpenId};
use crate::mail::{Mail, Post, PostBody, Recipient, Settlement, Slot};
use crate::render::document::Document;
use crate::session::file::Saved;
use crate::session::turn::ReplyTarget;

/// Somebody asks for something.
#[derive(Debug)]
pub(super) struct ActionRequest {
    pub(super) user: OpenId,
    pub(super) chat_id: ChatId,
    /// Whether the chat is a group.
    pub(super) group: bool,
    /// The command, or the card.
    pub(super) message_id: MessageId,
    pub(super) by: RequestSource,
}

/// How he asks.
#[derive(Debug)]
pub(super) enum RequestSource {
    /// By a command, which has this place in the inbox.
    Typed(i64),
    /// By a button; who pressed it is shown this.
    Pressed(oneshot::Sender<Toast>),
}

/// What is said to what was asked for.
#[derive(Debug)]
pub(super) struct ActionReply {
    /// In a sentence: the toast of a press, and the answer to a command that shows nothing.
    pub(super) sentence: String,
    /// In the chat.
    pub(super) shown: Option<Document>,
}

impl ActionRequest {
    pub(super) fn typed(mail: &Mail) -> Self {
        Self {
            user: mail.user.clone(),
            chat_id: mail.chat_id.clone(),
            group: mail.group,
            message_id: mail.message_id.clone(),
            by: RequestSource::Typed(mail.seq),
        }
    }

    /// Where the answer goes: in a group it quotes the command or the card.
    pub(super) fn reply(&self) -> ReplyTarget {
        let under = self.group.then(|| self.message_id.clone());
        ReplyTarget { to: Recipient::Chat(self.chat_id.clone()), under }
    }

    /// The command's message, by which it is known when it is taken over a second time.
    pub(super) fn command(&self) -> Option<&MessageId> {
        match self.by {
            RequestSource::Typed(_) => Some(&self.message_id),
            RequestSource::Pressed(_) => None,
        }
    }
}

impl From<String> for ActionReply {
    fn from(sentence: String) -> Self {
        Self { sentence, shown: None }
    }
}

impl Router {
    /// Says that something is done, when `saved` is on disk and with it that these messages are settled.
    pub(super) fn done(
        &self,
        asked: ActionRequest,
        saved: Option<Saved>,
        mails: Vec<i64>,
        said: impl Into<ActionReply>,
    ) {
        self.done_with(asked, saved, Settlement { mails, ..Settlement::at(Timestamp::now()) }, said);
    }

    /// The same with more that goes on record.
    pub(super) fn done_with(
        &self,
        asked: ActionRequest,
        saved: Option<Saved>,
        mut settlement: Settlement,
        said: impl Into<ActionReply>,
    ) {
        let (reply, ActionReply { sentence, shown }) = (asked.reply(), said.into());
        let shown = shown.map(|document| post(&reply, document, None));
        match asked.by {
            RequestSource::Typed(seq) => {
                settlement.mails.push(seq);
                settlement.posts.push(shown.unwrap_or_else(|| text(&reply, sentence)));
                self.scribe.write(saved, settlement);
            }
            RequestSource::Pressed(answer) => {
                settlement.posts.extend(shown);
                let toast = Toast { kind: ToastKind::Success, text: sentence };
                self.scribe.write_then(saved, settlement, AfterWrite::Show(answer, toast));
            }
        }
    }

    /// Says why something is not done.
    pub(super) fn declined(&self, asked: ActionRequest, sentence: String) {
        let reply = asked.reply();
        match asked.by {
            RequestSource::Typed(seq) => {
                let posts = vec![text(&reply, sentence)];
                let settlement = Settlement { mails: vec![seq], posts, ..Settlement::at(Timestamp::now()) };
                self.scribe.write(None, settlement);
            }
            RequestSource::Pressed(answer) => show(answer, ToastKind::Warning, sentence),
        }
    }
}

/// Shows a toast; who pressed may have been answered already, as it took long.
pub(super) fn show(answer: oneshot::Sender<Toast>, kind: ToastKind, text: String) {
    let _ = answer.send(Toast { kind, text });
}

/// A document on its way.
pub(super) fn post(reply: &ReplyTarget, document: Document, slot: Option<Slot>) -> Post {
    let body = PostBody::Document { document, slot };
    Post { to: reply.to.clone(), reply_to: reply.under.clone(), body }
}

fn text(reply: &ReplyTarget, text: String) -> Post {
    Post { to: reply.to.clone(), reply_to: reply.under.clone(), body: PostBody::Text(text) }
}
