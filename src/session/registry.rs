//! The sessions there are, whose they are, and which one a person is talking to: what `sessions.json` holds. Pure but
//! for nothing: `session::file` reads and writes it.
//!
//! **Ownership is checked here and nowhere else**: all that a chat user can do goes through [`Registry::of`], which
//! knows only his own sessions. The other ways in take ids that the daemon itself handed out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ChatId, ClaudeSessionId, ConvId, MessageId, OpenId};
use crate::render::document::LongAnswers;

mod ownership;

pub use ownership::Ownership;

/// Closed sessions are remembered for so long.
const CLOSED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// So many switches to a session are remembered: those whose answers may not be on record yet.
const SWITCHES_KEPT: usize = 16;

/// A conversation with Claude Code in one project, owned by one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its name.
    pub conv_id: ConvId,
    /// Whose it is.
    pub owner: OpenId,
    /// The chat it was opened in: what answers no message goes there.
    pub chat_id: ChatId,
    /// The project's directory.
    pub cwd: PathBuf,
    /// Claude's name for the conversation.
    pub cc_session_id: ClaudeSessionId,
    /// Whether Claude has it on disk: it is resumed then, not started.
    #[serde(default)]
    pub begun: bool,
    /// A turn's time in seconds, where it is not the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_timeout_s: Option<u64>,
    /// How long an idle process is kept, in seconds, where it is not the configured time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_s: Option<u64>,
    /// The permission mode, where it is not the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// The model, where it is not the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// The message that closed it: taken over twice, it closes one session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<MessageId>,
    /// The last messages that made it the active one: taken over twice, they mean the same session, whatever number it
    /// has by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switched_by: Vec<MessageId>,
    /// What its owner allowed for the rest of the session, as Claude Code's rules (`Bash(npm test *)`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// What the conversation had cost in US dollars when its process last ended in good order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// The message that opened it: taken over twice, it opens one session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<MessageId>,
    /// When it was last asked something, or answered. It is not saved for its own sake: after a crash `mail.db` knows
    /// better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_at: Option<Timestamp>,
}

impl Session {
    /// A new session with all that is configured, not yet begun.
    #[must_use]
    pub fn new(owner: OpenId, chat_id: ChatId, cwd: PathBuf, now: Timestamp) -> Self {
        Self {
            conv_id: ConvId::random(),
            owner,
            chat_id,
            cwd,
            cc_session_id: ClaudeSessionId::random(),
            begun: false,
            turn_timeout_s: None,
            idle_timeout_s: None,
            permission_mode: None,
            model: None,
            created_at: now,
            closed_at: None,
            closed_by: None,
            switched_by: Vec::new(),
            rules: Vec::new(),
            cost_usd: None,
            opened_by: None,
            active_at: None,
        }
    }

    /// The project's name: its directory's.
    #[must_use]
    pub fn project(&self) -> String {
        self.cwd.file_name().map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

/// All sessions. Cloning is cheap per session, so that a copy can be written out while work goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    sessions: BTreeMap<ConvId, Arc<Session>>,
    /// Open sessions of each person in the order they were opened: the numbers of `/list`.
    open: BTreeMap<OpenId, Vec<ConvId>>,
    /// How many these are.
    open_sessions: usize,
    active: BTreeMap<ChatId, BTreeMap<OpenId, ConvId>>,
    /// What becomes of a person's long answers, where he chose it.
    long: BTreeMap<OpenId, LongAnswers>,
}

/// One person's sessions: there is no way from here to another's.
#[derive(Debug)]
pub struct Owned<'a> {
    registry: &'a Registry,
    owner: &'a OpenId,
}

/// A session as `/list` shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Listed<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// The session.
    pub session: &'a Session,
}

impl Registry {
    /// The registry with these sessions, whatever their order.
    ///
    /// # Errors
    /// A sentence saying which entry cannot be: an id twice or ill-formed, or an active session that is not its user's.
    pub fn from_parts(
        sessions: Vec<Session>,
        active: BTreeMap<ChatId, BTreeMap<OpenId, ConvId>>,
    ) -> Result<Self, String> {
        let mut registry = Self::default();
        let mut sessions = sessions;
        sessions.sort_by_key(|session| session.created_at);
        for session in sessions {
            let conv_id = session.conv_id.clone();
            if !conv_id.is_well_formed() {
                return Err(format!("the conv_id {conv_id:?} may hold only letters, digits and dashes"));
            }
            if registry.sessions.contains_key(&conv_id) {
                return Err(format!("the session {conv_id} stands in it twice"));
            }
            registry.insert(session);
        }
        for (chat, people) in active {
            for (user, conv_id) in people {
                if registry.of(&user).session(&conv_id).is_none() {
                    return Err(format!("{conv_id} is active for {user}, who has no such open session"));
                }
                registry.active.entry(chat.clone()).or_default().insert(user, conv_id);
            }
        }
        Ok(registry)
    }

    /// The sessions, and which is active in each chat for whom.
    #[must_use]
    pub fn parts(&self) -> (Vec<&Session>, &BTreeMap<ChatId, BTreeMap<OpenId, ConvId>>) {
        (self.sessions.values().map(Arc::as_ref).collect(), &self.active)
    }

    /// What `owner` may see and touch.
    #[must_use]
    pub fn of<'a>(&'a self, owner: &'a OpenId) -> Owned<'a> {
        Owned { registry: self, owner }
    }

    /// A session that the daemon itself speaks of: one that it runs.
    #[must_use]
    pub fn running(&self, conv_id: &ConvId) -> Option<&Session> {
        self.sessions.get(conv_id).map(Arc::as_ref)
    }

    /// Whether another person has an open session in a project below this folder.
    #[must_use]
    pub fn has_another_below(&self, user: &OpenId, folder: &Path) -> bool {
        self.sessions.values().any(|session| {
            let is_open = session.closed_at.is_none() && session.owner != *user;
            is_open && session.cwd.starts_with(folder) && session.cwd != folder
        })
    }

    /// How many sessions are not closed.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.open_sessions
    }

    /// Adds a session and makes it its owner's active one in its chat. When the same message opened one before, that is
    /// returned, and what came after it stands.
    pub fn open(&mut self, session: Session) -> ConvId {
        let by = session.opened_by.as_ref();
        let before = by.and_then(|by| {
            let mut sessions = self.sessions.values();
            sessions.find(|other| other.owner == session.owner && other.opened_by.as_ref() == Some(by))
        });
        if let Some(before) = before {
            return before.conv_id.clone();
        }
        let (conv_id, chat, owner) =
            (session.conv_id.clone(), session.chat_id.clone(), session.owner.clone());
        self.insert(session);
        self.active.entry(chat).or_default().insert(owner, conv_id.clone());
        conv_id
    }

    /// Makes a session of his own the active one of `owner` in `chat`; false if he has no such session. `by` is the
    /// message that says so, if one does.
    pub fn switch(
        &mut self,
        owner: &OpenId,
        chat: &ChatId,
        conv_id: &ConvId,
        by: Option<&MessageId>,
    ) -> bool {
        if self.of(owner).session(conv_id).is_none() {
            return false;
        }
        if let Some(by) = by {
            self.change(conv_id, |session| {
                let many = session.switched_by.len();
                session.switched_by.drain(..many.saturating_sub(SWITCHES_KEPT - 1));
                session.switched_by.push(by.clone());
            });
        }
        self.active.entry(chat.clone()).or_default().insert(owner.clone(), conv_id.clone());
        true
    }

    /// Closes a session of `owner`'s; false if he has no such session.
    pub fn close(
        &mut self,
        owner: &OpenId,
        conv_id: &ConvId,
        by: Option<&MessageId>,
        now: Timestamp,
    ) -> bool {
        if self.of(owner).session(conv_id).is_none() {
            return false;
        }
        self.change(conv_id, |session| {
            session.closed_at = Some(now);
            session.closed_by = by.cloned();
        });
        if let Some(open) = self.open.get_mut(owner) {
            open.retain(|id| id != conv_id);
        }
        self.open_sessions -= 1;
        for people in self.active.values_mut() {
            people.retain(|_, active| active != conv_id);
        }
        self.active.retain(|_, people| !people.is_empty());
        let kept = |session: &Session| {
            session.closed_at.is_none_or(|closed| now.duration_since(closed).unsigned_abs() < CLOSED_KEPT)
        };
        self.sessions.retain(|_, session| kept(session));
        true
    }

    /// Claude has the conversation on disk under this id.
    pub fn begun(&mut self, conv_id: &ConvId, id: ClaudeSessionId) {
        self.change(conv_id, |session| {
            session.begun = true;
            session.cc_session_id = id;
        });
    }

    /// It was asked something, or answered.
    pub fn touched(&mut self, conv_id: &ConvId, at: Timestamp) {
        self.change(conv_id, |session| session.active_at = session.active_at.max(Some(at)));
    }

    /// What the conversation has cost so far.
    pub fn cost(&mut self, conv_id: &ConvId, cost_usd: f64) {
        self.change(conv_id, |session| session.cost_usd = Some(cost_usd));
    }

    fn insert(&mut self, session: Session) {
        if session.closed_at.is_none() {
            self.open_sessions += 1;
            self.open.entry(session.owner.clone()).or_default().push(session.conv_id.clone());
        }
        self.sessions.insert(session.conv_id.clone(), Arc::new(session));
    }

    fn change(&mut self, conv_id: &ConvId, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.sessions.get_mut(conv_id) {
            change(Arc::make_mut(session));
        }
    }
}

impl<'a> Owned<'a> {
    /// An open session of his.
    #[must_use]
    pub fn session(&self, conv_id: &ConvId) -> Option<&'a Session> {
        self.registry
            .running(conv_id)
            .filter(|session| &session.owner == self.owner && session.closed_at.is_none())
    }

    /// His open sessions, numbered from 1 in the order they were opened.
    pub fn list(&self) -> impl Iterator<Item = Listed<'a>> + use<'a> {
        let registry = self.registry;
        let ids = registry.open.get(self.owner).map(Vec::as_slice).unwrap_or_default();
        let sessions = ids.iter().filter_map(|id| registry.running(id));
        sessions.enumerate().map(|(place, session)| Listed { number: place + 1, session })
    }

    /// The session with this number in `/list`.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Option<&'a Session> {
        self.list().nth(number.checked_sub(1)?).map(|listed| listed.session)
    }

    /// The session of his that this message closed.
    #[must_use]
    pub fn closed_by(&self, message_id: &MessageId) -> Option<&'a Session> {
        let mut sessions = self.registry.sessions.values().map(Arc::as_ref);
        sessions
            .find(|session| &session.owner == self.owner && session.closed_by.as_ref() == Some(message_id))
    }

    /// The session of his that this message made the active one, closed or not.
    #[must_use]
    pub fn switched_by(&self, message_id: &MessageId) -> Option<&'a Session> {
        let mut sessions = self.registry.sessions.values().map(Arc::as_ref);
        sessions.find(|session| &session.owner == self.owner && session.switched_by.contains(message_id))
    }

    /// The session that his plain messages in `chat` go to.
    #[must_use]
    pub fn active(&self, chat: &ChatId) -> Option<&'a Session> {
        self.session(self.registry.active.get(chat)?.get(self.owner)?)
    }
}

#[cfg(test)]
mod tests;
