//! The cards that change: which message shows which slot, and what a card says if the daemon ends.
//!
//! A card has a row from the commit of its slot's first post, or from just before its first live update is sent. What a
//! lane learns of a card is written together with the progress or the end of the post.
//!
//! The column `epitaph` holds the card's fallback: the document that it gets after the next start unless another post
//! replaces it first. `ended` says that the card has its final update, or will never have one: no live update may
//! follow.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Committed, Post, PostBody, Recipient, Slot, Store, StoreError,
    call::CommitWakes,
    crash_point,
    outbox::{self, columns},
    time,
};
use crate::{
    crash::Point,
    ids::{MessageId, SlotId},
    render::document::Document,
};

/// What is known of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRecord {
    /// The slot that it shows.
    pub(crate) slot: SlotId,
    /// When its row was made. The sequence numbers of an entity's operations count from here.
    pub(crate) made: Timestamp,
    /// The message that shows it.
    pub(crate) message_id: Option<MessageId>,
    /// Feishu's id of the card entity, if the card is one.
    pub(crate) entity: Option<String>,
    /// Whether that message cannot be changed any more.
    pub(crate) gone: bool,
    /// Whether the chat may hold a message whose id is not known and whose content may not be the newest.
    pub(crate) unsure: bool,
}

impl CardRecord {
    /// A card that is in no chat yet.
    #[must_use]
    pub(crate) fn new(slot: SlotId, made: Timestamp) -> Self {
        Self { slot, made, message_id: None, entity: None, gone: false, unsure: false }
    }
}

/// A live update that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mail) struct UpdateMark {
    pub(in crate::mail) to: Recipient,
    pub(in crate::mail) reply_to: Option<MessageId>,
    pub(in crate::mail) card: CardRecord,
    pub(in crate::mail) fallback: Option<Document>,
}

impl Store {
    /// What is known of a slot's card; `None` when nothing was committed for it.
    pub(in crate::mail) fn card(&self, slot: SlotId) -> Committed<Option<CardRecord>> {
        self.call(move |db| find(db, slot))
    }

    /// Notes what is known of a card.
    pub(in crate::mail) fn record_card(&self, card: CardRecord) -> Committed<()> {
        self.call(move |db| record(db, &card))
    }

    /// Notes that a live update is about to be sent, and the card's fallback from then on. False when the card has its
    /// final update, or a post for it waits: then the live update must not be sent.
    pub(in crate::mail) fn begin_update(&self, mark: UpdateMark) -> Committed<bool> {
        self.call(move |db| begin_update(db, &mark))
    }

    /// Queues the final update of a card if a live update of it is in the chat or on its way; whether it did. If not,
    /// no live update can follow.
    pub(crate) fn final_update(&self, slot: SlotId, post: Post, at: Timestamp) -> Committed<bool> {
        self.call_and_wake(CommitWakes::lane(&post.to), move |db| {
            let queued = final_update(db, slot, &post, at)?;
            crash_point(Point::SettlementWrite)?;
            Ok(queued)
        })
    }
}

/// Notes that a post of the slot was committed.
pub(super) fn posted(db: &Connection, post: &Post, slot: &Slot, at: Timestamp) -> Result<(), StoreError> {
    let (kind, id) = columns(&post.to);
    db.prepare_cached(
        "INSERT INTO card (slot, to_kind, to_id, reply_to, made, epitaph, ended) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (slot) DO UPDATE SET epitaph = excluded.epitaph, ended = excluded.ended",
    )?
    .execute(params![
        slot.id.to_string(),
        kind,
        id,
        post.reply_to.as_ref().map(MessageId::as_str),
        at.as_millisecond(),
        slot.fallback.as_ref().map(json).transpose()?,
        slot.fallback.is_none(),
    ])?;
    Ok(())
}

fn find(db: &Connection, slot: SlotId) -> Result<Option<CardRecord>, StoreError> {
    let card = db
        .prepare_cached("SELECT made, message_id, entity, gone, unsure FROM card WHERE slot = ?1")?
        .query_row([slot.to_string()], |row| {
            Ok(CardRecord {
                slot,
                made: time(row, 0)?,
                message_id: row.get::<_, Option<String>>(1)?.map(MessageId::from),
                entity: row.get(2)?,
                gone: row.get(3)?,
                unsure: row.get(4)?,
            })
        })
        .optional()?;
    Ok(card)
}

/// Writes down what is known of a card. One whose row was removed meanwhile no longer matters.
pub(super) fn record(db: &Connection, card: &CardRecord) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE card SET message_id = ?2, entity = ?3, gone = ?4, unsure = ?5 WHERE slot = ?1",
    )?
    .execute(params![
        card.slot.to_string(),
        card.message_id.as_ref().map(MessageId::as_str),
        card.entity,
        card.gone,
        card.unsure,
    ])?;
    Ok(())
}

fn begin_update(db: &Connection, mark: &UpdateMark) -> Result<bool, StoreError> {
    let slot = mark.card.slot.to_string();
    let (kind, id) = columns(&mark.to);
    let too_late: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM card WHERE slot = ?1 AND ended <> 0)
                 OR EXISTS (SELECT 1 FROM outbox
                            WHERE state = 'pending' AND to_kind = ?2 AND to_id = ?3 AND slot = ?1)",
        )?
        .query_row(params![slot, kind, id], |row| row.get(0))?;
    if too_late {
        return Ok(false);
    }
    db.prepare_cached(
        "INSERT INTO card (slot, to_kind, to_id, reply_to, made, epitaph) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (slot) DO UPDATE SET epitaph = excluded.epitaph",
    )?
    .execute(params![
        slot,
        kind,
        id,
        mark.reply_to.as_ref().map(MessageId::as_str),
        mark.card.made.as_millisecond(),
        mark.fallback.as_ref().map(json).transpose()?,
    ])?;
    record(db, &mark.card)?;
    Ok(true)
}

/// [`Store::final_update`] inside the caller's transaction.
pub(super) fn final_update(
    db: &Connection,
    slot: SlotId,
    post: &Post,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let (kind, id) = columns(&post.to);
    let unseen = db
        .prepare_cached(
            "INSERT OR IGNORE INTO card (slot, to_kind, to_id, made, ended) VALUES (?1, ?2, ?3, ?4, 1)",
        )?
        .execute(params![slot.to_string(), kind, id, at.as_millisecond()])?
        == 1;
    if !unseen {
        outbox::add(db, post, at)?;
    }
    Ok(!unseen)
}

/// Makes the fallback of each card that has one a post of its slot.
pub(super) fn queue_fallbacks(db: &Connection, at: Timestamp) -> Result<(), StoreError> {
    let mut open = db.prepare(
        "SELECT slot, to_kind, to_id, reply_to, epitaph FROM card WHERE epitaph IS NOT NULL ORDER BY made, slot",
    )?;
    let open = open.query_map([], |row| {
        let texts = (row.get::<_, String>(0)?, row.get::<_, String>(4)?);
        let to = outbox::recipient(&row.get::<_, String>(1)?, row.get(2)?);
        Ok((texts, to, row.get::<_, Option<String>>(3)?.map(MessageId::from)))
    })?;
    for ((slot, fallback), to, reply_to) in open.collect::<Result<Vec<_>, _>>()? {
        match (slot.parse(), serde_json::from_str(&fallback)) {
            (Ok(id), Ok(document)) => {
                let body = PostBody::Document { document, slot: Some(Slot { id, fallback: None }) };
                outbox::add(db, &Post { to, reply_to, body }, at)?;
            }
            // Another version wrote it and this one cannot read it: the card stays as it is.
            (Err(_), _) | (_, Err(_)) => {
                db.execute("UPDATE card SET epitaph = NULL WHERE slot = ?1", [slot])?;
            }
        }
    }
    Ok(())
}

/// A document as it is kept.
pub(super) fn json(document: &Document) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(|error| StoreError::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::open;

    #[tokio::test]
    async fn a_card_that_never_got_into_the_chat_has_no_final_update_and_no_later_live_one() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(&folder.path().join("mail.db")).unwrap();
        let (now, to) = (Timestamp::now(), Recipient::Chat("oc_1".into()));
        let final_update = |id| {
            let slot = Some(Slot { id, fallback: None });
            let body = PostBody::Document { document: Document::default(), slot };
            store.final_update(id, Post { to: to.clone(), reply_to: None, body }, now)
        };
        let begin_update = |slot| {
            let card = CardRecord::new(slot, now);
            store.begin_update(UpdateMark { to: to.clone(), reply_to: None, card, fallback: None })
        };
        let (unseen, seen) = (SlotId::random(), SlotId::random());
        assert_eq!(begin_update(seen).await, Ok(true));
        assert_eq!(final_update(unseen).await, Ok(false));
        assert_eq!(store.pending_lanes().await, Ok(vec![]));
        assert_eq!(begin_update(unseen).await, Ok(false));
        assert_eq!(final_update(seen).await, Ok(true));
        assert_eq!(store.pending_lanes().await, Ok(vec![to.clone()]));
    }
}
