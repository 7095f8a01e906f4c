//! What a person decides.

use super::*;

#[test]
fn an_unanswered_request_ends_as_a_denial() {
    let mut bench = Bench::running();
    let ask = bench.ask(permission("r1"));
    let reminded = Ask { remind: None, ..ask };
    assert_eq!(bench.wait(), [Effect::Remind(reminded.clone())]);
    assert_eq!(bench.now, reminded.expires - LIMITS.approval / 2);
    let effects = bench.wait();
    let deny = Effect::Write(wire::deny("r1", "Nobody answered in time."));
    let told = Effect::Tell(Notice::Expired("Bash".into()));
    assert_eq!(effects, [deny, told, Effect::Decided(reminded, Decided::Expired)]);
    assert_eq!(bench.put(Input::Decide(Decision::Allow, order())), [Effect::NothingAsked(order())]);
}

#[test]
fn the_oldest_request_is_decided_first_and_a_withdrawn_one_never() {
    let mut bench = Bench::running();
    let [first, second, third] = ["r1", "r2", "r3"].map(|id| bench.ask(permission(id)));
    let withdrawn = Output::PermissionWithdrawn { request_id: "r1".into() };
    assert_eq!(bench.hear(withdrawn), [Effect::Decided(first, Decided::Withdrawn)]);
    assert_eq!(
        bench.put(Input::Decide(Decision::Deny(Some("no".into())), order())),
        [
            Effect::Write(wire::deny("r2", "no")),
            Effect::Decided(second, Decided::Denied(Some("no".into()))),
            Effect::Followed(order())
        ]
    );
    assert_eq!(
        bench.put(Input::Decide(Decision::Allow, order())),
        [allowed("r3"), Effect::Decided(third, Decided::Allowed), Effect::Followed(order())]
    );
    let effects = bench.hear(Output::Result(result()));
    let [Effect::Settle(done)] = &effects[..] else { panic!("{effects:?}") };
    use Decided::{Allowed, Denied, Withdrawn};
    let decisions: Vec<_> = done.approvals.iter().map(|approval| approval.decision.clone()).collect();
    assert_eq!(decisions, [Withdrawn, Denied(Some("no".into())), Allowed]);
}
