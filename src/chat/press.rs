//! What a press of a button does, by what it names: the same press twice does it once.
//!
//! Whose session it is is decided as for all else: by the registry, from who pressed. What is on a card is no proof of
//! anything.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc::error::TrySendError, oneshot};
use tracing::info;

use super::after::FollowUp;
use super::asked::{ActionRequest, RequestSource};
use super::command::NewSession;
use super::router::Router;
use crate::card_action::{CardAction, Press, Toast, ToastKind};
use crate::feishu::content;
use crate::feishu::socket::Answer;
use crate::ids::{ChatId, ConvId, MessageId, OpenId};
use crate::keyring::PermissionMode;
use crate::session::actor::ControlMessage;
use crate::words::Words;

/// A press, and who is shown what came of it.
#[derive(Debug)]
pub struct ButtonPress {
    /// What was pressed.
    pub press: Press,
    /// Who pressed.
    pub operator: OpenId,
    /// Where the card is.
    pub chat_id: ChatId,
    /// The card.
    pub message_id: MessageId,
    /// Is shown the toast.
    pub answer: oneshot::Sender<Toast>,
}

/// Feishu shows its own words to who pressed and was not answered for 3 s.
const IN_TIME: Duration = Duration::from_secs(2);

/// Answers a press with its toast; if that takes longer than Feishu waits, with the word that it was heard.
pub(super) async fn answer_in_time(
    answer: oneshot::Sender<Answer>,
    toast: oneshot::Receiver<Toast>,
    received: Instant,
    words: Words,
) {
    let toast = match tokio::time::timeout_at((received + IN_TIME).into(), toast).await {
        Ok(Ok(toast)) => toast,
        // The daemon leaves.
        Ok(Err(_)) => Toast { kind: ToastKind::Warning, text: words.press_again() },
        Err(_) => Toast { kind: ToastKind::Info, text: words.takes_a_moment() },
    };
    // A connection that is gone cannot be answered.
    let _ = answer.send(Answer { code: 200, data: Some(content::toast(&toast)) });
}

impl Router {
    /// Does what a button asks for.
    pub(super) fn pressed(&mut self, pressed: ButtonPress) {
        let ButtonPress { press, operator: user, chat_id, message_id, answer } = pressed;
        info!(%user, %message_id, act = press.act.word(), "a button was pressed");
        let asked = ActionRequest {
            user,
            chat_id,
            group: press.group,
            message_id,
            by: RequestSource::Pressed(answer),
        };
        if !self.settings.allows(&asked.user) {
            return self.declined(asked, self.words().not_let_in());
        }
        if self.scribe.is_behind() {
            return self.declined(asked, self.words().press_not_on_record());
        }
        match &press.act {
            CardAction::Stop { conv_id, .. } => self.turns_own(asked, &conv_id.clone(), press),
            CardAction::Decide { about, .. } | CardAction::Answer { about, .. } => {
                self.turns_own(asked, &about.conv_id.clone(), press);
            }
            CardAction::Continue { conv_id, turn } => {
                self.after_turn(asked, conv_id.clone(), *turn, FollowUp::Continue);
            }
            CardAction::Again { conv_id, turn } => {
                self.after_turn(asked, conv_id.clone(), *turn, FollowUp::Again)
            }
            CardAction::Dismiss { conv_id, turn } => {
                self.after_turn(asked, conv_id.clone(), *turn, FollowUp::Dismiss)
            }
            CardAction::Close { conv_id } => {
                if let Some((asked, session)) = self.his(asked, conv_id) {
                    self.close(asked, &session);
                }
            }
            CardAction::Switch { conv_id } => {
                if let Some((asked, session)) = self.his(asked, conv_id) {
                    self.switch(asked, &session);
                }
            }
            CardAction::Mode { conv_id, mode } => {
                let Some((asked, session)) = self.his(asked, conv_id) else { return };
                match mode.parse::<PermissionMode>() {
                    Ok(mode) => self.set_mode(asked, &session, mode),
                    Err(_) => self.declined(asked, self.words().another_version()),
                }
            }
            CardAction::Cancel { mail } => self.cancel(asked, *mail),
            CardAction::SendNow { mail } => self.send_now(asked, *mail),
            CardAction::RunLate => self.run_late(asked),
            CardAction::DiscardLate => self.discard_late(asked),
            CardAction::Open { directory } => {
                let new = NewSession { directory: directory.clone(), ..NewSession::default() };
                self.new_session(asked, new);
            }
        }
    }

    /// Hands a press to the running turn that it concerns; a session that is not live has none.
    fn turns_own(&mut self, asked: ActionRequest, conv_id: &ConvId, press: Press) {
        let Some((asked, _)) = self.his(asked, conv_id) else { return };
        let Some(handle) = self.handles.get(conv_id) else {
            return self.declined(asked, self.words().turn_over());
        };
        let ActionRequest { user, chat_id, group, message_id, by } = asked;
        let RequestSource::Pressed(answer) = by else { return };
        let (answer, sentence) = match handle.control.try_send(ControlMessage::Press(press, answer)) {
            Ok(()) => return,
            Err(TrySendError::Closed(ControlMessage::Press(_, answer))) => (answer, self.words().turn_over()),
            Err(TrySendError::Full(ControlMessage::Press(_, answer))) => (answer, self.words().press_again()),
            Err(TrySendError::Closed(ControlMessage::Do(_)) | TrySendError::Full(ControlMessage::Do(_))) => {
                return;
            }
        };
        let asked = ActionRequest { user, chat_id, group, message_id, by: RequestSource::Pressed(answer) };
        self.declined(asked, sentence);
    }
}
