//! `mail.db` through its public interface: what is kept when the daemon is killed at any time.

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

/// This number of seconds after the tests began, in whole milliseconds, as the file keeps times.
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

fn accepted(n: i64, conv: Option<&str>) -> Mail {
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

fn new_store() -> (TempDir, PathBuf, Store) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail.db");
    let (store, unfinished) = open(&path).unwrap();
    assert_eq!(unfinished, Unfinished { waiting: vec![], cut: vec![], unwritten: vec![], activity: vec![] });
    (directory, path, store)
}

/// What a daemon finds that starts after the one with this file was killed now: the file was not closed, and its log
/// was not written back.
fn after_a_kill(path: &Path) -> (TempDir, Store, Unfinished) {
    let directory = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let file = format!("mail.db{suffix}");
        fs::copy(path.with_file_name(&file), directory.path().join(&file)).unwrap();
    }
    let (store, unfinished) = open(&directory.path().join("mail.db")).unwrap();
    (directory, store, unfinished)
}

#[tokio::test]
async fn accepted_messages_survive_a_kill_and_are_not_accepted_again() {
    let (_directory, path, store) = new_store();
    assert_eq!(store.accept(new_mail(1)).await, Ok(Some(1)));
    assert_eq!(store.accept(new_mail(2)).await, Ok(Some(2)));
    assert_eq!(store.accept(new_mail(1)).await, Ok(None));
    assert_eq!(store.assign(2, &ConvId::from("c-7")).await, Ok(()));
    assert_eq!(store.first_time(&EventId::from("e"), at(1)).await, Ok(true));

    let (_directory, store, unfinished) = after_a_kill(&path);
    assert_eq!(
        unfinished,
        Unfinished {
            waiting: vec![accepted(1, None), accepted(2, Some("c-7"))],
            cut: vec![],
            unwritten: vec![],
            activity: vec![]
        }
    );
    assert_eq!(store.accept(new_mail(2)).await, Ok(None));
    assert_eq!(store.first_time(&EventId::from("e"), at(2)).await, Ok(false));
    // A message and an event with the same id are different.
    assert_eq!(store.first_time(&EventId::from("om_1"), at(2)).await, Ok(true));
    assert_eq!(store.accept(new_mail(3)).await, Ok(Some(3)));
}

#[tokio::test]
async fn an_answered_message_is_not_accepted_again() {
    let (_directory, path, store) = new_store();
    store.accept(new_mail(1)).await.unwrap();
    store.settle(settlement(&[1], None, &[])).await.unwrap();
    let (_directory, store, unfinished) = after_a_kill(&path);
    assert_eq!(unfinished.waiting, vec![]);
    assert_eq!(store.accept(new_mail(1)).await, Ok(None));
}

#[tokio::test]
async fn an_interrupted_turn_stays_until_it_is_settled_with_a_notice_to_its_user() {
    let (_directory, path, store) = new_store();
    store.accept(new_mail(1)).await.unwrap();
    store.begin_turn(turn(1, Some(1))).await.unwrap();

    let cut = turn(1, Some(1));
    let (_once, _store, unfinished) = after_a_kill(&path);
    assert_eq!(
        unfinished,
        Unfinished {
            waiting: vec![],
            cut: vec![cut.clone()],
            unwritten: vec![],
            activity: vec![(cut.conv_id.clone(), cut.at)]
        }
    );
    let (_twice, store, unfinished) = after_a_kill(&path);
    assert_eq!(unfinished.cut, vec![cut]);
    store.settle(settlement(&[1], Some(1), &["was cut"])).await.unwrap();
    assert_eq!(store.last_prompt(&ConvId::from("c-1")).await, Ok(Some("prompt 1".into())));

    let (_directory, store, unfinished) = after_a_kill(&_twice.path().join("mail.db"));
    assert_eq!(
        unfinished,
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
async fn a_turn_or_a_message_is_not_begun_or_settled_twice() {
    let (_directory, _path, store) = new_store();
    let conflict = |result| assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}");
    store.accept(new_mail(1)).await.unwrap();
    store.begin_turn(turn(1, Some(1))).await.unwrap();
    conflict(store.begin_turn(turn(2, Some(1))).await);
    conflict(store.begin_turn(turn(1, None)).await);
    conflict(store.assign(1, &ConvId::from("c-2")).await);
    store.settle(settlement(&[1], Some(1), &["answer"])).await.unwrap();
    // A settlement takes effect as a whole or not at all.
    store.begin_turn(turn(3, None)).await.unwrap();
    conflict(store.settle(settlement(&[1], Some(3), &["again"])).await.map(drop));
    conflict(store.settle(settlement(&[], Some(1), &["again"])).await.map(drop));
    assert_eq!(store.depths().await.unwrap().pending, 1);
    store.settle(settlement(&[], Some(3), &[])).await.unwrap();
}

#[tokio::test]
async fn posts_keep_their_order_and_uuids_until_they_are_confirmed() {
    let (_directory, path, store) = new_store();
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
async fn audit_lines_stay_queued_until_they_are_written_and_form_a_chain() {
    let (directory, path, store) = new_store();
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

    // Killed before the second line was taken off the queue.
    let (_directory, store, unfinished) = after_a_kill(&path);
    assert_eq!(unfinished.unwritten, vec![second.clone()]);
    assert_eq!(audit::append(&second).unwrap(), Appended::Already);
    store.audit_written(second.id).await.unwrap();
    assert_eq!(store.unwritten().await, Ok(vec![]));
    let head = store.audit_head(&ConvId::from("c-1")).await.unwrap();
    let log = directory.path().join(audit::FOLDER).join("c-1.jsonl");
    assert_eq!(audit::verify(&log).unwrap(), Chain::Whole { head, lines: 2 });
}

#[tokio::test]
async fn calls_take_effect_in_the_order_in_which_they_were_made() {
    let (_directory, path, store) = new_store();
    let answers: Vec<_> = (1..=500).map(|n| store.accept(new_mail(n))).collect();
    for (answer, n) in answers.into_iter().zip(1..) {
        assert_eq!(answer.await, Ok(Some(n)));
    }
    let (_directory, _store, unfinished) = after_a_kill(&path);
    assert_eq!(unfinished.waiting, (1..=500).map(|n| accepted(n, None)).collect::<Vec<_>>());
}

#[test]
fn a_damaged_a_foreign_or_a_newer_file_is_refused_and_left_as_it_is() {
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

/// The variable that makes the test below the process to kill; it holds the path of the file.
const VICTIM: &str = "PHONEWORK_TEST_VICTIM";

/// What the process to kill does: accepts messages for ever, and prints the number of each.
async fn write_until_killed(path: &Path) {
    let (store, unfinished) = open(path).unwrap();
    let first = unfinished.waiting.len() as i64 + 1;
    for n in (first..).step_by(3) {
        let answers = [n, n + 1, n + 2].map(|n| (n, store.accept(new_mail(n))));
        for (n, answer) in answers {
            answer.await.unwrap();
            println!("accepted {n}");
        }
    }
}

#[tokio::test]
async fn accepted_messages_survive_sigkill() {
    if let Some(path) = std::env::var_os(VICTIM) {
        return write_until_killed(Path::new(&path)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail.db");
    let mut reported = 0;
    for round in 1..=4 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["mail::accepted_messages_survive_sigkill", "--exact", "--nocapture"])
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
            reported = number;
            if count >= 20 * round && !killed {
                victim.kill().unwrap();
                killed = true;
            }
        }
        victim.wait().unwrap();
        assert!(killed);
        let (_store, unfinished) = open(&path).unwrap();
        assert!(unfinished.waiting.len() >= reported, "{} of {reported}", unfinished.waiting.len());
        let found: Vec<_> =
            unfinished.waiting.into_iter().map(|mail| (mail.seq, mail.message.text)).collect();
        let expected = (1..).map(|n| (n, format!("text {n}"))).take(found.len()).collect::<Vec<_>>();
        assert_eq!(found, expected);
    }
}
