//! A request of Claude's that waits for a person.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::card_action::{self, RequestRef};
use crate::claude::wire::{PermissionRequest, RequestMatter};
use crate::ids::{ConvId, SlotId};
use crate::render::permission;

/// A request of Claude's that waits for a person, or waited.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRequest {
    /// The request.
    pub request: PermissionRequest,
    /// What it is about; a plan that the request does not say is the last text before it.
    pub matter: RequestMatter,
    /// The turn that asks.
    pub turn: Uuid,
    /// The hash of what was shown: a decision counts for nothing else.
    pub fingerprint: String,
    /// Whether it is more than a chat can show.
    pub huge: bool,
    /// The card that asks.
    pub slot: SlotId,
    /// When it was asked, after the turn's beginning.
    pub after: Duration,
    /// When it is a denial without an answer.
    pub expires: Instant,
    /// When its person is told once more; none once he was.
    pub remind: Option<Instant>,
}

/// Who has less time than this to decide is looking, or does not come.
const WORTH_A_REMINDER: Duration = Duration::from_secs(60);

impl OpenRequest {
    pub(super) fn new(
        request: PermissionRequest,
        said: Option<&str>,
        turn: Uuid,
        after: Duration,
        now: Instant,
        time: Duration,
    ) -> Self {
        let matter = match request.matter() {
            RequestMatter::Plan(None) => RequestMatter::Plan(said.map(str::to_owned)),
            matter @ (RequestMatter::Tool | RequestMatter::Questions(_) | RequestMatter::Plan(Some(_))) => {
                matter
            }
        };
        Self {
            matter,
            turn,
            fingerprint: card_action::fingerprint(&request.tool, &request.input),
            huge: permission::is_huge(&request.tool, &request.input),
            slot: SlotId::of_request(turn, &request.request_id),
            after,
            expires: now + time,
            remind: (time >= WORTH_A_REMINDER).then(|| now + time / 2),
            request,
        }
    }

    /// Whether it may be allowed from a chat: not what no chat shows whole before its buttons.
    #[must_use]
    pub fn is_allowable(&self) -> bool {
        match self.matter {
            RequestMatter::Tool => !self.huge,
            RequestMatter::Questions(_) | RequestMatter::Plan(_) => true,
        }
    }

    /// What a button of its card says that it is about.
    #[must_use]
    pub fn about(&self, conv_id: &ConvId) -> RequestRef {
        RequestRef {
            conv_id: conv_id.clone(),
            turn: self.turn,
            request: self.request.request_id.clone(),
            input: self.fingerprint.clone(),
        }
    }

    /// Whether its person may answer it in his own words: a question or a plan.
    #[must_use]
    pub fn takes_words(&self) -> bool {
        match self.matter {
            RequestMatter::Questions(_) | RequestMatter::Plan(_) => true,
            RequestMatter::Tool => false,
        }
    }

    /// Whether "accept edits in this session" can be an answer.
    #[must_use]
    pub fn takes_edits(&self) -> bool {
        match self.matter {
            RequestMatter::Plan(_) => true,
            RequestMatter::Tool => self.request.edits,
            RequestMatter::Questions(_) => false,
        }
    }
}
