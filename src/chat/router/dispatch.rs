//! What happens to a message: from the inbox, through its sender's queue, to its session.
//!
//! `receive` sets aside what must not run now, `route` tells commands from prompts, `deliver` gives words to a session
//! that waits for them or puts them into the queue, and `dispatch_next` hands the next prompt to its session's actor.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::info;
use uuid::Uuid;

use super::Router;
use super::live_sessions::RunningPrompt;
use super::reply::reply_target;
use super::waiting::PendingPrompt;
use crate::chat::command::{self, Command, ParsedMessage};
use crate::chat::process_slots::SlotClaim;
use crate::chat::stale_messages::is_stale;
use crate::chat::user_queues::{MAX_WAITING, QueueFull, QueuedMessage};
use crate::claude::wire::slash_command;
use crate::crash::{self, Point};
use crate::ids::{ConvId, OpenId};
use crate::mail::{Mail, Settlement};
use crate::session::actor::SessionWork;
use crate::session::machine::{Input, Instruction};
use crate::session::report;
use crate::session::turn::Prompt;

impl Router {
    /// Takes a message over from the inbox.
    pub(super) fn receive(&mut self, mail: Mail) {
        crash::at(Point::MessageRouted);
        self.last_received = self.last_received.max(Some(mail.message.received));
        info!(message_id = %mail.message.message_id, user = %mail.message.user, "message taken over");
        if self.is_shut_out(&mail) {
            return;
        }
        if is_stale(mail.message.created, Timestamp::now(), self.settings.keyring.stale_after) {
            return self.keep_stale(mail);
        }
        self.route(mail);
    }

    /// Whether the sender of a message is no longer allowed, which may happen while it waits. The message is settled
    /// then.
    pub(super) fn is_shut_out(&self, mail: &Mail) -> bool {
        let allowed = self.settings.access.allows(&mail.message.user);
        if !allowed {
            info!(message_id = %mail.message.message_id, user = %mail.message.user, "message dropped: its sender is no longer allowed");
            self.writer.write(None, Settlement { mails: vec![mail.seq], ..Settlement::at(Timestamp::now()) });
        }
        !allowed
    }

    /// Follows a command, or delivers a prompt to its session.
    pub(super) fn route(&mut self, mail: Mail) {
        match self.waiting.openings.hold(&mail) {
            Ok(false) => {}
            Ok(true) => return,
            Err(full) => return self.refuse(&mail, full),
        }
        match command::parse(&mail.message.text) {
            ParsedMessage::Command(command) => self.follow_command(mail, command),
            ParsedMessage::Faulty(fault) => self.answer(&mail, self.words().fault(&fault)),
            ParsedMessage::Words if mail.message.text.trim().is_empty() => {
                self.answer(&mail, self.words().empty())
            }
            ParsedMessage::Words => {
                let assigned = mail.conv_id.clone();
                let active = || {
                    self.registry
                        .of(&mail.message.user)
                        .active(&mail.message.chat_id)
                        .map(|s| s.conv_id.clone())
                };
                match assigned.or_else(active) {
                    Some(conv_id) => self.deliver(mail, conv_id),
                    None if slash_command(&mail.message.text).is_some() => {
                        self.answer(&mail, self.words().help())
                    }
                    None => self.answer(&mail, self.words().no_session()),
                }
            }
        }
    }

    /// Gives words to a session: as an answer if it waits for words in this chat, otherwise as a prompt.
    fn deliver(&mut self, mail: Mail, conv_id: ConvId) {
        let open = self.waiting.answers.open_in(&conv_id, &reply_target(&mail).to);
        if open.is_some_and(|open| open.words) {
            let typed = Input::Typed(mail.message.text.clone(), instruction(&mail));
            if self.live.control(&conv_id, typed) {
                return self.waiting.answers.remember(conv_id, mail);
            }
        }
        self.enqueue(mail, conv_id, false);
    }

    /// What was typed as an answer came too late to be one: it is a prompt after all.
    pub(super) fn enqueue_late_answer(&mut self, conv_id: &ConvId, seq: i64) {
        if let Some(mail) = self.waiting.answers.take(conv_id, seq)
            && !self.is_shut_out(&mail)
        {
            self.enqueue(mail, conv_id.clone(), false);
        }
    }

    /// Puts a message into its sender's queue, and starts it if nothing is before it. `again` runs an earlier prompt
    /// again.
    pub(super) fn enqueue(&mut self, mail: Mail, conv_id: ConvId, again: bool) {
        let user = mail.message.user.clone();
        let message = QueuedMessage {
            sent: mail.message.created,
            conv_id: conv_id.clone(),
            item: PendingPrompt { mail: mail.clone(), again },
        };
        let before = match self.waiting.queues.add(&user, message) {
            Ok(before) => before,
            Err(full) => return self.refuse(&mail, full),
        };
        self.dispatch_next(&user);
        let queues = &self.waiting.queues;
        let waits =
            queues.waiting_count(&user) > 0 && (before > 0 || queues.running_session(&user).is_none());
        if waits {
            self.assign(mail.seq, conv_id);
            self.writer
                .write(None, report::waits(&mail.message.message_id, &user, self.words().waits(before)));
        }
    }

    /// Refuses a message for want of room: the first one in words, the others by an emoji beside each.
    pub(super) fn refuse(&self, mail: &Mail, full: QueueFull) {
        match full {
            QueueFull::Now => self.answer(mail, self.words().queue_full(MAX_WAITING)),
            QueueFull::Still => {
                self.writer
                    .write(None, report::not_taken(mail.seq, &mail.message.message_id, &mail.message.user));
            }
        }
    }

    /// Starts the person's next prompt, if none of theirs runs and its session has a process slot.
    pub(super) fn dispatch_next(&mut self, user: &OpenId) {
        while let Some(conv_id) = self.waiting.queues.next_session(user).cloned() {
            let Some(session) = self.registry.of(user).session(&conv_id).cloned() else {
                if let Some(message) = self.waiting.queues.start_next(user) {
                    self.answer(&message.item.mail, self.words().session_gone());
                }
                self.waiting.queues.finish(user);
                continue;
            };
            let is_live = match self.live.claim_slot(&conv_id) {
                SlotClaim::AlreadyHeld => true,
                SlotClaim::Granted => false,
                SlotClaim::AfterSleepOf(other) => return self.live.sleep(&other),
                SlotClaim::Later => return,
            };
            let Some(message) = self.waiting.queues.start_next(user) else { return };
            let work = SessionWork { prompt: self.prompt(&message.item), again: message.item.again };
            if !is_live {
                self.live.start(&session, &self.settings, &self.registry, Some(work));
            } else if !self.live.hand_over(&conv_id, work) {
                // Its process is ending; its last report leads here again.
                return self.waiting.queues.put_back(user, message);
            }
            let since = Timestamp::now();
            self.registry.touch(&conv_id, since);
            self.live.set_running(user.clone(), RunningPrompt { message, since });
            return;
        }
    }

    /// Puts on record which session a message goes to: after a restart another one may be active.
    pub(super) fn assign(&self, seq: i64, conv_id: ConvId) {
        tokio::spawn(self.store.clone().assign_with_retry(seq, conv_id));
    }

    fn prompt(&self, pending: &PendingPrompt) -> Prompt {
        let mail = &pending.mail;
        // A typed `/retry` does not say what it runs again; the message of a button does.
        let text = if pending.again
            && command::parse(&mail.message.text) == ParsedMessage::Command(Command::Retry)
        {
            String::new()
        } else {
            mail.message.text.clone()
        };
        Prompt {
            turn_id: Uuid::new_v4(),
            mail: mail.seq,
            text,
            chat_id: mail.message.chat_id.clone(),
            reply: reply_target(mail),
            long: self.registry.long(&mail.message.user),
        }
    }
}

/// A message as an instruction to a live session.
pub(super) fn instruction(mail: &Mail) -> Instruction {
    let age = Duration::try_from(Timestamp::now().duration_since(mail.message.created)).unwrap_or_default();
    let now = Instant::now();
    let sent = now.checked_sub(age).unwrap_or(now);
    Instruction {
        mail: mail.seq,
        message_id: mail.message.message_id.clone(),
        reply: reply_target(mail),
        sent,
    }
}
