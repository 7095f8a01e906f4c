//! Arguments and environments, compared as whole values.

use super::*;
use crate::sandbox::{Extra, Mode, SandboxLayout, SandboxRequest, SessionScope};

fn launch() -> Launch {
    Launch {
        program: ClaudeProgram { path: "/usr/bin/claude".into(), arguments: Vec::new() },
        cwd: "/p".into(),
        conversation: Conversation::New("5c3e".into()),
        model: None,
        permission_mode: "default".to_owned(),
        rules: Vec::new(),
        trusted: false,
        env: BTreeMap::new(),
        isolation: Isolation::None,
        git_runs_programs: false,
        limits: ResourceLimits::NONE,
    }
}

fn pairs(list: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
    list.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn an_untrusted_project_gets_no_settings_hooks_or_mcp_servers() {
    let arguments = launch().arguments();
    assert_eq!(
        arguments,
        [
            "-p",
            "--output-format=stream-json",
            "--input-format=stream-json",
            "--verbose",
            "--include-partial-messages",
            "--permission-prompt-tool=stdio",
            "--permission-mode=default",
            "--setting-sources=user",
            "--strict-mcp-config",
            "--settings={\"disableAllHooks\":true,\"permissions\":{\"ask\":[\"Bash(git *)\",\"Bash(*xargs*)\",\
             \"Bash(grep -R *)\",\"Bash(rg *)\",\"Bash(find -L *)\"]}}",
            "--session-id=5c3e",
            "--add-dir=/p",
        ]
    );
}

#[test]
fn a_trusted_project_keeps_its_hooks_and_a_resume_names_its_conversation() {
    let arguments = Launch {
        trusted: true,
        model: Some("opus".to_owned()),
        conversation: Conversation::Resume("5c3e".into()),
        permission_mode: "plan".to_owned(),
        ..launch()
    }
    .arguments();
    assert_eq!(arguments.len(), 10);
    assert_eq!(arguments[6], "--permission-mode=plan");
    let settings = arguments[7].to_str().unwrap();
    assert!(settings.contains("\"ask\"") && !settings.contains("disableAllHooks"), "{settings}");
    assert_eq!(arguments[8..], ["--model=opus", "--resume=5c3e"]);
}

#[test]
fn in_a_sandbox_only_a_git_that_runs_programs_is_asked_about() {
    let request = SandboxLayout::default().request(
        Mode::Bwrap,
        &Extra::default(),
        &SessionScope { project: Path::new("/p"), user: "u", trusted: false, own_conversations: None },
        &BTreeMap::new(),
    );
    let inside = |mode, trusted, git_runs_programs| {
        let isolation = Isolation::Sandbox(Box::new(SandboxRequest { mode, ..request.clone() }));
        let launch = Launch { isolation, trusted, git_runs_programs, ..launch() };
        launch.settings().map(|settings| settings.replace("--settings=", ""))
    };
    let (hooks, git) = ("{\"disableAllHooks\":true}", "\"permissions\":{\"ask\":[\"Bash(git *)\"]}");
    let both = format!("{{\"disableAllHooks\":true,{git}}}");
    assert_eq!(inside(Mode::Bwrap, false, false).unwrap(), hooks);
    assert_eq!(inside(Mode::Bwrap, false, true).unwrap(), both);
    assert_eq!(inside(Mode::Landlock, false, false).unwrap(), both);
    assert_eq!(inside(Mode::Landlock, true, true), None);
}

#[test]
fn a_value_that_a_person_chose_is_never_taken_for_a_flag() {
    let hostile = "--dangerously-skip-permissions";
    let launch = Launch {
        model: Some(hostile.to_owned()),
        permission_mode: hostile.to_owned(),
        rules: vec![hostile.to_owned()],
        conversation: Conversation::Resume(hostile.into()),
        ..launch()
    };
    assert!(launch.arguments().iter().all(|argument| argument != hostile));
    let bypass = Launch { permission_mode: BYPASS.to_owned(), ..self::launch() };
    assert_eq!(bypass.arguments(), self::launch().arguments());
}

#[test]
fn only_listed_variables_are_inherited() {
    let inherited = pairs(&[
        ("PATH", "/bin"),
        ("LC_ALL", "C.UTF-8"),
        ("ANTHROPIC_API_KEY", "k"),
        ("CLAUDECODE", "1"),
        ("CLAUDE_CODE_SSE_PORT", "1"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials"),
        ("FEISHU_APP_SECRET", "s"),
        ("NOTIFY_SOCKET", "/run/n"),
        ("OPENAI_API_KEY", "s"),
        ("PHONEWORK_KEYRING", "/k"),
        ("LD_PRELOAD", "/evil.so"),
    ]);
    assert_eq!(
        launch().environment(inherited.into_iter()),
        pairs(&[
            ("ANTHROPIC_API_KEY", "k"),
            ("CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD", "1"),
            ("CLAUDE_CODE_DISABLE_FILE_MENTIONS", "1"),
            ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1"),
            ("CLAUDE_CODE_MAX_RETRIES", "4"),
            ("CLAUDE_CODE_STREAM_EVENT_HOLD_MS", "500"),
            ("DISABLE_AUTOUPDATER", "1"),
            ("LC_ALL", "C.UTF-8"),
            ("PATH", "/bin"),
        ])
    );
}

#[test]
fn the_operator_can_override_defaults_but_not_fixed_settings() {
    let env = [
        ("CLAUDE_CODE_MAX_RETRIES", "1"),
        ("CLAUDE_CODE_DISABLE_FILE_MENTIONS", "0"),
        ("PATH", "/opt/bin"),
        ("NOTIFY_SOCKET", "/run/n"),
        ("PHONEWORK_SOCKET", "/s"),
    ];
    let launch =
        Launch { env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), ..launch() };
    let environment = launch.environment(pairs(&[("PATH", "/bin")]).into_iter());
    let expected = [
        ("CLAUDE_CODE_MAX_RETRIES", Some("1")),
        ("CLAUDE_CODE_DISABLE_FILE_MENTIONS", Some("1")),
        ("PATH", Some("/opt/bin")),
        ("NOTIFY_SOCKET", None),
        ("PHONEWORK_SOCKET", None),
    ];
    for (name, value) in expected {
        assert_eq!(environment.get(OsStr::new(name)).map(OsString::as_os_str), value.map(OsStr::new));
    }
}
