//! The invariants. What the phones showed and what the agents were given is held against what was sent and against
//! the audit log; nothing else of the daemon's is believed.

use std::collections::BTreeMap;

use super::phone::{self, Kind};
use super::plan::{NAMES, What};
use super::round::{Evidence, Sent};

/// The sentences that are broken.
pub(super) fn broken(evidence: &Evidence) -> Vec<String> {
    // The daemon lives and answers a last prompt and a last /list of each; after SIGTERM nothing of it is left.
    let mut broken = evidence.stuck.clone();
    // The audit logs' chains verify.
    broken.extend(evidence.broken_chains.iter().map(|chain| format!("an audit chain is {chain}")));
    for (user, name) in NAMES.iter().enumerate() {
        let person = Person::of(evidence, user);
        broken.extend(person.broken().into_iter().map(|sentence| format!("{name}: {sentence}")));
    }
    broken
}

/// What concerns one of the two.
struct Person<'a> {
    evidence: &'a Evidence,
    user: usize,
    sent: Vec<&'a Sent>,
    /// The bot's messages to him with the chat that they are in.
    heard: Vec<(usize, Kind, &'a str)>,
    /// His prompts as the agents were given them.
    given: Vec<&'a str>,
    /// Prompt, outcome and response of his turns on record.
    turns: Vec<(&'a str, &'a str, &'a str)>,
}

impl<'a> Person<'a> {
    fn of(evidence: &'a Evidence, user: usize) -> Self {
        let sent: Vec<&Sent> = evidence.sent.iter().filter(|sent| sent.user == user).collect();
        let mut heard = Vec::new();
        for chat in [user, 2] {
            for shown in evidence.chats[chat].iter().filter(|shown| shown.from_bot()) {
                let whose = |id: &phonework::ids::MessageId| {
                    evidence.sent.iter().find(|sent| sent.id == *id).map(|sent| sent.user)
                };
                if chat == user || shown.reply_to.as_ref().and_then(whose) == Some(user) {
                    heard.push((chat, phone::kind(&shown.text), shown.text.as_str()));
                }
            }
        }
        let his = |text: &str| sent.iter().any(|sent| sent.what != What::Crash && sent.text == text);
        let given = evidence.journal.iter().map(String::as_str).filter(|text| his(text)).collect();
        let open_id = evidence.chats[user].iter().find_map(|shown| shown.from.as_ref());
        let text = |value: &'a serde_json::Value| value.as_str().unwrap_or_default();
        let turns =
            evidence.audit.iter().filter(|line| open_id.is_some_and(|id| line["user"] == id.as_str()));
        let turns =
            turns.map(|line| (text(&line["prompt"]), text(&line["outcome"]), text(&line["response"])));
        let turns = turns.collect();
        Self { evidence, user, sent, heard, given, turns }
    }

    fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        self.every_message_has_one_ending(&mut broken);
        self.the_phone_shows_what_is_on_record(&mut broken);
        self.no_prompt_is_run_twice_unasked(&mut broken);
        self.order_is_kept(&mut broken);
        self.nothing_is_anothers(&mut broken);
        broken
    }

    fn count(&self, kind: &Kind) -> usize {
        self.heard.iter().filter(|(_, heard, _)| heard == kind).count()
    }

    fn sent(&self, what: What) -> usize {
        self.sent.iter().filter(|sent| sent.what == what).count()
    }

    fn outcomes(&self, outcome: &str) -> usize {
        self.turns.iter().filter(|turn| turn.1 == outcome).count()
    }

    /// Messages that a /stop took from the queue: the phone shows that, and there was no turn.
    fn stopped_while_waiting(&self) -> usize {
        self.count(&Kind::Stopped).saturating_sub(self.outcomes("stopped"))
    }

    /// Every message that was taken over is answered, or its sender is told that it was cut, stopped or failed; once.
    fn every_message_has_one_ending(&self, broken: &mut Vec<String>) {
        let commands = self.sent(What::List) + self.sent(What::Stop);
        let prompts = self.sent.len() - commands;
        let waiting = self.stopped_while_waiting();
        let endings = self.turns.len() + self.count(&Kind::NothingToRetry) + waiting;
        if prompts != endings {
            broken.push(format!(
                "{prompts} prompts have {endings} endings: {} turns on record, {} with nothing to retry, {waiting} \
                 stopped while they waited",
                self.turns.len(),
                self.count(&Kind::NothingToRetry)
            ));
        }
        let unseen: Vec<&str> = self
            .sent
            .iter()
            .filter(|sent| !sent.text.starts_with('/'))
            .map(|sent| sent.text.as_str())
            .filter(|text| !self.turns.iter().any(|turn| turn.0 == *text))
            .collect();
        if unseen.len() > waiting {
            broken.push(format!("these were never run, {waiting} of them stopped: {unseen:?}"));
        }
        if self.count(&Kind::List) != self.sent(What::List) {
            broken.push(format!("{} lists for {}", self.count(&Kind::List), self.sent(What::List)));
        }
        if waiting + self.count(&Kind::NothingRuns) > self.sent(What::Stop) {
            broken.push("a /stop was answered twice".to_owned());
        }
        for (_, kind, text) in &self.heard {
            if *kind == Kind::Unknown {
                broken.push(format!("this was shown and nobody knows why: {text:?}"));
            }
        }
    }

    /// No answer is shown twice and none lacks a part: the phone shows every line of every answer on record, as often
    /// as it is on record, and a notice for every turn that ended otherwise.
    fn the_phone_shows_what_is_on_record(&self, broken: &mut Vec<String>) {
        let mut lines: BTreeMap<String, i64> = BTreeMap::new();
        for turn in &self.turns {
            for line in phone::lines(turn.2) {
                *lines.entry(line).or_default() -= 1;
            }
        }
        for (_, _, text) in self.heard.iter().filter(|heard| heard.1 == Kind::Answer) {
            for line in phone::lines(text) {
                *lines.entry(line).or_default() += 1;
            }
        }
        lines.retain(|_, more| *more != 0);
        if !lines.is_empty() {
            broken.push(format!(
                "lines shown too often or too rarely: {:?}",
                lines.iter().take(5).collect::<Vec<_>>()
            ));
        }
        let mut cuts: BTreeMap<String, i64> = BTreeMap::new();
        for turn in self.turns.iter().filter(|turn| turn.1 == "cut") {
            *cuts.entry(turn.0.chars().take(20).collect()).or_default() -= 1;
        }
        for (_, kind, _) in &self.heard {
            if let Kind::Cut(prompt) = kind {
                *cuts.entry(prompt.chars().take(20).collect()).or_default() += 1;
            }
        }
        cuts.retain(|_, more| *more != 0);
        if !cuts.is_empty() {
            broken.push(format!("told too often or too rarely that they were cut: {cuts:?}"));
        }
        let failed = self.outcomes("failed") + self.outcomes("crashed");
        if failed != self.count(&Kind::Failed) || self.outcomes("stopped") > self.count(&Kind::Stopped) {
            broken.push(format!("{failed} failed, {} were told", self.count(&Kind::Failed)));
        }
        for turn in self.turns.iter().filter(|turn| turn.1 == "answered") {
            let whole = turn.0.strip_prefix("echo ").is_none_or(|asked| asked == turn.2);
            if !whole {
                broken.push(format!("not the whole answer: {turn:?}"));
            }
        }
    }

    /// No prompt reaches an agent more than once unless its writer asked for it.
    fn no_prompt_is_run_twice_unasked(&self, broken: &mut Vec<String>) {
        let mut given: BTreeMap<&str, usize> = BTreeMap::new();
        for text in &self.given {
            *given.entry(text).or_default() += 1;
        }
        let again: usize = given.values().map(|times| times - 1).sum();
        if again > self.sent(What::Retry) {
            given.retain(|_, times| *times > 1);
            broken.push(format!("run again though nobody asked: {given:?}"));
        }
        // And none is answered that no agent was given.
        for turn in self.turns.iter().filter(|turn| turn.1 == "answered" && turn.0 != "crash") {
            if !given.contains_key(turn.0) {
                broken.push(format!("answered, but not by an agent: {turn:?}"));
            }
        }
    }

    /// His prompts reach the agents, and his answers come, in the order in which he wrote. Not so one that came late:
    /// it was taken over when a later one was sent already; nor one that he had run again.
    fn order_is_kept(&self, broken: &mut Vec<String>) {
        let first_given = |text: &str| self.given.iter().position(|given| *given == text);
        let first_shown = |sent: &Sent| {
            let line = phone::lines(sent.text.strip_prefix("echo ")?).into_iter().next()?;
            let place =
                self.heard.iter().position(|heard| heard.1 == Kind::Answer && heard.2.contains(&line))?;
            Some((self.heard[place].0, place))
        };
        let acked = |sent: &Sent| {
            self.evidence.acked.iter().filter(|(id, _)| *id == sent.id).map(|(_, at)| *at).min()
        };
        let again = |sent: &Sent| self.turns.iter().filter(|turn| turn.0 == sent.text).count() > 1;
        let once: Vec<&&Sent> = self.sent.iter().filter(|sent| !again(sent)).collect();
        for (place, earlier) in once.iter().enumerate() {
            for later in &once[place + 1..] {
                if acked(earlier).is_none_or(|at| at >= later.at) {
                    continue;
                }
                if let (Some(one), Some(two)) = (first_given(&earlier.text), first_given(&later.text))
                    && one > two
                {
                    broken.push(format!("{:?} was run before {:?}", later.text, earlier.text));
                }
                if let (Some((chat, one)), Some((other, two))) = (first_shown(earlier), first_shown(later))
                    && chat == other
                    && one > two
                {
                    broken.push(format!("{:?} was answered before {:?}", later.text, earlier.text));
                }
            }
        }
    }

    /// Nothing of one is shown to the other outside of the group.
    fn nothing_is_anothers(&self, broken: &mut Vec<String>) {
        let other = format!("{}-", NAMES[1 - self.user]);
        for shown in self.evidence.chats[self.user].iter().filter(|shown| shown.text.contains(&other)) {
            broken.push(format!("this is another's: {:?}", shown.text));
        }
    }
}
