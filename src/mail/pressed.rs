//! What the buttons of a card need of the turns that are known, and the messages that come of a press.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    Committed, NewMail, Store, StoreError, TurnStart,
    inbox::{self, turn},
    store::write,
};
use crate::{
    crash::Point,
    ids::{ChatId, ConvId, SlotId},
    render::document::Document,
};

/// So many characters of a prompt are looked at to say which it is.
const BEGINNING: u32 = 400;

/// A turn that is known: a session's last one, or one that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTurn {
    /// How it began.
    pub start: TurnStart,
    /// How it ended, in one word; none while it runs.
    pub outcome: Option<String>,
}

impl PastTurn {
    /// The outcome of a turn that ran when the daemon went down without a word.
    pub const CUT_BY_CRASH: &str = "cut-by-crash";

    /// The outcome of a turn that the daemon ended when it left in good order.
    pub const CUT_BY_STOP: &str = "cut";
}

impl Store {
    /// Takes a press over as a message for this session; its number, or `None` when `key`, which says what was pressed,
    /// was taken over before. Keys are remembered for 7 days.
    pub fn accept_press(&self, key: String, mail: NewMail, conv: ConvId) -> Committed<Option<i64>> {
        self.call(move |db| {
            if !inbox::first_time(db, "event", &key, mail.received)? {
                return Ok(None);
            }
            let seq = inbox::insert(db, &mail)?;
            inbox::assign(db, seq, &conv)?;
            write(Point::InboxWrite)?;
            Ok(Some(seq))
        })
    }

    /// A turn, if it is still known.
    pub fn turn(&self, id: Uuid) -> Committed<Option<PastTurn>> {
        self.call(move |db| past_turn(db, id))
    }

    /// What a card was last told to say for good, while the outbox still has it.
    pub fn last_document(&self, slot: SlotId) -> Committed<Option<Document>> {
        self.call(move |db| {
            let last: Option<String> = db
                .prepare_cached(
                    "SELECT document FROM outbox WHERE slot = ?1 AND document IS NOT NULL ORDER BY id DESC LIMIT 1",
                )?
                .query_row([slot.to_string()], |row| row.get(0))
                .optional()?;
            // Of another version: it is as if it were not there.
            Ok(last.and_then(|json| serde_json::from_str(&json).ok()))
        })
    }

    /// The beginning of the last prompt of each of these sessions; with a chat, of the last one that was asked there.
    pub fn last_prompts(
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
                let which = params![conv.as_str(), BEGINNING, chat.as_ref().map(ChatId::as_str)];
                let prompt = statement.query_row(which, |row| row.get(0)).optional()?;
                prompts.extend(prompt.map(|prompt| (conv, prompt)));
            }
            Ok(prompts)
        })
    }
}

fn past_turn(db: &Connection, id: Uuid) -> Result<Option<PastTurn>, StoreError> {
    let past = db
        .prepare_cached(
            "SELECT turn_id, mail, conv_id, user, chat_id, in_group, reply_to, prompt, started, outcome
             FROM turn WHERE turn_id = ?1",
        )?
        .query_row([id.to_string()], |row| Ok(PastTurn { start: turn(row)?, outcome: row.get(9)? }))
        .optional()?;
    Ok(past)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::mail::{Post, PostBody, Recipient, Settlement, Slot, open};

    fn pressed() -> NewMail {
        NewMail {
            message_id: "om_card".into(),
            chat_id: "oc_1".into(),
            user: "ou_1".into(),
            group: false,
            text: "again".to_owned(),
            created: Timestamp::now(),
            received: Timestamp::now(),
        }
    }

    #[tokio::test]
    async fn a_press_is_taken_over_once_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.db");
        let (store, _) = open(&path).unwrap();
        let press = |store: &Store, key: &str| store.accept_press(key.into(), pressed(), "c-1".into());
        assert_eq!(press(&store, "again:1").await, Ok(Some(1)));
        assert_eq!(press(&store, "again:1").await, Ok(None));
        // Another button of the same card.
        assert_eq!(press(&store, "continue:1").await, Ok(Some(2)));
        drop(store);
        let (store, left) = open(&path).unwrap();
        assert_eq!(press(&store, "again:1").await, Ok(None));
        let waiting: Vec<_> = left.waiting.iter().map(|mail| (mail.seq, mail.conv_id.clone())).collect();
        assert_eq!(waiting, [(1, Some("c-1".into())), (2, Some("c-1".into()))]);
    }

    #[tokio::test]
    async fn a_turn_is_found_while_it_is_its_sessions_last() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(&folder.path().join("mail.db")).unwrap();
        let start = |n: u128, prompt: &str| TurnStart {
            turn_id: Uuid::from_u128(n),
            mail: None,
            conv_id: "c-1".into(),
            user: "ou_1".into(),
            chat_id: "oc_1".into(),
            group: true,
            reply_to: Some("om_1".into()),
            prompt: prompt.to_owned(),
            at: Timestamp::UNIX_EPOCH,
        };
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
        let told = async |chat: Option<&str>| {
            store.last_prompts(vec!["c-1".into(), "c-2".into()], chat.map(ChatId::from)).await.unwrap()
        };
        let last = BTreeMap::from([("c-1".into(), "x".repeat(400))]);
        assert_eq!((told(None).await, told(Some("oc_1")).await), (last.clone(), last));
        assert_eq!(told(Some("oc_2")).await, BTreeMap::new());
    }
    #[tokio::test]
    async fn what_a_card_was_last_told_to_say_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(&folder.path().join("mail.db")).unwrap();
        let (id, other) = (SlotId::random(), SlotId::random());
        let post = |text: &str| {
            let document = Document { preview: Some(text.to_owned()), ..Document::default() };
            let body = PostBody::Document { document, slot: Some(Slot { id, epitaph: None }) };
            Post { to: Recipient::Chat("oc_1".into()), reply_to: None, body }
        };
        let posts = vec![post("first"), post("last")];
        store.settle(Settlement { posts, ..Settlement::at(Timestamp::now()) }).await.unwrap();
        let last = store.last_document(id).await.unwrap().and_then(|document| document.preview);
        assert_eq!(last.as_deref(), Some("last"));
        assert_eq!(store.last_document(other).await, Ok(None));
    }
}
