//! Calls that change cards, create and change card entities, and upload files.

use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::{Api, ApiError, RequestBody, failure, unexpected};
use crate::ids::MessageId;

/// A file to upload, for the type `file`.
pub(super) struct Upload {
    name: String,
    bytes: Vec<u8>,
}

impl Upload {
    pub(super) fn form(&self) -> Form {
        let file = Part::bytes(self.bytes.clone()).file_name(self.name.clone());
        // `stream` is Feishu's word for any file.
        Form::new().text("file_type", "stream").text("file_name", self.name.clone()).part("file", file)
    }
}

/// A change to a card entity. Each has a sequence number that is higher than all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CardOperation<'a> {
    /// Sets the whole text of an element while the card streams: 1 to 100,000 characters.
    Stream {
        /// The element's id.
        element: &'a str,
        /// All of the text, not only what is new.
        text: &'a str,
    },
    /// Switches streaming on or off.
    Streaming(bool),
    /// Replaces the whole card: JSON of schema 2.0.
    Replace(&'a str),
}

impl Api {
    /// Replaces the card of a message by another one (JSON of schema 2.0).
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub async fn update(&self, message_id: &MessageId, card: &str) -> Result<(), ApiError> {
        let body = json!({ "content": card });
        let path = ["im", "v1", "messages", message_id.as_str()];
        self.call(failure::UPDATE, Method::PATCH, &path, None, Some(RequestBody::Json(&body))).await?;
        Ok(())
    }

    /// Uploads a file of at most 30 MB. Returns its key, for a message of the type `file`.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub async fn upload(&self, name: &str, bytes: Vec<u8>) -> Result<String, ApiError> {
        let file = Upload { name: name.to_owned(), bytes };
        let path = ["im", "v1", "files"];
        let answer =
            self.call(failure::UPLOAD, Method::POST, &path, None, Some(RequestBody::File(&file))).await?;
        text_at(failure::UPLOAD, &answer, "/data/file_key")
    }

    /// Creates a card entity from a card (JSON of schema 2.0). Returns its id. Every call creates another one.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub(crate) async fn create_entity(&self, card: &str) -> Result<String, ApiError> {
        let body = json!({ "type": "card_json", "data": card });
        let path = ["cardkit", "v1", "cards"];
        let answer =
            self.call(failure::ENTITY, Method::POST, &path, None, Some(RequestBody::Json(&body))).await?;
        text_at(failure::ENTITY, &answer, "/data/card_id")
    }

    /// Changes a card entity. `sequence` starts at 1 and increases with every change of the entity.
    ///
    /// # Errors
    /// See [`ApiError::advice`].
    pub(crate) async fn change_entity(
        &self,
        entity: &str,
        sequence: i32,
        operation: CardOperation<'_>,
    ) -> Result<(), ApiError> {
        let cards = ["cardkit", "v1", "cards", entity];
        let (api, method, path, body) = match operation {
            CardOperation::Stream { element, text } => {
                let path = [&cards[..], &["elements", element, "content"]].concat();
                (failure::STREAM, Method::PUT, path, json!({ "content": text, "sequence": sequence }))
            }
            CardOperation::Streaming(on) => {
                let settings = json!({ "config": { "streaming_mode": on } }).to_string();
                let path = [&cards[..], &["settings"]].concat();
                let body = json!({ "settings": settings, "sequence": sequence });
                (failure::SETTINGS, Method::PATCH, path, body)
            }
            CardOperation::Replace(card) => {
                let card = json!({ "type": "card_json", "data": card });
                (failure::REPLACE, Method::PUT, cards.to_vec(), json!({ "card": card, "sequence": sequence }))
            }
        };
        self.call(api, method, &path, None, Some(RequestBody::Json(&body))).await?;
        Ok(())
    }
}

fn text_at(api: &'static str, answer: &Value, pointer: &str) -> Result<String, ApiError> {
    let text = answer.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| unexpected(api, &format!("the answer has no {pointer}")))
}
