//! Warnings about callers: a few lines in the journal, however often somebody gives cause for them. Pure.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A user is warned of once in so long.
const EVERY: Duration = Duration::from_secs(60);
/// So many users at once are known; others are not warned of.
const MOST: usize = 1000;

/// Which users were warned of, and when.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<BTreeMap<u32, WarnedUser>>);

#[derive(Debug)]
struct WarnedUser {
    at: Instant,
    /// How often there was cause since then.
    kept_back: u64,
}

impl Warnings {
    /// Somebody with this uid gives cause for a warning: if it is due, how often there was cause since the last one.
    pub(super) fn due(&self, uid: u32, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.get_mut(&uid);
        let mut kept_back = 0;
        if let Some(known) = known {
            if now.saturating_duration_since(known.at) < EVERY {
                known.kept_back += 1;
                return None;
            }
            kept_back = known.kept_back;
        }
        told.retain(|_, known| now.saturating_duration_since(known.at) < EVERY);
        if told.len() >= MOST {
            return None;
        }
        told.insert(uid, WarnedUser { at: now, kept_back: 0 });
        Some(kept_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_warned_of_once_a_minute_with_how_often_there_was_cause() {
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
        assert_eq!(warnings.0.lock().unwrap().len(), MOST);
    }
}
