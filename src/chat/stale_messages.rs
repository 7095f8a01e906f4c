//! Messages that were sent long before they could be taken over: they are not run, but kept until their sender decides
//! what to do with them. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::router::reply_target;
use super::user_queues::{MAX_WAITING, QueueFull};
use crate::ids::{MessageId, OpenId, SlotId};
use crate::mail::Mail;
use crate::session::turn::ReplyTarget;

/// The stale messages of all people.
#[derive(Debug, Default)]
pub(crate) struct StaleMessages {
    users: BTreeMap<OpenId, KeptMessages>,
}

#[derive(Debug, Default)]
struct KeptMessages {
    /// In the order they were sent; with each, whether its sender has been asked about it.
    mails: Vec<(Mail, bool)>,
    /// Whether the sender is about to be asked.
    is_asking: bool,
    /// Whether there was no room for the last message.
    full: bool,
    /// The question that the sender was asked last.
    question: Option<OpenStaleQuestion>,
}

/// A question that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenStaleQuestion {
    /// The slot of its card.
    pub(crate) slot: SlotId,
    /// Where its card is.
    pub(crate) reply: ReplyTarget,
    /// How many messages it is about.
    pub(crate) count: usize,
}

/// A question to ask.
#[derive(Debug, PartialEq)]
pub(crate) struct StaleQuestion<'a> {
    /// The messages that it is about, the oldest first.
    pub(crate) mails: Vec<&'a Mail>,
    /// The slot of its card.
    pub(crate) slot: SlotId,
    /// The open question that it replaces.
    pub(crate) replaced: Option<OpenStaleQuestion>,
}

/// The messages that a person has decided about.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TakenStale {
    /// In the order they were sent.
    pub(crate) mails: Vec<Mail>,
    /// The question that the person was asked about them; `None` if they were not asked yet.
    pub(crate) question: Option<OpenStaleQuestion>,
}

impl StaleMessages {
    /// Keeps a message; true if its sender is to be asked soon, false if that is under way already.
    ///
    /// # Errors
    /// [`QueueFull`] when [`MAX_WAITING`] messages of this sender are kept.
    pub(crate) fn keep(&mut self, mail: Mail) -> Result<bool, QueueFull> {
        let kept = self.users.entry(mail.message.user.clone()).or_default();
        if kept.mails.len() >= MAX_WAITING {
            return Err(if std::mem::replace(&mut kept.full, true) {
                QueueFull::Still
            } else {
                QueueFull::Now
            });
        }
        let place = kept.mails.partition_point(|(other, _)| other.message.created <= mail.message.created);
        kept.mails.insert(place, (mail, false));
        Ok(!std::mem::replace(&mut kept.is_asking, true))
    }

    /// The question to ask a person about all their kept messages; `None` if they were asked about all of them.
    pub(crate) fn ask(&mut self, user: &OpenId) -> Option<StaleQuestion<'_>> {
        let kept = self.users.get_mut(user)?;
        kept.is_asking = false;
        if kept.mails.iter().all(|(_, asked)| *asked) {
            return None;
        }
        kept.mails.iter_mut().for_each(|(_, asked)| *asked = true);
        let (oldest, _) = kept.mails.first()?;
        let slot = SlotId::random();
        let question = OpenStaleQuestion { slot, reply: reply_target(oldest), count: kept.mails.len() };
        let replaced = kept.question.replace(question);
        Some(StaleQuestion { mails: kept.mails.iter().map(|(mail, _)| mail).collect(), slot, replaced })
    }

    /// Removes the message with this id.
    pub(crate) fn remove(&mut self, message_id: &MessageId) -> Option<Mail> {
        self.users.values_mut().find_map(|kept| {
            let place = kept.mails.iter().position(|(mail, _)| &mail.message.message_id == message_id)?;
            Some(kept.mails.remove(place).0)
        })
    }

    /// Takes the messages that a person was asked about. Those that came since stay: the decision is not about them.
    pub(crate) fn take(&mut self, user: &OpenId) -> TakenStale {
        let Some(kept) = self.users.get_mut(user) else { return TakenStale::default() };
        let (taken, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut kept.mails).into_iter().partition(|(_, asked)| *asked);
        kept.mails = left;
        let question = kept.question.take();
        if kept.mails.is_empty() {
            self.users.remove(user);
        }
        TakenStale { mails: taken.into_iter().map(|(mail, _)| mail).collect(), question }
    }

    /// Whether any message of this person is kept.
    #[must_use]
    pub(crate) fn has_any(&self, user: &OpenId) -> bool {
        self.users.get(user).is_some_and(|kept| !kept.mails.is_empty())
    }
}

/// Whether a message was sent more than `limit` before `now`, so that it is not run without asking.
#[must_use]
pub(crate) fn is_stale(created: Timestamp, now: Timestamp, limit: Duration) -> bool {
    now.duration_since(created).unsigned_abs() > limit && created < now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tests::mail_of;

    fn mail(seq: i64, second: i64) -> Mail {
        let mut mail = mail_of(seq, "ou_1");
        mail.message.created = Timestamp::from_second(second).unwrap();
        mail
    }

    #[test]
    fn a_sender_is_asked_once_about_all_their_messages() {
        let (mut stale, user) = (StaleMessages::default(), OpenId::from("ou_1"));
        assert_eq!(stale.keep(mail(1, 20)), Ok(true));
        assert_eq!(stale.keep(mail(2, 10)), Ok(false));
        let seqs =
            |question: StaleQuestion<'_>| question.mails.iter().map(|mail| mail.seq).collect::<Vec<_>>();
        let first = stale.ask(&user).unwrap();
        let (slot, replaced) = (first.slot, first.replaced.clone());
        assert_eq!((seqs(first), replaced), (vec![2, 1], None));
        assert_eq!(stale.keep(mail(3, 30)), Ok(true));
        assert_eq!(stale.remove(&"om_1".into()).map(|mail| mail.seq), Some(1));
        let second = stale.ask(&user).unwrap();
        assert_eq!(second.replaced.as_ref().map(|replaced| (replaced.slot, replaced.count)), Some((slot, 2)));
        let slot = second.slot;
        assert_eq!(seqs(second), [2, 3]);
        assert_eq!(stale.ask(&user), None);
        let taken = stale.take(&user);
        assert_eq!(taken.mails.iter().map(|mail| mail.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(taken.question.map(|question| (question.slot, question.count)), Some((slot, 2)));
        assert!(!stale.has_any(&user));
    }

    #[test]
    fn a_decision_covers_only_the_messages_it_was_asked_about() {
        let (mut stale, user) = (StaleMessages::default(), OpenId::from("ou_1"));
        assert_eq!(stale.keep(mail(1, 20)), Ok(true));
        assert_eq!((stale.take(&user), stale.has_any(&user)), (TakenStale::default(), true));
        assert!(stale.ask(&user).is_some());
        assert_eq!(stale.keep(mail(2, 10)), Ok(true));
        assert_eq!(stale.take(&user).mails, [mail(1, 20)]);
        assert_eq!(stale.ask(&user).map(|question| question.mails[0].seq), Some(2));
        assert_eq!(stale.take(&user).mails, [mail(2, 10)]);
    }

    #[test]
    fn a_message_from_a_clock_that_is_ahead_is_not_stale() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let minute = Duration::from_secs(60);
        assert!(is_stale(at(0), at(61), minute));
        assert!(!is_stale(at(0), at(60), minute));
        assert!(!is_stale(at(1000), at(0), minute));
    }
}
