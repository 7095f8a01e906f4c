//! The buttons of a finished turn: run it again, let Claude go on, or dismiss it. A press becomes a message in the inbox,
//! which is on record before the presser is told.

use jiff::Timestamp;
use uuid::Uuid;

use super::reply::{ActionRequest, RequestSource, document_post, show_toast};
use super::{DeferredTask, Router};
use crate::card_action::ToastKind;
use crate::chat::show;
use crate::crash::{self, Point};
use crate::ids::{ConvId, EventId, SlotId};
use crate::mail::{Mail, NewMail, PastTurn, Recipient, Settlement, Slot, Store, StoreError};
use crate::session::turn::ReplyTarget;
use crate::words::Words;

/// What is to be done about a finished turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FollowUp {
    /// Its prompt runs again.
    Again,
    /// Claude is asked to continue.
    Continue,
    /// The card is dismissed, and nothing runs.
    Dismiss,
}

impl FollowUp {
    /// The key under which this is done once for a turn.
    fn key(self, turn: Uuid) -> String {
        let what = match self {
            Self::Again => "again",
            Self::Continue => "continue",
            Self::Dismiss => "dismiss",
        };
        format!("{what}:{turn}")
    }

    /// The sentence that says that it is done.
    fn sentence(self, words: Words) -> String {
        match self {
            Self::Again => words.runs_again(),
            Self::Continue => words.goes_on(),
            Self::Dismiss => words.dismissed(),
        }
    }
}

/// A press of such a button, on its way to the disk.
struct FollowUpPress {
    request: ActionRequest,
    conv_id: ConvId,
    turn: Uuid,
    follow_up: FollowUp,
    words: Words,
}

impl Router {
    /// Does what a button of a finished turn asks for. What the turn was has to be read from the disk, so a task of its
    /// own does that: the router does not wait.
    pub(super) fn follow_up(
        &mut self,
        request: ActionRequest,
        conv_id: ConvId,
        turn: Uuid,
        follow_up: FollowUp,
    ) {
        let Some((request, _)) = self.own_session(request, &conv_id) else { return };
        let (store, deferred, words) = (self.store.clone(), self.deferred.clone(), self.words());
        tokio::spawn(async move {
            let press = FollowUpPress { request, conv_id, turn, follow_up, words };
            if let Some(mail) = press.record(&store).await {
                let again = follow_up == FollowUp::Again;
                // The router is gone only when the daemon leaves; then the message waits for the next start.
                let _ = deferred.send(DeferredTask::RunFollowUp { mail, again }).await;
            }
        });
    }

    /// Runs the message that a press became. A turn that runs `again` does so although its session may be open
    /// elsewhere: its owner was told on the card.
    pub(super) fn run_follow_up(&mut self, mail: Mail, again: bool) {
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
    /// Puts the press on record and tells the presser. Returns the message that it became; `None` where there is none,
    /// or where it was pressed before.
    async fn record(self, store: &Store) -> Option<Mail> {
        let past = store.turn(self.turn).await;
        let outcome = match &past {
            Ok(past) => self.write(store, past.as_ref()).await,
            Err(error) => Err(error.clone()),
        };
        let Self { request, turn, follow_up, words, .. } = self;
        let RequestSource::Pressed(answer) = request.by else { return None };
        let (kind, text, mail) = match outcome {
            Ok(PressOutcome::Recorded(mail)) => (ToastKind::Success, follow_up.sentence(words), mail),
            Ok(PressOutcome::PressedBefore) => (ToastKind::Info, words.pressed_before(), None),
            Ok(PressOutcome::TurnForgotten) => (ToastKind::Warning, words.prompt_gone(), None),
            Ok(PressOutcome::StillRuns) => (ToastKind::Warning, words.turn_runs(), None),
            Err(_) => (ToastKind::Error, words.press_not_on_record(), None),
        };
        let recorded = kind == ToastKind::Success;
        show_toast(answer, kind, text);
        if let Some(past) = past.ok().flatten().filter(|_| recorded) {
            remove_buttons(store, turn, &past, follow_up.sentence(words), words).await;
        }
        mail
    }

    async fn write(&self, store: &Store, past: Option<&PastTurn>) -> Result<PressOutcome, StoreError> {
        let Self { request, conv_id, turn, follow_up, words } = self;
        let past = past.filter(|past| &past.start.conv_id == conv_id && past.start.user == request.user);
        if past.is_some_and(|past| past.outcome.is_none()) {
            return Ok(PressOutcome::StillRuns);
        }
        let (key, now) = (follow_up.key(*turn), Timestamp::now());
        let text = match (follow_up, past) {
            (FollowUp::Dismiss, _) => {
                let first = store.first_time(&EventId::from(key), now).await?;
                return Ok(if first { PressOutcome::Recorded(None) } else { PressOutcome::PressedBefore });
            }
            (FollowUp::Continue, _) => words.go_on(),
            (FollowUp::Again, Some(past)) => past.start.prompt.clone(),
            (FollowUp::Again, None) => return Ok(PressOutcome::TurnForgotten),
        };
        let new = NewMail {
            message_id: request.message_id.clone(),
            chat_id: request.chat_id.clone(),
            user: request.user.clone(),
            group: request.group,
            text,
            created: now,
            received: now,
        };
        let seq = store.accept_press(key, new.clone(), conv_id.clone()).await?;
        crash::at(Point::InboxCommitted);
        Ok(seq.map_or(PressOutcome::PressedBefore, |seq| {
            PressOutcome::Recorded(Some(Mail { conv_id: Some(conv_id.clone()), ..Mail::new(seq, new) }))
        }))
    }
}

/// What became of a press.
enum PressOutcome {
    /// It is on record, with the message that it became, if it became one.
    Recorded(Option<Mail>),
    /// The same was pressed before.
    PressedBefore,
    /// The turn is not on record any more.
    TurnForgotten,
    /// The turn is not over yet.
    StillRuns,
}

/// Removes the buttons from the card of a cut turn; those of other turns stay.
async fn remove_buttons(store: &Store, turn: Uuid, past: &PastTurn, sentence: String, words: Words) {
    let id = SlotId::of_turn(turn);
    let document = match past.outcome.as_deref() {
        Some(PastTurn::CUT_BY_CRASH) => show::interrupted::decided(&past.start.prompt, sentence, words),
        // This card also shows what Claude had said by then.
        Some(PastTurn::CUT_BY_STOP) => match store.last_document(id).await {
            Ok(Some(document)) => show::interrupted::without_buttons(document, sentence, words),
            Ok(None) | Err(_) => return,
        },
        Some(_) | None => return,
    };
    let target =
        ReplyTarget { to: Recipient::Chat(past.start.chat_id.clone()), under: past.start.reply_to.clone() };
    let posts = vec![document_post(&target, document, Some(Slot { id, fallback: None }))];
    store.settle_with_retry(Settlement { posts, ..Settlement::at(Timestamp::now()) }).await;
}
