//! Retention: how long settled rows stay, and their removal, a few rows at a time.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

/// Maximum number of rows that one step removes, so that no call waits long for it.
const ROWS_PER_STEP: i64 = 64;

/// Free pages that stay in the file for the next rows.
const SPARE_PAGES: i64 = 256;

/// How long the ids of messages and events are kept. Feishu pushes an event again up to 7 hours later.
const SEEN_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long answered messages and confirmed posts are kept. Nothing reads them again.
const SETTLED_AGE: SignedDuration = SignedDuration::from_mins(10);

/// How long posts are kept that Feishu refused for good.
const WEDGED_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long the last turn of a session is kept, so that it can be run again.
const LAST_TURN_AGE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How long cards are kept. Feishu lets them be changed and pressed for 14 days.
const CARD_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The age at which rows are removed, and the statement that removes some of them.
const RULES: [(SignedDuration, &str); 6] = [
    (SEEN_AGE, "DELETE FROM seen WHERE (kind, id) IN (SELECT kind, id FROM seen WHERE at < ?1 LIMIT ?2)"),
    (SETTLED_AGE, "DELETE FROM inbox WHERE seq IN (SELECT seq FROM inbox WHERE settled < ?1 LIMIT ?2)"),
    (
        SETTLED_AGE,
        "DELETE FROM outbox WHERE id IN
             (SELECT id FROM outbox WHERE state = 'confirmed' AND settled < ?1 LIMIT ?2)",
    ),
    (
        WEDGED_AGE,
        "DELETE FROM outbox WHERE id IN
             (SELECT id FROM outbox WHERE state = 'wedged' AND settled < ?1 LIMIT ?2)",
    ),
    (CARD_AGE, "DELETE FROM card WHERE slot IN (SELECT slot FROM card WHERE made < ?1 LIMIT ?2)"),
    (LAST_TURN_AGE, "DELETE FROM turn WHERE seq IN (SELECT seq FROM turn WHERE settled < ?1 LIMIT ?2)"),
];

/// Removes a few rows, or returns a few free pages to the file system; whether there is more to do.
pub(super) fn step(db: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    for (age, sql) in RULES {
        let before = now.saturating_sub(age).unwrap_or(Timestamp::MIN).as_millisecond();
        if db.prepare_cached(sql)?.execute(params![before, ROWS_PER_STEP])? > 0 {
            return Ok(true);
        }
    }
    let free = |db: &Connection| db.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
    if free(db)? <= SPARE_PAGES {
        return Ok(false);
    }
    // The pragma frees one page for each row that is read from it.
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({ROWS_PER_STEP})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(free(db)? > SPARE_PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::store::schema;

    const DAY: i64 = 24 * 3600 * 1000;

    fn row_ids(db: &Connection, table: &str) -> Vec<i64> {
        let sql = format!("SELECT rowid FROM {table} ORDER BY rowid");
        let mut statement = db.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn prune(db: &Connection, day: i64) -> usize {
        let now = Timestamp::from_millisecond(day * DAY + 1).unwrap();
        (0..).take_while(|_| step(db, now).unwrap()).count()
    }

    #[test]
    fn only_settled_and_old_rows_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let db = schema::open(&directory.path().join("mail.db")).unwrap();
        db.execute_batch(&format!(
            "INSERT INTO inbox (message_id, chat_id, user, in_group, text, created, received, state, settled) VALUES
                 ('a', 'c', 'u', 0, '', 0, 0, 'waiting', NULL), ('b', 'c', 'u', 0, '', 0, 0, 'running', NULL),
                 ('c', 'c', 'u', 0, '', 0, 0, 'answered', 0), ('d', 'c', 'u', 0, '', 0, 0, 'answered', {DAY});
             INSERT INTO outbox (uuid, to_kind, to_id, text, made, state, settled) VALUES
                 ('a', 'chat', 'c', '', 0, 'pending', NULL), ('b', 'chat', 'c', '', 0, 'confirmed', 0),
                 ('c', 'chat', 'c', '', 0, 'wedged', 0);
             INSERT INTO turn (turn_id, conv_id, user, chat_id, in_group, prompt, started, outcome, settled) VALUES
                 ('a', 'c-1', 'u', 'c', 0, '', 0, 'answered', 0), ('b', 'c-1', 'u', 'c', 0, '', 0, 'answered', 0),
                 ('c', 'c-2', 'u', 'c', 0, '', 0, NULL, NULL);
             INSERT INTO card (slot, to_kind, to_id, made) VALUES ('a', 'chat', 'c', 0), ('b', 'chat', 'c', {DAY});
             INSERT INTO seen VALUES ('message', 'a', 0), ('event', 'b', {});",
            7 * DAY
        ))
        .unwrap();
        let tables = |db: &Connection| ["inbox", "outbox", "turn"].map(|table| row_ids(db, table));
        let cards = |db: &Connection| {
            db.query_row("SELECT count(*) FROM card", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        prune(&db, 0);
        assert_eq!(tables(&db), [vec![1, 2, 3, 4], vec![1, 2, 3], vec![1, 2, 3]]);
        prune(&db, 1);
        assert_eq!(tables(&db), [vec![1, 2, 4], vec![1, 3], vec![1, 2, 3]]);
        prune(&db, 7);
        let seen: i64 = db.query_row("SELECT count(*) FROM seen", [], |row| row.get(0)).unwrap();
        assert_eq!((tables(&db), seen), ([vec![1, 2], vec![1, 3], vec![1, 2, 3]], 1));
        prune(&db, 30);
        assert_eq!(cards(&db), 1);
        prune(&db, 100);
        assert_eq!(tables(&db), [vec![1, 2], vec![1], vec![3]]);
    }

    #[test]
    fn free_pages_are_returned_in_small_steps() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mail.db");
        let db = schema::open(&path).unwrap();
        db.execute_batch("BEGIN").unwrap();
        for _ in 0..1_000 {
            db.execute(
                "INSERT INTO outbox (uuid, to_kind, to_id, text, made, state, settled)
                 VALUES ('a', 'chat', 'c', ?1, 0, 'confirmed', 0)",
                ["x".repeat(8_000)],
            )
            .unwrap();
        }
        db.execute_batch("COMMIT").unwrap();
        let steps = prune(&db, 2);
        assert!(steps >= 1_000 / 64 + 1_000 / 64, "{steps}");
        drop(db);
        assert!(std::fs::metadata(&path).unwrap().len() < 2_000_000);
    }
}
