//! Messages that were sent long before they could be taken over: not run, but kept until their sender says what shall
//! become of them. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::router::reply;
use super::user_queues::{LONGEST_QUEUE, QueueFull};
use crate::ids::{MessageId, OpenId, SlotId};
use crate::mail::Mail;
use crate::session::turn::ReplyTarget;

/// The stale messages of all people.
#[derive(Debug, Default)]
pub struct StaleMessages {
    people: BTreeMap<OpenId, KeptMessages>,
}

#[derive(Debug, Default)]
struct KeptMessages {
    /// In the order they were sent; with each, whether its sender was asked about it.
    mails: Vec<(Mail, bool)>,
    /// Whether a question is on its way.
    asking: bool,
    /// Whether there was no room for the last message.
    full: bool,
    /// The question that he was asked last.
    question: Option<OpenStaleQuestion>,
}

/// A question that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenStaleQuestion {
    /// Its card.
    pub slot: SlotId,
    /// Where it is.
    pub reply: ReplyTarget,
    /// How many messages it is about.
    pub many: usize,
}

/// A question to ask.
#[derive(Debug, PartialEq)]
pub struct StaleQuestion<'a> {
    /// What it is about, the oldest first.
    pub mails: Vec<&'a Mail>,
    /// Its card.
    pub slot: SlotId,
    /// The question that it takes the place of.
    pub before: Option<OpenStaleQuestion>,
}

/// What a person was asked about, and the question.
#[derive(Debug, Default, PartialEq)]
pub struct TakenStale {
    /// The messages, in the order they were sent.
    pub mails: Vec<Mail>,
    /// The question.
    pub question: Option<OpenStaleQuestion>,
}

impl StaleMessages {
    /// Keeps a message; true when its sender is to be asked soon, false when that is under way.
    ///
    /// # Errors
    /// [`QueueFull`] when too many of his are kept.
    pub fn keep(&mut self, mail: Mail) -> Result<bool, QueueFull> {
        let kept = self.people.entry(mail.user.clone()).or_default();
        if kept.mails.len() >= LONGEST_QUEUE {
            return Err(if std::mem::replace(&mut kept.full, true) {
                QueueFull::Still
            } else {
                QueueFull::Now
            });
        }
        let place = kept.mails.partition_point(|(other, _)| other.created <= mail.created);
        kept.mails.insert(place, (mail, false));
        Ok(!std::mem::replace(&mut kept.asking, true))
    }

    /// What to ask a person. Nothing, if he was asked about all.
    pub fn ask(&mut self, user: &OpenId) -> Option<StaleQuestion<'_>> {
        let kept = self.people.get_mut(user)?;
        kept.asking = false;
        if kept.mails.iter().all(|(_, asked)| *asked) {
            return None;
        }
        kept.mails.iter_mut().for_each(|(_, asked)| *asked = true);
        let (oldest, _) = kept.mails.first()?;
        let slot = SlotId::random();
        let asking = OpenStaleQuestion { slot, reply: reply(oldest), many: kept.mails.len() };
        let before = kept.question.replace(asking);
        Some(StaleQuestion { mails: kept.mails.iter().map(|(mail, _)| mail).collect(), slot, before })
    }

    /// Gives up the message with this id.
    pub fn take_back(&mut self, message_id: &MessageId) -> Option<Mail> {
        self.people.values_mut().find_map(|kept| {
            let place = kept.mails.iter().position(|(mail, _)| &mail.message_id == message_id)?;
            Some(kept.mails.remove(place).0)
        })
    }

    /// Gives up those that a person was asked about. What he said before he was asked meant others.
    pub fn take(&mut self, user: &OpenId) -> TakenStale {
        let Some(kept) = self.people.get_mut(user) else { return TakenStale::default() };
        let (taken, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut kept.mails).into_iter().partition(|(_, asked)| *asked);
        kept.mails = left;
        let question = kept.question.take();
        if kept.mails.is_empty() {
            self.people.remove(user);
        }
        TakenStale { mails: taken.into_iter().map(|(mail, _)| mail).collect(), question }
    }

    /// Whether any of a person's are kept.
    #[must_use]
    pub fn keeps(&self, user: &OpenId) -> bool {
        self.people.get(user).is_some_and(|kept| !kept.mails.is_empty())
    }
}

/// Whether a message was sent too long before `now` to be run unasked.
#[must_use]
pub fn is_stale(created: Timestamp, now: Timestamp, after: std::time::Duration) -> bool {
    now.duration_since(created).unsigned_abs() > after && created < now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail_of;
    use std::time::Duration;

    fn mail(seq: i64, second: i64) -> Mail {
        Mail { created: Timestamp::from_second(second).unwrap(), ..mail_of(seq, "ou_1") }
    }

    #[test]
    fn their_sender_is_asked_once_for_all_of_them() {
        let (mut stale, user) = (StaleMessages::default(), OpenId::from("ou_1"));
        assert_eq!(stale.keep(mail(1, 20)), Ok(true));
        assert_eq!(stale.keep(mail(2, 10)), Ok(false));
        let seqs =
            |question: StaleQuestion<'_>| question.mails.iter().map(|mail| mail.seq).collect::<Vec<_>>();
        let first = stale.ask(&user).unwrap();
        let (slot, before) = (first.slot, first.before.clone());
        assert_eq!((seqs(first), before), (vec![2, 1], None));
        assert_eq!(stale.keep(mail(3, 30)), Ok(true));
        assert_eq!(stale.take_back(&"om_1".into()).map(|mail| mail.seq), Some(1));
        let second = stale.ask(&user).unwrap();
        assert_eq!(second.before.as_ref().map(|before| (before.slot, before.many)), Some((slot, 2)));
        let slot = second.slot;
        assert_eq!(seqs(second), [2, 3]);
        assert_eq!(stale.ask(&user), None);
        let taken = stale.take(&user);
        assert_eq!(taken.mails.iter().map(|mail| mail.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(taken.question.map(|question| (question.slot, question.many)), Some((slot, 2)));
        assert!(!stale.keeps(&user));
    }

    #[test]
    fn what_was_said_before_one_was_asked_is_not_about_it() {
        let (mut stale, user) = (StaleMessages::default(), OpenId::from("ou_1"));
        assert_eq!(stale.keep(mail(1, 20)), Ok(true));
        assert_eq!((stale.take(&user), stale.keeps(&user)), (TakenStale::default(), true));
        assert!(stale.ask(&user).is_some());
        assert_eq!(stale.keep(mail(2, 10)), Ok(true));
        assert_eq!(stale.take(&user).mails, [mail(1, 20)]);
        assert_eq!(stale.ask(&user).map(|question| question.mails[0].seq), Some(2));
        assert_eq!(stale.take(&user).mails, [mail(2, 10)]);
    }

    #[test]
    fn a_message_from_a_clock_that_is_ahead_is_fresh() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let minute = Duration::from_secs(60);
        assert!(is_stale(at(0), at(61), minute));
        assert!(!is_stale(at(0), at(60), minute));
        assert!(!is_stale(at(1000), at(0), minute));
    }
}
