//! The orders by which a test presses what is on a card and waits for what the card shows then.

use std::time::Duration;

use serde_json::Value;

use crate::emulator::{
    Emulator,
    world::presses::{Click, Clicked, PressTarget, ShownToast},
    world::shown::ShownMessage,
};
use crate::ids::{ChatId, MessageId, OpenId};

/// Cards, as a test uses them. Whoever expects that something cannot be pressed, or is not answered, uses
/// [`Emulator::click`].
impl Emulator {
    /// A person presses the first button with this label, and sees the toast. A form that it submits is left as it is.
    ///
    /// # Panics
    /// When there is no such button, or the bot does not answer with a toast.
    pub async fn press(&self, id: &MessageId, who: &OpenId, label: &str) -> ShownToast {
        self.toast(who, id, PressTarget::Label(label.to_owned()), None).await
    }

    /// The same with the nth button, from 0, of those with this label.
    ///
    /// # Panics
    /// As [`Emulator::press`].
    pub async fn press_nth(&self, id: &MessageId, who: &OpenId, label: &str, place: usize) -> ShownToast {
        self.toast(who, id, PressTarget::LabelNth(label.to_owned(), place), None).await
    }

    /// A person fills in a form and presses its button with this label. The fields are an object: a text for an input
    /// or a select, a list of texts for a select of several; those that are not named stay as they are.
    ///
    /// # Panics
    /// As [`Emulator::press`], and when the form cannot hold that.
    pub async fn submit(&self, id: &MessageId, who: &OpenId, label: &str, fields: Value) -> ShownToast {
        self.toast(who, id, PressTarget::Label(label.to_owned()), Some(fields)).await
    }

    /// A person presses a button that the card had before it changed, as [`ShownMessage::value_of`] gave its value then.
    ///
    /// # Panics
    /// When the message is gone, or the bot does not answer with a toast.
    pub async fn press_earlier(
        &self,
        id: &MessageId,
        who: &OpenId,
        value: Value,
        fields: Option<Value>,
    ) -> ShownToast {
        self.toast(who, id, PressTarget::Earlier(value), fields).await
    }

    /// Waits until the bot shows a card in this chat that has a button with this label, and gives the newest.
    ///
    /// # Panics
    /// When there is none in this time.
    pub async fn card_with(&self, chat: &ChatId, label: &str, timeout: Duration) -> ShownMessage {
        let has = |shown: &ShownMessage| shown.buttons().contains(&label);
        let newest = |emulator: &Self| emulator.shown(chat).into_iter().rev().find(has);
        match self.wait_for(newest, timeout).await {
            Some(shown) => shown,
            None => panic!("no card with {label:?}: {:?}", self.texts(chat)),
        }
    }

    /// The name and the bytes of the file that a message carries.
    #[must_use]
    pub fn file_of(&self, shown: &ShownMessage) -> Option<(String, bytes::Bytes)> {
        let key = shown.content["file_key"].as_str()?;
        self.shared
            .look(|world| world.stored.get(key).map(|stored| (stored.name.clone(), stored.bytes.clone())))
    }

    async fn toast(
        &self,
        who: &OpenId,
        id: &MessageId,
        press: PressTarget,
        fields: Option<Value>,
    ) -> ShownToast {
        let what = format!("{press:?}");
        let form_value = fields.and_then(|fields| fields.as_object().cloned());
        let clicked = self.click(who, id, Click { form_value, ..Click::from(press) }).await;
        match clicked {
            Ok(Clicked { toast: Some(toast), error: None, .. }) => toast,
            Ok(other) => panic!("{what} brought no toast but {other:?}"),
            Err(impossible) => {
                let shown = self.shown_message(id).map(|shown| shown.text);
                panic!("{what}: {impossible}; it shows {shown:?}")
            }
        }
    }

    fn texts(&self, chat: &ChatId) -> Vec<String> {
        self.shown(chat).into_iter().map(|shown| shown.text).collect()
    }
}
