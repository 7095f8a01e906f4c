//! The sentences that people read, and the values that come out.

use secrecy::ExposeSecret;

use super::*;

const CREDENTIALS: &str = "FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET: s3cr3t\n";

/// What a person reads for each text, one fault a line.
fn sentences(texts: &[&str]) -> String {
    let mut lines = Vec::new();
    for text in texts {
        match parse_all(text) {
            Ok(_) => lines.push(format!("good: {text:?}")),
            Err(faults) => lines.extend(faults.iter().map(ToString::to_string)),
        }
    }
    lines.join("\n")
}

/// As [`sentences`], for lines that follow good credentials: they begin on line 3.
fn after_credentials(lines: &[&str]) -> String {
    let texts: Vec<String> = lines.iter().map(|line| format!("{CREDENTIALS}{line}")).collect();
    sentences(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn two_keys_are_enough() {
    let keyring = parse(CREDENTIALS).unwrap();
    assert_eq!(keyring.app_secret.expose_secret(), "s3cr3t");
    insta::assert_snapshot!(format!("{keyring:#?}"), @r#"
    Keyring {
        app_id: "cli_a1",
        domain: "https://open.feishu.cn",
        allowed: {},
        working_dir: "~",
        claude_command: "claude",
        claude_env: [],
        claude_model: None,
        permission_mode: Default,
        turn_timeout: 1800s,
        idle_timeout: 1800s,
        approval_timeout: 600s,
        max_live_sessions: 8,
        stale_after: 300s,
        sandbox: Auto,
        sandbox_extra: Extra {
            read: [],
            write: [],
            processes: Some(
                1000,
            ),
        },
        memory_limit: 4294967296,
        trusted_projects: [],
        mail_boy: None,
        language: En,
        ..
    }
    "#);
}

#[test]
fn every_key_has_its_place() {
    let text = r#"
FEISHU_APP_ID: "cli_a1"
FEISHU_APP_SECRET: '0123'
FEISHU_DOMAIN: lark
ALLOWED_OPEN_IDS: [ou_a, ou_b, ou_a]
WORKING_DIR: ~/src
CLAUDE_COMMAND: /opt/claude
CLAUDE_ENV:
  ANTHROPIC_API_KEY: "sk-hidden"
  EMPTY: ""
CLAUDE_MODEL: opus
PERMISSION_MODE: acceptEdits
TURN_TIMEOUT: 60
IDLE_TIMEOUT: 2h
APPROVAL_TIMEOUT: "90s"
MAX_LIVE_SESSIONS: 1000
STALE_AFTER: 1m
SANDBOX: off
SANDBOX_PATHS: {read: [/srv/data, ~/fonts], write: [/srv/out]}
LIMITS: {memory: 512M, processes: 300}
TRUSTED_PROJECTS:
  - shop
  - /srv/sites/shop
OPENAI_BASE_URL: https://llm.example/v1/
OPENAI_API_KEY: hidden
OPENAI_MODEL: small
LANGUAGE: zh
"#;
    let keyring = parse(text).unwrap();
    assert_eq!(keyring.app_secret.expose_secret(), "0123");
    assert_eq!(keyring.claude_env["ANTHROPIC_API_KEY"], "sk-hidden");
    assert_eq!(keyring.position("WORKING_DIR"), Some(TextPosition { line: 6, column: 14 }));
    assert_eq!(keyring.position("TRUSTED_PROJECTS"), Some(TextPosition { line: 22, column: 3 }));
    let debug = format!("{keyring:#?}");
    assert!(!debug.contains("hidden"));
    insta::assert_snapshot!(debug, @r#"
    Keyring {
        app_id: "cli_a1",
        domain: "https://open.larksuite.com",
        allowed: {
            OpenId(
                "ou_a",
            ),
            OpenId(
                "ou_b",
            ),
        },
        working_dir: "~/src",
        claude_command: "/opt/claude",
        claude_env: [
            "ANTHROPIC_API_KEY",
            "EMPTY",
        ],
        claude_model: Some(
            "opus",
        ),
        permission_mode: AcceptEdits,
        turn_timeout: 60s,
        idle_timeout: 7200s,
        approval_timeout: 90s,
        max_live_sessions: 1000,
        stale_after: 60s,
        sandbox: Off,
        sandbox_extra: Extra {
            read: [
                "/srv/data",
                "~/fonts",
            ],
            write: [
                "/srv/out",
            ],
            processes: Some(
                300,
            ),
        },
        memory_limit: 536870912,
        trusted_projects: [
            "shop",
            "/srv/sites/shop",
        ],
        mail_boy: Some(
            "small",
        ),
        language: Zh,
        ..
    }
    "#);
    for key in KEYS {
        assert!(text.contains(&format!("\n{key}:")), "{key} is not in this test");
    }
}

#[test]
fn a_text_that_is_no_map_of_keys_is_refused_with_the_way_out() {
    insta::assert_snapshot!(sentences(&[
        "",
        "# only a comment\n",
        "---\n",
        "- FEISHU_APP_ID\n",
        "FEISHU_APP_ID:cli_a1\n",
        "FEISHU_APP_ID:cli_a1\nFEISHU_APP_SECRET:s3cr3t\nLANGUAGE: en\n",
        "FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET:s3cr3t\nLANGUAGE: en\n",
        "12",
        "FEISHU_APP_ID: cli_a1\n---\nFEISHU_APP_SECRET: s3cr3t\n",
        "FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET: *secret\n",
        "FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET: \"s3cr3t\n",
        "FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET: s3cr3t: x\n",
        "FEISHU_APP_ID: cli_a1\nFEISHU_APP_SECRET: @s3cr3t\n",
        "FEISHU_APP_ID: cli_a1\n  FEISHU_APP_SECRET: s3cr3t\n",
        "FEISHU_APP_ID: cli_a1\nCLAUDE_ENV:\n\tA: b\n",
        "FEISHU_APP_ID: cli_a1\nALLOWED_OPEN_IDS: [ou_a\nLANGUAGE: en\n",
        "FEISHU_APP_ID: cli_a1\u{1}\n",
        "&a [*a]",
        "!keyring {}",
        "FEISHU_APP_ID: cli_a1\nLANGUAGE: \"en\nFEISHU_APP_SECRET: s3cr3t\nWORKING_DIR: \"~\"\n",
        "FEISHU_APP_ID: cli_a1\nLANGUAGE: en\n  FEISHU_APP_SECRET:s3cr3t\n",
    ]), @r"
    keyring.yaml:1:1: the keyring is empty; give FEISHU_APP_ID and FEISHU_APP_SECRET at least
    keyring.yaml:2:1: the keyring is empty; give FEISHU_APP_ID and FEISHU_APP_SECRET at least
    keyring.yaml:2:1: the keyring is empty; give FEISHU_APP_ID and FEISHU_APP_SECRET at least
    keyring.yaml:1:1: the keyring is a list; write `KEY: value` lines, with a space after the colon
    keyring.yaml:1:1: the keyring is text; write `KEY: value` lines, with a space after the colon
    keyring.yaml:1:1: the keyring is text; write `KEY: value` lines, with a space after the colon
    keyring.yaml:3:1: the keyring has a line without a colon before this one; write `KEY: value`, with a space after the colon
    keyring.yaml:1:1: the keyring is a number; write `KEY: value` lines, with a space after the colon
    keyring.yaml:2:1: the keyring holds more than one document; take the later ones, which begin at the line `---`, out
    keyring.yaml:2:20: the keyring uses an alias (`*name`) that is defined nowhere before; write the value itself
    keyring.yaml:3:1: the keyring ends inside a quoted text; close its quotes
    keyring.yaml:2:26: the keyring has a colon where none can stand; put a value with a colon in quotes, and each key on a line of its own
    keyring.yaml:2:20: the keyring has a character here that cannot begin a value in YAML; put the value in quotes
    keyring.yaml:1:16: FEISHU_APP_ID has a blank in it; give it as one word
    keyring.yaml:2:20: the keyring has a colon where none can stand; put a value with a colon in quotes, and each key on a line of its own
    keyring.yaml:3:1: the keyring has a tab where YAML takes spaces only; put spaces in its place
    keyring.yaml:2:20: ALLOWED_OPEN_IDS has an item that is a text with blanks; give open_ids, which are single words like ou_…
    keyring.yaml:3:9: the keyring has a list or map in brackets that is not closed; put a comma between the items and close the bracket
    keyring.yaml:1:22: the keyring has a control character; take it out
    keyring.yaml:1:1: the keyring is a list; write `KEY: value` lines, with a space after the colon
    keyring.yaml:1:1: the keyring has a tag (`!…`); write `KEY: value` lines, with a space after the colon
    keyring.yaml:2:11: LANGUAGE is a long text; give en or zh
    keyring.yaml:4:15: the keyring is no YAML from here on; write `KEY: value` lines, and put a value with unusual characters in quotes
    keyring.yaml:2:11: LANGUAGE is a text with blanks; give en or zh
    keyring.yaml: FEISHU_APP_SECRET is missing; give it as the Credentials page of the app in Feishu's developer console shows it
    ");
}

#[test]
fn a_byte_order_mark_and_anchors_are_taken() {
    assert!(parse(&format!("\u{feff}{CREDENTIALS}")).is_ok());
    let keyring = parse("FEISHU_APP_ID: &id cli_a1\nFEISHU_APP_SECRET: *id\n").unwrap();
    assert_eq!(keyring.app_secret.expose_secret(), "cli_a1");
}

#[test]
fn unknown_keys_and_duplicates_are_refused_with_their_place() {
    insta::assert_snapshot!(sentences(&[
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: b\nTURN_TIMEOUTS: 5\n",
        "feishu_app_id: a\nFEISHU-APP-SECRET: b\n",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: b\nFEISHU_APP_ID: c\n",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: 12\nFEISHU_APP_SECRET: 13\n",
    ]), @r"
    keyring.yaml:3:1: TURN_TIMEOUTS is no key of the keyring; the nearest is TURN_TIMEOUT
    keyring.yaml:1:1: feishu_app_id is no key of the keyring; the nearest is FEISHU_APP_ID
    keyring.yaml:2:1: FEISHU-APP-SECRET is no key of the keyring; the nearest is FEISHU_APP_SECRET
    keyring.yaml: FEISHU_APP_ID is missing; give it as the Credentials page of the app in Feishu's developer console shows it
    keyring.yaml: FEISHU_APP_SECRET is missing; give it as the Credentials page of the app in Feishu's developer console shows it
    keyring.yaml:3:1: FEISHU_APP_ID is given twice; take one of the two out
    keyring.yaml:2:20: FEISHU_APP_SECRET is a number; give text, in quotes
    keyring.yaml:3:1: FEISHU_APP_SECRET is given twice; take one of the two out
    ");
    insta::assert_snapshot!(after_credentials(&[
        "COLOUR: red",
        "12: x",
        "? [a]\n: x",
        "\"s3cr3t/with+signs\": x",
        "<<: {LANGUAGE: en}",
        "CLAUDE_ENV: {A: x, B: y, A: z}",
        "LANGUAGE: en\nCLAUDE_ENV:\n  A: x\n  A: z\n",
    ]), @r"
    keyring.yaml:3:1: COLOUR is no key of the keyring; keyring.yaml(5) lists the keys
    keyring.yaml:3:1: the keyring has a key that is a number; keyring.yaml(5) lists the keys
    keyring.yaml:3:3: the keyring has a key that is a list; keyring.yaml(5) lists the keys
    keyring.yaml:3:1: a key that cannot be shown is no key of the keyring; keyring.yaml(5) lists the keys
    keyring.yaml:3:1: `<<` is YAML's merge key, which is not taken here; write the keys themselves
    keyring.yaml:3:26: CLAUDE_ENV.A is given twice; take one of the two out
    keyring.yaml:6:3: CLAUDE_ENV.A is given twice; take one of the two out
    ");
}

#[test]
fn values_of_the_wrong_kind_are_refused_and_secrets_not_shown() {
    let shown = sentences(&[
        "FEISHU_APP_ID: 7654321\nFEISHU_APP_SECRET: 1234567",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: 1234567e8",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: 123456789012345678901234567890",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: -1234567",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: !!int 1234567x",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: !secret 1234567",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: [1234567]",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: {1234567: 1234567}",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: 1234567 1234567",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: true",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET:",
        "FEISHU_APP_ID: a\nFEISHU_APP_SECRET: \"\"",
    ]);
    assert!(!shown.contains("1234567"));
    insta::assert_snapshot!(shown, @r"
    keyring.yaml:1:16: FEISHU_APP_ID is a number; give text, in quotes
    keyring.yaml:2:20: FEISHU_APP_SECRET is a number; give text, in quotes
    keyring.yaml:2:20: FEISHU_APP_SECRET is a number; give text, in quotes
    keyring.yaml:2:20: FEISHU_APP_SECRET is a number; give text, in quotes
    keyring.yaml:2:20: FEISHU_APP_SECRET is a number; give text, in quotes
    keyring.yaml:2:20: the keyring is no YAML from here on; write `KEY: value` lines, and put a value with unusual characters in quotes
    keyring.yaml:2:20: FEISHU_APP_SECRET has a tag (`!…`); give text, in quotes
    keyring.yaml:2:20: FEISHU_APP_SECRET is a list; give text, in quotes
    keyring.yaml:2:20: FEISHU_APP_SECRET is a map; give text, in quotes
    keyring.yaml:2:20: FEISHU_APP_SECRET has a blank in it; give it as one word
    keyring.yaml:2:20: FEISHU_APP_SECRET is true or false; give text, in quotes
    keyring.yaml:2:19: FEISHU_APP_SECRET has no value; give text, in quotes, or take the line out
    keyring.yaml:2:20: FEISHU_APP_SECRET is empty; give its value, or take the line out
    ");
    insta::assert_snapshot!(after_credentials(&[
        "ALLOWED_OPEN_IDS: ou_a",
        "ALLOWED_OPEN_IDS: [ou_a, 12]",
        "ALLOWED_OPEN_IDS:\n  - ou_a\n  - ou_b ou_c",
        "ALLOWED_OPEN_IDS:",
        "TRUSTED_PROJECTS: {a: b}",
        "TRUSTED_PROJECTS: ['']",
        "CLAUDE_ENV: [A]",
        "CLAUDE_ENV: {A: 1234567}",
        "CLAUDE_ENV: {A: [1234567]}",
        "CLAUDE_ENV: {1234567: x}",
        "CLAUDE_ENV: {\"A B\": x}",
        "CLAUDE_ENV: {A: \"x\\0\"}",
        "TURN_TIMEOUT: [5]",
        "LANGUAGE: null",
    ]), @r#"
    keyring.yaml:3:19: ALLOWED_OPEN_IDS is text; give a list of texts, like ["a", "b"]
    keyring.yaml:3:26: ALLOWED_OPEN_IDS has an item that is a number; put each item in quotes
    keyring.yaml:5:5: ALLOWED_OPEN_IDS has an item that is a text with blanks; give open_ids, which are single words like ou_…
    keyring.yaml:3:18: ALLOWED_OPEN_IDS has no value; give a list of texts, like ["a", "b"], or take the line out
    keyring.yaml:3:19: TRUSTED_PROJECTS is a map; give a list of texts, like ["a", "b"]
    keyring.yaml:3:20: TRUSTED_PROJECTS has an item that is ""; give paths, absolute ones or relative to WORKING_DIR
    keyring.yaml:3:13: CLAUDE_ENV is a list; give a map of names to texts, like {NAME: "value"}
    keyring.yaml:3:17: CLAUDE_ENV.A is a number; give text, in quotes
    keyring.yaml:3:17: CLAUDE_ENV.A is a list; give text, in quotes
    keyring.yaml:3:14: CLAUDE_ENV has a name that is a number; put it in quotes
    keyring.yaml:3:14: CLAUDE_ENV.a key that cannot be shown is no variable's name; a name has letters, digits and `_`, and begins with no digit
    keyring.yaml:3:17: CLAUDE_ENV.A has a NUL character; take it out: no variable can hold one
    keyring.yaml:3:15: TURN_TIMEOUT is a list; give seconds (300) or a time like 90s, 10m or 2h
    keyring.yaml:3:11: LANGUAGE has no value; give text, in quotes, or take the line out
    "#);
}

#[test]
fn bad_values_are_refused_with_what_is_expected() {
    insta::assert_snapshot!(after_credentials(&[
        "TURN_TIMEOUT: soon",
        "TURN_TIMEOUT: 0",
        "IDLE_TIMEOUT: -5",
        "IDLE_TIMEOUT: 1.5",
        "APPROVAL_TIMEOUT: 721h",
        "STALE_AFTER: 5 m",
        "MAX_LIVE_SESSIONS: 0",
        "MAX_LIVE_SESSIONS: 1001",
        "MAX_LIVE_SESSIONS: \"8\"",
        "MAX_LIVE_SESSIONS: many",
        "PERMISSION_MODE: bypassPermissions",
        "PERMISSION_MODE: acceptedits",
        "SANDBOX: docker",
        "SANDBOX_PATHS: /srv",
        "SANDBOX_PATHS: {read: /srv}",
        "SANDBOX_PATHS: {read: [srv]}",
        "SANDBOX_PATHS: {exec: [/srv]}",
        "SANDBOX_PATHS: {read: [/a], read: [/b]}",
        "LIMITS: 4G",
        "LIMITS: {memory: 4096}",
        "LIMITS: {memory: 4T}",
        "LIMITS: {memory: 100M}",
        "LIMITS: {processes: 0}",
        "LIMITS: {parallel: many}",
        "LANGUAGE: de",
        "FEISHU_DOMAIN: feishu.cn",
        "FEISHU_DOMAIN: https://me:s3cr3t@host",
        "WORKING_DIR: src",
        "CLAUDE_COMMAND: bin/claude",
        "CLAUDE_COMMAND: ''",
        "CLAUDE_MODEL: --dangerous",
        "OPENAI_API_KEY: x",
        "OPENAI_BASE_URL: localhost",
    ]), @r#"
    keyring.yaml:3:15: TURN_TIMEOUT is "soon", which is no time; give seconds (300) or a time like 90s, 10m or 2h
    keyring.yaml:3:15: TURN_TIMEOUT is "0", which is zero; give seconds (300) or a time like 90s, 10m or 2h
    keyring.yaml:3:15: IDLE_TIMEOUT is no whole number above zero; give seconds (300) or a time like 90s, 10m or 2h
    keyring.yaml:3:15: IDLE_TIMEOUT is no whole number above zero; give seconds (300) or a time like 90s, 10m or 2h
    keyring.yaml:3:19: APPROVAL_TIMEOUT is "721h", which is longer than 30 days; give seconds (300) or a time like 90s, 10m or 2h
    keyring.yaml:3:14: STALE_AFTER is a text with blanks, which is no time; give seconds (300) or a time like 90s, 10m or 2h
    keyring.yaml:3:20: MAX_LIVE_SESSIONS is 0; give a whole number from 1 to 1000
    keyring.yaml:3:20: MAX_LIVE_SESSIONS is 1001; give a whole number from 1 to 1000
    keyring.yaml:3:20: MAX_LIVE_SESSIONS is text; give a whole number from 1 to 1000
    keyring.yaml:3:20: MAX_LIVE_SESSIONS is text; give a whole number from 1 to 1000
    keyring.yaml:3:18: PERMISSION_MODE is bypassPermissions, which would let Claude run everything unasked; give default, acceptEdits, plan, dontAsk or auto
    keyring.yaml:3:18: PERMISSION_MODE is "acceptedits"; give default, acceptEdits, plan, dontAsk or auto
    keyring.yaml:3:10: SANDBOX is "docker"; give auto, bwrap, landlock or off
    keyring.yaml:3:16: SANDBOX_PATHS is text; give a map, like {name: value}
    keyring.yaml:3:23: SANDBOX_PATHS.read is text; give a list of paths, like ["/srv/data"]
    keyring.yaml:3:24: SANDBOX_PATHS.read is "srv"; give a path that begins with / or ~/
    keyring.yaml:3:17: SANDBOX_PATHS has "exec"; give read or write
    keyring.yaml:3:29: SANDBOX_PATHS has read twice; take one of the two out
    keyring.yaml:3:9: LIMITS is text; give a map, like {name: value}
    keyring.yaml:3:18: LIMITS.memory is a number; give a size with its unit: 512M, 4G
    keyring.yaml:3:18: LIMITS.memory is "4T"; give a size with its unit, 256M at least: 512M, 4G
    keyring.yaml:3:18: LIMITS.memory is "100M"; give a size with its unit, 256M at least: 512M, 4G
    keyring.yaml:3:21: LIMITS.processes is a number; give a whole number from 1 to 1000000
    keyring.yaml:3:10: LIMITS has "parallel"; give memory or processes
    keyring.yaml:3:11: LANGUAGE is "de"; give en or zh
    keyring.yaml:3:16: FEISHU_DOMAIN is "feishu.cn"; give feishu, lark or a base URL like https://host
    keyring.yaml:3:16: FEISHU_DOMAIN is a URL with a name or password in it; give a URL like https://host or https://host/path
    keyring.yaml:3:14: WORKING_DIR is "src"; give a path that begins with / or ~/
    keyring.yaml:3:17: CLAUDE_COMMAND is "bin/claude", a path relative to nothing; give a name to be found on PATH, or a path that begins with / or ~/
    keyring.yaml:3:17: CLAUDE_COMMAND is ""; give the name or path of a program
    keyring.yaml:3:15: CLAUDE_MODEL is "--dangerous", which is no model's name; give it as `claude --model` takes it, or take the line out
    keyring.yaml: OPENAI_BASE_URL is missing, though another OPENAI_… key is given; give OPENAI_BASE_URL and OPENAI_MODEL, or none of them for no mail boy
    keyring.yaml: OPENAI_MODEL is missing, though another OPENAI_… key is given; give OPENAI_BASE_URL and OPENAI_MODEL, or none of them for no mail boy
    keyring.yaml:3:18: OPENAI_BASE_URL is no URL; give a URL like https://host or https://host/path
    keyring.yaml: OPENAI_MODEL is missing, though another OPENAI_… key is given; give OPENAI_BASE_URL and OPENAI_MODEL, or none of them for no mail boy
    "#);
}

#[test]
fn all_faults_are_found_at_once_in_the_order_of_the_text() {
    insta::assert_snapshot!(sentences(&[
        "LANGUAGE: de\nFEISHU_APP_ID: 5\nTURN_TIMEOUT: 0\nFOO: bar\nSANDBOX: docker\n",
        "LANGUAGE: de\nTURN_TIMEOUT: 0\n\tX: 1\n",
    ]), @r#"
    keyring.yaml:1:11: LANGUAGE is "de"; give en or zh
    keyring.yaml:2:16: FEISHU_APP_ID is a number; give text, in quotes
    keyring.yaml:3:15: TURN_TIMEOUT is "0", which is zero; give seconds (300) or a time like 90s, 10m or 2h
    keyring.yaml:4:1: FOO is no key of the keyring; keyring.yaml(5) lists the keys
    keyring.yaml:5:10: SANDBOX is "docker"; give auto, bwrap, landlock or off
    keyring.yaml: FEISHU_APP_SECRET is missing; give it as the Credentials page of the app in Feishu's developer console shows it
    keyring.yaml:1:11: LANGUAGE is "de"; give en or zh
    keyring.yaml:3:1: the keyring has a tab where YAML takes spaces only; put spaces in its place
    "#);
}

#[test]
fn a_file_full_of_faults_is_given_up() {
    let text: String = (0..2_000).map(|n| format!("K{n}: x\n")).collect();
    assert_eq!(parse_all(&text).unwrap_err().len(), 20);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[A-Z_a-z0-9:\\- \n\t\"'{}\\[\\]&*!|>#?,%@`.<\u{1}\u{feff}é]{0,200}") {
        let _ = parse_all(&text);
    }
}
