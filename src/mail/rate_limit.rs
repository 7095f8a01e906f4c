//! How fast mail may leave, and how long to wait after a failure. Pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::Recipient;
use crate::backoff::Backoff;

const SECOND: Duration = Duration::from_secs(1);

/// Feishu: 5 messages a second to one chat or person. Emojis are held to it, too, so that a flood of one person's
/// leaves room for the others' in what Feishu takes of all.
const LANE_LIMITS: &[RateLimit] = &[RateLimit { calls: 5, span: SECOND }];

/// Feishu: 50 calls a second and 1,000 a minute of one API.
const API_LIMITS: &[RateLimit] =
    &[RateLimit { calls: 50, span: SECOND }, RateLimit { calls: 1_000, span: Duration::from_secs(60) }];

/// What pictures leave to the mail that is owed: they are never the ones that use up what Feishu takes.
const SPARE_LIMITS: &[RateLimit] =
    &[RateLimit { calls: 30, span: SECOND }, RateLimit { calls: 600, span: Duration::from_secs(60) }];

/// The waits before something is sent again.
const RETRY: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(60), jitter: 0.5 };

/// The longest wait that a server is granted.
const LONGEST_GRANTED: Duration = Duration::from_secs(600);

/// The APIs of Feishu that mail goes through; each has limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiRoute {
    /// A message of its own.
    Create,
    /// A message that replies to another.
    Reply,
    /// An emoji on a message.
    React,
    /// Another card in a message.
    Update,
    /// A file.
    Upload,
    /// A new card entity.
    Make,
    /// The text of an entity, as it is streamed.
    Stream,
    /// An entity's settings.
    Settings,
    /// Another card in an entity.
    Replace,
}

impl ApiRoute {
    /// Whether it puts something into the chat.
    fn is_for_the_chat(self) -> bool {
        match self {
            Self::Create | Self::Reply | Self::React => true,
            Self::Update | Self::Upload | Self::Make | Self::Stream | Self::Settings | Self::Replace => false,
        }
    }
}

/// Whether something has to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// It is owed.
    Owed,
    /// It can be left out.
    Spare,
}

/// Knows what was sent lately.
#[derive(Debug, Default)]
pub struct RateLimiter {
    lanes: BTreeMap<Recipient, CallWindow>,
    ways: BTreeMap<ApiRoute, CallWindow>,
}

impl RateLimiter {
    /// Whether something may leave now; if so it counts against the API's limits.
    ///
    /// # Errors
    /// When to ask again.
    pub fn ask(
        &mut self,
        lane: &Recipient,
        way: ApiRoute,
        haste: Priority,
        now: Instant,
    ) -> Result<(), Instant> {
        let calls = self.ways.entry(way).or_default();
        let limits = match haste {
            Priority::Owed => API_LIMITS,
            Priority::Spare => SPARE_LIMITS,
        };
        let mut at = calls.free_at(limits, now);
        if let Some(lane) = self.lanes.get(lane).filter(|_| way.is_for_the_chat()) {
            at = at.max(lane.free_at(LANE_LIMITS, now));
        }
        if at > now {
            return Err(at);
        }
        calls.add(API_LIMITS, now);
        Ok(())
    }

    /// Notes that Feishu has answered. A lane has one message under way at a time, and it counts from the answer on:
    /// Feishu has counted it by then, however slow the network is.
    pub fn answered(&mut self, lane: &Recipient, way: ApiRoute, now: Instant) {
        if !way.is_for_the_chat() {
            return;
        }
        self.lanes.entry(lane.clone()).or_default().add(LANE_LIMITS, now);
        self.lanes.retain(|_, messages| messages.times.back().is_some_and(|last| *last + SECOND > now));
    }
}

struct RateLimit {
    calls: usize,
    span: Duration,
}

/// The times of the latest calls, in order.
#[derive(Debug, Default)]
struct CallWindow {
    times: VecDeque<Instant>,
}

impl CallWindow {
    /// The first moment from `now` on at which one more call breaks no limit.
    fn free_at(&self, limits: &[RateLimit], now: Instant) -> Instant {
        let free = |limit: &RateLimit| {
            let first = self.times.len().checked_sub(limit.calls)?;
            self.times.get(first).map(|time| *time + limit.span)
        };
        limits.iter().filter_map(free).fold(now, Instant::max)
    }

    fn add(&mut self, limits: &[RateLimit], now: Instant) {
        let most = limits.iter().map(|limit| limit.calls).max().unwrap_or(0);
        if self.times.len() >= most {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }
}

/// So many failures in a row a server is believed that names the time of the next try.
const BELIEVED: u32 = 5;

/// How long to wait after the `failures`th failure in a row: half a second, doubled each time up to a minute. A server
/// that asks for a time is granted it, but after a few failures it is not tried sooner than any other, and never at
/// once. `chance` (0 to 1) spreads the tries of many.
#[must_use]
pub fn backoff(failures: u32, after: Option<Duration>, chance: f64) -> Duration {
    let own = RETRY.wait(failures, chance);
    let Some(after) = after else { return own };
    let granted = after.min(LONGEST_GRANTED) + RETRY.first.mul_f64(chance.clamp(0.0, 1.0) / 2.0);
    granted.max(if failures > BELIEVED { own } else { RETRY.first / 2 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ChatId;
    use proptest::prelude::*;

    fn chat(n: u32) -> Recipient {
        Recipient::Chat(ChatId::from(format!("oc_{n}")))
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_sixth_message_to_a_chat_waits_for_a_second_from_the_first_answer() {
        let (mut pacing, start) = (RateLimiter::default(), Instant::now());
        for n in 0..5 {
            assert_eq!(pacing.ask(&chat(1), ApiRoute::Create, Priority::Owed, start + ms(n * 20)), Ok(()));
            pacing.answered(&chat(1), ApiRoute::Create, start + ms(n * 20 + 10));
        }
        assert_eq!(
            pacing.ask(&chat(1), ApiRoute::Reply, Priority::Owed, start + ms(100)),
            Err(start + ms(1010))
        );
        assert_eq!(pacing.ask(&chat(2), ApiRoute::Create, Priority::Owed, start + ms(100)), Ok(()));
        assert_eq!(
            pacing.ask(&chat(1), ApiRoute::React, Priority::Owed, start + ms(100)),
            Err(start + ms(1010))
        );
        assert_eq!(pacing.ask(&chat(1), ApiRoute::Reply, Priority::Owed, start + ms(1010)), Ok(()));
    }

    #[test]
    fn one_api_takes_fifty_calls_a_second_and_a_thousand_a_minute() {
        let (mut pacing, start) = (RateLimiter::default(), Instant::now());
        for n in 0..50 {
            assert_eq!(pacing.ask(&chat(n), ApiRoute::Create, Priority::Owed, start), Ok(()));
        }
        assert_eq!(pacing.ask(&chat(50), ApiRoute::Create, Priority::Owed, start), Err(start + SECOND));
        assert_eq!(pacing.ask(&chat(50), ApiRoute::Reply, Priority::Owed, start), Ok(()));
        for n in 50..1000 {
            let now = start + SECOND * (n / 50);
            assert_eq!(pacing.ask(&chat(n), ApiRoute::Create, Priority::Owed, now), Ok(()));
        }
        assert_eq!(
            pacing.ask(&chat(0), ApiRoute::Create, Priority::Owed, start + SECOND * 20),
            Err(start + SECOND * 60)
        );
    }

    #[test]
    fn pictures_leave_room_for_what_is_owed_and_changes_of_cards_do_not_count_for_the_chat() {
        let (mut pacing, start) = (RateLimiter::default(), Instant::now());
        for _ in 0..30 {
            assert_eq!(pacing.ask(&chat(1), ApiRoute::Update, Priority::Spare, start), Ok(()));
            pacing.answered(&chat(1), ApiRoute::Update, start);
        }
        assert_eq!(pacing.ask(&chat(1), ApiRoute::Update, Priority::Spare, start), Err(start + SECOND));
        for _ in 30..50 {
            assert_eq!(pacing.ask(&chat(1), ApiRoute::Update, Priority::Owed, start), Ok(()));
        }
        assert_eq!(pacing.ask(&chat(1), ApiRoute::Update, Priority::Owed, start), Err(start + SECOND));
        assert_eq!(pacing.ask(&chat(1), ApiRoute::Create, Priority::Owed, start), Ok(()));
    }

    #[test]
    fn quiet_chats_are_forgotten() {
        let (mut pacing, start) = (RateLimiter::default(), Instant::now());
        pacing.answered(&chat(1), ApiRoute::Create, start);
        pacing.answered(&chat(2), ApiRoute::Create, start + SECOND);
        assert_eq!(pacing.lanes.keys().collect::<Vec<_>>(), vec![&chat(2)]);
    }

    #[test]
    fn waits_double_up_to_a_minute_and_follow_the_server() {
        let waits = [1, 2, 3, 7, 8, 40, u32::MAX].map(|failures| backoff(failures, None, 1.0));
        assert_eq!(waits, [ms(500), ms(1000), ms(2000), ms(32_000), ms(60_000), ms(60_000), ms(60_000)]);
        assert_eq!(backoff(1, None, 0.0), ms(250));
        assert_eq!(backoff(5, Some(ms(3000)), 0.0), ms(3000));
        assert_eq!(backoff(1, Some(ms(0)), 0.0), ms(250));
        assert_eq!(backoff(6, Some(ms(0)), 1.0), ms(16_000));
        assert_eq!(backoff(9, Some(ms(3000)), 0.0), ms(30_000));
        assert_eq!(backoff(9, Some(ms(90_000)), 0.0), ms(90_000));
        assert_eq!(backoff(1, Some(Duration::MAX), 1.0), LONGEST_GRANTED + ms(250));
    }

    proptest! {
        #[test]
        fn no_second_sees_more_than_five_messages_to_a_chat(
            steps in proptest::collection::vec((0u64..400, 0u32..3, 0u64..300), 1..200),
        ) {
            let mut pacing = RateLimiter::default();
            let start = Instant::now();
            let mut now = start;
            let mut sent: BTreeMap<u32, Vec<(Instant, Instant)>> = BTreeMap::new();
            for (pause, lane, takes) in steps {
                now += ms(pause);
                if let Err(at) = pacing.ask(&chat(lane), ApiRoute::Create, Priority::Owed, now) {
                    prop_assert!(at > now && at <= now + SECOND);
                    now = at;
                    prop_assert_eq!(pacing.ask(&chat(lane), ApiRoute::Create, Priority::Owed, now), Ok(()));
                }
                let asked = now;
                now += ms(takes);
                pacing.answered(&chat(lane), ApiRoute::Create, now);
                sent.entry(lane).or_default().push((asked, now));
            }
            // Feishu may count a message at any moment between the call and its answer.
            for times in sent.values() {
                for six in times.windows(6) {
                    prop_assert!(six[5].0 - six[0].1 >= SECOND);
                }
            }
        }
    }
}
