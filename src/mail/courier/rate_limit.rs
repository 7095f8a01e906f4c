//! Rate limits: how fast requests may go to Feishu. Pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::Recipient;

const SECOND: Duration = Duration::from_secs(1);

/// Feishu: 5 messages a second to one chat or person. Reactions are held to the same limit, so that a flood for one
/// person leaves room for the others within the limits of the API.
const LANE_LIMITS: &[RateLimit] = &[RateLimit { calls: 5, span: SECOND }];

/// Feishu: 50 calls a second and 1,000 calls a minute for one API.
const API_LIMITS: &[RateLimit] =
    &[RateLimit { calls: 50, span: SECOND }, RateLimit { calls: 1_000, span: Duration::from_secs(60) }];

/// Lower limits for what is optional, so that it never uses up what Feishu allows.
const OPTIONAL_LIMITS: &[RateLimit] =
    &[RateLimit { calls: 30, span: SECOND }, RateLimit { calls: 600, span: Duration::from_secs(60) }];

/// The APIs of Feishu that mail goes through. Each has its own limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ApiRoute {
    /// Sends a message that is not a reply.
    Create,
    /// Sends a reply.
    Reply,
    /// Puts an emoji on a message.
    React,
    /// Replaces the card of a message.
    Update,
    /// Uploads a file.
    Upload,
    /// Creates a card entity.
    CreateEntity,
    /// Sets the streamed text of an entity.
    StreamEntity,
    /// Changes the settings of an entity.
    ConfigureEntity,
    /// Replaces the card of an entity.
    ReplaceEntity,
}

impl ApiRoute {
    /// Whether it adds something to the chat, which counts against the limit of the lane.
    fn adds_to_chat(self) -> bool {
        match self {
            Self::Create | Self::Reply | Self::React => true,
            Self::Update
            | Self::Upload
            | Self::CreateEntity
            | Self::StreamEntity
            | Self::ConfigureEntity
            | Self::ReplaceEntity => false,
        }
    }
}

/// How much a request matters when there is not room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// It has to be sent, and waits until it may be.
    Owed,
    /// It can be left out.
    Optional,
}

/// Decides when a request may be sent, from the requests before it.
#[derive(Debug, Default)]
pub(super) struct RateLimiter {
    lanes: BTreeMap<Recipient, CallWindow>,
    routes: BTreeMap<ApiRoute, CallWindow>,
}

impl RateLimiter {
    /// Whether a request may be sent now; if so, it counts against the limits of its API.
    ///
    /// # Errors
    /// The time to ask again.
    pub(super) fn ask(
        &mut self,
        lane: &Recipient,
        route: ApiRoute,
        priority: Priority,
        now: Instant,
    ) -> Result<(), Instant> {
        let calls = self.routes.entry(route).or_default();
        let limits = match priority {
            Priority::Owed => API_LIMITS,
            Priority::Optional => OPTIONAL_LIMITS,
        };
        let mut at = calls.free_at(limits, now);
        if let Some(lane) = self.lanes.get(lane).filter(|_| route.adds_to_chat()) {
            at = at.max(lane.free_at(LANE_LIMITS, now));
        }
        if at > now {
            return Err(at);
        }
        calls.add(API_LIMITS, now);
        Ok(())
    }

    /// Notes that Feishu has answered. A lane has one request running at a time, and its message counts from the answer
    /// on: by then Feishu has counted it, however slow the network is.
    pub(super) fn answered(&mut self, lane: &Recipient, route: ApiRoute, now: Instant) {
        if !route.adds_to_chat() {
            return;
        }
        self.lanes.entry(lane.clone()).or_default().add(LANE_LIMITS, now);
        self.lanes.retain(|_, messages| messages.times.back().is_some_and(|last| *last + SECOND > now));
    }
}

/// Maximum number of calls within a span of time.
struct RateLimit {
    calls: usize,
    span: Duration,
}

/// The times of the latest calls, in order; no more of them than the limits need.
#[derive(Debug, Default)]
struct CallWindow {
    times: VecDeque<Instant>,
}

impl CallWindow {
    /// The earliest time from `now` on at which one more call breaks no limit.
    fn free_at(&self, limits: &[RateLimit], now: Instant) -> Instant {
        let free = |limit: &RateLimit| {
            let first = self.times.len().checked_sub(limit.calls)?;
            self.times.get(first).map(|time| *time + limit.span)
        };
        limits.iter().filter_map(free).fold(now, Instant::max)
    }

    fn add(&mut self, limits: &[RateLimit], now: Instant) {
        let max_calls = limits.iter().map(|limit| limit.calls).max().unwrap_or(0);
        if self.times.len() >= max_calls {
            self.times.pop_front();
        }
        self.times.push_back(now);
    }
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
        let (mut limiter, start) = (RateLimiter::default(), Instant::now());
        for n in 0..5 {
            assert_eq!(limiter.ask(&chat(1), ApiRoute::Create, Priority::Owed, start + ms(n * 20)), Ok(()));
            limiter.answered(&chat(1), ApiRoute::Create, start + ms(n * 20 + 10));
        }
        assert_eq!(
            limiter.ask(&chat(1), ApiRoute::Reply, Priority::Owed, start + ms(100)),
            Err(start + ms(1010))
        );
        assert_eq!(limiter.ask(&chat(2), ApiRoute::Create, Priority::Owed, start + ms(100)), Ok(()));
        assert_eq!(
            limiter.ask(&chat(1), ApiRoute::React, Priority::Owed, start + ms(100)),
            Err(start + ms(1010))
        );
        assert_eq!(limiter.ask(&chat(1), ApiRoute::Reply, Priority::Owed, start + ms(1010)), Ok(()));
    }

    #[test]
    fn one_api_takes_fifty_calls_a_second_and_a_thousand_a_minute() {
        let (mut limiter, start) = (RateLimiter::default(), Instant::now());
        for n in 0..50 {
            assert_eq!(limiter.ask(&chat(n), ApiRoute::Create, Priority::Owed, start), Ok(()));
        }
        assert_eq!(limiter.ask(&chat(50), ApiRoute::Create, Priority::Owed, start), Err(start + SECOND));
        assert_eq!(limiter.ask(&chat(50), ApiRoute::Reply, Priority::Owed, start), Ok(()));
        for n in 50..1000 {
            let now = start + SECOND * (n / 50);
            assert_eq!(limiter.ask(&chat(n), ApiRoute::Create, Priority::Owed, now), Ok(()));
        }
        assert_eq!(
            limiter.ask(&chat(0), ApiRoute::Create, Priority::Owed, start + SECOND * 20),
            Err(start + SECOND * 60)
        );
    }

    #[test]
    fn optional_requests_leave_room_for_owed_ones_and_card_changes_do_not_count_for_the_chat() {
        let (mut limiter, start) = (RateLimiter::default(), Instant::now());
        for _ in 0..30 {
            assert_eq!(limiter.ask(&chat(1), ApiRoute::Update, Priority::Optional, start), Ok(()));
            limiter.answered(&chat(1), ApiRoute::Update, start);
        }
        assert_eq!(limiter.ask(&chat(1), ApiRoute::Update, Priority::Optional, start), Err(start + SECOND));
        for _ in 30..50 {
            assert_eq!(limiter.ask(&chat(1), ApiRoute::Update, Priority::Owed, start), Ok(()));
        }
        assert_eq!(limiter.ask(&chat(1), ApiRoute::Update, Priority::Owed, start), Err(start + SECOND));
        assert_eq!(limiter.ask(&chat(1), ApiRoute::Create, Priority::Owed, start), Ok(()));
    }

    #[test]
    fn lanes_without_recent_messages_are_forgotten() {
        let (mut limiter, start) = (RateLimiter::default(), Instant::now());
        limiter.answered(&chat(1), ApiRoute::Create, start);
        limiter.answered(&chat(2), ApiRoute::Create, start + SECOND);
        assert_eq!(limiter.lanes.keys().collect::<Vec<_>>(), vec![&chat(2)]);
    }

    proptest! {
        #[test]
        fn a_chat_gets_at_most_five_messages_in_any_second(
            steps in proptest::collection::vec((0u64..400, 0u32..3, 0u64..300), 1..200),
        ) {
            let mut limiter = RateLimiter::default();
            let start = Instant::now();
            let mut now = start;
            let mut sent: BTreeMap<u32, Vec<(Instant, Instant)>> = BTreeMap::new();
            for (pause, lane, takes) in steps {
                now += ms(pause);
                if let Err(at) = limiter.ask(&chat(lane), ApiRoute::Create, Priority::Owed, now) {
                    prop_assert!(at > now && at <= now + SECOND);
                    now = at;
                    prop_assert_eq!(limiter.ask(&chat(lane), ApiRoute::Create, Priority::Owed, now), Ok(()));
                }
                let asked = now;
                now += ms(takes);
                limiter.answered(&chat(lane), ApiRoute::Create, now);
                sent.entry(lane).or_default().push((asked, now));
            }
            // Feishu may count a message at any time between the call and its answer.
            for times in sent.values() {
                for six in times.windows(6) {
                    prop_assert!(six[5].0 - six[0].1 >= SECOND);
                }
            }
        }
    }
}
