//! Which sessions wait for their owner's decision, and what was typed as an answer to them. Pure.
//!
//! A command like `/approve`, or words while a question or a plan is open, concern only the requests whose cards are in
//! the same chat. Words that reach the session too late to be an answer come back and become a prompt.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::{ChatId, ConvId, OpenId};
use crate::mail::{Mail, Recipient};
use crate::session::actor::OpenRequests;

/// Maximum number of typed answers remembered for a session. More cannot be on their way: the session's control lane
/// holds 64, its reports 256.
const MAX_TYPED: usize = 512;

/// The open requests of all sessions, and the typed answers that are on their way to them.
#[derive(Debug, Default)]
pub(super) struct TypedAnswers {
    open: BTreeMap<ConvId, OpenRequests>,
    /// Sessions in which a turn runs that Claude began by itself.
    unprompted: BTreeSet<ConvId>,
    /// The session that each person switched to in a chat, until another session of theirs asks something there. Only
    /// until then do their decisions mean that session without doubt.
    switched: BTreeMap<(OpenId, Recipient), ConvId>,
    typed: BTreeMap<ConvId, VecDeque<Mail>>,
}

/// The sessions whose requests a person can decide by typing in a chat: those whose cards are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DecidableHere {
    Nothing,
    One(ConvId),
    /// It is not clear which is meant: their numbers and projects.
    Several(Vec<(usize, String)>),
}

impl TypedAnswers {
    /// Notes what a session of `owner`'s asks now; `None` when nothing is open any more.
    pub(super) fn set_open(&mut self, owner: &OpenId, conv_id: ConvId, requests: Option<OpenRequests>) {
        let Some(requests) = requests else {
            self.open.remove(&conv_id);
            return;
        };
        let before = self.open.get(&conv_id).map_or(0, |before| before.requests);
        if requests.requests > before {
            let place = (owner.clone(), requests.chat.clone());
            if self.switched.get(&place).is_some_and(|other| *other != conv_id) {
                self.switched.remove(&place);
            }
        }
        self.open.insert(conv_id, requests);
    }

    /// Notes that a person made this session the active one of a chat.
    pub(super) fn switched_to(&mut self, user: &OpenId, chat: &ChatId, conv_id: &ConvId) {
        self.switched.insert((user.clone(), Recipient::Chat(chat.clone())), conv_id.clone());
    }

    /// Notes whether a turn runs that Claude began by itself.
    pub(super) fn set_unprompted(&mut self, conv_id: ConvId, runs: bool) {
        if runs {
            self.unprompted.insert(conv_id);
        } else {
            self.unprompted.remove(&conv_id);
        }
    }

    /// Whether a turn runs in this session that Claude began by itself.
    pub(super) fn runs_unprompted(&self, conv_id: &ConvId) -> bool {
        self.unprompted.contains(conv_id)
    }

    /// Whether this session waits for its owner's decision, wherever the cards are.
    pub(super) fn has_open(&self, conv_id: &ConvId) -> bool {
        self.open.contains_key(conv_id)
    }

    /// The session's open requests, if their cards are in this chat.
    pub(super) fn open_in(&self, conv_id: &ConvId, chat: &Recipient) -> Option<&OpenRequests> {
        self.open.get(conv_id).filter(|open| open.chat == *chat)
    }

    /// Whether the person switched to this session in this chat, and no other has asked there since.
    pub(super) fn is_meant(&self, user: &OpenId, chat: &Recipient, conv_id: &ConvId) -> bool {
        self.switched.get(&(user.clone(), chat.clone())) == Some(conv_id)
    }

    /// Remembers a message that is on its way to the session as an answer.
    pub(super) fn remember(&mut self, conv_id: ConvId, mail: Mail) {
        let typed = self.typed.entry(conv_id).or_default();
        if typed.len() == MAX_TYPED {
            typed.pop_front();
        }
        typed.push_back(mail);
    }

    /// Takes the message with this place in the inbox back: it was no answer.
    pub(super) fn take(&mut self, conv_id: &ConvId, seq: i64) -> Option<Mail> {
        let typed = self.typed.get_mut(conv_id)?;
        let place = typed.iter().position(|mail| mail.seq == seq)?;
        typed.remove(place)
    }

    /// Forgets a session whose process has ended: no report of it is on its way any more.
    pub(super) fn forget(&mut self, conv_id: &ConvId) {
        self.open.remove(conv_id);
        self.unprompted.remove(conv_id);
        self.typed.remove(conv_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail_of;

    fn mail(seq: i64) -> Mail {
        mail_of(seq, "ou_1")
    }

    fn requests(chat: &str, requests: usize) -> Option<OpenRequests> {
        Some(OpenRequests { chat: Recipient::Chat(chat.into()), requests, words: false })
    }

    #[test]
    fn a_person_means_the_session_they_switched_to_until_another_asks_there() {
        let (mut answers, anna, ming) = (TypedAnswers::default(), OpenId::from("ou_1"), OpenId::from("ou_2"));
        let (shop, blog) = (ConvId::from("c-1"), ConvId::from("c-2"));
        let here = Recipient::Chat("oc_1".into());
        let meant = |answers: &TypedAnswers| [&shop, &blog].map(|id| answers.is_meant(&anna, &here, id));
        answers.switched_to(&anna, &"oc_1".into(), &shop);
        // Requests of its own, in another chat, of another person, and decided ones change nothing.
        answers.set_open(&anna, shop.clone(), requests("oc_1", 1));
        answers.set_open(&anna, blog.clone(), requests("oc_2", 1));
        answers.set_open(&anna, blog.clone(), None);
        answers.set_open(&ming, "c-3".into(), requests("oc_1", 1));
        assert_eq!(meant(&answers), [true, false]);
        answers.set_open(&anna, blog.clone(), requests("oc_1", 2));
        assert_eq!(meant(&answers), [false, false]);
        answers.switched_to(&anna, &"oc_1".into(), &shop);
        answers.set_open(&anna, blog.clone(), requests("oc_1", 1));
        assert_eq!(meant(&answers), [true, false]);
        answers.set_open(&anna, blog.clone(), requests("oc_1", 2));
        assert_eq!(meant(&answers), [false, false]);
    }

    #[test]
    fn requests_are_open_only_in_the_chat_of_their_cards_and_until_the_session_ends() {
        let (mut answers, shop) = (TypedAnswers::default(), ConvId::from("c-1"));
        let [here, there] = ["oc_1", "oc_2"].map(|chat| Recipient::Chat(chat.into()));
        answers.set_open(&"ou_1".into(), shop.clone(), requests("oc_1", 1));
        assert_eq!(
            (answers.open_in(&shop, &here), answers.open_in(&shop, &there)),
            (requests("oc_1", 1).as_ref(), None)
        );
        answers.forget(&shop);
        assert_eq!(answers.open_in(&shop, &here), None);
    }

    #[test]
    fn a_message_that_was_no_answer_is_taken_back_once() {
        let (mut answers, shop) = (TypedAnswers::default(), ConvId::from("c-1"));
        answers.remember(shop.clone(), mail(1));
        answers.remember(shop.clone(), mail(2));
        assert_eq!(answers.take(&"c-2".into(), 1), None);
        assert_eq!(answers.take(&shop, 1), Some(mail(1)));
        assert_eq!(answers.take(&shop, 1), None);
        answers.forget(&shop);
        assert_eq!(answers.take(&shop, 2), None);
    }

    #[test]
    fn only_the_newest_typed_answers_are_remembered() {
        let (mut answers, shop) = (TypedAnswers::default(), ConvId::from("c-1"));
        let many = i64::try_from(MAX_TYPED).unwrap();
        (0..=many).for_each(|seq| answers.remember(shop.clone(), mail(seq)));
        assert_eq!(answers.take(&shop, 0), None);
        assert_eq!(answers.take(&shop, 1), Some(mail(1)));
    }
}
