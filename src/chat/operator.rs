//! What operators ask of the router: a look at the sessions, and the end of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::info;

use super::router::Router;
use crate::control::wire;
use crate::ids::{ConvId, OpenId};
use crate::keyring::ResolvedKeyring;
use crate::mail::Recipient;
use crate::session::file::Saved;
use crate::session::registry::{Registry, Session};
use crate::session::report;
use crate::session::turn::ReplyTarget;

/// What an operator asks.
#[derive(Debug)]
pub enum OperatorRequest {
    /// How the sessions are.
    Look(oneshot::Sender<SessionsSnapshot>),
    /// How many they are, and what they run.
    Glance(oneshot::Sender<SessionCounts>),
    /// Close a session: resolves when that is on disk; none when there is no such open session.
    Close(ConvId, oneshot::Sender<Option<Saved>>),
}

/// The sessions at one moment. Taking it costs the router a copy of its maps; what is made of it costs somebody else.
#[derive(Debug)]
pub struct SessionsSnapshot {
    settings: Arc<ResolvedKeyring>,
    registry: Registry,
    live: BTreeSet<ConvId>,
    running: BTreeMap<ConvId, Timestamp>,
    queues: BTreeMap<ConvId, usize>,
}

/// The sessions at one moment, in numbers: what it costs does not depend on how many sleep.
#[derive(Clone, Debug)]
pub struct SessionCounts {
    /// How many are not closed.
    pub open: usize,
    /// The live ones, with the processes above all that they run.
    pub live: BTreeMap<ConvId, Option<u32>>,
    /// How many work on a message.
    pub running: usize,
    /// When a message was last taken over.
    pub last_received: Option<Timestamp>,
}

impl Router {
    pub(super) fn order(&mut self, order: OperatorRequest) {
        // Whoever does not wait for the answer does not want it.
        match order {
            OperatorRequest::Look(answer) => drop(answer.send(self.look())),
            OperatorRequest::Glance(answer) => drop(answer.send(self.glance())),
            OperatorRequest::Close(conv_id, answer) => drop(answer.send(self.close_for_operator(&conv_id))),
        }
    }

    fn look(&self) -> SessionsSnapshot {
        let begun = self.begun.values().map(|begun| (begun.waiting.conv_id.clone(), begun.since));
        SessionsSnapshot {
            settings: self.settings.clone(),
            registry: self.registry.clone(),
            live: self.handles.keys().cloned().collect(),
            running: begun.collect(),
            queues: self.desk.queues(),
        }
    }

    fn glance(&self) -> SessionCounts {
        SessionCounts {
            open: self.registry.open_sessions(),
            live: self.handles.iter().map(|(conv_id, handle)| (conv_id.clone(), handle.pid())).collect(),
            running: self.desk.all_running(),
            last_received: self.last_received,
        }
    }

    fn close_for_operator(&mut self, conv_id: &ConvId) -> Option<Saved> {
        let session = self.registry.running(conv_id).filter(|session| session.closed_at.is_none())?.clone();
        let (saved, mails) = self.end(&session, None);
        let reply = ReplyTarget { to: Recipient::Chat(session.chat_id.clone()), under: None };
        let text = self.words().closed_by_operator(&session.project(), mails.len());
        info!(%conv_id, user = %session.owner, "session closed by an operator");
        self.scribe.write(Some(saved.clone()), report::notice(mails, &reply, text));
        Some(saved)
    }
}

impl SessionsSnapshot {
    /// The sessions as the control socket shows them: each person's in the order of their numbers, then, with `all`,
    /// the closed ones, the last closed one first.
    pub fn sessions(&self, all: bool) -> impl Iterator<Item = wire::SessionInfo> {
        let (sessions, active) = self.registry.parts();
        let active: BTreeSet<&ConvId> = active.values().flat_map(BTreeMap::values).collect();
        let owners: BTreeSet<&OpenId> = sessions
            .iter()
            .filter(|session| session.closed_at.is_none())
            .map(|session| &session.owner)
            .collect();
        let mut closed: Vec<&Session> =
            sessions.iter().copied().filter(|session| all && session.closed_at.is_some()).collect();
        closed.sort_by_key(|session| std::cmp::Reverse(session.closed_at));
        let open = owners.into_iter().flat_map(|owner| self.registry.of(owner).list());
        let open = open.map(|listed| (Some(listed.number), listed.session));
        let closed = closed.into_iter().map(|session| (None, session));
        open.chain(closed).map(move |(number, session)| self.session(number, session, &active))
    }

    fn session(
        &self,
        number: Option<usize>,
        session: &Session,
        active: &BTreeSet<&ConvId>,
    ) -> wire::SessionInfo {
        let conv_id = &session.conv_id;
        let keyring = &self.settings.keyring;
        let running_since = self.running.get(conv_id).copied();
        let state = match (session.closed_at, running_since) {
            (Some(_), _) => wire::SessionState::Closed,
            (None, Some(_)) => wire::SessionState::Running,
            (None, None) if self.live.contains(conv_id) => wire::SessionState::Ready,
            (None, None) => wire::SessionState::Asleep,
        };
        let mode = session.permission_mode.clone();
        wire::SessionInfo {
            number,
            conv_id: conv_id.clone(),
            user: session.owner.clone(),
            chat_id: session.chat_id.clone(),
            project: self.settings.workspace.shown(&session.cwd).display().to_string(),
            directory: session.cwd.display().to_string(),
            state,
            active: active.contains(conv_id),
            last_activity_at: session.active_at.unwrap_or(session.created_at),
            queue: self.queues.get(conv_id).copied().unwrap_or_default(),
            running_since,
            created_at: session.created_at,
            closed_at: session.closed_at,
            claude_session_id: session.cc_session_id.clone(),
            mode: mode.unwrap_or_else(|| keyring.permission_mode.as_str().to_owned()),
            model: session.model.clone().or_else(|| keyring.claude_model.clone()),
            cost_usd: session.cost_usd,
        }
    }

    /// The open and the closed sessions that are still known.
    #[must_use]
    pub fn known(&self) -> Vec<&Session> {
        self.registry.parts().0
    }
}
