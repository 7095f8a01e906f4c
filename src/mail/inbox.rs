//! The inbox and the turns in SQL. Each function runs inside the caller's transaction.

use jiff::Timestamp;
use rusqlite::{Connection, Error, OptionalExtension, Row, params, types::Type};
use uuid::Uuid;

use super::{Mail, MailDepths, NewMail, Settlement, StoreError, TurnStart};
use crate::ids::{ChatId, ConvId, MessageId, OpenId};

pub(super) fn accept(db: &Connection, mail: &NewMail) -> Result<Option<i64>, StoreError> {
    if !first_time(db, "message", mail.message_id.as_str(), mail.received)? {
        return Ok(None);
    }
    insert(db, mail).map(Some)
}

/// Takes in what was not seen before; its number.
pub(super) fn insert(db: &Connection, mail: &NewMail) -> Result<i64, StoreError> {
    db.prepare_cached(
        "INSERT INTO inbox (message_id, chat_id, user, in_group, text, created, received)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        mail.message_id.as_str(),
        mail.chat_id.as_str(),
        mail.user.as_str(),
        mail.group,
        mail.text,
        mail.created.as_millisecond(),
        mail.received.as_millisecond(),
    ])?;
    Ok(db.last_insert_rowid())
}

pub(super) fn first_time(db: &Connection, kind: &str, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let added = db
        .prepare_cached("INSERT OR IGNORE INTO seen (kind, id, at) VALUES (?1, ?2, ?3)")?
        .execute(params![kind, id, now.as_millisecond()])?;
    Ok(added == 1)
}

pub(super) fn assign(db: &Connection, seq: i64, conv: &ConvId) -> Result<(), StoreError> {
    let changed = db
        .prepare_cached("UPDATE inbox SET conv_id = ?2 WHERE seq = ?1 AND state = 'waiting'")?
        .execute(params![seq, conv.as_str()])?;
    once(changed, "the mail does not wait")
}

pub(super) fn begin_turn(db: &Connection, start: &TurnStart) -> Result<(), StoreError> {
    if let Some(seq) = start.mail {
        let changed = db
            .prepare_cached(
                "UPDATE inbox SET state = 'running', conv_id = ?2 WHERE seq = ?1 AND state = 'waiting'",
            )?
            .execute(params![seq, start.conv_id.as_str()])?;
        once(changed, "the mail does not wait")?;
    }
    let added = db
        .prepare_cached(
            "INSERT OR IGNORE INTO turn
                 (turn_id, mail, conv_id, user, chat_id, in_group, reply_to, prompt, started)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            start.turn_id.to_string(),
            start.mail,
            start.conv_id.as_str(),
            start.user.as_str(),
            start.chat_id.as_str(),
            start.group,
            start.reply_to.as_ref().map(MessageId::as_str),
            start.prompt,
            start.at.as_millisecond(),
        ])?;
    once(added, "the turn has begun before")?;
    // The turn that may be run again is this one from now on.
    db.prepare_cached(
        "DELETE FROM turn WHERE conv_id = ?1 AND settled IS NOT NULL AND seq < last_insert_rowid()",
    )?
    .execute([start.conv_id.as_str()])?;
    Ok(())
}

/// The part of a settlement that ends mails and the turn.
pub(super) fn settle(db: &Connection, settlement: &Settlement) -> Result<(), StoreError> {
    let at = settlement.at.as_millisecond();
    for seq in &settlement.mails {
        let changed = db
            .prepare_cached(
                "UPDATE inbox SET state = 'answered', settled = ?2 WHERE seq = ?1 AND state <> 'answered'",
            )?
            .execute(params![seq, at])?;
        once(changed, "the mail is answered")?;
    }
    if let Some((turn_id, outcome)) = &settlement.turn {
        let changed = db
            .prepare_cached(
                "UPDATE turn SET outcome = ?2, settled = ?3 WHERE turn_id = ?1 AND settled IS NULL",
            )?
            .execute(params![turn_id.to_string(), outcome, at])?;
        once(changed, "the turn does not run")?;
    }
    Ok(())
}

pub(super) fn last_prompt(db: &Connection, conv: &ConvId) -> Result<Option<String>, StoreError> {
    let prompt = db
        .prepare_cached("SELECT prompt FROM turn WHERE conv_id = ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([conv.as_str()], |row| row.get(0))
        .optional()?;
    Ok(prompt)
}

/// When each session last began or ended a turn.
pub(super) fn activity(db: &Connection) -> Result<Vec<(ConvId, Timestamp)>, StoreError> {
    let mut statement = db
        .prepare("SELECT conv_id, max(max(started), coalesce(max(settled), 0)) FROM turn GROUP BY conv_id")?;
    let activity =
        statement.query_map([], |row| Ok((ConvId::from(row.get::<_, String>(0)?), time(row, 1)?)))?;
    Ok(activity.collect::<Result<_, _>>()?)
}

/// The mails that wait, in the order of acceptance.
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

/// The turns that run, in the order in which they began.
pub(super) fn running(db: &Connection) -> Result<Vec<TurnStart>, StoreError> {
    let mut statement = db.prepare(
        "SELECT turn_id, mail, conv_id, user, chat_id, in_group, reply_to, prompt, started
         FROM turn WHERE settled IS NULL ORDER BY seq",
    )?;
    let turns = statement.query_map([], turn)?;
    Ok(turns.collect::<Result<_, _>>()?)
}

/// A turn, whose columns are the first nine.
pub(super) fn turn(row: &Row<'_>) -> rusqlite::Result<TurnStart> {
    Ok(TurnStart {
        turn_id: Uuid::parse_str(&row.get::<_, String>(0)?)
            .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?,
        mail: row.get(1)?,
        conv_id: ConvId::from(row.get::<_, String>(2)?),
        user: OpenId::from(row.get::<_, String>(3)?),
        chat_id: ChatId::from(row.get::<_, String>(4)?),
        group: row.get(5)?,
        reply_to: row.get::<_, Option<String>>(6)?.map(MessageId::from),
        prompt: row.get(7)?,
        at: time(row, 8)?,
    })
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

/// Milliseconds since 1970 as a time.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let millis = row.get(column)?;
    Timestamp::from_millisecond(millis).map_err(|_| Error::IntegralValueOutOfRange(column, millis))
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?.map(|_| time(row, column)).transpose()
}

fn once(changed: usize, otherwise: &'static str) -> Result<(), StoreError> {
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict(otherwise)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::schema;

    #[test]
    fn of_a_session_only_the_last_turn_stays_and_what_runs() {
        let directory = tempfile::tempdir().unwrap();
        let db = schema::open(&directory.path().join("mail.db")).unwrap();
        let begin = |conv: &str, prompt: &str| {
            let start = TurnStart {
                turn_id: Uuid::new_v4(),
                mail: None,
                conv_id: conv.into(),
                user: "ou_1".into(),
                chat_id: "oc_1".into(),
                group: false,
                reply_to: None,
                prompt: prompt.to_owned(),
                at: Timestamp::UNIX_EPOCH,
            };
            begin_turn(&db, &start).unwrap();
            start.turn_id
        };
        let end = |turn_id| {
            let turn = Some((turn_id, "answered".to_owned()));
            settle(&db, &Settlement { turn, ..Settlement::at(Timestamp::UNIX_EPOCH) }).unwrap();
        };
        end(begin("c-1", "one"));
        end(begin("c-2", "of another"));
        begin("c-1", "that runs");
        end(begin("c-1", "two"));
        begin("c-1", "three");
        let prompts: Vec<String> = db
            .prepare("SELECT prompt FROM turn ORDER BY seq")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(prompts, ["of another", "that runs", "three"]);
        assert_eq!(last_prompt(&db, &"c-1".into()).unwrap(), Some("three".to_owned()));
    }
}
