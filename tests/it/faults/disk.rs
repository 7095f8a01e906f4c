//! State on a disk that fails or was tampered with.

mod full;
#[cfg(feature = "crash-points")]
mod power;

use std::process::Stdio;

use phonework::emulator::Emulator;
use serde_json::json;

use crate::support::phonework::{PATIENCE, Phonework};

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

#[tokio::test]
async fn a_mail_db_with_a_page_overwritten_or_of_a_newer_phonework_stops_the_start_and_stays_as_it_is() {
    let mut phonework = Phonework::practising(json!({})).await;
    phonework.open_shop().await;
    assert!(phonework.stop().await.success());
    let path = phonework.state().join("mail.db");
    // As the daemon does it when it has nothing else to do.
    let db = rusqlite::Connection::open(&path).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    let good = std::fs::read(&path).unwrap();
    let mut damaged = good.clone();
    damaged[4096 * 5..4096 * 6].fill(0x5a);
    let mut newer = good.clone();
    // The format's version stands in the header of a SQLite file.
    newer[60..64].copy_from_slice(&9_u32.to_be_bytes());
    for (content, words) in [(damaged, "is damaged"), (newer, "written by a newer phonework")] {
        std::fs::write(&path, &content).unwrap();
        let output = phonework.serve().stderr(Stdio::piped()).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.lines().any(|line| line.starts_with("phonework:") && line.contains(words)), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    std::fs::write(&path, good).unwrap();
    phonework.start().await;
    assert_eq!(phonework.ask("echo and on", 1).await, ["and on"]);
}

#[tokio::test]
async fn a_mail_db_that_is_moved_away_beneath_the_daemon_takes_no_message_until_it_is_back() {
    let phonework = Phonework::practising_at(full::impatient(), json!({})).await;
    phonework.open_shop().await;
    let path = phonework.state().join("mail.db");
    let aside = phonework.state().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    std::fs::copy(&aside, &path).unwrap();
    let told = phonework.ask("echo at last", 1).await;
    assert!(told[0].contains("the disk of the host is full or broken"), "{told:?}");
    phonework.logged("was replaced by another file", 1).await;
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(phonework.hear(&phonework.chat, 3).await[2], "at last");
}

#[tokio::test]
async fn a_mail_db_that_is_cut_short_beneath_the_daemon_takes_no_message_and_the_journal_says_why() {
    let phonework = Phonework::practising_at(full::impatient(), json!({})).await;
    phonework.open_shop().await;
    phonework.logged("the log is written back", 1).await;
    let path = phonework.state().join("mail.db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(3 * 4096).unwrap();
    let told = phonework.ask("echo never", 1).await;
    assert!(told[0].contains("the disk of the host is full or broken"), "{told:?}");
    phonework.logged("was cut short", 1).await;
    // The sentence may be there before the refusal is.
    let refused = |emulator: &Emulator| (emulator.acks().last()?.code == 500).then_some(());
    phonework.emulator.wait_for(refused, PATIENCE).await.unwrap();
}
