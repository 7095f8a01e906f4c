//! Turns the events of sessions into what `Tail` sends over the control socket.

use jiff::Timestamp;

use crate::control::wire::{TailEntry, TailEntryKind};
use crate::session::event_feed::{EventText, SessionEvent, SessionEventKind};

/// The entry for an event. `altered` says that the event comes from an audit log that somebody changed.
pub(super) fn tail_entry(event: &SessionEvent, altered: bool) -> TailEntry {
    let entry = |kind| {
        let (conv_id, user) = (event.conv_id.clone(), event.user.clone());
        TailEntry { altered, ..TailEntry::new(event.at, conv_id, user, event.turn.to_string(), kind) }
    };
    let with_text = |kind, EventText { text, left_out }: &EventText| TailEntry {
        text: Some(text.clone()),
        cut: *left_out,
        ..entry(kind)
    };
    match &event.kind {
        SessionEventKind::Prompt(text) => with_text(TailEntryKind::Prompt, text),
        SessionEventKind::ToolUsed { tool, input, failed } => {
            TailEntry { tool: Some(tool.clone()), failed: *failed, ..with_text(TailEntryKind::Tool, input) }
        }
        SessionEventKind::ApprovalRequested { tool, input } => {
            TailEntry { tool: Some(tool.clone()), ..with_text(TailEntryKind::Approval, input) }
        }
        SessionEventKind::ApprovalDecided { tool, input, decision, by } => TailEntry {
            tool: Some(tool.clone()),
            decision: Some(decision.clone()),
            by: by.as_ref().map(ToString::to_string),
            ..with_text(TailEntryKind::Approval, input)
        },
        SessionEventKind::Answer(text) => with_text(TailEntryKind::Answer, text),
        SessionEventKind::TurnEnded { outcome, duration_ms, cost_usd } => TailEntry {
            outcome: Some(outcome.clone()),
            duration_ms: Some(*duration_ms),
            cost_usd: *cost_usd,
            ..entry(TailEntryKind::Over)
        },
    }
}

/// The entry that says how many events a slow client has missed.
pub(super) fn missed(count: u64) -> TailEntry {
    let turn = uuid::Uuid::nil().to_string();
    let entry = TailEntry::new(Timestamp::now(), "".into(), "".into(), turn, TailEntryKind::Missed);
    TailEntry { count: Some(count), ..entry }
}
