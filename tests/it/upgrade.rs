//! State that another version left behind is loaded and carried on.
//!
//! `tests/fixtures/state` has a folder for each version that ever changed what is on disk. Its daemon was killed in the
//! middle of everything; today's daemon starts on a copy. The folders are never changed and never removed. To add one,
//! run the first test with `PHONEWORK_KEEP_STATE` set to the new folder.

mod kept;
mod left;

use std::collections::BTreeMap;

use phonework::ids::ChatId;
use rusqlite::Connection;
use serde_json::{Value, json};

use self::kept::Kept;
use crate::support::audit::audit_below;
use crate::support::phonework::{Phonework, until};
use crate::support::varlink::Varlink;

#[tokio::test]
async fn todays_daemon_leaves_state_of_every_kind_and_carries_it_on() {
    let mut phonework = installed().await;
    left::by_a_kill(&mut phonework).await;
    if let Some(folder) = std::env::var_os("PHONEWORK_KEEP_STATE") {
        Kept::at(folder.into()).keep(&phonework);
    }
    carries_on(&mut phonework).await;
}

#[tokio::test]
async fn the_state_of_version_0_1_0_is_carried_on() {
    let mut phonework = installed().await;
    Kept::of_version("0.1.0").copy_to(&phonework);
    carries_on(&mut phonework).await;
}

/// Only Anna is in the keyring: Ming was let in by an operator.
async fn installed() -> Phonework {
    let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    let anna = json!([phonework.anna]);
    phonework.configure("ALLOWED_OPEN_IDS", anna);
    phonework
}

/// The rows of a table of `mail.db`, as far as SQL chooses and shows them.
fn rows(phonework: &Phonework, sql: &str) -> Vec<String> {
    let db = Connection::open(phonework.state().join("mail.db")).unwrap();
    let mut rows = db.prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Each kind of thing that `mail.db` has after the kill: how often, and what.
fn owed(phonework: &Phonework) -> Vec<Vec<String>> {
    [
        "SELECT text FROM inbox WHERE state = 'waiting' ORDER BY seq",
        "SELECT prompt FROM turn WHERE settled IS NULL ORDER BY prompt",
        "SELECT substr(text, 1, 8) FROM outbox WHERE state = 'pending' AND text LIKE 'owed %' ORDER BY id",
        "SELECT substr(text, 1, 4) FROM outbox WHERE state = 'wedged'",
        "SELECT (count(*) > 0) || '' FROM outbox WHERE state = 'pending' AND unsure_since IS NOT NULL",
        "SELECT count(*) || '' FROM card WHERE epitaph IS NOT NULL AND message_id IS NOT NULL",
        "SELECT json_extract(line, '$.prompt') FROM audit",
    ]
    .map(|sql| rows(phonework, sql))
    .to_vec()
}

/// Starts the daemon and holds what it does against what was left behind.
async fn carries_on(phonework: &mut Phonework) {
    let expected = [
        vec!["echo late", "recall"],
        vec!["run touch forbidden", "slow 3600"],
        vec!["owed one", "owed two"],
        vec!["lost"],
        vec!["1"],
        vec!["3"],
        vec!["echo off the record"],
    ];
    assert_eq!(owed(phonework), expected);
    let (lines_before, _) = audit_below(&phonework.projects());
    let before = sessions_on_disk(phonework);
    phonework.start().await;

    // The turns that were cut are told, where they were asked for, and what waited behind one runs with its session's
    // memory.
    let (annas, group) = (phonework.chat.clone(), phonework.emulator.group());
    heard(phonework, &annas, &["slow 3600", "blue"]).await;
    heard(phonework, &group, &["run touch forbidden"]).await;
    // What was owed comes, in its order, and what Feishu refused for good does not. A late message is asked about again.
    let mings = phonework.emulator.p2p(&phonework.ming);
    let said = heard(phonework, &mings, &["owed one", "owed two", "30m"]).await;
    let place = |words: &str| said.iter().position(|text| text == words);
    assert!(place("owed one").is_some() && place("owed one") < place("owed two"), "{said:?}");
    assert!(!said.iter().any(|text| text == "lost" || text == "late"), "{said:?}");
    assert!(!phonework.projects().join("hall/forbidden").exists());

    until(|| {
        let ended = owed(phonework)[..2] == [vec!["echo late".to_owned()], vec![]];
        let sent = rows(phonework, "SELECT uuid FROM outbox WHERE state = 'pending'").is_empty();
        (ended && sent).then_some(())
    })
    .await;
    the_sessions_are_the_same(phonework, &before).await;

    // What a person chose still counts, and the people whom an operator let in are still heard.
    assert_eq!(phonework.ask("/switch 1", 1).await.len(), 1);
    let said = phonework.ask("run touch made", 1).await;
    assert!(phonework.projects().join("shop/made").exists(), "{said:?}");
    phonework.emulator.say(&phonework.ming, &mings, "recall");
    heard(phonework, &mings, &["red"]).await;

    // The chain of every session's audit log is whole and goes on; a line that was owed is in its file.
    let told = |lines: &[Value], prompt: &str, outcome: &str| {
        lines.iter().filter(|line| line["prompt"] == prompt && line["outcome"] == outcome).count()
    };
    until(|| {
        let (lines, _) = audit_below(&phonework.projects());
        (told(&lines, "recall", "answered") == 2 && owed(phonework)[6].is_empty()).then_some(())
    })
    .await;
    let (lines, broken) = audit_below(&phonework.projects());
    assert_eq!(broken, [""; 0]);
    assert!(lines_before.iter().all(|line| lines.contains(line)));
    let expected = [
        ("echo off the record", "answered", 1),
        ("slow 3600", "cut", 1),
        ("run touch forbidden", "cut", 1),
        ("run touch made", "answered", 2),
        ("remember blue", "answered", 1),
        ("echo owed one", "answered", 1),
        ("echo late", "answered", 0),
    ];
    for (prompt, outcome, times) in expected {
        assert_eq!(told(&lines, prompt, outcome), times, "{prompt}: {lines:#?}");
    }
    assert_eq!(owed(phonework)[3], ["lost"]);
    assert!(phonework.stop().await.success());
}

/// What the bot has said in a chat, as soon as there is a message with each of these words in it.
async fn heard(phonework: &Phonework, chat: &ChatId, words: &[&str]) -> Vec<String> {
    let all = |texts: &[String]| words.iter().all(|word| texts.iter().any(|text| text.contains(word)));
    phonework.hear_until(chat, all).await
}

/// A session's project, owner and whether it is closed, by its id.
type Sessions = BTreeMap<String, (String, String, bool)>;

fn sessions_on_disk(phonework: &Phonework) -> Sessions {
    let text = std::fs::read_to_string(phonework.state().join("sessions.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let session = |session: &Value| {
        let text = |key: &str| session[key].as_str().unwrap().to_owned();
        let project = text("cwd").rsplit('/').next().unwrap().to_owned();
        (text("conv_id"), (project, text("owner"), !session["closed_at"].is_null()))
    };
    file["sessions"].as_array().unwrap().iter().map(session).collect()
}

/// The control socket and `/list` show the sessions that were there, with the numbers that they had.
async fn the_sessions_are_the_same(phonework: &Phonework, before: &Sessions) {
    let mut operator = Varlink::connect(&phonework.socket()).await;
    let listed = operator.call("Sessions", json!({ "all": true })).await.unwrap();
    let mut numbers = BTreeMap::new();
    let mut after = Sessions::new();
    for session in listed["sessions"].as_array().unwrap() {
        let text = |key: &str| session[key].as_str().unwrap().to_owned();
        let closed = session["state"] == "closed";
        if let Some(number) = session["number"].as_u64() {
            numbers.insert((text("user"), number), text("project"));
        }
        after.insert(text("conv_id"), (text("project"), text("user"), closed));
    }
    assert_eq!(&after, before);
    let of = |user: &phonework::ids::OpenId, number: u64, project: &str| {
        ((user.to_string(), number), project.to_owned())
    };
    let (anna, ming) = (&phonework.anna, &phonework.ming);
    let expected = [of(anna, 1, "shop"), of(anna, 2, "garden"), of(ming, 1, "shop"), of(ming, 2, "hall")];
    assert_eq!(numbers, BTreeMap::from(expected));
    let said = phonework.ask("/list", 1).await;
    let places = ["shop", "garden"].map(|project| said[0].find(project));
    assert!(places.is_sorted() && places[0].is_some(), "{said:?}");
    assert!(!said[0].contains("attic"), "{said:?}");
}
