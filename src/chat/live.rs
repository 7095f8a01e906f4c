//! The live sessions: how the router starts them, speaks to them and ends them.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tracing::warn;

use super::router::{LAST_WORDS, Router};
use crate::claude::launch::{ClaudeProgram, Conversation, Launch};
use crate::ids::ConvId;
use crate::mail::Recipient;
use crate::sandbox::limits::ResourceLimits;
use crate::sandbox::{Isolation, SessionScope};
use crate::session::actor::{self, ActorSetup, ControlMessage, SessionReport, SessionWork};
use crate::session::machine::{Input, SessionLimits};
use crate::session::process_slots::SlotClaim;
use crate::session::registry::Session;
use crate::session::report::SessionOwner;
use crate::session::turn::ReplyTarget;

impl Router {
    /// Starts a session's process before there is anything to do, if a seat is free.
    pub(super) fn warm(&mut self, conv_id: &ConvId) {
        if self.seats.has(conv_id) || !self.seats.is_free() {
            return;
        }
        let Some(session) = self.registry.running(conv_id).cloned() else { return };
        if self.seats.claim(conv_id) == SlotClaim::Taken {
            self.start(&session, None);
            self.idle(conv_id);
        }
    }

    pub(super) fn start(&mut self, session: &Session, first: Option<SessionWork>) {
        let keyring = &self.settings.keyring;
        let id = session.cc_session_id.clone();
        let seconds = |own: Option<u64>, configured| own.map_or(configured, Duration::from_secs);
        let mut launch = Launch {
            program: ClaudeProgram::default(),
            cwd: session.cwd.clone(),
            conversation: if session.begun { Conversation::Resume(id) } else { Conversation::New(id) },
            model: session.model.clone().or_else(|| keyring.claude_model.clone()),
            permission_mode: self.mode(session),
            rules: session.rules.clone(),
            trusted: keyring.trusted_projects.contains(&session.cwd),
            env: keyring.claude_env.clone(),
            isolation: Isolation::None,
            git_runs_programs: true,
            limits: ResourceLimits {
                memory: keyring.memory_limit,
                processes: keyring.sandbox_extra.processes.unwrap_or(u64::MAX),
            },
        };
        let scope =
            SessionScope { project: &session.cwd, user: session.owner.as_str(), trusted: launch.trusted };
        let environment = launch.environment(std::env::vars_os());
        launch.isolation = if self.settings.workspace.holds(&session.cwd) {
            self.sandboxes.isolation(&keyring.sandbox_extra, &scope, &environment)
        } else {
            Isolation::Refused("the project does not lie in WORKING_DIR any more".to_owned())
        };
        let setup = ActorSetup {
            conv_id: session.conv_id.clone(),
            owner: SessionOwner {
                user: session.owner.clone(),
                home: ReplyTarget { to: Recipient::Chat(session.chat_id.clone()), under: None },
            },
            command: keyring.claude_command.clone(),
            launch,
            phonework: self.phonework.clone(),
            limits: SessionLimits {
                turn: seconds(session.turn_timeout_s, keyring.turn_timeout),
                idle: seconds(session.idle_timeout_s, keyring.idle_timeout),
                approval: keyring.approval_timeout,
            },
            cost_usd: session.cost_usd,
            language: keyring.language,
            store: self.store.clone(),
            stage: self.stage.clone(),
            reports: self.reports.clone(),
            tap: self.tap.clone(),
        };
        self.handles.insert(session.conv_id.clone(), actor::start(setup, first));
    }

    /// Has a live session do something; false if it is not live.
    pub(super) fn control(&self, conv_id: &ConvId, input: Input) -> bool {
        self.handles
            .get(conv_id)
            .is_some_and(|handle| handle.control.try_send(ControlMessage::Do(input)).is_ok())
    }

    pub(super) fn tell(&self, conv_id: &ConvId, input: Input) {
        if !self.control(conv_id, input) {
            warn!(%conv_id, "a live session does not listen");
        }
    }

    pub(super) fn idle(&mut self, conv_id: &ConvId) {
        if let Some(other) = self.seats.idle(conv_id, Instant::now()) {
            self.tell(&other, Input::Sleep);
        }
    }

    /// Ends all live sessions; what their turns have said goes on record.
    pub(super) async fn leave(&mut self, by: Instant, reports: &mut mpsc::Receiver<SessionReport>) {
        for conv_id in self.handles.keys() {
            self.tell(conv_id, Input::Leave(by));
        }
        // A session ends within its grace times; should one hang, the daemon leaves all the same.
        let last = by + Duration::from_secs(15);
        while !self.handles.is_empty() {
            tokio::select! {
                Some(report) = reports.recv() => match report {
                    SessionReport::Ended { conv_id, cost_usd } => {
                        self.handles.remove(&conv_id);
                        if let Some(cost_usd) = cost_usd {
                            self.registry.cost(&conv_id, cost_usd);
                        }
                    }
                    SessionReport::Conversation(conv_id, id) => self.registry.begun(&conv_id, id),
                    SessionReport::Mode(conv_id, mode) => drop(self.registry.set_mode(&conv_id, &mode)),
                    SessionReport::Rule(conv_id, rule) => drop(self.registry.add_rule(&conv_id, rule)),
                    SessionReport::Settled(_)
                    | SessionReport::Unbegun(_)
                    | SessionReport::Asking(..)
                    | SessionReport::Unasked(..)
                    | SessionReport::NotAnAnswer(..) => {}
                },
                () = sleep_until(last.into()) => {
                    warn!(sessions = self.handles.len(), "some sessions did not end in time");
                    break;
                }
            }
        }
        if timeout(LAST_WORDS, self.saver.save(&self.registry).done()).await.is_err() {
            warn!("the sessions are not saved as they are now");
        }
    }
}
