//! The real program as a client of the real daemon: what an operator does shows in the chat.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::played::shown;
use crate::support::phonework::{PATIENCE, Phonework, until};

fn client(phonework: &Phonework, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonework"));
    command
        .args(arguments)
        .arg("--socket")
        .arg(phonework.socket())
        .env("TZ", "UTC")
        .env_remove("PHONEWORK_SOCKET")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn asked(phonework: &Phonework, arguments: &[&str]) -> String {
    shown(&client(phonework, arguments).output().await.unwrap())
}

async fn json_of(phonework: &Phonework, arguments: &[&str]) -> Value {
    let output = client(phonework, arguments).output().await.unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn an_operator_lists_and_closes_sessions_and_their_owner_is_told() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("echo x", 1).await;
    let sessions = json_of(&phonework, &["sessions", "--json"]).await;
    let conv_id = sessions["sessions"][0]["conv_id"].as_str().unwrap();
    let listed = asked(&phonework, &["sessions"]).await;
    let rows: Vec<Vec<&str>> = listed.lines().skip(2).map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][..4], ["1*", conv_id, phonework.anna.as_str(), "shop"]);

    let before = phonework.heard(&phonework.chat).len();
    let closed = asked(&phonework, &["close", conv_id, "c-nobody"]).await;
    assert_eq!(
        closed,
        format!(
            "exit 1\n{conv_id} is closed\nphonework: there is no open session c-nobody; `phonework sessions` lists them\n"
        )
    );
    let told = phonework.hear(&phonework.chat, before + 1).await;
    assert_eq!(told[before..], ["The operator has closed your session in shop."]);
    assert_eq!(
        asked(&phonework, &["sessions"]).await,
        "exit 0\nThere are no sessions; people begin one with /new in the chat.\n"
    );
    let all = asked(&phonework, &["sessions", "--all"]).await;
    assert!(all.contains(conv_id) && all.contains(" closed "), "{all}");
}

#[tokio::test]
async fn an_operator_lets_people_in_and_shuts_them_out() {
    let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    phonework.configure("ALLOWED_OPEN_IDS", json!([phonework.anna]));
    phonework.start().await;
    let (anna, ming) = (phonework.anna.to_string(), phonework.ming.to_string());
    let chat = phonework.emulator.p2p(&phonework.ming);
    let says = |phonework: &Phonework, text: &str| phonework.emulator.say(&phonework.ming, &chat, text);

    says(&phonework, "/list");
    let told = phonework.hear(&chat, 1).await;
    assert!(told[0].contains(&ming), "{told:?}");
    assert_eq!(
        asked(&phonework, &["allow", &ming]).await,
        format!("exit 0\n{ming} may talk to the bot now\n")
    );
    says(&phonework, "/list");
    let told = phonework.hear(&chat, 2).await;
    assert!(told[1].starts_with("You have no sessions."), "{told:?}");

    phonework.kill().await;
    phonework.start().await;
    let people = json_of(&phonework, &["allow", "--json"]).await;
    let people: Vec<_> = people["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|person| (person["open_id"].as_str().unwrap(), person["source"].as_str().unwrap()))
        .collect();
    let mut expected = vec![(anna.as_str(), "keyring"), (ming.as_str(), "operator")];
    expected.sort_unstable();
    assert_eq!(people, expected);

    let keyring = asked(&phonework, &["allow", "--remove", &anna]).await;
    assert!(keyring.starts_with("exit 1\n") && keyring.contains("ALLOWED_OPEN_IDS in /"), "{keyring}");
    assert_eq!(
        asked(&phonework, &["allow", "--remove", &ming]).await,
        format!("exit 0\n{ming} may not talk to the bot any more\n")
    );
    let again = asked(&phonework, &["allow", "--remove", &ming]).await;
    assert_eq!(again, format!("exit 1\nphonework: {ming} is not let in; `phonework allow` lists who is\n"));
}

#[tokio::test]
async fn health_tells_the_truth_and_so_does_its_exit_code() {
    let phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    phonework.ask("echo x", 1).await;
    let page = asked(&phonework, &["health"]).await;
    assert!(page.starts_with("exit 0\nhealthy\n"), "{page}");
    assert!(page.contains("\nconnection  connected for "), "{page}");
    assert!(page.contains("\nsessions    open 1, live 1, "), "{page}");
    let health = json_of(&phonework, &["health", "--json"]).await;
    assert_eq!(health["healthy"], true);
    let metrics = asked(&phonework, &["health", "--prometheus"]).await;
    assert!(metrics.contains("\nphonework_connection_state{state=\"connected\"} 1\n"), "{metrics}");
}

/// `phonework tail -f`, as it runs.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(phonework: &Phonework) -> Self {
        let mut child =
            client(phonework, &["tail", "-f"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The lines up to one that holds these words, without times and names.
    async fn until(&mut self, words: &str) -> Vec<String> {
        let mut read = Vec::new();
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no {words:?} after {read:#?}")).unwrap();
            let line = line.unwrap_or_else(|| panic!("the end, and no {words:?} after {read:#?}"));
            // "2026-11-22 12:00:00 c-12345678 what"
            let what = if line.starts_with("20") { line.splitn(4, ' ').nth(3).unwrap() } else { &line };
            read.push(what.to_owned());
            if what.contains(words) {
                return read;
            }
        }
    }
}

#[tokio::test]
async fn following_goes_on_over_a_restart_of_the_daemon() {
    let mut phonework = Phonework::practising(json!({})).await;
    let anna = phonework.anna.to_string();
    phonework.open_shop().await;
    phonework.ask("echo before", 1).await;
    phonework.audited(1).await;
    let mut following = Following::start(&phonework);
    let first = following.until("answered after").await;
    assert_eq!(
        first[..3],
        [format!("{anna} asks"), "    echo before".to_owned(), "Claude answers".to_owned()]
    );

    // A turn that is cut: what was shown of it is not shown again.
    phonework.say("hang");
    assert_eq!(following.until("    hang").await, [format!("{anna} asks"), "    hang".to_owned()]);
    phonework.kill().await;
    let mut noted = BufReader::new(following.child.stderr.take().unwrap()).lines();
    let note = timeout(PATIENCE, noted.next_line()).await.unwrap().unwrap();
    assert_eq!(note.as_deref(), Some("phonework: note: the daemon went away; waiting for it"));
    phonework.start().await;
    let rest = following.until("cut after").await;
    assert_eq!(rest.len(), 1, "{rest:#?}");

    phonework.say("echo after");
    let last = following.until("answered after").await;
    assert_eq!(
        last[..4],
        [format!("{anna} asks"), "    echo after".into(), "Claude answers".into(), "    after".into()]
    );
}

#[tokio::test]
async fn what_is_closed_with_all_is_all_that_is_open() {
    let phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    phonework.sleeping(450);
    let mut phonework = phonework;
    phonework.start().await;
    let closed = json_of(&phonework, &["close", "--all", "--json"]).await;
    assert_eq!(closed["closed"].as_array().unwrap().len(), 450);
    assert_eq!(closed["failed"], json!([]));
    until(|| {
        let sessions = std::fs::read_to_string(phonework.state().join("sessions.json")).unwrap();
        let sessions: Value = serde_json::from_str(&sessions).unwrap();
        let open = |session: &Value| session["closed_at"].is_null();
        (!sessions["sessions"].as_array().unwrap().iter().any(open)).then_some(())
    })
    .await;
}
