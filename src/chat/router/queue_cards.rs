//! The queue as its owner sees it: a live card in each chat in which messages wait, and what can be done with them
//! (`/cancel`, `/now`, and the buttons that do the same).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::reply::{ActionReply, ActionRequest};
use super::waiting::PendingPrompt;
use super::{DeferredTask, Router};
use crate::chat::show;
use crate::chat::show::queue::QueueRow;
use crate::chat::user_queues::QueuedMessage;
use crate::ids::{ChatId, ConvId, OpenId, SlotId};
use crate::mail::live_cards::CardUpdate;
use crate::mail::{Mail, Post, PostBody, Recipient, Settlement, Slot};
use crate::words::beginning;

/// How long a message waits before the queue gets a card; until then its emoji alone shows that it waits.
const CARD_DELAY: Duration = Duration::from_secs(2);

/// The cards of all queues: one for each person and chat.
#[derive(Debug, Default)]
pub(super) struct QueueCards {
    cards: BTreeMap<(OpenId, ChatId), QueueCard>,
}

#[derive(Debug)]
struct QueueCard {
    slot: SlotId,
    /// Whether the card is in the chat, or on its way there.
    shown: bool,
    group: bool,
}

impl QueueCards {
    /// The chats in which a person's queue has a card, shown or not.
    fn chats_of(&self, user: &OpenId) -> BTreeSet<ChatId> {
        let cards = self.cards.keys().filter(|(other, _)| other == user);
        cards.map(|(_, chat)| chat.clone()).collect()
    }

    /// The person's card in this chat, if it is shown.
    fn shown(&self, user: &OpenId, chat: &ChatId) -> Option<&QueueCard> {
        self.cards.get(&(user.clone(), chat.clone())).filter(|card| card.shown)
    }
}

impl Router {
    /// Brings the cards of all changed queues up to date.
    pub(super) fn update_queue_cards(&mut self) {
        for user in self.waiting.queues.take_changed() {
            let waiting = self.waiting.queues.waiting(&user).map(|queued| &queued.item.mail);
            let chats: BTreeMap<ChatId, bool> =
                waiting.map(|mail| (mail.message.chat_id.clone(), mail.message.group)).collect();
            let before = self.waiting.queue_cards.chats_of(&user);
            for chat in before.iter().filter(|chat| !chats.contains_key(*chat)) {
                self.end_queue_card(&user, chat);
            }
            for (chat, group) in chats {
                if before.contains(&chat) {
                    self.redraw_queue_card(&user, &chat);
                } else {
                    let card = QueueCard { slot: SlotId::random(), shown: false, group };
                    let show = DeferredTask::ShowQueue(user.clone(), chat.clone(), card.slot);
                    self.defer(CARD_DELAY, show);
                    self.waiting.queue_cards.cards.insert((user.clone(), chat), card);
                }
            }
        }
    }

    /// Shows the card of a queue that has lasted for [`CARD_DELAY`], unless another queue has taken its place.
    pub(super) fn show_lasting_queue(&mut self, user: &OpenId, chat: &ChatId, slot: SlotId) {
        let card = self.waiting.queue_cards.cards.get_mut(&(user.clone(), chat.clone()));
        if let Some(card) = card.filter(|card| card.slot == slot) {
            card.shown = true;
            self.redraw_queue_card(user, chat);
        }
    }

    fn redraw_queue_card(&self, user: &OpenId, chat: &ChatId) {
        let Some(card) = self.waiting.queue_cards.shown(user, chat) else { return };
        let is_here = |mail: &Mail| mail.message.chat_id == *chat;
        let (rows, waiting) = self.queue_rows(user, is_here, is_here);
        let document = show::queue::queue(&rows, waiting, self.words(), card.group);
        let fallback = Some(show::queue::over(self.words().queue_gone()));
        let to = Recipient::Chat(chat.clone());
        self.live_cards.show(card.slot, CardUpdate { to, reply_to: None, document, fallback });
    }

    fn end_queue_card(&mut self, user: &OpenId, chat: &ChatId) {
        let Some(card) = self.waiting.queue_cards.cards.remove(&(user.clone(), chat.clone())) else { return };
        if !card.shown {
            return;
        }
        let document = show::queue::over(self.words().queue_empty());
        let body = PostBody::Document { document, slot: Some(Slot { id: card.slot, fallback: None }) };
        let last = Post { to: Recipient::Chat(chat.clone()), reply_to: None, body };
        let (store, live_cards, slot) = (self.store.clone(), self.live_cards.clone(), card.slot);
        tokio::spawn(async move {
            if store.final_update(slot, last, Timestamp::now()).await != Ok(true) {
                // The card never reached the chat; or the disk does not take the post, and the buttons will find
                // nothing that waits.
                live_cards.remove(slot);
            }
        });
    }

    /// The first rows of a person's queue, of the messages that are `listed`, and the number of these messages. A row
    /// shows the message's words only where they may be `read`.
    fn queue_rows(
        &self,
        user: &OpenId,
        listed: impl Fn(&Mail) -> bool,
        read: impl Fn(&Mail) -> bool,
    ) -> (Vec<QueueRow>, usize) {
        let numbered = || self.waiting.queues.waiting(user).zip(1..);
        let rows = || numbered().filter(|(queued, _)| listed(&queued.item.mail));
        let row = |(queued, number): (&QueuedMessage<PendingPrompt>, usize)| QueueRow {
            number,
            mail: queued.item.mail.seq,
            text: read(&queued.item.mail).then(|| queued.item.mail.message.text.clone()),
            project: self.directory_of(user, &queued.conv_id),
        };
        (rows().take(show::queue::MAX_SHOWN).map(row).collect(), rows().count())
    }

    /// The directory of a person's session, as people see it.
    fn directory_of(&self, user: &OpenId, conv_id: &ConvId) -> String {
        let session = self.registry.of(user).session(conv_id);
        session
            .map(|session| self.settings.workspace.shown(&session.cwd).display().to_string())
            .unwrap_or_default()
    }

    /// How a reply to `request` refers to a waiting message: by its first words, or by its directory where the words are
    /// not for everyone.
    fn title_for(&self, request: &ActionRequest, queued: &QueuedMessage<PendingPrompt>) -> String {
        let mail = &queued.item.mail;
        if may_be_read(request, mail) {
            beginning(&mail.message.text)
        } else {
            self.directory_of(&request.user, &queued.conv_id)
        }
    }

    /// Removes the waiting message with this number; without a number the only one, or lists those that wait.
    pub(super) fn cancel_number(&mut self, request: ActionRequest, number: Option<usize>) {
        if let Some((request, mail)) = self.waiting_number(request, number) {
            self.cancel(request, mail);
        }
    }

    /// Runs the waiting message with this number at once; without a number the only one, or lists those that wait.
    pub(super) fn send_number_now(&mut self, request: ActionRequest, number: Option<usize>) {
        if let Some((request, mail)) = self.waiting_number(request, number) {
            self.send_now(request, mail);
        }
    }

    /// The inbox entry of the waiting message that a command means; `None` when the request has been replied to.
    fn waiting_number(&self, request: ActionRequest, number: Option<usize>) -> Option<(ActionRequest, i64)> {
        let (words, queues) = (self.words(), &self.waiting.queues);
        let count = queues.waiting_count(&request.user);
        if count == 0 {
            self.decline(request, words.nothing_waits());
            return None;
        }
        if number.is_none() && count > 1 {
            let (rows, waiting) =
                self.queue_rows(&request.user, |_| true, |mail| may_be_read(&request, mail));
            let shown = Some(show::queue::queue(&rows, waiting, words, request.group));
            let reply = ActionReply { sentence: words.queue_head(waiting), shown };
            self.confirm(request, None, Vec::new(), reply);
            return None;
        }
        let number = number.unwrap_or(1);
        let found = number.checked_sub(1).and_then(|place| queues.waiting(&request.user).nth(place));
        let Some(queued) = found else {
            self.decline(request, words.no_such_waiting(number));
            return None;
        };
        let seq = queued.item.mail.seq;
        Some((request, seq))
    }

    /// Removes a waiting message of the requester's.
    pub(super) fn cancel(&mut self, request: ActionRequest, mail: i64) {
        let user = request.user.clone();
        let is_meant =
            |pending: &PendingPrompt| pending.mail.seq == mail && pending.mail.message.user == user;
        let Some(removed) = self.waiting.queues.remove(is_meant) else {
            return self.decline(request, self.words().waits_no_more());
        };
        let sentence = self.words().cancelled(&self.title_for(&request, &removed));
        let settlement = Settlement { mails: vec![mail], ..Settlement::at(Timestamp::now()) };
        self.confirm_with(request, None, settlement, sentence);
        self.dispatch_next(&user);
    }

    /// Runs a waiting message of the requester's before the others, and stops their running turn.
    pub(super) fn send_now(&mut self, request: ActionRequest, mail: i64) {
        let user = request.user.clone();
        let promoted = self.waiting.queues.promote(&user, |pending| pending.mail.seq == mail).cloned();
        let Some(promoted) = promoted else {
            return self.decline(request, self.words().waits_no_more());
        };
        let sentence = self.words().runs_now(&self.title_for(&request, &promoted));
        self.live.stop_running(&user);
        self.confirm(request, None, Vec::new(), sentence);
        self.dispatch_next(&user);
    }
}

/// Whether a message's words may be shown where `request` is answered. Others read along in a group, so there only the
/// words of its own messages may.
fn may_be_read(request: &ActionRequest, mail: &Mail) -> bool {
    !request.group || mail.message.chat_id == request.chat_id
}
