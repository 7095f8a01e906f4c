//! What Feishu never takes.

use futures_util::future::join_all;
use phonework::emulator::{Emulator, FaultDuration, FaultEffect, InjectedFault, ShownMessage};

use super::{for_anna, ready, struck};
use crate::support::phonework::{PATIENCE, Phonework};

fn code(code: i64) -> FaultEffect {
    FaultEffect::Refuse { http: 400, code, reset: None }
}

/// Posts that are put aside, with why.
fn wedged(phonework: &Phonework) -> Vec<String> {
    let db = rusqlite::Connection::open(phonework.state().join("mail.db")).unwrap();
    let mut rows = db.prepare("SELECT last_error FROM outbox WHERE state = 'wedged' ORDER BY id").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A text of one card, or of three parts.
fn long() -> String {
    (0..250).map(|line| format!("line {line:04} of what is told at length")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn in_place_of_a_part_that_feishu_does_not_take_its_reader_is_told_where_it_is() {
    join_all([230_022, 230_028].map(|refusal| async move {
        let (phonework, reason) = (ready().await, refusal.to_string());
        // As a card, and as the first part of the text.
        let fault = for_anna(&phonework, InjectedFault::sending(code(refusal), FaultDuration::Times(2)));
        let heard = phonework.ask(&format!("echo {}", long()), 3).await;
        assert_eq!(phonework.emulator.struck(fault), Some(2));
        assert!(heard[0].contains("its content check did not pass"), "{heard:?}");
        assert!(heard[0].contains(".phonework"), "{heard:?}");
        assert!(heard[1].starts_with("[2/3]\n") && heard[2].starts_with("[3/3]\n"), "{heard:?}");
        assert_eq!(phonework.ask("echo next", 1).await, ["next"]);
        let kept = wedged(&phonework);
        assert!(kept.len() == 1 && kept[0].contains(&reason), "{kept:?}");
        assert_eq!(phonework.lines(&["ERROR", "refused for good, put aside", &reason]).len(), 1);
        assert_eq!(phonework.audited(2).await[0]["response"], long());
    }))
    .await;
}

#[tokio::test]
async fn what_is_too_long_for_a_card_and_for_a_text_is_a_file() {
    join_all([code(230_025), FaultEffect::Page { http: 413 }].map(|effect| async move {
        let phonework = ready().await;
        let fault = for_anna(&phonework, InjectedFault::sending(effect, FaultDuration::Times(2)));
        phonework.say(&format!("echo {}", long()));
        let is_file = |shown: &&ShownMessage| phonework.emulator.file_of(shown).is_some();
        let find = |emulator: &Emulator| emulator.shown(&phonework.chat).iter().find(is_file).cloned();
        let file = phonework.emulator.wait_for(find, PATIENCE).await.expect("a file");
        let (name, bytes) = phonework.emulator.file_of(&file).unwrap();
        assert!(name.ends_with(".md"), "{name}");
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains(&long()), "{text}");
        assert_eq!(phonework.ask("echo next", 1).await, ["next"]);
        assert_eq!((phonework.emulator.struck(fault), wedged(&phonework)), (Some(2), vec![]));
    }))
    .await;
}

#[tokio::test]
async fn what_feishu_does_not_understand_as_a_card_is_a_text() {
    let phonework = ready().await;
    for refusal in [230_001, 230_017, 230_055, 230_099] {
        for_anna(&phonework, InjectedFault::sending(code(refusal), FaultDuration::Times(1)));
        assert_eq!(phonework.ask(&format!("echo {refusal}"), 1).await.len(), 1);
        let last = phonework.said(&phonework.chat).pop().unwrap();
        assert!(!last.is_card() && last.text.starts_with(&refusal.to_string()), "{last:?}");
    }
    assert_eq!(wedged(&phonework), [""; 0]);
}

#[tokio::test]
async fn a_kill_between_the_refusal_and_its_notice_shows_the_notice_once_and_in_its_place() {
    let mut phonework = ready().await;
    for_anna(&phonework, InjectedFault::sending(code(230_028), FaultDuration::Times(2)));
    // The notice is shown, but that is not known when the daemon dies.
    for_anna(&phonework, InjectedFault::sending(FaultEffect::Lose, FaultDuration::Times(1)));
    let silence =
        for_anna(&phonework, InjectedFault::sending(FaultEffect::Silence, FaultDuration::UntilLifted));
    phonework.say(&format!("echo {}", long()));
    struck(&phonework, silence, 1).await;
    phonework.kill().await;
    phonework.emulator.lift(silence);
    phonework.start().await;
    let heard = phonework.hear(&phonework.chat, 4).await;
    assert!(heard[1].contains("content check did not pass"), "{heard:?}");
    assert!(heard[2].starts_with("[2/3]\n") && heard[3].starts_with("[3/3]\n"), "{heard:?}");
    assert_eq!(phonework.ask("echo next", 1).await, ["next"]);
    assert_eq!(wedged(&phonework).len(), 1);
}

#[tokio::test]
async fn what_can_never_be_delivered_is_kept_told_to_the_operator_and_blocks_nothing() {
    let phonework = ready().await;
    let gone =
        [230_002, 230_013, 230_018, 230_029, 230_034, 230_035, 230_038, 230_053, 230_054, 230_075, 232_009];
    for (nth, refusal) in gone.into_iter().enumerate() {
        for_anna(&phonework, InjectedFault::sending(code(refusal), FaultDuration::Times(1)));
        phonework.say("echo lost");
        phonework.logged("refused for good, put aside", nth + 1).await;
        assert_eq!(phonework.ask(&format!("echo {refusal}"), 1).await, [refusal.to_string()]);
        let told = phonework.lines(&["ERROR", "refused for good, put aside", &format!("code {refusal} ")]);
        assert_eq!(told.len(), 1, "{refusal}");
    }
    let kept = wedged(&phonework);
    assert_eq!(kept.len(), gone.len());
    assert!(!phonework.heard(&phonework.chat).contains(&"lost".to_owned()));
}

#[tokio::test]
async fn what_an_operator_has_to_mend_keeps_the_answer_until_he_has() {
    let codes = [230_006, 230_027, 99_991_672, 99_991_662, 99_991_673, 99_991_401, 99_991_403];
    let sending = codes.map(|refusal| InjectedFault::sending(code(refusal), FaultDuration::Times(2)));
    let token = [10_014, 10_015, 99_991_543];
    let path = "/open-apis/auth/v3/tenant_access_token/internal";
    let token = token.map(|refusal| InjectedFault::api("POST", path, code(refusal), FaultDuration::Times(2)));
    join_all(sending.into_iter().chain(token).map(|fault| async move {
        let phonework = ready().await;
        phonework.emulator.expire_tokens();
        let fault = phonework.emulator.fault(fault);
        assert_eq!(phonework.ask("echo owed", 1).await, ["owed"]);
        assert_eq!(phonework.emulator.struck(fault), Some(2));
        assert_eq!(phonework.lines(&["WARN", "not delivered yet"]).len(), 1);
        assert_eq!(wedged(&phonework), [""; 0]);
    }))
    .await;
}
