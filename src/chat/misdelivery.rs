//! Whether messages go elsewhere: Feishu gives each event to one random connection of the app, so that a forgotten
//! second program looks like lost messages.
//!
//! It shows when an event names a message of a person that never came here, although this connection has been up since
//! before it was written. Such a message is looked up at Feishu before anybody is alarmed, and long enough after it was
//! written that Feishu would have pushed it again. Only chats of two count: in a group the bot is not told of every
//! message.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::feishu::api::Api;
use crate::feishu::socket::{ConnectionState, Phase};
use crate::ids::{ChatId, MessageId};
use crate::mail::{Committed, Store};

/// Feishu pushes a missed event again after 15 s; what is not here by then went elsewhere.
const PUSHED_AGAIN: Duration = Duration::from_secs(20);
/// So much the clocks here and at Feishu may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// What was taken over is known for 7 days; older messages prove nothing.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(6 * 24);
/// A warning holds for so long.
const SILENCE: Duration = Duration::from_secs(3600);
/// So many messages wait to be looked at.
const WAITING: usize = 64;
/// So many chats, and messages that were left out, are kept in mind.
const KEPT_IN_MIND: usize = 10_000;

/// A message that an event names.
#[derive(Debug)]
struct NamedMessage {
    message_id: MessageId,
    seen: Instant,
    at: Timestamp,
    /// Whether it was known then, when it is put on record as known by the very event.
    known_then: Option<Committed<bool>>,
}

/// What the intake notes of the events that pass.
#[derive(Debug)]
pub struct MisdeliveryHints {
    named: mpsc::Sender<NamedMessage>,
    chats_of_two: BTreeSet<ChatId>,
    left_out: VecDeque<MessageId>,
}

/// Looks at the messages that the hints name.
#[derive(Debug)]
pub struct MisdeliveryWatcher {
    named: mpsc::Receiver<NamedMessage>,
    store: Store,
    connection: watch::Receiver<ConnectionState>,
}

/// Both ends.
#[must_use]
pub fn watcher(
    store: Store,
    connection: watch::Receiver<ConnectionState>,
) -> (MisdeliveryHints, MisdeliveryWatcher) {
    let (named, queue) = mpsc::channel(WAITING);
    let hints = MisdeliveryHints { named, chats_of_two: BTreeSet::new(), left_out: VecDeque::new() };
    (hints, MisdeliveryWatcher { named: queue, store, connection })
}

impl MisdeliveryHints {
    /// This is a chat of the bot with one person.
    pub fn of_two(&mut self, chat: &ChatId) {
        if self.chats_of_two.len() < KEPT_IN_MIND {
            self.chats_of_two.insert(chat.clone());
        }
    }

    /// This message came and was not put on record.
    pub fn left_out(&mut self, message: &MessageId) {
        if self.left_out.len() == KEPT_IN_MIND {
            self.left_out.pop_front();
        }
        self.left_out.push_back(message.clone());
    }

    /// An event from this chat names this message.
    pub fn names(&self, chat: &ChatId, message: &MessageId) {
        if self.is_telling(chat, message) {
            self.note(message, None);
        }
    }

    /// A message of this chat was taken back, which `store` has not noted yet.
    pub fn taken_back(&self, chat: &ChatId, message: &MessageId, store: &Store) {
        if self.is_telling(chat, message) {
            self.note(message, Some(store.knows(message)));
        }
    }

    fn is_telling(&self, chat: &ChatId, message: &MessageId) -> bool {
        self.chats_of_two.contains(chat) && !self.left_out.contains(message)
    }

    fn note(&self, message: &MessageId, known_then: Option<Committed<bool>>) {
        let (seen, at) = (Instant::now(), Timestamp::now());
        // What does not fit is one of many: another will do.
        let _ = self.named.try_send(NamedMessage { message_id: message.clone(), seen, at, known_then });
    }
}

impl MisdeliveryWatcher {
    /// Watches until the hints end.
    pub async fn run(mut self, api: Api) {
        let mut warned: Option<Instant> = None;
        while let Some(named) = self.named.recv().await {
            let message_id = named.message_id.clone();
            let quiet = warned.is_some_and(|at| at.elapsed() < SILENCE);
            if quiet || !self.went_elsewhere(&api, named).await {
                debug!(%message_id, "a message that an event names is no cause for alarm");
                continue;
            }
            warned = Some(Instant::now());
            warn!(
                %message_id,
                "a message never came here although the connection was up: probably another program is connected with this app, and Feishu gives each message to only one of them, at random; stop the other one, or give it an app of its own"
            );
        }
    }

    async fn went_elsewhere(&self, api: &Api, named: NamedMessage) -> bool {
        let NamedMessage { message_id, seen, at, known_then } = named;
        let (known, by) = match known_then {
            Some(known) => (known.await, at),
            None => {
                sleep_until(seen + PUSHED_AGAIN).await;
                (self.store.knows(&message_id).await, Timestamp::now())
            }
        };
        // When it cannot be told, nobody is alarmed.
        if known.unwrap_or(true) {
            return false;
        }
        let written = match api.written_by_a_person(&message_id).await {
            Ok(Some(written)) => written,
            Ok(None) => return false,
            Err(error) => {
                debug!(%error, "a message that never came here cannot be looked up");
                return false;
            }
        };
        passed_by(written, by, &self.connection.borrow())
    }
}

/// Whether Feishu must have given a message to another connection that was not known here by that time.
fn passed_by(written: Timestamp, by: Timestamp, connection: &ConnectionState) -> bool {
    let before = written.saturating_sub(SKEW).unwrap_or(Timestamp::MIN);
    let age = by.duration_since(written);
    connection.phase == Phase::Connected
        && connection.since <= before
        // An event that was turned away comes again, hours later perhaps.
        && connection.turned_away.is_none_or(|at| at < before)
        && age.unsigned_abs() >= PUSHED_AGAIN
        && age.is_positive()
        && age <= REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + seconds).unwrap()
    }

    fn connected(since: i64) -> ConnectionState {
        ConnectionState { phase: Phase::Connected, ..ConnectionState::new(at(since)) }
    }

    #[test]
    fn only_what_was_written_while_the_connection_was_up_went_elsewhere() {
        assert!(passed_by(at(105), at(125), &connected(100)));
        assert!(
            !passed_by(at(104), at(125), &connected(100)),
            "written too close to the connection's beginning"
        );
        assert!(!passed_by(at(105), at(125), &ConnectionState::new(at(100))), "not connected");
        assert!(!passed_by(at(106), at(125), &connected(100)), "it may be pushed again yet");
        assert!(!passed_by(at(200), at(125), &connected(100)), "written in the future");
        assert!(!passed_by(at(105), at(106 + 6 * 24 * 3600), &connected(100)), "perhaps forgotten");
    }

    #[test]
    fn what_was_turned_away_since_it_was_written_may_come_yet() {
        let turned_away = |seconds| ConnectionState { turned_away: Some(at(seconds)), ..connected(0) };
        assert!(passed_by(at(100), at(130), &turned_away(94)));
        assert!(!passed_by(at(100), at(130), &turned_away(95)));
    }

    #[tokio::test]
    async fn a_message_that_is_taken_back_is_looked_for_before_that_is_on_record() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = crate::mail::open(&directory.path().join("mail.db")).unwrap();
        let (_, connection) = watch::channel(connected(0));
        let (mut hints, mut watcher) = watcher(store.clone(), connection);
        let two = ChatId::from("oc_two");
        hints.of_two(&two);
        let now = Timestamp::now();
        store.taken_back(&"om_known".into(), now).await.unwrap();
        for message in ["om_known", "om_unknown"] {
            hints.taken_back(&two, &message.into(), &store);
            store.taken_back(&message.into(), now).await.unwrap();
        }
        for known in [true, false] {
            assert_eq!(watcher.named.recv().await.unwrap().known_then.unwrap().await, Ok(known));
        }
    }

    #[tokio::test]
    async fn groups_and_what_was_left_out_on_purpose_prove_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = crate::mail::open(&directory.path().join("mail.db")).unwrap();
        let (_, connection) = watch::channel(connected(0));
        let (mut hints, mut watcher) = watcher(store, connection);
        let (two, group) = (ChatId::from("oc_two"), ChatId::from("oc_group"));
        hints.of_two(&two);
        hints.left_out(&"om_left".into());
        hints.names(&group, &"om_group".into());
        hints.names(&two, &"om_left".into());
        hints.names(&two, &"om_named".into());
        drop(hints);
        assert_eq!(watcher.named.recv().await.unwrap().message_id, "om_named".into());
        assert!(watcher.named.recv().await.is_none());
    }
}
