//! The faults that can be injected (requests, connections, event delivery, outages, malformed input), and those in
//! force now. Who orders them is `handle::faults`.

use std::time::Duration;

use serde::Deserialize;

use crate::ids::ChatId;

/// How long a fault stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultDuration {
    /// For this number of requests.
    Times(u32),
    /// Until it is lifted.
    UntilLifted,
}

/// What happens to a request instead of, or beside, what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum FaultEffect {
    /// Refused with a code of Feishu's; nothing is done.
    Refuse {
        /// The HTTP status of the answer.
        http: u16,
        /// Feishu's error code in the answer.
        code: i64,
        /// Seconds for the header `x-ogw-ratelimit-reset`.
        #[serde(default)]
        reset: Option<u64>,
    },
    /// Refused as a card that cannot be built (230099), for the reason that the words name; nothing is done.
    RefuseCard {
        /// The number of the reason.
        sub_code: i64,
        /// The reason in words.
        words: String,
    },
    /// A gateway's HTML page; nothing is done.
    Page {
        /// The HTTP status of the answer.
        http: u16,
    },
    /// HTTP 200 with a body that is no JSON; nothing is done.
    Garbage,
    /// The WebSocket handshake is refused with Feishu's headers.
    RefuseHandshake {
        /// `Handshake-Status`: 514 authentication, 403 forbidden, anything else trouble.
        status: i64,
        /// `Handshake-Autherrcode`, e.g. 1000040350 for too many connections.
        #[serde(default)]
        auth_code: Option<i64>,
    },
    /// Done and answered, but later.
    Delay {
        /// The delay in milliseconds.
        ms: u64,
    },
    /// Done and answered when the fault is lifted.
    Hold,
    /// Neither done nor answered; the connection stays open until the fault is lifted.
    Silence,
    /// Done, but the connection is closed in place of an answer.
    Lose,
    /// Not done; the connection is closed in place of an answer.
    Cut,
}

/// A fault of requests that match.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InjectedFault {
    /// `GET`, `POST`, …; `None` for any.
    #[serde(default)]
    pub method: Option<String>,
    /// The path, in which `*` stands for any characters, also none.
    pub path: String,
    /// Only of what is sent to this chat, or put under a message in it.
    #[serde(default)]
    pub chat: Option<ChatId>,
    /// What happens to the requests that match.
    #[serde(flatten)]
    pub effect: FaultEffect,
    /// How long the fault stays in force.
    pub lasting: FaultDuration,
}

impl InjectedFault {
    /// A fault of one API, e.g. `("POST", "/open-apis/im/v1/messages")`.
    #[must_use]
    pub fn api(method: &str, path: &str, effect: FaultEffect, lasting: FaultDuration) -> Self {
        Self { method: Some(method.to_owned()), path: path.to_owned(), chat: None, effect, lasting }
    }

    /// The same in one chat only.
    #[must_use]
    pub fn in_chat(self, chat: &ChatId) -> Self {
        Self { chat: Some(chat.clone()), ..self }
    }

    /// A fault of everything that Feishu is asked for.
    #[must_use]
    pub fn anything(effect: FaultEffect, lasting: FaultDuration) -> Self {
        Self { method: None, path: "*".to_owned(), chat: None, effect, lasting }
    }

    /// A fault of whatever sends a message: create and reply.
    #[must_use]
    pub fn sending(effect: FaultEffect, lasting: FaultDuration) -> Self {
        Self::api("POST", "/open-apis/im/v1/messages*", effect, lasting)
    }

    /// A fault of the request for the long connection's address.
    #[must_use]
    pub fn endpoint(effect: FaultEffect, lasting: FaultDuration) -> Self {
        Self::api("POST", "/callback/ws/endpoint", effect, lasting)
    }

    /// A fault of the long connection's handshake.
    #[must_use]
    pub fn handshake(effect: FaultEffect, lasting: FaultDuration) -> Self {
        Self::api("GET", "/ws/v2", effect, lasting)
    }
}

/// Names a fault that was set, so that it can be lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub(crate) u64);

/// How a living connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionEnding {
    /// With a WebSocket close frame.
    Close,
    /// With a TCP reset.
    Reset,
    /// With the end of the TCP stream and no close frame.
    End,
}

/// Whether an event is pushed twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicate {
    /// Once, as it should be.
    #[default]
    No,
    /// Twice, word for word.
    Same,
    /// Twice, the second under another `event_id`: Feishu does that to messages.
    NewEventId,
}

/// How events are pushed. The default is how it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DeliveryFaults {
    /// Frames that one event is cut into.
    pub slices: usize,
    /// Whether the frames of one event come in reverse order.
    pub reversed: bool,
    /// Whether it comes twice.
    pub duplicate: Duplicate,
    /// Milliseconds between what happened and its event.
    pub delay_ms: u64,
}

impl Default for DeliveryFaults {
    fn default() -> Self {
        Self { slices: 1, reversed: false, duplicate: Duplicate::No, delay_ms: 0 }
    }
}

/// The order in which held events are let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseOrder {
    /// In the order in which they happened.
    AsTheyCame,
    /// In reverse order, the newest event first.
    Reversed,
}

/// How all of Feishu is away at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// Every connection is reset and new ones are refused.
    Refusing,
    /// Every connection stays open, new ones are taken, and nothing is said on any of them.
    Silent,
}

/// What a client never should have to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MalformedInput {
    /// A binary message that is no frame.
    Bytes,
    /// A WebSocket text message, which Feishu never sends.
    Text,
    /// An event frame whose payload is not JSON.
    Json,
    /// A pong whose payload is not JSON.
    Pong,
    /// An event of a type that nobody knows.
    UnknownEvent,
}

struct Active {
    id: FaultId,
    fault: InjectedFault,
    hits: u32,
}

/// The faults in force.
#[derive(Default)]
pub(crate) struct Faults {
    active: Vec<Active>,
    made: u64,
    pub(crate) delivering: DeliveryFaults,
    pub(crate) hold_deliveries: bool,
    pub(crate) outage: Option<Outage>,
    /// What pongs carry in place of the client's settings.
    pub(crate) pong: Option<Vec<u8>>,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: InjectedFault) -> FaultId {
        self.made += 1;
        let id = FaultId(self.made);
        self.active.push(Active { id, fault, hits: 0 });
        id
    }

    pub(crate) fn lift(&mut self, id: FaultId) {
        self.active.retain(|active| active.id != id);
    }

    pub(crate) fn lift_all(&mut self) {
        self.active.clear();
        self.pong = None;
        self.delivering = DeliveryFaults::default();
    }

    /// The effect on a request, of the oldest fault that matches; it counts as one time.
    pub(crate) fn strike(
        &mut self,
        method: &str,
        path: &str,
        chat: Option<&ChatId>,
    ) -> Option<(FaultId, FaultEffect)> {
        let struck = self.active.iter_mut().find(|active| {
            let fault = &active.fault;
            let due = match fault.lasting {
                FaultDuration::Times(times) => active.hits < times,
                FaultDuration::UntilLifted => true,
            };
            due && fault.method.as_deref().is_none_or(|one| one == method)
                && fault.chat.as_ref().is_none_or(|one| Some(one) == chat)
                && matches(&fault.path, path)
        })?;
        struck.hits += 1;
        Some((struck.id, struck.fault.effect.clone()))
    }

    /// How many requests a fault has struck; `None` when it was lifted.
    pub(crate) fn hits(&self, id: FaultId) -> Option<u32> {
        self.active.iter().find(|active| active.id == id).map(|active| active.hits)
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delivering.delay_ms)
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(after) = path.strip_prefix(start) else { return false };
    (0..=after.len()).filter(|at| after.is_char_boundary(*at)).any(|at| matches(rest, &after[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(matches("/a/*/c", "/a/b/c"));
        assert!(matches("/a*", "/a"));
        assert!(!matches("/a/*/c", "/a/b/d"));
        assert!(!matches("/a", "/a/b"));
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let mut faults = Faults::default();
        let id = faults.set(InjectedFault::sending(FaultEffect::Cut, FaultDuration::Times(1)));
        let reply = "/open-apis/im/v1/messages/om_1/reply";
        assert_eq!(faults.strike("GET", "/open-apis/im/v1/messages", None), None);
        assert_eq!(faults.strike("POST", reply, None), Some((id, FaultEffect::Cut)));
        assert_eq!(faults.strike("POST", "/open-apis/im/v1/messages", None), None);
        assert_eq!(faults.hits(id), Some(1));
        faults.lift(id);
        assert_eq!(faults.hits(id), None);
    }

    #[test]
    fn a_fault_of_one_chat_leaves_the_others_alone() {
        let mut faults = Faults::default();
        let (bad, good) = (ChatId::from("oc_bad"), ChatId::from("oc_good"));
        let fault = InjectedFault::sending(FaultEffect::Cut, FaultDuration::UntilLifted).in_chat(&bad);
        let id = faults.set(fault);
        let path = "/open-apis/im/v1/messages";
        let struck = [None, Some(&good), Some(&bad)].map(|chat| faults.strike("POST", path, chat));
        assert_eq!(struck, [None, None, Some((id, FaultEffect::Cut))]);
    }

    #[test]
    fn a_fault_can_be_written_as_json() {
        let fault: InjectedFault = serde_json::from_str(
            r#"{"path":"/ws/v2","effect":"refuse_handshake","status":514,"lasting":{"times":2}}"#,
        )
        .unwrap();
        let effect = FaultEffect::RefuseHandshake { status: 514, auth_code: None };
        let expected = InjectedFault {
            method: None,
            path: "/ws/v2".into(),
            chat: None,
            effect,
            lasting: FaultDuration::Times(2),
        };
        assert_eq!(fault, expected);
    }
}
