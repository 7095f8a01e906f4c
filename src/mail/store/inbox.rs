//! The inbox: messages that were taken over from Feishu, and the ids by which a second delivery is recognized.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    Committed, Settlement, Store, StoreError, call::CommitWakes, crash_point, one_row, optional_time, outbox,
    time,
};
use crate::{
    crash::Point,
    ids::{ChatId, ConvId, EventId, MessageId, OpenId},
    mail::{Mail, MailDepths, NewMail, Post},
};

impl Store {
    /// Takes a message over; its number, or `None` when it was taken over before.
    pub fn accept(&self, message: NewMail) -> Committed<Option<i64>> {
        self.call(move |db| {
            let seq = accept(db, &message)?;
            crash_point(Point::InboxWrite)?;
            Ok(seq)
        })
    }

    /// Takes a message over and answers it at once, in one transaction. A message that was taken over before is not
    /// answered again.
    pub(crate) fn decline(&self, message: NewMail, post: Post) -> Committed<()> {
        self.call_and_wake(CommitWakes::lane(&post.to), move |db| {
            if let Some(seq) = accept(db, &message)? {
                answer(db, &Settlement { mails: vec![seq], ..Settlement::at(message.received) })?;
                outbox::add(db, &post, message.received)?;
            }
            crash_point(Point::InboxWrite)
        })
    }

    /// Takes the press of a button over as a message for this session; its number, or `None` when `key`, which says
    /// what was pressed, was taken over before. Keys are kept for 7 days.
    pub(crate) fn accept_press(&self, key: String, message: NewMail, conv: ConvId) -> Committed<Option<i64>> {
        self.call(move |db| {
            if !first_time(db, "event", &key, message.received)? {
                return Ok(None);
            }
            let seq = insert(db, &message)?;
            assign(db, seq, &conv)?;
            crash_point(Point::InboxWrite)?;
            Ok(Some(seq))
        })
    }

    /// Notes that a message was recalled in Feishu. If it is delivered later, it counts as taken over before.
    pub(crate) fn recalled(&self, id: &MessageId, now: Timestamp) -> Committed<()> {
        let id = id.clone();
        self.call(move |db| {
            first_time(db, "message", id.as_str(), now)?;
            crash_point(Point::EventWrite)
        })
    }

    /// Whether an event that is not a message comes for the first time. Its id is kept for 7 days, as those of messages
    /// are.
    pub fn first_time(&self, id: &EventId, now: Timestamp) -> Committed<bool> {
        let id = id.clone();
        self.call(move |db| {
            let first = first_time(db, "event", id.as_str(), now)?;
            crash_point(Point::EventWrite)?;
            Ok(first)
        })
    }

    /// Notes the session that a waiting message belongs to.
    pub fn assign(&self, seq: i64, conv: &ConvId) -> Committed<()> {
        let conv = conv.clone();
        self.call(move |db| {
            assign(db, seq, &conv)?;
            crash_point(Point::AssignmentWrite)
        })
    }

    /// Whether this message was taken over within the last 7 days, or sent from here lately.
    pub(crate) fn knows(&self, id: &MessageId) -> Committed<bool> {
        let id = id.clone();
        self.call(move |db| {
            let known = db
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM seen WHERE kind = 'message' AND id = ?1)
                         OR EXISTS (SELECT 1 FROM outbox WHERE message_id = ?1)
                         OR EXISTS (SELECT 1 FROM card WHERE message_id = ?1)",
                )?
                .query_row(params![id.as_str()], |row| row.get(0))?;
            Ok(known)
        })
    }
}

pub(super) fn accept(db: &Connection, message: &NewMail) -> Result<Option<i64>, StoreError> {
    if !first_time(db, "message", message.message_id.as_str(), message.received)? {
        return Ok(None);
    }
    insert(db, message).map(Some)
}

/// Adds a message without asking whether it was seen before; its number.
fn insert(db: &Connection, message: &NewMail) -> Result<i64, StoreError> {
    db.prepare_cached(
        "INSERT INTO inbox (message_id, chat_id, user, in_group, text, created, received)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        message.message_id.as_str(),
        message.chat_id.as_str(),
        message.user.as_str(),
        message.group,
        message.text,
        message.created.as_millisecond(),
        message.received.as_millisecond(),
    ])?;
    Ok(db.last_insert_rowid())
}

/// Notes an id; whether it is new. `kind` is `message` or `event`.
fn first_time(db: &Connection, kind: &str, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let added = db
        .prepare_cached("INSERT OR IGNORE INTO seen (kind, id, at) VALUES (?1, ?2, ?3)")?
        .execute(params![kind, id, now.as_millisecond()])?;
    Ok(added == 1)
}

fn assign(db: &Connection, seq: i64, conv: &ConvId) -> Result<(), StoreError> {
    let changed = db
        .prepare_cached("UPDATE inbox SET conv_id = ?2 WHERE seq = ?1 AND state = 'waiting'")?
        .execute(params![seq, conv.as_str()])?;
    one_row(changed, "the message does not wait")
}

/// Marks a waiting message as one whose turn runs.
pub(super) fn begin(db: &Connection, seq: i64, conv: &ConvId) -> Result<(), StoreError> {
    let changed = db
        .prepare_cached(
            "UPDATE inbox SET state = 'running', conv_id = ?2 WHERE seq = ?1 AND state = 'waiting'",
        )?
        .execute(params![seq, conv.as_str()])?;
    one_row(changed, "the message does not wait")
}

/// Marks the messages of a settlement as answered.
pub(super) fn answer(db: &Connection, settlement: &Settlement) -> Result<(), StoreError> {
    for seq in &settlement.mails {
        let changed = db
            .prepare_cached(
                "UPDATE inbox SET state = 'answered', settled = ?2 WHERE seq = ?1 AND state <> 'answered'",
            )?
            .execute(params![seq, settlement.at.as_millisecond()])?;
        one_row(changed, "the message is answered")?;
    }
    Ok(())
}

/// The messages that wait, in the order of acceptance.
pub(super) fn waiting(db: &Connection) -> Result<Vec<Mail>, StoreError> {
    let mut statement = db.prepare(
        "SELECT seq, message_id, chat_id, user, in_group, text, created, received, conv_id
         FROM inbox WHERE state = 'waiting' ORDER BY seq",
    )?;
    let mails = statement.query_map([], |row| {
        let message = NewMail {
            message_id: MessageId::from(row.get::<_, String>(1)?),
            chat_id: ChatId::from(row.get::<_, String>(2)?),
            user: OpenId::from(row.get::<_, String>(3)?),
            group: row.get(4)?,
            text: row.get(5)?,
            created: time(row, 6)?,
            received: time(row, 7)?,
        };
        let conv_id = row.get::<_, Option<String>>(8)?.map(ConvId::from);
        Ok(Mail { seq: row.get(0)?, message, conv_id })
    })?;
    Ok(mails.collect::<Result<_, _>>()?)
}

pub(super) fn count(db: &Connection, depths: &mut MailDepths) -> Result<(), StoreError> {
    (depths.waiting, depths.oldest_waiting) = db
        .prepare_cached("SELECT count(*), min(received) FROM inbox WHERE state = 'waiting'")?
        .query_row([], |row| Ok((row.get(0)?, optional_time(row, 1)?)))?;
    depths.running = db
        .prepare_cached("SELECT count(*) FROM inbox WHERE state = 'running'")?
        .query_row([], |row| row.get(0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::open;

    fn pressed() -> NewMail {
        NewMail {
            message_id: "om_card".into(),
            chat_id: "oc_1".into(),
            user: "ou_1".into(),
            group: false,
            text: "again".to_owned(),
            created: Timestamp::now(),
            received: Timestamp::now(),
        }
    }

    #[tokio::test]
    async fn a_press_is_taken_over_once_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.db");
        let (store, _) = open(&path).unwrap();
        let press = |store: &Store, key: &str| store.accept_press(key.into(), pressed(), "c-1".into());
        assert_eq!(press(&store, "again:1").await, Ok(Some(1)));
        assert_eq!(press(&store, "again:1").await, Ok(None));
        // Another button of the same card.
        assert_eq!(press(&store, "continue:1").await, Ok(Some(2)));
        drop(store);
        let (store, unfinished) = open(&path).unwrap();
        assert_eq!(press(&store, "again:1").await, Ok(None));
        let waiting: Vec<_> =
            unfinished.waiting.iter().map(|mail| (mail.seq, mail.conv_id.clone())).collect();
        assert_eq!(waiting, [(1, Some("c-1".into())), (2, Some("c-1".into()))]);
    }
}
