//! What people chose for their sessions and for themselves, and who owns the session that a button names.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::{Owned, Registry, Session};
use crate::ids::{ConvId, OpenId};
use crate::render::document::LongAnswers;

/// Maximum number of rules of a session. The oldest are forgotten, and Claude asks again.
const MAX_RULES: usize = 200;

/// Whether a session that a button names belongs to the person who pressed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ownership<'a> {
    /// It is theirs, and open.
    Theirs(&'a Session),
    /// It is closed, or no longer known.
    Over,
    /// It is somebody else's.
    NotTheirs,
}

impl Registry {
    /// Sets the session's permission mode; false if it has that mode already.
    pub fn set_mode(&mut self, conv_id: &ConvId, mode: &str) -> bool {
        let changes =
            self.running(conv_id).is_some_and(|session| session.permission_mode.as_deref() != Some(mode));
        if changes {
            self.change(conv_id, |session| session.permission_mode = Some(mode.to_owned()));
        }
        changes
    }

    /// Adds a rule: what it covers is allowed for the rest of the session. False if the session has it already.
    pub(crate) fn add_rule(&mut self, conv_id: &ConvId, rule: String) -> bool {
        let is_new = self.running(conv_id).is_some_and(|session| !session.rules.contains(&rule));
        if is_new {
            self.change(conv_id, |session| {
                let many = session.rules.len();
                session.rules.drain(..many.saturating_sub(MAX_RULES - 1));
                session.rules.push(rule);
            });
        }
        is_new
    }

    /// Sets in which form long answers are sent to a person.
    pub(crate) fn set_long(&mut self, user: &OpenId, long: LongAnswers) {
        if long == LongAnswers::default() {
            self.long.remove(user);
        } else {
            self.long.insert(user.clone(), long);
        }
    }

    /// In which form long answers are sent to a person.
    #[must_use]
    pub fn long(&self, user: &OpenId) -> LongAnswers {
        self.long.get(user).copied().unwrap_or_default()
    }

    /// The people who chose a form for long answers.
    #[must_use]
    pub(crate) fn all_long(&self) -> &BTreeMap<OpenId, LongAnswers> {
        &self.long
    }

    /// The registry with these choices.
    #[must_use]
    pub(crate) fn with_long(self, long: BTreeMap<OpenId, LongAnswers>) -> Self {
        Self { long, ..self }
    }
}

impl<'a> Owned<'a> {
    /// Whether a session belongs to this person.
    #[must_use]
    pub(crate) fn ownership(&self, conv_id: &ConvId) -> Ownership<'a> {
        match self.registry.running(conv_id) {
            Some(session) if &session.owner != self.owner => Ownership::NotTheirs,
            Some(session) if session.closed_at.is_none() => Ownership::Theirs(session),
            Some(_) | None => Ownership::Over,
        }
    }

    /// The directories of this person's sessions, open or recently closed, with the time of their last use; the latest
    /// first.
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
    fn sessions_of_others_and_closed_ones_are_recognised() {
        let mut registry = Registry::default();
        registry.open(session("a", "ou_1", "/p", 1));
        registry.open(session("b", "ou_1", "/p", 2));
        registry.close(&"ou_1".into(), &"b".into(), None, Timestamp::UNIX_EPOCH);
        let (anna, ming) = (OpenId::from("ou_1"), OpenId::from("ou_2"));
        let ownership = |user, conv: &str| registry.of(user).ownership(&conv.into());
        assert_eq!(ownership(&anna, "a"), Ownership::Theirs(registry.running(&"a".into()).unwrap()));
        assert_eq!(ownership(&ming, "a"), Ownership::NotTheirs);
        assert_eq!(ownership(&anna, "b"), Ownership::Over);
        // They may not know that it is closed, only that it is not theirs.
        assert_eq!(ownership(&ming, "b"), Ownership::NotTheirs);
        assert_eq!(ownership(&ming, "x"), Ownership::Over);
    }

    #[test]
    fn a_session_keeps_its_mode_and_its_rules_once_each() {
        let mut registry = Registry::default();
        let id = registry.open(session("a", "ou_1", "/p", 1));
        assert!(registry.set_mode(&id, "plan") && !registry.set_mode(&id, "plan"));
        assert!(registry.add_rule(&id, "Bash(ls)".into()) && !registry.add_rule(&id, "Bash(ls)".into()));
        for n in 0..MAX_RULES {
            registry.add_rule(&id, format!("Bash({n})"));
        }
        let session = registry.running(&id).unwrap();
        assert_eq!(session.permission_mode.as_deref(), Some("plan"));
        assert_eq!((session.rules.len(), session.rules[0].as_str()), (MAX_RULES, "Bash(0)"));
        assert!(!registry.set_mode(&"x".into(), "plan") && !registry.add_rule(&"x".into(), "a".into()));
    }

    #[test]
    fn projects_are_listed_once_the_latest_first_and_only_ones_own() {
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
        registry.touch(&"a".into(), at(9));
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
    fn the_default_choice_is_not_stored() {
        let mut registry = Registry::default();
        let anna = OpenId::from("ou_1");
        registry.set_long(&anna, LongAnswers::File);
        assert_eq!((registry.long(&anna), registry.all_long().len()), (LongAnswers::File, 1));
        registry.set_long(&anna, LongAnswers::Parts);
        assert_eq!((registry.long(&anna), registry.all_long().len()), (LongAnswers::Parts, 0));
    }
}
