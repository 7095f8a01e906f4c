//! The outbox: posts that Feishu has not confirmed, each with what is known of its way there.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    Committed, Post, PostBody, Recipient, Slot, Store, StoreError,
    cards::{self, CardRecord},
    crash_point, inbox, optional_time, time,
};
use crate::{
    crash::Point,
    ids::{ChatId, MessageId, OpenId, SlotId},
    mail::{MailDepths, WedgedPost},
    render::{document::Document, plain_text},
};

/// Characters of a document that are kept as text beside it, for a version that cannot read the document.
const DOCUMENT_BEGINNING_CHARS: usize = 3_000;

/// A post in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedPost {
    /// Its number. The posts to one recipient are sent in this order.
    pub id: i64,
    /// What Feishu recognizes a second try by (36 characters).
    pub uuid: String,
    /// What is sent, and where.
    pub post: Post,
    /// When it was committed.
    pub made: Timestamp,
    /// Number of failed tries whose cause may be the post itself.
    pub tries: u32,
    /// The first try of which it is not known whether Feishu took it.
    pub unsure_since: Option<Timestamp>,
    /// How far a document has come, as JSON of the courier's.
    pub(crate) progress: Option<String>,
}

/// How a post left the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostFate {
    /// Feishu has it, as this message; `None` for a reaction.
    Confirmed(Option<MessageId>),
    /// Feishu refused it for good, for this reason. It is kept for 30 days.
    Wedged(String),
}

impl Store {
    /// All recipients of pending posts.
    pub fn pending_lanes(&self) -> Committed<Vec<Recipient>> {
        self.call(|db| {
            let mut statement =
                db.prepare("SELECT DISTINCT to_kind, to_id FROM outbox WHERE state = 'pending'")?;
            let lanes =
                statement.query_map([], |row| Ok(recipient(&row.get::<_, String>(0)?, row.get(1)?)))?;
            Ok(lanes.collect::<Result<_, _>>()?)
        })
    }

    /// The recipients of posts that were committed since the last call; waits until there are some. For one caller.
    pub(in crate::mail) async fn fresh_lanes(&self) -> BTreeSet<Recipient> {
        self.wake_sets.lanes.take().await
    }

    /// As [`Store::fresh_lanes`], without waiting.
    pub(in crate::mail) fn fresh_lanes_now(&self) -> BTreeSet<Recipient> {
        self.wake_sets.lanes.take_now()
    }

    /// The first pending post to a recipient whose number is higher than `after`.
    pub fn next_post(&self, lane: &Recipient, after: i64) -> Committed<Option<QueuedPost>> {
        let lane = lane.clone();
        self.call(move |db| next(db, &lane, after))
    }

    /// Notes a failed try that will be repeated. `unsure_since` is set when Feishu may have taken the post in spite of
    /// it, `own` when the cause may be the post itself.
    pub fn post_postponed(
        &self,
        id: i64,
        error: String,
        unsure_since: Option<Timestamp>,
        own: bool,
    ) -> Committed<()> {
        self.call(move |db| {
            db.prepare_cached(
                "UPDATE outbox SET tries = tries + ?4, last_error = ?2, unsure_since = COALESCE(unsure_since, ?3)
                 WHERE id = ?1 AND state = 'pending'",
            )?
            .execute(params![id, error, unsure_since.map(Timestamp::as_millisecond), own])?;
            Ok(())
        })
    }

    /// Notes how far a document has come, and what is known of its card. What is to be sent next has not been tried.
    pub(in crate::mail) fn post_progressed(
        &self,
        id: i64,
        progress: String,
        card: Option<CardRecord>,
    ) -> Committed<()> {
        self.call(move |db| {
            db.prepare_cached(
                "UPDATE outbox SET place = ?2, tries = 0, unsure_since = NULL WHERE id = ?1 AND state = 'pending'",
            )?
            .execute(params![id, progress])?;
            card.as_ref().map_or(Ok(()), |card| cards::record(db, card))?;
            crash_point(Point::PlacementWrite)
        })
    }

    /// Takes a post out of the queue, and notes what is known of its card. A second call changes nothing.
    pub fn post_ended(
        &self,
        id: i64,
        fate: PostFate,
        card: Option<CardRecord>,
        at: Timestamp,
    ) -> Committed<()> {
        self.call(move |db| {
            end(db, id, &fate, at)?;
            card.as_ref().map_or(Ok(()), |card| cards::record(db, card))?;
            crash_point(Point::ConfirmationWrite)
        })
    }

    /// The document that a card was last told to show for good, while the outbox still has it.
    pub(crate) fn last_document(&self, slot: SlotId) -> Committed<Option<Document>> {
        self.call(move |db| {
            let last: Option<String> = db
                .prepare_cached(
                    "SELECT document FROM outbox WHERE slot = ?1 AND document IS NOT NULL ORDER BY id DESC LIMIT 1",
                )?
                .query_row([slot.to_string()], |row| row.get(0))
                .optional()?;
            // One that another version wrote and this one cannot read counts as gone.
            Ok(last.and_then(|json| serde_json::from_str(&json).ok()))
        })
    }

    /// How much mail there is, in the inbox and the outbox.
    pub fn depths(&self) -> Committed<MailDepths> {
        self.call(|db| {
            let mut depths = MailDepths::default();
            inbox::count(db, &mut depths)?;
            count(db, &mut depths)?;
            Ok(depths)
        })
    }

    /// The latest posts that Feishu refused for good, newest first, at most `max`.
    pub(crate) fn wedged(&self, max: u32) -> Committed<Vec<WedgedPost>> {
        self.call(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT settled, to_kind, to_id, COALESCE(last_error, '') FROM outbox
                 WHERE state = 'wedged' ORDER BY settled DESC, id DESC LIMIT ?1",
            )?;
            let wedged = statement.query_map([max], |row| {
                let to = recipient(&row.get::<_, String>(1)?, row.get(2)?);
                Ok(WedgedPost { at: time(row, 0)?, to, why: row.get(3)? })
            })?;
            Ok(wedged.collect::<Result<_, _>>()?)
        })
    }
}

/// Queues a post; if it changes a card, the card's row follows.
pub(super) fn add(db: &Connection, post: &Post, at: Timestamp) -> Result<(), StoreError> {
    let plain;
    let (text, on, emoji, document, slot) = match &post.body {
        PostBody::Text(text) => (Some(text), None, None, None, None),
        PostBody::Document { document, slot } => {
            plain = plain_text::beginning(document, DOCUMENT_BEGINNING_CHARS);
            let slot = slot.as_ref().map(|slot| slot.id.to_string());
            (Some(&plain), None, None, Some(cards::json(document)?), slot)
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
        PostBody::Document { slot: Some(slot), .. } => cards::posted(db, post, slot, at),
        PostBody::Document { slot: None, .. } | PostBody::Text(_) | PostBody::Reaction { .. } => Ok(()),
    }
}

fn next(db: &Connection, lane: &Recipient, after: i64) -> Result<Option<QueuedPost>, StoreError> {
    let (kind, to) = columns(lane);
    let post = db
        .prepare_cached(
            "SELECT id, uuid, reply_to, text, reaction_on, emoji, made, tries, unsure_since, document, slot, place
             FROM outbox WHERE state = 'pending' AND to_kind = ?1 AND to_id = ?2 AND id > ?3 ORDER BY id LIMIT 1",
        )?
        .query_row(params![kind, to, after], |row| {
            let reply_to = row.get::<_, Option<String>>(2)?.map(MessageId::from);
            Ok(QueuedPost {
                id: row.get(0)?,
                uuid: row.get(1)?,
                post: Post { to: lane.clone(), reply_to, body: body(row)? },
                made: time(row, 6)?,
                tries: row.get(7)?,
                unsure_since: optional_time(row, 8)?,
                progress: row.get(11)?,
            })
        })
        .optional()?;
    Ok(post)
}

/// Reads what a post sends from the columns of [`next`].
fn body(row: &Row<'_>) -> rusqlite::Result<PostBody> {
    let id: i64 = row.get(0)?;
    let text: Option<String> = row.get(3)?;
    let reaction = row.get::<_, Option<String>>(4)?.zip(row.get(5)?);
    let document: Option<String> = row.get(9)?;
    let document = document.and_then(|json| {
        let read = serde_json::from_str(&json);
        read.inspect_err(|_| {
            tracing::error!(
                post = id,
                "another version wrote this document: only the beginning of its text is sent"
            );
        })
        .ok()
    });
    let slot: Option<String> = row.get(10)?;
    let slot = slot.and_then(|slot| slot.parse().ok()).map(|id| Slot { id, fallback: None });
    Ok(match (reaction, document) {
        (Some((on, emoji)), _) => PostBody::Reaction { on: MessageId::from(on), emoji, otherwise: text },
        (None, Some(document)) => PostBody::Document { document, slot },
        (None, None) => PostBody::Text(text.unwrap_or_default()),
    })
}

fn end(db: &Connection, id: i64, fate: &PostFate, at: Timestamp) -> Result<(), StoreError> {
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

fn count(db: &Connection, depths: &mut MailDepths) -> Result<(), StoreError> {
    (depths.pending, depths.oldest_pending) = db
        .prepare_cached("SELECT count(*), min(made) FROM outbox WHERE state = 'pending'")?
        .query_row([], |row| Ok((row.get(0)?, optional_time(row, 1)?)))?;
    depths.wedged = db
        .prepare_cached("SELECT count(*) FROM outbox WHERE state = 'wedged'")?
        .query_row([], |row| row.get(0))?;
    Ok(())
}

/// A recipient as the columns `to_kind` and `to_id`.
pub(super) fn columns(lane: &Recipient) -> (&'static str, &str) {
    match lane {
        Recipient::Chat(id) => ("chat", id.as_str()),
        Recipient::User(id) => ("user", id.as_str()),
    }
}

/// A recipient from the columns `to_kind` and `to_id`.
pub(super) fn recipient(kind: &str, id: String) -> Recipient {
    match kind {
        "user" => Recipient::User(OpenId::from(id)),
        _ => Recipient::Chat(ChatId::from(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Settlement, open};

    #[tokio::test]
    async fn the_last_document_of_a_card_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(&folder.path().join("mail.db")).unwrap();
        let (id, other) = (SlotId::random(), SlotId::random());
        let post = |text: &str| {
            let document = Document { preview: Some(text.to_owned()), ..Document::default() };
            let body = PostBody::Document { document, slot: Some(Slot { id, fallback: None }) };
            Post { to: Recipient::Chat("oc_1".into()), reply_to: None, body }
        };
        let posts = vec![post("first"), post("last")];
        store.settle(Settlement { posts, ..Settlement::at(Timestamp::now()) }).await.unwrap();
        let last = store.last_document(id).await.unwrap().and_then(|document| document.preview);
        assert_eq!(last.as_deref(), Some("last"));
        assert_eq!(store.last_document(other).await, Ok(None));
    }
}
