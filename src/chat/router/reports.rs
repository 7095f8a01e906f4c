//! What live sessions report to the router, while it serves and while it ends them.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tracing::warn;

use super::live_sessions::RunningPrompt;
use super::{DeferredTask, LAST_WRITES_TIMEOUT, Router};
use crate::ids::{ConvId, OpenId};
use crate::session::actor::SessionReport;

/// Time after which a prompt that could not be put on record is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// How long sessions may take to end after the deadline of their turns, by their own grace times.
const END_TIMEOUT: Duration = Duration::from_secs(15);

impl Router {
    /// Does what a report calls for.
    pub(super) fn handle_report(&mut self, report: SessionReport) {
        match report {
            SessionReport::Settled(conv_id) => {
                let Some(owner) = self.owner_of(&conv_id) else { return };
                self.live.take_running(&owner);
                self.registry.touch(&conv_id, Timestamp::now());
                self.waiting.queues.finish(&owner);
                self.live.idle(&conv_id);
                self.dispatch_next(&owner);
            }
            SessionReport::NotBegun(conv_id) => {
                let Some(owner) = self.owner_of(&conv_id) else { return };
                if let Some(RunningPrompt { message, .. }) = self.live.take_running(&owner) {
                    self.assign(message.item.mail.seq, message.conv_id.clone());
                    self.waiting.queues.put_back(&owner, message);
                }
                self.live.idle(&conv_id);
                self.defer(RETRY_DELAY, DeferredTask::DispatchNext(owner));
            }
            SessionReport::Conversation(conv_id, id) => {
                self.registry.set_begun(&conv_id, id);
                self.save();
            }
            SessionReport::Asking(conv_id, requests) => {
                if let Some(owner) = self.owner_of(&conv_id) {
                    self.waiting.answers.set_open(&owner, conv_id, requests);
                }
            }
            SessionReport::Unasked(conv_id, runs) => self.waiting.answers.set_unprompted(conv_id, runs),
            SessionReport::NotAnAnswer(conv_id, seq) => self.enqueue_late_answer(&conv_id, seq),
            SessionReport::Mode(conv_id, mode) => {
                if self.registry.set_mode(&conv_id, &mode) {
                    self.save();
                }
            }
            SessionReport::Rule(conv_id, rule) => {
                if self.registry.add_rule(&conv_id, rule) {
                    self.save();
                }
            }
            SessionReport::Ended { conv_id, cost_usd } => {
                self.live.ended(&conv_id);
                self.waiting.answers.forget(&conv_id);
                if let Some(cost_usd) = cost_usd {
                    self.registry.set_cost(&conv_id, cost_usd);
                    self.save();
                }
                if let Some(owner) = self.owner_of(&conv_id) {
                    // A prompt that was sent while the session ended was not begun.
                    if let Some(RunningPrompt { message, .. }) = self.live.take_running_in(&owner, &conv_id) {
                        self.waiting.queues.put_back(&owner, message);
                    }
                    self.dispatch_next(&owner);
                }
                while let Some(next) = self.live.next_waiting() {
                    if let Some(owner) = self.owner_of(&next) {
                        self.dispatch_next(&owner);
                    }
                }
            }
        }
    }

    /// Ends all live sessions; what their turns have said goes on record.
    pub(super) async fn end_sessions(
        &mut self,
        deadline: Instant,
        reports: &mut mpsc::Receiver<SessionReport>,
    ) {
        self.live.leave_all(deadline);
        // A session ends within its grace times. Should one hang, the daemon leaves all the same.
        let last = deadline + END_TIMEOUT;
        while self.live.count() > 0 {
            tokio::select! {
                Some(report) = reports.recv() => match report {
                    SessionReport::Ended { conv_id, cost_usd } => {
                        self.live.ended(&conv_id);
                        if let Some(cost_usd) = cost_usd {
                            self.registry.set_cost(&conv_id, cost_usd);
                        }
                    }
                    SessionReport::Conversation(conv_id, id) => self.registry.set_begun(&conv_id, id),
                    SessionReport::Mode(conv_id, mode) => drop(self.registry.set_mode(&conv_id, &mode)),
                    SessionReport::Rule(conv_id, rule) => drop(self.registry.add_rule(&conv_id, rule)),
                    SessionReport::Settled(_)
                    | SessionReport::NotBegun(_)
                    | SessionReport::Asking(..)
                    | SessionReport::Unasked(..)
                    | SessionReport::NotAnAnswer(..) => {}
                },
                () = sleep_until(last.into()) => {
                    warn!(sessions = self.live.count(), "some sessions did not end in time");
                    break;
                }
            }
        }
        if timeout(LAST_WRITES_TIMEOUT, self.save().done()).await.is_err() {
            warn!("the sessions were not saved in time: sessions.json is out of date");
        }
    }

    fn owner_of(&self, conv_id: &ConvId) -> Option<OpenId> {
        self.registry.running(conv_id).map(|session| session.owner.clone())
    }
}
