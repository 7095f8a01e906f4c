//! What the people at the phones see.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::emulator::{
    cards, content,
    world::{ChatMessage, Sender, World},
};
use crate::ids::{ChatId, MessageId, OpenId};

/// An emoji under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reaction {
    /// Feishu's id of the reaction.
    pub reaction_id: String,
    /// Feishu's name of the emoji, e.g. `THUMBSUP`.
    pub emoji: String,
    /// Who gave it; `None` is the bot.
    pub by: Option<OpenId>,
}

/// A message as a phone shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownMessage {
    /// The message's id (`om_…`).
    pub message_id: MessageId,
    /// The chat that it is in.
    pub chat_id: ChatId,
    /// Who wrote it; `None` is the bot.
    pub from: Option<OpenId>,
    /// The name of whoever wrote it.
    pub from_name: String,
    /// Feishu's `msg_type`: `text`, `post`, `interactive`, …
    pub msg_type: String,
    /// Its words: a text verbatim with mentions as `@name`, a post or a card as it is read, a line for each
    /// element, buttons as `[label]`.
    pub text: String,
    /// The content's JSON, decoded; a card whole and as it is now. `null` when recalled.
    pub content: Value,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// The emojis under it, oldest first.
    pub reactions: Vec<Reaction>,
    /// How often its text was edited; an update of a card is no edit.
    pub edits: u32,
    /// Whether it was taken back; its text is then empty.
    pub recalled: bool,
    /// When it was sent.
    pub created: Timestamp,
}

impl ShownMessage {
    /// Whether the bot wrote it.
    #[must_use]
    pub fn from_bot(&self) -> bool {
        self.from.is_none()
    }

    /// What it says and nothing beside it: of a card the Markdown and the plain texts of normal size at its top level,
    /// with a line break between two, as they are read; of anything else its words.
    #[must_use]
    pub fn answer(&self) -> String {
        if self.is_card() { cards::answer(&self.content) } else { self.text.clone() }
    }

    /// Whether it is a card of something that still goes on: it has a button that stops it.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.is_card() && cards::is_unfinished(&self.content)
    }

    /// Whether it is a card.
    #[must_use]
    pub fn is_card(&self) -> bool {
        self.msg_type == "interactive"
    }

    /// What stands on the buttons that can be pressed, in their order; nothing when it is no card.
    #[must_use]
    pub fn buttons(&self) -> Vec<&str> {
        let buttons = cards::buttons(&self.content).into_iter();
        let enabled = buttons.filter(|button| button["disabled"] != true);
        enabled.filter_map(|button| button["text"]["content"].as_str()).collect()
    }

    /// What the first button with this label carries to the bot. It can be pressed after the card has changed, with
    /// [`crate::emulator::Emulator::press_earlier`].
    #[must_use]
    pub fn value_of(&self, label: &str) -> Option<Value> {
        let mut buttons = cards::buttons(&self.content).into_iter();
        let button = buttons.find(|button| button["text"]["content"] == label)?;
        cards::callback(button).cloned()
    }
}

impl World {
    /// What is shown of a message.
    pub(crate) fn show(&self, message: &ChatMessage) -> ShownMessage {
        let content = if message.recalled {
            Value::Null
        } else {
            message
                .card_id
                .as_ref()
                .and_then(|id| self.cards.get(id))
                .map_or_else(|| message.content.clone(), |entity| entity.card.clone())
        };
        let mut text = content::flatten(&message.msg_type, &content);
        for named in message.mentions.iter().rev() {
            text = text.replace(&named.key, &format!("@{}", named.name));
        }
        ShownMessage {
            message_id: message.message_id.clone(),
            chat_id: message.chat_id.clone(),
            from: match &message.sender {
                Sender::Bot => None,
                Sender::User(id) => Some(id.clone()),
            },
            from_name: self.name_of(&message.sender),
            msg_type: message.msg_type.clone(),
            text,
            content,
            reply_to: message.parent.clone(),
            reactions: message.reactions.clone(),
            edits: message.edits,
            recalled: message.recalled,
            created: message.created,
        }
    }

    /// A chat's messages, oldest first, that changed after `revision`.
    pub(crate) fn shown_since(&self, chat: Option<&ChatId>, revision: u64) -> Vec<ShownMessage> {
        self.messages
            .iter()
            .filter(|message| message.revision > revision && chat.is_none_or(|chat| message.chat_id == *chat))
            .map(|message| self.show(message))
            .collect()
    }
}
