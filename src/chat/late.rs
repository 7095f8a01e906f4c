//! What becomes of messages that were taken over long after they were sent, or taken back by their sender.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::info;

use super::router::{Later, Router, reply};
use crate::crash::{self, Point};
use crate::feishu::socket::Answer;
use crate::ids::{MessageId, OpenId};
use crate::mail::{Mail, Settlement};
use crate::session::report;

/// Their sender is asked when no more of them came for so long.
const GATHER: Duration = Duration::from_secs(2);

impl Router {
    pub(super) fn keep_stale(&mut self, mail: Mail) {
        let user = mail.user.clone();
        match self.stale.keep(mail.clone()) {
            Ok(true) => self.after(GATHER, Later::AskStale(user)),
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
        self.scribe.write_and_acknowledge(settlement, ack);
    }

    pub(super) fn ask_stale(&mut self, user: &OpenId) {
        let words = self.words();
        let Some((many, oldest)) = self.stale.ask(user) else { return };
        crash::at(Point::StaleAsked);
        let age = Timestamp::now().duration_since(oldest.created).unsigned_abs();
        let question = report::notice(Vec::new(), &reply(oldest), words.stale(many, age));
        self.scribe.write(None, question);
    }

    pub(super) fn run_stale(&mut self, mail: Mail) {
        let kept = self.stale.take(&mail.user);
        if kept.is_empty() {
            return self.not_asked_yet(&mail);
        }
        self.scribe.write(None, report::heard(mail.seq, &mail.message_id, &mail.user));
        for mail in kept {
            // None of them is such a command: those are commands of the day they are sent.
            self.fresh(mail);
        }
    }

    pub(super) fn discard_stale(&mut self, mail: &Mail) {
        let kept = self.stale.take(&mail.user);
        if kept.is_empty() {
            return self.not_asked_yet(mail);
        }
        let mails = kept.iter().map(|mail| mail.seq).chain([mail.seq]).collect();
        self.scribe.write(None, report::notice(mails, &reply(mail), self.words().discarded(kept.len())));
    }

    /// Answers who decides before he was asked: he is asked now, if there is anything to decide.
    fn not_asked_yet(&mut self, mail: &Mail) {
        if !self.stale.keeps(&mail.user) {
            return self.answer(mail, self.words().nothing_kept());
        }
        self.scribe.write(None, report::heard(mail.seq, &mail.message_id, &mail.user));
        self.ask_stale(&mail.user);
    }
}
