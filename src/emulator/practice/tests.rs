mod deeds;

use std::io::{BufRead, BufReader, PipeReader, PipeWriter};
use std::path::Path;
use std::thread::JoinHandle;

use uuid::Uuid;

use super::*;
use crate::claude::wire::{self, Assistant, ContentBlock, Output, TurnResult};

/// An agent on a thread, with the ends of its pipes.
struct Practice {
    stdin: Option<PipeWriter>,
    lines: std::io::Split<BufReader<PipeReader>>,
    agent: JoinHandle<std::io::Result<u8>>,
}

impl Practice {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let (options, folder) = (PracticeOptions::from(arguments.as_slice()), folder.to_owned());
        let (input, stdin) = std::io::pipe().unwrap();
        let (stdout, output) = std::io::pipe().unwrap();
        let agent = std::thread::spawn(move || serve(&options, folder, input, output));
        Self { stdin: Some(stdin), lines: BufReader::new(stdout).split(b'\n'), agent }
    }

    fn send(&self, line: &str) {
        self.stdin.as_ref().unwrap().write_all(line.as_bytes()).unwrap();
    }

    fn ask(&self, text: &str) {
        self.send(&wire::user_message(&Uuid::new_v4(), text));
    }

    /// The next line as it is.
    fn line(&mut self) -> serde_json::Value {
        serde_json::from_slice(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    fn next(&mut self) -> Option<Output> {
        self.lines.next().map(|line| wire::parse(&line.unwrap()))
    }

    fn until_result(&mut self) -> (Vec<Output>, TurnResult) {
        let mut before = Vec::new();
        loop {
            let line = self.next().unwrap();
            if let Output::Result(result) = line {
                return (before, result);
            }
            before.push(line);
        }
    }

    fn answer(&mut self, text: &str) -> String {
        self.ask(text);
        self.until_result().1.text.unwrap()
    }

    fn permission(&mut self) -> wire::PermissionRequest {
        loop {
            if let Output::Permission(request) = self.next().unwrap() {
                return request;
            }
        }
    }

    fn end(mut self) -> std::io::Result<u8> {
        self.stdin = None;
        self.agent.join().unwrap()
    }
}

const ID: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn an_echo_is_word_for_word_and_a_turn_has_a_start_an_answer_and_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice =
        Practice::start(folder.path(), &["-p", "--session-id=00000000-0000-4000-8000-000000000001"]);
    let uuid = Uuid::new_v4();
    practice.send(&wire::user_message(&uuid, "echo **a**\n@b"));
    let (before, result) = practice.until_result();
    let text = "**a**\n@b".to_owned();
    assert!(matches!(&before[0], Output::Init(init) if init.session_id.as_str() == ID));
    let [Output::Assistant(Assistant { message_id, model, .. })] = &before[1..] else { panic!("{before:?}") };
    let (message_id, model) = (message_id.clone(), model.clone());
    assert_eq!(
        before[1..],
        [Output::Assistant(Assistant {
            message_id,
            model,
            blocks: vec![ContentBlock::Text(text.clone())],
            ..Assistant::default()
        })]
    );
    assert_eq!(
        result,
        TurnResult {
            subtype: "success".to_owned(),
            terminal_reason: Some("completed".to_owned()),
            text: Some(text),
            total_cost_usd: Some(0.0),
            num_turns: 1,
            user_message_uuids: vec![uuid],
            session_id: Some(ClaudeSessionId::from(ID)),
            windows: [("practice".to_owned(), 200_000)].into(),
            ..TurnResult::default()
        }
    );
    assert_eq!(practice.end().unwrap(), 0);
}

#[test]
fn it_never_passes_for_claude() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    for prompt in ["hello", "say 500 characters", "remember x", "recall", "slow 0"] {
        assert!(practice.answer(prompt).contains("practice agent, not Claude"), "{prompt}");
    }
}

#[test]
fn it_remembers_across_a_resume() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Practice::start(folder.path(), &["--session-id", ID]);
    first.answer("remember blue");
    first.end().unwrap();
    let mut second = Practice::start(folder.path(), &[&format!("--resume={ID}")]);
    assert_eq!(second.answer("recall"), "(practice agent, not Claude) I remember: blue");
}

#[test]
fn an_unknown_session_is_refused_and_a_used_id_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut unknown = Practice::start(folder.path(), &["--resume", ID]);
    let (_, result) = unknown.until_result();
    let sentence = format!("No conversation found with session ID: {ID}");
    assert_eq!(result.errors, [sentence.as_str()]);
    assert_eq!(unknown.end().unwrap_err().to_string(), sentence);

    let mut first = Practice::start(folder.path(), &["--session-id", ID]);
    first.answer("hello");
    first.end().unwrap();
    let again = Practice::start(folder.path(), &["--session-id", ID]);
    assert!(again.end().unwrap_err().to_string().contains("already in use"));
    assert!(Practice::start(folder.path(), &["--session-id", "../x"]).end().is_err());
}

#[test]
fn a_slow_turn_is_interrupted_at_once_and_the_next_one_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    practice.ask("slow 100000");
    practice.send(&wire::interrupt("i1"));
    let (before, result) = practice.until_result();
    assert!(
        before
            .iter()
            .any(|line| matches!(line, Output::ControlReply { request_id, .. } if request_id == "i1"))
    );
    assert!(result.is_interrupted());
    assert_eq!(practice.answer("echo on"), "on");
    assert_eq!(practice.end().unwrap(), 0);
}

#[test]
fn a_command_runs_only_with_permission() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    practice.ask("run echo done");
    let request = practice.permission();
    assert_eq!((request.tool.as_str(), request.input["command"].as_str()), ("Bash", Some("echo done")));
    practice.send(&wire::allow(&request.request_id, &request.input, None));
    let (between, result) = practice.until_result();
    let Output::ToolResult(end) = &between[0] else { panic!("{between:?}") };
    assert_eq!((Some(&end.tool_use_id), end.is_error), (request.tool_use_id.as_ref(), false));
    assert_eq!(result.text.unwrap(), "(practice agent, not Claude) The command said:\ndone\n");

    practice.ask("run touch /nonexistent/x");
    let request = practice.permission();
    practice.send(&wire::deny(&request.request_id, "not today"));
    assert_eq!(
        practice.until_result().1.text.unwrap(),
        "(practice agent, not Claude) I did not run it: not today"
    );
}

#[test]
fn an_interrupt_withdraws_the_question_and_kills_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    practice.ask("run true");
    let request = practice.permission();
    practice.send(&wire::interrupt("i1"));
    let (between, result) = practice.until_result();
    assert!(between.contains(&Output::PermissionWithdrawn { request_id: request.request_id }));
    assert_eq!(result.terminal_reason.as_deref(), Some("aborted_tools"));

    practice.ask("run sleep 100000");
    let request = practice.permission();
    practice.send(&wire::allow(&request.request_id, &request.input, None));
    practice.send(&wire::interrupt("i2"));
    assert_eq!(practice.until_result().1.terminal_reason.as_deref(), Some("aborted_tools"));
}

#[test]
fn failures_and_the_status_at_the_end_are_those_of_claude_code() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &[]);
    practice.ask("error 429");
    let (before, result) = practice.until_result();
    assert!(
        matches!(before.last(), Some(Output::Assistant(failed)) if failed.error.as_deref() == Some("rate_limit"))
    );
    assert_eq!((result.is_error, result.api_error_status), (true, Some(429)));
    assert_eq!(practice.end().unwrap(), 1);

    let crashing = Practice::start(folder.path(), &[]);
    crashing.ask("crash");
    assert_eq!(crashing.agent.join().unwrap().unwrap(), 70);

    let broken = Practice::start(folder.path(), &[]);
    broken.send("no JSON\n");
    assert!(broken.agent.join().unwrap().is_err());
}

#[test]
fn requests_are_answered_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut practice = Practice::start(folder.path(), &["--permission-mode=plan"]);
    practice.send(&wire::initialize("r1"));
    let Some(Output::ControlReply { request_id, result: Ok(reply) }) = practice.next() else {
        panic!("no reply")
    };
    assert_eq!((request_id.as_str(), &reply["current_permission_mode"]), ("r1", &serde_json::json!("plan")));
    practice.send("{\"type\":\"control_request\",\"request_id\":\"r2\",\"request\":{\"subtype\":\"new\"}}\n");
    assert!(matches!(practice.next(), Some(Output::ControlReply { result: Err(_), .. })));
}
