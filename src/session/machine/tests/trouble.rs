//! What befalls a turn on its way, and turns that nobody asked for.

use super::*;
use crate::claude::failure;
use crate::session::turn::FinishedTurn;
use jiff::Timestamp;

fn told(notice: Notice) -> Vec<Effect> {
    vec![Effect::Tell(notice)]
}

fn silent(lasted: u64, left: u64) -> Vec<Effect> {
    let [lasted, left] = [lasted, left].map(Duration::from_secs);
    told(Notice::Silent { lasted, left })
}

fn exit(code: i32) -> Input {
    Input::Exited(ProcessExit { code: Some(code), ..ProcessExit::default() })
}

#[test]
fn a_silence_of_a_minute_is_told_once_and_any_line_ends_it() {
    let mut bench = Bench::running();
    bench.after(59);
    assert_eq!(bench.put(Input::Tick), []);
    assert_eq!(bench.wait(), silent(60, 240));
    assert_eq!(bench.put(Input::Tick), []);
    bench.after(40);
    assert_eq!(bench.hear(Output::Other), []);
    bench.after(59);
    assert_eq!(bench.put(Input::Tick), []);
    assert_eq!(bench.wait(), silent(60, 140));
}

#[test]
fn a_silence_that_goes_on_is_told_again_after_five_minutes() {
    let limits = SessionLimits { turn: Duration::from_secs(3600), ..LIMITS };
    let mut bench = Bench::with(Conversation::New("id".into()), limits);
    bench.put(Input::Prompt(prompt("hi")));
    assert_eq!(bench.wait(), silent(60, 3540));
    assert_eq!(bench.wait(), silent(360, 3240));
}

#[test]
fn nobody_is_told_of_a_silence_while_claude_waits_for_a_person() {
    let mut bench = Bench::running();
    let ask = bench.ask(permission("r1"));
    bench.after(500);
    assert_eq!(bench.put(Input::Tick), [Effect::Remind(OpenRequest { remind: None, ..ask })]);
    bench.put(Input::Decide(Decision::Allow(AllowScope::Once), order()));
    bench.after(59);
    assert_eq!(bench.put(Input::Tick), []);
    assert_eq!(bench.wait(), silent(60, 240));
}

#[test]
fn failing_calls_of_the_api_are_told_once_from_the_third_try_on() {
    let mut bench = Bench::running();
    let retry = |attempt, delay| Output::ApiRetry {
        attempt,
        max: 4,
        delay: Duration::from_secs(delay),
        status: Some(529),
    };
    assert_eq!(bench.hear(retry(1, 1)), []);
    assert_eq!(bench.hear(retry(2, 1)), []);
    assert_eq!(bench.hear(retry(3, 2)), told(Notice::Retrying { status: Some(529) }));
    assert_eq!(bench.hear(retry(4, 4)), []);
    let mut bench = Bench::running();
    assert_eq!(bench.hear(retry(1, 30)), told(Notice::Retrying { status: Some(529) }));
}

#[test]
fn a_limit_that_is_used_up_ends_the_turn_with_the_time_at_which_it_ends() {
    let until = Timestamp::from_second(1_795_383_873).unwrap();
    let limit = |status: &str| Output::RateLimit {
        status: status.into(),
        resets_at: Some(until),
        kind: Some("five_hour".into()),
    };
    let refused = TurnResult {
        is_error: true,
        terminal_reason: Some("api_error".into()),
        api_error_status: Some(429),
        text: Some("You've hit your 5-hour limit".into()),
        ..result()
    };
    let outcome = |status| {
        let mut bench = Bench::running();
        assert_eq!(bench.hear(limit(status)), []);
        let effects = bench.hear(Output::Result(refused.clone()));
        let [Effect::Settle(done)] = &effects[..] else { panic!("{effects:?}") };
        done.outcome.clone()
    };
    let words = Some("You've hit your 5-hour limit".into());
    let otherwise = failure::explain(&refused, None, Language::En).unwrap();
    assert_eq!(outcome("rejected"), TurnOutcome::Limited { until, words, otherwise });
    assert!(matches!(outcome("allowed_warning"), TurnOutcome::Failed(_)));
}

#[test]
fn a_compaction_is_shown_whether_claude_or_a_person_wanted_it() {
    let compacted = |trigger: &str| Output::Compacted { trigger: trigger.into() };
    let mut bench = Bench::running();
    assert_eq!(bench.hear(compacted("auto")), told(Notice::Compacted));
    assert_eq!(bench.hear(compacted("auto")), []);
    assert_eq!(bench.hear(Output::CompactionFailed), told(Notice::CompactionFailed));
    assert_eq!(bench.hear(Output::CompactionFailed), []);

    let mut bench = Bench::running();
    assert_eq!(bench.hear(compacted("manual")), []);
    let effects = bench.hear(Output::Result(TurnResult { text: Some(String::new()), ..result() }));
    let [Effect::Settle(done)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(done.outcome, TurnOutcome::Compacted);
    bench.put(Input::Prompt(prompt("/clear")));
    bench.hear(Output::ControlReply {
        request_id: INITIALIZE.into(),
        result: Ok(json!({"commands": [{"name": "clear"}]})),
    });
    bench.hear(Output::Cleared);
    let effects = bench.hear(Output::Result(TurnResult { text: Some(String::new()), ..result() }));
    let [Effect::Settle(done)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(done.outcome, TurnOutcome::Cleared);
}

#[test]
fn a_limit_that_was_told_in_an_earlier_turn_still_has_its_time() {
    let until = Timestamp::from_second(1_795_383_873).unwrap();
    let limit =
        |status: &str| Output::RateLimit { status: status.into(), resets_at: Some(until), kind: None };
    let refused = TurnResult { is_error: true, api_error_status: Some(429), ..result() };
    let mut bench = Bench::running();
    bench.hear(limit("rejected"));
    bench.hear(Output::Result(refused.clone()));
    bench.put(Input::Prompt(prompt("again")));
    let effects = bench.hear(Output::Result(refused.clone()));
    assert!(matches!(
        &effects[..],
        [Effect::Settle(FinishedTurn { outcome: TurnOutcome::Limited { .. }, .. })]
    ));
    bench.hear(limit("allowed"));
    bench.put(Input::Prompt(prompt("later")));
    let effects = bench.hear(Output::Result(refused));
    assert!(matches!(&effects[..], [Effect::Settle(FinishedTurn { outcome: TurnOutcome::Failed(_), .. })]));
}

#[test]
fn the_result_of_a_turn_nobody_asked_for_is_never_the_answer_to_a_prompt() {
    let mut bench = Bench::running();
    bench.hear(text("the build failed"));
    let failed = TurnResult { is_error: true, api_error_status: Some(500), ..unasked() };
    assert_eq!(settled(&bench.hear(Output::Result(failed))), [(None, "the build failed", "failed")]);
    bench.hear(text("mine"));
    assert_eq!(settled(&bench.hear(Output::Result(result()))), [(Some("hi"), "mine", "answered")]);
    assert_eq!(bench.hear(Output::Result(result())), [], "a second result");
}

#[test]
fn a_prompt_that_was_folded_into_a_turn_nobody_asked_for_is_answered_by_it() {
    let mut bench = Bench::running();
    bench.hear(text("the build failed, and as to your question: yes"));
    let folded = TurnResult { user_message_uuids: vec![Uuid::nil()], ..unasked() };
    let answer = "the build failed, and as to your question: yes";
    assert_eq!(settled(&bench.hear(Output::Result(folded))), [(Some("hi"), answer, "answered")]);
}

#[test]
fn a_stop_ends_what_claude_does_unasked_and_says_so_when_there_is_nothing() {
    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    assert_eq!(bench.put(Input::StopUnasked(order())), [Effect::NothingRuns(order())]);
    bench.hear(Output::Background(2));
    assert_eq!(
        bench.put(Input::StopUnasked(order())),
        [Effect::Tell(Notice::BackgroundEnded(2)), Effect::Terminate, Effect::Followed(order())]
    );

    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    bench.hear(Output::Init(init()));
    bench.hear(text("the build"));
    assert_eq!(
        bench.put(Input::StopUnasked(order())),
        [Effect::Write(wire::interrupt("interrupt")), Effect::Followed(order())]
    );
    bench.hear(Output::Result(TurnResult { terminal_reason: Some("aborted_streaming".into()), ..unasked() }));
    assert_eq!(settled(&bench.put(exit(143))), [(None, "the build", "stopped")]);
}

#[test]
fn a_stop_ends_the_prompt_that_waits_and_the_turn_nobody_asked_for_before_it() {
    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    bench.hear(Output::Init(init()));
    bench.put(Input::Prompt(prompt("next")));
    let effects = bench.put(Input::Stop(1));
    assert_eq!(settled(&effects), [(Some("next"), "", "stopped")]);
    assert_eq!(effects.last(), Some(&Effect::Write(wire::interrupt("interrupt"))));
}

#[test]
fn what_ran_in_the_background_is_not_put_to_sleep_without_a_word() {
    let mut bench = Bench::running();
    bench.hear(Output::Background(1));
    bench.hear(Output::Result(result()));
    assert_eq!(bench.wait(), [Effect::Tell(Notice::BackgroundEnded(1)), Effect::CloseInput]);
}

#[test]
fn a_program_that_only_babbles_is_ended_and_so_is_one_that_does_not_read() {
    let mut bench = Bench::running();
    for _ in 0..999 {
        assert_eq!(bench.hear(Output::Garbage), []);
    }
    assert_eq!(bench.hear(Output::Garbage), [Effect::Terminate]);
    let effects = bench.put(exit(143));
    let [Effect::Settle(done), Effect::End] = &effects[..] else { panic!("{effects:?}") };
    let TurnOutcome::Crashed(sentence) = &done.outcome else { panic!("{done:?}") };
    assert!(sentence.contains("CLAUDE_COMMAND"), "{sentence}");

    let mut bench = Bench::running();
    assert_eq!(bench.put(Input::InputBlocked), [Effect::Terminate]);
    assert_eq!(settled(&bench.put(exit(143))), [(Some("hi"), "", "crashed")]);
}

#[test]
fn lines_of_claude_s_between_invalid_ones_keep_it_running() {
    let mut bench = Bench::running();
    for _ in 0..2000 {
        assert_eq!(bench.hear(Output::Garbage), []);
        assert_eq!(bench.hear(Output::Other), []);
    }
}

#[test]
fn a_command_for_a_program_that_always_ends_or_never_starts_is_settled() {
    // Claude's list of commands never comes, so the prompt is held.
    let mut bench = Bench::fresh();
    assert_eq!(bench.put(Input::Prompt(prompt("/cost"))), []);
    let effects = bench.put(exit(0));
    assert!(matches!(&effects[..], [Effect::Launch(_), Effect::Write(_)]), "{effects:?}");
    assert_eq!(settled(&bench.put(exit(0))), [(Some("/cost"), "", "crashed")]);

    let mut bench = Bench::fresh();
    bench.put(Input::Prompt(prompt("/cost")));
    let effects = bench.put(Input::NotStarted("no claude".into()));
    assert_eq!(settled(&effects), [(Some("/cost"), "", "crashed")]);
    assert_eq!(effects.last(), Some(&Effect::End));
}

#[test]
fn an_answer_that_broke_off_at_a_limit_goes_on_without_a_seam() {
    let mut bench = Bench::running();
    bench.hear(text("half of a sen"));
    bench.hear(Output::CallEnded { usage: TokenUsage::default(), cut_off: true, subagent: false });
    bench.hear(text("tence."));
    bench.hear(text("Another."));
    let answer = "half of a sentence.\n\nAnother.";
    assert_eq!(settled(&bench.hear(Output::Result(result()))), [(Some("hi"), answer, "answered")]);
}

#[test]
fn a_line_that_is_too_long_is_told_once_in_a_turn() {
    let mut bench = Bench::running();
    assert_eq!(bench.hear(Output::TooLong), told(Notice::LineLost));
    assert_eq!(bench.hear(Output::TooLong), []);
}
