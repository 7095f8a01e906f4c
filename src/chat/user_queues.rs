//! Each person's messages, one at a time, in the order they were sent. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use crate::ids::{ConvId, OpenId};

/// So many messages of one person may wait; the next one is not taken.
pub const LONGEST_QUEUE: usize = 200;

/// A message that waits for its turn.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedMessage<T> {
    /// When it was sent.
    pub sent: Timestamp,
    /// The session that it goes to.
    pub conv_id: ConvId,
    /// The message.
    pub item: T,
}

#[derive(Debug)]
struct UserQueue<T> {
    waiting: VecDeque<QueuedMessage<T>>,
    running: Option<ConvId>,
    /// Whether it was full when the last message came.
    full: bool,
}

/// The desks of all people who have a message waiting or running.
#[derive(Debug)]
pub struct UserQueues<T> {
    people: BTreeMap<OpenId, UserQueue<T>>,
    /// Of all people.
    waiting: usize,
    running: usize,
    /// Whose queue is not as it was when that was last asked.
    changed: BTreeSet<OpenId>,
}

/// The person's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueFull {
    /// This is the first message that is not taken.
    Now,
    /// It was full before, and has not become half empty since.
    Still,
}

impl<T> Default for UserQueues<T> {
    fn default() -> Self {
        Self { people: BTreeMap::new(), waiting: 0, running: 0, changed: BTreeSet::new() }
    }
}

impl<T> UserQueues<T> {
    /// Takes a message; says how many are before it, the running one included.
    ///
    /// # Errors
    /// [`QueueFull`] when too many wait.
    pub fn add(&mut self, user: &OpenId, waiting: QueuedMessage<T>) -> Result<usize, QueueFull> {
        let line = self.line(user);
        if line.waiting.len() >= LONGEST_QUEUE {
            return Err(if std::mem::replace(&mut line.full, true) {
                QueueFull::Still
            } else {
                QueueFull::Now
            });
        }
        line.full &= line.waiting.len() > LONGEST_QUEUE / 2;
        // Feishu does not promise the order of its events.
        let place = line.waiting.partition_point(|other| other.sent <= waiting.sent);
        line.waiting.insert(place, waiting);
        let before = place + usize::from(line.running.is_some());
        self.waiting += 1;
        self.changed.insert(user.clone());
        Ok(before)
    }

    /// Puts a message back that could not be begun.
    pub fn put_back(&mut self, user: &OpenId, waiting: QueuedMessage<T>) {
        let line = self.line(user);
        let ran = line.running.take().is_some();
        line.waiting.push_front(waiting);
        self.running -= usize::from(ran);
        self.waiting += 1;
        self.changed.insert(user.clone());
    }

    /// The session of the message that is next, unless one runs.
    #[must_use]
    pub fn next(&self, user: &OpenId) -> Option<&ConvId> {
        let line = self.people.get(user).filter(|line| line.running.is_none())?;
        line.waiting.front().map(|waiting| &waiting.conv_id)
    }

    /// Takes the next message; it runs until [`UserQueues::done`].
    pub fn take(&mut self, user: &OpenId) -> Option<QueuedMessage<T>> {
        let line = self.people.get_mut(user).filter(|line| line.running.is_none())?;
        let waiting = line.waiting.pop_front()?;
        line.running = Some(waiting.conv_id.clone());
        self.waiting -= 1;
        self.running += 1;
        self.changed.insert(user.clone());
        Some(waiting)
    }

    /// The running message is done.
    pub fn done(&mut self, user: &OpenId) {
        if let Some(line) = self.people.get_mut(user) {
            self.running -= usize::from(line.running.take().is_some());
            if line.waiting.is_empty() {
                self.people.remove(user);
            }
        }
    }

    /// The session whose message runs.
    #[must_use]
    pub fn running(&self, user: &OpenId) -> Option<&ConvId> {
        self.people.get(user)?.running.as_ref()
    }

    /// How many messages wait.
    #[must_use]
    pub fn waiting(&self, user: &OpenId) -> usize {
        self.people.get(user).map_or(0, |line| line.waiting.len())
    }

    /// How many messages wait for each session.
    #[must_use]
    pub fn queues(&self) -> BTreeMap<ConvId, usize> {
        let mut queues = BTreeMap::new();
        for waiting in self.people.values().flat_map(|line| &line.waiting) {
            *queues.entry(waiting.conv_id.clone()).or_default() += 1;
        }
        queues
    }

    /// How many messages wait, of all people; it costs nothing to know.
    #[must_use]
    pub fn all_waiting(&self) -> usize {
        self.waiting
    }

    /// How many messages run.
    #[must_use]
    pub fn all_running(&self) -> usize {
        self.running
    }

    /// Takes away all that wait for this session.
    pub fn withdraw(&mut self, user: &OpenId, conv_id: &ConvId) -> Vec<QueuedMessage<T>> {
        let Some(line) = self.people.get_mut(user) else { return Vec::new() };
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut line.waiting).into_iter().partition(|waiting| &waiting.conv_id == conv_id);
        line.waiting = kept.into();
        self.waiting -= gone.len();
        self.changed.insert(user.clone());
        gone
    }

    /// Takes away all that wait of those who do not `belong`; names them, too, who have but a running one.
    pub fn expel(&mut self, belongs: impl Fn(&OpenId) -> bool) -> Vec<(OpenId, Vec<QueuedMessage<T>>)> {
        let strangers = self.people.iter_mut().filter(|(user, _)| !belongs(user));
        let expelled: Vec<(OpenId, Vec<_>)> =
            strangers.map(|(user, line)| (user.clone(), std::mem::take(&mut line.waiting).into())).collect();
        self.waiting -= expelled.iter().map(|(_, gone)| gone.len()).sum::<usize>();
        self.changed.extend(expelled.iter().map(|(user, _)| user.clone()));
        expelled
    }

    /// Takes away the waiting message that `is` picks, wherever it waits.
    pub fn take_back(&mut self, is: impl Fn(&T) -> bool) -> Option<QueuedMessage<T>> {
        let (user, taken) = self.people.iter_mut().find_map(|(user, line)| {
            let place = line.waiting.iter().position(|waiting| is(&waiting.item))?;
            Some((user.clone(), line.waiting.remove(place)?))
        })?;
        self.waiting -= 1;
        self.changed.insert(user);
        Some(taken)
    }

    /// Puts a waiting message of a person's before his others; which one.
    pub fn promote(&mut self, user: &OpenId, is: impl Fn(&T) -> bool) -> Option<&T> {
        let line = self.people.get_mut(user)?;
        let place = line.waiting.iter().position(|waiting| is(&waiting.item))?;
        let mut waiting = line.waiting.remove(place)?;
        // Those that come later are sorted in behind it.
        waiting.sent = line.waiting.front().map_or(waiting.sent, |first| first.sent.min(waiting.sent));
        line.waiting.push_front(waiting);
        self.changed.insert(user.clone());
        line.waiting.front().map(|waiting| &waiting.item)
    }

    /// What waits of a person's, the next one first.
    pub fn queue(&self, user: &OpenId) -> impl Iterator<Item = &QueuedMessage<T>> {
        self.people.get(user).into_iter().flat_map(|line| &line.waiting)
    }

    /// Whose queue is not as it was when this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<OpenId> {
        std::mem::take(&mut self.changed)
    }

    fn line(&mut self, user: &OpenId) -> &mut UserQueue<T> {
        self.people.entry(user.clone()).or_insert(UserQueue {
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
        let (mut desk, user) = (UserQueues::default(), OpenId::from("ou_1"));
        assert_eq!(desk.add(&user, message(1, "a")), Ok(0));
        assert_eq!(desk.take(&user).map(|w| w.item), Some(1));
        assert_eq!(desk.add(&user, message(3, "a")), Ok(1));
        assert_eq!(desk.add(&user, message(2, "b")), Ok(1));
        assert_eq!(desk.next(&user), None);
        assert_eq!(desk.take(&user), None);
        desk.done(&user);
        assert_eq!(desk.next(&user), Some(&"b".into()));
        assert_eq!(desk.take(&user).map(|w| w.item), Some(2));
        assert_eq!(desk.running(&user), Some(&"b".into()));
    }

    #[test]
    fn a_message_can_be_put_before_the_others_and_stays_there() {
        let (mut desk, user) = (UserQueues::default(), OpenId::from("ou_1"));
        for second in [1, 2, 3, 5] {
            desk.add(&user, message(second, "a")).unwrap();
        }
        desk.take(&user);
        assert_eq!(desk.promote(&user, |second| *second == 5), Some(&5));
        assert_eq!(desk.promote(&user, |second| *second == 1), None);
        // One that was sent between them and came late.
        assert_eq!(desk.add(&user, message(4, "a")), Ok(4));
        let order: Vec<_> = desk.queue(&user).map(|waiting| waiting.item).collect();
        assert_eq!(order, [5, 2, 3, 4]);
    }

    #[test]
    fn whose_queue_changed_is_told_once() {
        let (mut desk, one, other) = (UserQueues::default(), OpenId::from("ou_1"), OpenId::from("ou_2"));
        desk.add(&one, message(1, "a")).unwrap();
        desk.add(&other, message(2, "b")).unwrap();
        assert_eq!(desk.take_changed(), BTreeSet::from([one.clone(), other.clone()]));
        assert_eq!(desk.take_changed(), BTreeSet::new());
        let told = |desk: &mut UserQueues<i64>| desk.take_changed().into_iter().collect::<Vec<_>>();
        let taken = desk.take(&one).unwrap();
        assert_eq!(told(&mut desk), std::slice::from_ref(&one));
        desk.put_back(&one, taken);
        assert_eq!(told(&mut desk), std::slice::from_ref(&one));
        desk.take_back(|second| *second == 2);
        assert_eq!(told(&mut desk), std::slice::from_ref(&other));
        desk.promote(&one, |_| true);
        assert_eq!(told(&mut desk), std::slice::from_ref(&one));
        desk.withdraw(&one, &"a".into());
        assert_eq!(told(&mut desk), [one]);
    }

    #[test]
    fn one_persons_messages_do_not_wait_for_anothers() {
        let mut desk = UserQueues::default();
        desk.add(&"ou_1".into(), message(1, "a")).unwrap();
        desk.take(&"ou_1".into());
        desk.add(&"ou_2".into(), message(2, "b")).unwrap();
        assert_eq!(desk.take(&"ou_2".into()).map(|w| w.item), Some(2));
    }

    #[test]
    fn a_message_that_was_put_back_is_next() {
        let (mut desk, user) = (UserQueues::default(), OpenId::from("ou_1"));
        desk.add(&user, message(1, "a")).unwrap();
        let first = desk.take(&user).unwrap();
        desk.add(&user, message(2, "a")).unwrap();
        desk.put_back(&user, first);
        assert_eq!(desk.take(&user).map(|w| w.item), Some(1));
    }

    #[test]
    fn what_waits_and_what_runs_is_counted_whatever_happens() {
        let (mut desk, one, other) = (UserQueues::default(), OpenId::from("ou_1"), OpenId::from("ou_2"));
        let told = |desk: &UserQueues<i64>| (desk.all_waiting(), desk.all_running());
        for second in 1..=5 {
            desk.add(&one, message(second, if second == 5 { "b" } else { "a" })).unwrap();
            desk.add(&other, message(second + 10, "c")).unwrap();
        }
        assert_eq!(told(&desk), (10, 0));
        let first = desk.take(&one).unwrap();
        desk.take(&other).unwrap();
        assert_eq!((desk.take(&one), told(&desk)), (None, (8, 2)));
        desk.put_back(&one, first);
        assert_eq!(told(&desk), (9, 1));
        desk.withdraw(&one, &"b".into());
        desk.take_back(|second| *second == 2);
        assert_eq!((desk.take_back(|second| *second == 2), told(&desk)), (None, (7, 1)));
        desk.expel(|user| *user == one);
        desk.done(&other);
        desk.done(&other);
        assert_eq!(told(&desk), (3, 0));
        while desk.take(&one).is_some() {
            desk.done(&one);
        }
        assert_eq!(told(&desk), (0, 0));
    }

    #[test]
    fn a_full_queue_is_told_of_once_until_it_is_half_empty() {
        let (mut desk, user) = (UserQueues::default(), OpenId::from("ou_1"));
        let fill = |desk: &mut UserQueues<i64>| (0..).find_map(|n| desk.add(&user, message(n, "a")).err());
        assert_eq!(fill(&mut desk), Some(QueueFull::Now));
        let take = |desk: &mut UserQueues<i64>| {
            desk.take(&"ou_1".into()).unwrap();
            desk.done(&"ou_1".into());
        };
        take(&mut desk);
        assert_eq!(fill(&mut desk), Some(QueueFull::Still));
        (0..LONGEST_QUEUE / 2).for_each(|_| take(&mut desk));
        assert_eq!(fill(&mut desk), Some(QueueFull::Now));
    }

    #[test]
    fn the_queue_is_bounded_and_what_waits_for_a_session_can_be_withdrawn() {
        let (mut desk, user) = (UserQueues::default(), OpenId::from("ou_1"));
        for second in 0..i64::try_from(LONGEST_QUEUE).unwrap() {
            desk.add(&user, message(second, if second == 7 { "b" } else { "a" })).unwrap();
        }
        assert_eq!(desk.add(&user, message(999, "a")), Err(QueueFull::Now));
        assert_eq!(desk.add(&user, message(999, "a")), Err(QueueFull::Still));
        assert_eq!(desk.withdraw(&user, &"b".into()).len(), 1);
        assert_eq!(desk.take_back(|second| *second == 9).map(|waiting| waiting.item), Some(9));
        assert_eq!(desk.take_back(|second| *second == 9), None);
        assert_eq!(desk.expel(|_| true), []);
        assert_eq!(desk.waiting(&user), LONGEST_QUEUE - 2);
        let expelled = desk.expel(|_| false);
        assert_eq!((expelled[0].1.len(), desk.waiting(&user)), (LONGEST_QUEUE - 2, 0));
    }
}
