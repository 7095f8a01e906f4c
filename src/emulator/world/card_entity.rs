//! Card entities (cardkit v1): a card that lives apart from the message that shows it and is changed by numbered
//! operations.

mod tree;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::emulator::{
    answer::FeishuRefusal,
    cards::{self, CardFault},
    world::World,
};
use crate::ids::MessageId;

/// Feishu: a card is at most 30 KB, also as it grows.
const MAX_CARD_BYTES: usize = 30_000;
/// Feishu: streaming ends 10 minutes after it was last switched on.
const STREAMING_LASTS: Duration = Duration::from_secs(600);
/// Feishu: an entity lives 14 days.
const LIVES: Duration = Duration::from_secs(14 * 24 * 3600);

/// A card entity: the card, its sequence number, and whether it streams.
#[derive(Clone, Debug)]
pub(crate) struct CardEntity {
    pub(crate) card: Value,
    /// The message that shows it: an entity can be sent once.
    pub(crate) sent: Option<MessageId>,
    sequence: i64,
    uuids: BTreeSet<String>,
    streaming_since: Option<Instant>,
    /// Whether the time was ended before it was over.
    streaming_timed_out: bool,
    pub(crate) created: Timestamp,
}

/// An operation on an entity, with what its request carries.
#[derive(Clone, Debug)]
pub(crate) enum EntityOperation {
    /// New text for an element, in streaming mode.
    Content { element_id: String, content: String },
    /// `{"config":{…}}`
    Settings(Value),
    /// A whole new card.
    Replace(Value),
    /// Several operations at once, all or none of them.
    Batch(Vec<Value>),
    /// `insert_before`, `insert_after` or `append`.
    Add { how: String, target: Option<String>, elements: Value },
    /// Another element in the place of one.
    ReplaceElement { element_id: String, element: Value },
    /// Some properties of an element.
    PatchElement { element_id: String, partial: Value },
    /// Removes an element.
    DeleteElement { element_id: String },
}

impl World {
    /// Makes an entity of a card of schema 2.0 and answers with its id.
    pub(crate) fn create_entity(&mut self, card: Value) -> Result<Value, FeishuRefusal> {
        if !cards::is_second_schema(&card) {
            return Err(entity_refusal(&CardFault::OldSchema));
        }
        check_card(&card)?;
        let card_id = format!("7{:018}", fastrand::u64(..1_000_000_000_000_000_000));
        let streaming = card["config"]["streaming_mode"].as_bool().unwrap_or_default();
        let entity = CardEntity {
            card,
            sent: None,
            sequence: 0,
            uuids: BTreeSet::new(),
            streaming_since: streaming.then(Instant::now),
            streaming_timed_out: false,
            created: Timestamp::now(),
        };
        self.cards.insert(card_id.clone(), entity);
        Ok(json!({ "card_id": card_id }))
    }

    /// Does a numbered operation on an entity. What is refused changes nothing.
    pub(crate) fn operate(
        &mut self,
        card_id: &str,
        sequence: Option<i64>,
        uuid: Option<&str>,
        operation: EntityOperation,
    ) -> Result<Value, FeishuRefusal> {
        if let Err(reset) = self.admit(&format!("card {card_id}"), &[(10, Duration::from_secs(1))]) {
            return Err(FeishuRefusal { http: 400, ..FeishuRefusal::too_frequent(reset) });
        }
        let Some(entity) = self.cards.get_mut(card_id) else {
            return Err(FeishuRefusal::new(200_740, "card entity does not exist"));
        };
        let now = Instant::now();
        if Timestamp::now().duration_since(entity.created).unsigned_abs() > LIVES {
            return Err(FeishuRefusal::new(200_750, "card entity is expired"));
        }
        if uuid.is_some_and(|uuid| entity.uuids.contains(uuid)) {
            return Err(FeishuRefusal::new(200_770, "uuid conflict"));
        }
        let sequence = sequence.filter(|number| (1..=i64::from(i32::MAX)).contains(number));
        let Some(sequence) = sequence else { return Err(FeishuRefusal::new(10_002, "sequence is required")) };
        if sequence <= entity.sequence {
            return Err(FeishuRefusal::new(300_317, "sequence number compare failed"));
        }
        let mut changed = entity.clone();
        changed.apply(operation, now)?;
        changed.sequence = sequence;
        changed.uuids.extend(uuid.map(str::to_owned));
        let sent = changed.sent.clone();
        *entity = changed;
        if let Some(message_id) = sent {
            self.message_mut(&message_id);
        }
        Ok(json!({}))
    }
}

impl CardEntity {
    /// Whether streaming is on, which a time-out ends.
    pub(crate) fn is_streaming(&self, now: Instant) -> bool {
        let lasts = |since| now.duration_since(since) < STREAMING_LASTS;
        !self.streaming_timed_out && self.streaming_since.is_some_and(lasts)
    }

    /// The time that streaming lasts is over, if it was on.
    pub(crate) fn time_out(&mut self) {
        self.streaming_timed_out |= self.streaming_since.is_some();
    }

    fn apply(&mut self, operation: EntityOperation, now: Instant) -> Result<(), FeishuRefusal> {
        match operation {
            EntityOperation::Content { element_id, content } => {
                if self.streaming_since.is_none() {
                    return Err(FeishuRefusal::new(300_309, "streaming mode is closed"));
                }
                if !self.is_streaming(now) {
                    return Err(FeishuRefusal::new(200_850, "card streaming timeout"));
                }
                if !(1..=100_000).contains(&content.chars().count()) {
                    return Err(FeishuRefusal::of_card(10_002, "content has 1 to 100000 characters"));
                }
                let element = tree::find(&mut self.card["body"], &element_id).ok_or_else(no_element)?;
                if !matches!(element["tag"].as_str(), Some("markdown" | "plain_text")) {
                    return Err(FeishuRefusal::new(300_310, "not support streaming update for this element"));
                }
                element["content"] = Value::String(content);
            }
            EntityOperation::Settings(settings) => self.set(&settings, now)?,
            EntityOperation::Replace(card) => {
                if !cards::is_second_schema(&card) {
                    return Err(entity_refusal(&CardFault::OldSchema));
                }
                let streaming = card["config"]["streaming_mode"].as_bool().unwrap_or_default();
                self.card = card;
                self.streaming_since = streaming.then(|| self.streaming_since.unwrap_or(now));
            }
            EntityOperation::Batch(actions) => {
                for action in actions {
                    for step in batch_steps(&action)? {
                        self.apply(step, now)?;
                    }
                }
            }
            EntityOperation::Add { how, target, elements } => {
                let elements =
                    elements.as_array().cloned().ok_or_else(|| FeishuRefusal::new(300_307, "no elements"))?;
                let done = tree::insert(&mut self.card["body"], &how, target.as_deref(), elements);
                done.ok_or_else(no_element)?;
            }
            EntityOperation::ReplaceElement { element_id, element } => {
                *tree::find(&mut self.card["body"], &element_id).ok_or_else(no_element)? = element;
            }
            EntityOperation::PatchElement { element_id, partial } => {
                let element = tree::find(&mut self.card["body"], &element_id).ok_or_else(no_element)?;
                merge(element, &partial);
            }
            EntityOperation::DeleteElement { element_id } => {
                tree::remove(&mut self.card["body"], &element_id).ok_or_else(no_element)?;
            }
        }
        check_card(&self.card)
    }

    fn set(&mut self, settings: &Value, now: Instant) -> Result<(), FeishuRefusal> {
        let Some(config) = settings.get("config").filter(|config| config.is_object()) else {
            return Err(FeishuRefusal::new(10_002, "settings.config is required"));
        };
        if let Some(streaming) = config["streaming_mode"].as_bool() {
            self.streaming_since = streaming.then_some(now);
            self.streaming_timed_out = false;
        }
        if self.card.get("config").is_none() {
            self.card["config"] = json!({});
        }
        merge(&mut self.card["config"], config);
        Ok(())
    }
}

/// A card's fault as the card entity API reports it.
fn entity_refusal(fault: &CardFault) -> FeishuRefusal {
    let (sub_code, words) = fault.for_messages();
    FeishuRefusal::of_card(fault.for_entities(), format!("ErrCode: {sub_code}; ErrMsg: {words}"))
}

fn check_card(card: &Value) -> Result<(), FeishuRefusal> {
    cards::check(card).map_err(|fault| entity_refusal(&fault))?;
    if card.to_string().len() > MAX_CARD_BYTES {
        return Err(FeishuRefusal::of_card(200_860, "card size exceeds the limit"));
    }
    Ok(())
}

fn no_element() -> FeishuRefusal {
    FeishuRefusal::new(300_313, "element does not exist")
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        for (key, value) in from {
            into.insert(key.clone(), value.clone());
        }
    }
}

/// The single operations that one action of a batch stands for.
fn batch_steps(action: &Value) -> Result<Vec<EntityOperation>, FeishuRefusal> {
    let params = &action["params"];
    let id = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // Objects may come as JSON or as a string of it.
    let inner = |name: &str| match params[name].as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        None => params[name].clone(),
    };
    Ok(match action["action"].as_str().unwrap_or_default() {
        "partial_update_setting" => vec![EntityOperation::Settings(inner("settings"))],
        "add_elements" => vec![EntityOperation::Add {
            how: id(&params["type"]),
            target: params["target_element_id"].as_str().map(str::to_owned),
            elements: inner("elements"),
        }],
        "delete_elements" => {
            let ids = inner("element_ids");
            let ids = ids.as_array().into_iter().flatten();
            ids.map(|each| EntityOperation::DeleteElement { element_id: id(each) }).collect()
        }
        "partial_update_element" => vec![EntityOperation::PatchElement {
            element_id: id(&params["element_id"]),
            partial: inner("partial_element"),
        }],
        "update_element" => {
            vec![EntityOperation::ReplaceElement {
                element_id: id(&params["element_id"]),
                element: inner("element"),
            }]
        }
        other => return Err(FeishuRefusal::new(10_002, format!("unknown action {other:?}"))),
    })
}
