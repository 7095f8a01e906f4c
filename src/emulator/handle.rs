//! The handle that tests and the demo hold: how they drive the emulated Feishu and what they learn of it.

mod faults;
mod presses;

use std::{fmt, time::Duration};

use serde_json::Value;

use crate::emulator::{
    Emulator,
    http::ApiCall,
    options::{Chat, EmulatedChatKind, EmulatorOptions, User},
    socket::ConnectionInfo,
    world::delivery::Ack,
    world::people::{PeopleError, PhoneUtterance},
    world::presses::{Click, Clicked},
    world::shown::ShownMessage,
};
use crate::ids::{ChatId, MessageId, OpenId};

/// What a chat showed when the wait for something else ended.
#[derive(Clone, PartialEq)]
pub struct NotShown {
    /// All that the chat showed.
    pub shown: Vec<ShownMessage>,
}

impl fmt::Debug for NotShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the chat only showed:")?;
        for shown in &self.shown {
            writeln!(f, "  {} ({}): {:?}", shown.from_name, shown.msg_type, shown.text)?;
        }
        Ok(())
    }
}

impl fmt::Display for NotShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for NotShown {}

/// The people who have a phone here, in the order of the options.
impl Emulator {
    /// What it was started with.
    #[must_use]
    pub fn options(&self) -> &EmulatorOptions {
        &self.shared.options
    }

    /// The people who have a phone here, in the order of the options.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        self.shared.look(|world| world.users.clone())
    }

    /// The chats that the bot is a member of, in the order of the options.
    #[must_use]
    pub fn chats(&self) -> Vec<Chat> {
        self.shared.look(|world| world.chats.clone())
    }

    /// The nth user, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    #[track_caller]
    pub fn user(&self, place: usize) -> OpenId {
        self.shared.options.users[place].open_id.clone()
    }

    /// The chat of two of a user with the bot.
    ///
    /// # Panics
    /// When they have none.
    #[must_use]
    #[track_caller]
    pub fn p2p(&self, user: &OpenId) -> ChatId {
        self.first_chat(|chat| chat.kind == EmulatedChatKind::P2p && chat.members.contains(user))
    }

    /// The first group.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn group(&self) -> ChatId {
        self.first_chat(|chat| chat.kind == EmulatedChatKind::Group)
    }

    /// The bot's open_id, as mentions carry it.
    #[must_use]
    pub fn bot_open_id(&self) -> OpenId {
        self.shared.look(|world| world.bot.clone())
    }

    /// A person sends a text. `@name` of somebody in the chat, or of the bot, is a mention.
    ///
    /// # Panics
    /// When the user is not in the chat.
    #[track_caller]
    pub fn say(&self, user: &OpenId, chat: &ChatId, text: &str) -> MessageId {
        self.uttered(PhoneUtterance::text(user, chat, text))
    }

    /// A person sends a post, as it is received: `{title, content: [[node, …], …]}`.
    ///
    /// # Panics
    /// When the user is not in the chat.
    #[track_caller]
    pub fn say_post(&self, user: &OpenId, chat: &ChatId, post: Value) -> MessageId {
        self.uttered(PhoneUtterance::of(user, chat, "post", post))
    }

    /// A person sends a message of any kind.
    ///
    /// # Panics
    /// When the user is not in the chat.
    #[track_caller]
    pub fn say_kind(&self, user: &OpenId, chat: &ChatId, kind: &str, content: Value) -> MessageId {
        self.uttered(PhoneUtterance::of(user, chat, kind, content))
    }

    /// A person sends a message; the general form.
    ///
    /// # Errors
    /// When the user is not in the chat.
    pub fn utter(&self, said: PhoneUtterance) -> Result<MessageId, PeopleError> {
        let shared = &self.shared;
        let (message_id, event) = shared.change(|world| world.say(said, &shared.options.app_id))?;
        if let Some(event) = event {
            shared.deliver(event);
        }
        Ok(message_id)
    }

    /// A person's file is uploaded; the key that comes back goes into a message's content (`image_key` for pictures,
    /// `file_key` for anything else).
    pub fn keep_file(&self, name: &str, bytes: impl Into<bytes::Bytes>) -> String {
        self.shared.change(|world| world.keep(name, bytes.into()))
    }

    /// Opens a person's chat with the bot on their phone.
    ///
    /// # Errors
    /// When they have none.
    pub fn enter_chat(&self, user: &OpenId) -> Result<(), PeopleError> {
        let event = self.shared.look(|world| world.enter(user, &self.shared.options.app_id))?;
        self.shared.deliver(event);
        Ok(())
    }

    /// Recalls a person's message.
    ///
    /// # Errors
    /// When it is not there, or the bot's.
    pub fn recall(&self, id: &MessageId) -> Result<(), PeopleError> {
        let event = self.shared.change(|world| world.recall(id, &self.shared.options.app_id))?;
        self.shared.deliver(event);
        Ok(())
    }

    /// A person puts an emoji under a message.
    ///
    /// # Errors
    /// When the message is gone or there is no such user.
    pub fn react(&self, user: &OpenId, id: &MessageId, emoji: &str) -> Result<(), PeopleError> {
        let app_id = &self.shared.options.app_id;
        let event = self.shared.change(|world| world.person_reacts(user, id, emoji, app_id))?;
        self.shared.deliver(event);
        Ok(())
    }

    /// A person presses something on a card; waits for the bot's answer as long as Feishu does (3 s).
    ///
    /// # Errors
    /// When there is nothing such to press. That the bot did not answer is no error: see [`Clicked::error`].
    pub async fn click(
        &self,
        user: &OpenId,
        id: &MessageId,
        click: impl Into<Click>,
    ) -> Result<Clicked, PeopleError> {
        self.shared.click(user, id, click.into()).await
    }

    #[track_caller]
    fn uttered(&self, said: PhoneUtterance) -> MessageId {
        match self.utter(said) {
            Ok(id) => id,
            Err(impossible) => panic!("{impossible}"),
        }
    }

    #[track_caller]
    fn first_chat(&self, is: impl Fn(&Chat) -> bool) -> ChatId {
        let chat = self.shared.options.chats.iter().find(|chat| is(chat));
        match chat {
            Some(chat) => chat.chat_id.clone(),
            None => panic!("there is no such chat"),
        }
    }
}

/// What can be seen.
impl Emulator {
    /// All that a chat shows, oldest first.
    #[must_use]
    pub fn shown(&self, chat: &ChatId) -> Vec<ShownMessage> {
        self.shared.look(|world| world.shown_since(Some(chat), 0))
    }

    /// One message as it is shown.
    #[must_use]
    pub fn shown_message(&self, id: &MessageId) -> Option<ShownMessage> {
        self.shared.look(|world| world.message(id).map(|message| world.show(message)))
    }

    /// Waits until a chat shows what is asked for, and gives all that it shows then.
    ///
    /// # Errors
    /// What it shows when the time is over.
    pub async fn wait_until(
        &self,
        chat: &ChatId,
        mut is: impl FnMut(&[ShownMessage]) -> bool,
        timeout: Duration,
    ) -> Result<Vec<ShownMessage>, NotShown> {
        let found =
            self.wait_for(|emulator| Some(emulator.shown(chat)).filter(|shown| is(shown)), timeout).await;
        found.ok_or_else(|| NotShown { shown: self.shown(chat) })
    }

    /// Waits until `find` finds something. It is asked again after every change of anything here.
    pub async fn wait_for<T>(
        &self,
        mut find: impl FnMut(&Self) -> Option<T>,
        timeout: Duration,
    ) -> Option<T> {
        let mut changed = self.shared.changed.subscribe();
        let waiting = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = find(self) {
                    return Some(found);
                }
                changed.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, waiting).await.ok().flatten()
    }

    /// Every request that came, oldest first; at most the newest 20,000.
    #[must_use]
    pub fn api_calls(&self) -> Vec<ApiCall> {
        self.shared.look(|world| world.calls.iter().cloned().collect())
    }

    /// Every acknowledgement that came, oldest first; at most the newest 20,000.
    #[must_use]
    pub fn acks(&self) -> Vec<Ack> {
        self.shared.look(|world| world.acks.iter().cloned().collect())
    }

    /// The living connections, oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.shared
            .look(|world| world.connections.values().map(|connection| connection.info.clone()).collect())
    }

    /// How many connections were ever made.
    #[must_use]
    pub fn connections_made(&self) -> u64 {
        self.shared.look(|world| world.connections_made)
    }

    /// How many tenant access tokens were made.
    #[must_use]
    pub fn tokens_issued(&self) -> u64 {
        self.shared.look(|world| world.tokens_issued)
    }

    /// What was given to the client in confidence, the oldest first: access tokens, and what the addresses of connections
    /// carry. The app's secret is among the options.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.shared.look(|world| world.secrets.iter().cloned().collect())
    }

    /// What the client did that Feishu might not forgive, e.g. frames that a strict reader rejects.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.shared.look(|world| world.complaints.iter().cloned().collect())
    }

    /// Every card that was refused for what it is made of, oldest first: what it was sent by, what is wrong with it, and
    /// the request. A client that goes on with a simpler card, or with text, hides it from whoever looks at the chat
    /// alone. What a fault refused is not among them.
    #[must_use]
    pub fn refused_cards(&self) -> Vec<String> {
        self.shared.look(|world| world.refused_cards.iter().cloned().collect())
    }
}
