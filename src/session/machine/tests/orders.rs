//! What a person decides by typing.

use super::deciding::{asked, questions, suggesting};
use super::*;
use crate::card_action::{CardAction, Press, Verdict};

#[test]
fn what_claude_asks_after_an_order_was_sent_is_not_decided_by_it() {
    let mut bench = Bench::running();
    bench.ask(permission("r1"));
    let asked = bench.now;
    bench.now += Duration::from_secs(1);
    let late = Instruction { sent: asked - Duration::from_millis(2), ..order() };
    let allow = Input::Decide(Decision::Allow(AllowScope::Once), late.clone());
    assert_eq!(bench.put(allow), [Effect::AskedSince(late)]);
    let seen = Instruction { sent: asked, ..order() };
    let allow = Input::Decide(Decision::Allow(AllowScope::Once), seen.clone());
    assert_eq!(bench.put(allow).last(), Some(&Effect::Followed(seen)));
    // An answer in his own words is a prompt then.
    bench.ask(questions());
    let early = Instruction { sent: asked, ..order() };
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
    assert_eq!(
        decided(suggesting(), AllowScope::Rule),
        (Some(RequestOutcome::AllowedRules(rules)), followed())
    );
    assert_eq!(decided(suggesting(), AllowScope::Edits), (Some(RequestOutcome::AllowedEdits), followed()));
    let not_offered = || (None, Some(Effect::NotOffered(order())));
    assert_eq!(decided(permission("r1"), AllowScope::Rule), not_offered());
    assert_eq!(decided(permission("r1"), AllowScope::Edits), not_offered());
}

#[test]
fn what_no_chat_shows_whole_is_not_allowed_from_one() {
    let huge = PermissionRequest { input: json!({"command": "x\n".repeat(150_000)}), ..suggesting() };
    for (extent, choice) in [
        (AllowScope::Once, Verdict::Allow),
        (AllowScope::Rule, Verdict::AllowRule),
        (AllowScope::Edits, Verdict::AllowEdits),
    ] {
        let (mut bench, ask) = asked(huge.clone());
        let allow = Input::Decide(Decision::Allow(extent), order());
        assert_eq!(bench.put(allow), [Effect::NotOffered(order())]);
        let press = Press {
            action: CardAction::Decide { about: ask.about(&"c-1".into()), choice },
            group: false,
            fields: [].into(),
        };
        assert_eq!(bench.machine.press(&press, bench.now), (vec![], PressResult::NotOffered));
        let deny = bench.put(Input::Decide(Decision::Deny(None), order()));
        assert_eq!(deny.last(), Some(&Effect::Followed(order())));
    }
}
