//! What the database thread promises: a call that fails does so alone.

use std::sync::mpsc;

use super::*;
use crate::{
    ids::{ChatId, MessageId, OpenId},
    mail::{MailDepths, NewMail},
};

fn prepared(prepare: impl FnOnce(&Connection)) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mail.db");
    let db = schema::open(&path).unwrap();
    prepare(&db);
    (directory, start(db, &path, Pulse::unwatched()).unwrap())
}

fn mail(message: &str, text: String) -> NewMail {
    NewMail {
        message_id: MessageId::from(message),
        chat_id: ChatId::from("oc_1"),
        user: OpenId::from("ou_1"),
        group: false,
        text,
        created: Timestamp::UNIX_EPOCH,
        received: Timestamp::UNIX_EPOCH,
    }
}

/// Blocks the thread until the sender is dropped.
fn block(store: &Store) -> mpsc::Sender<()> {
    let (release, wait) = mpsc::channel();
    let (began, has_begun) = mpsc::channel();
    drop(store.call(move |_| {
        began.send(()).unwrap();
        wait.recv().unwrap_err();
        Ok(())
    }));
    has_begun.recv().unwrap();
    release
}

#[tokio::test]
async fn a_call_that_fails_is_rolled_back_alone() {
    let (_directory, store) = prepared(|_| ());
    let release = block(&store);
    let calls = [
        store.call(|db| inbox::accept(db, &mail("om_1", "a".into()))),
        store.call(|db| {
            inbox::accept(db, &mail("om_2", "b".into()))?;
            Err(StoreError::Conflict("on purpose"))
        }),
        store.call(|db| inbox::accept(db, &mail("om_3", "c".into()))),
    ];
    drop(release);
    let [first, second, third] = calls;
    assert_eq!(first.await, Ok(Some(1)));
    assert_eq!(second.await, Err(StoreError::Conflict("on purpose")));
    assert_eq!(third.await, Ok(Some(2)));
    let waiting = store.call(inbox::waiting).await.unwrap();
    assert_eq!(waiting.iter().map(|mail| mail.message.text.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(store.accept(mail("om_2", "b".into())).await, Ok(Some(3)));
}

#[tokio::test]
async fn a_full_disk_is_the_callers_error_and_the_next_call_may_succeed() {
    let (_directory, store) = prepared(|db| db.execute_batch("PRAGMA max_page_count = 40").unwrap());
    let release = block(&store);
    let small = store.accept(mail("om_1", "a".into()));
    let large = store.accept(mail("om_2", "b".repeat(1_000_000)));
    let last = store.accept(mail("om_3", "c".into()));
    drop(release);
    let answers = [small.await, large.await, last.await];
    assert!(matches!(answers[1], Err(StoreError::Failed(_))), "{answers:?}");
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(store.call(inbox::waiting).await.unwrap().len(), accepted);

    drop(store.call(|db| Ok(db.execute_batch("PRAGMA max_page_count = 4000")?)));
    assert!(matches!(store.accept(mail("om_2", "b".repeat(1_000_000))).await, Ok(Some(_))));
}

#[tokio::test]
async fn a_commit_that_fails_is_the_error_of_every_call_in_it() {
    let (_directory, store) = prepared(|db| {
        db.execute_batch(
            "PRAGMA foreign_keys = ON;
             CREATE TABLE t (seq INTEGER REFERENCES inbox (seq) DEFERRABLE INITIALLY DEFERRED);",
        )
        .unwrap();
    });
    let release = block(&store);
    let good = store.accept(mail("om_1", "a".into()));
    let bad = store.call(|db| Ok(db.execute_batch("INSERT INTO t VALUES (99)")?));
    drop(release);
    assert!(matches!(good.await, Err(StoreError::Failed(_))));
    assert!(matches!(bad.await, Err(StoreError::Failed(_))));
    assert_eq!(store.accept(mail("om_1", "a".into())).await, Ok(Some(1)));
}

#[tokio::test]
async fn a_full_queue_refuses_calls_at_once() {
    let (_directory, store) = prepared(|_| ());
    let release = block(&store);
    let queued: Vec<_> = (0..MAX_QUEUED_CALLS).map(|_| store.depths()).collect();
    assert_eq!(store.depths().await, Err(StoreError::Busy));
    drop(release);
    for answer in queued {
        assert_eq!(answer.await, Ok(MailDepths::default()));
    }
}
