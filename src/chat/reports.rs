//! What live sessions tell the router.

use std::time::Duration;

use jiff::Timestamp;

use super::router::{DeferredTask, Router, RunningPrompt};
use crate::ids::{ConvId, OpenId};
use crate::session::actor::SessionReport;

/// A prompt that could not be put on record is tried again after so long.
const RETRY: Duration = Duration::from_secs(1);

impl Router {
    pub(super) fn report(&mut self, report: SessionReport) {
        match report {
            SessionReport::Settled(conv_id) => {
                let Some(owner) = self.owner(&conv_id) else { return };
                self.begun.remove(&owner);
                self.registry.touched(&conv_id, Timestamp::now());
                self.desk.done(&owner);
                self.idle(&conv_id);
                self.dispatch(&owner);
            }
            SessionReport::Unbegun(conv_id) => {
                let Some(owner) = self.owner(&conv_id) else { return };
                if let Some(RunningPrompt { waiting, .. }) = self.begun.remove(&owner) {
                    self.pin(waiting.item.mail.seq, waiting.conv_id.clone());
                    self.desk.put_back(&owner, waiting);
                }
                self.idle(&conv_id);
                self.after(RETRY, DeferredTask::Dispatch(owner));
            }
            SessionReport::Conversation(conv_id, id) => {
                self.registry.begun(&conv_id, id);
                self.saver.save(&self.registry);
            }
            SessionReport::Asking(conv_id, asks) => {
                if let Some(owner) = self.owner(&conv_id) {
                    self.answers.asking(&owner, conv_id, asks);
                }
            }
            SessionReport::Unasked(conv_id, runs) => self.answers.unasked(conv_id, runs),
            SessionReport::NotAnAnswer(conv_id, seq) => self.not_an_answer(&conv_id, seq),
            SessionReport::Mode(conv_id, mode) => {
                if self.registry.set_mode(&conv_id, &mode) {
                    self.saver.save(&self.registry);
                }
            }
            SessionReport::Rule(conv_id, rule) => {
                if self.registry.add_rule(&conv_id, rule) {
                    self.saver.save(&self.registry);
                }
            }
            SessionReport::Ended { conv_id, cost_usd } => {
                self.handles.remove(&conv_id);
                self.answers.ended(&conv_id);
                self.seats.leave(&conv_id);
                if let Some(cost_usd) = cost_usd {
                    self.registry.cost(&conv_id, cost_usd);
                    self.saver.save(&self.registry);
                }
                if let Some(owner) = self.owner(&conv_id) {
                    // A prompt that crossed with the end was not begun.
                    let crossed =
                        self.begun.get(&owner).is_some_and(|begun| begun.waiting.conv_id == conv_id);
                    if crossed && let Some(RunningPrompt { waiting, .. }) = self.begun.remove(&owner) {
                        self.desk.put_back(&owner, waiting);
                    }
                    self.dispatch(&owner);
                }
                while let Some(next) = self.seats.next_waiting() {
                    if let Some(owner) = self.owner(&next) {
                        self.dispatch(&owner);
                    }
                }
            }
        }
    }

    fn owner(&self, conv_id: &ConvId) -> Option<OpenId> {
        self.registry.running(conv_id).map(|session| session.owner.clone())
    }
}
