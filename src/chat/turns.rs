//! From a person's queue to his session: one message after the other.

use jiff::Timestamp;
use uuid::Uuid;

use super::command::{self, Command, ParsedMessage};
use super::router::{PendingPrompt, Router, RunningPrompt, reply};
use super::user_queues::{LONGEST_QUEUE, QueueFull, QueuedMessage};
use crate::ids::{ConvId, OpenId};
use crate::mail::Mail;
use crate::session::actor::SessionWork;
use crate::session::machine::Input;
use crate::session::process_slots::SlotClaim;
use crate::session::report;
use crate::session::turn::Prompt;

impl Router {
    /// Puts a message in its sender's queue, and runs it if nothing is before it.
    pub(super) fn enqueue(&mut self, mail: Mail, conv_id: ConvId, again: bool) {
        let user = mail.user.clone();
        let waiting = QueuedMessage {
            sent: mail.created,
            conv_id: conv_id.clone(),
            item: PendingPrompt { mail: mail.clone(), again },
        };
        let before = match self.desk.add(&user, waiting) {
            Ok(before) => before,
            Err(full) => return self.not_taken(&mail, full),
        };
        self.dispatch(&user);
        let waits = self.desk.waiting(&user) > 0 && (before > 0 || self.desk.running(&user).is_none());
        if waits {
            self.pin(mail.seq, conv_id);
            self.scribe.write(None, report::waits(&mail.message_id, &user, self.words().waits(before)));
        }
    }

    /// Tells that there is no room for a message: in words once, then by an emoji beside each.
    pub(super) fn not_taken(&self, mail: &Mail, full: QueueFull) {
        match full {
            QueueFull::Now => self.answer(mail, self.words().queue_full(LONGEST_QUEUE)),
            QueueFull::Still => {
                self.scribe.write(None, report::not_taken(mail.seq, &mail.message_id, &mail.user));
            }
        }
    }

    /// Runs the person's next message, if none of his runs and its session has a seat.
    pub(super) fn dispatch(&mut self, user: &OpenId) {
        while let Some(conv_id) = self.desk.next(user).cloned() {
            let Some(session) = self.registry.of(user).session(&conv_id).cloned() else {
                if let Some(waiting) = self.desk.take(user) {
                    self.answer(&waiting.item.mail, self.words().session_gone());
                }
                self.desk.done(user);
                continue;
            };
            let fresh = match self.seats.claim(&conv_id) {
                SlotClaim::Had => false,
                SlotClaim::Taken => true,
                SlotClaim::After(other) => return self.tell(&other, Input::Sleep),
                SlotClaim::Later => return,
            };
            let Some(waiting) = self.desk.take(user) else { return };
            let work = SessionWork { prompt: self.prompt(&waiting.item), again: waiting.item.again };
            if fresh {
                self.start(&session, Some(work));
            } else if self.handles.get(&conv_id).is_none_or(|handle| handle.work.try_send(work).is_err()) {
                // It is ending; its last report comes here again.
                return self.desk.put_back(user, waiting);
            }
            let since = Timestamp::now();
            self.registry.touched(&conv_id, since);
            self.begun.insert(user.clone(), RunningPrompt { waiting, since });
            return;
        }
    }

    /// Settles which session a message goes to, also for the time after a restart: another may be active then.
    pub(super) fn pin(&self, seq: i64, conv_id: ConvId) {
        tokio::spawn(self.store.clone().keep_assigned(seq, conv_id));
    }

    fn prompt(&self, pending: &PendingPrompt) -> Prompt {
        let mail = &pending.mail;
        // `/retry` does not say what it runs; a button does.
        let text = if pending.again && command::parse(&mail.text) == ParsedMessage::Command(Command::Retry) {
            String::new()
        } else {
            mail.text.clone()
        };
        Prompt {
            turn_id: Uuid::new_v4(),
            mail: mail.seq,
            text,
            chat_id: mail.chat_id.clone(),
            reply: reply(mail),
            long: self.registry.long(&mail.user),
        }
    }
}
