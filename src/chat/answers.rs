//! Words that may be the answer to a question of Claude's, or what is to be changed in a plan: they go to the turn that
//! asks. What comes too late to be an answer is a prompt like any other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::follow::order;
use super::router::Router;
use crate::ids::ConvId;
use crate::mail::Mail;
use crate::session::machine::Input;

/// So many of a session's are remembered. More cannot be on their way: its control lane holds 64, its reports 256.
const ON_THEIR_WAY: usize = 512;

/// Who is asked, and what he answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    asking: BTreeSet<ConvId>,
    typed: BTreeMap<ConvId, VecDeque<Mail>>,
}

impl Answers {
    pub(super) fn asking(&mut self, conv_id: ConvId, asks: bool) {
        if asks {
            self.asking.insert(conv_id);
        } else {
            self.asking.remove(&conv_id);
        }
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
    /// Puts words into the queue of the session they are meant for, unless it waits for them.
    pub(super) fn words_for(&mut self, mail: Mail, conv_id: ConvId) {
        let running = self.desk.running(&mail.user) == Some(&conv_id);
        if running && self.answers.asking.contains(&conv_id) {
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

    #[test]
    fn what_was_no_answer_is_given_back_once() {
        let (mut answers, shop) = (Answers::default(), ConvId::from("c-1"));
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
        let (mut answers, shop) = (Answers::default(), ConvId::from("c-1"));
        let many = i64::try_from(ON_THEIR_WAY).unwrap();
        (0..=many).for_each(|seq| answers.keep(shop.clone(), mail(seq)));
        assert_eq!(answers.take_back(&shop, 0), None);
        assert_eq!(answers.take_back(&shop, 1), Some(mail(1)));
    }
}
