//! `mail.db` through its public interface: what stays after the daemon was cut off in the middle.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use jiff::Timestamp;
use phonework::{
    audit::{self, Appended, AuditLine, AuditRecord, Chain},
    ids::{ChatId, ConvId, EventId, MessageId, OpenId},
    mail::{
        Mail, MailDepths, NewMail, OpenError, Post, PostBody, PostFate, Recipient, Settlement, Store,
        StoreError, TurnStart, Unfinished, open,
    },
};
use tempfile::TempDir;
use uuid::Uuid;

/// Seconds after the tests began; in milliseconds, as the file keeps them.
fn at(second: i64) -> Timestamp {
    static START: LazyLock<i64> = LazyLock::new(|| Timestamp::now().as_millisecond());
    Timestamp::from_millisecond(*START + second * 1000).unwrap()
}

fn new_mail(n: i64) -> NewMail {
    NewMail {
        message_id: MessageId::from(format!("om_{n}")),
        chat_id: ChatId::from("oc_1"),
        user: OpenId::from("ou_1"),
        group: false,
        text: format!("text {n}"),
        created: at(n),
        received: at(n + 1),
    }
}

fn taken(n: i64, conv: Option<&str>) -> Mail {
    Mail { conv_id: conv.map(ConvId::from), ..Mail::new(n, new_mail(n)) }
}

fn turn(n: u128, mail: Option<i64>) -> TurnStart {
    TurnStart {
        turn_id: Uuid::from_u128(n),
        mail,
        conv_id: ConvId::from("c-1"),
        user: OpenId::from("ou_1"),
        chat_id: ChatId::from("oc_1"),
        group: true,
        reply_to: Some(MessageId::from("om_1")),
        prompt: format!("prompt {n}"),
        at: at(5),
    }
}

fn lane() -> Recipient {
    Recipient::Chat(ChatId::from("oc_1"))
}

fn post(text: &str) -> Post {
    Post { to: lane(), reply_to: None, body: PostBody::Text(text.into()) }
}

fn settlement(mails: &[i64], turn: Option<u128>, texts: &[&str]) -> Settlement {
    Settlement {
        mails: mails.to_vec(),
        turn: turn.map(|n| (Uuid::from_u128(n), "answered".into())),
        posts: texts.iter().map(|text| post(text)).collect(),
        ..Settlement::at(at(9))
    }
}

fn office() -> (TempDir, PathBuf, Store) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail.db");
    let (store, left) = open(&path).unwrap();
    assert_eq!(left, Unfinished { waiting: vec![], cut: vec![], unwritten: vec![], activity: vec![] });
    (directory, path, store)
}

/// What a daemon finds that starts after the one with this file was killed now: nothing is closed, nothing written
/// back.
fn after_a_kill(path: &Path) -> (TempDir, Store, Unfinished) {
    let directory = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let file = format!("mail.db{suffix}");
        fs::copy(path.with_file_name(&file), directory.path().join(&file)).unwrap();
    }
    let (store, left) = open(&directory.path().join("mail.db")).unwrap();
    (directory, store, left)
}

#[tokio::test]
async fn accepted_mail_is_there_after_a_kill_and_is_not_accepted_again() {
    let (_directory, path, store) = office();
    assert_eq!(store.accept(new_mail(1)).await, Ok(Some(1)));
    assert_eq!(store.accept(new_mail(2)).await, Ok(Some(2)));
    assert_eq!(store.accept(new_mail(1)).await, Ok(None));
    assert_eq!(store.assign(2, &ConvId::from("c-7")).await, Ok(()));
    assert_eq!(store.first_time(&EventId::from("e"), at(1)).await, Ok(true));

    let (_directory, store, left) = after_a_kill(&path);
    assert_eq!(
        left,
        Unfinished {
            waiting: vec![taken(1, None), taken(2, Some("c-7"))],
            cut: vec![],
            unwritten: vec![],
            activity: vec![]
        }
    );
    assert_eq!(store.accept(new_mail(2)).await, Ok(None));
    assert_eq!(store.first_time(&EventId::from("e"), at(2)).await, Ok(false));
    // A message and an event are different things even when their ids are the same.
    assert_eq!(store.first_time(&EventId::from("om_1"), at(2)).await, Ok(true));
    assert_eq!(store.accept(new_mail(3)).await, Ok(Some(3)));
}

#[tokio::test]
async fn an_answered_mail_is_still_known() {
    let (_directory, path, store) = office();
    store.accept(new_mail(1)).await.unwrap();
    store.settle(settlement(&[1], None, &[])).await.unwrap();
    let (_directory, store, left) = after_a_kill(&path);
    assert_eq!(left.waiting, vec![]);
    assert_eq!(store.accept(new_mail(1)).await, Ok(None));
}

#[tokio::test]
async fn a_cut_turn_stays_until_it_is_settled_with_what_its_user_is_told() {
    let (_directory, path, store) = office();
    store.accept(new_mail(1)).await.unwrap();
    store.begin_turn(turn(1, Some(1))).await.unwrap();

    let cut = turn(1, Some(1));
    let (_once, _store, left) = after_a_kill(&path);
    assert_eq!(
        left,
        Unfinished {
            waiting: vec![],
            cut: vec![cut.clone()],
            unwritten: vec![],
            activity: vec![(cut.conv_id.clone(), cut.at)]
        }
    );
    let (_twice, store, left) = after_a_kill(&path);
    assert_eq!(left.cut, vec![cut]);
    store.settle(settlement(&[1], Some(1), &["was cut"])).await.unwrap();
    assert_eq!(store.last_prompt(&ConvId::from("c-1")).await, Ok(Some("prompt 1".into())));

    let (_directory, store, left) = after_a_kill(&_twice.path().join("mail.db"));
    assert_eq!(
        left,
        Unfinished {
            waiting: vec![],
            cut: vec![],
            unwritten: vec![],
            activity: vec![(ConvId::from("c-1"), at(9))]
        }
    );
    assert_eq!(store.next_post(&lane(), 0).await.unwrap().unwrap().post, post("was cut"));
}

#[tokio::test]
async fn nothing_is_begun_or_settled_twice() {
    let (_directory, _path, store) = office();
    let conflict = |result| assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}");
    store.accept(new_mail(1)).await.unwrap();
    store.begin_turn(turn(1, Some(1))).await.unwrap();
    conflict(store.begin_turn(turn(2, Some(1))).await);
    conflict(store.begin_turn(turn(1, None)).await);
    conflict(store.assign(1, &ConvId::from("c-2")).await);
    store.settle(settlement(&[1], Some(1), &["answer"])).await.unwrap();
    // All of a settlement or nothing of it.
    store.begin_turn(turn(3, None)).await.unwrap();
    conflict(store.settle(settlement(&[1], Some(3), &["again"])).await.map(drop));
    conflict(store.settle(settlement(&[], Some(1), &["again"])).await.map(drop));
    assert_eq!(store.depths().await.unwrap().pending, 1);
    store.settle(settlement(&[], Some(3), &[])).await.unwrap();
}

#[tokio::test]
async fn posts_keep_their_order_and_their_uuids_until_they_are_confirmed() {
    let (_directory, path, store) = office();
    store.settle(settlement(&[], None, &["1", "2"])).await.unwrap();
    store.settle(settlement(&[], None, &["3"])).await.unwrap();
    let first = store.next_post(&lane(), 0).await.unwrap().unwrap();
    assert_eq!((&first.post, first.tries, first.uuid.len()), (&post("1"), 0, 36));
    store.post_postponed(first.id, "no answer".into(), Some(at(10)), true).await.unwrap();
    store.post_postponed(first.id, "no answer".into(), Some(at(11)), true).await.unwrap();

    let (directory, store, _) = after_a_kill(&path);
    assert_eq!(store.pending_lanes().await, Ok(vec![lane()]));
    let again = store.next_post(&lane(), 0).await.unwrap().unwrap();
    assert_eq!((again.uuid, again.tries, again.unsure_since), (first.uuid, 2, Some(at(10))));
    let sent = PostFate::Confirmed(Some(MessageId::from("om_9")));
    store.post_ended(first.id, sent, None, at(12)).await.unwrap();
    store.post_ended(first.id, PostFate::Wedged("too late".into()), None, at(12)).await.unwrap();
    let second = store.next_post(&lane(), 0).await.unwrap().unwrap();
    assert_eq!(second.post, post("2"));
    store.post_ended(second.id, PostFate::Wedged("refused".into()), None, at(12)).await.unwrap();

    let (_directory, store, _) = after_a_kill(&directory.path().join("mail.db"));
    assert_eq!(store.next_post(&lane(), 0).await.unwrap().unwrap().post, post("3"));
    let expected = MailDepths { pending: 1, wedged: 1, oldest_pending: Some(at(9)), ..MailDepths::default() };
    assert_eq!(store.depths().await, Ok(expected));
}

#[tokio::test]
async fn audit_lines_wait_for_the_file_and_follow_one_another() {
    let (directory, path, store) = office();
    let record = |n: i64| AuditRecord {
        project: directory.path().to_path_buf(),
        line: AuditLine {
            at: at(n),
            conv_id: ConvId::from("c-1"),
            user: OpenId::from("ou_1"),
            turn: None,
            prompt: "p".into(),
            response: "r".into(),
            outcome: "answered".into(),
            duration_ms: 1,
            cost_usd: None,
            tools: vec![],
            approvals: vec![],
        },
    };
    let with_audit = |n| Settlement { audit: Some(record(n)), ..settlement(&[], None, &[]) };
    let first = store.settle(with_audit(1)).await.unwrap().unwrap();
    let second = store.settle(with_audit(2)).await.unwrap().unwrap();
    assert_eq!((&first.prev, second.prev.as_ref()), (&None, Some(&first.hash)));
    assert_eq!(audit::append(&first).unwrap(), Appended::Chained);
    store.audit_written(first.id).await.unwrap();
    assert_eq!(audit::append(&second).unwrap(), Appended::Chained);

    // Killed before the second was said to be written.
    let (_directory, store, left) = after_a_kill(&path);
    assert_eq!(left.unwritten, vec![second.clone()]);
    assert_eq!(audit::append(&second).unwrap(), Appended::Already);
    store.audit_written(second.id).await.unwrap();
    assert_eq!(store.unwritten().await, Ok(vec![]));
    let head = store.audit_head(&ConvId::from("c-1")).await.unwrap();
    let log = directory.path().join(audit::FOLDER).join("c-1.jsonl");
    assert_eq!(audit::verify(&log).unwrap(), Chain::Whole { head, lines: 2 });
}

#[tokio::test]
async fn calls_take_effect_in_the_order_in_which_they_were_made() {
    let (_directory, path, store) = office();
    let answers: Vec<_> = (1..=500).map(|n| store.accept(new_mail(n))).collect();
    for (answer, n) in answers.into_iter().zip(1..) {
        assert_eq!(answer.await, Ok(Some(n)));
    }
    let (_directory, _store, left) = after_a_kill(&path);
    assert_eq!(left.waiting, (1..=500).map(|n| taken(n, None)).collect::<Vec<_>>());
}

#[test]
fn a_damaged_a_foreign_and_a_newer_file_are_refused_and_stay_as_they_are() {
    let cases = [
        ("damaged", None),
        ("not written by phonework", Some("CREATE TABLE t (x)")),
        ("newer phonework", Some("PRAGMA application_id = 1885892462; PRAGMA user_version = 99")),
    ];
    for (words, sql) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mail.db");
        match sql {
            Some(sql) => rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap(),
            None => fs::write(&path, "no database").unwrap(),
        }
        let before = fs::read(&path).unwrap();
        let error: OpenError = open(&path).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.contains(words) && sentence.contains(&path.display().to_string()), "{sentence}");
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

const VICTIM: &str = "PHONEWORK_TEST_VICTIM";

/// What the test below does in its second process: accepts mail for ever and says which.
async fn write_until_killed(path: &Path) {
    let (store, left) = open(path).unwrap();
    let first = left.waiting.len() as i64 + 1;
    for n in (first..).step_by(3) {
        let answers = [n, n + 1, n + 2].map(|n| (n, store.accept(new_mail(n))));
        for (n, answer) in answers {
            answer.await.unwrap();
            println!("accepted {n}");
        }
    }
}

#[tokio::test]
async fn what_was_said_to_be_accepted_is_there_after_kill_9() {
    if let Some(path) = std::env::var_os(VICTIM) {
        return write_until_killed(Path::new(&path)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail.db");
    let mut said = 0;
    for round in 1..=4 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["mail::what_was_said_to_be_accepted_is_there_after_kill_9", "--exact", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let numbers = lines.map_while(Result::ok).filter_map(|line| {
            let (_, number) = line.split_once("accepted ")?;
            number.trim().parse::<usize>().ok()
        });
        let mut killed = false;
        for (count, number) in numbers.enumerate() {
            said = number;
            if count >= 20 * round && !killed {
                victim.kill().unwrap();
                killed = true;
            }
        }
        victim.wait().unwrap();
        assert!(killed);
        let (_store, left) = open(&path).unwrap();
        assert!(left.waiting.len() >= said, "{} of {said}", left.waiting.len());
        let found: Vec<_> = left.waiting.into_iter().map(|mail| (mail.seq, mail.message.text)).collect();
        let expected = (1..).map(|n| (n, format!("text {n}"))).take(found.len()).collect::<Vec<_>>();
        assert_eq!(found, expected);
    }
}
