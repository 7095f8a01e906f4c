//! `Tail`: the last turns, then what happens.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::{ControlHandler, missed, past};
use crate::control::wire::{ControlError, Tail, TailCall, TailEntry, TailEntryKind};
use crate::control::{NoReply, Replies};
use crate::daemon::health::look;
use crate::session::event_feed;

/// So many turns of the past are told when nobody says how many.
const USUAL: u32 = 10;
/// So many at most: of one session, and of all.
const MOST_OF_ONE: usize = 1000;
const MOST_OF_ALL: usize = 100;
/// While nothing happens, the daemon shows so often that it lives.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// So many entries go into one reply, as each may have 64 KiB.
const BATCH: usize = 16;

impl ControlHandler {
    pub(super) async fn tail<R: Replies>(&self, call: TailCall, replies: &mut R) -> Result<(), NoReply> {
        let follow = call.follow == Some(true);
        if !replies.takes_more() {
            return Err(NoReply::ExpectedMore);
        }
        // Listening comes first, so that nothing falls between.
        let mut live = self.health.tap.listen();
        let look = look(&self.health.news).await?;
        let mut sessions = look.known();
        let mut most = usize::try_from(call.turns.unwrap_or(USUAL)).unwrap_or(MOST_OF_ONE);
        if let Some(conv_id) = &call.conv_id {
            sessions.retain(|session| session.conv_id == *conv_id);
            if sessions.is_empty() {
                return Err(ControlError::NoSuchSession { conv_id: conv_id.clone() }.into());
            }
            most = most.min(MOST_OF_ONE);
        } else {
            sessions.sort_by_key(|session| Reverse(session.active_at.unwrap_or(session.created_at)));
            most = most.min(MOST_OF_ALL);
        }
        let turns = past::turns(&self.health.store, sessions, most, call.since).await;
        let mut told = BTreeSet::new();
        for turn in &turns {
            let entries = event_feed::past(turn);
            told.extend(entries.first().map(|entry| entry.turn.clone()));
            for some in entries.chunks(BATCH) {
                replies.send(&Tail { entries: some.to_vec() }, false).await?;
            }
        }
        if !follow {
            return Ok(replies.send(&Tail::default(), true).await?);
        }
        let is_wanted =
            |entry: &TailEntry| call.conv_id.as_ref().is_none_or(|conv_id| *conv_id == entry.conv_id);
        loop {
            let mut entries = Vec::new();
            match timeout(HEARTBEAT, live.recv()).await {
                Ok(Ok(entry)) => entries.push(entry),
                Ok(Err(RecvError::Lagged(count))) => entries.push(Arc::new(missed(count))),
                Ok(Err(RecvError::Closed)) => return Ok(replies.send(&Tail::default(), true).await?),
                Err(_) => {}
            }
            while entries.len() < BATCH
                && let Ok(entry) = live.try_recv()
            {
                entries.push(entry);
            }
            let quiet = entries.is_empty();
            let new: Vec<TailEntry> = entries
                .iter()
                .filter(|entry| entry.kind == TailEntryKind::Missed || is_wanted(entry))
                .filter(|entry| !told.contains(&entry.turn))
                .map(|entry| TailEntry::clone(entry))
                .collect();
            if quiet || !new.is_empty() {
                replies.send(&Tail { entries: new }, false).await?;
            }
        }
    }
}
