//! Whether a message is known here.

use rusqlite::{Connection, params};

use super::{Committed, Store, StoreError};
use crate::ids::MessageId;

impl Store {
    /// Whether this message was taken over within the last 7 days, or sent from here lately.
    pub fn knows(&self, id: &MessageId) -> Committed<bool> {
        let id = id.clone();
        self.call(move |db| knows(db, &id))
    }
}

fn knows(db: &Connection, id: &MessageId) -> Result<bool, StoreError> {
    let known = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM seen WHERE kind = 'message' AND id = ?1)
                 OR EXISTS (SELECT 1 FROM outbox WHERE message_id = ?1)
                 OR EXISTS (SELECT 1 FROM card WHERE message_id = ?1)",
        )?
        .query_row(params![id.as_str()], |row| row.get(0))?;
    Ok(known)
}
