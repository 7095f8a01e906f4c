//! What the courier asks of Feishu, and the answers that it distinguishes.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};

use super::rate_limit::ApiRoute;
use crate::{ids::MessageId, mail::Recipient, words::Words};

/// The courier's way to Feishu.
pub(crate) trait Transport: Clone + Send + Sync + 'static {
    /// Sends a request; Feishu's id of what was sent, uploaded or created by it, if anything was.
    fn run(
        &self,
        request: &ApiRequest,
    ) -> impl Future<Output = Result<Option<String>, RequestFailure>> + Send;

    /// The text that people read in place of a message that Feishu does not take.
    fn in_place_of(&self, objection: ContentObjection) -> String;

    /// The bot's sentences in the language that is configured now.
    fn words(&self) -> Words;

    /// Resolves when Feishu can be reached again after it could not: then requests that wait are tried at once.
    fn recovered(&self) -> impl Future<Output = ()> + Send;
}

/// A request to Feishu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiRequest {
    /// Sends a message.
    Send {
        /// The chat or the person that it goes to.
        to: Recipient,
        /// The message that it replies to.
        reply_to: Option<MessageId>,
        /// What the message shows.
        content: OutgoingContent,
        /// The same for each try (at most 50 characters), so that Feishu shows one message.
        uuid: String,
    },
    /// Puts an emoji on a message. Doing so again changes nothing.
    React {
        /// The message that gets the emoji.
        on: MessageId,
        /// Feishu's name of the emoji.
        emoji: String,
    },
    /// Replaces the card of a message.
    Update {
        /// The id of the message that is changed.
        message_id: MessageId,
        /// The new card: JSON of schema 2.0.
        card: String,
    },
    /// Uploads a file, to be sent by its key.
    Upload {
        /// Its name, as people see it.
        name: String,
        /// The content of the entity: a card as JSON.
        text: String,
    },
    /// Creates a card entity, to be sent by its id.
    CreateEntity {
        /// The card: JSON of schema 2.0.
        card: String,
    },
    /// Changes a card entity.
    ChangeEntity {
        /// Feishu's id of the entity.
        entity: String,
        /// The number of the operation, higher than those before.
        sequence: i32,
        /// The change that is made to the entity.
        change: EntityChange,
    },
}

/// What a message shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutgoingContent {
    /// A text, as people read it.
    Text(String),
    /// A card: JSON of schema 2.0.
    Card(String),
    /// A card entity, by Feishu's id.
    Entity(String),
    /// A file, by Feishu's key.
    File(String),
}

/// A change of a card entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntityChange {
    /// Sets the whole text of the element that is streamed.
    Stream(String),
    /// Switches streaming on or off.
    Streaming(bool),
    /// Replaces the whole card.
    Replace(String),
}

impl ApiRequest {
    /// The API that the request goes through.
    #[must_use]
    pub(super) fn route(&self) -> ApiRoute {
        match self {
            Self::Send { reply_to: Some(_), .. } => ApiRoute::Reply,
            Self::Send { reply_to: None, .. } => ApiRoute::Create,
            Self::React { .. } => ApiRoute::React,
            Self::Update { .. } => ApiRoute::Update,
            Self::Upload { .. } => ApiRoute::Upload,
            Self::CreateEntity { .. } => ApiRoute::CreateEntity,
            Self::ChangeEntity { change: EntityChange::Stream(_), .. } => ApiRoute::StreamEntity,
            Self::ChangeEntity { change: EntityChange::Streaming(_), .. } => ApiRoute::ConfigureEntity,
            Self::ChangeEntity { change: EntityChange::Replace(_), .. } => ApiRoute::ReplaceEntity,
        }
    }
}

/// A request that Feishu refused or did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestFailure {
    /// What to do about it.
    pub(crate) advice: DeliveryAdvice,
    /// The reason, for the log. Nothing of the message is in it.
    pub(crate) reason: String,
    /// The part of the reason that is the same each time that the cause is.
    pub(crate) cause: String,
}

/// What to do about a [`RequestFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryAdvice {
    /// Try the same request again, after a wait.
    Retry {
        /// The shortest wait that the server asks for, if it does.
        after: Option<Duration>,
        /// Whether Feishu certainly did not take the message.
        outcome_known: bool,
        /// Whether the cause may be this request alone, and not the app, the network or a limit.
        own: bool,
    },
    /// The message that is replied or reacted to is gone.
    TargetGone,
    /// The card cannot be changed any more: send a new message.
    CardGone,
    /// The card entity does not stream any more.
    StreamClosed,
    /// The number of the operation is not higher than one before.
    StaleSequence,
    /// The app may not do this; do it in another way.
    NotForThisApp,
    /// Feishu does not take this content, but may take other content in its place.
    Unacceptable(ContentObjection),
    /// No further try will succeed.
    Undeliverable,
}

/// What Feishu objects to in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContentObjection {
    /// It is too long.
    TooLong,
    /// It did not pass a content check.
    Content,
    /// Feishu cannot show or understand it.
    Shape,
}
