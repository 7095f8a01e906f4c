//! Decisions about what Claude asks.

use super::*;
use crate::card_action::{CardAction, Press, REASON, RequestRef, Verdict, fingerprint};
use crate::claude::wire::{PermissionRule, RequestMatter, SessionGrant};

#[test]
fn an_unanswered_request_is_denied() {
    let mut bench = Bench::running();
    let ask = bench.ask(permission("r1"));
    let reminded = OpenRequest { remind: None, ..ask };
    assert_eq!(bench.wait(), [Effect::Remind(reminded.clone())]);
    assert_eq!(bench.now, reminded.expires - TIMEOUTS.approval / 2);
    let effects = bench.wait();
    let deny = Effect::Write(wire::deny("r1", "Nobody answered in time."));
    let told = Effect::Tell(Notice::Expired("Bash".into()));
    assert_eq!(effects, [deny, told, Effect::Decided(reminded, RequestOutcome::Expired)]);
    assert_eq!(
        bench.put(Input::Decide(Decision::Allow(AllowScope::Once), instruction())),
        [Effect::Instruction(instruction(), InstructionOutcome::NothingAsked)]
    );
}

#[test]
fn the_oldest_request_is_decided_first_and_a_withdrawn_one_never() {
    let mut bench = Bench::running();
    let [first, second, third] = ["r1", "r2", "r3"].map(|id| bench.ask(permission(id)));
    let withdrawn = Output::PermissionWithdrawn { request_id: "r1".into() };
    assert_eq!(bench.hear(withdrawn), [Effect::Decided(first, RequestOutcome::Withdrawn)]);
    assert_eq!(
        bench.put(Input::Decide(Decision::Deny(Some("no".into())), instruction())),
        [
            Effect::Write(wire::deny("r2", "no")),
            Effect::Decided(second, RequestOutcome::Denied(Some("no".into()))),
            Effect::Instruction(instruction(), InstructionOutcome::Followed)
        ]
    );
    assert_eq!(
        bench.put(Input::Decide(Decision::Allow(AllowScope::Once), instruction())),
        [
            allowed("r3"),
            Effect::Decided(third, RequestOutcome::Allowed),
            Effect::Instruction(instruction(), InstructionOutcome::Followed)
        ]
    );
    let effects = bench.hear(Output::Result(result()));
    let [Effect::Settle(done)] = &effects[..] else { panic!("{effects:?}") };
    use RequestOutcome::{Allowed, Denied, Withdrawn};
    let decisions: Vec<_> = done.approvals.iter().map(|approval| approval.decision.clone()).collect();
    assert_eq!(decisions, [Withdrawn, Denied(Some("no".into())), Allowed]);
}

const SHOWN: &str = "what was shown";

/// A machine with this open request.
pub(super) fn asked(request: PermissionRequest) -> (Bench, OpenRequest) {
    let mut bench = Bench::running();
    let ask = bench.ask(request);
    (bench, ask)
}

pub(super) fn suggesting() -> PermissionRequest {
    let rule = PermissionRule { tool: "Bash".into(), content: Some("make *".into()) };
    PermissionRequest { rules: vec![rule], edits: true, ..permission("r1") }
}

pub(super) fn questions() -> PermissionRequest {
    let question = |text: &str, many: bool, labels: &[&str]| {
        let options: Vec<_> =
            labels.iter().map(|label| json!({"label": label, "description": SHOWN})).collect();
        json!({"question": text, "header": "H", "multiSelect": many, "options": options})
    };
    let questions =
        [question("Colour?", false, &["Red", "Blue"]), question("Sizes?", true, &["S", "M", "L"])];
    let input = json!({"questions": questions});
    PermissionRequest { tool: "AskUserQuestion".into(), input, for_person: true, ..permission("r1") }
}

fn one_question() -> PermissionRequest {
    let mut request = questions();
    request.input["questions"].as_array_mut().unwrap().remove(0);
    request
}

fn plan(input: serde_json::Value) -> PermissionRequest {
    PermissionRequest { tool: "ExitPlanMode".into(), input, for_person: true, ..permission("r1") }
}

fn press(ask: &OpenRequest, choice: Verdict) -> Press {
    with_fields(CardAction::Decide { about: ask.about(&"c-1".into()), choice }, &[])
}

fn with_fields(action: CardAction, fields: &[(&str, &[&str])]) -> Press {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let fields = fields.iter().map(|&(name, values)| (name.to_owned(), texts(values))).collect();
    Press { action, group: false, fields }
}

impl Bench {
    fn press(&mut self, press: &Press) -> (Vec<Effect>, PressResult) {
        self.machine.press(press, self.now)
    }

    fn type_in(&mut self, text: &str) -> Vec<Effect> {
        self.put(Input::Typed(text.into(), instruction()))
    }
}

fn answers(answers: &[(&str, &str)]) -> Vec<(String, String)> {
    answers.iter().map(|&(question, answer)| (question.to_owned(), answer.to_owned())).collect()
}

#[test]
fn every_button_of_a_tools_card_does_what_it_says_and_nothing_more() {
    let input = permission("r1").input;
    let rule = PermissionRule { tool: "Bash".into(), content: Some("make *".into()) };
    let rules = SessionGrant::Rules(vec![rule.clone()]);
    for (choice, line, decided) in [
        (Verdict::Allow, wire::allow("r1", &input, None), RequestOutcome::Allowed),
        (
            Verdict::AllowRule,
            wire::allow("r1", &input, Some(&rules)),
            RequestOutcome::AllowedRules(vec![rule]),
        ),
        (
            Verdict::AllowEdits,
            wire::allow("r1", &input, Some(&SessionGrant::AcceptEdits)),
            RequestOutcome::AllowedEdits,
        ),
        (Verdict::Deny, wire::deny("r1", "The user said no."), RequestOutcome::Denied(None)),
        (Verdict::DenyWhy, wire::deny("r1", "The user said no."), RequestOutcome::Denied(None)),
    ] {
        let (mut bench, ask) = asked(suggesting());
        let mut expected = vec![Effect::Write(line)];
        if choice == Verdict::AllowRule {
            expected.push(Effect::Rule("Bash(make *)".into()));
        }
        expected.push(Effect::Decided(ask.clone(), decided.clone()));
        assert_eq!(bench.press(&press(&ask, choice)), (expected, PressResult::Decided(decided)));
    }
}

#[test]
fn an_answer_that_was_not_offered_cannot_be_chosen() {
    let (mut bench, ask) = asked(permission("r1"));
    for choice in [Verdict::AllowRule, Verdict::AllowEdits] {
        assert_eq!(bench.press(&press(&ask, choice)), (vec![], PressResult::NotOffered));
    }
    let answer = with_fields(CardAction::Answer { about: ask.about(&"c-1".into()), option: Some(0) }, &[]);
    assert_eq!(bench.press(&answer), (vec![], PressResult::NotOffered));
    let (mut bench, ask) = asked(questions());
    for choice in [Verdict::Allow, Verdict::AllowRule, Verdict::AllowEdits] {
        assert_eq!(bench.press(&press(&ask, choice)), (vec![], PressResult::NotOffered));
    }
    assert_eq!(bench.machine.turn().unwrap().open_requests().count(), 1);
}

#[test]
fn the_reason_for_a_denial_reaches_claude() {
    let (mut bench, ask) = asked(permission("r1"));
    let act = CardAction::Decide { about: ask.about(&"c-1".into()), choice: Verdict::DenyWhy };
    let decided = RequestOutcome::Denied(Some("not on a Friday".into()));
    assert_eq!(
        bench.press(&with_fields(act, &[(REASON, &["not on a Friday"])])),
        (
            vec![Effect::Write(wire::deny("r1", "not on a Friday")), Effect::Decided(ask, decided.clone())],
            PressResult::Decided(decided)
        )
    );
}

#[test]
fn a_decision_counts_once() {
    let (mut bench, ask) = asked(permission("r1"));
    bench.press(&press(&ask, Verdict::Deny));
    for choice in [Verdict::Deny, Verdict::Allow] {
        assert_eq!(
            bench.press(&press(&ask, choice)),
            (vec![], PressResult::Already(RequestOutcome::Denied(None))),
            "{choice:?}"
        );
    }
}

#[test]
fn a_decision_counts_for_the_request_that_was_shown_and_for_no_other() {
    let (mut bench, ask) = asked(permission("r1"));
    let about = ask.about(&"c-1".into());
    let other_turn = RequestRef { turn: Uuid::max(), ..about.clone() };
    let other_request = RequestRef { request: "r2".into(), ..about.clone() };
    let other_input = RequestRef { input: fingerprint("Bash", &json!({"command": "rm"})), ..about.clone() };
    for (about, pressed) in [
        (other_turn, PressResult::Over),
        (other_request, PressResult::Over),
        (other_input, PressResult::Changed),
    ] {
        let press = with_fields(CardAction::Decide { about, choice: Verdict::Allow }, &[]);
        assert_eq!(bench.press(&press), (vec![], pressed));
    }
    assert_eq!(bench.press(&press(&ask, Verdict::Allow)).1, PressResult::Decided(RequestOutcome::Allowed));
}

#[test]
fn a_press_on_a_card_of_an_earlier_turn_does_nothing() {
    let (mut bench, ask) = asked(permission("r1"));
    let effects = bench.hear(Output::Result(result()));
    assert_eq!(effects[0], Effect::Decided(ask.clone(), RequestOutcome::Withdrawn));
    bench.put(Input::Prompt(Prompt { turn_id: Uuid::max(), ..prompt("next") }));
    let again = bench.ask(permission("r1"));
    assert_ne!(ask.slot, again.slot);
    assert_eq!(bench.press(&press(&ask, Verdict::Allow)), (vec![], PressResult::Over));
    let stop = with_fields(CardAction::Stop { conv_id: "c-1".into(), turn: ask.turn }, &[]);
    assert_eq!(bench.press(&stop), (vec![], PressResult::Over));
    let stop = with_fields(CardAction::Stop { conv_id: "c-1".into(), turn: again.turn }, &[]);
    let interrupt = Effect::Write(wire::interrupt("interrupt"));
    assert_eq!(bench.press(&stop), (vec![interrupt], PressResult::Stopping));
    assert_eq!(bench.press(&press(&again, Verdict::Allow)), (vec![], PressResult::Over));
}

#[test]
fn a_press_after_the_request_expired_says_so() {
    let (mut bench, ask) = asked(permission("r1"));
    bench.wait();
    bench.wait();
    assert_eq!(
        bench.press(&press(&ask, Verdict::Allow)),
        (vec![], PressResult::Already(RequestOutcome::Expired))
    );
}

#[test]
fn each_request_has_its_own_reminder_and_expiry() {
    let (mut bench, first) = asked(permission("r1"));
    bench.after(60);
    let second = bench.ask(permission("r2"));
    bench.press(&press(&first, Verdict::Allow));
    let second = OpenRequest { remind: None, ..second };
    assert_eq!(bench.wait(), [Effect::Remind(second.clone())]);
    assert_eq!(bench.wait().last(), Some(&Effect::Decided(second, RequestOutcome::Expired)));
}

#[test]
fn questions_are_answered_by_the_fields_of_a_form() {
    let input = questions().input;
    type Fields<'a> = &'a [(&'a str, &'a [&'a str])];
    let table: [(Fields, &[(&str, &str)]); 4] = [
        (&[("q0", &["Red"]), ("q1", &["S", "L"])], &[("Colour?", "Red"), ("Sizes?", "S, L")]),
        (&[("w0", &["green"]), ("q1", &["M"])], &[("Colour?", "green"), ("Sizes?", "M")]),
        (&[("q0", &["Blue"]), ("w0", &["but dark"])], &[("Colour?", "Blue, but dark")]),
        (&[("w1", &["none"])], &[("Sizes?", "none")]),
    ];
    for (fields, said) in table {
        let (mut bench, ask) = asked(questions());
        let act = CardAction::Answer { about: ask.about(&"c-1".into()), option: None };
        let line = Effect::Write(wire::answered("r1", &input, &answers(said)));
        let decided = RequestOutcome::Answered(answers(said));
        assert_eq!(
            bench.press(&with_fields(act, fields)),
            (vec![line, Effect::Decided(ask, decided.clone())], PressResult::Decided(decided))
        );
    }
    let (mut bench, ask) = asked(questions());
    let act = CardAction::Answer { about: ask.about(&"c-1".into()), option: None };
    assert_eq!(bench.press(&with_fields(act, &[("q7", &["x"])])), (vec![], PressResult::NoAnswer));
}

#[test]
fn one_option_answers_the_only_question() {
    let pick = |request: PermissionRequest, option| {
        let (mut bench, ask) = asked(request);
        bench
            .press(&with_fields(
                CardAction::Answer { about: ask.about(&"c-1".into()), option: Some(option) },
                &[],
            ))
            .1
    };
    let answered = RequestOutcome::Answered(answers(&[("Sizes?", "M")]));
    assert_eq!(pick(one_question(), 1), PressResult::Decided(answered));
    assert_eq!(pick(one_question(), 3), PressResult::NotOffered);
    assert_eq!(pick(questions(), 0), PressResult::NotOffered);
}

#[test]
fn typed_answers_are_numbers_labels_or_free_text() {
    let said = |request: PermissionRequest, text: &str| {
        let (mut bench, _) = asked(request);
        assert!(bench.machine.takes_words());
        match &bench.type_in(text)[..] {
            [
                Effect::Write(_),
                Effect::Decided(_, RequestOutcome::Answered(answers)),
                Effect::Instruction(_, InstructionOutcome::Followed),
            ] => {
                assert!(!bench.machine.takes_words());
                answers.iter().map(|(question, answer)| format!("{question} {answer}")).collect::<Vec<_>>()
            }
            effects => panic!("{effects:?}"),
        }
    };
    for (text, answer) in [
        ("2", "Sizes? M"),
        (" 2. ", "Sizes? M"),
        ("l", "Sizes? L"),
        ("1, l，M", "Sizes? S, L, M"),
        ("1, no", "Sizes? 1, no"),
        ("4", "Sizes? 4"),
        ("0", "Sizes? 0"),
        ("whatever you like\nreally", "Sizes? whatever you like\nreally"),
    ] {
        assert_eq!(said(one_question(), text), [answer], "{text}");
    }
    assert_eq!(said(questions(), "blue\n\n1,2\n"), ["Colour? Blue", "Sizes? S, M"]);
    assert_eq!(said(questions(), "1"), ["Colour? 1", "Sizes? See the first answer."]);
    assert_eq!(said(questions(), "a\nb\nc"), ["Colour? a\nb\nc", "Sizes? See the first answer."]);
}

#[test]
fn text_typed_while_nothing_waits_for_words_is_a_prompt() {
    let (mut bench, _) = asked(permission("r1"));
    assert!(!bench.machine.takes_words());
    assert_eq!(bench.type_in("go on"), [Effect::Instruction(instruction(), InstructionOutcome::NotAnAnswer)]);
}

#[test]
fn a_plan_is_approved_approved_with_edits_or_sent_back_with_words() {
    let input = json!({"plan": "# First"});
    let (mut bench, ask) = asked(plan(input.clone()));
    assert_eq!(ask.matter, RequestMatter::Plan(Some("# First".into())));
    let edits = Effect::Write(wire::allow("r1", &input, Some(&SessionGrant::AcceptEdits)));
    assert_eq!(bench.press(&press(&ask, Verdict::AllowEdits)).0[0], edits);

    let (mut bench, _) = asked(plan(input.clone()));
    let allow = Effect::Write(wire::allow("r1", &input, None));
    assert_eq!(bench.put(Input::Decide(Decision::Allow(AllowScope::Once), instruction()))[0], allow);

    let (mut bench, ask) = asked(plan(input));
    let decided = RequestOutcome::Denied(Some("tests first".into()));
    assert_eq!(
        bench.type_in("tests first"),
        [
            Effect::Write(wire::deny("r1", "tests first")),
            Effect::Decided(ask, decided),
            Effect::Instruction(instruction(), InstructionOutcome::Followed)
        ]
    );
}

#[test]
fn a_plan_that_the_request_does_not_contain_is_the_last_text() {
    let mut bench = Bench::running();
    bench.hear(text("I looked."));
    bench.hear(text("1. Do it."));
    assert_eq!(bench.ask(plan(json!({}))).matter, RequestMatter::Plan(Some("1. Do it.".into())));
}

#[test]
fn approve_skips_requests_that_need_an_answer_in_words() {
    let (mut bench, first) = asked(questions());
    bench.ask(permission("r2"));
    assert_eq!(bench.put(Input::Decide(Decision::Allow(AllowScope::Once), instruction()))[0], allowed("r2"));
    assert_eq!(
        bench.put(Input::Decide(Decision::Allow(AllowScope::Once), instruction())),
        [Effect::Instruction(instruction(), InstructionOutcome::NothingAsked)]
    );
    let deny = Effect::Write(wire::deny("r1", "The user does not want to answer."));
    assert_eq!(
        bench.put(Input::Decide(Decision::Deny(None), instruction())),
        [
            deny,
            Effect::Decided(first, RequestOutcome::Denied(None)),
            Effect::Instruction(instruction(), InstructionOutcome::Followed)
        ]
    );
}

#[test]
fn the_permission_mode_changes_in_the_middle_of_a_turn_and_is_kept() {
    let mut bench = Bench::running();
    let change = Effect::Write(wire::set_permission_mode("mode plan", "plan"));
    assert_eq!(bench.put(Input::Mode("plan".into())), [change, Effect::Mode("plan".into())]);
    let reply = |result| Output::ControlReply { request_id: "mode plan".into(), result };
    assert_eq!(bench.hear(reply(Ok(json!({"mode": "plan"})))), []);
    assert_eq!(bench.hear(Output::Mode("plan".into())), []);
    assert_eq!(bench.machine.gauges().mode.as_deref(), Some("plan"));
    // Claude Code changes it when a plan is approved.
    assert_eq!(bench.hear(Output::Mode("acceptEdits".into())), [Effect::Mode("acceptEdits".into())]);
    bench.put(Input::Mode("plan".into()));
    let refused = Effect::Tell(Notice::ModeRefused("plan".into()));
    assert_eq!(bench.hear(reply(Err("no".into()))), [refused, Effect::Mode("acceptEdits".into())]);
}

#[test]
fn the_mode_that_bypasses_permissions_is_refused() {
    let mut bench = Bench::running();
    let refused = Effect::Tell(Notice::ModeRefused("bypassPermissions".into()));
    assert_eq!(bench.put(Input::Mode("bypassPermissions".into())), [refused]);
    // If Claude changed to it by itself, it is changed back, and nobody is told.
    let back = wire::set_permission_mode("mode default", "default");
    assert_eq!(bench.hear(Output::Mode("bypassPermissions".into())), [Effect::Write(back)]);
}

#[test]
fn a_process_that_is_ending_gets_the_mode_at_its_next_start() {
    let mut bench = Bench::fresh();
    bench.put(Input::Suspend);
    assert_eq!(bench.put(Input::Mode("plan".into())), [Effect::Mode("plan".into())]);
}

#[test]
fn a_daemon_that_shuts_down_does_not_wait_for_a_person() {
    let interrupt = || Effect::Write(wire::interrupt("interrupt"));
    let (mut bench, _) = asked(permission("r1"));
    let by = bench.now + Duration::from_secs(20);
    assert_eq!(bench.put(Input::Shutdown(by)), [interrupt()]);
    let mut bench = Bench::running();
    assert_eq!(bench.put(Input::Shutdown(by)), []);
    assert_eq!(bench.hear(Output::Permission(permission("r1"))), [interrupt()]);
    bench.wait();
    assert_eq!(settled(&bench.put(Input::Exited(ProcessExit::default()))), [(Some("hi"), "", "cut")]);
}
