//! State on a disk that fails or was tampered with.

use std::process::Stdio;

use serde_json::json;

use crate::support::phonework::Phonework;

#[tokio::test]
async fn a_second_daemon_on_the_same_state_is_refused_in_one_sentence() {
    let phonework = Phonework::practising(json!({})).await;
    let output = phonework.serve().stderr(Stdio::piped()).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("phonework:")).count(), 1, "{said}");
    phonework.open_shop().await;
}

#[tokio::test]
async fn state_that_cannot_be_read_stops_the_start_and_stays_as_it_is() {
    let phonework = Phonework::installed("claude", json!({})).await;
    std::fs::create_dir(phonework.state()).unwrap();
    for (name, content) in [
        ("sessions.json", "{\"version\":1,"),
        ("sessions.json", "{\"version\":9,\"sessions\":[]}"),
        ("mail.db", "no database"),
    ] {
        let path = phonework.state().join(name);
        std::fs::write(&path, content).unwrap();
        let output = phonework.serve().stderr(Stdio::piped()).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.lines().any(|line| line.starts_with("phonework:") && line.contains(name)), "{said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        std::fs::remove_file(&path).unwrap();
    }
}
