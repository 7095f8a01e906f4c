//! What the courier asks of Feishu, and what it is told.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    ids::MessageId,
    mail::{Recipient, rate_limit::ApiRoute},
    words::Words,
};

/// What brings mail to Feishu.
pub trait Transport: Clone + Send + Sync + 'static {
    /// Runs an errand; Feishu's id of what was sent, uploaded or made, if anything was.
    fn run(&self, errand: &ApiRequest)
    -> impl Future<Output = Result<Option<String>, RequestFailure>> + Send;

    /// What the reader is told in place of a message that Feishu does not take.
    fn in_place_of(&self, objection: ContentObjection) -> String;

    /// What the bot says by itself, as it is to be said now.
    fn words(&self) -> Words;

    /// Resolves when the way to Feishu is open again after it was closed: what waits to be tried again need not wait.
    fn recovered(&self) -> impl Future<Output = ()> + Send;
}

/// Something to ask of Feishu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiRequest {
    /// A message.
    Send {
        /// Where it goes.
        to: Recipient,
        /// The message that it replies to.
        reply_to: Option<MessageId>,
        /// What it shows.
        content: OutgoingContent,
        /// The same for each try (50 characters at most), so that Feishu shows one message.
        uuid: String,
    },
    /// An emoji on a message. Doing so again changes nothing.
    React {
        /// The message.
        on: MessageId,
        /// Feishu's name of the emoji.
        emoji: String,
    },
    /// Another card in the place of a message's.
    Update {
        /// The message.
        message_id: MessageId,
        /// The card.
        card: String,
    },
    /// A file, to be sent then.
    Upload {
        /// Its name.
        name: String,
        /// What is in it.
        text: String,
    },
    /// A card entity, to be sent then.
    Make {
        /// The card.
        card: String,
    },
    /// A change of a card entity.
    Operate {
        /// Feishu's id of the entity.
        entity: String,
        /// Higher than that of each operation before.
        sequence: i32,
        /// What changes.
        operation: EntityChange,
    },
}

/// What a message shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutgoingContent {
    /// A text, as it is to be read.
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
pub enum EntityChange {
    /// The whole text of the element that is streamed.
    Stream(String),
    /// Streaming goes on, or is over.
    Streaming(bool),
    /// A whole new card.
    Replace(String),
}

impl ApiRequest {
    /// The API of Feishu's that it goes through.
    #[must_use]
    pub fn way(&self) -> ApiRoute {
        match self {
            Self::Send { reply_to: Some(_), .. } => ApiRoute::Reply,
            Self::Send { reply_to: None, .. } => ApiRoute::Create,
            Self::React { .. } => ApiRoute::React,
            Self::Update { .. } => ApiRoute::Update,
            Self::Upload { .. } => ApiRoute::Upload,
            Self::Make { .. } => ApiRoute::Make,
            Self::Operate { operation: EntityChange::Stream(_), .. } => ApiRoute::Stream,
            Self::Operate { operation: EntityChange::Streaming(_), .. } => ApiRoute::Settings,
            Self::Operate { operation: EntityChange::Replace(_), .. } => ApiRoute::Replace,
        }
    }
}

/// Feishu's no, or no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFailure {
    /// What to do about it.
    pub advice: DeliveryAdvice,
    /// Why, for the log: nothing of what the message says.
    pub reason: String,
    /// The part of the reason that is the same every time that it is the reason.
    pub cause: String,
}

/// What to do about a [`RequestFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryAdvice {
    /// Try again.
    Retry {
        /// When the server says so: not before this time is over.
        after: Option<Duration>,
        /// Whether Feishu certainly did not take the message.
        outcome_known: bool,
        /// Whether it can be the trouble of this errand alone: not the app's, the network's or a limit's.
        own: bool,
    },
    /// The message that is replied or reacted to is gone.
    TargetGone,
    /// The card cannot be changed any more: it goes out as a new message.
    CardGone,
    /// The card entity does not stream any more.
    StreamClosed,
    /// The number of the operation is not higher than one before.
    Sequence,
    /// The app may not do this; there is another way.
    NotForThisApp,
    /// Feishu does not take what the message says, but it may take something else in its place.
    Unacceptable(ContentObjection),
    /// No further try will succeed.
    Undeliverable,
}

/// What Feishu has against a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentObjection {
    /// It is too long.
    TooLong,
    /// It did not pass a check of contents.
    Content,
    /// It is not what Feishu shows or understands.
    Shape,
}
