//! What waits behind a running turn, as its sender sees it: a card for each chat, on the stage as long as something
//! waits there, and what he can do with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::asked::{ActionReply, ActionRequest};
use super::router::{DeferredTask, PendingPrompt, Router};
use super::show;
use super::show::queue::QueueRow;
use super::user_queues::QueuedMessage;
use crate::ids::{ChatId, ConvId, OpenId, SlotId};
use crate::mail::live_cards::CardUpdate;
use crate::mail::{Mail, Post, PostBody, Recipient, Settlement, Slot};
use crate::session::machine::Input;
use crate::words::beginning;

/// What waits no longer than this is shown by its emoji alone.
const SHOWN_AFTER: Duration = Duration::from_secs(2);

/// The cards of all queues.
#[derive(Debug, Default)]
pub(super) struct QueueCards {
    cards: BTreeMap<(OpenId, ChatId), QueueCard>,
}

#[derive(Debug)]
struct QueueCard {
    slot: SlotId,
    /// Whether it is on the stage.
    shown: bool,
    group: bool,
}

impl Router {
    /// Brings the cards up to what the queues are now.
    pub(super) fn show_queues(&mut self) {
        for user in self.desk.take_changed() {
            let chats: BTreeMap<ChatId, bool> = self
                .desk
                .queue(&user)
                .map(|waiting| (waiting.item.mail.chat_id.clone(), waiting.item.mail.group))
                .collect();
            let before = self.queues.cards.keys().filter(|(other, _)| *other == user);
            let before: BTreeSet<ChatId> = before.map(|(_, chat)| chat.clone()).collect();
            for chat in before.iter().filter(|chat| !chats.contains_key(*chat)) {
                self.end_queue(&user, chat);
            }
            for (chat, group) in chats {
                if before.contains(&chat) {
                    self.show_queue(&user, &chat);
                } else {
                    let card = QueueCard { slot: SlotId::random(), shown: false, group };
                    self.after(SHOWN_AFTER, DeferredTask::ShowQueue(user.clone(), chat.clone(), card.slot));
                    self.queues.cards.insert((user.clone(), chat), card);
                }
            }
        }
    }

    /// What has waited for a while gets its card, if it is still the same that waits.
    pub(super) fn queue_lasts(&mut self, user: &OpenId, chat: &ChatId, slot: SlotId) {
        let card = self.queues.cards.get_mut(&(user.clone(), chat.clone()));
        if let Some(card) = card.filter(|card| card.slot == slot) {
            card.shown = true;
            self.show_queue(user, chat);
        }
    }

    fn show_queue(&self, user: &OpenId, chat: &ChatId) {
        let Some(card) = self.queues.cards.get(&(user.clone(), chat.clone())).filter(|card| card.shown)
        else {
            return;
        };
        let here = |mail: &Mail| mail.chat_id == *chat;
        let (rows, waiting) = self.rows(user, here, here);
        let document = show::queue::queue(&rows, waiting, self.words(), card.group);
        let epitaph = Some(show::queue::over(self.words().queue_gone()));
        let to = Recipient::Chat(chat.clone());
        self.stage.show(card.slot, CardUpdate { to, reply_to: None, document, epitaph });
    }

    fn end_queue(&mut self, user: &OpenId, chat: &ChatId) {
        let Some(card) = self.queues.cards.remove(&(user.clone(), chat.clone())) else { return };
        if !card.shown {
            return;
        }
        let document = show::queue::over(self.words().queue_empty());
        let body = PostBody::Document { document, slot: Some(Slot { id: card.slot, epitaph: None }) };
        let word = Post { to: Recipient::Chat(chat.clone()), reply_to: None, body };
        let (store, stage, slot) = (self.store.clone(), self.stage.clone(), card.slot);
        tokio::spawn(async move {
            if store.last_word(slot, word, Timestamp::now()).await != Ok(true) {
                // Nobody has seen it; or the disk does not take it, and its buttons find nothing that waits.
                stage.clear(slot);
            }
        });
    }

    /// The beginning of what waits of a person's and is to be `listed`, and how many that are; each with its words if
    /// they may be `read` where it is shown.
    fn rows(
        &self,
        user: &OpenId,
        listed: impl Fn(&Mail) -> bool,
        read: impl Fn(&Mail) -> bool,
    ) -> (Vec<QueueRow>, usize) {
        let waiting = || self.desk.queue(user).zip(1..).filter(|(waiting, _)| listed(&waiting.item.mail));
        let row = |(waiting, number): (&QueuedMessage<PendingPrompt>, usize)| QueueRow {
            number,
            mail: waiting.item.mail.seq,
            text: read(&waiting.item.mail).then(|| waiting.item.mail.text.clone()),
            project: self.place(user, &waiting.conv_id),
        };
        (waiting().take(show::queue::SHOWN).map(row).collect(), waiting().count())
    }

    /// Where a session of his is.
    fn place(&self, user: &OpenId, conv_id: &ConvId) -> String {
        let session = self.registry.of(user).session(conv_id);
        session
            .map(|session| self.settings.workspace.shown(&session.cwd).display().to_string())
            .unwrap_or_default()
    }

    /// What a message is called where who `asked` is answered.
    fn called(&self, asked: &ActionRequest, waiting: &QueuedMessage<PendingPrompt>) -> String {
        let mail = &waiting.item.mail;
        if is_read(asked, mail) { beginning(&mail.text) } else { self.place(&asked.user, &waiting.conv_id) }
    }

    /// Takes the waiting message with this number out of the queue; without a number, the only one, or says which wait.
    pub(super) fn cancel_numbered(&mut self, asked: ActionRequest, number: Option<usize>) {
        if let Some((asked, mail)) = self.numbered_waiting(asked, number) {
            self.cancel(asked, mail);
        }
    }

    /// The same to run it at once.
    pub(super) fn send_numbered_now(&mut self, asked: ActionRequest, number: Option<usize>) {
        if let Some((asked, mail)) = self.numbered_waiting(asked, number) {
            self.send_now(asked, mail);
        }
    }

    fn numbered_waiting(&self, asked: ActionRequest, number: Option<usize>) -> Option<(ActionRequest, i64)> {
        let words = self.words();
        let many = self.desk.waiting(&asked.user);
        let sentence = match number {
            _ if many == 0 => words.nothing_waits(),
            None if many > 1 => {
                let (rows, waiting) = self.rows(&asked.user, |_| true, |mail| is_read(&asked, mail));
                let shown = Some(show::queue::queue(&rows, waiting, words, asked.group));
                self.done(
                    asked,
                    None,
                    Vec::new(),
                    ActionReply { sentence: words.queue_head(waiting), shown },
                );
                return None;
            }
            None | Some(_) => {
                let number = number.unwrap_or(1);
                let found = number.checked_sub(1).and_then(|place| self.desk.queue(&asked.user).nth(place));
                match found {
                    Some(waiting) => return Some((asked, waiting.item.mail.seq)),
                    None => words.no_such_waiting(number),
                }
            }
        };
        self.declined(asked, sentence);
        None
    }

    /// Takes a waiting message of his out of the queue.
    pub(super) fn cancel(&mut self, asked: ActionRequest, mail: i64) {
        let user = asked.user.clone();
        let is = |pending: &PendingPrompt| pending.mail.seq == mail && pending.mail.user == user;
        let Some(waiting) = self.desk.take_back(is) else {
            return self.declined(asked, self.words().waits_no_more());
        };
        let sentence = self.words().cancelled(&self.called(&asked, &waiting));
        let settlement = Settlement { mails: vec![mail], ..Settlement::at(Timestamp::now()) };
        self.done_with(asked, None, settlement, sentence);
        self.dispatch(&user);
    }

    /// Runs a waiting message of his before the others, and stops what runs.
    pub(super) fn send_now(&mut self, asked: ActionRequest, mail: i64) {
        let user = asked.user.clone();
        if self.desk.promote(&user, |pending| pending.mail.seq == mail).is_none() {
            return self.declined(asked, self.words().waits_no_more());
        }
        let next = self.desk.queue(&user).find(|waiting| waiting.item.mail.seq == mail);
        let which = next.map(|next| self.called(&asked, next)).unwrap_or_default();
        let sentence = self.words().runs_now(&which);
        if let Some(running) = self.begun.get(&user) {
            // The turn itself says that it was stopped.
            self.control(&running.waiting.conv_id, Input::Stop(running.waiting.item.mail.seq));
        }
        self.done(asked, None, Vec::new(), sentence);
        self.dispatch(&user);
    }
}

/// Whether a message's words may be shown where who `asked` is answered: in a group, to others, only its own.
fn is_read(asked: &ActionRequest, mail: &Mail) -> bool {
    !asked.group || mail.chat_id == asked.chat_id
}
