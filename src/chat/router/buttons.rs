//! What a press of a button does. A press names what it is about, so that pressing twice does it once.
//!
//! Whether the presser may do it is decided as for a command: by the registry, from who pressed. What a card says is no
//! proof of anything.

use tokio::sync::oneshot;
use tracing::info;

use super::Router;
use super::follow_up::FollowUp;
use super::live_sessions::PressUndelivered;
use super::reply::{ActionRequest, RequestSource};
use crate::card_action::{CardAction, Press, Toast};
use crate::chat::command::NewSession;
use crate::ids::{ChatId, ConvId, MessageId, OpenId};
use crate::keyring::PermissionMode;

/// A press of a button, and where its toast goes.
#[derive(Debug)]
pub(crate) struct ButtonPress {
    pub(crate) press: Press,
    /// The person who pressed the button.
    pub(crate) operator: OpenId,
    /// Where the card is.
    pub(crate) chat_id: ChatId,
    /// The message that shows the card.
    pub(crate) message_id: MessageId,
    /// Receives the toast that is shown to the presser.
    pub(crate) answer: oneshot::Sender<Toast>,
}

impl Router {
    /// Does what a button asks for.
    pub(super) fn follow_press(&mut self, pressed: ButtonPress) {
        let ButtonPress { press, operator: user, chat_id, message_id, answer } = pressed;
        info!(%user, %message_id, act = press.action.name(), "button pressed");
        let request = ActionRequest {
            user,
            chat_id,
            group: press.group,
            message_id,
            by: RequestSource::Pressed(answer),
        };
        if !self.settings.access.allows(&request.user) {
            return self.decline(request, self.words().not_let_in());
        }
        if self.writer.is_behind() {
            return self.decline(request, self.words().press_not_on_record());
        }
        match &press.action {
            CardAction::Stop { conv_id, .. } => self.press_in_turn(request, &conv_id.clone(), press),
            CardAction::Decide { about, .. } | CardAction::Answer { about, .. } => {
                self.press_in_turn(request, &about.conv_id.clone(), press);
            }
            CardAction::Continue { conv_id, turn } => {
                self.follow_up(request, conv_id.clone(), *turn, FollowUp::Continue);
            }
            CardAction::Again { conv_id, turn } => {
                self.follow_up(request, conv_id.clone(), *turn, FollowUp::Again)
            }
            CardAction::Dismiss { conv_id, turn } => {
                self.follow_up(request, conv_id.clone(), *turn, FollowUp::Dismiss)
            }
            CardAction::Close { conv_id } => {
                if let Some((request, session)) = self.own_session(request, conv_id) {
                    self.close(request, &session);
                }
            }
            CardAction::Switch { conv_id } => {
                if let Some((request, session)) = self.own_session(request, conv_id) {
                    self.switch(request, &session);
                }
            }
            CardAction::Mode { conv_id, mode } => {
                let Some((request, session)) = self.own_session(request, conv_id) else { return };
                match mode.parse::<PermissionMode>() {
                    Ok(mode) => self.set_mode(request, &session, mode),
                    Err(_) => self.decline(request, self.words().another_version()),
                }
            }
            CardAction::Cancel { mail } => self.cancel(request, *mail),
            CardAction::SendNow { mail } => self.send_now(request, *mail),
            CardAction::RunLate => self.run_stale(request),
            CardAction::DiscardLate => self.discard_stale(request),
            CardAction::Open { directory } => {
                let new = NewSession { directory: directory.clone(), ..NewSession::default() };
                self.open_session(request, new);
            }
        }
    }

    /// Hands a press to the running turn that it concerns; a session that is not live has none.
    fn press_in_turn(&mut self, request: ActionRequest, conv_id: &ConvId, press: Press) {
        let Some((request, _)) = self.own_session(request, conv_id) else { return };
        let ActionRequest { user, chat_id, group, message_id, by } = request;
        let RequestSource::Pressed(answer) = by else { return };
        let (answer, sentence) = match self.live.press(conv_id, press, answer) {
            Ok(()) => return,
            Err(PressUndelivered::NotLive(answer)) => (answer, self.words().turn_over()),
            Err(PressUndelivered::Busy(answer)) => (answer, self.words().press_again()),
        };
        let request = ActionRequest { user, chat_id, group, message_id, by: RequestSource::Pressed(answer) };
        self.decline(request, sentence);
    }
}
