//! Decisions that people type.

use super::decisions::{asked, questions, suggesting};
use super::*;
use crate::card_action::{CardAction, Press, Verdict};

#[test]
fn an_instruction_does_not_decide_what_claude_asked_after_it_was_sent() {
    let mut bench = Bench::running();
    bench.ask(permission("r1"));
    let asked = bench.now;
    bench.now += Duration::from_secs(1);
    let late = Instruction { sent: asked - Duration::from_millis(2), ..instruction() };
    let allow = Input::Decide(Decision::Allow(AllowScope::Once), late.clone());
    assert_eq!(bench.put(allow), [Effect::Instruction(late, InstructionOutcome::AskedSince)]);
    let seen = Instruction { sent: asked, ..instruction() };
    let allow = Input::Decide(Decision::Allow(AllowScope::Once), seen.clone());
    assert_eq!(bench.put(allow).last(), Some(&Effect::Instruction(seen, InstructionOutcome::Followed)));
    // An answer in the owner's own words is a prompt then.
    bench.ask(questions());
    let early = Instruction { sent: asked, ..instruction() };
    assert_eq!(
        bench.put(Input::Typed("a".into(), early.clone())),
        [Effect::Instruction(early, InstructionOutcome::NotAnAnswer)]
    );
}

#[test]
fn a_typed_permission_has_the_scope_that_was_typed_and_offered() {
    let decided = |request: PermissionRequest, scope| {
        let (mut bench, ask) = asked(request);
        let effects = bench.put(Input::Decide(Decision::Allow(scope), instruction()));
        let is_it = |effect: &&Effect| matches!(effect, Effect::Decided(of, _) if of.slot == ask.slot);
        let decision = effects.iter().find(is_it).map(|effect| {
            let Effect::Decided(_, decided) = effect else { unreachable!() };
            decided.clone()
        });
        (decision, effects.into_iter().last())
    };
    let followed = || Some(Effect::Instruction(instruction(), InstructionOutcome::Followed));
    let rules = suggesting().rules;
    assert_eq!(
        decided(suggesting(), AllowScope::Rule),
        (Some(RequestOutcome::AllowedRules(rules)), followed())
    );
    assert_eq!(decided(suggesting(), AllowScope::Edits), (Some(RequestOutcome::AllowedEdits), followed()));
    let not_offered = || (None, Some(Effect::Instruction(instruction(), InstructionOutcome::NotOffered)));
    assert_eq!(decided(permission("r1"), AllowScope::Rule), not_offered());
    assert_eq!(decided(permission("r1"), AllowScope::Edits), not_offered());
}

#[test]
fn a_request_too_long_to_show_cannot_be_allowed() {
    let huge = PermissionRequest { input: json!({"command": "x\n".repeat(150_000)}), ..suggesting() };
    for (scope, choice) in [
        (AllowScope::Once, Verdict::Allow),
        (AllowScope::Rule, Verdict::AllowRule),
        (AllowScope::Edits, Verdict::AllowEdits),
    ] {
        let (mut bench, ask) = asked(huge.clone());
        let allow = Input::Decide(Decision::Allow(scope), instruction());
        assert_eq!(bench.put(allow), [Effect::Instruction(instruction(), InstructionOutcome::NotOffered)]);
        let press = Press {
            action: CardAction::Decide { about: ask.about(&"c-1".into()), choice },
            group: false,
            fields: [].into(),
        };
        assert_eq!(bench.machine.press(&press, bench.now), (vec![], PressResult::NotOffered));
        let deny = bench.put(Input::Decide(Decision::Deny(None), instruction()));
        assert_eq!(deny.last(), Some(&Effect::Instruction(instruction(), InstructionOutcome::Followed)));
    }
}
