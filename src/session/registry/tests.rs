//! Which sessions a person reaches, and messages that are handled twice.

use super::*;

fn session(name: &str, owner: &str, second: i64) -> Session {
    let created = Timestamp::from_second(second).unwrap();
    Session {
        conv_id: name.into(),
        opened_by: Some(MessageId::from(name)),
        ..Session::new(owner.into(), "oc_1".into(), "/p".into(), created)
    }
}

fn names(registry: &Registry, owner: &str) -> Vec<String> {
    registry.of(&owner.into()).list().map(|l| format!("{} {}", l.number, l.session.conv_id)).collect()
}

#[test]
fn people_reach_only_their_own_sessions() {
    let mut registry = Registry::default();
    registry.open(session("a", "ou_1", 1));
    registry.open(session("b", "ou_2", 2));
    assert_eq!(names(&registry, "ou_1"), ["1 a"]);
    assert_eq!(registry.of(&"ou_1".into()).session(&"b".into()), None);
    assert_eq!(registry.of(&"ou_1".into()).numbered(2), None);
    assert!(!registry.switch(&"ou_1".into(), &"oc_1".into(), &"b".into(), Some(&"om_1".into())));
    assert!(!registry.close(&"ou_1".into(), &"b".into(), None, Timestamp::UNIX_EPOCH));
    assert_eq!(names(&registry, "ou_2"), ["1 b"]);
}

#[test]
fn open_sessions_are_counted() {
    let mut registry = Registry::default();
    for (name, owner) in [("a", "ou_1"), ("b", "ou_2"), ("c", "ou_1"), ("c", "ou_1")] {
        registry.open(session(name, owner, 1));
    }
    assert_eq!(registry.open_sessions(), 3);
    let close = |registry: &mut Registry| {
        registry.close(&"ou_1".into(), &"a".into(), None, Timestamp::from_second(2).unwrap())
    };
    assert_eq!((close(&mut registry), close(&mut registry)), (true, false));
    assert_eq!(registry.open_sessions(), 2);
    let (sessions, active) = registry.parts();
    let again = Registry::from_parts(sessions.into_iter().cloned().collect(), active.clone()).unwrap();
    assert_eq!(again, registry);
}

#[test]
fn people_in_one_chat_have_their_own_active_sessions() {
    let mut registry = Registry::default();
    registry.open(session("a", "ou_1", 1));
    registry.open(session("b", "ou_2", 2));
    let active = |user: &str| registry.of(&user.into()).active(&"oc_1".into()).map(|s| s.conv_id.clone());
    assert_eq!((active("ou_1"), active("ou_2")), (Some("a".into()), Some("b".into())));
}

#[test]
fn a_closed_session_gives_up_its_number_and_is_active_nowhere() {
    let mut registry = Registry::default();
    for (name, second) in [("a", 1), ("b", 2), ("c", 3)] {
        registry.open(session(name, "ou_1", second));
    }
    assert!(registry.close(&"ou_1".into(), &"c".into(), None, Timestamp::UNIX_EPOCH));
    assert!(registry.close(&"ou_1".into(), &"a".into(), Some(&"om_9".into()), Timestamp::UNIX_EPOCH));
    assert_eq!(names(&registry, "ou_1"), ["1 b"]);
    assert_eq!(registry.of(&"ou_1".into()).active(&"oc_1".into()), None);
    let closed = |user: &str| registry.of(&user.into()).closed_by(&"om_9".into()).map(|s| s.conv_id.clone());
    assert_eq!((closed("ou_1"), closed("ou_2")), (Some("a".into()), None));
}

#[test]
fn a_message_that_is_handled_twice_opens_one_session() {
    let mut registry = Registry::default();
    registry.open(session("a", "ou_1", 1));
    let again = Session { conv_id: "z".into(), ..session("a", "ou_1", 2) };
    assert_eq!(registry.open(again.clone()), "a".into());
    assert_eq!(names(&registry, "ou_1"), ["1 a"]);
    // Nor does it open one anew that was closed since.
    registry.close(&"ou_1".into(), &"a".into(), None, Timestamp::UNIX_EPOCH);
    assert_eq!(registry.open(again), "a".into());
    assert_eq!(names(&registry, "ou_1"), Vec::<String>::new());
}

#[test]
fn a_switch_is_recognised_whatever_came_after_it() {
    let (mut registry, owner) = (Registry::default(), OpenId::from("ou_1"));
    registry.open(session("a", "ou_1", 1));
    let by = |nth: usize| MessageId::from(format!("om_{nth}"));
    for nth in 0..20 {
        assert!(registry.switch(&owner, &"oc_1".into(), &"a".into(), Some(&by(nth))));
    }
    registry.close(&owner, &"a".into(), None, Timestamp::UNIX_EPOCH);
    let known: Vec<_> = (0..20).filter(|nth| registry.of(&owner).switched_by(&by(*nth)).is_some()).collect();
    assert_eq!(known, (4..20).collect::<Vec<_>>());
    assert_eq!(registry.of(&"ou_2".into()).switched_by(&by(19)), None);
}

#[test]
fn a_registry_can_be_rebuilt_from_its_parts() {
    let mut registry = Registry::default();
    registry.open(session("a", "ou_1", 2));
    registry.open(session("b", "ou_1", 1));
    let (sessions, active) = registry.parts();
    let again = Registry::from_parts(sessions.into_iter().cloned().collect(), active.clone()).unwrap();
    assert_eq!(names(&again, "ou_1"), ["1 b", "2 a"]);
}
