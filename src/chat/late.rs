//! What becomes of messages that were taken over long after they were sent, or taken back by their sender.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::info;

use super::asked::{ActionRequest, RequestSource, post, show as show_toast};
use super::ordered_writer::AfterWrite;
use super::router::{DeferredTask, Router, reply};
use super::show;
use super::stale::{OpenStaleQuestion, StaleQuestion};
use crate::card_action::ToastKind;
use crate::crash::{self, Point};
use crate::feishu::socket::Answer;
use crate::ids::{MessageId, OpenId};
use crate::mail::{Mail, Post, Settlement, Slot};
use crate::session::report;

/// Their sender is asked when no more of them came for so long.
const GATHER: Duration = Duration::from_secs(2);

impl Router {
    pub(super) fn keep_stale(&mut self, mail: Mail) {
        let user = mail.user.clone();
        match self.stale.keep(mail.clone()) {
            Ok(true) => self.after(GATHER, DeferredTask::AskStale(user)),
            Ok(false) => {}
            Err(full) => self.not_taken(&mail, full),
        }
    }

    /// A message that was taken back and still waits is not run; one that runs goes on. The event is acknowledged when
    /// that is on record.
    pub(super) fn recalled(&mut self, message_id: &MessageId, ack: oneshot::Sender<Answer>) {
        crash::at(Point::RecallRouted);
        let waiting = self.desk.take_back(|pending| &pending.mail.message_id == message_id);
        let mail = waiting.map(|waiting| waiting.item.mail);
        let mail = mail.or_else(|| self.stale.take_back(message_id));
        let mail = mail.or_else(|| self.opening.take_back(message_id));
        let mut settlement = Settlement::at(Timestamp::now());
        if let Some(mail) = mail {
            info!(%message_id, user = %mail.user, "message taken back before its turn");
            settlement.mails.push(mail.seq);
        }
        self.scribe.write_then(None, settlement, AfterWrite::Acknowledge(ack));
    }

    pub(super) fn ask_stale(&mut self, user: &OpenId) {
        let words = self.words();
        let Some(StaleQuestion { mails, slot, before }) = self.stale.ask(user) else { return };
        let Some(oldest) = mails.first() else { return };
        crash::at(Point::StaleAsked);
        let age = Timestamp::now().duration_since(oldest.created).unsigned_abs();
        let texts: Vec<&str> = mails.iter().map(|mail| mail.text.as_str()).collect();
        let document = show::late::late(&texts, age, words, oldest.group);
        let epitaph = Some(show::late::decided(mails.len(), words.late_gone(), words));
        let mut posts = vec![post(&reply(oldest), document, Some(Slot { id: slot, epitaph }))];
        posts.extend(before.map(|before| self.over(before, words.late_asked_anew())));
        self.scribe.write(None, Settlement { posts, ..Settlement::at(Timestamp::now()) });
    }

    /// Runs what came too late and its sender was asked about.
    pub(super) fn run_late(&mut self, asked: ActionRequest) {
        let kept = self.stale.take(&asked.user);
        let Some(question) = kept.question.filter(|_| !kept.mails.is_empty()) else {
            return self.not_asked_yet(asked);
        };
        let sentence = self.words().late_run(kept.mails.len());
        let mut settlement = Settlement::at(Timestamp::now());
        settlement.posts.push(self.over(question, sentence.clone()));
        if let RequestSource::Typed(seq) = asked.by {
            let heard = report::heard(seq, &asked.message_id, &asked.user);
            settlement.mails.extend(heard.mails);
            settlement.posts.extend(heard.posts);
            self.scribe.write(None, settlement);
        } else {
            self.done_with(asked, None, settlement, sentence);
        }
        for mail in kept.mails {
            // None of them is such a command: those are commands of the day they are sent.
            self.fresh(mail);
        }
    }

    /// Drops it.
    pub(super) fn discard_late(&mut self, asked: ActionRequest) {
        let kept = self.stale.take(&asked.user);
        let Some(question) = kept.question.filter(|_| !kept.mails.is_empty()) else {
            return self.not_asked_yet(asked);
        };
        let sentence = self.words().discarded(kept.mails.len());
        let mut settlement = Settlement::at(Timestamp::now());
        settlement.mails = kept.mails.iter().map(|mail| mail.seq).collect();
        settlement.posts.push(self.over(question, sentence.clone()));
        self.done_with(asked, None, settlement, sentence);
    }

    /// The last word of a question.
    fn over(&self, question: OpenStaleQuestion, sentence: String) -> Post {
        let OpenStaleQuestion { slot, reply, many } = question;
        let document = show::late::decided(many, sentence, self.words());
        post(&reply, document, Some(Slot { id: slot, epitaph: None }))
    }

    /// Answers who decides before he was asked: he is asked now, if there is anything to decide.
    fn not_asked_yet(&mut self, asked: ActionRequest) {
        let user = asked.user.clone();
        if !self.stale.keeps(&user) {
            return self.declined(asked, self.words().nothing_kept());
        }
        match asked.by {
            RequestSource::Typed(seq) => {
                self.scribe.write(None, report::heard(seq, &asked.message_id, &user))
            }
            RequestSource::Pressed(answer) => {
                show_toast(answer, ToastKind::Info, self.words().late_asked_anew())
            }
        }
        self.ask_stale(&user);
    }
}
