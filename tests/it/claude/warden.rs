//! Every process ends, whatever happened: shells in Claude Code's place.

use std::process::{Command, Stdio};

use phonework::claude::launch::LaunchError;
use phonework::claude::process::SendError;
use phonework::claude::warden::PARENT_VARIABLE;
use phonework::sandbox::limits::OVER_LIMIT;

use super::*;

/// What the helper process below has for a daemon's environment.
const SECRETS: [&str; 4] =
    ["CREDENTIALS_DIRECTORY", "FEISHU_APP_SECRET", "NOTIFY_SOCKET", "PHONEWORK_KEYRING"];
const HELPER_FOLDER: &str = "PHONEWORK_TEST_FOLDER";

fn run(script: &str, cwd: &Path) -> Session {
    Session::start(&launch(shell(script), cwd))
}

#[tokio::test]
async fn a_status_and_a_signal_pass_through() {
    let folder = tempfile::tempdir().unwrap();
    let exit = run("echo reason >&2; exit 7", folder.path()).exit().await.1;
    assert_eq!(exit, ProcessExit { code: Some(7), signal: None, stderr: "reason\n".to_owned() });
    let exit = run("kill -9 $$", folder.path()).exit().await.1;
    assert_eq!(exit, ProcessExit { code: None, signal: Some(9), stderr: String::new() });
}

#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_dies_on_terminate() {
    let folder = tempfile::tempdir().unwrap();
    let mut lifeline = Lifeline::new(folder.path());
    let session = run(&format!("setsid sh -c '{}' & wait", lifeline.holder()), folder.path());
    lifeline.begun().await;
    session.process.terminate();
    assert_eq!(session.exit().await.1.signal, Some(9));
    lifeline.gone().await;
}

#[tokio::test]
async fn a_grandchild_dies_with_the_program_that_left_it_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut lifeline = Lifeline::new(folder.path());
    let script = format!("(setsid nohup sh -c '{}' &); read line; exit 7", lifeline.holder());
    let session = run(&script, folder.path());
    lifeline.begun().await;
    session.process.close_input();
    assert_eq!(session.exit().await.1.code, Some(7));
    lifeline.gone().await;
}

#[tokio::test]
async fn a_program_that_ignores_signals_dies_on_terminate() {
    let folder = tempfile::tempdir().unwrap();
    let mut lifeline = Lifeline::new(folder.path());
    let script = format!("trap '' TERM INT HUP; {}", lifeline.holder());
    let session = run(&script, folder.path());
    lifeline.begun().await;
    session.process.terminate();
    session.exit().await;
    lifeline.gone().await;
}

#[tokio::test]
async fn a_session_that_is_over_a_limit_is_ended_and_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let sleepers = "for n in 1 2 3 4 5 6 7 8 9; do sleep 987654 & done; wait";
    let hoarder = "head -c 300M /dev/zero | tail -c 299M | sleep 987654";
    let cases = [
        (sleepers, ResourceLimits { memory: u64::MAX, processes: 5 }, "processes, where 5 are allowed"),
        (
            hoarder,
            ResourceLimits { memory: 100 << 20, processes: 50 },
            "MiB of memory, where 100 MiB are allowed",
        ),
    ];
    for (script, limits, which) in cases {
        let mut launch = launch(shell(script), folder.path());
        launch.limits = limits;
        let exit = Session::start(&launch).exit().await.1;
        assert_eq!(exit.signal, Some(9), "{exit:?}");
        assert!(exit.stderr.starts_with(OVER_LIMIT) && exit.stderr.contains(which), "{exit:?}");
        let told = phonework::claude::failure::exit_cause(&exit);
        assert_eq!(told, phonework::claude::failure::Cause::OverLimit);
    }
}

#[tokio::test]
async fn a_kill_reaches_the_tree_of_a_warden_that_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut lifeline = Lifeline::new(folder.path());
    let session = run(&format!("setsid sh -c '{}' & wait", lifeline.holder()), folder.path());
    lifeline.begun().await;
    let warden = rustix::process::Pid::from_raw(session.process.pid().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(warden, rustix::process::Signal::STOP).unwrap();
    session.process.kill();
    assert_eq!(session.exit().await.1.signal, Some(9));
    lifeline.gone().await;
}

#[tokio::test]
async fn who_drops_the_process_or_its_events_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut lifeline = Lifeline::new(folder.path());
    let Session { process, mut events } = run(&lifeline.holder(), folder.path());
    lifeline.begun().await;
    drop(process);
    assert!(matches!(patiently(events.recv()).await, Some(ProcessEvent::Exited(_))));
    lifeline.gone().await;

    let folder = tempfile::tempdir().unwrap();
    let mut lifeline = Lifeline::new(folder.path());
    let script = format!("exec 3>{}; echo begun >&3; while :; do echo x; done", lifeline.path.display());
    let Session { process: _process, events } = run(&script, folder.path());
    lifeline.begun().await;
    drop(events);
    lifeline.gone().await;
}

#[tokio::test]
async fn a_process_outlives_the_thread_that_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(shell("echo '{}'; exec cat"), folder.path());
    let runtime = tokio::runtime::Handle::current();
    let asking = tokio::task::spawn_blocking(|| {
        std::thread::spawn(move || {
            let _within = runtime.enter();
            let mut session = Session::start(&launch);
            // Its warden has asked for the parent's death signal by now.
            assert_eq!(session.events.blocking_recv(), Some(ProcessEvent::Line(Output::Other)));
            session
        })
        .join()
    });
    let mut session = asking.await.unwrap().unwrap();
    session.process.send("no JSON\n".to_owned()).unwrap();
    assert_eq!(session.line().await, Output::Garbage);
    session.process.close_input();
    assert_eq!(session.exit().await.1.code, Some(0));
}

#[tokio::test]
async fn ctrl_c_at_the_daemon_s_terminal_does_not_reach_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = run("echo '{}'; read line", folder.path());
    session.line().await;
    let warden = rustix::process::Pid::from_raw(session.process.pid().unwrap().cast_signed()).unwrap();
    assert_eq!(rustix::process::getsid(Some(warden)).unwrap(), warden);
    for pid in phonework::process_tree::descendants(warden) {
        assert_eq!(rustix::process::getsid(Some(pid)).unwrap(), warden);
    }
}

#[tokio::test]
async fn a_line_of_megabytes_comes_whole_and_lines_around_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"echo '{"type":"a"}'
        printf '{"type":"assistant","message":{"content":"'; head -c 20000000 /dev/zero | tr '\0' x; echo '"}}'
        echo '{"type":"b"}'"#;
    let (lines, _) = run(script, folder.path()).exit().await;
    let [Output::Other, Output::Assistant(long), Output::Other] = lines.as_slice() else {
        panic!("{} lines", lines.len())
    };
    assert!(matches!(long.blocks.as_slice(), [ContentBlock::Text(text)] if text.len() == 20_000_000));
}

#[tokio::test]
async fn only_the_end_of_stderr_is_kept_and_a_flood_of_it_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo the reason >&2; echo '{}'";
    let (lines, exit) = run(script, folder.path()).exit().await;
    assert_eq!((lines, exit.stderr.len()), (vec![Output::Other], 8192));
    assert!(exit.stderr.ends_with("xthe reason\n"));
}

#[tokio::test]
async fn nothing_is_sent_to_a_process_that_is_gone_or_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut gone = run("exit 0", folder.path());
    assert!(matches!(gone.event().await, ProcessEvent::Exited(_)));
    gone.process.close_input();
    assert_eq!(gone.process.send("{}\n".to_owned()), Err(SendError::Gone));

    let deaf = run("exec sleep 987654", folder.path());
    let line = "x".repeat(1 << 20);
    let refused = std::iter::repeat_with(|| deaf.process.send(line.clone())).take(1000).find_map(Result::err);
    assert_eq!(refused, Some(SendError::Busy));
}

#[tokio::test]
async fn what_cannot_start_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    let error = Launch::find_project(&absent).unwrap_err();
    assert!(matches!(error, LaunchError::ProjectMissing { path } if path == absent));
    // It may go between that look and the start.
    assert_eq!(Session::start(&launch(shell("exit 0"), &absent)).exit().await.1.code, Some(127));
    let program = ClaudeProgram { path: absent.clone(), arguments: Vec::new() };
    let exit = Session::start(&launch(program, folder.path())).exit().await.1;
    assert_eq!(exit.code, Some(127));
    assert!(exit.stderr.starts_with(&format!("phonework: {} could not be started:", absent.display())));
}

#[test]
fn a_warden_whose_parent_is_gone_already_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(phonework())
        .args(["warden", "--", "touch", "started"])
        .current_dir(folder.path())
        .env(PARENT_VARIABLE, i32::MAX.to_string())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(143));
    assert!(!folder.path().join("started").exists());
}

#[tokio::test]
async fn everything_dies_with_a_daemon_that_is_killed_and_nothing_saw_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let mut lifeline = Lifeline::new(folder.path());
    let mut daemon = Command::new(std::env::current_exe().unwrap());
    daemon.args(["--exact", "claude::warden::a_daemon_for_another_test_to_kill", "--nocapture"]);
    daemon.env(HELPER_FOLDER, folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
    daemon.envs(SECRETS.map(|name| (name, "secret")));
    let mut daemon = daemon.spawn().unwrap();
    lifeline.begun().await;
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    lifeline.gone().await;
    let environment = std::fs::read_to_string(folder.path().join("env")).unwrap();
    assert!(environment.contains("CLAUDE_CODE_DISABLE_FILE_MENTIONS=1"), "{environment}");
    for name in SECRETS.into_iter().chain(["PHONEWORK_"]) {
        assert!(!environment.contains(name), "{environment}");
    }
}

/// Does nothing unless the test above runs it.
#[tokio::test]
async fn a_daemon_for_another_test_to_kill() {
    let Some(folder) = std::env::var_os(HELPER_FOLDER).map(PathBuf::from) else { return };
    let holder = format!("exec 3>{}; echo begun >&3; sleep 987654", folder.join("lifeline").display());
    let session = run(&format!("env > env; setsid sh -c '{holder}' & wait"), &folder);
    session.exit().await;
}
