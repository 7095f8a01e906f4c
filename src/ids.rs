//! The ids of the two worlds, each a type of its own so that none can be taken for another.
//!
//! They are what Feishu or phonework gave out; none is a secret. Feishu's prefixes (`ou_`, `oc_`, `om_`) are not
//! checked here: an id that Feishu sends is an id.

use serde::{Deserialize, Serialize};

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as it was given out.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text_ids! {
    /// A person, as one Feishu app knows them (`ou_…`); another app sees another id.
    OpenId,
    /// A Feishu chat (`oc_…`), of two or of a group.
    ChatId,
    /// A Feishu message (`om_…`).
    MessageId,
    /// One delivery of a Feishu event; a redelivery may carry another.
    EventId,
    /// A phonework session: a conversation with Claude Code in one project, owned by one person.
    ConvId,
    /// A conversation as Claude Code names it on disk: a UUID.
    ClaudeSessionId,
}

/// A card that phonework changes while it lives: a running turn's, a request's. phonework gives it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotId(uuid::Uuid);

impl SlotId {
    /// A new random id.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }

    /// That of a turn's card, which has the turn's id: whoever tells the turn's end finds it again.
    #[must_use]
    pub(crate) fn of_turn(turn: uuid::Uuid) -> Self {
        Self(turn)
    }

    /// That of the card of a request that came in a turn: the same whenever it is asked for.
    #[must_use]
    pub(crate) fn of_request(turn: uuid::Uuid, request: &str) -> Self {
        use sha2::Digest as _;
        let hash = sha2::Sha256::new_with_prefix(turn.as_bytes()).chain_update(request).finalize();
        let mut id = [0; 16];
        id.iter_mut().zip(hash.iter()).for_each(|(to, from)| *to = *from);
        Self(uuid::Builder::from_random_bytes(id).into_uuid())
    }
}

impl std::fmt::Display for SlotId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for SlotId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl ConvId {
    /// A new id, short enough to be typed: `c-` and eight letters or digits.
    #[must_use]
    pub fn random() -> Self {
        const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
        let mut id = String::from("c-");
        for _ in 0..8 {
            id.push(char::from(ALPHABET[fastrand::usize(..ALPHABET.len())]));
        }
        Self(id)
    }

    /// Whether the id can stand in a file name: letters, digits and dashes, at most 64.
    #[must_use]
    pub(crate) fn is_well_formed(&self) -> bool {
        (1..=64).contains(&self.0.len())
            && self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }
}

impl ClaudeSessionId {
    /// A new id for `claude --session-id`.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_conversation_id_can_stand_in_a_file_name() {
        assert!(ConvId::random().is_well_formed());
        assert!(!ConvId::from("../etc").is_well_formed());
        assert!(!ConvId::from("").is_well_formed());
    }
}
