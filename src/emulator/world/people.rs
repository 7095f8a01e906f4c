//! What the people at the phones do, and the events that Feishu makes of it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::emulator::{
    http::image_type,
    options::EmulatedChatKind,
    world::{ChatMessage, NamedPerson, Sender, StoredFile, World, new_id},
};
use crate::ids::{ChatId, MessageId, OpenId};

/// Why the people could not do what they were told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeopleError {
    /// Nobody has this open_id.
    #[error("there is no user {0}")]
    NoUser(OpenId),
    /// No such chat, or the user is not in it.
    #[error("the user {1} is not in a chat {0}")]
    NoChat(ChatId, OpenId),
    /// No such message, or it was taken back.
    #[error("there is no message {0}")]
    NoMessage(MessageId),
    /// The card has no such button.
    #[error("the message {0} has nothing like that to press")]
    NoButton(MessageId),
    /// The card is older than 14 days.
    #[error("the card {0} is too old to be pressed")]
    Expired(MessageId),
    /// A form lacks something, or holds what it cannot.
    #[error("the form cannot be submitted: {0}")]
    Field(String),
    /// Feishu refuses the event with this code.
    #[error("Feishu refuses it with code {0}")]
    Refused(i64),
}

/// A message that a person sends.
#[derive(Clone, Debug, PartialEq)]
pub struct PhoneUtterance {
    /// The person who writes.
    pub user: OpenId,
    /// The chat that they write in.
    pub chat: ChatId,
    /// Feishu's message type: `text`, `post`, `image`, …
    pub kind: String,
    /// The content's JSON, decoded.
    pub content: Value,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// When it was sent; `None` for now. An older time is what an event has that was pushed late.
    pub sent_at: Option<Timestamp>,
}

impl PhoneUtterance {
    /// A text. `@name` of somebody in the chat is a mention.
    #[must_use]
    pub fn text(user: &OpenId, chat: &ChatId, text: &str) -> Self {
        Self::of(user, chat, "text", json!({ "text": text }))
    }

    /// Any kind of message.
    #[must_use]
    pub fn of(user: &OpenId, chat: &ChatId, kind: &str, content: Value) -> Self {
        let (user, chat, kind) = (user.clone(), chat.clone(), kind.to_owned());
        Self { user, chat, kind, content, reply_to: None, sent_at: None }
    }
}

impl World {
    /// Adds a person's message; the event comes back if the bot hears of it.
    pub(crate) fn say(
        &mut self,
        said: PhoneUtterance,
        app_id: &str,
    ) -> Result<(MessageId, Option<Value>), PeopleError> {
        let kind = self.membership(&said.user, &said.chat)?;
        let parent = match &said.reply_to {
            Some(id) => Some(self.message(id).ok_or_else(|| PeopleError::NoMessage(id.clone()))?.clone()),
            None => None,
        };
        let mut content = said.content;
        let mentions = self.mentions_in(&said.chat, &mut content);
        let created = said.sent_at.unwrap_or_else(Timestamp::now);
        let message_id = MessageId::from(new_id("om_"));
        let message = ChatMessage {
            message_id: message_id.clone(),
            chat_id: said.chat,
            sender: Sender::User(said.user),
            msg_type: said.kind,
            content,
            card_id: None,
            root: parent
                .as_ref()
                .map(|parent| parent.root.clone().unwrap_or_else(|| parent.message_id.clone())),
            thread_id: parent.as_ref().and_then(|parent| parent.thread_id.clone()),
            parent: parent.map(|parent| parent.message_id),
            mentions,
            created,
            updated: created,
            edits: 0,
            reactions: Vec::new(),
            recalled: false,
            revision: 0,
        };
        let message = self.add(message).clone();
        let heard = kind == EmulatedChatKind::P2p || message.mentions.iter().any(|named| named.bot);
        let event = heard.then(|| received(app_id, kind, &message));
        Ok((message_id, event))
    }

    /// Takes a person's message back.
    pub(crate) fn recall(&mut self, id: &MessageId, app_id: &str) -> Result<Value, PeopleError> {
        let message =
            self.message_mut(id).filter(|message| !message.recalled && message.sender != Sender::Bot);
        let message = message.ok_or_else(|| PeopleError::NoMessage(id.clone()))?;
        message.recalled = true;
        let event = json!({
            "message_id": message.message_id,
            "chat_id": message.chat_id,
            "recall_time": Timestamp::now().as_millisecond().to_string(),
            "recall_type": "message_owner",
        });
        Ok(envelope(app_id, "im.message.recalled_v1", event))
    }

    /// Opens a chat with the bot.
    pub(crate) fn enter(&self, user: &OpenId, app_id: &str) -> Result<Value, PeopleError> {
        self.user(user).ok_or_else(|| PeopleError::NoUser(user.clone()))?;
        let chat =
            self.chats.iter().find(|chat| chat.kind == EmulatedChatKind::P2p && chat.members.contains(user));
        let chat = chat.ok_or_else(|| PeopleError::NoChat(ChatId::from(""), user.clone()))?;
        let mut event = json!({"chat_id": chat.chat_id, "operator_id": user_id(user)});
        if let Some(last) = self.messages.iter().rev().find(|message| message.chat_id == chat.chat_id) {
            event["last_message_id"] = json!(last.message_id);
            event["last_message_create_time"] = json!(last.created.as_millisecond().to_string());
        }
        Ok(envelope(app_id, "im.chat.access_event.bot_p2p_chat_entered_v1", event))
    }

    /// Puts a person's emoji under a message.
    pub(crate) fn person_reacts(
        &mut self,
        user: &OpenId,
        id: &MessageId,
        emoji: &str,
        app_id: &str,
    ) -> Result<Value, PeopleError> {
        self.user(user).ok_or_else(|| PeopleError::NoUser(user.clone()))?;
        let done = self.react(id, emoji, Sender::User(user.clone()));
        done.map_err(|refusal| PeopleError::Refused(refusal.code))?;
        let event = json!({
            "message_id": id,
            "reaction_type": {"emoji_type": emoji},
            "operator_type": "user",
            "user_id": user_id(user),
            "action_time": Timestamp::now().as_millisecond().to_string(),
        });
        Ok(envelope(app_id, "im.message.reaction.created_v1", event))
    }

    /// Keeps a person's file; the key goes into a message's content.
    pub(crate) fn keep(&mut self, name: &str, bytes: bytes::Bytes) -> String {
        let picture = image_type(&bytes);
        let key = new_id(if picture.is_some() { "img_v3_" } else { "file_v3_" });
        let stored = StoredFile {
            name: name.to_owned(),
            content_type: picture.unwrap_or("application/octet-stream").to_owned(),
            kind: if picture.is_some() { "image" } else { "stream" }.to_owned(),
            bytes,
            by_bot: false,
        };
        self.stored.insert(key.clone(), stored);
        key
    }

    /// The kind of a chat that a user is in.
    pub(crate) fn membership(&self, user: &OpenId, chat: &ChatId) -> Result<EmulatedChatKind, PeopleError> {
        self.user(user).ok_or_else(|| PeopleError::NoUser(user.clone()))?;
        let found = self.chat(chat).filter(|chat| chat.members.contains(user));
        found.map(|chat| chat.kind).ok_or_else(|| PeopleError::NoChat(chat.clone(), user.clone()))
    }

    /// Puts `@_user_N` in the place of the names in a text, and says whose they are.
    fn mentions_in(&self, chat: &ChatId, content: &mut Value) -> Vec<NamedPerson> {
        let Some(mut text) = content["text"].as_str().map(str::to_owned) else { return Vec::new() };
        let members = self.chat(chat).map(|chat| chat.members.clone()).unwrap_or_default();
        let people = self.users.iter().filter(|user| members.contains(&user.open_id));
        let bot = (self.bot.clone(), self.bot_name.clone(), true);
        let everybody = people.map(|user| (user.open_id.clone(), user.name.clone(), false)).chain([bot]);
        let mut named: Vec<NamedPerson> = Vec::new();
        for (open_id, name, bot) in everybody {
            let key = format!("@_user_{}", named.len() + 1);
            let replaced = text.replace(&format!("@{name}"), &key);
            if replaced != text {
                text = replaced;
                named.push(NamedPerson { key, open_id, name, bot });
            }
        }
        content["text"] = json!(text);
        named
    }
}

/// Something that happened, in the envelope that Feishu puts events into.
pub(crate) fn envelope(app_id: &str, event_type: &str, event: Value) -> Value {
    let now = Timestamp::now();
    // Callbacks count microseconds, events milliseconds.
    let created =
        if event_type == "card.action.trigger" { now.as_microsecond() } else { now.as_millisecond() };
    json!({
        "schema": "2.0",
        "header": {
            "event_id": new_id(""),
            "event_type": event_type,
            "create_time": created.to_string(),
            "token": "emulatedVerificationToken",
            "app_id": app_id,
            "tenant_key": "emulated",
        },
        "event": event,
    })
}

/// The three ids of a person.
pub(crate) fn user_id(user: &OpenId) -> Value {
    json!({"open_id": user, "union_id": user.as_str().replacen("ou_", "on_", 1)})
}

fn received(app_id: &str, kind: EmulatedChatKind, message: &ChatMessage) -> Value {
    let Sender::User(user) = &message.sender else { return Value::Null };
    let mut described = json!({
        "message_id": message.message_id,
        "create_time": message.created.as_millisecond().to_string(),
        "update_time": message.updated.as_millisecond().to_string(),
        "chat_id": message.chat_id,
        "chat_type": kind,
        "message_type": message.msg_type,
        "content": message.content.to_string(),
    });
    message.name_references(&mut described);
    if !message.mentions.is_empty() {
        let mention = |named: &NamedPerson| {
            json!({
                "key": named.key,
                "id": user_id(&named.open_id),
                "mentioned_type": if named.bot { "bot" } else { "user" },
                "name": named.name,
                "tenant_key": "emulated",
            })
        };
        described["mentions"] = message.mentions.iter().map(mention).collect();
    }
    let sender = json!({"sender_id": user_id(user), "sender_type": "user", "tenant_key": "emulated"});
    envelope(app_id, "im.message.receive_v1", json!({"sender": sender, "message": described}))
}
