//! A day of two people, with a daemon that may die in it and is started again then.

use std::fmt;
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use phonework::emulator::{EmulatorOptions, PhoneUtterance, ShownMessage};
use phonework::ids::{ChatId, MessageId};
use serde_json::{Value, json};

use crate::support::audit::audit_below;
use crate::support::journal::prompts;
use crate::support::phonework::Phonework;

/// What goes wrong in this day, and for how many starts.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// `PHONEWORK_CRASH`, for the first starts.
    pub(super) order: String,
    /// The number of starts for which it goes wrong.
    pub(super) starts: u32,
    /// So often the daemon dies.
    pub(super) deaths: RangeInclusive<u32>,
}

impl Plan {
    pub(super) fn of(order: String) -> Self {
        Self { order, starts: 1, deaths: 0..=0 }
    }
}

/// What a day leaves to be judged.
pub(super) struct Evidence {
    pub(super) plan: Plan,
    pub(super) deaths: u32,
    /// Anna's chat and Ming's.
    pub(super) chats: [Vec<ShownMessage>; 2],
    /// What agents were given, in order.
    pub(super) journal: Vec<String>,
    pub(super) audit: Vec<Value>,
    pub(super) broken_chains: Vec<String>,
    /// Whether the daemon lived when it acknowledged that a message was taken back.
    pub(super) taken_back_in_time: bool,
    /// Whether the long answer had to be asked for again.
    pub(super) retried: bool,
    pub(super) log: String,
}

pub(super) const GATE: &str = "run echo anna-gate";
pub(super) const RECALLED: &str = "echo anna-recalled";
pub(super) const LATE: &str = "echo anna-late";
pub(super) const IN_TWO: &str = "echo anna-two";
/// What runs besides, each once.
pub(super) const PLAIN: [&str; 4] = ["echo anna-queued", IN_TWO, LATE, "echo ming-last"];

/// A prompt whose answer is three cards.
pub(super) fn long() -> String {
    let lines: Vec<_> = (0..1_500).map(|line| format!("ming-long line {line:04} of many")).collect();
    format!("echo {}", lines.join("\n"))
}

pub(super) struct Day {
    plan: Plan,
    phonework: Phonework,
    journal: PathBuf,
    ming: ChatId,
    started: u32,
    /// The connections before the daemon that runs now.
    made: u64,
    deaths: u32,
    said: Vec<MessageId>,
    taken_back_in_time: bool,
}

impl Day {
    pub(super) async fn live(plan: Plan) -> Evidence {
        let mut feishu =
            EmulatorOptions { ack_deadline: Duration::from_millis(500), ..EmulatorOptions::default() };
        feishu.redelivery = vec![Duration::from_millis(100); 600];
        let mut phonework = Phonework::installed_at(feishu, &Phonework::practice_agent(), json!({})).await;
        let journal = phonework.claude_folder().with_file_name("journal");
        phonework.add_claude_env(json!({ "PRACTICE_JOURNAL": &journal }));
        let ming = phonework.emulator.p2p(&phonework.ming);
        let (started, made, deaths, said) = (0, 0, 0, Vec::new());
        let mut day =
            Self { plan, phonework, journal, ming, started, made, deaths, said, taken_back_in_time: false };
        day.start();
        day.until("the first connection", |phonework| !phonework.emulator.connections().is_empty()).await;
        let retried = day.pass().await;
        day.end(retried).await
    }

    /// Whether the long answer was asked for again.
    async fn pass(&mut self) -> bool {
        self.phonework.emulator.enter_chat(&self.phonework.anna).unwrap();
        self.anna("/new --create one");
        self.until("one is open", |p| p.count(&p.chat, "(one) is open") == 1).await;
        let late = PhoneUtterance {
            sent_at: Some(Timestamp::now() - SignedDuration::from_mins(10)),
            ..PhoneUtterance::text(&self.phonework.anna, &self.phonework.chat, LATE)
        };
        self.said.push(self.phonework.emulator.utter(late).unwrap());
        self.anna("/new --create two");
        self.ming("/new --create three");
        let ming = self.ming.clone();
        self.until("two and three are open", |p| {
            p.count(&p.chat, "(two) is open") == 1 && p.count(&ming, "(three) is open") == 1
        })
        .await;

        self.anna(GATE);
        self.ming(&long());
        self.until("the gate", |p| {
            p.count(&p.chat, "```bash\necho anna-gate") > 0 || p.is_over(&p.chat, GATE)
        })
        .await;
        let queued = self.anna("echo anna-queued");
        self.until("the queue", |p| p.waits(&queued) || p.is_over(&p.chat, "echo anna-queued")).await;
        let recalled = self.anna(RECALLED);
        self.phonework.emulator.recall(&recalled).unwrap();
        self.until("the recall", Phonework::has_acknowledged_the_recall).await;
        self.taken_back_in_time |= self.deaths == 0;
        self.anna("/approve");
        self.until("the gate's end", |p| p.is_over(&p.chat, GATE)).await;
        self.until("the queued one", |p| p.is_over(&p.chat, "echo anna-queued")).await;

        // Each changes what the ones before it would do if they were followed again.
        for command in ["/switch 2", "/close 1", "/new --create four", "/close 2", "/switch 1"] {
            // Only then is the order certain.
            let sent = self.anna(command);
            self.until("the acknowledgement", |p| p.has_acknowledged(&sent)).await;
        }
        self.until("they are followed", |p| {
            let said = |words: &str| p.count(&p.chat, words);
            said("(two) is now active here") == 2
                && said("in one is closed") == 1
                && said("(four) is open") + said("in four is closed") == 2
        })
        .await;
        self.anna(IN_TWO);
        self.until("the next one", |p| p.is_over(&p.chat, IN_TWO)).await;
        self.anna("/list");
        self.until("the list", |p| p.count(&p.chat, "1. two") == 1).await;

        let asked = |p: &Phonework| super::verdict::asked_about_late(&p.heard(&p.chat));
        self.until("the question", |p| asked(p) > 0).await;
        while !self.phonework.is_over(&self.phonework.chat, LATE) {
            // A daemon that died has forgotten what it was told, and asks again.
            let before = asked(&self.phonework);
            self.anna("/run");
            self.until("the late one", |p| p.is_over(&p.chat, LATE) || asked(p) > before).await;
        }

        self.until("the long one", |p| p.is_over(&ming, &long())).await;
        let retried = self.phonework.count(&ming, "was interrupted") > 0;
        if retried {
            self.ming("/retry");
            self.until("the long one, again", |p| p.is_answered(&ming, &long())).await;
        }
        self.ming("echo ming-last");
        self.until("the last one", |p| p.is_over(&ming, "echo ming-last")).await;
        let said = self.said.clone();
        self.until("the acknowledgements", |p| said.iter().all(|id| p.has_acknowledged(id))).await;
        retried
    }

    fn anna(&mut self, text: &str) -> MessageId {
        let id = self.phonework.say_later(text);
        self.said.push(id.clone());
        id
    }

    fn ming(&mut self, text: &str) {
        self.said.push(self.phonework.emulator.say(&self.phonework.ming, &self.ming, text));
    }

    fn start(&mut self) {
        self.started += 1;
        let order = (self.started <= self.plan.starts).then(|| self.plan.order.clone());
        self.phonework.set_env("PHONEWORK_CRASH", order);
        self.made = self.phonework.emulator.connections_made();
        self.phonework.launch();
    }

    async fn until(&mut self, what: &str, is: impl Fn(&Phonework) -> bool) {
        while let Err(status) = self.phonework.until(what, &is).await {
            self.died(status);
        }
    }

    fn died(&mut self, status: std::process::ExitStatus) {
        assert_eq!(status.signal(), Some(9), "{}", self.phonework.log());
        self.taken_back_in_time |= self.phonework.has_acknowledged_the_recall();
        self.deaths += 1;
        self.start();
    }

    async fn end(mut self, retried: bool) -> Evidence {
        loop {
            // One that has only just started does not know yet how to end.
            let made = self.made;
            self.until("a connection", |p| p.emulator.connections_made() > made).await;
            let status = self.phonework.stop().await;
            if status.success() {
                break;
            }
            self.died(status);
        }
        let (audit, broken_chains) = audit_below(&self.phonework.projects());
        let emulator = &self.phonework.emulator;
        Evidence {
            plan: self.plan,
            deaths: self.deaths,
            chats: [&self.phonework.chat, &self.ming].map(|chat| emulator.shown(chat)),
            journal: prompts(&self.journal),
            audit,
            broken_chains,
            taken_back_in_time: self.taken_back_in_time,
            retried,
            log: self.phonework.log(),
        }
    }
}

impl Phonework {
    fn count(&self, chat: &ChatId, words: &str) -> usize {
        self.heard(chat).iter().filter(|text| text.contains(words)).count()
    }

    /// Whether a prompt is answered, or its writer was told that it was cut.
    fn is_over(&self, chat: &ChatId, prompt: &str) -> bool {
        let beginning: String = prompt.lines().next().unwrap_or_default().chars().take(30).collect();
        self.is_answered(chat, prompt)
            || self.count(chat, &format!("interrupted while this was running: “{beginning}")) > 0
    }

    fn is_answered(&self, chat: &ChatId, prompt: &str) -> bool {
        let last = prompt.lines().last().and_then(|line| line.split("echo ").last()).unwrap_or_default();
        // The command itself is shown when leave is asked for it.
        let said = |text: &String| text.ends_with(last) || text.contains(&format!("said:\n{last}"));
        self.heard(chat).iter().any(said)
    }

    fn waits(&self, message: &MessageId) -> bool {
        let shown = self.emulator.shown_message(message);
        shown.is_some_and(|shown| shown.reactions.iter().any(|reaction| reaction.emoji == "OneSecond"))
    }

    fn has_acknowledged(&self, message: &MessageId) -> bool {
        self.emulator.acks().iter().any(|ack| {
            ack.code == 200
                && ack.event_type == "im.message.receive_v1"
                && ack.message_id.as_ref() == Some(message)
        })
    }

    fn has_acknowledged_the_recall(&self) -> bool {
        self.emulator.acks().iter().any(|ack| ack.code == 200 && ack.event_type == "im.message.recalled_v1")
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| text.chars().take(90).collect::<String>();
        for shown in self.chats.iter().flatten() {
            writeln!(f, "  {} {}: {:?}", shown.created, shown.from_name, short(&shown.text))?;
        }
        writeln!(f, "-- agents were given")?;
        for prompt in &self.journal {
            writeln!(f, "  {:?}", short(prompt))?;
        }
        writeln!(f, "-- audit")?;
        for line in &self.audit {
            writeln!(f, "  {} {} {}", line["at"], line["outcome"], short(&line["prompt"].to_string()))?;
        }
        writeln!(f, "-- log\n{}", self.log)
    }
}
