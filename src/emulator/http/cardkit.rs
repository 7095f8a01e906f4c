//! `/open-apis/cardkit/v1/cards…`

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    response::Response,
};
use serde_json::Value;

use super::im::json_of;
use crate::emulator::{
    answer::{FeishuRefusal, answer},
    world::SharedWorld,
    world::card_entity::EntityOperation,
};

type CardkitState = State<Arc<SharedWorld>>;
type ElementPath = Path<(String, String)>;

/// `POST /open-apis/cardkit/v1/cards`
pub(super) async fn create(State(shared): CardkitState, body: Bytes) -> Response {
    answer(shared.change(|world| {
        let card = card_json(&json_of(&body)?)?;
        world.create_entity(card)
    }))
}

/// `PUT /open-apis/cardkit/v1/cards/:card_id`
pub(super) async fn replace(shared: CardkitState, Path(id): Path<String>, body: Bytes) -> Response {
    operate(&shared, &id, &body, |sent| Ok(EntityOperation::Replace(card_json(&sent["card"])?)))
}

/// `PATCH /open-apis/cardkit/v1/cards/:card_id/settings`
pub(super) async fn settings(shared: CardkitState, Path(id): Path<String>, body: Bytes) -> Response {
    operate(&shared, &id, &body, |sent| Ok(EntityOperation::Settings(inner(sent, "settings")?)))
}

/// `POST /open-apis/cardkit/v1/cards/:card_id/batch_update`
pub(super) async fn batch(shared: CardkitState, Path(id): Path<String>, body: Bytes) -> Response {
    operate(&shared, &id, &body, |sent| {
        let actions = inner(sent, "actions")?;
        let actions = actions
            .as_array()
            .cloned()
            .ok_or_else(|| FeishuRefusal::new(10_002, "actions is not an array"))?;
        Ok(EntityOperation::Batch(actions))
    })
}

/// `POST /open-apis/cardkit/v1/cards/:card_id/elements`
pub(super) async fn add(shared: CardkitState, Path(id): Path<String>, body: Bytes) -> Response {
    operate(&shared, &id, &body, |sent| {
        Ok(EntityOperation::Add {
            how: sent["type"].as_str().unwrap_or_default().to_owned(),
            target: sent["target_element_id"].as_str().map(str::to_owned),
            elements: inner(sent, "elements")?,
        })
    })
}

/// `PUT /open-apis/cardkit/v1/cards/:card_id/elements/:element_id`
pub(super) async fn replace_element(
    shared: CardkitState,
    Path((id, element_id)): ElementPath,
    body: Bytes,
) -> Response {
    operate(&shared, &id, &body, |sent| {
        Ok(EntityOperation::ReplaceElement { element_id, element: inner(sent, "element")? })
    })
}

/// `PATCH /open-apis/cardkit/v1/cards/:card_id/elements/:element_id`
pub(super) async fn patch_element(
    shared: CardkitState,
    Path((id, element_id)): ElementPath,
    body: Bytes,
) -> Response {
    operate(&shared, &id, &body, |sent| {
        Ok(EntityOperation::PatchElement { element_id, partial: inner(sent, "partial_element")? })
    })
}

/// `DELETE /open-apis/cardkit/v1/cards/:card_id/elements/:element_id`
pub(super) async fn delete_element(
    shared: CardkitState,
    Path((id, element_id)): ElementPath,
    body: Bytes,
) -> Response {
    operate(&shared, &id, &body, |_| Ok(EntityOperation::DeleteElement { element_id }))
}

/// `PUT /open-apis/cardkit/v1/cards/:card_id/elements/:element_id/content`
pub(super) async fn content(
    shared: CardkitState,
    Path((id, element_id)): ElementPath,
    body: Bytes,
) -> Response {
    operate(&shared, &id, &body, |sent| {
        let content =
            sent["content"].as_str().ok_or_else(|| FeishuRefusal::new(10_002, "content is required"))?;
        Ok(EntityOperation::Content { element_id, content: content.to_owned() })
    })
}

fn operate(
    shared: &SharedWorld,
    card_id: &str,
    body: &Bytes,
    operation: impl FnOnce(&Value) -> Result<EntityOperation, FeishuRefusal>,
) -> Response {
    answer(json_of(body).and_then(|sent| {
        let operation = operation(&sent)?;
        let (sequence, uuid) = (sent["sequence"].as_i64(), sent["uuid"].as_str());
        shared.change(|world| world.operate(card_id, sequence, uuid, operation))
    }))
}

/// A property that is JSON written into a string.
fn inner(sent: &Value, name: &str) -> Result<Value, FeishuRefusal> {
    let text =
        sent[name].as_str().ok_or_else(|| FeishuRefusal::new(10_002, format!("{name} is not a string")))?;
    serde_json::from_str(text).map_err(|_| FeishuRefusal::new(10_002, format!("{name} is not json")))
}

/// `{"type":"card_json","data":"…"}`
fn card_json(sent: &Value) -> Result<Value, FeishuRefusal> {
    if sent["type"].as_str() != Some("card_json") {
        return Err(FeishuRefusal::new(10_002, "only card_json is emulated"));
    }
    inner(sent, "data").map_err(|_| FeishuRefusal::of_card(200_220, "card json is not valid"))
}
