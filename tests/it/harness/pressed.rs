//! The buttons that are pressed in a round, and what came of it as far as the phone showed it.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;
use phonework::emulator::{Click, PressTarget, ShownMessage};

use super::plan::{NAMES, Step};
use super::round::{Evidence, Round, Sent, chat};

/// A card may be on its way.
const SOON: Duration = Duration::from_millis(150);

/// A button on the cards of a session's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Button {
    Allow,
    Deny,
    Again,
}

impl Button {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Allow => "Allow once",
            Self::Deny => "Deny",
            Self::Again => "Run again",
        }
    }

    /// The notice that it is done.
    fn done(self) -> &'static str {
        match self {
            Self::Allow => "Allowed.",
            Self::Deny => "Denied.",
            Self::Again => "Running it again.",
        }
    }
}

/// A press of any of them, now and then by somebody whose session it is not.
pub(super) fn pressing(rng: &mut Rng, owner: usize, group: bool, button: Button) -> Step {
    let other = (owner + 1) % NAMES.len();
    Step::Press { owner, group, by: if rng.u8(..100) < 15 { other } else { owner }, button }
}

/// A press between two messages, now and then.
pub(super) fn in_between(rng: &mut Rng) -> Option<Step> {
    let (pressed, owner, group) = (rng.u8(..100) < 25, rng.usize(..NAMES.len()), rng.u8(..100) < 35);
    pressed.then(|| pressing(rng, owner, group, Button::Again))
}

/// A press that found its button.
#[derive(Clone, Debug)]
pub(super) struct Pressed {
    owner: usize,
    by: usize,
    pub(super) button: Button,
    /// The toast that was shown for the press; none where the bot did not answer.
    notice: Option<String>,
}

impl Pressed {
    /// Whether it was done; none where only the daemon can know.
    pub(super) fn is_done(&self) -> Option<bool> {
        match self.notice.as_deref() {
            None | Some("Got it. This takes a moment." | "That didn't work. Please press again.") => None,
            Some(notice) => Some(notice == self.button.done()),
        }
    }
}

/// Who is answered by a message of the bot's in a chat: the answer to a press replies to the card that was pressed.
pub(super) fn answered(sent: &[Sent], chat: &[ShownMessage], shown: &ShownMessage) -> Option<usize> {
    let id = shown.reply_to.as_ref()?;
    let writer = sent.iter().find(|sent| sent.id == *id).map(|sent| sent.user);
    writer.or_else(|| answered(sent, chat, chat.iter().find(|earlier| earlier.message_id == *id)?))
}

impl Round {
    /// Presses the newest button of this kind on a card of this person's, if there is one soon.
    pub(super) async fn press(&mut self, owner: usize, group: bool, by: usize, button: Button) {
        let emulator = &self.phonework.emulator;
        let chat = chat(&self.phonework, owner, group);
        let newest = || {
            let shown = emulator.shown(&chat);
            let is_his = |card: &&ShownMessage| !group || answered(&self.sent, &shown, card) == Some(owner);
            let has = |card: &&ShownMessage| card.from_bot() && card.buttons().contains(&button.label());
            shown.iter().rev().filter(has).find(is_his).cloned()
        };
        let Some(card) = emulator.wait_for(|_| newest(), SOON).await else { return };
        let press = PressTarget::Label(button.label().to_owned());
        let clicked = emulator.click(&emulator.user(by), &card.message_id, Click::from(press)).await;
        // Who is not in the chat sees no button, and a card may change before it is pressed.
        let Ok(clicked) = clicked else { return };
        self.pressed.push(Pressed { owner, by, button, notice: clicked.toast.map(|toast| toast.content) });
    }
}

/// How many presses of the owner's own were done: at least, and at most.
pub(super) fn done(evidence: &Evidence, owner: usize, button: Button) -> RangeInclusive<usize> {
    let own = evidence.pressed.iter().filter(|press| (press.owner, press.by) == (owner, owner));
    let known: Vec<_> = own.filter(|press| press.button == button).map(Pressed::is_done).collect();
    let count = |which: Option<bool>| known.iter().filter(|known| **known == which).count();
    count(Some(true))..=count(Some(true)) + count(None)
}

/// Nobody's press does anything to what is another's.
pub(super) fn only_owners_press(evidence: &Evidence, broken: &mut Vec<String>) {
    let foreign = evidence.pressed.iter().filter(|press| press.owner != press.by);
    let done = foreign.filter(|press| press.is_done() == Some(true));
    broken.extend(done.map(|press| format!("it was not his to press: {press:?}")));
}
