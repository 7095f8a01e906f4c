//! The real program: what it says of bad configurations and usage, and its exit codes.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const CREDENTIALS: &str = "FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET: s3cr3t\n";

/// A home with a keyring, and a `claude` on `PATH`.
struct Home(TempDir);

impl Home {
    fn new(keyring: impl AsRef<[u8]>) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let bin = home.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("claude"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(bin.join("claude"), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(home.keyring(), keyring).unwrap();
        home.set_mode(0o640);
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn keyring(&self) -> PathBuf {
        self.path().join("keyring.yaml")
    }

    fn set_mode(&self, mode: u32) {
        std::fs::set_permissions(self.keyring(), PermissionsExt::from_mode(mode)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phonework"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", self.path().join("bin"))
            .env("PHONEWORK_KEYRING", self.keyring())
            .stdin(Stdio::null());
        command
    }

    /// The exit code, then what was written; the home is written `HOME`.
    fn shown(&self, output: &Output) -> String {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.replace(self.path().to_str().unwrap(), "HOME")
        };
        format!("exit {}\n{}{}", output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    fn check(&self) -> String {
        let output = self.command(&["check"]).output().unwrap();
        self.shown(&output)
    }
}

#[test]
fn a_good_keyring_is_said_to_be_good() {
    let home =
        Home::new(format!("{CREDENTIALS}ALLOWED_OPEN_IDS: [ou_a]\nSANDBOX: off\nWORKING_DIR: ~/bin\n"));
    insta::assert_snapshot!(home.check(), @r"
    exit 0
    HOME/keyring.yaml is good
    ");
}

#[test]
fn what_has_no_effect_is_said() {
    let home = Home::new(format!(
        "{CREDENTIALS}ALLOWED_OPEN_IDS: [somebody]\nFEISHU_DOMAIN: http://feishu.example\nTRUSTED_PROJECTS: [bin, gone, ../etc]\n\
         OPENAI_BASE_URL: http://127.0.0.1:1/v1\nOPENAI_MODEL: small\n"
    ));
    insta::assert_snapshot!(home.check(), @r#"
    exit 0
    HOME/keyring.yaml is good
    note: the OPENAI_… keys have no effect yet, as this version has no mail boy
    note: ALLOWED_OPEN_IDS has "somebody", but an open_id begins with ou_
    note: FEISHU_DOMAIN is http, so the app's secret will cross the network in the clear
    note: HOME/keyring.yaml:5:19: TRUSTED_PROJECTS has gone, which no session can be in: there is no such directory; it is passed over
    note: HOME/keyring.yaml:5:19: TRUSTED_PROJECTS has ../etc, which no session can be in: it does not lie inside the working directory; it is passed over
    "#);
    insta::assert_snapshot!(Home::new(CREDENTIALS).check(), @r"
    exit 0
    HOME/keyring.yaml is good
    note: ALLOWED_OPEN_IDS is empty, so the bot only tells people their open_id
    ");
}

#[test]
fn bad_configurations_are_told_in_one_sentence_each_and_exit_78() {
    let with = |lines: &str| format!("{CREDENTIALS}{lines}\n").into_bytes();
    let cases = [
        Vec::new(),
        b"FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET: 12345\n".to_vec(),
        b"FEISHU_APP_ID: cli_a1\n".to_vec(),
        b"FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET: \xff\n".to_vec(),
        with("TURN_TIMEOUTS: 5"),
        with("LANGUAGE: en\nLANGUAGE: zh"),
        with("TURN_TIMEOUT: soon\nMAX_LIVE_SESSIONS: 0"),
        with("PERMISSION_MODE: bypassPermissions"),
        with("SANDBOX: docker"),
        with("CLAUDE_ENV: {A: 1}"),
        with("WORKING_DIR: ~/nowhere"),
        with("WORKING_DIR: ~/keyring.yaml"),
        with("CLAUDE_COMMAND: clod\nWORKING_DIR: /nowhere"),
        with("CLAUDE_COMMAND: ~/clod"),
        vec![b'#'; (1 << 20) + 1],
    ];
    let said: Vec<String> = cases.into_iter().map(|case| Home::new(case).check()).collect();
    insta::assert_snapshot!(said.concat(), @r#"
    exit 78
    phonework: HOME/keyring.yaml:1:1: the keyring is empty; give FEISHU_APP_ID and FEISHU_APP_SECRET at least
    exit 78
    phonework: HOME/keyring.yaml:2:20: FEISHU_APP_SECRET is a number; give text, in quotes
    exit 78
    phonework: HOME/keyring.yaml: FEISHU_APP_SECRET is missing; give it as the Credentials page of the app in Feishu's developer console shows it
    exit 78
    phonework: HOME/keyring.yaml:2:20: the keyring has a character that is not UTF-8; save the file as UTF-8
    exit 78
    phonework: HOME/keyring.yaml:3:1: TURN_TIMEOUTS is no key of the keyring; the nearest is TURN_TIMEOUT
    exit 78
    phonework: HOME/keyring.yaml:4:1: LANGUAGE is given twice; take one of the two out
    exit 78
    phonework: HOME/keyring.yaml:3:15: TURN_TIMEOUT is "soon", which is no time; give seconds (300) or a time like 90s, 10m or 2h
    phonework: HOME/keyring.yaml:4:20: MAX_LIVE_SESSIONS is 0; give a whole number from 1 to 1000
    exit 78
    phonework: HOME/keyring.yaml:3:18: PERMISSION_MODE is bypassPermissions, which would let Claude run everything unasked; give default, acceptEdits, plan, dontAsk or auto
    exit 78
    phonework: HOME/keyring.yaml:3:10: SANDBOX is "docker"; give auto, bwrap, landlock or off
    exit 78
    phonework: HOME/keyring.yaml:3:17: CLAUDE_ENV.A is a number; give text, in quotes
    exit 78
    phonework: HOME/keyring.yaml:3:14: WORKING_DIR is HOME/nowhere, which does not exist; make the directory or name another
    exit 78
    phonework: HOME/keyring.yaml:3:14: WORKING_DIR is HOME/keyring.yaml, which is no directory; name a directory
    exit 78
    phonework: HOME/keyring.yaml:4:14: WORKING_DIR is /nowhere, which does not exist; make the directory or name another
    phonework: HOME/keyring.yaml:3:17: CLAUDE_COMMAND is clod, which is not on this user's PATH; install Claude Code, or give the program's absolute path
    exit 78
    note: ALLOWED_OPEN_IDS is empty, so the bot only tells people their open_id
    phonework: HOME/keyring.yaml:3:17: CLAUDE_COMMAND is ~/clod, which cannot be run; install Claude Code there or give its path
    exit 78
    phonework: the keyring HOME/keyring.yaml is longer than 1 MiB; name the right file with --keyring FILE
    "#);
}

#[test]
fn a_keyring_that_cannot_be_trusted_or_read_is_refused() {
    let home = Home::new(CREDENTIALS);
    let mut said = String::new();
    for mode in [0o644, 0o602] {
        home.set_mode(mode);
        said += &home.check();
    }
    std::fs::remove_file(home.keyring()).unwrap();
    said += &home.check();
    std::fs::create_dir(home.keyring()).unwrap();
    said += &home.check();
    std::fs::remove_dir(home.keyring()).unwrap();
    assert!(Command::new("mkfifo").arg(home.keyring()).status().unwrap().success());
    said += &home.check();
    std::fs::remove_file(home.keyring()).unwrap();
    symlink("keyring.yaml", home.keyring()).unwrap();
    said += &home.check();
    insta::assert_snapshot!(said, @r"
    exit 78
    phonework: the keyring HOME/keyring.yaml is open to every user of this machine (mode 0644); close it with `chmod o= HOME/keyring.yaml`
    exit 78
    phonework: the keyring HOME/keyring.yaml is open to every user of this machine (mode 0602); close it with `chmod o= HOME/keyring.yaml`
    exit 78
    phonework: there is no keyring at HOME/keyring.yaml; write one (keyring.yaml(5) says what goes in) or name another with --keyring FILE
    exit 78
    phonework: the keyring HOME/keyring.yaml is no file; name one with --keyring FILE
    exit 78
    phonework: the keyring HOME/keyring.yaml is no file; name one with --keyring FILE
    exit 78
    phonework: the keyring HOME/keyring.yaml cannot be read: Too many levels of symbolic links (os error 40); let this user read it or name another with --keyring FILE
    ");
}

#[test]
fn a_credential_of_systemd_may_have_any_mode() {
    let home = Home::new(format!("{CREDENTIALS}ALLOWED_OPEN_IDS: [ou_a]\nSANDBOX: off\n"));
    home.set_mode(0o444);
    let output = home
        .command(&["check"])
        .env_remove("PHONEWORK_KEYRING")
        .env("CREDENTIALS_DIRECTORY", home.path())
        .output()
        .unwrap();
    assert_eq!(home.shown(&output), "exit 0\nHOME/keyring.yaml is good\n");
}

#[test]
fn the_option_names_the_keyring() {
    let home = Home::new("");
    let other = home.path().join("other.yaml");
    let output = home.command(&["check", "--keyring", other.to_str().unwrap()]).output().unwrap();
    assert_eq!(
        home.shown(&output),
        "exit 78\nphonework: there is no keyring at HOME/other.yaml; write one (keyring.yaml(5) says what goes in) or name another with --keyring FILE\n"
    );
}

#[test]
fn wrong_usage_exits_2() {
    let home = Home::new(CREDENTIALS);
    let mut said = String::new();
    for arguments in [&["chek"] as &[&str], &["check", "--keyrin", "x"], &["check", "x"]] {
        said += &home.shown(&home.command(arguments).output().unwrap());
    }
    insta::assert_snapshot!(said, @r"
    exit 2
    phonework: unrecognized subcommand 'chek'; a similar subcommand exists: 'check'; `phonework --help` shows the usage
    exit 2
    phonework: unexpected argument '--keyrin' found; a similar argument exists: '--keyring'; `phonework check --help` shows the usage
    exit 2
    phonework: unexpected argument 'x' found; `phonework check --help` shows the usage
    ");
    let nothing = home.command(&[]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn help_and_version_are_answers() {
    let home = Home::new(CREDENTIALS);
    let mut said = String::new();
    for subcommand in ["", "serve", "sessions", "close", "tail", "health", "allow", "check", "demo"] {
        let arguments = [subcommand, "--help"];
        let arguments = if subcommand.is_empty() { &arguments[1..] } else { &arguments };
        let output = home.command(arguments).env("COLUMNS", "100").output().unwrap();
        assert!(output.stderr.is_empty());
        said += &format!("$ phonework {}\n{}\n", arguments.join(" "), home.shown(&output));
    }
    insta::assert_snapshot!(said);
    let version = home.command(&["--version"]).output().unwrap();
    assert!(home.shown(&version).starts_with("exit 0\nphonework 0."));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let home = Home::new(format!("{CREDENTIALS}SANDBOX: off\n"));
    for arguments in [["check"], ["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.command(&arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(home.shown(&output), "exit 0\n", "{arguments:?}");
    }
}
