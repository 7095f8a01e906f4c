//! One round: the plan is followed, then calm comes, and what is left to be seen is collected.

mod calm;
mod trouble;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phonework::emulator::{ApiCall, Chat, EmulatorOptions, PhoneUtterance, ShownMessage, User};
use phonework::ids::{ChatId, MessageId, OpenId};
use serde_json::{Value, json};

use self::calm::acknowledged;
pub(super) use self::calm::chat;
use super::phone;
use super::plan::{NAMES, Plan, Step, What};
use super::pressed::Pressed;
use super::side::Agents;
use crate::support::audit::audit_below;
use crate::support::disk::Disk;
use crate::support::phonework::Phonework;

/// How long it may take until all is quiet once nothing goes wrong any more.
const CALM: Duration = Duration::from_secs(60);

/// A message of a person.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) id: MessageId,
    pub(super) user: usize,
    pub(super) what: What,
    pub(super) text: String,
    pub(super) at: Timestamp,
    /// Whether it was said to have been sent long ago.
    pub(super) late: bool,
    /// When it was taken back.
    pub(super) recalled: Option<Timestamp>,
    /// Whether the bot showed beside it that it was heard.
    pub(super) heard: bool,
}

/// What a round leaves to be judged.
pub(super) struct Evidence {
    pub(super) sent: Vec<Sent>,
    pub(super) pressed: Vec<Pressed>,
    /// Each one's chat, and the group.
    pub(super) chats: Vec<Vec<ShownMessage>>,
    /// Whether the daemon was ever killed.
    pub(super) daemon_killed: bool,
    /// How often it died at a crash point.
    pub(super) deaths: usize,
    /// From when to when a daemon followed another. What the last one had sent may arrive while the next one starts.
    pub(super) restarts: Vec<RangeInclusive<Timestamp>>,
    /// What Feishu was asked.
    pub(super) calls: Vec<ApiCall>,
    /// Message, and when its event was first acknowledged with 200.
    pub(super) acked: Vec<(MessageId, Timestamp)>,
    /// The same of the events that a message was taken back.
    pub(super) recalls: Vec<(MessageId, Timestamp)>,
    /// What agents were given, in order.
    pub(super) journal: Vec<String>,
    /// The audit logs' lines, and what does not verify of them.
    pub(super) audit: Vec<Value>,
    pub(super) broken_chains: Vec<String>,
    /// What did not happen in time, and who outlived the daemon.
    pub(super) stuck: Vec<String>,
    pub(super) log: String,
}

pub(super) struct Round {
    /// Goes first, so that nothing stays mounted.
    disk: Option<Disk>,
    pub(super) phonework: Phonework,
    agents: Agents,
    pub(super) sent: Vec<Sent>,
    pub(super) pressed: Vec<Pressed>,
    frozen: bool,
    /// Whether the daemon is to die at a crash point and has not yet.
    armed: bool,
    /// Whether a process of Claude's side was killed or held up.
    killed: bool,
    daemon_killed: bool,
    deaths: usize,
    restarts: Vec<RangeInclusive<Timestamp>>,
    stuck: Vec<String>,
}

/// A round that panics leaves its log.
impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("-- the log of the round that panics\n{}", self.phonework.log());
        }
    }
}

impl Round {
    pub(super) async fn run(plan: &Plan) -> Evidence {
        let mut round = Self::begin(plan).await;
        for step in &plan.steps {
            round.step(step).await;
        }
        round.calm().await;
        round.end().await
    }

    /// Everyone has a session in their own chat and one in the group.
    async fn begin(plan: &Plan) -> Self {
        let mut feishu =
            EmulatorOptions { ack_deadline: Duration::from_millis(300), ..EmulatorOptions::default() };
        let cara = OpenId::from("ou_ca7a0000000000000000000000000ca7");
        feishu.chats[2].members.push(cara.clone());
        let with_cara = Chat {
            chat_id: ChatId::from("oc_ca7a0000000000000000000000000ca7"),
            members: vec![cara.clone()],
            ..feishu.chats[0].clone()
        };
        feishu.chats.push(with_cara);
        feishu.users.push(User { open_id: cara, name: "Cara".to_owned() });
        let everybody: Vec<_> = feishu.users.iter().map(|user| user.open_id.clone()).collect();
        feishu.redelivery = vec![Duration::from_millis(100); 200];
        let keyring = json!({
            "ALLOWED_OPEN_IDS": everybody,
            "MAX_LIVE_SESSIONS": plan.seats,
            "APPROVAL_TIMEOUT": 2,
        });
        let mut phonework = Phonework::installed_at(feishu, &plan.side.command(), keyring).await;
        let disk = plan.small_disk.then(|| Disk::mount(&phonework.state(), 16));
        let agents = Agents::install(plan.side, &mut phonework).await;
        phonework.start().await;
        let round = Self {
            disk,
            phonework,
            agents,
            sent: Vec::new(),
            pressed: Vec::new(),
            frozen: false,
            armed: false,
            killed: false,
            daemon_killed: false,
            deaths: 0,
            restarts: Vec::new(),
            stuck: Vec::new(),
        };
        for (user, name) in NAMES.iter().enumerate() {
            for group in [false, true] {
                round.utter(user, group, false, &format!("/new --create {name}-{}", u8::from(group)));
            }
        }
        let opened = round.phonework.emulator.wait_for(
            |_| {
                let opened = |chat: &ChatId| round.phonework.heard(chat).len();
                let alone = (0..NAMES.len()).all(|user| opened(&chat(&round.phonework, user, false)) == 1);
                (alone && opened(&chat(&round.phonework, 0, true)) == NAMES.len()).then_some(())
            },
            CALM,
        );
        opened.await.expect("the first sessions are open");
        round
    }

    fn utter(&self, user: usize, group: bool, late: bool, text: &str) -> (MessageId, Timestamp) {
        // Feishu's times are in milliseconds; two messages of one are not to have been sent at the same.
        let now = || Timestamp::now().as_millisecond();
        let before = now();
        while now() == before {
            std::hint::spin_loop();
        }
        let emulator = &self.phonework.emulator;
        let text = if group { format!("@phonework {text}") } else { text.to_owned() };
        let at = Timestamp::now();
        let said = PhoneUtterance::text(&emulator.user(user), &chat(&self.phonework, user, group), &text);
        let sent_at = late.then(|| at - jiff::SignedDuration::from_mins(10));
        (emulator.utter(PhoneUtterance { sent_at, ..said }).unwrap(), at)
    }

    fn say(&mut self, user: usize, group: bool, what: What, late: bool, text: &str) {
        let (id, at) = self.utter(user, group, late, text);
        let text = text.to_owned();
        self.sent.push(Sent { id, user, what, text, at, late, recalled: None, heard: false });
    }

    fn recall(&mut self, user: usize) {
        let his = self.sent.iter_mut().rev().find(|sent| sent.user == user && sent.what == What::Echo);
        if let Some(sent) = his.filter(|sent| sent.recalled.is_none()) {
            sent.recalled = Some(Timestamp::now());
            self.phonework.emulator.recall(&sent.id).unwrap();
        }
    }

    async fn asked(&self, user: usize, group: bool, within: Duration) {
        let chat = chat(&self.phonework, user, group);
        let asked = || {
            let heard = self.phonework.heard(&chat);
            heard.iter().filter(|text| phone::kind(text) == phone::Kind::Asks).count()
        };
        let before = asked();
        self.phonework.emulator.wait_for(|_| (asked() > before).then_some(()), within).await;
    }

    async fn step(&mut self, step: &Step) {
        if let Some(status) = self.phonework.ended() {
            self.died(status).await;
        }
        match step {
            Step::Say { user, group, what, text, late } => self.say(*user, *group, *what, *late, text),
            Step::Recall(user) => self.recall(*user),
            Step::Asked { user, group, within_ms } => {
                self.asked(*user, *group, Duration::from_millis(*within_ms)).await;
            }
            Step::Press { owner, group, by, button } => self.press(*owner, *group, *by, *button).await,
            Step::Pause(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::Trouble(trouble) => self.trouble(trouble).await,
        }
    }

    /// Ends the daemon in good order and collects.
    async fn end(mut self) -> Evidence {
        let chats = (0..NAMES.len()).map(|user| chat(&self.phonework, user, false)).chain([chat(
            &self.phonework,
            0,
            true,
        )]);
        let chats: Vec<_> = chats.collect();
        assert!(self.phonework.stop().await.success(), "SIGTERM ends it in good order");
        self.nobody_is_left().await;
        let (audit, broken_chains) = audit_below(&self.phonework.projects());
        for sent in &mut self.sent {
            let shown = self.phonework.emulator.shown_message(&sent.id).unwrap();
            sent.heard = shown.reactions.iter().any(|reaction| reaction.emoji == "OK");
        }
        Evidence {
            chats: chats.iter().map(|chat| self.phonework.emulator.shown(chat)).collect(),
            daemon_killed: self.daemon_killed,
            deaths: self.deaths,
            acked: acknowledged(&self.phonework, "im.message.receive_v1"),
            recalls: acknowledged(&self.phonework, "im.message.recalled_v1"),
            restarts: std::mem::take(&mut self.restarts),
            calls: self.phonework.emulator.api_calls(),
            journal: self.agents.given(),
            audit,
            broken_chains,
            stuck: std::mem::take(&mut self.stuck),
            log: self.phonework.log(),
            sent: std::mem::take(&mut self.sent),
            pressed: std::mem::take(&mut self.pressed),
        }
    }
}
