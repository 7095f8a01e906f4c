//! What the buttons of a turn that is over do: run it again, go on, or leave it at that. A press becomes a message of the
//! inbox, which is on record before the presser is told.

use jiff::Timestamp;
use uuid::Uuid;

use super::asked::{ActionRequest, RequestSource, post, show as show_toast};
use super::router::{DeferredTask, Router};
use super::show;
use crate::card_action::ToastKind;
use crate::crash::{self, Point};
use crate::ids::{ConvId, EventId, SlotId};
use crate::mail::{Mail, NewMail, PastTurn, Recipient, Settlement, Slot, Store, StoreError};
use crate::session::turn::ReplyTarget;
use crate::words::Words;

/// What becomes of a turn that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FollowUp {
    /// Its prompt runs again.
    Again,
    /// Claude goes on.
    Continue,
    /// Nothing.
    Dismiss,
}

impl FollowUp {
    /// What is done once for a turn.
    fn key(self, turn: Uuid) -> String {
        let what = match self {
            Self::Again => "again",
            Self::Continue => "continue",
            Self::Dismiss => "dismiss",
        };
        format!("{what}:{turn}")
    }

    fn done(self, words: Words) -> String {
        match self {
            Self::Again => words.runs_again(),
            Self::Continue => words.goes_on(),
            Self::Dismiss => words.dismissed(),
        }
    }
}

/// A press of such a button.
struct FollowUpPress {
    asked: ActionRequest,
    conv_id: ConvId,
    turn: Uuid,
    after: FollowUp,
    words: Words,
}

impl Router {
    /// Does what a button of a turn that is over asks for. The disk is asked what the turn was; the router waits for
    /// nobody.
    pub(super) fn after_turn(&mut self, asked: ActionRequest, conv_id: ConvId, turn: Uuid, after: FollowUp) {
        let Some((asked, _)) = self.his(asked, &conv_id) else { return };
        let (store, later, words) = (self.store.clone(), self.later.clone(), self.words());
        tokio::spawn(async move {
            let taken = FollowUpPress { asked, conv_id, turn, after, words }.take(&store).await;
            if let Some(mail) = taken {
                // The router is gone only when the daemon leaves; the message waits for the next start then.
                let _ = later.send(DeferredTask::Chosen(mail, after == FollowUp::Again)).await;
            }
        });
    }

    /// A press that is a message now. One that runs a turn again runs it although its session may be open elsewhere:
    /// its owner has read that.
    pub(super) fn chosen(&mut self, mail: Mail, again: bool) {
        crash::at(Point::MessageRouted);
        if self.is_shut_out(&mail) {
            return;
        }
        if let Some(conv_id) = mail.conv_id.clone() {
            self.enqueue(mail, conv_id, again);
        }
    }
}

impl FollowUpPress {
    /// Puts the press on record and tells who pressed; the message that it is, unless it was pressed before.
    async fn take(self, store: &Store) -> Option<Mail> {
        let past = store.turn(self.turn).await;
        let written = match &past {
            Ok(past) => self.write(store, past.as_ref()).await,
            Err(error) => Err(error.clone()),
        };
        let Self { asked, turn, after, words, .. } = self;
        let RequestSource::Pressed(answer) = asked.by else { return None };
        let (kind, text, mail) = match written {
            Ok(PressOutcome::Once(mail)) => (ToastKind::Success, after.done(words), mail),
            Ok(PressOutcome::Before) => (ToastKind::Info, words.pressed_before(), None),
            Ok(PressOutcome::Gone) => (ToastKind::Warning, words.prompt_gone(), None),
            Ok(PressOutcome::StillRuns) => (ToastKind::Warning, words.turn_runs(), None),
            Err(_) => (ToastKind::Error, words.press_not_on_record(), None),
        };
        let done = kind == ToastKind::Success;
        show_toast(answer, kind, text);
        if let Some(past) = past.ok().flatten().filter(|_| done) {
            retire(store, turn, &past, after.done(words), words).await;
        }
        mail
    }

    async fn write(&self, store: &Store, past: Option<&PastTurn>) -> Result<PressOutcome, StoreError> {
        let Self { asked, conv_id, turn, after, words } = self;
        let past = past.filter(|past| &past.start.conv_id == conv_id && past.start.user == asked.user);
        if past.is_some_and(|past| past.outcome.is_none()) {
            return Ok(PressOutcome::StillRuns);
        }
        let (key, now) = (after.key(*turn), Timestamp::now());
        let text = match (after, past) {
            (FollowUp::Dismiss, _) => {
                let first = store.first_time(&EventId::from(key), now).await?;
                return Ok(if first { PressOutcome::Once(None) } else { PressOutcome::Before });
            }
            (FollowUp::Continue, _) => words.go_on(),
            (FollowUp::Again, Some(past)) => past.start.prompt.clone(),
            (FollowUp::Again, None) => return Ok(PressOutcome::Gone),
        };
        let new = NewMail {
            message_id: asked.message_id.clone(),
            chat_id: asked.chat_id.clone(),
            user: asked.user.clone(),
            group: asked.group,
            text,
            created: now,
            received: now,
        };
        let seq = store.accept_press(key, new.clone(), conv_id.clone()).await?;
        crash::at(Point::InboxCommitted);
        Ok(seq.map_or(PressOutcome::Before, |seq| {
            PressOutcome::Once(Some(Mail { conv_id: Some(conv_id.clone()), ..Mail::new(seq, new) }))
        }))
    }
}

/// What became of a press.
enum PressOutcome {
    /// It is on record, with the message that it is.
    Once(Option<Mail>),
    /// It was before.
    Before,
    /// The turn is not known any more.
    Gone,
    /// The turn is not over.
    StillRuns,
}

/// Takes the buttons off the card of a cut turn; those of any other stay.
async fn retire(store: &Store, turn: Uuid, past: &PastTurn, sentence: String, words: Words) {
    let id = SlotId::of_turn(turn);
    let document = match past.outcome.as_deref() {
        Some(PastTurn::CUT_BY_CRASH) => show::cut::decided(&past.start.prompt, sentence, words),
        // It says what Claude had said by then, too.
        Some(PastTurn::CUT_BY_STOP) => match store.last_document(id).await {
            Ok(Some(document)) => show::cut::left(document, sentence, words),
            Ok(None) | Err(_) => return,
        },
        Some(_) | None => return,
    };
    let reply =
        ReplyTarget { to: Recipient::Chat(past.start.chat_id.clone()), under: past.start.reply_to.clone() };
    let posts = vec![post(&reply, document, Some(Slot { id, epitaph: None }))];
    store.keep(Settlement { posts, ..Settlement::at(Timestamp::now()) }).await;
}
