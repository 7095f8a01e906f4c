//! The practice agent in Claude Code's place.

use super::*;

fn practice(folder: &Path) -> Launch {
    let program = ClaudeProgram { path: phonework().to_owned(), arguments: vec!["practice-agent".into()] };
    let mut launch = launch(program, folder);
    launch.env.insert("CLAUDE_CONFIG_DIR".to_owned(), folder.display().to_string());
    launch
}

#[tokio::test]
async fn the_practice_agent_takes_claude_s_arguments_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::start(&practice(folder.path()));
    let uuid = session.ask("echo hello");
    let (texts, result) = session.turn().await;
    assert_eq!((texts, result.user_message_uuids), (vec!["hello".to_owned()], vec![uuid]));
    session.process.close_input();
    let exit = session.exit().await.1;
    assert_eq!(exit, ProcessExit { code: Some(0), signal: None, stderr: String::new() });
}

#[tokio::test]
async fn a_crash_of_the_practice_agent_is_an_exit_without_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::start(&practice(folder.path()));
    session.ask("crash");
    let (lines, exit) = session.exit().await;
    assert!(matches!(lines.as_slice(), [Output::Init(_)]));
    assert_eq!(exit.code, Some(70));
    assert_eq!(exit.stderr, "the practice agent was told to crash\n");
}

#[tokio::test]
async fn a_resume_of_nothing_fails_as_claude_s_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = practice(folder.path());
    launch.conversation = Conversation::Resume(ClaudeSessionId::random());
    let (lines, exit) = Session::start(&launch).exit().await;
    let [Output::Result(result)] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        phonework::claude::failure::cause(result, None),
        Some(phonework::claude::failure::Cause::ConversationMissing)
    );
    assert_eq!(exit.code, Some(1));
}

#[test]
fn its_version_says_what_it_is() {
    let output =
        std::process::Command::new(phonework()).args(["practice-agent", "--version"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("practice agent, not Claude Code"));
}
