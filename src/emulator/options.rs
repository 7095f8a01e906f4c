//! What an emulated Feishu begins with: its app, its people, their chats, and how fast its clock runs.

use std::time::Duration;

use serde::Serialize;

use crate::ids::{ChatId, OpenId};

/// A person with a phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The person's open_id: the id by which this app knows them.
    pub open_id: OpenId,
    /// The name that others see.
    pub name: String,
}

/// Two people's chat, or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EmulatedChatKind {
    /// One user and the bot.
    P2p,
    /// Several users and the bot.
    Group,
}

/// A chat that the bot is a member of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chat {
    /// The chat's id (`oc_…`).
    pub chat_id: ChatId,
    /// Of two or of many.
    pub kind: EmulatedChatKind,
    /// What the phone writes at its head.
    pub name: String,
    /// The users in it; the bot is not listed.
    pub members: Vec<OpenId>,
}

/// The long connection's settings, as Feishu sends them; times in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServedClientConfig {
    /// How often a client should try again; negative: for ever.
    pub reconnect_count: i32,
    /// Seconds between two attempts to reconnect.
    pub reconnect_interval: u32,
    /// The most that a client waits, at random, before its first try.
    pub reconnect_nonce: u32,
    /// Seconds between two pings of the client.
    pub ping_interval: u32,
}

/// What an emulated Feishu begins with. The default has two users, a chat of the bot with each, and a group.
#[derive(Clone, Debug)]
pub struct EmulatorOptions {
    /// The loopback port; 0 takes a free one.
    pub port: u16,
    /// The app's id: `cli_` and 16 hexadecimal digits.
    pub app_id: String,
    /// The app secret that the client has to know.
    pub app_secret: String,
    /// The bot's name, which a mention carries.
    pub bot_name: String,
    /// The people who have a phone.
    pub users: Vec<User>,
    /// The chats that the bot is in. A user without a chat of two has none until the list says so.
    pub chats: Vec<Chat>,
    /// The settings that a client is given with its address and with every pong.
    pub client_config: ServedClientConfig,
    /// How long an event waits for its acknowledgement (Feishu: 3 s).
    pub ack_deadline: Duration,
    /// The waits before an event is pushed again (Feishu: 15 s, 5 min, 1 h, 6 h).
    pub redelivery: Vec<Duration>,
    /// Whether Feishu's rates are enforced: 5 requests a second for one chat, 50 a second and 1,000 a minute for one
    /// API, 10 a second for one card entity.
    pub rate_limits: bool,
    /// The life of a tenant access token (Feishu: 2 h).
    pub token_life: Duration,
    /// Long connections that one app may hold (Feishu: 50).
    pub max_connections: usize,
    /// The beginning of the long connection's address when something stands before the emulator: `wss://HOST:PORT`.
    pub seen_from_outside: Option<String>,
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        let anna = OpenId::from("ou_a11ce0000000000000000000000000a1");
        let ming = OpenId::from("ou_b0b00000000000000000000000000b02");
        let bot_name = "phonework".to_owned();
        let p2p = |chat_id: &str, member: &OpenId| Chat {
            chat_id: ChatId::from(chat_id),
            kind: EmulatedChatKind::P2p,
            name: bot_name.clone(),
            members: vec![member.clone()],
        };
        Self {
            port: 0,
            app_id: "cli_a0b1c2d3e4f50617".to_owned(),
            app_secret: "emulatedSecretOfTheEmulatedApp00".to_owned(),
            chats: vec![
                p2p("oc_a11ce0000000000000000000000000c1", &anna),
                p2p("oc_b0b00000000000000000000000000c02", &ming),
                Chat {
                    chat_id: ChatId::from("oc_60000000000000000000000000000c03"),
                    kind: EmulatedChatKind::Group,
                    name: "The workshop".to_owned(),
                    members: vec![anna.clone(), ming.clone()],
                },
            ],
            users: vec![
                User { open_id: anna, name: "Anna".to_owned() },
                User { open_id: ming, name: "Ming".to_owned() },
            ],
            bot_name,
            client_config: ServedClientConfig {
                reconnect_count: -1,
                reconnect_interval: 120,
                reconnect_nonce: 30,
                ping_interval: 120,
            },
            ack_deadline: Duration::from_secs(3),
            redelivery: [15, 5 * 60, 3600, 6 * 3600].map(Duration::from_secs).to_vec(),
            rate_limits: true,
            token_life: Duration::from_secs(2 * 3600),
            max_connections: 50,
            seen_from_outside: None,
        }
    }
}

impl EmulatorOptions {
    /// The same with Feishu's clock running faster: the waits before redeliveries are multiplied by `factor`. The
    /// acknowledgement's deadline stays, as it measures the client.
    #[must_use]
    pub fn with_redelivery_scaled(mut self, factor: f64) -> Self {
        for wait in &mut self.redelivery {
            *wait = wait.mul_f64(factor.max(0.0));
        }
        self
    }
}
