//! Publishes what happens in the sessions, for health checks and `phonework tail`.
//!
//! It costs nothing while nobody subscribes. A slow subscriber misses events instead of delaying a session.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use super::turn::{Approval, FinishedTurn, ToolUse};
use crate::audit::AuditLine;
use crate::claude::wire::PermissionRequest;
use crate::ids::{ConvId, OpenId};

/// Maximum size of a text in an event, in bytes; of a longer one the beginning is published.
const MAX_TEXT_BYTES: usize = 64 << 10;
/// Maximum number of events that wait for a subscriber; then it misses the oldest.
const MAX_QUEUED_EVENTS: usize = 256;

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SessionEvent {
    pub(crate) at: Timestamp,
    pub(crate) conv_id: ConvId,
    /// The open_id of the session's owner.
    pub(crate) user: OpenId,
    /// The id of the turn.
    pub(crate) turn: Uuid,
    pub(crate) kind: SessionEventKind,
}

/// What was said or done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SessionEventKind {
    Prompt(EventText),
    ToolUsed {
        tool: String,
        input: EventText,
        /// Whether it failed; `None` while that is not known.
        failed: Option<bool>,
    },
    ApprovalRequested {
        tool: String,
        input: EventText,
    },
    ApprovalDecided {
        tool: String,
        input: EventText,
        /// The word for the decision in the audit log.
        decision: String,
        /// The person who decided, if one did.
        by: Option<OpenId>,
    },
    Answer(EventText),
    TurnEnded {
        /// The word for the outcome in the audit log.
        outcome: String,
        duration_ms: u64,
        cost_usd: Option<f64>,
    },
}

/// A text, or the beginning of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventText {
    pub(crate) text: String,
    /// The number of bytes left out at its end, if any.
    pub(crate) left_out: Option<u64>,
}

/// A handle to the feed. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct EventFeed {
    events: broadcast::Sender<Arc<SessionEvent>>,
    last_answer: watch::Sender<Option<(Timestamp, Duration)>>,
}

impl Default for EventFeed {
    fn default() -> Self {
        Self { events: broadcast::Sender::new(MAX_QUEUED_EVENTS), last_answer: watch::Sender::new(None) }
    }
}

impl EventFeed {
    /// Subscribes to everything that happens from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<SessionEvent>> {
        self.events.subscribe()
    }

    /// When Claude last answered a prompt, and how long that took. It shows that Claude works.
    pub(crate) fn last_answer(&self) -> Option<(Timestamp, Duration)> {
        *self.last_answer.borrow()
    }

    /// Notes that Claude answered a prompt.
    pub(crate) fn note_answer(&self, at: Timestamp, took: Duration) {
        self.last_answer.send_replace(Some((at, took)));
    }

    pub(crate) fn has_subscribers(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Sends events to all subscribers.
    pub(crate) fn publish(&self, events: impl IntoIterator<Item = SessionEvent>) {
        for event in events {
            // Fails only if nobody subscribes any more.
            let _ = self.events.send(Arc::new(event));
        }
    }
}

/// Makes the events of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeedScope<'a> {
    pub(crate) conv_id: &'a ConvId,
    /// The open_id of the session's owner.
    pub(crate) user: &'a OpenId,
    /// The id of the turn.
    pub(crate) turn: Uuid,
}

impl FeedScope<'_> {
    fn event(self, at: Timestamp, kind: SessionEventKind) -> SessionEvent {
        SessionEvent { at, conv_id: self.conv_id.clone(), user: self.user.clone(), turn: self.turn, kind }
    }

    pub(crate) fn prompt(self, at: Timestamp, text: &str) -> SessionEvent {
        self.event(at, SessionEventKind::Prompt(shortened(text)))
    }

    pub(crate) fn tool_used(self, at: Timestamp, tool: &ToolUse) -> SessionEvent {
        self.tool(at, &tool.name, &tool.input, None)
    }

    fn tool(self, at: Timestamp, tool: &str, input: &Value, failed: Option<bool>) -> SessionEvent {
        let input = shortened(&input.to_string());
        self.event(at, SessionEventKind::ToolUsed { tool: tool.to_owned(), input, failed })
    }

    pub(crate) fn approval_requested(self, at: Timestamp, request: &PermissionRequest) -> SessionEvent {
        let (tool, input) = (request.tool.clone(), shortened(&request.input.to_string()));
        self.event(at, SessionEventKind::ApprovalRequested { tool, input })
    }

    pub(crate) fn approval_decided(self, at: Timestamp, approval: &Approval) -> SessionEvent {
        let by = approval.decision.by_a_person().then(|| self.user.clone());
        self.decided(at, &approval.tool, &approval.input, approval.decision.word(), by)
    }

    fn decided(
        self,
        at: Timestamp,
        tool: &str,
        input: &Value,
        decision: &str,
        by: Option<OpenId>,
    ) -> SessionEvent {
        let (tool, input) = (tool.to_owned(), shortened(&input.to_string()));
        self.event(at, SessionEventKind::ApprovalDecided { tool, input, decision: decision.to_owned(), by })
    }

    /// The turn's answer, if there is one, and its end.
    pub(crate) fn turn_ended(self, at: Timestamp, turn: &FinishedTurn) -> Vec<SessionEvent> {
        let duration_ms = u64::try_from(turn.took.as_millis()).unwrap_or(u64::MAX);
        self.end(at, &turn.text, turn.outcome.word(), duration_ms, turn.cost_usd)
    }

    fn end(
        self,
        at: Timestamp,
        text: &str,
        outcome: &str,
        duration_ms: u64,
        cost_usd: Option<f64>,
    ) -> Vec<SessionEvent> {
        let answer = (!text.is_empty()).then(|| self.event(at, SessionEventKind::Answer(shortened(text))));
        let outcome = outcome.to_owned();
        let end = self.event(at, SessionEventKind::TurnEnded { outcome, duration_ms, cost_usd });
        answer.into_iter().chain([end]).collect()
    }
}

/// The events of a turn of the past, in the order of their times.
pub(crate) fn past(line: &AuditLine) -> Vec<SessionEvent> {
    // Lines of earlier versions have no turn id, so the time of their end takes its place.
    let turn = line.turn.unwrap_or_else(|| Uuid::from_u128(line.at.as_nanosecond().unsigned_abs()));
    let scope = FeedScope { conv_id: &line.conv_id, user: &line.user, turn };
    let took = Duration::from_millis(line.duration_ms);
    let began = line.at.checked_sub(took).unwrap_or(line.at);
    let mut events = Vec::new();
    if !line.prompt.is_empty() {
        events.push(scope.prompt(began, &line.prompt));
    }
    let tools = line
        .tools
        .iter()
        .map(|tool| scope.tool(tool.at.unwrap_or(began), &tool.name, &tool.input, tool.is_error));
    let approvals = line.approvals.iter().map(|approval| {
        let by = approval.by.clone();
        scope.decided(approval.at, &approval.tool, &approval.input, &approval.decision, by)
    });
    let mut between: Vec<SessionEvent> = tools.chain(approvals).collect();
    between.sort_by_key(|event| event.at);
    events.extend(between);
    events.extend(scope.end(line.at, &line.response, &line.outcome, line.duration_ms, line.cost_usd));
    events
}

fn shortened(text: &str) -> EventText {
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    let left_out = u64::try_from(text.len() - end).ok().filter(|&left_out| left_out > 0);
    EventText { text: text[..end].to_owned(), left_out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{AuditApproval, AuditTool};

    #[test]
    fn a_long_text_is_cut_between_two_characters_and_says_how_much_is_missing() {
        let text = "语".repeat(MAX_TEXT_BYTES);
        let EventText { text, left_out } = shortened(&text);
        assert_eq!((text.len(), left_out), (MAX_TEXT_BYTES - 1, Some(2 * MAX_TEXT_BYTES as u64 + 1)));
        assert_eq!(shortened("short"), EventText { text: "short".to_owned(), left_out: None });
    }

    #[test]
    fn the_events_of_a_past_turn_are_in_the_order_in_which_they_happened() {
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
        let events = past(&line);
        let text = |text: &str| EventText { text: text.to_owned(), left_out: None };
        let (tool, input) = (String::from("Bash"), text("\"ls\""));
        let decided = SessionEventKind::ApprovalDecided {
            tool: tool.clone(),
            input: input.clone(),
            decision: "allowed".to_owned(),
            by: Some("ou_1".into()),
        };
        let ended = SessionEventKind::TurnEnded {
            outcome: "answered".to_owned(),
            duration_ms: 50_000,
            cost_usd: None,
        };
        let expected = [
            (10, SessionEventKind::Prompt(text("go"))),
            (20, decided),
            (30, SessionEventKind::ToolUsed { tool, input, failed: Some(true) }),
            (60, SessionEventKind::Answer(text("gone"))),
            (60, ended),
        ];
        let told: Vec<_> = events.iter().map(|event| (event.at.as_second(), event.kind.clone())).collect();
        assert_eq!(told, expected);
        assert!(events.iter().all(|event| event.turn == events[0].turn));
    }
}
