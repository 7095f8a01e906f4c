//! Trouble during a turn, and turns that nobody asked for.

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
fn a_silence_of_a_minute_is_reported_once_and_any_line_ends_it() {
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
fn a_silence_that_goes_on_is_reported_again_after_five_minutes() {
    let timeouts = SessionTimeouts { turn: Duration::from_secs(3600), ..TIMEOUTS };
    let mut bench = Bench::with(Conversation::New("id".into()), timeouts);
    bench.put(Input::Prompt(prompt("hi")));
    assert_eq!(bench.wait(), silent(60, 3540));
    assert_eq!(bench.wait(), silent(360, 3240));
}

#[test]
fn no_silence_is_reported_while_claude_waits_for_a_person() {
    let mut bench = Bench::running();
    let ask = bench.ask(permission("r1"));
    bench.after(500);
    assert_eq!(bench.put(Input::Tick), [Effect::Remind(OpenRequest { remind: None, ..ask })]);
    bench.put(Input::Decide(Decision::Allow(AllowScope::Once), instruction()));
    bench.after(59);
    assert_eq!(bench.put(Input::Tick), []);
    assert_eq!(bench.wait(), silent(60, 240));
}

#[test]
fn failing_api_calls_are_reported_once_from_the_third_try_on() {
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
fn a_turn_that_hits_a_usage_limit_says_when_the_limit_ends() {
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
fn a_compaction_is_reported_whether_claude_or_a_person_wanted_it() {
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
        request_id: INITIALIZE_ID.into(),
        result: Ok(json!({"commands": [{"name": "clear"}]})),
    });
    bench.hear(Output::Cleared);
    let effects = bench.hear(Output::Result(TurnResult { text: Some(String::new()), ..result() }));
    let [Effect::Settle(done)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(done.outcome, TurnOutcome::Cleared);
}

#[test]
fn the_end_of_a_usage_limit_is_remembered_for_later_turns() {
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
fn the_result_of_an_unasked_turn_is_never_the_answer_to_a_prompt() {
    let mut bench = Bench::running();
    bench.hear(text("the build failed"));
    let failed = TurnResult { is_error: true, api_error_status: Some(500), ..unasked() };
    assert_eq!(settled(&bench.hear(Output::Result(failed))), [(None, "the build failed", "failed")]);
    bench.hear(text("mine"));
    assert_eq!(settled(&bench.hear(Output::Result(result()))), [(Some("hi"), "mine", "answered")]);
    assert_eq!(bench.hear(Output::Result(result())), [], "a second result");
}

#[test]
fn a_prompt_that_was_folded_into_an_unasked_turn_is_answered_by_it() {
    let mut bench = Bench::running();
    bench.hear(text("the build failed, and as to your question: yes"));
    let folded = TurnResult { user_message_uuids: vec![Uuid::nil()], ..unasked() };
    let answer = "the build failed, and as to your question: yes";
    assert_eq!(settled(&bench.hear(Output::Result(folded))), [(Some("hi"), answer, "answered")]);
}

#[test]
fn stop_ends_what_claude_does_unasked_or_says_that_nothing_runs() {
    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    assert_eq!(
        bench.put(Input::StopUnasked(instruction())),
        [Effect::Instruction(instruction(), InstructionOutcome::NothingRuns)]
    );
    bench.hear(Output::Background(2));
    assert_eq!(
        bench.put(Input::StopUnasked(instruction())),
        [
            Effect::Tell(Notice::BackgroundEnded(2)),
            Effect::Terminate,
            Effect::Instruction(instruction(), InstructionOutcome::Followed)
        ]
    );

    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    bench.hear(Output::Init(init()));
    bench.hear(text("the build"));
    assert_eq!(
        bench.put(Input::StopUnasked(instruction())),
        [
            Effect::Write(wire::interrupt("interrupt")),
            Effect::Instruction(instruction(), InstructionOutcome::Followed)
        ]
    );
    bench.hear(Output::Result(TurnResult { terminal_reason: Some("aborted_streaming".into()), ..unasked() }));
    assert_eq!(settled(&bench.put(exit(143))), [(None, "the build", "stopped")]);
}

#[test]
fn stop_ends_the_waiting_prompt_and_the_unasked_turn_before_it() {
    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    bench.hear(Output::Init(init()));
    bench.put(Input::Prompt(prompt("next")));
    let effects = bench.put(Input::Stop(1));
    assert_eq!(settled(&effects), [(Some("next"), "", "stopped")]);
    assert_eq!(effects.last(), Some(&Effect::Write(wire::interrupt("interrupt"))));
}

#[test]
fn a_notice_says_that_background_work_ended_with_a_suspended_session() {
    let mut bench = Bench::running();
    bench.hear(Output::Background(1));
    bench.hear(Output::Result(result()));
    assert_eq!(bench.wait(), [Effect::Tell(Notice::BackgroundEnded(1)), Effect::CloseInput]);
}

#[test]
fn a_program_that_writes_garbage_or_does_not_read_is_ended() {
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
fn valid_lines_between_garbage_keep_the_process_running() {
    let mut bench = Bench::running();
    for _ in 0..2000 {
        assert_eq!(bench.hear(Output::Garbage), []);
        assert_eq!(bench.hear(Output::Other), []);
    }
}

#[test]
fn a_command_for_a_process_that_keeps_ending_or_never_starts_is_settled() {
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
fn an_answer_cut_off_at_a_length_limit_is_continued_without_a_gap() {
    let mut bench = Bench::running();
    bench.hear(text("half of a sen"));
    bench.hear(Output::CallEnded { usage: TokenUsage::default(), cut_off: true, subagent: false });
    bench.hear(text("tence."));
    bench.hear(text("Another."));
    let answer = "half of a sentence.\n\nAnother.";
    assert_eq!(settled(&bench.hear(Output::Result(result()))), [(Some("hi"), answer, "answered")]);
}

#[test]
fn a_line_that_is_too_long_is_reported_once_in_a_turn() {
    let mut bench = Bench::running();
    assert_eq!(bench.hear(Output::TooLong), told(Notice::LineLost));
    assert_eq!(bench.hear(Output::TooLong), []);
}
