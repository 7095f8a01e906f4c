//! Whether the app may make card entities (Feishu: the permission `cardkit:card:write`). It is tried, and if it may not,
//! tried again after an hour: an operator may have given it by then.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct CardScopeState {
    denied: Mutex<ScopeDenial>,
}

#[derive(Debug, Default)]
struct ScopeDenial {
    until: Option<Instant>,
    told: bool,
}

impl CardScopeState {
    /// Whether it may not, as far as is known.
    pub(super) fn is_denied(&self) -> bool {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).told
    }

    /// Whether it is worth a try.
    pub(super) fn may_make(&self, now: Instant) -> bool {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.until.is_none_or(|until| until <= now)
    }

    /// It may; if it could not before, that is to be told again should it come to it.
    pub(super) fn granted(&self) {
        *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = ScopeDenial::default();
    }

    /// It may not.
    pub(super) fn denied(&self, reason: &str, now: Instant) {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.until = Some(now + HOUR);
        if !std::mem::replace(&mut denied.told, true) {
            tracing::info!(
                reason,
                "the app may not make card entities: running turns are shown by changing whole cards, less often; \
                 with the permission cardkit:card:write their text is typed out"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_denied_is_tried_again_after_an_hour() {
        let (scope, start) = (CardScopeState::default(), Instant::now());
        assert!(scope.may_make(start) && !scope.is_denied());
        scope.denied("no", start);
        assert!(!scope.may_make(start + HOUR / 2));
        assert!(scope.is_denied());
        assert!(scope.may_make(start + HOUR));
        scope.denied("no", start + HOUR);
        scope.granted();
        assert!(scope.may_make(start + HOUR) && !scope.is_denied());
    }
}
