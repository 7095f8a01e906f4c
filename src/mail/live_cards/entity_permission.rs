//! Whether the app may create card entities (Feishu: the permission `cardkit:card:write`). It is found out by trying. If
//! the app may not, it is tried again after an hour: an operator may have granted the permission by then.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The time from a denial to the next try.
const RETRY_INTERVAL: Duration = Duration::from_secs(3600);

/// What is known of the permission. It counts as granted until Feishu denies it.
#[derive(Debug, Default)]
pub(in crate::mail) struct EntityPermission {
    denial: Mutex<EntityDenial>,
}

#[derive(Debug, Default)]
struct EntityDenial {
    /// When to try again.
    until: Option<Instant>,
    /// Whether the denial was logged.
    logged: bool,
}

impl EntityPermission {
    /// Whether Feishu denied it and has not granted it since.
    pub(super) fn is_denied(&self) -> bool {
        self.denial.lock().unwrap_or_else(PoisonError::into_inner).logged
    }

    /// Whether to try to create an entity now.
    pub(in crate::mail) fn may_try(&self, now: Instant) -> bool {
        let denial = self.denial.lock().unwrap_or_else(PoisonError::into_inner);
        denial.until.is_none_or(|until| until <= now)
    }

    /// Feishu created an entity. A later denial is logged again.
    pub(in crate::mail) fn granted(&self) {
        *self.denial.lock().unwrap_or_else(PoisonError::into_inner) = EntityDenial::default();
    }

    /// Feishu refused to create an entity.
    pub(in crate::mail) fn denied(&self, reason: &str, now: Instant) {
        let mut denial = self.denial.lock().unwrap_or_else(PoisonError::into_inner);
        denial.until = Some(now + RETRY_INTERVAL);
        if !std::mem::replace(&mut denial.logged, true) {
            tracing::info!(
                reason,
                "the app may not create card entities: running turns are shown by replacing whole cards, less often; \
                 with the permission cardkit:card:write their text is typed out"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_permission_is_tried_again_after_an_hour() {
        let (permission, start) = (EntityPermission::default(), Instant::now());
        assert!(permission.may_try(start) && !permission.is_denied());
        permission.denied("no", start);
        assert!(!permission.may_try(start + RETRY_INTERVAL / 2));
        assert!(permission.is_denied());
        assert!(permission.may_try(start + RETRY_INTERVAL));
        permission.denied("no", start + RETRY_INTERVAL);
        permission.granted();
        assert!(permission.may_try(start + RETRY_INTERVAL) && !permission.is_denied());
    }
}
