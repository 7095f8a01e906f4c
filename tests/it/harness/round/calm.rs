//! The calm after the trouble: all that was sent is to come to its end.

use std::collections::BTreeSet;

use jiff::Timestamp;
use phonework::emulator::{ConnectionEnding, DeliveryFaults, ReleaseOrder, ShownMessage};
use phonework::ids::{ChatId, MessageId};

use super::{CALM, Round, Sent};
use crate::harness::phone;
use crate::harness::plan::{NAMES, What};
use crate::support::phonework::Phonework;

impl Round {
    /// Nothing goes wrong any more; waits until every message was taken over, then until a last prompt of each person
    /// in each chat and a last command are answered: all before it is then settled.
    pub(super) async fn calm(&mut self) {
        self.thaw();
        self.thaw_agents();
        self.free_disk();
        let emulator = &self.phonework.emulator;
        emulator.stall(false);
        emulator.delivering(DeliveryFaults::default());
        emulator.lift_all();
        emulator.release_events(ReleaseOrder::AsTheyCame);
        if emulator.connections().is_empty() {
            // A connection that is on its way out is none.
            emulator.drop_connections(ConnectionEnding::Close);
        }
        if !self.wait(|phonework, sent| missing(phonework, sent).is_empty()).await {
            let missing = missing(&self.phonework, &self.sent);
            self.stuck.push(format!("these were never acknowledged: {missing:?}"));
        }
        if self.armed {
            // It may come by its crash point yet.
            self.ask_for_the_late().await;
        }
        if self.armed {
            self.kill_daemon(None).await;
        }
        // What came late shall run now; a daemon that died asks for it anew.
        self.ask_for_the_late().await;
        // Every command before that list was followed: no /stop and no /close is left to end a last prompt.
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

    async fn ask_for_the_late(&mut self) {
        // The first may run what was asked about, the second be answered by the question about what came since.
        for _ in 0..3 {
            for user in 0..NAMES.len() {
                self.say(user, false, What::Run, false, "/run");
                self.say(user, false, What::List, false, "/list");
            }
            self.listed().await;
        }
    }

    /// Whether it comes to be so; a daemon that dies meanwhile, as it was told to, is started again.
    async fn wait(&mut self, is: impl Fn(&Phonework, &[Sent]) -> bool) -> bool {
        loop {
            let Self { phonework, sent, .. } = self;
            match phonework.seen(|phonework| is(phonework, sent), CALM).await {
                Ok(seen) => return seen,
                Err(status) => self.died(status).await,
            }
        }
    }

    /// Waits until every /list is answered.
    async fn listed(&mut self) {
        let all = |phonework: &Phonework, sent: &[Sent]| {
            (0..NAMES.len()).all(|user| {
                let asked = sent.iter().filter(|sent| sent.user == user && sent.what == What::List).count();
                lists(phonework, sent, user) >= asked
            })
        };
        if !self.wait(all).await {
            self.stuck.push("a /list was not answered".to_owned());
        }
    }

    async fn shown(&mut self, group: bool, token: &str) {
        let last = |phonework: &Phonework, _: &[Sent]| {
            (0..NAMES.len()).all(|user| {
                let token = format!("{}{token}{}", NAMES[user], u8::from(group));
                phonework.heard(&chat(phonework, user, group)).contains(&token)
            })
        };
        if !self.wait(last).await {
            self.stuck.push(format!("a last prompt was not answered (in the group: {group})"));
        }
    }
}

/// A person's chat with the bot, or the group.
pub(in crate::harness) fn chat(phonework: &Phonework, user: usize, group: bool) -> ChatId {
    let emulator = &phonework.emulator;
    if group { emulator.group() } else { emulator.p2p(&emulator.user(user)) }
}

/// The messages of events of this kind that were acknowledged with 200, and when.
pub(super) fn acknowledged(phonework: &Phonework, event_type: &str) -> Vec<(MessageId, Timestamp)> {
    let acks = phonework.emulator.acks();
    acks.into_iter()
        .filter(|ack| ack.code == 200 && ack.event_type == event_type)
        .filter_map(|ack| ack.message_id.map(|id| (id, ack.at)))
        .collect()
}

fn missing(phonework: &Phonework, sent: &[Sent]) -> BTreeSet<MessageId> {
    let mut missing: BTreeSet<MessageId> = sent.iter().map(|sent| sent.id.clone()).collect();
    for (id, _) in acknowledged(phonework, "im.message.receive_v1") {
        missing.remove(&id);
    }
    missing
}

fn lists(phonework: &Phonework, sent: &[Sent], user: usize) -> usize {
    let chats = [chat(phonework, user, false), chat(phonework, user, true)];
    let shown = chats.iter().flat_map(|chat| phonework.emulator.shown(chat));
    shown.filter(|shown| is_list_for(shown, sent, user)).count()
}

fn is_list_for(shown: &ShownMessage, sent: &[Sent], user: usize) -> bool {
    let by = |id: &MessageId| sent.iter().find(|sent| sent.id == *id).map(|sent| sent.user);
    shown.from_bot() && phone::is_list(shown) && shown.reply_to.as_ref().is_none_or(|id| by(id) == Some(user))
}
