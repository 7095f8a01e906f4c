//! What the bot does with messages: send, reply, change, take back, read, react.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::emulator::{
    answer::FeishuRefusal,
    cards::{self, CardFault},
    content::{self, ContentExtras},
    options::EmulatedChatKind,
    world::shown::Reaction,
    world::{ChatMessage, Sender, World, new_id},
};
use crate::ids::{ChatId, MessageId};

/// Feishu: a uuid succeeds once in an hour.
const UUID_LASTS: Duration = Duration::from_secs(3600);
/// Feishu: cards can be changed, and messages edited, for 14 days.
const CHANGEABLE: Duration = Duration::from_secs(14 * 24 * 3600);
/// Feishu: a message is edited at most 20 times.
const MAX_EDITS: u32 = 20;

/// Number of uuids above which expired ones are removed.
const MANY: usize = 10_000;

/// A message that the bot wants to send.
#[derive(Clone, Debug)]
pub(crate) struct OutgoingBotMessage {
    pub(crate) msg_type: String,
    /// The message's content: a JSON text.
    pub(crate) content: String,
    pub(crate) uuid: Option<String>,
    pub(crate) in_thread: bool,
    /// The size of the whole request in bytes.
    pub(crate) request_bytes: usize,
}

impl World {
    /// The chat that a `receive_id` of this kind means.
    pub(crate) fn receiver(&self, id_type: &str, id: &str) -> Result<ChatId, FeishuRefusal> {
        let unknown = || FeishuRefusal::new(230_034, "The receive_id is invalid.");
        let chat = match id_type {
            "chat_id" => self.chats.iter().find(|chat| chat.chat_id.as_str() == id),
            "open_id" | "union_id" => {
                let open_id = id.replacen("on_", "ou_", 1);
                self.chats.iter().find(|chat| {
                    chat.kind == EmulatedChatKind::P2p
                        && chat.members.iter().any(|member| member.as_str() == open_id)
                })
            }
            "user_id" | "email" => None,
            _ => return Err(FeishuRefusal::parameter("receive_id_type is invalid")),
        };
        chat.map(|chat| chat.chat_id.clone()).ok_or_else(unknown)
    }

    /// Sends a message to a chat.
    pub(crate) fn create(
        &mut self,
        chat_id: &ChatId,
        posting: &OutgoingBotMessage,
    ) -> Result<Value, FeishuRefusal> {
        self.send(chat_id, None, posting)
    }

    /// Sends a message as a reply to another.
    pub(crate) fn reply(
        &mut self,
        to: &MessageId,
        posting: &OutgoingBotMessage,
    ) -> Result<Value, FeishuRefusal> {
        let parent = self.message(to).ok_or_else(no_message)?.clone();
        if parent.recalled {
            return Err(FeishuRefusal::new(230_011, "The message was withdrawn."));
        }
        self.send(&parent.chat_id.clone(), Some(parent), posting)
    }

    fn send(
        &mut self,
        chat_id: &ChatId,
        parent: Option<ChatMessage>,
        posting: &OutgoingBotMessage,
    ) -> Result<Value, FeishuRefusal> {
        let now = Instant::now();
        if let Some(uuid) = &posting.uuid {
            if uuid.chars().count() > 50 {
                return Err(FeishuRefusal::parameter("uuid has at most 50 characters"));
            }
            let first = self.uuids.get(uuid).filter(|(_, at)| now.duration_since(*at) < UUID_LASTS);
            if let Some(first) = first.and_then(|(id, _)| self.message(id)) {
                return Ok(self.describe(first));
            }
        }
        let checked = content::check(&posting.msg_type, &posting.content, posting.request_bytes)?;
        let (content, card_id) = self.resolve(&posting.msg_type, checked)?;
        self.admit_to(&format!("chat {chat_id}"))?;
        let thread_id = match &parent {
            Some(parent) if posting.in_thread && parent.thread_id.is_none() => Some(new_id("omt_")),
            Some(parent) => parent.thread_id.clone(),
            None => None,
        };
        let message_id = MessageId::from(new_id("om_"));
        let created = Timestamp::now();
        let message = ChatMessage {
            message_id: message_id.clone(),
            chat_id: chat_id.clone(),
            sender: Sender::Bot,
            msg_type: posting.msg_type.clone(),
            content,
            card_id: card_id.clone(),
            mentions: Vec::new(),
            root: parent
                .as_ref()
                .map(|parent| parent.root.clone().unwrap_or_else(|| parent.message_id.clone())),
            parent: parent.map(|parent| parent.message_id),
            thread_id,
            created,
            updated: created,
            edits: 0,
            reactions: Vec::new(),
            recalled: false,
            revision: 0,
        };
        if let Some(entity) = card_id.and_then(|id| self.cards.get_mut(&id)) {
            entity.sent = Some(message_id.clone());
        }
        if let Some(uuid) = &posting.uuid {
            if self.uuids.len() > MANY {
                self.uuids.retain(|_, (_, at)| now.duration_since(*at) < UUID_LASTS);
            }
            self.uuids.insert(uuid.clone(), (message_id, now));
        }
        let message = self.add(message).clone();
        Ok(self.describe(&message))
    }

    /// Replaces the card of a message.
    pub(crate) fn patch(&mut self, id: &MessageId, card: &str) -> Result<Value, FeishuRefusal> {
        let message = self.own_message(id, || FeishuRefusal::parameter("the message was sent by another"))?;
        if message.msg_type != "interactive" {
            return Err(FeishuRefusal::parameter("This message is NOT a card."));
        }
        if message.card_id.is_some() {
            return Err(FeishuRefusal::parameter("the card is an entity, which its own API updates"));
        }
        let old = message.content.clone();
        self.admit_to(&format!("message {id}"))?;
        let ContentExtras::Ready(card) = content::check("interactive", card, card.len())? else {
            return Err(FeishuRefusal::parameter("a card entity is updated by its own API"));
        };
        self.replace_card(id, &old, card)
    }

    /// Puts a card in the place of another, if both may be updated.
    pub(crate) fn replace_card(
        &mut self,
        id: &MessageId,
        old: &Value,
        new: Value,
    ) -> Result<Value, FeishuRefusal> {
        if cards::is_second_schema(old) && !cards::is_second_schema(&new) {
            return Err(content::card_refusal(&CardFault::OldSchema));
        }
        if !cards::may_be_updated(old) || !cards::may_be_updated(&new) {
            return Err(FeishuRefusal::parameter("update_multi of the card must be true"));
        }
        let message = self.message_mut(id).ok_or_else(no_message)?;
        message.content = new;
        message.updated = Timestamp::now();
        Ok(json!({}))
    }

    /// Edits a text or a post.
    pub(crate) fn edit(
        &mut self,
        id: &MessageId,
        posting: &OutgoingBotMessage,
    ) -> Result<Value, FeishuRefusal> {
        let message =
            self.own_message(id, || FeishuRefusal::new(230_071, "Not the sender of the message."))?;
        let editable = ["text", "post"];
        if !editable.contains(&message.msg_type.as_str()) || !editable.contains(&posting.msg_type.as_str()) {
            return Err(FeishuRefusal::new(
                230_054,
                "This operation is not supported for this message type.",
            ));
        }
        if message.edits >= MAX_EDITS {
            return Err(FeishuRefusal::new(
                230_072,
                "The message has reached the number of times it can be edited.",
            ));
        }
        self.admit_to(&format!("message {id}"))?;
        let checked = content::check(&posting.msg_type, &posting.content, posting.request_bytes)?;
        let (content, _) = self.resolve(&posting.msg_type, checked)?;
        let message = self.message_mut(id).ok_or_else(no_message)?;
        message.msg_type.clone_from(&posting.msg_type);
        message.content = content;
        message.edits += 1;
        message.updated = Timestamp::now();
        let message = message.clone();
        Ok(self.describe(&message))
    }

    /// Takes a message of the bot's own back.
    pub(crate) fn take_back(&mut self, id: &MessageId) -> Result<Value, FeishuRefusal> {
        self.own_message(id, || FeishuRefusal::new(230_026, "No permission to recall this message."))?;
        if let Some(message) = self.message_mut(id) {
            message.recalled = true;
        }
        Ok(json!({}))
    }

    /// A message as the API describes it.
    pub(crate) fn read(&self, id: &MessageId) -> Result<Value, FeishuRefusal> {
        let message = self.message(id).ok_or_else(no_message)?;
        Ok(json!({ "items": [self.describe(message)] }))
    }

    /// Puts an emoji under a message.
    pub(crate) fn react(&mut self, id: &MessageId, emoji: &str, by: Sender) -> Result<Value, FeishuRefusal> {
        if emoji.is_empty() || !emoji.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(FeishuRefusal::new(231_001, "reaction type is invalid."));
        }
        let bot = self.bot.clone();
        let Some(message) = self.message_mut(id).filter(|message| !message.recalled) else {
            return Err(FeishuRefusal::new(231_003, "The message is not found."));
        };
        let (operator, operator_type, by) = match by {
            Sender::Bot => (bot, "app", None),
            Sender::User(id) => (id.clone(), "user", Some(id)),
        };
        let reaction_id = new_id("");
        message.reactions.push(Reaction { reaction_id: reaction_id.clone(), emoji: emoji.to_owned(), by });
        Ok(json!({
            "reaction_id": reaction_id,
            "operator": {"operator_id": operator, "operator_type": operator_type},
            "action_time": Timestamp::now().as_millisecond().to_string(),
            "reaction_type": {"emoji_type": emoji},
        }))
    }

    /// Takes an emoji of the bot's own away.
    pub(crate) fn unreact(&mut self, id: &MessageId, reaction_id: &str) -> Result<Value, FeishuRefusal> {
        let Some(message) = self.message_mut(id).filter(|message| !message.recalled) else {
            return Err(FeishuRefusal::new(231_003, "The message is not found."));
        };
        let Some(place) = message.reactions.iter().position(|each| each.reaction_id == reaction_id) else {
            return Err(FeishuRefusal::new(231_010, "The reaction_id is invalid."));
        };
        if message.reactions[place].by.is_some() {
            return Err(FeishuRefusal::new(231_007, "The reaction was added by another."));
        }
        let gone = message.reactions.remove(place);
        Ok(json!({"reaction_id": gone.reaction_id, "reaction_type": {"emoji_type": gone.emoji}}))
    }

    /// The emojis under a message.
    pub(crate) fn reactions(&self, id: &MessageId) -> Result<Value, FeishuRefusal> {
        let message =
            self.message(id).ok_or_else(|| FeishuRefusal::new(231_003, "The message is not found."))?;
        let items: Vec<Value> = message
            .reactions
            .iter()
            .map(|each| {
                let (operator, kind) =
                    each.by.as_ref().map_or((self.bot.as_str(), "app"), |user| (user.as_str(), "user"));
                json!({
                    "reaction_id": each.reaction_id,
                    "operator": {"operator_id": operator, "operator_type": kind},
                    "reaction_type": {"emoji_type": each.emoji},
                })
            })
            .collect();
        Ok(json!({"items": items, "has_more": false, "page_token": ""}))
    }

    /// A message as the API describes it.
    pub(crate) fn describe(&self, message: &ChatMessage) -> Value {
        let sender = match &message.sender {
            Sender::Bot => json!({"id_type": "app_id", "sender_type": "app", "tenant_key": "emulated"}),
            Sender::User(id) => {
                json!({"id": id, "id_type": "open_id", "sender_type": "user", "tenant_key": "emulated"})
            }
        };
        let mut item = json!({
            "message_id": message.message_id,
            "msg_type": message.msg_type,
            "create_time": message.created.as_millisecond().to_string(),
            "update_time": message.updated.as_millisecond().to_string(),
            "deleted": message.recalled,
            "updated": message.edits > 0,
            "chat_id": message.chat_id,
            "sender": sender,
        });
        if !message.recalled {
            item["body"] = json!({"content": message.content.to_string()});
        }
        message.name_references(&mut item);
        item
    }

    /// The card or the keys that a content names must be the bot's own.
    fn resolve(
        &self,
        msg_type: &str,
        checked: ContentExtras,
    ) -> Result<(Value, Option<String>), FeishuRefusal> {
        match checked {
            ContentExtras::Ready(content) => Ok((content, None)),
            ContentExtras::Keys(mut content, keys) => {
                for key in keys {
                    let stored = self.stored.get(&key).filter(|stored| stored.by_bot);
                    let stored = stored
                        .ok_or_else(|| FeishuRefusal::new(230_017, "Not the owner of the resource."))?;
                    let fits = match msg_type {
                        "image" | "post" => stored.kind == "image",
                        "audio" => stored.kind == "opus",
                        "media" => stored.kind == "mp4",
                        _ => stored.kind != "image",
                    };
                    if !fits {
                        return Err(FeishuRefusal::new(
                            230_055,
                            "The type of the file upload does not match.",
                        ));
                    }
                    // People see the name that it was uploaded with.
                    if msg_type == "file" {
                        content["file_name"] = stored.name.clone().into();
                    }
                }
                Ok((content, None))
            }
            ContentExtras::Entity(card_id) => {
                let entity = self.cards.get(&card_id);
                let entity = entity.ok_or_else(|| FeishuRefusal::new(230_099, "Failed to create card content, ext=ErrCode: 200740; ErrMsg: card entity does not exist; "))?;
                if entity.sent.is_some() {
                    return Err(FeishuRefusal::parameter("a card entity can be sent once"));
                }
                Ok((entity.card.clone(), Some(card_id)))
            }
        }
    }

    fn own_message(
        &self,
        id: &MessageId,
        other: impl FnOnce() -> FeishuRefusal,
    ) -> Result<&ChatMessage, FeishuRefusal> {
        let message = self.message(id).ok_or_else(no_message)?;
        if message.sender != Sender::Bot {
            return Err(other());
        }
        if message.recalled {
            return Err(FeishuRefusal::new(230_011, "The message was withdrawn."));
        }
        let age = Timestamp::now().duration_since(message.created);
        if age.unsigned_abs() > CHANGEABLE {
            return Err(FeishuRefusal::new(230_031, "The message is older than 14 days."));
        }
        Ok(message)
    }
}

fn no_message() -> FeishuRefusal {
    FeishuRefusal::new(
        230_001,
        "Your request contains an invalid request parameter, ext=invalid open_message_id",
    )
}
