//! The cards that are changed while they live, in SQL: which message shows which slot.
//!
//! A row is there from the commit of the slot's first post, or from just before its first picture is sent. What a lane
//! learns of a card is written with what it notes of the post.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Committed, Post, PostBody, Recipient, Slot, Store, StoreError,
    inbox::time,
    outbox::{self, columns},
};
use crate::{
    ids::{MessageId, SlotId},
    render::document::Document,
};

/// A card, as far as it is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRecord {
    /// Its name.
    pub slot: SlotId,
    /// When its row was made: the numbers of operations on an entity count from here.
    pub made: Timestamp,
    /// The message that shows it.
    pub message_id: Option<MessageId>,
    /// Feishu's id of the card, where it is an entity.
    pub entity: Option<String>,
    /// Whether that message cannot be changed any more.
    pub gone: bool,
    /// Whether a message may be in the chat whose id is not known, with words that are not the newest.
    pub unsure: bool,
}

impl CardRecord {
    /// One that nobody has seen yet.
    #[must_use]
    pub fn new(slot: SlotId, made: Timestamp) -> Self {
        Self { slot, made, message_id: None, entity: None, gone: false, unsure: false }
    }
}

/// A picture that is about to be brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UpdateMark {
    pub(super) to: Recipient,
    pub(super) reply_to: Option<MessageId>,
    pub(super) card: CardRecord,
    pub(super) epitaph: Option<Document>,
}

impl Store {
    /// A card; `None` when nothing was ever committed for it.
    pub(super) fn card(&self, slot: SlotId) -> Committed<Option<CardRecord>> {
        self.call(move |db| find(db, slot))
    }

    /// Notes what is known of a card.
    pub(super) fn card_known(&self, card: CardRecord) -> Committed<()> {
        self.call(move |db| learn(db, &card))
    }

    /// Notes that a picture is brought now, and what the card says if the daemon ends after that. False when the card
    /// has its last word, or a post for it waits: then the picture is not to be shown.
    pub(super) fn picture_begins(&self, mark: UpdateMark) -> Committed<bool> {
        self.call(move |db| begin(db, &mark))
    }
}

/// A post of the slot is committed.
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
        slot.epitaph.as_ref().map(json).transpose()?,
        slot.epitaph.is_none(),
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

/// What became of a card. One whose row is pruned meanwhile is nobody's concern any more.
pub(super) fn learn(db: &Connection, card: &CardRecord) -> Result<(), StoreError> {
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

fn begin(db: &Connection, mark: &UpdateMark) -> Result<bool, StoreError> {
    let slot = mark.card.slot.to_string();
    let too_late: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM card WHERE slot = ?1 AND ended <> 0)
                 OR EXISTS (SELECT 1 FROM outbox
                            WHERE state = 'pending' AND to_kind = ?2 AND to_id = ?3 AND slot = ?1)",
        )?
        .query_row(params![slot, columns(&mark.to).0, columns(&mark.to).1], |row| row.get(0))?;
    if too_late {
        return Ok(false);
    }
    let (kind, id) = columns(&mark.to);
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
        mark.epitaph.as_ref().map(json).transpose()?,
    ])?;
    learn(db, &mark.card)?;
    Ok(true)
}

/// Makes each open epitaph a post of its slot.
pub(super) fn bury(db: &Connection, at: Timestamp) -> Result<(), StoreError> {
    let mut open = db.prepare(
        "SELECT slot, to_kind, to_id, reply_to, epitaph FROM card WHERE epitaph IS NOT NULL ORDER BY made, slot",
    )?;
    let open = open.query_map([], |row| {
        let texts = (row.get::<_, String>(0)?, row.get::<_, String>(4)?);
        let to = outbox::recipient(&row.get::<_, String>(1)?, row.get(2)?);
        Ok((texts, to, row.get::<_, Option<String>>(3)?.map(MessageId::from)))
    })?;
    for ((slot, epitaph), to, reply_to) in open.collect::<Result<Vec<_>, _>>()? {
        match (slot.parse(), serde_json::from_str(&epitaph)) {
            (Ok(id), Ok(document)) => {
                let body = PostBody::Document { document, slot: Some(Slot { id, epitaph: None }) };
                outbox::add(db, &Post { to, reply_to, body }, at)?;
            }
            // Of another version: the card stays as it is.
            (Err(_), _) | (_, Err(_)) => {
                db.execute("UPDATE card SET epitaph = NULL WHERE slot = ?1", [slot])?;
            }
        }
    }
    Ok(())
}

fn json(document: &Document) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(|error| StoreError::Failed(error.to_string()))
}
