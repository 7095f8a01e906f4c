//! The last word of a card that may never have got into the chat.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Committed, Post, Store, StoreError, call::CommitWakes, outbox, store::write};
use crate::{crash::Point, ids::SlotId};

impl Store {
    /// Puts the last word of a card into the outbox, if a picture of it is in the chat or on its way; whether it is. If
    /// not, none comes any more.
    pub fn last_word(&self, slot: SlotId, post: Post, at: Timestamp) -> Committed<bool> {
        let wakes = CommitWakes { lanes: [post.to.clone()].into(), ..CommitWakes::default() };
        self.call_for(wakes, move |db| {
            let seen = say(db, slot, &post, at)?;
            write(Point::SettlementWrite)?;
            Ok(seen)
        })
    }
}

/// The same inside the caller's transaction.
pub(super) fn say(db: &Connection, slot: SlotId, post: &Post, at: Timestamp) -> Result<bool, StoreError> {
    let (kind, id) = outbox::columns(&post.to);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::card::{CardRecord, UpdateMark};
    use crate::mail::{PostBody, Recipient, Slot, open};
    use crate::render::document::Document;

    #[tokio::test]
    async fn a_card_that_never_got_there_has_no_last_word_and_comes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(&folder.path().join("mail.db")).unwrap();
        let (now, to) = (Timestamp::now(), Recipient::Chat("oc_1".into()));
        let last_word = |id| {
            let body =
                PostBody::Document { document: Document::default(), slot: Some(Slot { id, epitaph: None }) };
            store.last_word(id, Post { to: to.clone(), reply_to: None, body }, now)
        };
        let picture = |slot| {
            let card = CardRecord::new(slot, now);
            store.picture_begins(UpdateMark { to: to.clone(), reply_to: None, card, epitaph: None })
        };
        let (unseen, seen) = (SlotId::random(), SlotId::random());
        assert_eq!(picture(seen).await, Ok(true));
        assert_eq!(last_word(unseen).await, Ok(false));
        assert_eq!(store.pending_lanes().await, Ok(vec![]));
        assert_eq!(picture(unseen).await, Ok(false));
        assert_eq!(last_word(seen).await, Ok(true));
        assert_eq!(store.pending_lanes().await, Ok(vec![to.clone()]));
    }
}
