//! What people chose for their sessions and for themselves, and what a button needs to know of a session it names.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::{Owned, Registry, Session};
use crate::ids::{ConvId, OpenId};
use crate::render::document::LongAnswers;

/// So many rules of a session are kept; the oldest are asked about again.
const RULES_KEPT: usize = 200;

/// How a person stands to a session that a button of his names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ownership<'a> {
    /// It is his, and open.
    His(&'a Session),
    /// It is closed, or nobody knows it any more.
    Over,
    /// It is somebody else's.
    NotHis,
}

impl Registry {
    /// The session's permission mode is this from now on; false if it was.
    pub fn set_mode(&mut self, conv_id: &ConvId, mode: &str) -> bool {
        let changes =
            self.running(conv_id).is_some_and(|session| session.permission_mode.as_deref() != Some(mode));
        if changes {
            self.change(conv_id, |session| session.permission_mode = Some(mode.to_owned()));
        }
        changes
    }

    /// The owner allows what this rule covers for the rest of the session; false if he did before.
    pub fn add_rule(&mut self, conv_id: &ConvId, rule: String) -> bool {
        let is_new = self.running(conv_id).is_some_and(|session| !session.rules.contains(&rule));
        if is_new {
            self.change(conv_id, |session| {
                let many = session.rules.len();
                session.rules.drain(..many.saturating_sub(RULES_KEPT - 1));
                session.rules.push(rule);
            });
        }
        is_new
    }

    /// What becomes of a person's long answers from now on.
    pub fn set_long(&mut self, user: &OpenId, long: LongAnswers) {
        if long == LongAnswers::default() {
            self.long.remove(user);
        } else {
            self.long.insert(user.clone(), long);
        }
    }

    /// What becomes of a person's long answers.
    #[must_use]
    pub fn long(&self, user: &OpenId) -> LongAnswers {
        self.long.get(user).copied().unwrap_or_default()
    }

    /// The same of all who chose something.
    #[must_use]
    pub fn all_long(&self) -> &BTreeMap<OpenId, LongAnswers> {
        &self.long
    }

    /// The registry with these choices.
    #[must_use]
    pub fn with_long(self, long: BTreeMap<OpenId, LongAnswers>) -> Self {
        Self { long, ..self }
    }
}

impl<'a> Owned<'a> {
    /// How he stands to a session.
    #[must_use]
    pub fn standing(&self, conv_id: &ConvId) -> Ownership<'a> {
        match self.registry.running(conv_id) {
            Some(session) if &session.owner != self.owner => Ownership::NotHis,
            Some(session) if session.closed_at.is_none() => Ownership::His(session),
            Some(_) | None => Ownership::Over,
        }
    }

    /// The directories of his sessions, open or closed lately, with when each was last used: the latest first.
    #[must_use]
    pub fn projects(&self) -> Vec<(&'a Path, Timestamp)> {
        let mut last = BTreeMap::<&'a Path, Timestamp>::new();
        let all = self.registry.sessions.values().filter(|session| &session.owner == self.owner);
        for session in all {
            let used = session.active_at.unwrap_or(session.created_at).max(session.created_at);
            let at = last.entry(&session.cwd).or_insert(used);
            *at = used.max(*at);
        }
        let mut projects: Vec<_> = last.into_iter().collect();
        projects.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
        projects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ChatId;

    fn session(name: &str, owner: &str, cwd: &str, second: i64) -> Session {
        let created = Timestamp::from_second(second).unwrap();
        Session { conv_id: name.into(), ..Session::new(owner.into(), "oc_1".into(), cwd.into(), created) }
    }

    #[test]
    fn a_button_of_anothers_session_or_of_a_closed_one_is_known_as_that() {
        let mut registry = Registry::default();
        registry.open(session("a", "ou_1", "/p", 1));
        registry.open(session("b", "ou_1", "/p", 2));
        registry.close(&"ou_1".into(), &"b".into(), None, Timestamp::UNIX_EPOCH);
        let (anna, ming) = (OpenId::from("ou_1"), OpenId::from("ou_2"));
        let standing = |user, conv: &str| registry.of(user).standing(&conv.into());
        assert_eq!(standing(&anna, "a"), Ownership::His(registry.running(&"a".into()).unwrap()));
        assert_eq!(standing(&ming, "a"), Ownership::NotHis);
        assert_eq!(standing(&anna, "b"), Ownership::Over);
        // That it was there is not his to know, but that it is not his is.
        assert_eq!(standing(&ming, "b"), Ownership::NotHis);
        assert_eq!(standing(&ming, "x"), Ownership::Over);
    }

    #[test]
    fn a_session_keeps_its_mode_and_its_rules_once_each() {
        let mut registry = Registry::default();
        let id = registry.open(session("a", "ou_1", "/p", 1));
        assert!(registry.set_mode(&id, "plan") && !registry.set_mode(&id, "plan"));
        assert!(registry.add_rule(&id, "Bash(ls)".into()) && !registry.add_rule(&id, "Bash(ls)".into()));
        for n in 0..RULES_KEPT {
            registry.add_rule(&id, format!("Bash({n})"));
        }
        let session = registry.running(&id).unwrap();
        assert_eq!(session.permission_mode.as_deref(), Some("plan"));
        assert_eq!((session.rules.len(), session.rules[0].as_str()), (RULES_KEPT, "Bash(0)"));
        assert!(!registry.set_mode(&"x".into(), "plan") && !registry.add_rule(&"x".into(), "a".into()));
    }

    #[test]
    fn projects_are_told_once_the_latest_first_and_only_ones_own() {
        let mut registry = Registry::default();
        registry.open(session("a", "ou_1", "/old", 1));
        registry.open(session("b", "ou_1", "/new", 2));
        registry.open(session("c", "ou_2", "/anothers", 3));
        registry.close(&"ou_1".into(), &"b".into(), None, Timestamp::from_second(4).unwrap());
        let at = |second| Timestamp::from_second(second).unwrap();
        let of = |registry: &Registry| {
            let anna = OpenId::from("ou_1");
            let projects = registry.of(&anna).projects();
            projects.into_iter().map(|(path, at)| (path.to_owned(), at)).collect::<Vec<_>>()
        };
        assert_eq!(of(&registry), [("/new".into(), at(2)), ("/old".into(), at(1))]);
        registry.touched(&"a".into(), at(9));
        assert_eq!(of(&registry), [("/old".into(), at(9)), ("/new".into(), at(2))]);
    }

    #[test]
    fn a_switch_by_a_button_leaves_no_trace_of_a_message() {
        let mut registry = Registry::default();
        let (anna, chat) = (OpenId::from("ou_1"), ChatId::from("oc_1"));
        registry.open(session("a", "ou_1", "/p", 1));
        registry.open(session("b", "ou_1", "/p", 2));
        assert!(registry.switch(&anna, &chat, &"a".into(), None));
        let active = registry.of(&anna).active(&chat).unwrap();
        assert_eq!((active.conv_id.as_str(), active.switched_by.len()), ("a", 0));
    }

    #[test]
    fn what_everybody_has_is_not_kept() {
        let mut registry = Registry::default();
        let anna = OpenId::from("ou_1");
        registry.set_long(&anna, LongAnswers::File);
        assert_eq!((registry.long(&anna), registry.all_long().len()), (LongAnswers::File, 1));
        registry.set_long(&anna, LongAnswers::Parts);
        assert_eq!((registry.long(&anna), registry.all_long().len()), (LongAnswers::Parts, 0));
    }
}
