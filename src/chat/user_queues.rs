//! The messages that wait for their turn: a queue for each person, in the order they were sent. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use crate::ids::{ConvId, OpenId};

/// Maximum number of messages of one person that may wait; the next one is refused.
pub(crate) const MAX_WAITING: usize = 200;

/// A message that waits for its turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueuedMessage<T> {
    /// When it was sent, by Feishu's clock: this orders the queue.
    pub(crate) sent: Timestamp,
    /// The session that it is for.
    pub(crate) conv_id: ConvId,
    /// The message itself; the queue does not look into it.
    pub(crate) item: T,
}

#[derive(Debug)]
struct UserQueue<T> {
    waiting: VecDeque<QueuedMessage<T>>,
    /// The session whose message runs now.
    running: Option<ConvId>,
    /// Whether the queue was full when the last message came.
    full: bool,
}

/// The queues of all people who have a message waiting or running. Of each person one message runs at a time.
#[derive(Debug)]
pub(crate) struct UserQueues<T> {
    users: BTreeMap<OpenId, UserQueue<T>>,
    /// Number of waiting messages, of all people.
    waiting: usize,
    /// Number of running messages, of all people.
    running: usize,
    /// People whose queue has changed since [`UserQueues::take_changed`] was last called.
    changed: BTreeSet<OpenId>,
}

/// A message was refused because its sender's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueFull {
    /// This is the first message that was refused.
    Now,
    /// Others were refused before, and the queue has not been half empty since.
    Still,
}

impl<T> Default for UserQueues<T> {
    fn default() -> Self {
        Self { users: BTreeMap::new(), waiting: 0, running: 0, changed: BTreeSet::new() }
    }
}

impl<T> UserQueues<T> {
    /// Adds a message; returns how many are before it, the running one included.
    ///
    /// # Errors
    /// [`QueueFull`] when [`MAX_WAITING`] messages wait already.
    pub(crate) fn add(&mut self, user: &OpenId, message: QueuedMessage<T>) -> Result<usize, QueueFull> {
        let queue = self.queue_of(user);
        if queue.waiting.len() >= MAX_WAITING {
            return Err(if std::mem::replace(&mut queue.full, true) {
                QueueFull::Still
            } else {
                QueueFull::Now
            });
        }
        queue.full &= queue.waiting.len() > MAX_WAITING / 2;
        // Feishu does not promise the order of its events.
        let place = queue.waiting.partition_point(|other| other.sent <= message.sent);
        queue.waiting.insert(place, message);
        let before = place + usize::from(queue.running.is_some());
        self.waiting += 1;
        self.changed.insert(user.clone());
        Ok(before)
    }

    /// Puts a message that [`UserQueues::start_next`] gave out, but that could not be started, back to the front.
    pub(crate) fn put_back(&mut self, user: &OpenId, message: QueuedMessage<T>) {
        let queue = self.queue_of(user);
        let was_running = queue.running.take().is_some();
        queue.waiting.push_front(message);
        self.running -= usize::from(was_running);
        self.waiting += 1;
        self.changed.insert(user.clone());
    }

    /// The session of the next message; `None` while a message of this person runs.
    #[must_use]
    pub(crate) fn next_session(&self, user: &OpenId) -> Option<&ConvId> {
        let queue = self.users.get(user).filter(|queue| queue.running.is_none())?;
        queue.waiting.front().map(|message| &message.conv_id)
    }

    /// Takes the next message; it counts as running until [`UserQueues::finish`]. `None` while another one runs.
    pub(crate) fn start_next(&mut self, user: &OpenId) -> Option<QueuedMessage<T>> {
        let queue = self.users.get_mut(user).filter(|queue| queue.running.is_none())?;
        let message = queue.waiting.pop_front()?;
        queue.running = Some(message.conv_id.clone());
        self.waiting -= 1;
        self.running += 1;
        self.changed.insert(user.clone());
        Some(message)
    }

    /// The person's running message is over.
    pub(crate) fn finish(&mut self, user: &OpenId) {
        if let Some(queue) = self.users.get_mut(user) {
            self.running -= usize::from(queue.running.take().is_some());
            if queue.waiting.is_empty() {
                self.users.remove(user);
            }
        }
    }

    /// The session of the person's running message.
    #[must_use]
    pub(crate) fn running_session(&self, user: &OpenId) -> Option<&ConvId> {
        self.users.get(user)?.running.as_ref()
    }

    /// The person's waiting messages, the next one first.
    pub(crate) fn waiting(&self, user: &OpenId) -> impl Iterator<Item = &QueuedMessage<T>> {
        self.users.get(user).into_iter().flat_map(|queue| &queue.waiting)
    }

    /// Number of the person's waiting messages.
    #[must_use]
    pub(crate) fn waiting_count(&self, user: &OpenId) -> usize {
        self.users.get(user).map_or(0, |queue| queue.waiting.len())
    }

    /// Number of waiting messages for each session that has any.
    #[must_use]
    pub(crate) fn waiting_by_session(&self) -> BTreeMap<ConvId, usize> {
        let mut counts = BTreeMap::new();
        for message in self.users.values().flat_map(|queue| &queue.waiting) {
            *counts.entry(message.conv_id.clone()).or_default() += 1;
        }
        counts
    }

    /// Number of waiting messages of all people, in constant time.
    #[must_use]
    pub(crate) fn total_waiting(&self) -> usize {
        self.waiting
    }

    /// Number of running messages of all people, in constant time.
    #[must_use]
    pub(crate) fn total_running(&self) -> usize {
        self.running
    }

    /// Removes all messages of this person that wait for this session.
    pub(crate) fn remove_session(&mut self, user: &OpenId, conv_id: &ConvId) -> Vec<QueuedMessage<T>> {
        let Some(queue) = self.users.get_mut(user) else { return Vec::new() };
        let (removed, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut queue.waiting).into_iter().partition(|message| &message.conv_id == conv_id);
        queue.waiting = kept.into();
        self.waiting -= removed.len();
        self.changed.insert(user.clone());
        removed
    }

    /// Removes all waiting messages of people who are not allowed any more. The result also names those of whom only a
    /// message runs.
    pub(crate) fn remove_disallowed(
        &mut self,
        is_allowed: impl Fn(&OpenId) -> bool,
    ) -> Vec<(OpenId, Vec<QueuedMessage<T>>)> {
        let disallowed = self.users.iter_mut().filter(|(user, _)| !is_allowed(user));
        let removed: Vec<(OpenId, Vec<_>)> = disallowed
            .map(|(user, queue)| (user.clone(), std::mem::take(&mut queue.waiting).into()))
            .collect();
        self.waiting -= removed.iter().map(|(_, messages)| messages.len()).sum::<usize>();
        self.changed.extend(removed.iter().map(|(user, _)| user.clone()));
        removed
    }

    /// Removes the first waiting message that matches, in anybody's queue.
    pub(crate) fn remove(&mut self, matches: impl Fn(&T) -> bool) -> Option<QueuedMessage<T>> {
        let (user, removed) = self.users.iter_mut().find_map(|(user, queue)| {
            let place = queue.waiting.iter().position(|message| matches(&message.item))?;
            Some((user.clone(), queue.waiting.remove(place)?))
        })?;
        self.waiting -= 1;
        self.changed.insert(user);
        Some(removed)
    }

    /// Moves the person's first waiting message that matches to the front; returns it.
    pub(crate) fn promote(
        &mut self,
        user: &OpenId,
        matches: impl Fn(&T) -> bool,
    ) -> Option<&QueuedMessage<T>> {
        let queue = self.users.get_mut(user)?;
        let place = queue.waiting.iter().position(|message| matches(&message.item))?;
        let mut message = queue.waiting.remove(place)?;
        // Messages that come later are sorted in behind it.
        message.sent = queue.waiting.front().map_or(message.sent, |first| first.sent.min(message.sent));
        queue.waiting.push_front(message);
        self.changed.insert(user.clone());
        queue.waiting.front()
    }

    /// The people whose queue has changed since this was last called.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<OpenId> {
        std::mem::take(&mut self.changed)
    }

    fn queue_of(&mut self, user: &OpenId) -> &mut UserQueue<T> {
        self.users.entry(user.clone()).or_insert(UserQueue {
            waiting: VecDeque::new(),
            running: None,
            full: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(second: i64, conv_id: &str) -> QueuedMessage<i64> {
        QueuedMessage { sent: Timestamp::from_second(second).unwrap(), conv_id: conv_id.into(), item: second }
    }

    #[test]
    fn messages_run_one_at_a_time_in_the_order_they_were_sent() {
        let (mut queues, user) = (UserQueues::default(), OpenId::from("ou_1"));
        assert_eq!(queues.add(&user, message(1, "a")), Ok(0));
        assert_eq!(queues.start_next(&user).map(|w| w.item), Some(1));
        assert_eq!(queues.add(&user, message(3, "a")), Ok(1));
        assert_eq!(queues.add(&user, message(2, "b")), Ok(1));
        assert_eq!(queues.next_session(&user), None);
        assert_eq!(queues.start_next(&user), None);
        queues.finish(&user);
        assert_eq!(queues.next_session(&user), Some(&"b".into()));
        assert_eq!(queues.start_next(&user).map(|w| w.item), Some(2));
        assert_eq!(queues.running_session(&user), Some(&"b".into()));
    }

    #[test]
    fn a_promoted_message_stays_before_the_others() {
        let (mut queues, user) = (UserQueues::default(), OpenId::from("ou_1"));
        for second in [1, 2, 3, 5] {
            queues.add(&user, message(second, "a")).unwrap();
        }
        queues.start_next(&user);
        assert_eq!(queues.promote(&user, |second| *second == 5).map(|message| message.item), Some(5));
        assert_eq!(queues.promote(&user, |second| *second == 1), None);
        // Sent between the others, but delivered late.
        assert_eq!(queues.add(&user, message(4, "a")), Ok(4));
        let order: Vec<_> = queues.waiting(&user).map(|waiting| waiting.item).collect();
        assert_eq!(order, [5, 2, 3, 4]);
    }

    #[test]
    fn a_changed_queue_is_reported_once() {
        let (mut queues, one, other) = (UserQueues::default(), OpenId::from("ou_1"), OpenId::from("ou_2"));
        queues.add(&one, message(1, "a")).unwrap();
        queues.add(&other, message(2, "b")).unwrap();
        assert_eq!(queues.take_changed(), BTreeSet::from([one.clone(), other.clone()]));
        assert_eq!(queues.take_changed(), BTreeSet::new());
        let changed = |queues: &mut UserQueues<i64>| queues.take_changed().into_iter().collect::<Vec<_>>();
        let taken = queues.start_next(&one).unwrap();
        assert_eq!(changed(&mut queues), std::slice::from_ref(&one));
        queues.put_back(&one, taken);
        assert_eq!(changed(&mut queues), std::slice::from_ref(&one));
        queues.remove(|second| *second == 2);
        assert_eq!(changed(&mut queues), std::slice::from_ref(&other));
        queues.promote(&one, |_| true);
        assert_eq!(changed(&mut queues), std::slice::from_ref(&one));
        queues.remove_session(&one, &"a".into());
        assert_eq!(changed(&mut queues), [one]);
    }

    #[test]
    fn one_persons_messages_do_not_wait_for_anothers() {
        let mut queues = UserQueues::default();
        queues.add(&"ou_1".into(), message(1, "a")).unwrap();
        queues.start_next(&"ou_1".into());
        queues.add(&"ou_2".into(), message(2, "b")).unwrap();
        assert_eq!(queues.start_next(&"ou_2".into()).map(|w| w.item), Some(2));
    }

    #[test]
    fn a_message_that_was_put_back_is_the_next() {
        let (mut queues, user) = (UserQueues::default(), OpenId::from("ou_1"));
        queues.add(&user, message(1, "a")).unwrap();
        let first = queues.start_next(&user).unwrap();
        queues.add(&user, message(2, "a")).unwrap();
        queues.put_back(&user, first);
        assert_eq!(queues.start_next(&user).map(|w| w.item), Some(1));
    }

    #[test]
    fn the_totals_match_the_queues_after_every_operation() {
        let (mut queues, one, other) = (UserQueues::default(), OpenId::from("ou_1"), OpenId::from("ou_2"));
        let counts = |queues: &UserQueues<i64>| (queues.total_waiting(), queues.total_running());
        for second in 1..=5 {
            queues.add(&one, message(second, if second == 5 { "b" } else { "a" })).unwrap();
            queues.add(&other, message(second + 10, "c")).unwrap();
        }
        assert_eq!(counts(&queues), (10, 0));
        let first = queues.start_next(&one).unwrap();
        queues.start_next(&other).unwrap();
        assert_eq!((queues.start_next(&one), counts(&queues)), (None, (8, 2)));
        queues.put_back(&one, first);
        assert_eq!(counts(&queues), (9, 1));
        queues.remove_session(&one, &"b".into());
        queues.remove(|second| *second == 2);
        assert_eq!((queues.remove(|second| *second == 2), counts(&queues)), (None, (7, 1)));
        queues.remove_disallowed(|user| *user == one);
        queues.finish(&other);
        queues.finish(&other);
        assert_eq!(counts(&queues), (3, 0));
        while queues.start_next(&one).is_some() {
            queues.finish(&one);
        }
        assert_eq!(counts(&queues), (0, 0));
    }

    #[test]
    fn a_full_queue_is_reported_once_until_it_is_half_empty() {
        let (mut queues, user) = (UserQueues::default(), OpenId::from("ou_1"));
        let fill =
            |queues: &mut UserQueues<i64>| (0..).find_map(|n| queues.add(&user, message(n, "a")).err());
        assert_eq!(fill(&mut queues), Some(QueueFull::Now));
        let take = |queues: &mut UserQueues<i64>| {
            queues.start_next(&"ou_1".into()).unwrap();
            queues.finish(&"ou_1".into());
        };
        take(&mut queues);
        assert_eq!(fill(&mut queues), Some(QueueFull::Still));
        (0..MAX_WAITING / 2).for_each(|_| take(&mut queues));
        assert_eq!(fill(&mut queues), Some(QueueFull::Now));
    }

    #[test]
    fn the_queue_is_bounded_and_messages_can_be_removed_from_it() {
        let (mut queues, user) = (UserQueues::default(), OpenId::from("ou_1"));
        for second in 0..i64::try_from(MAX_WAITING).unwrap() {
            queues.add(&user, message(second, if second == 7 { "b" } else { "a" })).unwrap();
        }
        assert_eq!(queues.add(&user, message(999, "a")), Err(QueueFull::Now));
        assert_eq!(queues.add(&user, message(999, "a")), Err(QueueFull::Still));
        assert_eq!(queues.remove_session(&user, &"b".into()).len(), 1);
        assert_eq!(queues.remove(|second| *second == 9).map(|waiting| waiting.item), Some(9));
        assert_eq!(queues.remove(|second| *second == 9), None);
        assert_eq!(queues.remove_disallowed(|_| true), []);
        assert_eq!(queues.waiting_count(&user), MAX_WAITING - 2);
        let removed = queues.remove_disallowed(|_| false);
        assert_eq!((removed[0].1.len(), queues.waiting_count(&user)), (MAX_WAITING - 2, 0));
    }
}
