//! Requests by a command or by a button, and the replies to them. Both do the same, and it is on record before the
//! reply says so.

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::Router;
use super::ordered_writer::AfterWrite;
use crate::card_action::{Toast, ToastKind};
use crate::ids::{ChatId, ConvId, MessageId, OpenId};
use crate::mail::{Mail, Post, PostBody, Recipient, Settlement, Slot};
use crate::render::document::Document;
use crate::session::file::Saved;
use crate::session::registry::{Ownership, Session};
use crate::session::report;
use crate::session::turn::ReplyTarget;

/// A request of a person, by a command or by a button.
#[derive(Debug)]
pub(super) struct ActionRequest {
    pub(super) user: OpenId,
    pub(super) chat_id: ChatId,
    /// Whether the chat is a group.
    pub(super) group: bool,
    /// The message with the command, or with the card.
    pub(super) message_id: MessageId,
    pub(super) by: RequestSource,
}

/// How somebody made a request.
#[derive(Debug)]
pub(super) enum RequestSource {
    /// By a command, which has this place in the inbox.
    Typed(i64),
    /// By a button; whoever pressed it is shown this toast.
    Pressed(oneshot::Sender<Toast>),
}

/// The reply to a request that was carried out.
#[derive(Debug)]
pub(super) struct ActionReply {
    /// One sentence: the toast of a press, and the answer to a command that shows nothing.
    pub(super) sentence: String,
    /// What is shown in the chat.
    pub(super) shown: Option<Document>,
}

impl ActionRequest {
    /// The request of a typed command.
    pub(super) fn typed(mail: &Mail) -> Self {
        Self {
            user: mail.message.user.clone(),
            chat_id: mail.message.chat_id.clone(),
            group: mail.message.group,
            message_id: mail.message.message_id.clone(),
            by: RequestSource::Typed(mail.seq),
        }
    }

    /// Where the reply goes: in a group it quotes the command or the card.
    pub(super) fn reply_target(&self) -> ReplyTarget {
        let under = self.group.then(|| self.message_id.clone());
        ReplyTarget { to: Recipient::Chat(self.chat_id.clone()), under }
    }

    /// The command's message, by which a command that is taken over a second time is recognized; `None` for a press.
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
    /// Replies that a request was carried out, once `saved` is on disk. These inbox entries are settled with it.
    pub(super) fn confirm(
        &self,
        request: ActionRequest,
        saved: Option<Saved>,
        mails: Vec<i64>,
        reply: impl Into<ActionReply>,
    ) {
        self.confirm_with(request, saved, Settlement { mails, ..Settlement::at(Timestamp::now()) }, reply);
    }

    /// Like [`Router::confirm`], with a whole settlement that goes on record.
    pub(super) fn confirm_with(
        &self,
        request: ActionRequest,
        saved: Option<Saved>,
        mut settlement: Settlement,
        reply: impl Into<ActionReply>,
    ) {
        let (target, ActionReply { sentence, shown }) = (request.reply_target(), reply.into());
        let shown = shown.map(|document| document_post(&target, document, None));
        match request.by {
            RequestSource::Typed(seq) => {
                settlement.mails.push(seq);
                settlement.posts.push(shown.unwrap_or_else(|| text_post(&target, sentence)));
                self.writer.write(saved, settlement);
            }
            RequestSource::Pressed(answer) => {
                settlement.posts.extend(shown);
                let toast = Toast { kind: ToastKind::Success, text: sentence };
                self.writer.write_then(saved, settlement, AfterWrite::Show(answer, toast));
            }
        }
    }

    /// Replies why a request is not carried out.
    pub(super) fn decline(&self, request: ActionRequest, sentence: String) {
        let target = request.reply_target();
        match request.by {
            RequestSource::Typed(seq) => {
                let posts = vec![text_post(&target, sentence)];
                let settlement = Settlement { mails: vec![seq], posts, ..Settlement::at(Timestamp::now()) };
                self.writer.write(None, settlement);
            }
            RequestSource::Pressed(answer) => show_toast(answer, ToastKind::Warning, sentence),
        }
    }

    /// Answers a message with a sentence, which settles it.
    pub(super) fn answer(&self, mail: &Mail, text: String) {
        self.writer.write(None, report::notice(vec![mail.seq], &reply_target(mail), text));
    }

    /// The requester's active session in the chat of the request.
    pub(super) fn active_session(&self, request: &ActionRequest) -> Option<Session> {
        self.registry.of(&request.user).active(&request.chat_id).cloned()
    }

    /// The session that a button names, if it is open and belongs to the requester; declines the request if not.
    pub(super) fn own_session(
        &self,
        request: ActionRequest,
        conv_id: &ConvId,
    ) -> Option<(ActionRequest, Session)> {
        let sentence = match self.registry.of(&request.user).ownership(conv_id) {
            Ownership::Theirs(session) => {
                let session = session.clone();
                return Some((request, session));
            }
            Ownership::Over => self.words().session_over(),
            Ownership::NotTheirs => self.words().not_yours(),
        };
        self.decline(request, sentence);
        None
    }
}

/// Where the answer to a message goes: in a group it quotes the message.
pub(in crate::chat) fn reply_target(mail: &Mail) -> ReplyTarget {
    let under = mail.message.group.then(|| mail.message.message_id.clone());
    ReplyTarget { to: Recipient::Chat(mail.message.chat_id.clone()), under }
}

/// Shows a toast. If that took too long, whoever pressed has been answered already.
pub(in crate::chat) fn show_toast(answer: oneshot::Sender<Toast>, kind: ToastKind, text: String) {
    let _ = answer.send(Toast { kind, text });
}

/// A document for the outbox.
pub(super) fn document_post(target: &ReplyTarget, document: Document, slot: Option<Slot>) -> Post {
    let body = PostBody::Document { document, slot };
    Post { to: target.to.clone(), reply_to: target.under.clone(), body }
}

fn text_post(target: &ReplyTarget, text: String) -> Post {
    Post { to: target.to.clone(), reply_to: target.under.clone(), body: PostBody::Text(text) }
}
