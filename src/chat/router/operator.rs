//! What operators ask of the router, by the control socket: the sessions as they are, and the end of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::info;

use super::{Router, permission_mode};
use crate::control::wire;
use crate::ids::{ConvId, OpenId};
use crate::keyring::ResolvedKeyring;
use crate::mail::Recipient;
use crate::session::file::Saved;
use crate::session::registry::{Registry, Session};
use crate::session::report;
use crate::session::turn::ReplyTarget;

/// A request of an operator's, and where its answer goes.
#[derive(Debug)]
pub(crate) enum OperatorRequest {
    /// Asks for a snapshot of all sessions.
    Snapshot(oneshot::Sender<SessionsSnapshot>),
    /// The sessions in numbers.
    Counts(oneshot::Sender<SessionCounts>),
    /// Close a session. The answer resolves when that is on disk; it is `None` if there is no such open session.
    Close(ConvId, oneshot::Sender<Option<Saved>>),
}

/// The sessions at one moment. To take it, the router copies its maps; the caller makes lists of them.
#[derive(Debug)]
pub(crate) struct SessionsSnapshot {
    settings: Arc<ResolvedKeyring>,
    registry: Registry,
    live: BTreeSet<ConvId>,
    running_since: BTreeMap<ConvId, Timestamp>,
    waiting: BTreeMap<ConvId, usize>,
}

/// The sessions at one moment, in numbers. What this costs does not depend on the number of sleeping sessions.
#[derive(Clone, Debug)]
pub(crate) struct SessionCounts {
    /// Number of sessions that are not closed.
    pub(crate) open: usize,
    /// The live sessions, each with the topmost process that it runs, while there is one.
    pub(crate) live: BTreeMap<ConvId, Option<u32>>,
    /// Number of sessions with a running turn.
    pub(crate) running: usize,
    /// When a message last came in.
    pub(crate) last_received: Option<Timestamp>,
}

impl Router {
    pub(super) fn answer_operator(&mut self, request: OperatorRequest) {
        // An operator who does not wait for the answer does not want it.
        match request {
            OperatorRequest::Snapshot(answer) => drop(answer.send(self.snapshot())),
            OperatorRequest::Counts(answer) => drop(answer.send(self.counts())),
            OperatorRequest::Close(conv_id, answer) => drop(answer.send(self.close_for_operator(&conv_id))),
        }
    }

    fn snapshot(&self) -> SessionsSnapshot {
        SessionsSnapshot {
            settings: self.settings.clone(),
            registry: self.registry.clone(),
            live: self.live.pids().into_keys().collect(),
            running_since: self.live.running_since(),
            waiting: self.waiting.queues.waiting_by_session(),
        }
    }

    fn counts(&self) -> SessionCounts {
        SessionCounts {
            open: self.registry.open_sessions(),
            live: self.live.pids(),
            running: self.waiting.queues.total_running(),
            last_received: self.last_received,
        }
    }

    fn close_for_operator(&mut self, conv_id: &ConvId) -> Option<Saved> {
        let session = self.registry.running(conv_id).filter(|session| session.closed_at.is_none())?.clone();
        let (saved, mails) = self.end_session(&session, None);
        let target = ReplyTarget { to: Recipient::Chat(session.chat_id.clone()), under: None };
        let text = self.words().closed_by_operator(&session.project(), mails.len());
        info!(%conv_id, user = %session.owner, "session closed by an operator");
        self.writer.write(Some(saved.clone()), report::notice(mails, &target, text));
        Some(saved)
    }
}

impl SessionsSnapshot {
    /// The sessions as the control socket shows them: each person's open ones in the order of their numbers, then, with
    /// `all`, the closed ones, the last closed one first.
    pub(crate) fn sessions(&self, all: bool) -> impl Iterator<Item = wire::SessionInfo> {
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
        let running_since = self.running_since.get(conv_id).copied();
        let state = match (session.closed_at, running_since) {
            (Some(_), _) => wire::SessionState::Closed,
            (None, Some(_)) => wire::SessionState::Running,
            (None, None) if self.live.contains(conv_id) => wire::SessionState::Ready,
            (None, None) => wire::SessionState::Asleep,
        };
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
            queue: self.waiting.get(conv_id).copied().unwrap_or_default(),
            running_since,
            created_at: session.created_at,
            closed_at: session.closed_at,
            claude_session_id: session.cc_session_id.clone(),
            mode: permission_mode(session, &self.settings),
            model: session.model.clone().or_else(|| self.settings.keyring.claude_model.clone()),
            cost_usd: session.cost_usd,
        }
    }

    /// All sessions that are still known, open or closed.
    #[must_use]
    pub(crate) fn known(&self) -> Vec<&Session> {
        self.registry.parts().0
    }
}
