//! Tells people at once that their message cannot be put on record. The sentence bypasses the outbox, which has no room
//! either. Each chat is told once in ten minutes, on a best effort: nothing is kept of it, and nothing waits for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::ids::{ChatId, MessageId};

/// Minimum time between two alerts in the same chat.
const ALERT_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Maximum number of chats remembered; while all of them were told lately, no other chat is.
const MAX_REMEMBERED: usize = 1000;

/// A sentence on its way to a chat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StorageAlert {
    /// The chat that is told.
    pub(crate) chat: ChatId,
    /// The message that the sentence replies to, in a group.
    pub(crate) under: Option<MessageId>,
    /// The sentence that is sent.
    pub(crate) text: String,
}

/// The chats that were told lately, and the way to the others.
#[derive(Debug)]
pub(super) struct StorageAlarm {
    told: BTreeMap<ChatId, Instant>,
    alerts: mpsc::Sender<StorageAlert>,
}

impl StorageAlarm {
    pub(super) fn new(alerts: mpsc::Sender<StorageAlert>) -> Self {
        Self { told: BTreeMap::new(), alerts }
    }

    /// Sends the alert, unless its chat was told lately or too many alerts are on their way.
    pub(super) fn raise(&mut self, alert: StorageAlert, now: Instant) {
        let is_recent = |at: &Instant| now.duration_since(*at) < ALERT_INTERVAL;
        if self.told.len() >= MAX_REMEMBERED {
            self.told.retain(|_, at| is_recent(at));
        }
        let known = self.told.get(&alert.chat);
        if known.is_some_and(is_recent) || (known.is_none() && self.told.len() >= MAX_REMEMBERED) {
            return;
        }
        let chat = alert.chat.clone();
        if self.alerts.try_send(alert).is_ok() {
            self.told.insert(chat, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_told_once_in_ten_minutes_and_a_flood_is_bounded() {
        let (alerts, mut told) = mpsc::channel(2 * MAX_REMEMBERED);
        let (mut alarm, start) = (StorageAlarm::new(alerts), Instant::now());
        let alert = |chat: &str| StorageAlert { chat: chat.into(), under: None, text: "full".into() };
        let after = |minutes: u64| start + Duration::from_secs(60 * minutes);
        for (chat, at) in [("a", 0), ("a", 9), ("b", 9), ("a", 10)] {
            alarm.raise(alert(chat), after(at));
        }
        let all: Vec<_> = std::iter::from_fn(|| told.try_recv().ok()).map(|alert| alert.chat).collect();
        assert_eq!(all, ["a", "b", "a"].map(ChatId::from));
        for chat in 0..5000 {
            alarm.raise(alert(&chat.to_string()), after(10));
        }
        assert_eq!(std::iter::from_fn(|| told.try_recv().ok()).count(), MAX_REMEMBERED - 2);
    }
}
