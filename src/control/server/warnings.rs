//! Limits warnings about callers: a few lines in the journal, however often a user gives cause for one. Pure.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Minimum time between two warnings about one user.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of users that are remembered. There are no warnings about any more.
const MAX_USERS: usize = 1000;

/// The users that there were warnings about, by uid.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<BTreeMap<u32, WarnedUser>>);

#[derive(Debug)]
struct WarnedUser {
    at: Instant,
    /// Number of warnings suppressed since then.
    suppressed: u64,
}

impl Warnings {
    /// A user gives cause for a warning. If one is due, returns the number suppressed since the last one.
    pub(super) fn due(&self, uid: u32, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.get_mut(&uid);
        let mut suppressed = 0;
        if let Some(known) = known {
            if now.saturating_duration_since(known.at) < WARNING_INTERVAL {
                known.suppressed += 1;
                return None;
            }
            suppressed = known.suppressed;
        }
        told.retain(|_, known| now.saturating_duration_since(known.at) < WARNING_INTERVAL);
        if told.len() >= MAX_USERS {
            return None;
        }
        told.insert(uid, WarnedUser { at: now, suppressed: 0 });
        Some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_warning_a_minute_about_a_user_with_the_number_suppressed() {
        let (warnings, start) = (Warnings::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(warnings.due(7, start), Some(0));
        assert_eq!(warnings.due(7, after(1)), None);
        assert_eq!(warnings.due(8, after(1)), Some(0));
        assert_eq!(warnings.due(7, after(59)), None);
        assert_eq!(warnings.due(7, after(60)), Some(2));
        assert_eq!(warnings.due(7, after(61)), None);
        for uid in 100..5000 {
            warnings.due(uid, after(61));
        }
        assert_eq!(warnings.0.lock().unwrap().len(), MAX_USERS);
    }
}
