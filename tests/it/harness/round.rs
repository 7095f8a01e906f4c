//! One round: the plan is followed, then calm comes, and what is left to be seen is collected.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phonework::emulator::{Chat, Delivering, Ending, Options, Order, Shown, User, Utterance};
use phonework::ids::{ChatId, MessageId, OpenId};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::plan::{NAMES, Plan, Step, Trouble, What};
use super::processes::processes;
use crate::support::audit::audit_below;
use crate::support::disk::Disk;
use crate::support::phonework::Phonework;

/// So long things may take to become quiet once nothing goes wrong any more.
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
    /// Each one's chat, and the group.
    pub(super) chats: Vec<Vec<Shown>>,
    /// Whether the daemon was ever killed.
    pub(super) daemon_killed: bool,
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
    phonework: Phonework,
    journal: PathBuf,
    sent: Vec<Sent>,
    frozen: bool,
    /// Whether a process of Claude's side was.
    killed: bool,
    daemon_killed: bool,
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

    /// Each one has a session in his chat and one in the group.
    async fn begin(plan: &Plan) -> Self {
        let mut feishu = Options { ack_deadline: Duration::from_millis(300), ..Options::default() };
        let cara = OpenId::from("ou_ca7a0000000000000000000000000ca7");
        feishu.chats[2].members.push(cara.clone());
        let chat = Chat {
            chat_id: ChatId::from("oc_ca7a0000000000000000000000000ca7"),
            members: vec![cara.clone()],
            ..feishu.chats[0].clone()
        };
        feishu.chats.push(chat);
        feishu.users.push(User { open_id: cara, name: "Cara".to_owned() });
        let everybody: Vec<_> = feishu.users.iter().map(|user| user.open_id.clone()).collect();
        feishu.redelivery = vec![Duration::from_millis(100); 200];
        let keyring = json!({
            "ALLOWED_OPEN_IDS": everybody,
            "MAX_LIVE_SESSIONS": plan.seats,
            "APPROVAL_TIMEOUT": 2,
        });
        let agent = format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework"));
        let mut phonework = Phonework::installed_at(feishu, &agent, keyring).await;
        let disk = plan.small_disk.then(|| Disk::mount(&phonework.state(), 16));
        let journal = phonework.claude_folder().with_file_name("journal");
        phonework.add_claude_env(json!({ "PRACTICE_JOURNAL": &journal }));
        phonework.start().await;
        let round = Self {
            disk,
            phonework,
            journal,
            sent: Vec::new(),
            frozen: false,
            killed: false,
            daemon_killed: false,
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
                let alone = (0..NAMES.len()).all(|user| opened(&round.chat(user, false)) == 1);
                (alone && opened(&round.chat(0, true)) == NAMES.len()).then_some(())
            },
            CALM,
        );
        opened.await.expect("the first sessions are open");
        round
    }

    fn chat(&self, user: usize, group: bool) -> ChatId {
        let emulator = &self.phonework.emulator;
        if group { emulator.group() } else { emulator.p2p(&emulator.user(user)) }
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
        let said = Utterance::text(&emulator.user(user), &self.chat(user, group), &text);
        let sent_at = late.then(|| at - jiff::SignedDuration::from_mins(10));
        (emulator.utter(Utterance { sent_at, ..said }).unwrap(), at)
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

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Say { user, group, what, text, late } => self.say(*user, *group, *what, *late, text),
            Step::Recall(user) => self.recall(*user),
            Step::Pause(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::Trouble(trouble) => self.trouble(trouble).await,
        }
    }

    async fn trouble(&mut self, trouble: &Trouble) {
        let emulator = &self.phonework.emulator;
        match trouble {
            Trouble::Drop(ending) => emulator.drop_connections(*ending),
            Trouble::Stall(stalled) => emulator.stall(*stalled),
            Trouble::Deliver(delivering) => emulator.delivering(*delivering),
            Trouble::Hold => emulator.hold_events(),
            Trouble::Release(order) => emulator.release_events(*order),
            Trouble::Api(fault) => {
                emulator.fault(fault.clone());
            }
            Trouble::ExpireTokens => emulator.expire_tokens(),
            Trouble::Rubbish(rubbish) => emulator.send_rubbish(*rubbish),
            Trouble::FillDisk => {
                if let Some(disk) = &self.disk {
                    disk.fill();
                }
            }
            Trouble::FreeDisk => self.free_disk(),
            Trouble::Reload => self.phonework.reload("TURN_TIMEOUT", json!("4m")),
            Trouble::KillDaemon => {
                self.frozen = false;
                self.daemon_killed = true;
                // On a full disk it does not start.
                self.free_disk();
                self.phonework.kill().await;
                self.phonework.start().await;
            }
            Trouble::RestartDaemon => {
                self.thaw();
                // What is stalled would only be waited for.
                self.phonework.emulator.stall(false);
                self.free_disk();
                assert!(self.phonework.stop().await.success(), "SIGTERM ends it in good order");
                self.nobody_is_left().await;
                self.phonework.start().await;
            }
            Trouble::FreezeDaemon => {
                self.phonework.signal(Signal::STOP);
                self.frozen = true;
            }
            Trouble::ThawDaemon => self.thaw(),
            Trouble::KillAgent(nth) => {
                let mut there = processes(&self.journal);
                if !there.is_empty() {
                    self.killed = true;
                    let (pid, _) = there.swap_remove(nth % there.len());
                    // It may just have ended.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }

    fn free_disk(&self) {
        if let Some(disk) = &self.disk {
            disk.make_room();
        }
    }

    fn thaw(&mut self) {
        if std::mem::take(&mut self.frozen) {
            self.phonework.signal(Signal::CONT);
        }
    }

    /// Nothing goes wrong any more; waits until every message was taken over, then until a last prompt of each person
    /// in each chat and a last command are answered: all before it is then settled.
    async fn calm(&mut self) {
        self.thaw();
        self.free_disk();
        let emulator = &self.phonework.emulator;
        emulator.stall(false);
        emulator.delivering(Delivering::default());
        emulator.lift_all();
        emulator.release_events(Order::AsTheyCame);
        if emulator.connections().is_empty() {
            // A connection that is on its way out is none.
            emulator.drop_connections(Ending::Close);
        }
        let mut missing: BTreeSet<MessageId> = BTreeSet::new();
        let taken = emulator.wait_for(
            |_| {
                missing = self.sent.iter().map(|sent| sent.id.clone()).collect();
                for (id, _) in self.acked() {
                    missing.remove(&id);
                }
                missing.is_empty().then_some(())
            },
            CALM,
        );
        if taken.await.is_none() {
            self.stuck.push(format!("these were never acknowledged: {missing:?}"));
        }
        // What came late shall run now. Every command before the list was followed when it is there: no /stop and no
        // /close is left to end a last prompt.
        for user in 0..NAMES.len() {
            self.say(user, false, What::Run, false, "/run");
            self.say(user, false, What::List, false, "/list");
        }
        self.listed().await;
        for (user, name) in NAMES.iter().enumerate() {
            for group in [false, true] {
                let place = u8::from(group);
                self.say(user, group, What::New, false, &format!("/new --create {name}-last-{place}"));
                self.say(user, group, What::Echo, false, &format!("echo {name}-last{place}"));
            }
        }
        self.shown(false, "-last").await;
        self.shown(true, "-last").await;
        for user in 0..NAMES.len() {
            self.say(user, false, What::List, false, "/list");
        }
        self.listed().await;
    }

    /// Waits until every /list is answered.
    async fn listed(&mut self) {
        let asked = |user: usize| {
            self.sent.iter().filter(|sent| sent.user == user && sent.what == What::List).count()
        };
        let all = |_: &_| (0..NAMES.len()).all(|user| self.lists(user) >= asked(user)).then_some(());
        if self.phonework.emulator.wait_for(all, CALM).await.is_none() {
            self.stuck.push("a /list was not answered".to_owned());
        }
    }

    async fn shown(&mut self, group: bool, token: &str) {
        let done = self.phonework.emulator.wait_for(
            |_| {
                let last = |user: usize| {
                    let token = format!("{}{token}{}", NAMES[user], u8::from(group));
                    self.phonework.heard(&self.chat(user, group)).contains(&token)
                };
                (0..NAMES.len()).all(last).then_some(())
            },
            CALM,
        );
        if done.await.is_none() {
            self.stuck.push(format!("a last prompt was not answered (in the group: {group})"));
        }
    }

    fn lists(&self, user: usize) -> usize {
        let chats = [self.chat(user, false), self.chat(user, true)];
        let shown = chats.iter().flat_map(|chat| self.phonework.emulator.shown(chat));
        shown.filter(|shown| self.is_list_for(shown, user)).count()
    }

    fn is_list_for(&self, shown: &Shown, user: usize) -> bool {
        let by = |id: &MessageId| self.sent.iter().find(|sent| sent.id == *id).map(|sent| sent.user);
        shown.from_bot()
            && super::phone::is_list(&shown.text)
            && shown.reply_to.as_ref().is_none_or(|id| by(id) == Some(user))
    }

    fn acked(&self) -> Vec<(MessageId, Timestamp)> {
        self.acknowledged("im.message.receive_v1")
    }

    fn acknowledged(&self, event_type: &str) -> Vec<(MessageId, Timestamp)> {
        let acks = self.phonework.emulator.acks();
        acks.into_iter()
            .filter(|ack| ack.code == 200 && ack.event_type == event_type)
            .filter_map(|ack| ack.message_id.map(|id| (id, ack.at)))
            .collect()
    }

    /// Ends the daemon in good order and collects.
    async fn end(mut self) -> Evidence {
        let chats = (0..NAMES.len()).map(|user| self.chat(user, false)).chain([self.chat(0, true)]);
        let chats: Vec<_> = chats.collect();
        assert!(self.phonework.stop().await.success(), "SIGTERM ends it in good order");
        self.nobody_is_left().await;
        let (audit, broken_chains) = audit_below(&self.phonework.projects());
        let journal = std::fs::read_to_string(&self.journal).unwrap_or_default();
        for sent in &mut self.sent {
            let shown = self.phonework.emulator.shown_message(&sent.id).unwrap();
            sent.heard = shown.reactions.iter().any(|reaction| reaction.emoji == "OK");
        }
        Evidence {
            chats: chats.iter().map(|chat| self.phonework.emulator.shown(chat)).collect(),
            daemon_killed: self.daemon_killed,
            acked: self.acked(),
            recalls: self.acknowledged("im.message.recalled_v1"),
            journal: journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            audit,
            broken_chains,
            stuck: std::mem::take(&mut self.stuck),
            log: self.phonework.log(),
            sent: std::mem::take(&mut self.sent),
        }
    }

    /// After SIGTERM no process of Claude's side is left. An agent whose warden was killed with SIGKILL may end its
    /// turn first: nobody holds it any more, and its input is closed.
    async fn nobody_is_left(&mut self) {
        let mut left = processes(&self.journal);
        if self.killed {
            let until = Instant::now() + CALM;
            while !left.is_empty() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
                left = processes(&self.journal);
            }
        }
        self.stuck.extend(left.into_iter().map(|(pid, name)| format!("{pid:?} outlived the daemon: {name}")));
    }
}
