//! A change that an operator makes: in the journal with who he is, whatever becomes of it and of him.

use tracing::{info, warn};

use crate::control::wire::{Call, Refusal};
use crate::control::{Peer, Unanswered};

/// A change that has begun.
#[derive(Debug)]
pub(super) struct Change {
    peer: Peer,
    call: &'static str,
    /// What it is about: an id.
    subject: String,
    over: bool,
}

impl Change {
    /// The change that a call makes, if it makes one.
    pub(super) fn of(call: &Call, peer: Peer) -> Option<Self> {
        let subject = match call {
            Call::Close(call) => call.conv_id.to_string(),
            Call::Allow(call) | Call::Disallow(call) => call.open_id.to_string(),
            Call::Sessions(_) | Call::Tail(_) | Call::Health(_) | Call::Allowed => return None,
        };
        Some(Self { peer, call: name(call), subject, over: false })
    }

    /// It is over, with this outcome.
    pub(super) fn over(mut self, outcome: &Result<(), Unanswered>) {
        self.over = true;
        let Self { peer: Peer { uid, pid }, call, subject, .. } = &self;
        match outcome {
            // A handler speaks when all is done: who does not hear it any more has had it done.
            Ok(()) | Err(Unanswered::Gone) => {
                info!(peer_uid = uid, peer_pid = pid, call, subject, "done for an operator");
            }
            Err(Unanswered::Refused(Refusal::Failed { reason })) => {
                warn!(
                    peer_uid = uid,
                    peer_pid = pid,
                    call,
                    subject,
                    reason,
                    "not wholly done for an operator"
                );
            }
            Err(
                Unanswered::ExpectedMore
                | Unanswered::Refused(
                    Refusal::NoSuchSession { .. }
                    | Refusal::NoOpenId { .. }
                    | Refusal::InKeyring { .. }
                    | Refusal::NotAllowed { .. }
                    | Refusal::Forbidden { .. },
                ),
            ) => {}
        }
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let Self { peer: Peer { uid, pid }, call, subject, over } = self;
        if !*over {
            warn!(
                peer_uid = uid,
                peer_pid = pid,
                call,
                subject,
                "begun for an operator; whether it was done is not known, as phonework left meanwhile"
            );
        }
    }
}

/// The method's name.
pub(super) fn name(call: &Call) -> &'static str {
    match call {
        Call::Sessions(_) => "Sessions",
        Call::Close(_) => "Close",
        Call::Tail(_) => "Tail",
        Call::Health(_) => "Health",
        Call::Allowed => "Allowed",
        Call::Allow(_) => "Allow",
        Call::Disallow(_) => "Disallow",
    }
}
