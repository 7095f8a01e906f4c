//! A permission request that waits for a person.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::card_action::{self, RequestRef};
use crate::claude::wire::{PermissionRequest, RequestMatter};
use crate::ids::{ConvId, SlotId};
use crate::render::permission::is_huge;

/// A permission request that waits, or has waited, for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRequest {
    /// The request as Claude Code sent it.
    pub permission: PermissionRequest,
    /// What it is about. A plan that the request does not contain is the last text before it.
    pub matter: RequestMatter,
    /// The turn that asks.
    pub turn: Uuid,
    /// The hash of what was shown: a decision counts for nothing else.
    pub fingerprint: String,
    /// Whether it is longer than a chat can show.
    pub huge: bool,
    /// The slot of its card.
    pub slot: SlotId,
    /// When it was asked, counted from the start of the turn.
    pub after: Duration,
    /// When it counts as denied if nobody has answered.
    pub expires: Instant,
    /// When its person is to be reminded; `None` afterwards, and for short timeouts.
    pub remind: Option<Instant>,
}

/// Nobody is reminded of a request with a shorter timeout.
const MIN_REMINDED_TIMEOUT: Duration = Duration::from_secs(60);

impl OpenRequest {
    pub(super) fn new(
        permission: PermissionRequest,
        last_text: Option<&str>,
        turn: Uuid,
        after: Duration,
        now: Instant,
        timeout: Duration,
    ) -> Self {
        let matter = match permission.matter() {
            RequestMatter::Plan(None) => RequestMatter::Plan(last_text.map(str::to_owned)),
            matter @ (RequestMatter::Tool | RequestMatter::Questions(_) | RequestMatter::Plan(Some(_))) => {
                matter
            }
        };
        Self {
            matter,
            turn,
            fingerprint: card_action::fingerprint(&permission.tool, &permission.input),
            huge: is_huge(&permission.tool, &permission.input),
            slot: SlotId::of_request(turn, &permission.request_id),
            after,
            expires: now + timeout,
            remind: (timeout >= MIN_REMINDED_TIMEOUT).then(|| now + timeout / 2),
            permission,
        }
    }

    /// Whether it may be allowed from a chat. What no chat can show completely may not.
    pub(crate) fn is_allowable(&self) -> bool {
        match self.matter {
            RequestMatter::Tool => !self.huge,
            RequestMatter::Questions(_) | RequestMatter::Plan(_) => true,
        }
    }

    /// How the buttons of its card refer to it.
    #[must_use]
    pub fn about(&self, conv_id: &ConvId) -> RequestRef {
        RequestRef {
            conv_id: conv_id.clone(),
            turn: self.turn,
            request: self.permission.request_id.clone(),
            input: self.fingerprint.clone(),
        }
    }

    /// Whether its person may answer in their own words: so it is for a question or a plan.
    pub(crate) fn takes_words(&self) -> bool {
        match self.matter {
            RequestMatter::Questions(_) | RequestMatter::Plan(_) => true,
            RequestMatter::Tool => false,
        }
    }

    /// Whether "accept edits in this session" can be the answer.
    pub(crate) fn takes_edits(&self) -> bool {
        match self.matter {
            RequestMatter::Plan(_) => true,
            RequestMatter::Tool => self.permission.edits,
            RequestMatter::Questions(_) => false,
        }
    }
}
