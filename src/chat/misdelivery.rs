//! Finds out whether another program receives this app's messages. Feishu gives each event to one random connection of the
//! app, so a forgotten second program looks like lost messages.
//!
//! It shows when an event names a person's message that never came here, although this connection has been up since
//! before the message was written. Such a message is looked up at Feishu before anybody is warned, and only after Feishu
//! would have pushed it again. Only chats between the bot and one person count: in a group the bot is not told of every
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

/// Time after which a message must have come here if it ever does: Feishu pushes a missed event again after 15 s.
const PUSH_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum difference between the clocks here and at Feishu that is allowed for.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(5);
/// Age from which on a message proves nothing: the inbox knows messages for 7 days.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(6 * 24);
/// Minimum time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(3600);
/// Maximum number of named messages that wait to be looked up.
const MAX_QUEUED: usize = 64;
/// Maximum number of chats, and of left-out messages, that are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// A message that an event names.
#[derive(Debug)]
struct NamedMessage {
    message_id: MessageId,
    seen: Instant,
    at: Timestamp,
    /// Whether it was known before the event itself put it on record as known; `None` for events that do not.
    was_known: Option<Committed<bool>>,
}

/// What the intake notes about the events that pass.
#[derive(Debug)]
pub(crate) struct MisdeliveryHints {
    named: mpsc::Sender<NamedMessage>,
    private_chats: BTreeSet<ChatId>,
    left_out: VecDeque<MessageId>,
}

/// Looks up the messages that the hints name.
#[derive(Debug)]
pub(crate) struct MisdeliveryWatcher {
    named: mpsc::Receiver<NamedMessage>,
    store: Store,
    connection: watch::Receiver<ConnectionState>,
}

/// Both ends: the hints for the intake, and the watcher, which runs beside it.
#[must_use]
pub(crate) fn watcher(
    store: Store,
    connection: watch::Receiver<ConnectionState>,
) -> (MisdeliveryHints, MisdeliveryWatcher) {
    let (named, queue) = mpsc::channel(MAX_QUEUED);
    let hints = MisdeliveryHints { named, private_chats: BTreeSet::new(), left_out: VecDeque::new() };
    (hints, MisdeliveryWatcher { named: queue, store, connection })
}

impl MisdeliveryHints {
    /// Notes that this is a chat of the bot with one person.
    pub(super) fn note_private_chat(&mut self, chat: &ChatId) {
        if self.private_chats.len() < MAX_REMEMBERED {
            self.private_chats.insert(chat.clone());
        }
    }

    /// Notes that this message came, but was not put on record.
    pub(super) fn note_left_out(&mut self, message: &MessageId) {
        if self.left_out.len() == MAX_REMEMBERED {
            self.left_out.pop_front();
        }
        self.left_out.push_back(message.clone());
    }

    /// Notes that an event from this chat names this message.
    pub(super) fn note_named(&self, chat: &ChatId, message: &MessageId) {
        if self.is_evidence(chat, message) {
            self.note(message, None);
        }
    }

    /// Notes that a message of this chat was recalled; call it before `store` puts that on record.
    pub(super) fn note_recalled(&self, chat: &ChatId, message: &MessageId, store: &Store) {
        if self.is_evidence(chat, message) {
            self.note(message, Some(store.knows(message)));
        }
    }

    fn is_evidence(&self, chat: &ChatId, message: &MessageId) -> bool {
        self.private_chats.contains(chat) && !self.left_out.contains(message)
    }

    fn note(&self, message: &MessageId, was_known: Option<Committed<bool>>) {
        let (seen, at) = (Instant::now(), Timestamp::now());
        // One that finds no room is one of many: another will do.
        let _ = self.named.try_send(NamedMessage { message_id: message.clone(), seen, at, was_known });
    }
}

impl MisdeliveryWatcher {
    /// Watches until the hints are dropped.
    pub(crate) async fn run(mut self, api: Api) {
        let mut warned: Option<Instant> = None;
        while let Some(named) = self.named.recv().await {
            let message_id = named.message_id.clone();
            let warned_lately = warned.is_some_and(|at| at.elapsed() < WARNING_INTERVAL);
            if warned_lately || !self.was_misdelivered(&api, named).await {
                debug!(%message_id, "no sign of another program in a message that an event names");
                continue;
            }
            warned = Some(Instant::now());
            warn!(
                %message_id,
                "a message never came here although the connection was up: probably another program is connected with this app, and Feishu gives each message to only one of them, at random; stop the other one, or give it an app of its own"
            );
        }
    }

    async fn was_misdelivered(&self, api: &Api, named: NamedMessage) -> bool {
        let NamedMessage { message_id, seen, at, was_known } = named;
        let (known, by) = match was_known {
            Some(known) => (known.await, at),
            None => {
                sleep_until(seen + PUSH_TIMEOUT).await;
                (self.store.knows(&message_id).await, Timestamp::now())
            }
        };
        // Where the disk does not say, nobody is warned.
        if known.unwrap_or(true) {
            return false;
        }
        let written = match api.person_message_time(&message_id).await {
            Ok(Some(written)) => written,
            Ok(None) => return false,
            Err(error) => {
                debug!(%error, "a message that never came here cannot be looked up");
                return false;
            }
        };
        must_have_come(written, by, &self.connection.borrow())
    }
}

/// Whether a message that was not known here at the time `by` must have come here if it came anywhere: this connection
/// has been up since before it was written, and Feishu has had the time to push it again.
fn must_have_come(written: Timestamp, by: Timestamp, connection: &ConnectionState) -> bool {
    let before = written.saturating_sub(MAX_SKEW).unwrap_or(Timestamp::MIN);
    let age = by.duration_since(written);
    connection.phase == Phase::Connected
        && connection.since <= before
        // An event that was turned away comes again, perhaps hours later.
        && connection.turned_away.is_none_or(|at| at < before)
        && age.unsigned_abs() >= PUSH_TIMEOUT
        && age.is_positive()
        && age <= MAX_AGE
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
    fn only_a_message_written_while_the_connection_was_up_must_have_come_here() {
        assert!(must_have_come(at(105), at(125), &connected(100)));
        assert!(
            !must_have_come(at(104), at(125), &connected(100)),
            "written too close to the connection's beginning"
        );
        assert!(!must_have_come(at(105), at(125), &ConnectionState::new(at(100))), "not connected");
        assert!(!must_have_come(at(106), at(125), &connected(100)), "it may still be pushed again");
        assert!(!must_have_come(at(200), at(125), &connected(100)), "written in the future");
        assert!(
            !must_have_come(at(105), at(106 + 6 * 24 * 3600), &connected(100)),
            "the inbox may have forgotten it"
        );
    }

    #[test]
    fn a_message_that_was_turned_away_may_still_come() {
        let turned_away = |seconds| ConnectionState { turned_away: Some(at(seconds)), ..connected(0) };
        assert!(must_have_come(at(100), at(130), &turned_away(94)));
        assert!(!must_have_come(at(100), at(130), &turned_away(95)));
    }

    #[tokio::test]
    async fn a_recalled_message_is_looked_for_before_the_recall_is_on_record() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = crate::mail::open(&directory.path().join("mail.db")).unwrap();
        let (_, connection) = watch::channel(connected(0));
        let (mut hints, mut watcher) = watcher(store.clone(), connection);
        let two = ChatId::from("oc_two");
        hints.note_private_chat(&two);
        let now = Timestamp::now();
        store.recalled(&"om_known".into(), now).await.unwrap();
        for message in ["om_known", "om_unknown"] {
            hints.note_recalled(&two, &message.into(), &store);
            store.recalled(&message.into(), now).await.unwrap();
        }
        for known in [true, false] {
            assert_eq!(watcher.named.recv().await.unwrap().was_known.unwrap().await, Ok(known));
        }
    }

    #[tokio::test]
    async fn groups_and_messages_left_out_on_purpose_prove_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = crate::mail::open(&directory.path().join("mail.db")).unwrap();
        let (_, connection) = watch::channel(connected(0));
        let (mut hints, mut watcher) = watcher(store, connection);
        let (two, group) = (ChatId::from("oc_two"), ChatId::from("oc_group"));
        hints.note_private_chat(&two);
        hints.note_left_out(&"om_left".into());
        hints.note_named(&group, &"om_group".into());
        hints.note_named(&two, &"om_left".into());
        hints.note_named(&two, &"om_named".into());
        drop(hints);
        assert_eq!(watcher.named.recv().await.unwrap().message_id, "om_named".into());
        assert!(watcher.named.recv().await.is_none());
    }
}
