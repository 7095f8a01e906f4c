//! Logs every change that an operator makes, with who made it, whatever becomes of the change and of the caller.

use tracing::{info, warn};

use crate::control::wire::{ControlCall, ControlError};
use crate::control::{NoReply, Peer};

/// A change that has begun.
#[derive(Debug)]
pub(super) struct OperatorChange {
    peer: Peer,
    call: &'static str,
    /// The id of the session or person that is changed.
    subject: String,
    over: bool,
}

impl OperatorChange {
    /// The change that a call makes; `None` for a call that only reads.
    pub(super) fn of(call: &ControlCall, peer: Peer) -> Option<Self> {
        let subject = match call {
            ControlCall::Close(call) => call.conv_id.to_string(),
            ControlCall::Allow(call) | ControlCall::Disallow(call) => call.open_id.to_string(),
            ControlCall::Sessions(_)
            | ControlCall::Tail(_)
            | ControlCall::Health(_)
            | ControlCall::Allowed => return None,
        };
        Some(Self { peer, call: name(call), subject, over: false })
    }

    /// Logs the outcome.
    pub(super) fn over(mut self, outcome: &Result<(), NoReply>) {
        self.over = true;
        let Self { peer: Peer { uid, pid }, call, subject, .. } = &self;
        match outcome {
            // A handler replies when the change is done, so a caller that has gone away had it done all the same.
            Ok(()) | Err(NoReply::Gone) => {
                info!(peer_uid = uid, peer_pid = pid, call, subject, "done for an operator");
            }
            Err(NoReply::Refused(ControlError::Failed { reason })) => {
                warn!(
                    peer_uid = uid,
                    peer_pid = pid,
                    call,
                    subject,
                    reason,
                    "only partly done for an operator"
                );
            }
            Err(
                NoReply::ExpectedMore
                | NoReply::Refused(
                    ControlError::NoSuchSession { .. }
                    | ControlError::NoOpenId { .. }
                    | ControlError::InKeyring { .. }
                    | ControlError::NotAllowed { .. }
                    | ControlError::Forbidden { .. },
                ),
            ) => {}
        }
    }
}

impl Drop for OperatorChange {
    fn drop(&mut self) {
        let Self { peer: Peer { uid, pid }, call, subject, over } = self;
        if !*over {
            warn!(
                peer_uid = uid,
                peer_pid = pid,
                call,
                subject,
                "begun for an operator; phonework stopped before it was done, so the outcome is not known"
            );
        }
    }
}

/// The name of the called method.
pub(super) fn name(call: &ControlCall) -> &'static str {
    match call {
        ControlCall::Sessions(_) => "Sessions",
        ControlCall::Close(_) => "Close",
        ControlCall::Tail(_) => "Tail",
        ControlCall::Health(_) => "Health",
        ControlCall::Allowed => "Allowed",
        ControlCall::Allow(_) => "Allow",
        ControlCall::Disallow(_) => "Disallow",
    }
}
