//! Tells a person straight away that his message cannot be put on record: past the outbox, which has no room either.
//! Once in a while for each chat, and at best: nothing is kept of it, and nothing waits for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::ids::{ChatId, MessageId};

/// A chat is told again after so long.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// So many chats are remembered; while all of them were told lately, further ones are not.
const REMEMBERED: usize = 1000;

/// A sentence on its way to a chat.
#[derive(Debug, PartialEq, Eq)]
pub struct StorageAlert {
    /// The chat.
    pub chat: ChatId,
    /// The message that it replies to.
    pub under: Option<MessageId>,
    /// What it says.
    pub text: String,
}

/// Who was told lately, and the way to the others.
#[derive(Debug)]
pub(super) struct StorageAlarm {
    told: BTreeMap<ChatId, Instant>,
    alerts: mpsc::Sender<StorageAlert>,
}

impl StorageAlarm {
    pub(super) fn new(alerts: mpsc::Sender<StorageAlert>) -> Self {
        Self { told: BTreeMap::new(), alerts }
    }

    /// Tells the chat, unless it was told lately or too much is on its way.
    pub(super) fn raise(&mut self, alert: StorageAlert, now: Instant) {
        let lately = |at: &Instant| now.duration_since(*at) < SILENCE;
        if self.told.len() >= REMEMBERED {
            self.told.retain(|_, at| lately(at));
        }
        let known = self.told.get(&alert.chat);
        if known.is_some_and(lately) || (known.is_none() && self.told.len() >= REMEMBERED) {
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
        let (alerts, mut told) = mpsc::channel(2 * REMEMBERED);
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
        assert_eq!(std::iter::from_fn(|| told.try_recv().ok()).count(), REMEMBERED - 2);
    }
}
