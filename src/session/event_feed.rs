//! What goes on in the sessions, for those who look on. It costs nothing while nobody does, and who is slow misses
//! entries instead of holding up a session.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use super::turn::{Approval, FinishedTurn, ToolUse};
use crate::audit::AuditedTurn;
use crate::claude::wire::PermissionRequest;
use crate::control::wire::{TailEntry, TailEntryKind};
use crate::ids::{ConvId, OpenId};

/// Of longer texts, in bytes, the beginning is shown.
const LONGEST_TEXT: usize = 64 << 10;
/// So many entries are kept for one who looks on; what comes after them he misses.
const KEPT: usize = 256;

/// A handle of what goes on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventFeed {
    entries: broadcast::Sender<Arc<TailEntry>>,
    answered: watch::Sender<Option<(Timestamp, Duration)>>,
}

impl Default for EventFeed {
    fn default() -> Self {
        Self { entries: broadcast::Sender::new(KEPT), answered: watch::Sender::new(None) }
    }
}

impl EventFeed {
    /// All that happens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<TailEntry>> {
        self.entries.subscribe()
    }

    /// When somebody's message was last answered, and how long that took: Claude works.
    #[must_use]
    pub fn answered(&self) -> Option<(Timestamp, Duration)> {
        *self.answered.borrow()
    }

    /// Notes that somebody's message was answered.
    pub fn note_answer(&self, at: Timestamp, took: Duration) {
        self.answered.send_replace(Some((at, took)));
    }

    /// Whether somebody looks on.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.entries.receiver_count() > 0
    }

    /// Shows entries to all who look on.
    pub fn show(&self, entries: impl IntoIterator<Item = TailEntry>) {
        for entry in entries {
            // Nobody looks on any more.
            let _ = self.entries.send(Arc::new(entry));
        }
    }
}

/// Whose entries they are.
#[derive(Clone, Copy, Debug)]
pub struct FeedScope<'a> {
    /// The session.
    pub conv_id: &'a ConvId,
    /// Its owner.
    pub user: &'a OpenId,
    /// The turn.
    pub turn: Uuid,
}

impl FeedScope<'_> {
    fn entry(self, at: Timestamp, kind: TailEntryKind) -> TailEntry {
        TailEntry::new(at, self.conv_id.clone(), self.user.clone(), self.turn.to_string(), kind)
    }

    fn said(self, at: Timestamp, kind: TailEntryKind, text: &str) -> TailEntry {
        let (text, cut) = shortened(text);
        TailEntry { text: Some(text), cut, ..self.entry(at, kind) }
    }

    fn tooled(self, at: Timestamp, kind: TailEntryKind, tool: &str, input: &Value) -> TailEntry {
        TailEntry { tool: Some(tool.to_owned()), ..self.said(at, kind, &input.to_string()) }
    }

    /// A prompt.
    #[must_use]
    pub fn prompt(self, at: Timestamp, text: &str) -> TailEntry {
        self.said(at, TailEntryKind::Prompt, text)
    }

    /// A tool that was just used.
    #[must_use]
    pub fn tool(self, at: Timestamp, tool: &ToolUse) -> TailEntry {
        self.tooled(at, TailEntryKind::Tool, &tool.name, &tool.input)
    }

    /// A permission that is asked for.
    #[must_use]
    pub fn asked(self, at: Timestamp, request: &PermissionRequest) -> TailEntry {
        self.tooled(at, TailEntryKind::Approval, &request.tool, &request.input)
    }

    /// A permission that was decided.
    #[must_use]
    pub fn decided(self, at: Timestamp, approval: &Approval) -> TailEntry {
        let by = approval.decision.by_a_person().then(|| self.user.to_string());
        let decision = Some(approval.decision.word().to_owned());
        TailEntry {
            decision,
            by,
            ..self.tooled(at, TailEntryKind::Approval, &approval.tool, &approval.input)
        }
    }

    /// A turn's answer, if there is one, and its end.
    #[must_use]
    pub fn over(self, at: Timestamp, done: &FinishedTurn) -> Vec<TailEntry> {
        self.end(
            at,
            &done.text,
            done.outcome.word(),
            u64::try_from(done.took.as_millis()).unwrap_or(u64::MAX),
            done.cost_usd,
        )
    }

    fn end(
        self,
        at: Timestamp,
        text: &str,
        outcome: &str,
        duration_ms: u64,
        cost_usd: Option<f64>,
    ) -> Vec<TailEntry> {
        let answer = (!text.is_empty()).then(|| self.said(at, TailEntryKind::Answer, text));
        let over = TailEntry {
            outcome: Some(outcome.to_owned()),
            duration_ms: Some(duration_ms),
            cost_usd,
            ..self.entry(at, TailEntryKind::Over)
        };
        answer.into_iter().chain([over]).collect()
    }

    /// Entries that were left out for one who was too slow.
    #[must_use]
    pub fn missed(self, at: Timestamp, count: u64) -> TailEntry {
        TailEntry { count: Some(count), ..self.entry(at, TailEntryKind::Missed) }
    }
}

/// A turn of the past as entries, in the order of their times.
#[must_use]
pub(crate) fn past(past: &AuditedTurn) -> Vec<TailEntry> {
    let line = &past.line;
    // Lines of earlier versions are told apart by their ends.
    let turn = line.turn.unwrap_or_else(|| Uuid::from_u128(line.at.as_nanosecond().unsigned_abs()));
    let of = FeedScope { conv_id: &line.conv_id, user: &line.user, turn };
    let took = Duration::from_millis(line.duration_ms);
    let began = line.at.checked_sub(took).unwrap_or(line.at);
    let mut entries = Vec::new();
    if !line.prompt.is_empty() {
        entries.push(of.prompt(began, &line.prompt));
    }
    let mut between: Vec<TailEntry> = Vec::new();
    for tool in &line.tools {
        let used = of.tooled(tool.at.unwrap_or(began), TailEntryKind::Tool, &tool.name, &tool.input);
        between.push(TailEntry { failed: tool.is_error, ..used });
    }
    for approval in &line.approvals {
        let asked = of.tooled(approval.at, TailEntryKind::Approval, &approval.tool, &approval.input);
        let by = approval.by.as_ref().map(ToString::to_string);
        between.push(TailEntry { decision: Some(approval.decision.clone()), by, ..asked });
    }
    between.sort_by_key(|entry| entry.at);
    entries.extend(between);
    entries.extend(of.end(line.at, &line.response, &line.outcome, line.duration_ms, line.cost_usd));
    for entry in &mut entries {
        entry.altered = past.altered;
    }
    entries
}

/// The beginning of a text, and how many bytes are left out.
fn shortened(text: &str) -> (String, Option<u64>) {
    let end = text.floor_char_boundary(LONGEST_TEXT);
    let cut = u64::try_from(text.len() - end).ok().filter(|&cut| cut > 0);
    (text[..end].to_owned(), cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{AuditApproval, AuditLine, AuditTool};

    #[test]
    fn a_long_text_is_cut_between_two_characters_and_says_how_much_is_missing() {
        let text = "语".repeat(LONGEST_TEXT);
        let (beginning, cut) = shortened(&text);
        assert_eq!((beginning.len(), cut), (LONGEST_TEXT - 1, Some(2 * LONGEST_TEXT as u64 + 1)));
        assert_eq!(shortened("short"), ("short".to_owned(), None));
    }

    #[test]
    fn a_turn_of_the_past_is_told_in_the_order_in_which_it_happened() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let line = AuditLine {
            at: at(60),
            conv_id: "c-1".into(),
            user: "ou_1".into(),
            turn: None,
            prompt: "go".into(),
            response: "gone".into(),
            outcome: "answered".into(),
            duration_ms: 50_000,
            cost_usd: None,
            tools: vec![AuditTool {
                name: "Bash".into(),
                input: "ls".into(),
                is_error: Some(true),
                at: Some(at(30)),
            }],
            approvals: vec![AuditApproval {
                tool: "Bash".into(),
                input: "ls".into(),
                decision: "allowed".into(),
                detail: None,
                by: Some("ou_1".into()),
                at: at(20),
            }],
        };
        let entries = past(&AuditedTurn { line, hash: String::new(), altered: true });
        let told: Vec<_> =
            entries.iter().map(|entry| (entry.at.as_second(), entry.kind, entry.text.as_deref())).collect();
        assert_eq!(
            told,
            [
                (10, TailEntryKind::Prompt, Some("go")),
                (20, TailEntryKind::Approval, Some("\"ls\"")),
                (30, TailEntryKind::Tool, Some("\"ls\"")),
                (60, TailEntryKind::Answer, Some("gone")),
                (60, TailEntryKind::Over, None)
            ]
        );
        assert!(entries.iter().all(|entry| entry.altered && entry.turn == entries[0].turn));
        assert_eq!((entries[1].by.as_deref(), entries[2].failed), (Some("ou_1"), Some(true)));
    }
}
