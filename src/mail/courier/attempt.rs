//! When a post is tried again, and when it is given up. Pure.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::{backoff::Backoff, mail::QueuedPost};

/// The waits before something is sent again.
pub(super) const RETRY: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(60), jitter: 0.5 };

/// The longest wait that a server may ask for.
const MAX_SERVER_WAIT: Duration = Duration::from_secs(600);

/// Number of failures in a row for which a server that names the time of the next try is believed.
const MAX_BELIEVED_FAILURES: u32 = 5;

/// Feishu: a uuid is recognized for an hour; a later try may show a second message.
const UUID_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// How long the trouble of a post itself may last before the post is wedged, so that it does not block its lane for
/// ever.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What a failed try of an earlier run counts for: about the wait between two tries.
const EARLIER_TRY_TIME: Duration = Duration::from_secs(45);

/// How long to wait after the `failures`th failure in a row. A server that asks for a time (`after`) gets it, but it is
/// never tried at once, and after a few failures no sooner than any other. `random` lies in 0..=1.
pub(super) fn retry_wait(failures: u32, after: Option<Duration>, random: f64) -> Duration {
    let own = RETRY.wait(failures, random);
    let Some(after) = after else { return own };
    let granted = after.min(MAX_SERVER_WAIT) + RETRY.first.mul_f64(random.clamp(0.0, 1.0) / 2.0);
    granted.max(if failures > MAX_BELIEVED_FAILURES { own } else { RETRY.first / 2 })
}

/// A post that is being tried.
#[derive(Clone, Copy)]
pub(super) struct PostAttempt {
    /// The post that is being tried.
    pub(super) id: i64,
    /// The first try of which it is not known whether Feishu took it.
    pub(super) unsure_since: Option<Timestamp>,
    /// Number of failures in a row.
    pub(super) failures: u32,
    own_trouble: TroubleSpan,
    /// How long its own trouble may last.
    patience: Duration,
}

/// How long tries have failed for a cause that may be the post itself. Trouble of everybody's does not count.
#[derive(Clone, Copy, Default)]
struct TroubleSpan {
    lasted: Duration,
    /// The latest failure, if it was one of these.
    last: Option<Instant>,
}

impl PostAttempt {
    /// The first try of this run. The tries of earlier runs count, but not for longer than the post's age.
    pub(super) fn new(queued: &QueuedPost, now: Timestamp) -> Self {
        let age = Duration::try_from(now.duration_since(queued.made)).unwrap_or_default();
        let lasted = EARLIER_TRY_TIME.saturating_mul(queued.tries).min(age);
        let own_trouble = TroubleSpan { lasted, last: None };
        let (id, unsure_since) = (queued.id, queued.unsure_since);
        Self { id, unsure_since, failures: 0, own_trouble, patience: PATIENCE }
    }

    /// The first try of another message for the same post.
    pub(super) fn restarted(self) -> Self {
        self.restarted_for(PATIENCE)
    }

    /// As [`PostAttempt::restarted`], with this patience.
    pub(super) fn restarted_for(self, patience: Duration) -> Self {
        Self { id: self.id, unsure_since: None, failures: 0, own_trouble: TroubleSpan::default(), patience }
    }

    /// Counts a failed try; whether to give up. `own` says that the cause may be the post itself.
    pub(super) fn failed(&mut self, own: bool, now: Instant) -> bool {
        self.failures += 1;
        if let Some(last) = self.own_trouble.last.filter(|_| own) {
            self.own_trouble.lasted += now.saturating_duration_since(last);
        }
        self.own_trouble.last = own.then_some(now);
        own && self.own_trouble.lasted >= self.patience
    }

    /// Whether Feishu may have taken the post and no longer recognizes its uuid.
    pub(super) fn may_be_shown_twice(&self, now: Timestamp) -> bool {
        self.unsure_since.is_some_and(|since| now.duration_since(since) >= UUID_LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn waits_double_up_to_a_minute_and_follow_the_server() {
        let waits = [1, 2, 3, 7, 8, 40, u32::MAX].map(|failures| retry_wait(failures, None, 1.0));
        assert_eq!(waits, [ms(500), ms(1000), ms(2000), ms(32_000), ms(60_000), ms(60_000), ms(60_000)]);
        assert_eq!(retry_wait(1, None, 0.0), ms(250));
        assert_eq!(retry_wait(5, Some(ms(3000)), 0.0), ms(3000));
        assert_eq!(retry_wait(1, Some(ms(0)), 0.0), ms(250));
        assert_eq!(retry_wait(6, Some(ms(0)), 1.0), ms(16_000));
        assert_eq!(retry_wait(9, Some(ms(3000)), 0.0), ms(30_000));
        assert_eq!(retry_wait(9, Some(ms(90_000)), 0.0), ms(90_000));
        assert_eq!(retry_wait(1, Some(Duration::MAX), 1.0), MAX_SERVER_WAIT + ms(250));
    }

    #[test]
    fn a_uuid_is_forgotten_an_hour_after_the_first_try_of_unknown_outcome() {
        let since = Timestamp::UNIX_EPOCH;
        let sure = PostAttempt {
            id: 1,
            unsure_since: None,
            failures: 0,
            own_trouble: TroubleSpan::default(),
            patience: PATIENCE,
        };
        let unsure = PostAttempt { unsure_since: Some(since), ..sure };
        assert!(!sure.may_be_shown_twice(since));
        assert!(!unsure.may_be_shown_twice(since + SignedDuration::from_mins(59)));
        assert!(unsure.may_be_shown_twice(since + SignedDuration::from_mins(60)));
    }
}
