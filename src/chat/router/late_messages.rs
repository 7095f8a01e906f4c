//! Messages that come too late to be run without asking, and messages that their sender recalls.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::info;

use super::ordered_writer::AfterWrite;
use super::reply::{ActionRequest, RequestSource, document_post, reply_target, show_toast};
use super::{DeferredTask, Router};
use crate::card_action::ToastKind;
use crate::chat::show;
use crate::chat::stale_messages::{OpenStaleQuestion, StaleQuestion};
use crate::crash::{self, Point};
use crate::feishu::socket::Answer;
use crate::ids::{MessageId, OpenId};
use crate::mail::{Mail, Post, Settlement, Slot};
use crate::session::report;

/// How long further stale messages of a person are gathered, from the first one on, before the person is asked.
const GATHER_TIME: Duration = Duration::from_secs(2);

impl Router {
    /// Keeps a stale message until its sender has been asked about it.
    pub(super) fn keep_stale(&mut self, mail: Mail) {
        let user = mail.message.user.clone();
        match self.waiting.stale.keep(mail.clone()) {
            Ok(true) => self.defer(GATHER_TIME, DeferredTask::AskAboutStale(user)),
            Ok(false) => {}
            Err(full) => self.refuse(&mail, full),
        }
    }

    /// Drops a recalled message that still waits; one that runs goes on. The event is acknowledged when that is on
    /// record.
    pub(super) fn recall(&mut self, message_id: &MessageId, ack: oneshot::Sender<Answer>) {
        crash::at(Point::RecallRouted);
        let mut settlement = Settlement::at(Timestamp::now());
        if let Some(mail) = self.waiting.remove(message_id) {
            info!(%message_id, user = %mail.message.user, "message recalled before its turn");
            settlement.mails.push(mail.seq);
        }
        self.writer.write_then(None, settlement, AfterWrite::Acknowledge(ack));
    }

    /// Asks a person what to do with their stale messages, unless they were asked about all of them.
    pub(super) fn ask_about_stale(&mut self, user: &OpenId) {
        let words = self.words();
        let Some(StaleQuestion { mails, slot, replaced }) = self.waiting.stale.ask(user) else { return };
        let Some(oldest) = mails.first() else { return };
        crash::at(Point::StaleAsked);
        let age = Timestamp::now().duration_since(oldest.message.created).unsigned_abs();
        let texts: Vec<&str> = mails.iter().map(|mail| mail.message.text.as_str()).collect();
        let document = show::late::late(&texts, age, words, oldest.message.group);
        let fallback = Some(show::late::decided(mails.len(), words.late_gone(), words));
        let slot = Slot { id: slot, fallback };
        let mut posts = vec![document_post(&reply_target(oldest), document, Some(slot))];
        posts.extend(replaced.map(|replaced| self.closed_question(replaced, words.late_asked_anew())));
        self.writer.write(None, Settlement { posts, ..Settlement::at(Timestamp::now()) });
    }

    /// Runs the stale messages that the requester was asked about.
    pub(super) fn run_stale(&mut self, request: ActionRequest) {
        let taken = self.waiting.stale.take(&request.user);
        let Some(question) = taken.question.filter(|_| !taken.mails.is_empty()) else {
            return self.ask_before_deciding(request);
        };
        let sentence = self.words().late_run(taken.mails.len());
        let mut settlement = Settlement::at(Timestamp::now());
        settlement.posts.push(self.closed_question(question, sentence.clone()));
        if let RequestSource::Typed(seq) = request.by {
            let heard = report::heard(seq, &request.message_id, &request.user);
            settlement.mails.extend(heard.mails);
            settlement.posts.extend(heard.posts);
            self.writer.write(None, settlement);
        } else {
            self.confirm_with(request, None, settlement, sentence);
        }
        for mail in taken.mails {
            self.route(mail);
        }
    }

    /// Drops the stale messages that the requester was asked about.
    pub(super) fn discard_stale(&mut self, request: ActionRequest) {
        let taken = self.waiting.stale.take(&request.user);
        let Some(question) = taken.question.filter(|_| !taken.mails.is_empty()) else {
            return self.ask_before_deciding(request);
        };
        let sentence = self.words().discarded(taken.mails.len());
        let mut settlement = Settlement::at(Timestamp::now());
        settlement.mails = taken.mails.iter().map(|mail| mail.seq).collect();
        settlement.posts.push(self.closed_question(question, sentence.clone()));
        self.confirm_with(request, None, settlement, sentence);
    }

    /// The last content of a question's card: what became of it.
    fn closed_question(&self, question: OpenStaleQuestion, sentence: String) -> Post {
        let OpenStaleQuestion { slot, reply, count } = question;
        let document = show::late::decided(count, sentence, self.words());
        document_post(&reply, document, Some(Slot { id: slot, fallback: None }))
    }

    /// Answers somebody who decides before they were asked: asks them now, if there is anything to decide.
    fn ask_before_deciding(&mut self, request: ActionRequest) {
        let user = request.user.clone();
        if !self.waiting.stale.has_any(&user) {
            return self.decline(request, self.words().nothing_kept());
        }
        match request.by {
            RequestSource::Typed(seq) => {
                self.writer.write(None, report::heard(seq, &request.message_id, &user))
            }
            RequestSource::Pressed(answer) => {
                show_toast(answer, ToastKind::Info, self.words().late_asked_anew())
            }
        }
        self.ask_about_stale(&user);
    }
}
