//! Words that may be the answer to a question of Claude's, or what is to be changed in a plan: they go to the turn that
//! asks. What comes too late to be an answer is a prompt like any other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::asked::ActionRequest;
use super::follow::order;
use super::router::{Router, reply};
use crate::ids::{ChatId, ConvId, OpenId};
use crate::mail::{Mail, Recipient};
use crate::session::actor::OpenRequests;
use crate::session::machine::Input;

/// So many of a session's are remembered. More cannot be on their way: its control lane holds 64, its reports 256.
const ON_THEIR_WAY: usize = 512;

/// What sessions do of themselves, who is asked, and what he answered.
#[derive(Debug, Default)]
pub(super) struct TypedAnswers {
    asking: BTreeMap<ConvId, OpenRequests>,
    /// Sessions in which a turn runs that Claude began by itself.
    unasked: BTreeSet<ConvId>,
    /// The session that each person switched to in a chat, unless another of his has asked there since: only then is it
    /// the one that he means.
    switched: BTreeMap<(OpenId, Recipient), ConvId>,
    typed: BTreeMap<ConvId, VecDeque<Mail>>,
}

/// What a person can decide by typing in a chat: that whose card is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DecidableHere {
    Nothing,
    /// Of this session.
    One(ConvId),
    /// Of these sessions, and it is not clear of which: their numbers and projects.
    Several(Vec<(usize, String)>),
}

impl TypedAnswers {
    /// A session of `owner`'s asks this now.
    pub(super) fn asking(&mut self, owner: &OpenId, conv_id: ConvId, asks: Option<OpenRequests>) {
        let Some(asks) = asks else {
            self.asking.remove(&conv_id);
            return;
        };
        let before = self.asking.get(&conv_id).map_or(0, |before| before.requests);
        if asks.requests > before {
            let place = (owner.clone(), asks.chat.clone());
            if self.switched.get(&place).is_some_and(|other| *other != conv_id) {
                self.switched.remove(&place);
            }
        }
        self.asking.insert(conv_id, asks);
    }

    /// A person has made a session of his the active one of a chat.
    pub(super) fn switched(&mut self, user: &OpenId, chat: &ChatId, conv_id: &ConvId) {
        self.switched.insert((user.clone(), Recipient::Chat(chat.clone())), conv_id.clone());
    }

    /// Whether a turn runs that Claude began by itself.
    pub(super) fn unasked(&mut self, conv_id: ConvId, runs: bool) {
        if runs {
            self.unasked.insert(conv_id);
        } else {
            self.unasked.remove(&conv_id);
        }
    }

    pub(super) fn began_itself(&self, conv_id: &ConvId) -> bool {
        self.unasked.contains(conv_id)
    }

    /// Whether anything waits for its owner's decision, wherever its card is.
    pub(super) fn asks(&self, conv_id: &ConvId) -> bool {
        self.asking.contains_key(conv_id)
    }

    /// What of this session's waits for its owner, if its cards are there.
    fn asks_at(&self, conv_id: &ConvId, chat: &Recipient) -> Option<&OpenRequests> {
        self.asking.get(conv_id).filter(|asking| asking.chat == *chat)
    }

    fn is_meant(&self, user: &OpenId, chat: &Recipient, conv_id: &ConvId) -> bool {
        self.switched.get(&(user.clone(), chat.clone())) == Some(conv_id)
    }

    /// It was no answer: gives up the message with this place in the inbox.
    pub(super) fn take_back(&mut self, conv_id: &ConvId, seq: i64) -> Option<Mail> {
        let typed = self.typed.get_mut(conv_id)?;
        let place = typed.iter().position(|mail| mail.seq == seq)?;
        typed.remove(place)
    }

    /// The session has said all that it had to say.
    pub(super) fn ended(&mut self, conv_id: &ConvId) {
        self.asking.remove(conv_id);
        self.unasked.remove(conv_id);
        self.typed.remove(conv_id);
    }

    fn keep(&mut self, conv_id: ConvId, mail: Mail) {
        let typed = self.typed.entry(conv_id).or_default();
        if typed.len() == ON_THEIR_WAY {
            typed.pop_front();
        }
        typed.push_back(mail);
    }
}

impl Router {
    /// Which request of his sessions' who asks decides about here. One whose card is in another chat is not meant: it
    /// is not seen here.
    pub(super) fn asks_here(&self, asked: &ActionRequest) -> DecidableHere {
        let (user, chat) = (&asked.user, asked.reply().to);
        let mut here = Vec::new();
        for listed in self.registry.of(user).list() {
            if self.answers.asks_at(&listed.session.conv_id, &chat).is_some() {
                here.push(listed);
            }
        }
        let one = match &here[..] {
            [] => return DecidableHere::Nothing,
            [one] => Some(one),
            several => {
                let active = self.active(asked).map(|session| session.conv_id);
                several.iter().find(|listed| {
                    let conv_id = &listed.session.conv_id;
                    active.as_ref() == Some(conv_id) && self.answers.is_meant(user, &chat, conv_id)
                })
            }
        };
        match one {
            Some(one) => DecidableHere::One(one.session.conv_id.clone()),
            None => DecidableHere::Several(
                here.iter().map(|listed| (listed.number, listed.session.project())).collect(),
            ),
        }
    }

    /// Puts words into the queue of the session they are meant for, unless it waits for them in this chat.
    pub(super) fn words_for(&mut self, mail: Mail, conv_id: ConvId) {
        let asks = self.answers.asks_at(&conv_id, &reply(&mail).to);
        if asks.is_some_and(|asks| asks.words) {
            let typed = Input::Typed(mail.text.clone(), order(&mail));
            if self.control(&conv_id, typed) {
                return self.answers.keep(conv_id, mail);
            }
        }
        self.enqueue(mail, conv_id, false);
    }

    /// What was typed as an answer is a prompt after all.
    pub(super) fn not_an_answer(&mut self, conv_id: &ConvId, seq: i64) {
        if let Some(mail) = self.answers.take_back(conv_id, seq)
            && !self.is_shut_out(&mail)
        {
            self.enqueue(mail, conv_id.clone(), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail_of;

    fn mail(seq: i64) -> Mail {
        mail_of(seq, "ou_1")
    }

    fn asks(chat: &str, requests: usize) -> Option<OpenRequests> {
        Some(OpenRequests { chat: Recipient::Chat(chat.into()), requests, words: false })
    }

    #[test]
    fn who_switched_to_a_session_means_it_until_another_of_his_asks_there() {
        let (mut answers, anna, ming) = (TypedAnswers::default(), OpenId::from("ou_1"), OpenId::from("ou_2"));
        let (shop, blog) = (ConvId::from("c-1"), ConvId::from("c-2"));
        let here = Recipient::Chat("oc_1".into());
        let meant = |answers: &TypedAnswers| [&shop, &blog].map(|id| answers.is_meant(&anna, &here, id));
        answers.switched(&anna, &"oc_1".into(), &shop);
        // What it asks itself, what asks elsewhere, another's, and what was decided change nothing.
        answers.asking(&anna, shop.clone(), asks("oc_1", 1));
        answers.asking(&anna, blog.clone(), asks("oc_2", 1));
        answers.asking(&anna, blog.clone(), None);
        answers.asking(&ming, "c-3".into(), asks("oc_1", 1));
        assert_eq!(meant(&answers), [true, false]);
        answers.asking(&anna, blog.clone(), asks("oc_1", 2));
        assert_eq!(meant(&answers), [false, false]);
        answers.switched(&anna, &"oc_1".into(), &shop);
        answers.asking(&anna, blog.clone(), asks("oc_1", 1));
        assert_eq!(meant(&answers), [true, false]);
        answers.asking(&anna, blog.clone(), asks("oc_1", 2));
        assert_eq!(meant(&answers), [false, false]);
    }

    #[test]
    fn a_session_asks_only_where_its_cards_are_and_not_once_it_has_ended() {
        let (mut answers, shop) = (TypedAnswers::default(), ConvId::from("c-1"));
        let [here, there] = ["oc_1", "oc_2"].map(|chat| Recipient::Chat(chat.into()));
        answers.asking(&"ou_1".into(), shop.clone(), asks("oc_1", 1));
        assert_eq!(
            (answers.asks_at(&shop, &here), answers.asks_at(&shop, &there)),
            (asks("oc_1", 1).as_ref(), None)
        );
        answers.ended(&shop);
        assert_eq!(answers.asks_at(&shop, &here), None);
    }

    #[test]
    fn what_was_no_answer_is_given_back_once() {
        let (mut answers, shop) = (TypedAnswers::default(), ConvId::from("c-1"));
        answers.keep(shop.clone(), mail(1));
        answers.keep(shop.clone(), mail(2));
        assert_eq!(answers.take_back(&"c-2".into(), 1), None);
        assert_eq!(answers.take_back(&shop, 1), Some(mail(1)));
        assert_eq!(answers.take_back(&shop, 1), None);
        answers.ended(&shop);
        assert_eq!(answers.take_back(&shop, 2), None);
    }

    #[test]
    fn what_is_on_its_way_is_remembered_but_not_without_bound() {
        let (mut answers, shop) = (TypedAnswers::default(), ConvId::from("c-1"));
        let many = i64::try_from(ON_THEIR_WAY).unwrap();
        (0..=many).for_each(|seq| answers.keep(shop.clone(), mail(seq)));
        assert_eq!(answers.take_back(&shop, 0), None);
        assert_eq!(answers.take_back(&shop, 1), Some(mail(1)));
    }
}
