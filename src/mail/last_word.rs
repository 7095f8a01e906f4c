//! The last word of a card that may never have got into the chat.

use rusqlite::params;

use super::{Committed, Post, Store, call::Wakes, outbox, store::write};
use crate::{crash::Point, ids::SlotId};

use jiff::Timestamp;

impl Store {
    /// Puts the last word of a card into the outbox, if the card is in the chat or on its way; whether it is. It is off
    /// the stage before that, else its next picture comes all the same.
    pub fn last_word(&self, slot: SlotId, post: Post, at: Timestamp) -> Committed<bool> {
        let wakes = Wakes { lanes: [post.to.clone()].into(), ..Wakes::default() };
        self.call_for(wakes, move |db| {
            let is_there = db
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM card WHERE slot = ?1)")?
                .query_row(params![slot.to_string()], |row| row.get(0))?;
            if is_there {
                outbox::add(db, &post, at)?;
                write(Point::SettlementWrite)?;
            }
            Ok(is_there)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Body, Recipient, Slot, open};
    use crate::render::document::Document;

    #[tokio::test]
    async fn a_card_that_never_got_there_has_no_last_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.db");
        let (store, _) = open(&path).unwrap();
        let slot = SlotId::random();
        let post = || {
            let slot = Some(Slot { id: slot, epitaph: None });
            let body = Body::Document { document: Document::default(), slot };
            Post { to: Recipient::Chat("oc_1".into()), reply_to: None, body }
        };
        assert_eq!(store.last_word(slot, post(), Timestamp::UNIX_EPOCH).await, Ok(false));
        assert_eq!(store.pending_lanes().await, Ok(vec![]));
        let db = rusqlite::Connection::open(&path).unwrap();
        let made = "INSERT INTO card (slot, to_kind, to_id, made) VALUES (?1, 'chat', 'oc_1', 0)";
        db.execute(made, [slot.to_string()]).unwrap();
        assert_eq!(store.last_word(slot, post(), Timestamp::UNIX_EPOCH).await, Ok(true));
        assert_eq!(store.pending_lanes().await, Ok(vec![Recipient::Chat("oc_1".into())]));
    }
}
