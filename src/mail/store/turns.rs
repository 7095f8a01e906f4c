//! Turns: on record from before their prompt goes to Claude, and after their end until the session's next one begins.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Error, OptionalExtension, Row, params, types::Type};
use uuid::Uuid;

use super::{Committed, Settlement, Store, StoreError, crash_point, inbox, one_row, time};
use crate::{
    crash::Point,
    ids::{ChatId, ConvId, MessageId, OpenId},
    mail::TurnStart,
};

/// Characters of a prompt that are read to name it in a list.
const PROMPT_BEGINNING_CHARS: u32 = 400;

/// A turn that is known: the last one of its session, or one that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastTurn {
    /// What was recorded when it began.
    pub(crate) start: TurnStart,
    /// How it ended, in one word; `None` while it runs.
    pub(crate) outcome: Option<String>,
}

impl PastTurn {
    /// The outcome of a turn that ran when the daemon was killed or crashed.
    pub(crate) const CUT_BY_CRASH: &str = "cut-by-crash";

    /// The outcome of a turn that the daemon ended when it shut down cleanly.
    pub(crate) const CUT_BY_STOP: &str = "cut";
}

impl Store {
    /// Notes that a prompt goes to Claude. Called before it does.
    pub fn begin_turn(&self, start: TurnStart) -> Committed<()> {
        self.call(move |db| {
            begin(db, &start)?;
            crash_point(Point::TurnWrite)
        })
    }

    /// A turn, if it is still known.
    pub(crate) fn turn(&self, id: Uuid) -> Committed<Option<PastTurn>> {
        self.call(move |db| {
            let past = db
                .prepare_cached(
                    "SELECT turn_id, mail, conv_id, user, chat_id, in_group, reply_to, prompt, started, outcome
                     FROM turn WHERE turn_id = ?1",
                )?
                .query_row([id.to_string()], |row| Ok(PastTurn { start: turn(row)?, outcome: row.get(9)? }))
                .optional()?;
            Ok(past)
        })
    }

    /// The prompt of a session's last turn.
    pub fn last_prompt(&self, conv: &ConvId) -> Committed<Option<String>> {
        let conv = conv.clone();
        self.call(move |db| last_prompt(db, &conv))
    }

    /// The beginning of each of these sessions' last prompt; with a chat, of the last prompt that was sent there.
    pub(crate) fn last_prompts(
        &self,
        convs: Vec<ConvId>,
        chat: Option<ChatId>,
    ) -> Committed<BTreeMap<ConvId, String>> {
        self.call(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT substr(prompt, 1, ?2) FROM turn WHERE conv_id = ?1 AND (?3 IS NULL OR chat_id = ?3)
                 ORDER BY seq DESC LIMIT 1",
            )?;
            let mut prompts = BTreeMap::new();
            for conv in convs {
                let chat = chat.as_ref().map(ChatId::as_str);
                let prompt = statement
                    .query_row(params![conv.as_str(), PROMPT_BEGINNING_CHARS, chat], |row| row.get(0))
                    .optional()?;
                prompts.extend(prompt.map(|prompt| (conv, prompt)));
            }
            Ok(prompts)
        })
    }
}

fn begin(db: &Connection, start: &TurnStart) -> Result<(), StoreError> {
    if let Some(seq) = start.mail {
        inbox::begin(db, seq, &start.conv_id)?;
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
    one_row(added, "the turn has begun before")?;
    // From now on this is the turn that can be run again.
    db.prepare_cached(
        "DELETE FROM turn WHERE conv_id = ?1 AND settled IS NOT NULL AND seq < last_insert_rowid()",
    )?
    .execute([start.conv_id.as_str()])?;
    Ok(())
}

/// Ends the turn of a settlement, if it has one.
pub(super) fn end(db: &Connection, settlement: &Settlement) -> Result<(), StoreError> {
    let Some((turn_id, outcome)) = &settlement.turn else { return Ok(()) };
    let changed = db
        .prepare_cached("UPDATE turn SET outcome = ?2, settled = ?3 WHERE turn_id = ?1 AND settled IS NULL")?
        .execute(params![turn_id.to_string(), outcome, settlement.at.as_millisecond()])?;
    one_row(changed, "the turn does not run")
}

fn last_prompt(db: &Connection, conv: &ConvId) -> Result<Option<String>, StoreError> {
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

/// The turns that run, in the order in which they began.
pub(super) fn running(db: &Connection) -> Result<Vec<TurnStart>, StoreError> {
    let mut statement = db.prepare(
        "SELECT turn_id, mail, conv_id, user, chat_id, in_group, reply_to, prompt, started
         FROM turn WHERE settled IS NULL ORDER BY seq",
    )?;
    let turns = statement.query_map([], turn)?;
    Ok(turns.collect::<Result<_, _>>()?)
}

/// Reads a turn from the first nine columns.
fn turn(row: &Row<'_>) -> rusqlite::Result<TurnStart> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{open, store::schema};

    fn start(turn_id: Uuid, conv: &str, prompt: &str) -> TurnStart {
        TurnStart {
            turn_id,
            mail: None,
            conv_id: conv.into(),
            user: "ou_1".into(),
            chat_id: "oc_1".into(),
            group: true,
            reply_to: Some("om_1".into()),
            prompt: prompt.to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_session_keeps_its_last_turn_and_those_that_run() {
        let directory = tempfile::tempdir().unwrap();
        let db = schema::open(&directory.path().join("mail.db")).unwrap();
        let begin = |conv: &str, prompt: &str| {
            let start = start(Uuid::new_v4(), conv, prompt);
            begin(&db, &start).unwrap();
            start.turn_id
        };
        let end = |turn_id| {
            let turn = Some((turn_id, "answered".to_owned()));
            end(&db, &Settlement { turn, ..Settlement::at(Timestamp::UNIX_EPOCH) }).unwrap();
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

    #[tokio::test]
    async fn a_turn_is_found_while_it_is_the_last_of_its_session() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(&folder.path().join("mail.db")).unwrap();
        let start = |n: u128, prompt: &str| start(Uuid::from_u128(n), "c-1", prompt);
        let first = start(1, "one");
        store.begin_turn(first.clone()).await.unwrap();
        let known = store.turn(Uuid::from_u128(1)).await;
        assert_eq!(known, Ok(Some(PastTurn { start: first.clone(), outcome: None })));
        let turn = Some((Uuid::from_u128(1), "cut".to_owned()));
        store.settle(Settlement { turn, ..Settlement::at(Timestamp::UNIX_EPOCH) }).await.unwrap();
        let known = store.turn(Uuid::from_u128(1)).await;
        assert_eq!(known, Ok(Some(PastTurn { start: first, outcome: Some("cut".to_owned()) })));
        store.begin_turn(start(2, &"x".repeat(1000))).await.unwrap();
        assert_eq!(store.turn(Uuid::from_u128(1)).await, Ok(None));
        let prompts = async |chat: Option<&str>| {
            store.last_prompts(vec!["c-1".into(), "c-2".into()], chat.map(ChatId::from)).await.unwrap()
        };
        let last = BTreeMap::from([("c-1".into(), "x".repeat(400))]);
        assert_eq!((prompts(None).await, prompts(Some("oc_1")).await), (last.clone(), last));
        assert_eq!(prompts(Some("oc_2")).await, BTreeMap::new());
    }
}
