//! Puts together the events that Feishu cuts into several frames.
//!
//! The slices of one event share the header `message_id`. The header `sum` is their number, and `seq` is the slice's
//! index, from 0. They may come in any order. Everything that is held is bounded: slices of an event, bytes, incomplete
//! events, and the time that an event may stay incomplete. An event that is dropped is only late, because Feishu pushes
//! it again when it is not acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::frame::Frame;

/// Maximum number of slices of one event.
const MAX_PARTS: u32 = 1024;
/// Maximum number of bytes held, over all incomplete events.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Maximum number of incomplete events.
pub const MAX_OPEN: usize = 64;
/// How long after its last slice an incomplete event is dropped. Feishu's own clients take 5 to 10 s.
const INCOMPLETE_TIMEOUT: Duration = Duration::from_secs(10);

/// The slices of the events that are not complete yet. Every connection has its own.
#[derive(Debug, Default)]
pub struct Reassembly {
    open: BTreeMap<String, Slices>,
}

/// What a frame led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// The event is complete; here is its payload.
    Whole(Vec<u8>),
    /// More slices are missing.
    Waiting,
    /// The frame contradicts itself or earlier slices, or exceeds a limit. Its event is dropped.
    Refused,
}

#[derive(Debug)]
struct Slices {
    sum: u32,
    parts: BTreeMap<u32, Vec<u8>>,
    bytes: usize,
    last: Instant,
}

impl Reassembly {
    /// Adds one data frame. A frame without a usable `sum` is a whole event.
    pub fn add(&mut self, frame: &Frame, now: Instant) -> Assembled {
        self.open.retain(|_, set| now.saturating_duration_since(set.last) < INCOMPLETE_TIMEOUT);
        let sum = number(frame, "sum").unwrap_or(1);
        if sum <= 1 {
            return Assembled::Whole(frame.body().to_vec());
        }
        let Some(id) = frame.header("message_id").filter(|id| !id.is_empty()) else {
            return Assembled::Refused;
        };
        let seq = number(frame, "seq").unwrap_or(0);
        let (Ok(sum), Ok(seq)) = (u32::try_from(sum), u32::try_from(seq)) else {
            return self.refuse(id);
        };
        let known = self.open.get(id).is_none_or(|set| set.sum == sum);
        if sum > MAX_PARTS || seq >= sum || !known {
            return self.refuse(id);
        }
        if self.held_bytes() + id.len() + frame.body().len() > MAX_BYTES {
            return self.refuse(id);
        }
        if !self.open.contains_key(id) && self.open.len() >= MAX_OPEN {
            self.drop_oldest();
        }
        let set = self.open.entry(id.to_owned()).or_insert_with(|| Slices {
            sum,
            parts: BTreeMap::new(),
            bytes: id.len(),
            last: now,
        });
        set.last = now;
        set.parts.entry(seq).or_insert_with(|| {
            set.bytes += frame.body().len();
            frame.body().to_vec()
        });
        if set.parts.len() < set.sum as usize {
            return Assembled::Waiting;
        }
        self.open
            .remove(id)
            .map_or(Assembled::Refused, |set| Assembled::Whole(set.parts.into_values().flatten().collect()))
    }

    /// Number of incomplete events.
    #[must_use]
    pub fn open_sets(&self) -> usize {
        self.open.len()
    }

    /// Number of bytes held, over all incomplete events.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.open.values().map(|set| set.bytes).sum()
    }

    fn refuse(&mut self, id: &str) -> Assembled {
        self.open.remove(id);
        Assembled::Refused
    }

    fn drop_oldest(&mut self) {
        let oldest = self.open.iter().min_by_key(|(_, set)| set.last).map(|(id, _)| id.clone());
        if let Some(id) = oldest {
            self.open.remove(&id);
        }
    }
}

fn number(frame: &Frame, key: &str) -> Option<i64> {
    frame.header(key)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feishu::frame::{Header, METHOD_DATA};

    fn slice(id: &str, sum: &str, seq: &str, payload: &[u8]) -> Frame {
        Frame {
            method: METHOD_DATA,
            headers: vec![
                Header::new("type", "event"),
                Header::new("message_id", id),
                Header::new("sum", sum),
                Header::new("seq", seq),
            ],
            payload: Some(payload.to_vec()),
            ..Frame::default()
        }
    }

    fn whole(bytes: &[u8]) -> Assembled {
        Assembled::Whole(bytes.to_vec())
    }

    #[test]
    fn a_frame_without_usable_numbers_is_a_whole_event() {
        let mut reassembly = Reassembly::default();
        let now = Instant::now();
        for sum in ["1", "0", "-3", "many", ""] {
            assert_eq!(reassembly.add(&slice("m", sum, "x", b"{}"), now), whole(b"{}"));
        }
        let bare = Frame { payload: Some(b"{}".to_vec()), ..Frame::default() };
        assert_eq!(reassembly.add(&bare, now), whole(b"{}"));
        assert_eq!(reassembly.add(&Frame::default(), now), whole(b""));
    }

    #[test]
    fn slices_may_come_in_any_order_or_twice_and_may_cut_a_character() {
        let mut reassembly = Reassembly::default();
        let now = Instant::now();
        let text = "你好".as_bytes();
        assert_eq!(reassembly.add(&slice("m", "3", "2", &text[4..]), now), Assembled::Waiting);
        assert_eq!(reassembly.add(&slice("m", "3", "2", &text[4..]), now), Assembled::Waiting);
        assert_eq!(reassembly.add(&slice("m", "3", "0", &text[..1]), now), Assembled::Waiting);
        assert_eq!(reassembly.add(&slice("other", "2", "0", b"x"), now), Assembled::Waiting);
        assert_eq!(reassembly.add(&slice("m", "3", "1", &text[1..4]), now), whole(text));
        assert_eq!(reassembly.open_sets(), 1);
    }

    #[test]
    fn slices_that_contradict_each_other_are_refused_and_their_event_dropped() {
        let mut reassembly = Reassembly::default();
        let now = Instant::now();
        for (sum, seq) in [("2", "2"), ("2", "-1"), ("1025", "0"), ("9999999999999", "0"), ("3", "1")] {
            assert_eq!(reassembly.add(&slice("m", "2", "0", b"x"), now), Assembled::Waiting);
            assert_eq!(reassembly.add(&slice("m", sum, seq, b"x"), now), Assembled::Refused);
            assert_eq!((reassembly.open_sets(), reassembly.held_bytes()), (0, 0));
        }
        assert_eq!(reassembly.add(&slice("", "2", "0", b"x"), now), Assembled::Refused);
    }

    #[test]
    fn an_incomplete_event_expires_after_its_last_slice() {
        let mut reassembly = Reassembly::default();
        let start = Instant::now();
        let almost = INCOMPLETE_TIMEOUT - Duration::from_millis(1);
        assert_eq!(reassembly.add(&slice("m", "3", "0", b"a"), start), Assembled::Waiting);
        assert_eq!(reassembly.add(&slice("m", "3", "1", b"b"), start + almost), Assembled::Waiting);
        assert_eq!(reassembly.add(&slice("m", "3", "2", b"c"), start + almost * 2), whole(b"abc"));
        assert_eq!(reassembly.add(&slice("m", "2", "0", b"a"), start), Assembled::Waiting);
        assert_eq!(
            reassembly.add(&slice("m", "2", "1", b"b"), start + INCOMPLETE_TIMEOUT),
            Assembled::Waiting
        );
    }

    #[test]
    fn too_many_bytes_are_refused_and_too_many_events_push_out_the_oldest() {
        let mut reassembly = Reassembly::default();
        let start = Instant::now();
        let half = vec![0; MAX_BYTES / 2];
        assert_eq!(reassembly.add(&slice("a", "3", "0", &half), start), Assembled::Waiting);
        assert_eq!(reassembly.add(&slice("b", "3", "0", &half), start), Assembled::Refused);
        for n in 0..MAX_OPEN as u64 {
            let at = start + Duration::from_millis(n + 1);
            assert_eq!(reassembly.add(&slice(&n.to_string(), "2", "0", b"x"), at), Assembled::Waiting);
        }
        assert_eq!(reassembly.open_sets(), MAX_OPEN);
        assert!(reassembly.held_bytes() < half.len(), "the oldest event was dropped");
    }

    proptest! {
        #[test]
        fn an_event_cut_anywhere_and_shuffled_comes_back(
            payload in prop::collection::vec(any::<u8>(), 2..300),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
            seed in any::<u64>(),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len())).collect();
            at.extend([0, payload.len()]);
            at.sort_unstable();
            let sum = (at.len() - 1).to_string();
            let mut frames: Vec<Frame> = at.windows(2).enumerate()
                .map(|(seq, ends)| slice("m", &sum, &seq.to_string(), &payload[ends[0]..ends[1]])).collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut frames);
            let (last, first) = frames.split_last().unwrap();
            let (mut reassembly, now) = (Reassembly::default(), Instant::now());
            for frame in first {
                prop_assert_eq!(reassembly.add(frame, now), Assembled::Waiting);
            }
            prop_assert_eq!(reassembly.add(last, now), Assembled::Whole(payload));
            prop_assert_eq!(reassembly.held_bytes(), 0);
        }
    }
}
