//! Messages that were sent long before they could be taken over: not run, but kept until their sender says what shall
//! become of them. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::desk::{Full, LONGEST_QUEUE};
use crate::ids::{MessageId, OpenId};
use crate::mail::Mail;

/// The stale messages of all people.
#[derive(Debug, Default)]
pub struct Stale {
    people: BTreeMap<OpenId, Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// In the order they were sent; with each, whether its sender was asked about it.
    mails: Vec<(Mail, bool)>,
    /// Whether a question is on its way.
    asking: bool,
    /// Whether there was no room for the last message.
    full: bool,
}

impl Stale {
    /// Keeps a message; true when its sender is to be asked soon, false when that is under way.
    ///
    /// # Errors
    /// [`Full`] when too many of his are kept.
    pub fn keep(&mut self, mail: Mail) -> Result<bool, Full> {
        let kept = self.people.entry(mail.user.clone()).or_default();
        if kept.mails.len() >= LONGEST_QUEUE {
            return Err(if std::mem::replace(&mut kept.full, true) { Full::Still } else { Full::Now });
        }
        let place = kept.mails.partition_point(|(other, _)| other.created <= mail.created);
        kept.mails.insert(place, (mail, false));
        Ok(!std::mem::replace(&mut kept.asking, true))
    }

    /// What to ask a person about: how many messages, and the oldest of them. Nothing, if he was asked about all.
    pub fn ask(&mut self, user: &OpenId) -> Option<(usize, &Mail)> {
        let kept = self.people.get_mut(user)?;
        kept.asking = false;
        if kept.mails.iter().all(|(_, asked)| *asked) {
            return None;
        }
        kept.mails.iter_mut().for_each(|(_, asked)| *asked = true);
        kept.mails.first().map(|(oldest, _)| (kept.mails.len(), oldest))
    }

    /// Gives up the message with this id.
    pub fn take_back(&mut self, message_id: &MessageId) -> Option<Mail> {
        self.people.values_mut().find_map(|kept| {
            let place = kept.mails.iter().position(|(mail, _)| &mail.message_id == message_id)?;
            Some(kept.mails.remove(place).0)
        })
    }

    /// Gives up those that a person was asked about, in the order they were sent. What he said before he was asked
    /// meant others.
    pub fn take(&mut self, user: &OpenId) -> Vec<Mail> {
        let Some(kept) = self.people.get_mut(user) else { return Vec::new() };
        let (taken, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut kept.mails).into_iter().partition(|(_, asked)| *asked);
        kept.mails = left;
        if kept.mails.is_empty() {
            self.people.remove(user);
        }
        taken.into_iter().map(|(mail, _)| mail).collect()
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
    use std::time::Duration;

    fn mail(seq: i64, second: i64) -> Mail {
        Mail {
            seq,
            message_id: format!("om_{seq}").into(),
            chat_id: "oc_1".into(),
            user: "ou_1".into(),
            group: false,
            text: String::new(),
            created: Timestamp::from_second(second).unwrap(),
            received: Timestamp::UNIX_EPOCH,
            conv_id: None,
        }
    }

    #[test]
    fn their_sender_is_asked_once_for_all_of_them() {
        let (mut stale, user) = (Stale::default(), OpenId::from("ou_1"));
        assert_eq!(stale.keep(mail(1, 20)), Ok(true));
        assert_eq!(stale.keep(mail(2, 10)), Ok(false));
        assert_eq!(stale.ask(&user).map(|(many, oldest)| (many, oldest.seq)), Some((2, 2)));
        assert_eq!(stale.keep(mail(3, 30)), Ok(true));
        assert_eq!(stale.take_back(&"om_1".into()).map(|mail| mail.seq), Some(1));
        assert_eq!(stale.ask(&user).map(|(many, oldest)| (many, oldest.seq)), Some((2, 2)));
        assert_eq!(stale.ask(&user), None);
        let order: Vec<_> = stale.take(&user).iter().map(|mail| mail.seq).collect();
        assert_eq!(order, [2, 3]);
        assert!(!stale.keeps(&user));
    }

    #[test]
    fn what_was_said_before_one_was_asked_is_not_about_it() {
        let (mut stale, user) = (Stale::default(), OpenId::from("ou_1"));
        assert_eq!(stale.keep(mail(1, 20)), Ok(true));
        assert_eq!((stale.take(&user), stale.keeps(&user)), (vec![], true));
        assert!(stale.ask(&user).is_some());
        assert_eq!(stale.keep(mail(2, 10)), Ok(true));
        assert_eq!(stale.take(&user), [mail(1, 20)]);
        assert_eq!(stale.ask(&user).map(|(many, oldest)| (many, oldest.seq)), Some((1, 2)));
        assert_eq!(stale.take(&user), [mail(2, 10)]);
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
