//! What operators see and do.

use serde_json::{Value, json};

use super::started;
use crate::support::phonework::Phonework;
use crate::support::varlink::Varlink;

/// The values of some fields of all sessions.
async fn sessions(operator: &mut Varlink, all: bool, fields: &[&str]) -> Value {
    let reply = operator.call("Sessions", json!({ "all": all })).await.unwrap();
    let sessions = reply["sessions"].as_array().unwrap().iter();
    sessions.map(|session| fields.iter().map(|field| session[field].clone()).collect::<Value>()).collect()
}

/// The entries that come, as soon as there are this many.
async fn entries(operator: &mut Varlink, many: usize) -> Vec<Value> {
    let mut entries = Vec::new();
    while entries.len() < many {
        let reply = operator.reply().await.expect("the daemon goes on");
        assert_eq!(reply["continues"], true, "{reply}");
        entries.extend(reply["parameters"]["entries"].as_array().unwrap().clone());
    }
    entries
}

fn told(entries: &[Value]) -> Vec<String> {
    let text = |entry: &Value| {
        let what = entry["text"].as_str().or(entry["outcome"].as_str()).unwrap_or_default();
        let decision = entry["decision"].as_str().unwrap_or_default();
        format!("{} {} {what}", entry["kind"].as_str().unwrap(), decision)
    };
    entries.iter().map(text).collect()
}

#[tokio::test]
async fn sessions_are_listed_with_what_they_do_and_what_waits() {
    let (phonework, mut operator) = started().await;
    assert_eq!(sessions(&mut operator, true, &["state"]).await, json!([]));
    phonework.open_shop().await;
    phonework.ask("run true", 1).await;
    phonework.say("and then");
    let waits = phonework.say("and after that");
    phonework.reacted(&waits, "OneSecond").await;
    let fields = ["number", "state", "project", "queue", "active", "user"];
    let expected = json!([[1, "running", "shop", 2, true, phonework.anna]]);
    assert_eq!(sessions(&mut operator, false, &fields).await, expected);
    let listed = operator.call("Sessions", json!({})).await.unwrap();
    assert_eq!(listed["sessions"][0]["running_since"], listed["sessions"][0]["last_activity_at"]);
}

#[tokio::test]
async fn when_a_session_was_last_active_is_known_after_a_crash() {
    let (mut phonework, mut operator) = started().await;
    phonework.open_shop().await;
    phonework.ask("echo hello", 1).await;
    phonework.logged("turn ended", 1).await;
    let before = sessions(&mut operator, false, &["created_at", "last_activity_at"]).await;
    phonework.kill().await;
    phonework.start().await;
    let mut operator = Varlink::connect(&phonework.socket()).await;
    let after = sessions(&mut operator, false, &["created_at", "last_activity_at"]).await;
    let time = |value: &Value| value[0][1].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(before[0][0], after[0][0]);
    assert_ne!(before[0][0], after[0][1]);
    // On disk times are milliseconds.
    assert!(
        (time(&before).as_millisecond() - time(&after).as_millisecond()).abs() < 1000,
        "{before} {after}"
    );
}

#[tokio::test]
async fn a_session_that_an_operator_closes_is_over_and_its_owner_is_told_what_did_not_run() {
    let (mut phonework, mut operator) = started().await;
    phonework.open_shop().await;
    phonework.ask("run true", 1).await;
    let waits = phonework.say("and then");
    phonework.reacted(&waits, "OneSecond").await;
    let listed = operator.call("Sessions", json!({})).await.unwrap();
    let conv_id = listed["sessions"][0]["conv_id"].clone();
    assert_eq!(operator.call("Close", json!({ "conv_id": conv_id })).await, Ok(json!({})));
    let again = operator.call("Close", json!({ "conv_id": conv_id })).await;
    assert_eq!(again, Err("io.phonework.NoSuchSession".to_owned()));
    let expected = "The operator has closed your session in shop. Waiting messages that were not run: 1.";
    phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text == expected)).await;
    assert_eq!(sessions(&mut operator, false, &["state"]).await, json!([]));
    assert_eq!(sessions(&mut operator, true, &["number", "state"]).await, json!([[null, "closed"]]));
    phonework.hear_until(&phonework.chat, |texts| texts.iter().any(|text| text.contains("Stopped"))).await;
    phonework.kill().await;
    phonework.start().await;
    let said = phonework.ask("hello?", 1).await;
    assert!(said[0].starts_with("You have no active session here."), "{said:?}");
    assert_eq!(phonework.heard(&phonework.chat).iter().filter(|text| *text == expected).count(), 1);
}

#[tokio::test]
async fn a_turn_that_was_cut_after_its_session_was_closed_is_told_without_a_way_to_run_it_again() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    // One who never ends by himself.
    phonework.ask("run true", 1).await;
    phonework.kill().await;
    let path = phonework.state().join("sessions.json");
    let sessions = std::fs::read_to_string(&path).unwrap();
    let mut sessions: Value = serde_json::from_str(&sessions).unwrap();
    sessions["sessions"][0]["closed_at"] = json!(jiff::Timestamp::now());
    sessions["active"] = json!({});
    std::fs::write(&path, sessions.to_string()).unwrap();
    phonework.start().await;
    let said = phonework.hear(&phonework.chat, 3).await;
    assert!(said[2].ends_with("What was done so far is kept. The session is closed."), "{said:?}");
}

#[tokio::test]
async fn who_is_let_in_is_heard_at_once_and_after_a_restart_and_who_is_shut_out_is_not() {
    let mut phonework = Phonework::practising(json!({ "ALLOWED_OPEN_IDS": [] })).await;
    let mut operator = Varlink::connect(&phonework.socket()).await;
    let anna = json!({ "open_id": phonework.anna });
    let said = phonework.ask("/list", 1).await;
    assert!(said[0].contains("You don't have access yet"), "{said:?}");
    assert_eq!(operator.call("Allow", anna.clone()).await, Ok(json!({})));
    assert_eq!(operator.call("Allow", anna.clone()).await, Ok(json!({})));
    phonework.open_shop().await;

    phonework.kill().await;
    phonework.start().await;
    let mut operator = Varlink::connect(&phonework.socket()).await;
    assert_eq!(phonework.ask("echo hello", 1).await, ["hello"]);
    let people = operator.call("Allowed", json!({})).await.unwrap();
    let person = &people["people"][0];
    let by = format!("uid {}", rustix::process::geteuid().as_raw());
    assert_eq!(
        (&person["open_id"], &person["source"], &person["by"]),
        (&json!(phonework.anna), &json!("operator"), &json!(by))
    );
    assert_eq!(people["people"].as_array().unwrap().len(), 1);

    phonework.ask("run true", 1).await;
    assert_eq!(operator.call("Disallow", anna.clone()).await, Ok(json!({})));
    // Her turn is ended.
    phonework.logged("turn ended", 2).await;
    phonework.say("/list");
    phonework.logged("its sender is not allowed", 1).await;
    assert_eq!(operator.call("Disallow", anna).await, Err("io.phonework.NotAllowed".to_owned()));
    let nonsense = operator.call("Allow", json!({ "open_id": "*" })).await;
    assert_eq!(nonsense, Err("io.phonework.NoOpenId".to_owned()));
}

#[tokio::test]
async fn who_stands_in_the_keyring_is_taken_out_there() {
    let (mut phonework, mut operator) = started().await;
    let anna = json!({ "open_id": phonework.anna });
    assert_eq!(operator.call("Disallow", anna.clone()).await, Err("io.phonework.InKeyring".to_owned()));
    phonework.reload("ALLOWED_OPEN_IDS", json!([phonework.ming]));
    phonework.logged("the keyring was read again", 1).await;
    assert_eq!(operator.call("Disallow", anna).await, Err("io.phonework.NotAllowed".to_owned()));
    let people = operator.call("Allowed", json!({})).await.unwrap();
    let ming = json!({ "open_id": phonework.ming, "source": "keyring", "at": null, "by": null });
    assert_eq!(people["people"], json!([ming]));
}

#[tokio::test]
async fn people_who_cannot_be_read_stop_the_start_and_stay_as_they_are() {
    let phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    std::fs::create_dir(phonework.state()).unwrap();
    let path = phonework.state().join("allowed.json");
    std::fs::write(&path, "[]").unwrap();
    let output = phonework.serve().output().await.unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stderr).contains("allowed.json cannot be understood"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "[]");
}

#[tokio::test]
async fn what_is_said_and_done_is_told_once_first_the_past_and_then_as_it_happens() {
    let (mut phonework, mut operator) = started().await;
    phonework.open_shop().await;
    phonework.ask("echo one", 1).await;
    phonework.ask("echo two", 1).await;
    phonework.logged("turn ended", 2).await;
    operator.ask_more("Tail", json!({ "turns": 1, "follow": true })).await;
    let past = entries(&mut operator, 3).await;
    assert_eq!(told(&past), ["prompt  echo two", "answer  two", "over  answered"]);
    phonework.ask("run true", 1).await;
    phonework.say("/approve");
    let live = entries(&mut operator, 6).await;
    let kinds: Vec<_> = live.iter().map(|entry| (&entry["kind"], &entry["decision"])).collect();
    let (none, allowed) = (Value::Null, json!("allowed"));
    let kind = |kind: &str| json!(kind);
    let expected = [
        (&kind("prompt"), &none),
        (&kind("tool"), &none),
        (&kind("approval"), &none),
        (&kind("approval"), &allowed),
        (&kind("answer"), &none),
        (&kind("over"), &none),
    ];
    assert_eq!(kinds, expected);
    assert!(live.iter().all(|entry| entry["turn"] == live[0]["turn"] && entry["altered"] == false));

    // The same, read from the log by a daemon that was not there.
    phonework.audited(3).await;
    phonework.kill().await;
    phonework.start().await;
    let mut operator = Varlink::connect(&phonework.socket()).await;
    let since = &past[2]["at"];
    operator.ask_more("Tail", json!({ "since": since })).await;
    let read = entries(&mut operator, 5).await;
    let asked = |entry: &&Value| entry["kind"] != "approval" || entry["decision"] != Value::Null;
    let live: Vec<Value> = live.iter().filter(asked).cloned().collect();
    assert_eq!(told(&read), told(&live));
    assert_eq!(read[0]["turn"], live[0]["turn"]);
    let end = operator.reply().await.unwrap();
    assert_eq!((&end["parameters"]["entries"], &end["continues"]), (&json!([]), &Value::Null));

    let log = std::fs::read_dir(phonework.projects().join("shop/.phonework")).unwrap().flatten();
    let log = log.map(|file| file.path()).find(|path| path.extension().is_some()).unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace("echo one", "echo won")).unwrap();
    operator.ask_more("Tail", json!({})).await;
    let read = entries(&mut operator, 11).await;
    let altered: Vec<_> = read.iter().map(|entry| entry["altered"] == true).collect();
    assert_eq!(altered, [[true; 3].as_slice(), &[false; 8]].concat());
}

#[tokio::test]
async fn more_sessions_than_one_reply_holds_come_in_several_or_not_at_all() {
    let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    phonework.sleeping(1001);
    phonework.start().await;
    let mut operator = Varlink::connect(&phonework.socket()).await;
    let one = operator.call("Sessions", json!({})).await;
    assert_eq!(one, Err("org.varlink.service.ExpectedMore".to_owned()));
    operator.ask_more("Sessions", json!({})).await;
    let mut all = Vec::new();
    loop {
        let reply = operator.reply().await.unwrap();
        all.extend(reply["parameters"]["sessions"].as_array().unwrap().clone());
        if reply["continues"] != true {
            break;
        }
    }
    let ids: std::collections::BTreeSet<_> = all.iter().map(|session| session["conv_id"].as_str()).collect();
    assert_eq!((all.len(), ids.len()), (1001, 1001));
    let health = operator.call("Health", json!({})).await.unwrap();
    assert_eq!(health["sessions"]["open"], 1001);
}

#[tokio::test]
async fn who_cannot_be_put_on_record_is_not_let_in_until_it_goes() {
    let mut phonework = Phonework::practising(json!({ "ALLOWED_OPEN_IDS": [] })).await;
    let mut operator = Varlink::connect(&phonework.socket()).await;
    let anna = json!({ "open_id": phonework.anna });
    // A folder in its place, as no disk can be broken so simply.
    let place = phonework.state().join("allowed.json");
    std::fs::create_dir(&place).unwrap();
    assert_eq!(operator.call("Allow", anna.clone()).await, Err("io.phonework.Failed".to_owned()));
    assert_eq!(operator.call("Allowed", json!({})).await, Ok(json!({ "people": [] })));
    let said = phonework.ask("/list", 1).await;
    assert!(said[0].contains("You don't have access yet"), "{said:?}");
    std::fs::remove_dir(&place).unwrap();
    assert_eq!(operator.call("Allow", anna).await, Ok(json!({})));
    phonework.kill().await;
    phonework.start().await;
    phonework.open_shop().await;
}

#[cfg(feature = "crash-points")]
#[tokio::test]
async fn a_disk_that_hangs_is_told_in_the_health_with_what_was_known_before() {
    let mut phonework = Phonework::installed(&Phonework::practice_agent(), json!({})).await;
    phonework.set_env("PHONEWORK_CRASH", Some("inbox-write:wait=12000@1".to_owned()));
    phonework.start().await;
    let mut operator = Varlink::connect(&phonework.socket()).await;
    phonework.say("/list");
    let unwell = async {
        loop {
            let health = operator.call("Health", json!({})).await.unwrap();
            if health["healthy"] == false {
                return health;
            }
        }
    };
    let health = tokio::time::timeout(crate::support::phonework::PATIENCE, unwell)
        .await
        .expect("health notices the disk");
    assert_eq!(health["mail"]["answers"], false);
    let problem = "mail.db does not answer: check the disk of the state directory";
    assert_eq!(health["problems"], json!([problem]));
}

#[tokio::test]
async fn a_session_that_is_not_there_has_no_tail() {
    let (_phonework, mut operator) = started().await;
    operator.ask_more("Tail", json!({ "conv_id": "c-nowhere" })).await;
    assert_eq!(operator.reply().await.unwrap()["error"], "io.phonework.NoSuchSession");
    let one = operator.call("Tail", json!({})).await;
    assert_eq!(one, Err("org.varlink.service.ExpectedMore".to_owned()));
}

#[tokio::test]
async fn health_tells_what_works_and_what_does_not() {
    let (mut phonework, mut operator) = started().await;
    let health = operator.call("Health", json!({ "probe": true })).await.unwrap();
    assert_eq!((&health["healthy"], &health["problems"]), (&json!(true), &json!([])));
    assert_eq!(health["connection"]["state"], "connected");
    assert_eq!(health["claude"]["proof"]["by"], "probe");
    phonework.open_shop().await;
    phonework.ask("echo hello", 1).await;
    phonework.logged("turn ended", 1).await;
    let health = operator.call("Health", json!({})).await.unwrap();
    assert_eq!(health["claude"]["proof"]["by"], "turn");
    let sessions = &health["sessions"];
    let counts = ["open", "live", "running"].map(|count| sessions[count].clone());
    assert_eq!(counts, [1, 1, 0].map(Value::from));
    let process = &sessions["processes"][0];
    assert_eq!(process["processes"], 2);
    assert!(process["memory"].as_u64().unwrap() > 1 << 20 && health["memory"].as_u64().unwrap() > 1 << 20);
    assert!(health["mail"]["last_received_at"].is_string() && health["api"]["token_until"].is_string());

    // A program in its place that says nothing.
    phonework.reload("CLAUDE_COMMAND", json!("/bin/true"));
    phonework.logged("the keyring was read again", 1).await;
    let health = operator.call("Health", json!({ "probe": true })).await.unwrap();
    assert_eq!(health["healthy"], false);
    let problem = health["problems"][0].as_str().unwrap();
    assert!(problem.starts_with("`claude -p ping` ended without an answer"), "{problem}");
}
