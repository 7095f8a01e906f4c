//! Who is not allowed gets one line an hour, and nothing else. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ids::OpenId;

/// A stranger is answered again after so long.
const SILENCE: Duration = Duration::from_secs(60 * 60);
/// So many strangers are remembered; while all of them are fresh, further ones get no answer.
const REMEMBERED: usize = 1000;

/// The strangers who were answered lately.
#[derive(Debug, Default)]
pub struct Strangers {
    answered: BTreeMap<OpenId, Instant>,
}

impl Strangers {
    /// Whether this stranger is to be answered now.
    pub fn answer(&mut self, user: &OpenId, now: Instant) -> bool {
        if self.answered.len() >= REMEMBERED {
            self.answered.retain(|_, at| now.duration_since(*at) < SILENCE);
        }
        match self.answered.get(user) {
            Some(at) if now.duration_since(*at) < SILENCE => false,
            None if self.answered.len() >= REMEMBERED => false,
            Some(_) | None => {
                self.answered.insert(user.clone(), now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_answered_once_an_hour() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
        let after = |minutes: u64| start + Duration::from_secs(60 * minutes);
        assert!(strangers.answer(&"ou_1".into(), start));
        assert!(!strangers.answer(&"ou_1".into(), after(59)));
        assert!(strangers.answer(&"ou_2".into(), after(59)));
        assert!(strangers.answer(&"ou_1".into(), after(60)));
    }

    #[test]
    fn a_flood_of_strangers_is_met_with_silence() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
        let answered =
            (0..5000).filter(|n| strangers.answer(&OpenId::from(format!("ou_{n}")), start)).count();
        assert_eq!(answered, REMEMBERED);
        assert!(strangers.answer(&"ou_new".into(), start + SILENCE));
    }
}
