//! What people see of the bot as whole messages, and press.

use phonework::emulator::{Click, PressTarget, ShownMessage, ShownToast};
use phonework::ids::{ChatId, MessageId, OpenId};

use super::{PATIENCE, Phonework};

impl Phonework {
    /// Anna writes, and this is the message that the bot answers with, whole.
    pub(crate) async fn show(&self, text: &str) -> ShownMessage {
        let before = self.said(&self.chat).len();
        self.say(text);
        self.nth_said(&self.chat, before).await
    }

    /// The bot's nth message in a chat, from 0, as soon as it is there.
    pub(crate) async fn nth_said(&self, chat: &ChatId, nth: usize) -> ShownMessage {
        let found = self.emulator.wait_for(|_| self.said(chat).into_iter().nth(nth), PATIENCE).await;
        found.unwrap_or_else(|| panic!("no message {nth}: {:?}\n--- log\n{}", self.said(chat), self.log()))
    }

    /// The bot's messages in a chat, but for the cards of what still goes on.
    pub(crate) fn said(&self, chat: &ChatId) -> Vec<ShownMessage> {
        let shown = self.emulator.shown(chat).into_iter();
        shown.filter(|message| message.from_bot() && !message.is_unfinished()).collect()
    }

    /// Waits until a message is as wanted.
    pub(crate) async fn becomes(&self, id: &MessageId, is: impl Fn(&ShownMessage) -> bool) -> ShownMessage {
        let found = self.emulator.wait_for(|emulator| emulator.shown_message(id).filter(&is), PATIENCE).await;
        found.unwrap_or_else(|| {
            panic!("it did not change: {:?}\n--- log\n{}", self.emulator.shown_message(id), self.log())
        })
    }

    /// Anna presses a button with this label, or the nth of them, and is shown this.
    pub(crate) async fn press(&self, card: &ShownMessage, label: &str, nth: usize) -> ShownToast {
        self.emulator.press_nth(&card.message_id, &self.anna, label, nth).await
    }

    /// The same, with the message that comes of it.
    pub(crate) async fn press_and_hear(
        &self,
        card: &ShownMessage,
        label: &str,
        nth: usize,
    ) -> (ShownToast, ShownMessage) {
        let before = self.said(&self.chat).len();
        let toast = self.press(card, label, nth).await;
        (toast, self.nth_said(&self.chat, before).await)
    }

    /// Somebody presses twice without waiting, and is shown this each time.
    pub(crate) async fn press_twice(&self, card: &ShownMessage, who: &OpenId, label: &str) -> [String; 2] {
        let click = || {
            let press = Click::from(PressTarget::Label(label.to_owned()));
            self.emulator.click(who, &card.message_id, press)
        };
        let (one, other) = tokio::join!(click(), click());
        [one, other].map(|clicked| clicked.unwrap().toast.expect("a toast").content)
    }
}
