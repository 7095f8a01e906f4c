//! What a person decides by typing.

use super::deciding::{asked, questions, suggesting};
use super::*;

#[test]
fn what_claude_asks_after_an_order_was_sent_is_not_decided_by_it() {
    let mut bench = Bench::running();
    bench.ask(permission("r1"));
    bench.now += Duration::from_secs(1);
    let late = Order { age: Duration::from_secs(2), ..order() };
    let allow = Input::Decide(Decision::Allow(Extent::Once), late.clone());
    assert_eq!(bench.put(allow), [Effect::AskedSince(late)]);
    let seen = Order { age: Duration::from_secs(1), ..order() };
    let allow = Input::Decide(Decision::Allow(Extent::Once), seen.clone());
    assert_eq!(bench.put(allow).last(), Some(&Effect::Followed(seen)));
    // An answer in his own words is a prompt then.
    bench.ask(questions());
    let early = Order { age: Duration::from_secs(1), ..order() };
    assert_eq!(bench.put(Input::Typed("a".into(), early.clone())), [Effect::NotAnAnswer(early)]);
}

#[test]
fn a_typed_leave_goes_as_far_as_is_said_and_offered() {
    let decided = |request: PermissionRequest, extent| {
        let (mut bench, ask) = asked(request);
        let effects = bench.put(Input::Decide(Decision::Allow(extent), order()));
        let is_it = |effect: &&Effect| matches!(effect, Effect::Decided(of, _) if of.slot == ask.slot);
        let decision = effects.iter().find(is_it).map(|effect| {
            let Effect::Decided(_, decided) = effect else { unreachable!() };
            decided.clone()
        });
        (decision, effects.into_iter().last())
    };
    let followed = || Some(Effect::Followed(order()));
    let rules = suggesting().rules;
    assert_eq!(decided(suggesting(), Extent::Rule), (Some(Decided::AllowedRules(rules)), followed()));
    assert_eq!(decided(suggesting(), Extent::Edits), (Some(Decided::AllowedEdits), followed()));
    let not_offered = || (None, Some(Effect::NotOffered(order())));
    assert_eq!(decided(permission("r1"), Extent::Rule), not_offered());
    assert_eq!(decided(permission("r1"), Extent::Edits), not_offered());
}
