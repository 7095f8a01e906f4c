//! `/open-apis/im/v1/messages…` and the update of a card after a click.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{Path, Query, State},
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    emulator::{
        answer::{FeishuRefusal, answer},
        world::messages::OutgoingBotMessage,
        world::{Sender, SharedWorld},
    },
    ids::MessageId,
};

type QueryParameters = Query<HashMap<String, String>>;

/// `POST /open-apis/im/v1/messages?receive_id_type=…`
pub(super) async fn create(
    State(shared): State<Arc<SharedWorld>>,
    Query(query): QueryParameters,
    body: Bytes,
) -> Response {
    answer(shared.change(|world| {
        let (sent, posting) = posting(&body)?;
        let id_type = query.get("receive_id_type").map_or("open_id", String::as_str);
        let Some(receive_id) = sent["receive_id"].as_str() else {
            return Err(FeishuRefusal::parameter("receive_id is required"));
        };
        let chat = world.receiver(id_type, receive_id)?;
        world.create(&chat, &posting)
    }))
}

/// `POST /open-apis/im/v1/messages/:message_id/reply`
pub(super) async fn reply(
    State(shared): State<Arc<SharedWorld>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    answer(shared.change(|world| world.reply(&MessageId::from(id), &posting(&body)?.1)))
}

/// `GET /open-apis/im/v1/messages/:message_id`
pub(super) async fn read(State(shared): State<Arc<SharedWorld>>, Path(id): Path<String>) -> Response {
    answer(shared.look(|world| world.read(&MessageId::from(id))))
}

/// `PUT /open-apis/im/v1/messages/:message_id`
pub(super) async fn edit(
    State(shared): State<Arc<SharedWorld>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    answer(shared.change(|world| world.edit(&MessageId::from(id), &posting(&body)?.1)))
}

/// `PATCH /open-apis/im/v1/messages/:message_id`
pub(super) async fn patch(
    State(shared): State<Arc<SharedWorld>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    answer(shared.change(|world| {
        let sent = json_of(&body)?;
        let Some(card) = sent["content"].as_str() else {
            return Err(FeishuRefusal::parameter("content is required"));
        };
        world.patch(&MessageId::from(id), card)
    }))
}

/// `DELETE /open-apis/im/v1/messages/:message_id`
pub(super) async fn take_back(State(shared): State<Arc<SharedWorld>>, Path(id): Path<String>) -> Response {
    answer(shared.change(|world| world.take_back(&MessageId::from(id))))
}

/// `POST /open-apis/im/v1/messages/:message_id/reactions`
pub(super) async fn react(
    State(shared): State<Arc<SharedWorld>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    answer(shared.change(|world| {
        let sent = json_of(&body)?;
        let emoji = sent["reaction_type"]["emoji_type"].as_str().unwrap_or_default();
        world.react(&MessageId::from(id), emoji, Sender::Bot)
    }))
}

/// `GET /open-apis/im/v1/messages/:message_id/reactions`
pub(super) async fn reactions(State(shared): State<Arc<SharedWorld>>, Path(id): Path<String>) -> Response {
    answer(shared.look(|world| world.reactions(&MessageId::from(id))))
}

/// `DELETE /open-apis/im/v1/messages/:message_id/reactions/:reaction_id`
pub(super) async fn unreact(
    State(shared): State<Arc<SharedWorld>>,
    Path((id, reaction)): Path<(String, String)>,
) -> Response {
    answer(shared.change(|world| world.unreact(&MessageId::from(id), &reaction)))
}

/// `POST /open-apis/interactive/v1/card/update`
pub(super) async fn update_after_click(State(shared): State<Arc<SharedWorld>>, body: Bytes) -> Response {
    answer(shared.change(|world| {
        let sent = json_of(&body)?;
        let token = sent["token"].as_str().unwrap_or_default();
        world.update_after_click(token, sent["card"].clone())
    }))
}

/// The JSON of a request.
pub(super) fn json_of(body: &Bytes) -> Result<Value, FeishuRefusal> {
    let sent = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
    sent.ok_or_else(|| FeishuRefusal::new(9_499, "Bad Request: the body is not a json object"))
}

fn posting(body: &Bytes) -> Result<(Value, OutgoingBotMessage), FeishuRefusal> {
    let sent = json_of(body)?;
    let text = |name: &str| sent[name].as_str().map(str::to_owned);
    let Some(msg_type) = text("msg_type") else {
        return Err(FeishuRefusal::parameter("msg_type is required"));
    };
    let Some(content) = text("content") else {
        return Err(FeishuRefusal::parameter("content is required, as a string"));
    };
    let posting = OutgoingBotMessage {
        msg_type,
        content,
        uuid: text("uuid").filter(|uuid| !uuid.is_empty()),
        in_thread: sent.get("reply_in_thread").unwrap_or(&json!(false)) == &json!(true),
        request_bytes: body.len(),
    };
    Ok((sent, posting))
}
