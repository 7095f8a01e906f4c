//! The registry: which sessions there are, who owns them, and which one is active in a chat. Pure; `session::file` reads
//! and writes it as `sessions.json`.
//!
//! **Ownership is checked here and nowhere else.** Everything that a chat user can do goes through [`Registry::of`], which
//! knows only their own sessions. The other methods take ids that come from the daemon itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ChatId, ClaudeSessionId, ConvId, MessageId, OpenId};
use crate::render::document::LongAnswers;
use crate::sandbox::view::share_transcripts;

mod ownership;

pub(crate) use ownership::Ownership;

/// How long closed sessions are remembered.
const CLOSED_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Maximum number of remembered messages that switched to a session. Only those whose answers may not be recorded yet
/// are needed.
const MAX_SWITCHES: usize = 16;

/// A conversation with Claude Code in one project, owned by one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its id, which people and operators see.
    pub conv_id: ConvId,
    /// The person it belongs to.
    pub owner: OpenId,
    /// The chat it was opened in. What answers no message goes there.
    pub chat_id: ChatId,
    /// The project's directory.
    pub cwd: PathBuf,
    /// Claude Code's id for the conversation.
    pub cc_session_id: ClaudeSessionId,
    /// Whether Claude Code has the conversation on disk, so that it is resumed, not begun.
    #[serde(default)]
    pub begun: bool,
    /// The time limit of a turn in seconds, if it is not the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_timeout_s: Option<u64>,
    /// How long an idle process is kept, in seconds, if that is not the configured time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_s: Option<u64>,
    /// The permission mode, if it is not the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// The model, if it is not the configured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was closed, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// The message that closed it. If that message is handled twice, it still closes only this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<MessageId>,
    /// The last messages that made it the active session. If one of them is handled twice, it means the same session,
    /// whatever number that has by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switched_by: Vec<MessageId>,
    /// What its owner allowed for the rest of the session, as Claude Code's rules (`Bash(npm test *)`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// What the conversation had cost in US dollars when its process last ended normally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// The message that opened it. If that message is handled twice, it still opens only one session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<MessageId>,
    /// When it last got a prompt or answered one. A change of this alone is not saved; after a crash `mail.db` knows the
    /// time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_at: Option<Timestamp>,
}

impl Session {
    /// A new session with the configured settings, not yet begun.
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

    /// The project's name, which is the name of its directory.
    #[must_use]
    pub fn project(&self) -> String {
        self.cwd.file_name().map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

/// All sessions. A clone shares them, so that it can be written to disk while work goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    sessions: BTreeMap<ConvId, Arc<Session>>,
    /// The open sessions of each person, in the order in which they were opened. It gives the numbers of `/list`.
    open: BTreeMap<OpenId, Vec<ConvId>>,
    /// The number of open sessions of all people.
    open_sessions: usize,
    active: BTreeMap<ChatId, BTreeMap<OpenId, ConvId>>,
    /// In which form long answers are sent to a person, if they chose it.
    long: BTreeMap<OpenId, LongAnswers>,
}

/// One person's sessions. Another person's cannot be reached from here.
#[derive(Debug)]
pub struct Owned<'a> {
    registry: &'a Registry,
    owner: &'a OpenId,
}

/// A session as `/list` shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Listed<'a> {
    /// Its number in `/list`, from 1.
    pub number: usize,
    /// The open session with that number.
    pub session: &'a Session,
}

impl Registry {
    /// A registry with these sessions, which may come in any order.
    ///
    /// # Errors
    /// A sentence that names the invalid entry: an id that occurs twice or is malformed, or an active session that its
    /// user does not own.
    pub(crate) fn from_parts(
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
                return Err(format!("the session {conv_id} occurs twice"));
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

    /// All sessions, and the active session of each person in each chat.
    #[must_use]
    pub fn parts(&self) -> (Vec<&Session>, &BTreeMap<ChatId, BTreeMap<OpenId, ConvId>>) {
        (self.sessions.values().map(Arc::as_ref).collect(), &self.active)
    }

    /// The sessions that `owner` may see and use.
    #[must_use]
    pub fn of<'a>(&'a self, owner: &'a OpenId) -> Owned<'a> {
        Owned { registry: self, owner }
    }

    /// A session by an id that comes from the daemon itself; ownership is not checked.
    #[must_use]
    pub fn running(&self, conv_id: &ConvId) -> Option<&Session> {
        self.sessions.get(conv_id).map(Arc::as_ref)
    }

    /// Where another person has conversations in this project, or in one whose conversations Claude Code keeps in the same
    /// folder: those that are this person's own.
    #[must_use]
    pub(crate) fn own_among_shared(&self, user: &OpenId, project: &Path) -> Option<Vec<String>> {
        let together = || self.sessions.values().filter(|session| share_transcripts(&session.cwd, project));
        let is_shared = together().any(|session| session.owner != *user);
        let own = together().filter(|session| session.owner == *user);
        is_shared.then(|| own.map(|session| session.cc_session_id.to_string()).collect())
    }

    /// Whether another person has an open session in a project below this folder.
    #[must_use]
    pub(crate) fn has_another_below(&self, user: &OpenId, folder: &Path) -> bool {
        self.sessions.values().any(|session| {
            let is_open = session.closed_at.is_none() && session.owner != *user;
            is_open && session.cwd.starts_with(folder) && session.cwd != folder
        })
    }

    /// The number of sessions that are not closed.
    #[must_use]
    pub(crate) fn open_sessions(&self) -> usize {
        self.open_sessions
    }

    /// Adds a session and makes it its owner's active session in its chat. If the same message opened a session before,
    /// that one is returned and nothing is changed.
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

    /// Makes a session the active one of its owner in `chat`; false if `owner` has no such session. `by` is the message
    /// that asks for it, if there is one.
    pub(crate) fn switch(
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
                session.switched_by.drain(..many.saturating_sub(MAX_SWITCHES - 1));
                session.switched_by.push(by.clone());
            });
        }
        self.active.entry(chat.clone()).or_default().insert(owner.clone(), conv_id.clone());
        true
    }

    /// Closes a session; false if `owner` has no such session.
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
            session
                .closed_at
                .is_none_or(|closed| now.duration_since(closed).unsigned_abs() < CLOSED_RETENTION)
        };
        self.sessions.retain(|_, session| kept(session));
        true
    }

    /// Notes that Claude Code has the conversation on disk under this id.
    pub(crate) fn set_begun(&mut self, conv_id: &ConvId, id: ClaudeSessionId) {
        self.change(conv_id, |session| {
            session.begun = true;
            session.cc_session_id = id;
        });
    }

    /// Notes that the session got a prompt or answered one.
    pub(crate) fn touch(&mut self, conv_id: &ConvId, at: Timestamp) {
        self.change(conv_id, |session| session.active_at = session.active_at.max(Some(at)));
    }

    /// Notes what the conversation has cost so far.
    pub(crate) fn set_cost(&mut self, conv_id: &ConvId, cost_usd: f64) {
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
    /// An open session of the owner's.
    #[must_use]
    pub fn session(&self, conv_id: &ConvId) -> Option<&'a Session> {
        self.registry
            .running(conv_id)
            .filter(|session| &session.owner == self.owner && session.closed_at.is_none())
    }

    /// The owner's open sessions, numbered from 1 in the order in which they were opened.
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

    /// The owner's session that this message closed.
    #[must_use]
    pub fn closed_by(&self, message_id: &MessageId) -> Option<&'a Session> {
        let mut sessions = self.registry.sessions.values().map(Arc::as_ref);
        sessions
            .find(|session| &session.owner == self.owner && session.closed_by.as_ref() == Some(message_id))
    }

    /// The owner's session, open or closed, that this message made the active one.
    #[must_use]
    pub fn switched_by(&self, message_id: &MessageId) -> Option<&'a Session> {
        let mut sessions = self.registry.sessions.values().map(Arc::as_ref);
        sessions.find(|session| &session.owner == self.owner && session.switched_by.contains(message_id))
    }

    /// The session that the owner's plain messages in `chat` go to.
    #[must_use]
    pub fn active(&self, chat: &ChatId) -> Option<&'a Session> {
        self.session(self.registry.active.get(chat)?.get(self.owner)?)
    }
}

#[cfg(test)]
mod tests;
