//! What the actor shows to those who look on, as it happens, and what the journal has of it.

use jiff::Timestamp;
use tracing::info;
use uuid::Uuid;

use super::Actor;
use super::perform::short;
use crate::logs::events;
use crate::session::event_feed::FeedScope;
use crate::session::turn::{Approval, FinishedTurn, OpenRequest};

/// What was shown of the running turn.
#[derive(Debug, Default)]
pub(super) struct ShownTurn {
    tools: usize,
    approvals: usize,
}

impl Actor {
    /// Shows what came since the last look.
    pub(super) fn show(&mut self) {
        let Some(turn) = self.machine.turn() else { return };
        let (tools, approvals) = (turn.tools(), turn.approvals());
        // A turn that Claude began by itself may give way to one that was asked for, which begins anew.
        let from = (self.shown.tools.min(tools.len()), self.shown.approvals.min(approvals.len()));
        let (new_tools, new_approvals) = (&tools[from.0..], &approvals[from.1..]);
        (self.shown.tools, self.shown.approvals) = (tools.len(), approvals.len());
        self.log_decisions(new_approvals);
        if self.setup.tap.is_watched() {
            let (of, now) = (self.of(turn.id()), Timestamp::now());
            let tools = new_tools.iter().map(|tool| of.tool(now, tool));
            let approvals = new_approvals.iter().map(|approval| of.decided(now, approval));
            self.setup.tap.show(tools.chain(approvals));
        }
    }

    pub(super) fn show_prompt(&self, turn: Uuid, text: &str) {
        if self.setup.tap.is_watched() {
            self.setup.tap.show([self.of(turn).prompt(Timestamp::now(), text)]);
        }
    }

    pub(super) fn show_question(&self, ask: &OpenRequest) {
        if self.setup.tap.is_watched() {
            self.setup.tap.show([self.of(ask.turn).asked(Timestamp::now(), &ask.request)]);
        }
    }

    /// Shows the rest of a turn that is over.
    pub(super) fn show_end(&mut self, done: &FinishedTurn, at: Timestamp) {
        let shown = std::mem::take(&mut self.shown);
        self.log_decisions(done.approvals.get(shown.approvals..).unwrap_or_default());
        if self.setup.tap.is_watched() {
            let of = self.of(done.id);
            let tools = done.tools.iter().skip(shown.tools).map(|tool| of.tool(at, tool));
            let approvals =
                done.approvals.iter().skip(shown.approvals).map(|approval| of.decided(at, approval));
            self.setup.tap.show(tools.chain(approvals).chain(of.over(at, done)));
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

    fn of(&self, turn: Uuid) -> FeedScope<'_> {
        FeedScope { conv_id: &self.setup.conv_id, user: &self.setup.owner.user, turn }
    }
}
