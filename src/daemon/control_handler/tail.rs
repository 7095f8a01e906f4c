//! The call `Tail`: shows the last turns and then, if asked to, what happens from now on.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::tail_entries::{missed, tail_entry};
use super::{ControlHandler, past_turns};
use crate::control::wire::{ControlError, Tail, TailCall, TailEntry, TailEntryKind};
use crate::control::{NoReply, Replies};
use crate::daemon::health::sessions_snapshot;
use crate::session::event_feed;

/// Number of past turns, unless the call names one.
const DEFAULT_TURNS: u32 = 10;
/// Maximum number of past turns of one session.
const MAX_TURNS_OF_ONE: usize = 1000;
/// Maximum number of past turns of all sessions together.
const MAX_TURNS_OF_ALL: usize = 100;
/// While nothing happens, an empty reply this often shows that the daemon is alive.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(20);
/// Maximum number of entries in one reply. Each entry may have 64 KiB.
const BATCH_SIZE: usize = 16;

impl ControlHandler {
    pub(super) async fn tail<R: Replies>(&self, call: TailCall, replies: &mut R) -> Result<(), NoReply> {
        let follow = call.follow == Some(true);
        if !replies.takes_more() {
            return Err(NoReply::ExpectedMore);
        }
        // Subscribe first, so that nothing is missed in between.
        let mut live = self.health.event_feed.subscribe();
        let snapshot = sessions_snapshot(&self.health.router).await?;
        let mut sessions = snapshot.known();
        let mut max = usize::try_from(call.turns.unwrap_or(DEFAULT_TURNS)).unwrap_or(MAX_TURNS_OF_ONE);
        if let Some(conv_id) = &call.conv_id {
            sessions.retain(|session| session.conv_id == *conv_id);
            if sessions.is_empty() {
                return Err(ControlError::NoSuchSession { conv_id: conv_id.clone() }.into());
            }
            max = max.min(MAX_TURNS_OF_ONE);
        } else {
            sessions.sort_by_key(|session| Reverse(session.active_at.unwrap_or(session.created_at)));
            max = max.min(MAX_TURNS_OF_ALL);
        }
        let turns = past_turns::turns(&self.health.store, sessions, max, call.since).await;
        let mut shown_turns = BTreeSet::new();
        for turn in &turns {
            let events = event_feed::past(&turn.line);
            let entries: Vec<TailEntry> =
                events.iter().map(|event| tail_entry(event, turn.altered)).collect();
            shown_turns.extend(entries.first().map(|entry| entry.turn.clone()));
            for batch in entries.chunks(BATCH_SIZE) {
                replies.send(&Tail { entries: batch.to_vec() }, false).await?;
            }
        }
        if !follow {
            return Ok(replies.send(&Tail::default(), true).await?);
        }
        let is_wanted =
            |entry: &TailEntry| call.conv_id.as_ref().is_none_or(|conv_id| *conv_id == entry.conv_id);
        loop {
            let mut entries = Vec::new();
            match timeout(HEARTBEAT_INTERVAL, live.recv()).await {
                Ok(Ok(event)) => entries.push(tail_entry(&event, false)),
                Ok(Err(RecvError::Lagged(count))) => entries.push(missed(count)),
                Ok(Err(RecvError::Closed)) => return Ok(replies.send(&Tail::default(), true).await?),
                Err(_) => {}
            }
            while entries.len() < BATCH_SIZE
                && let Ok(event) = live.try_recv()
            {
                entries.push(tail_entry(&event, false));
            }
            let heartbeat = entries.is_empty();
            let new: Vec<TailEntry> = entries
                .into_iter()
                .filter(|entry| entry.kind == TailEntryKind::Missed || is_wanted(entry))
                .filter(|entry| !shown_turns.contains(&entry.turn))
                .collect();
            if heartbeat || !new.is_empty() {
                replies.send(&Tail { entries: new }, false).await?;
            }
        }
    }
}
