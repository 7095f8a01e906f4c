//! Publishes what happens in a session to the event feed, and logs decisions.

use jiff::Timestamp;
use tracing::info;
use uuid::Uuid;

use super::Actor;
use super::effects::short;
use crate::logs::events;
use crate::session::event_feed::FeedScope;
use crate::session::turn::{Approval, FinishedTurn, OpenRequest};

/// How much of the running turn was published.
#[derive(Debug, Default)]
pub(super) struct PublishedTurn {
    tools: usize,
    approvals: usize,
}

impl Actor {
    /// Publishes what is new since the last call.
    pub(super) fn publish(&mut self) {
        let Some(turn) = self.machine.turn() else { return };
        let (tools, approvals) = (turn.tools(), turn.approvals());
        // If a prompt's turn has replaced one that Claude began by itself, it has fewer entries.
        let from = (self.published.tools.min(tools.len()), self.published.approvals.min(approvals.len()));
        let (new_tools, new_approvals) = (&tools[from.0..], &approvals[from.1..]);
        (self.published.tools, self.published.approvals) = (tools.len(), approvals.len());
        self.log_decisions(new_approvals);
        if self.setup.event_feed.has_subscribers() {
            let (scope, now) = (self.scope(turn.id()), Timestamp::now());
            let tools = new_tools.iter().map(|tool| scope.tool_used(now, tool));
            let approvals = new_approvals.iter().map(|approval| scope.approval_decided(now, approval));
            self.setup.event_feed.publish(tools.chain(approvals));
        }
    }

    pub(super) fn publish_prompt(&self, turn: Uuid, text: &str) {
        if self.setup.event_feed.has_subscribers() {
            self.setup.event_feed.publish([self.scope(turn).prompt(Timestamp::now(), text)]);
        }
    }

    pub(super) fn publish_request(&self, request: &OpenRequest) {
        if self.setup.event_feed.has_subscribers() {
            self.setup.event_feed.publish([self
                .scope(request.turn)
                .approval_requested(Timestamp::now(), &request.permission)]);
        }
    }

    /// Publishes the rest of a turn that has ended.
    pub(super) fn publish_end(&mut self, turn: &FinishedTurn, at: Timestamp) {
        let published = std::mem::take(&mut self.published);
        self.log_decisions(turn.approvals.get(published.approvals..).unwrap_or_default());
        if self.setup.event_feed.has_subscribers() {
            let scope = self.scope(turn.id);
            let tools = turn.tools.iter().skip(published.tools).map(|tool| scope.tool_used(at, tool));
            let approvals = turn
                .approvals
                .iter()
                .skip(published.approvals)
                .map(|approval| scope.approval_decided(at, approval));
            self.setup.event_feed.publish(tools.chain(approvals).chain(scope.turn_ended(at, turn)));
        }
    }

    fn log_decisions(&self, approvals: &[Approval]) {
        for approval in approvals {
            info!(
                name: events::APPROVAL_DECIDED,
                conv_id = %self.setup.conv_id,
                user = %self.setup.owner.user,
                tool = short(&approval.tool),
                decision = approval.decision.word(),
                "approval decided"
            );
        }
    }

    fn scope(&self, turn: Uuid) -> FeedScope<'_> {
        FeedScope { conv_id: &self.setup.conv_id, user: &self.setup.owner.user, turn }
    }
}
