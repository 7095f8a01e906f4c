use super::*;
use crate::claude::process::ProcessExit;
use crate::claude::wire::{Assistant, ContentBlock, Init, Output, PermissionRequest, TokenUsage, TurnResult};
use crate::mail::Recipient;
use crate::session::turn::OpenRequest;
use serde_json::json;
use std::sync::LazyLock;
use uuid::Uuid;

mod decisions;
mod instructions;
mod trouble;

const TIMEOUTS: SessionTimeouts = SessionTimeouts {
    turn: Duration::from_secs(300),
    idle: Duration::from_secs(1800),
    approval: Duration::from_secs(600),
};

/// A machine and the clock that its test moves.
struct Bench {
    machine: Machine,
    now: Instant,
}

impl Bench {
    fn new(conversation: Conversation) -> Self {
        Self::with(conversation, TIMEOUTS)
    }

    fn with(conversation: Conversation, timeouts: SessionTimeouts) -> Self {
        let now = Instant::now();
        let (machine, first) = Machine::new(conversation, timeouts, Language::En, None, now);
        assert_eq!(first, [Effect::Write(wire::initialize(INITIALIZE_ID))]);
        Self { machine, now }
    }

    fn fresh() -> Self {
        Self::new(Conversation::New("id".into()))
    }

    /// A machine whose turn runs.
    fn running() -> Self {
        let mut bench = Self::fresh();
        bench.put(Input::Prompt(prompt("hi")));
        bench.hear(Output::Init(Init { session_id: "id".into(), ..init() }));
        bench
    }

    fn put(&mut self, input: Input) -> Vec<Effect> {
        self.machine.handle(input, self.now)
    }

    fn hear(&mut self, output: Output) -> Vec<Effect> {
        self.put(Input::Claude(output))
    }

    /// Moves the clock to what is due next.
    fn wait(&mut self) -> Vec<Effect> {
        self.now = self.machine.due().expect("something is due");
        self.put(Input::Tick)
    }

    /// Has Claude ask; returns what is shown.
    fn ask(&mut self, request: PermissionRequest) -> OpenRequest {
        match &self.hear(Output::Permission(request))[..] {
            [Effect::Ask(ask, _)] => ask.clone(),
            effects => panic!("{effects:?}"),
        }
    }

    fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn init() -> Init {
    Init { session_id: "id".into(), model: None, permission_mode: None, version: None }
}

fn prompt(text: &str) -> Prompt {
    Prompt {
        turn_id: Uuid::nil(),
        mail: 1,
        chat_id: "oc_1".into(),
        text: text.into(),
        reply: ReplyTarget { to: Recipient::Chat("oc_1".into()), under: None },
        long: crate::render::document::LongAnswers::Parts,
    }
}

/// Later than anything that happens in a test.
static TOMORROW: LazyLock<Instant> = LazyLock::new(|| Instant::now() + Duration::from_secs(86_400));

fn instruction() -> Instruction {
    Instruction { mail: 2, message_id: "om_2".into(), reply: prompt("").reply, sent: *TOMORROW }
}

fn text(text: &str) -> Output {
    Output::Assistant(Assistant { blocks: vec![ContentBlock::Text(text.into())], ..Assistant::default() })
}

fn result() -> TurnResult {
    TurnResult { user_message_uuids: vec![Uuid::nil()], total_cost_usd: Some(0.5), ..TurnResult::default() }
}

/// The result of a turn that Claude began by itself.
fn unasked() -> TurnResult {
    TurnResult { user_message_uuids: vec![], origin: Some("task-notification".into()), ..result() }
}

fn permission(id: &str) -> PermissionRequest {
    PermissionRequest {
        request_id: id.into(),
        tool: "Bash".into(),
        input: json!({"command": "make"}),
        ..PermissionRequest::default()
    }
}

fn allowed(id: &str) -> Effect {
    Effect::Write(wire::allow(id, &permission(id).input, None))
}

fn settled(effects: &[Effect]) -> Vec<(Option<&str>, &str, &'static str)> {
    let done =
        effects.iter().filter_map(|effect| if let Effect::Settle(done) = effect { Some(done) } else { None });
    done.map(|done| (done.prompt.as_ref().map(|p| p.text.as_str()), done.text.as_str(), done.outcome.word()))
        .collect()
}

#[test]
fn a_prompt_is_written_at_once_and_its_texts_are_the_answer() {
    let mut bench = Bench::fresh();
    assert_eq!(
        bench.put(Input::Prompt(prompt("hi"))),
        [Effect::Write(wire::user_message(&Uuid::nil(), "hi"))]
    );
    assert_eq!(bench.hear(Output::Init(init())), [Effect::Conversation("id".into())]);
    assert_eq!(bench.hear(text("one")), []);
    assert_eq!(bench.hear(text("two")), []);
    let effects = bench.hear(Output::Result(result()));
    assert_eq!(settled(&effects), [(Some("hi"), "one\n\ntwo", "answered")]);
    assert!(!bench.machine.is_busy());
}

#[test]
fn the_pieces_of_one_message_are_one_text() {
    let mut bench = Bench::running();
    let piece = |id: &str, text: &str| {
        let blocks = vec![ContentBlock::Text(text.into())];
        Output::Assistant(Assistant { blocks, message_id: Some(id.into()), ..Assistant::default() })
    };
    for (id, text) in [("m1", "as ["), ("m1", "1] says"), ("m2", "so")] {
        bench.hear(piece(id, text));
    }
    assert_eq!(
        settled(&bench.hear(Output::Result(result()))),
        [(Some("hi"), "as [1] says\n\nso", "answered")]
    );
}

#[test]
fn a_turns_cost_is_the_increase_of_the_conversations_cost() {
    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    bench.put(Input::Prompt(prompt("again")));
    let total = TurnResult { total_cost_usd: Some(0.75), ..result() };
    let effects = bench.hear(Output::Result(total));
    let [Effect::Settle(done)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(done.cost_usd, Some(0.25));
}

#[test]
fn a_stopped_turn_is_settled_when_its_process_has_ended() {
    let mut bench = Bench::running();
    bench.hear(text("so f"));
    assert_eq!(bench.put(Input::Stop(1)), [Effect::Write(wire::interrupt("interrupt"))]);
    assert_eq!(bench.put(Input::Stop(1)), []);
    let cut = TurnResult { is_error: true, terminal_reason: Some("aborted_streaming".into()), ..result() };
    assert_eq!(bench.hear(Output::Result(cut)), [Effect::Terminate]);
    let effects = bench.put(Input::Exited(ProcessExit::default()));
    assert_eq!(settled(&effects), [(Some("hi"), "so f", "stopped")]);
    assert_eq!(effects.last(), Some(&Effect::End));
}

#[test]
fn a_stop_that_comes_too_late_does_not_end_the_next_turn() {
    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    bench.put(Input::Prompt(Prompt { mail: 2, ..prompt("next") }));
    assert_eq!(bench.put(Input::Stop(1)), []);
    assert_eq!(bench.put(Input::Stop(2)), [Effect::Write(wire::interrupt("interrupt"))]);
}

#[test]
fn a_process_that_ignores_the_interrupt_is_killed() {
    let mut bench = Bench::running();
    bench.put(Input::Stop(1));
    assert_eq!(bench.wait(), [Effect::Terminate]);
    assert_eq!(bench.wait(), [Effect::Kill]);
    assert_eq!(settled(&bench.put(Input::Exited(ProcessExit::default()))), [(Some("hi"), "", "stopped")]);
}

#[test]
fn a_killed_process_that_does_not_end_is_not_waited_for_for_ever() {
    let mut bench = Bench::running();
    bench.put(Input::Stop(1));
    bench.wait();
    bench.wait();
    let effects = bench.wait();
    assert_eq!(settled(&effects), [(Some("hi"), "", "crashed")]);
    assert_eq!((effects.last(), bench.machine.due()), (Some(&Effect::End), None));
}

#[test]
fn a_turn_ends_at_its_time_but_waiting_for_a_person_does_not_count() {
    let mut bench = Bench::running();
    bench.after(299);
    let ask = bench.ask(permission("r1"));
    bench.after(299);
    assert_eq!(bench.put(Input::Tick), []);
    assert_eq!(
        bench.put(Input::Decide(Decision::Allow(AllowScope::Once), instruction())),
        [
            allowed("r1"),
            Effect::Decided(ask, RequestOutcome::Allowed),
            Effect::Instruction(instruction(), InstructionOutcome::Followed)
        ]
    );
    assert_eq!(bench.put(Input::Tick), []);
    bench.after(1);
    assert_eq!(bench.put(Input::Tick), [Effect::Write(wire::interrupt("interrupt"))]);
    bench.wait();
    assert_eq!(settled(&bench.put(Input::Exited(ProcessExit::default()))), [(Some("hi"), "", "timed_out")]);
}

#[test]
fn a_crash_costs_one_turn_and_says_so() {
    let mut bench = Bench::running();
    bench.hear(text("half"));
    let effects = bench.put(Input::Exited(ProcessExit { signal: Some(9), ..ProcessExit::default() }));
    assert_eq!(settled(&effects), [(Some("hi"), "half", "crashed")]);
    assert_eq!(effects.last(), Some(&Effect::End));
}

#[test]
fn a_lost_conversation_is_replaced_by_a_new_one_with_the_same_prompt() {
    let mut bench = Bench::new(Conversation::Resume("old".into()));
    bench.put(Input::Prompt(prompt("hi")));
    let refused = TurnResult {
        is_error: true,
        errors: vec!["No conversation found with session ID: old".into()],
        ..TurnResult::default()
    };
    assert_eq!(bench.hear(Output::Result(refused)), []);
    let effects = bench.put(Input::Exited(ProcessExit {
        code: Some(1),
        stderr: "No conversation found with session ID: old".into(),
        ..ProcessExit::default()
    }));
    let [
        Effect::Tell(Notice::Forgotten),
        Effect::Launch(Conversation::New(_)),
        Effect::Write(_),
        Effect::Write(line),
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(line, &wire::user_message(&Uuid::nil(), "hi"));
}

#[test]
fn a_conversation_whose_id_exists_already_is_resumed() {
    let mut bench = Bench::fresh();
    bench.put(Input::Prompt(prompt("hi")));
    let exit = ProcessExit {
        code: Some(1),
        stderr: "Error: Session ID id is already in use.".into(),
        ..ProcessExit::default()
    };
    let effects = bench.put(Input::Exited(exit));
    assert_eq!(effects[0], Effect::Launch(Conversation::Resume("id".into())));
}

#[test]
fn slash_commands_that_claude_knows_go_to_claude_and_others_do_not() {
    let commands = Output::ControlReply {
        request_id: INITIALIZE_ID.into(),
        result: Ok(json!({"commands": [{"name": "cost"}]})),
    };
    let mut bench = Bench::fresh();
    assert_eq!(bench.put(Input::Prompt(prompt("/cost now"))), []);
    assert_eq!(bench.hear(commands), [Effect::Write(wire::user_message(&Uuid::nil(), "/cost now"))]);
    bench.hear(Output::Result(result()));
    let effects = bench.put(Input::Prompt(prompt("/lits")));
    assert_eq!(settled(&effects), [(Some("/lits"), "", "unknown_command")]);
    // A capital from the phone's keyboard and a full stop do not matter.
    let effects = bench.put(Input::Prompt(prompt("/Cost。")));
    assert_eq!(effects, [Effect::Write(wire::user_message(&Uuid::nil(), "/cost"))]);
}

#[test]
fn a_path_or_a_comment_is_a_prompt_and_waits_for_no_list_of_commands() {
    for text in ["/etc/hosts is wrong", "// why", "/ hi"] {
        let mut bench = Bench::fresh();
        let effects = bench.put(Input::Prompt(prompt(text)));
        assert_eq!(effects, [Effect::Write(wire::user_message(&Uuid::nil(), text))], "{text}");
    }
}

#[test]
fn an_idle_process_is_suspended_and_a_prompt_at_that_moment_starts_another() {
    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    assert_eq!(bench.wait(), [Effect::CloseInput]);
    assert_eq!(bench.put(Input::Prompt(prompt("late"))), []);
    let effects = bench.put(Input::Exited(ProcessExit::default()));
    assert_eq!(effects[0], Effect::Launch(Conversation::Resume("id".into())));
    assert_eq!(effects[2], Effect::Write(wire::user_message(&Uuid::nil(), "late")));
}

#[test]
fn a_process_that_does_not_end_when_suspended_is_terminated() {
    let mut bench = Bench::fresh();
    bench.put(Input::Suspend);
    assert_eq!(bench.wait(), [Effect::Terminate]);
    assert_eq!(bench.put(Input::Exited(ProcessExit::default())), [Effect::End]);
}

#[test]
fn a_busy_session_is_suspended_when_its_turn_is_over() {
    let mut bench = Bench::running();
    assert_eq!(bench.put(Input::Suspend), []);
    let effects = bench.hear(Output::Result(result()));
    assert_eq!(settled(&effects), [(Some("hi"), "", "answered")]);
    assert_eq!(effects.last(), Some(&Effect::CloseInput));
}

#[test]
fn a_turn_that_claude_began_by_itself_is_settled_and_a_prompt_waits_for_its_end() {
    let mut bench = Bench::running();
    bench.hear(Output::Result(result()));
    bench.hear(Output::Init(init()));
    bench.hear(text("the build is done"));
    assert_eq!(bench.put(Input::Prompt(prompt("next"))), []);
    let effects = bench.hear(Output::Result(unasked()));
    assert_eq!(settled(&effects), [(None, "the build is done", "answered")]);
    assert_eq!(effects[1], Effect::Write(wire::user_message(&Uuid::nil(), "next")));
}

#[test]
fn the_result_of_another_message_does_not_end_the_turn() {
    let mut bench = Bench::running();
    bench.hear(text("from before"));
    let other = TurnResult { user_message_uuids: vec![Uuid::max()], ..result() };
    assert_eq!(settled(&bench.hear(Output::Result(other))), [(None, "from before", "answered")]);
    bench.hear(text("mine"));
    assert_eq!(settled(&bench.hear(Output::Result(result()))), [(Some("hi"), "mine", "answered")]);
}

#[test]
fn a_daemon_that_shuts_down_lets_the_turn_end_or_interrupts_it_at_the_deadline() {
    let mut bench = Bench::running();
    let by = bench.now + Duration::from_secs(20);
    assert_eq!(bench.put(Input::Shutdown(by)), []);
    assert_eq!(bench.wait(), [Effect::Write(wire::interrupt("interrupt"))]);
    bench.wait();
    assert_eq!(settled(&bench.put(Input::Exited(ProcessExit::default()))), [(Some("hi"), "", "cut")]);

    let mut bench = Bench::running();
    bench.put(Input::Shutdown(by));
    let effects = bench.hear(Output::Result(result()));
    assert_eq!(settled(&effects), [(Some("hi"), "", "answered")]);
    assert_eq!(effects.last(), Some(&Effect::CloseInput));
}

#[test]
fn a_process_that_cannot_start_fails_its_prompt_and_says_why() {
    let mut bench = Bench::fresh();
    assert_eq!(bench.put(Input::NotStarted("no claude".into())), [Effect::End]);
    let effects = bench.put(Input::Prompt(prompt("hi")));
    assert_eq!(effects[0], Effect::Launch(Conversation::New("id".into())));
    let effects = bench.put(Input::NotStarted("no claude".into()));
    let [Effect::Settle(done), Effect::End] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(done.outcome, TurnOutcome::Crashed("no claude".into()));
}
