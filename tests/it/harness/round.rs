//! One round: the plan is followed, then calm comes, and what is left to be seen is collected.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phonework::emulator::{Delivering, Ending, Options, Order, Shown};
use phonework::ids::{ChatId, MessageId};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::plan::{NAMES, Plan, Step, Trouble, What};
use crate::support::audit::audit_below;
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
}

/// What a round leaves to be judged.
pub(super) struct Evidence {
    pub(super) sent: Vec<Sent>,
    /// Anna's chat, Ming's, and the group.
    pub(super) chats: [Vec<Shown>; 3],
    /// Message, and when its event was first acknowledged with 200.
    pub(super) acked: Vec<(MessageId, Timestamp)>,
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
    phonework: Phonework,
    journal: PathBuf,
    sent: Vec<Sent>,
    frozen: bool,
    /// Whether a process of Claude's side was.
    killed: bool,
    stuck: Vec<String>,
}

impl Round {
    pub(super) async fn run(plan: &Plan) -> Evidence {
        let mut round = Self::begin(plan.seats).await;
        for step in &plan.steps {
            round.step(step).await;
        }
        round.calm().await;
        round.end().await
    }

    /// Each of the two has a session in his chat and one in the group.
    async fn begin(seats: usize) -> Self {
        let mut feishu = Options { ack_deadline: Duration::from_millis(300), ..Options::default() };
        feishu.redelivery = vec![Duration::from_millis(100); 200];
        let agent = format!("{} practice-agent", env!("CARGO_BIN_EXE_phonework"));
        let mut phonework =
            Phonework::installed_at(feishu, &agent, json!({ "MAX_LIVE_SESSIONS": seats })).await;
        let journal = phonework.claude_folder().with_file_name("journal");
        phonework.add_claude_env(json!({ "PRACTICE_JOURNAL": &journal }));
        phonework.start().await;
        let round =
            Self { phonework, journal, sent: Vec::new(), frozen: false, killed: false, stuck: Vec::new() };
        for (user, name) in NAMES.iter().enumerate() {
            for group in [false, true] {
                round.utter(user, group, &format!("/new --create {name}-{}", u8::from(group)));
            }
        }
        let opened = round.phonework.emulator.wait_for(
            |_| {
                let opened = |chat: &ChatId| round.phonework.heard(chat).len();
                (opened(&round.chat(0, false)) == 1
                    && opened(&round.chat(1, false)) == 1
                    && opened(&round.chat(0, true)) == 2)
                    .then_some(())
            },
            CALM,
        );
        opened.await.expect("four sessions are open");
        round
    }

    fn chat(&self, user: usize, group: bool) -> ChatId {
        let emulator = &self.phonework.emulator;
        if group { emulator.group() } else { emulator.p2p(&emulator.user(user)) }
    }

    fn utter(&self, user: usize, group: bool, text: &str) -> (MessageId, Timestamp) {
        // Feishu's times are in milliseconds; two messages of one are not to have been sent at the same.
        let now = || Timestamp::now().as_millisecond();
        let before = now();
        while now() == before {
            std::hint::spin_loop();
        }
        let emulator = &self.phonework.emulator;
        let text = if group { format!("@phonework {text}") } else { text.to_owned() };
        let at = Timestamp::now();
        (emulator.say(&emulator.user(user), &self.chat(user, group), &text), at)
    }

    fn say(&mut self, user: usize, group: bool, what: What, text: &str) {
        let (id, at) = self.utter(user, group, text);
        self.sent.push(Sent { id, user, what, text: text.to_owned(), at });
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Say { user, group, what, text } => self.say(*user, *group, *what, text),
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
            Trouble::KillDaemon => {
                self.frozen = false;
                self.phonework.kill().await;
                self.phonework.start().await;
            }
            Trouble::RestartDaemon => {
                self.thaw();
                // What is stalled would only be waited for.
                self.phonework.emulator.stall(false);
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

    fn thaw(&mut self) {
        if std::mem::take(&mut self.frozen) {
            self.phonework.signal(Signal::CONT);
        }
    }

    /// Nothing goes wrong any more; waits until every message was taken over, then until a last prompt of each person
    /// in each chat and a last command are answered: all before it is then settled.
    async fn calm(&mut self) {
        self.thaw();
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
        // A /stop in flight would end the last prompts.
        let heard = self.phonework.emulator.wait_for(|_| self.stops_are_heard().then_some(()), CALM);
        if heard.await.is_none() {
            self.stuck.push("a /stop was not answered".to_owned());
        }
        for group in [false, true] {
            for (user, name) in NAMES.iter().enumerate() {
                self.say(user, group, What::Echo, &format!("echo {name}-last{}", u8::from(group)));
            }
            self.shown(group, "-last").await;
        }
        for user in 0..NAMES.len() {
            self.say(user, false, What::List, "/list");
        }
        let wanted: Vec<usize> = (0..2)
            .map(|user| self.sent.iter().filter(|sent| sent.user == user && sent.what == What::List).count())
            .collect();
        let listed = self
            .phonework
            .emulator
            .wait_for(|_| (0..2).all(|user| self.lists(user) >= wanted[user]).then_some(()), CALM);
        if listed.await.is_none() {
            self.stuck.push(format!("a /list was not answered, of {wanted:?}"));
        }
    }

    async fn shown(&mut self, group: bool, token: &str) {
        let done = self.phonework.emulator.wait_for(
            |_| {
                let last = |user: usize| {
                    let token = format!("{}{token}{}", NAMES[user], u8::from(group));
                    self.phonework.heard(&self.chat(user, group)).contains(&token)
                };
                (last(0) && last(1)).then_some(())
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

    fn stops_are_heard(&self) -> bool {
        let emulator = &self.phonework.emulator;
        let stops = self.sent.iter().filter(|sent| sent.what == What::Stop);
        let silent = stops
            .filter(|sent| {
                let shown = emulator.shown_message(&sent.id);
                shown.is_none_or(|shown| !shown.reactions.iter().any(|reaction| reaction.emoji == "OK"))
            })
            .count();
        let chats = [self.chat(0, false), self.chat(1, false), self.chat(0, true)];
        let said = chats.iter().flat_map(|chat| self.phonework.heard(chat));
        said.filter(|text| text == "Nothing is running." || text == "⏹ Stopped.").count() >= silent
    }

    fn acked(&self) -> Vec<(MessageId, Timestamp)> {
        let acks = self.phonework.emulator.acks();
        acks.into_iter()
            .filter(|ack| ack.code == 200)
            .filter_map(|ack| ack.message_id.map(|id| (id, ack.at)))
            .collect()
    }

    /// Ends the daemon in good order and collects.
    async fn end(mut self) -> Evidence {
        let chats = [self.chat(0, false), self.chat(1, false), self.chat(0, true)];
        assert!(self.phonework.stop().await.success(), "SIGTERM ends it in good order");
        self.nobody_is_left().await;
        let (audit, broken_chains) = audit_below(&self.phonework.projects());
        let journal = std::fs::read_to_string(&self.journal).unwrap_or_default();
        Evidence {
            chats: chats.map(|chat| self.phonework.emulator.shown(&chat)),
            acked: self.acked(),
            journal: journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            audit,
            broken_chains,
            stuck: self.stuck,
            log: self.phonework.log(),
            sent: self.sent,
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

/// The processes whose environment names this journal: wardens and agents.
fn processes(journal: &Path) -> Vec<(Pid, String)> {
    let mut found = Vec::new();
    let wanted = journal.to_str().unwrap();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if let Some(pid) = pid
            && String::from_utf8_lossy(&environment).contains(wanted)
        {
            let name = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&name).replace('\0', " ")));
        }
    }
    found
}
