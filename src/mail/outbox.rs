//! The outbox in SQL. Each function runs inside the caller's transaction.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    MailDepths, Post, PostBody, Recipient, Slot, StoreError, WedgedPost, card,
    inbox::{optional_time, time},
};
use crate::ids::{ChatId, MessageId, OpenId};
use crate::render::source;

/// Of a document, so many characters are kept as text, too.
const BEGINNING: usize = 3_000;

/// A post in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedPost {
    /// Its number: posts of one recipient are sent in this order.
    pub id: i64,
    /// What Feishu knows a second try by (36 characters).
    pub uuid: String,
    /// What is sent, and where.
    pub post: Post,
    /// When it was committed.
    pub made: Timestamp,
    /// Tries that failed by what can be its own trouble.
    pub tries: u32,
    /// The first try of which it is not known whether Feishu took it.
    pub unsure_since: Option<Timestamp>,
    /// Of a document, how far it has come, as [`Store::post_placed`](super::Store::post_placed) was told.
    pub place: Option<String>,
}

/// How a post left the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostFate {
    /// Feishu has it, as this message; `None` for a reaction.
    Confirmed(Option<MessageId>),
    /// Feishu refused it for good, for this reason. It is kept for 30 days.
    Wedged(String),
}

pub(super) fn add(db: &Connection, post: &Post, at: Timestamp) -> Result<(), StoreError> {
    let plain;
    let (text, on, emoji, document, slot) = match &post.body {
        PostBody::Text(text) => (Some(text), None, None, None, None),
        PostBody::Document { document, slot } => {
            let json =
                serde_json::to_string(document).map_err(|error| StoreError::Failed(error.to_string()))?;
            // For a version that cannot read the document.
            plain = source::beginning(document, BEGINNING);
            (Some(&plain), None, None, Some(json), slot.as_ref().map(|slot| slot.id.to_string()))
        }
        PostBody::Reaction { on, emoji, otherwise } => {
            (otherwise.as_ref(), Some(on.as_str()), Some(emoji), None, None)
        }
    };
    let (kind, id) = columns(&post.to);
    db.prepare_cached(
        "INSERT INTO outbox (uuid, to_kind, to_id, reply_to, text, reaction_on, emoji, made, document, slot)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        Uuid::new_v4().to_string(),
        kind,
        id,
        post.reply_to.as_ref().map(MessageId::as_str),
        text,
        on,
        emoji,
        at.as_millisecond(),
        document,
        slot,
    ])?;
    match &post.body {
        PostBody::Document { slot: Some(slot), .. } => card::posted(db, post, slot, at),
        PostBody::Document { slot: None, .. } | PostBody::Text(_) | PostBody::Reaction { .. } => Ok(()),
    }
}

pub(super) fn lanes(db: &Connection) -> Result<Vec<Recipient>, StoreError> {
    let mut statement = db.prepare("SELECT DISTINCT to_kind, to_id FROM outbox WHERE state = 'pending'")?;
    let lanes = statement.query_map([], |row| Ok(recipient(&row.get::<_, String>(0)?, row.get(1)?)))?;
    Ok(lanes.collect::<Result<_, _>>()?)
}

pub(super) fn next(db: &Connection, lane: &Recipient, after: i64) -> Result<Option<QueuedPost>, StoreError> {
    let (kind, to) = columns(lane);
    let post = db
        .prepare_cached(
            "SELECT id, uuid, reply_to, text, reaction_on, emoji, made, tries, unsure_since, document, slot, place
             FROM outbox WHERE state = 'pending' AND to_kind = ?1 AND to_id = ?2 AND id > ?3 ORDER BY id LIMIT 1",
        )?
        .query_row(params![kind, to, after], |row| {
            let text: Option<String> = row.get(3)?;
            let reaction = row.get::<_, Option<String>>(4)?.zip(row.get(5)?);
            let document: Option<String> = row.get(9)?;
            let document = document.and_then(|json| {
                let read = serde_json::from_str(&json);
                let id: i64 = row.get(0).ok()?;
                read.inspect_err(|_| {
                    tracing::error!(post = id, "a document is of another version: its first words are sent");
                })
                .ok()
            });
            let slot: Option<String> = row.get(10)?;
            let slot = slot.and_then(|slot| slot.parse().ok()).map(|id| Slot { id, epitaph: None });
            let body = match (reaction, document) {
                (Some((on, emoji)), _) => PostBody::Reaction { on: MessageId::from(on), emoji, otherwise: text },
                (None, Some(document)) => PostBody::Document { document, slot },
                (None, None) => PostBody::Text(text.unwrap_or_default()),
            };
            let reply_to = row.get::<_, Option<String>>(2)?.map(MessageId::from);
            Ok(QueuedPost {
                id: row.get(0)?,
                uuid: row.get(1)?,
                post: Post { to: lane.clone(), reply_to, body },
                made: time(row, 6)?,
                tries: row.get(7)?,
                unsure_since: optional_time(row, 8)?,
                place: row.get(11)?,
            })
        })
        .optional()?;
    Ok(post)
}

pub(super) fn postpone(
    db: &Connection,
    id: i64,
    error: &str,
    unsure_since: Option<Timestamp>,
    own: bool,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE outbox SET tries = tries + ?4, last_error = ?2, unsure_since = COALESCE(unsure_since, ?3)
         WHERE id = ?1 AND state = 'pending'",
    )?
    .execute(params![id, error, unsure_since.map(Timestamp::as_millisecond), own])?;
    Ok(())
}

/// A document has come so far. What comes next has not been tried yet.
pub(super) fn place(db: &Connection, id: i64, place: &str) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE outbox SET place = ?2, tries = 0, unsure_since = NULL WHERE id = ?1 AND state = 'pending'",
    )?
    .execute(params![id, place])?;
    Ok(())
}

pub(super) fn end(db: &Connection, id: i64, fate: &PostFate, at: Timestamp) -> Result<(), StoreError> {
    let (state, message_id, error) = match fate {
        PostFate::Confirmed(message_id) => ("confirmed", message_id.as_ref(), None),
        PostFate::Wedged(reason) => ("wedged", None, Some(reason)),
    };
    db.prepare_cached(
        "UPDATE outbox SET state = ?2, message_id = ?3, last_error = COALESCE(?4, last_error), settled = ?5
         WHERE id = ?1 AND state = 'pending'",
    )?
    .execute(params![id, state, message_id.map(MessageId::as_str), error, at.as_millisecond()])?;
    Ok(())
}

pub(super) fn count(db: &Connection, depths: &mut MailDepths) -> Result<(), StoreError> {
    (depths.pending, depths.oldest_pending) = db
        .prepare_cached("SELECT count(*), min(made) FROM outbox WHERE state = 'pending'")?
        .query_row([], |row| Ok((row.get(0)?, optional_time(row, 1)?)))?;
    depths.wedged = db
        .prepare_cached("SELECT count(*) FROM outbox WHERE state = 'wedged'")?
        .query_row([], |row| row.get(0))?;
    Ok(())
}

/// The last so many that were refused for good, newest first.
pub(super) fn wedged(db: &Connection, most: u32) -> Result<Vec<WedgedPost>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT settled, to_kind, to_id, COALESCE(last_error, '') FROM outbox
         WHERE state = 'wedged' ORDER BY settled DESC, id DESC LIMIT ?1",
    )?;
    let wedged = statement.query_map([most], |row| {
        let to = recipient(&row.get::<_, String>(1)?, row.get(2)?);
        Ok(WedgedPost { at: time(row, 0)?, to, why: row.get(3)? })
    })?;
    Ok(wedged.collect::<Result<_, _>>()?)
}

pub(super) fn columns(lane: &Recipient) -> (&'static str, &str) {
    match lane {
        Recipient::Chat(id) => ("chat", id.as_str()),
        Recipient::User(id) => ("user", id.as_str()),
    }
}

pub(super) fn recipient(kind: &str, id: String) -> Recipient {
    match kind {
        "user" => Recipient::User(OpenId::from(id)),
        _ => Recipient::Chat(ChatId::from(id)),
    }
}
