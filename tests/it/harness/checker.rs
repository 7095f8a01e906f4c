//! The invariants. What the phones showed and what the agents were given is held against what was sent and against
//! the audit log; nothing else of the daemon's is believed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::phone::{self, Kind};
use super::plan::{NAMES, What};
use super::pressed::{self, Button};
use super::round::{Evidence, Sent};

/// The sentences that are broken.
pub(super) fn broken(evidence: &Evidence) -> Vec<String> {
    // The daemon lives and answers a last prompt and a last /list of each; after SIGTERM nothing of it is left.
    let mut broken = evidence.stuck.clone();
    // The audit logs' chains verify.
    broken.extend(evidence.broken_chains.iter().map(|chain| format!("an audit chain is {chain}")));
    nothing_confirmed_is_sent_again(evidence, &mut broken);
    pressed::only_owners_press(evidence, &mut broken);
    for (user, name) in NAMES.iter().enumerate() {
        let person = Person::of(evidence, user);
        broken.extend(person.broken().into_iter().map(|sentence| format!("{name}: {sentence}")));
    }
    broken
}

/// What Feishu has confirmed is not sent to it again by the same daemon. A phone would show it, once Feishu has
/// forgotten the first.
fn nothing_confirmed_is_sent_again(evidence: &Evidence, broken: &mut Vec<String>) {
    let mut confirmed: BTreeMap<&str, jiff::Timestamp> = BTreeMap::new();
    for call in &evidence.calls {
        let Some(uuid) = call.request["uuid"].as_str() else { continue };
        if let Some(at) = confirmed.get(uuid)
            && !evidence.restarts.iter().any(|restart| at < restart.end() && call.at > *restart.start())
        {
            broken.push(format!("sent again though it was confirmed: {:?}", call.request));
        }
        if (call.http, call.code) == (Some(200), Some(0)) {
            confirmed.insert(uuid, call.at);
        }
    }
}

/// What concerns one of them.
struct Person<'a> {
    evidence: &'a Evidence,
    user: usize,
    sent: Vec<&'a Sent>,
    /// The bot's messages to this person, with the chat that they are in.
    heard: Vec<(usize, Kind, String)>,
    /// This person's prompts as the agents were given them.
    given: Vec<&'a str>,
    /// Prompt, outcome and response of this person's turns on record.
    turns: Vec<(&'a str, &'a str, &'a str)>,
    /// The lines of the audit log that these are from.
    records: Vec<&'a Value>,
}

impl<'a> Person<'a> {
    fn of(evidence: &'a Evidence, user: usize) -> Self {
        let sent: Vec<&Sent> = evidence.sent.iter().filter(|sent| sent.user == user).collect();
        let mut heard = Vec::new();
        for chat in [user, NAMES.len()] {
            for shown in evidence.chats[chat].iter().filter(|shown| shown.from_bot()) {
                let whose = || pressed::answered(&evidence.sent, &evidence.chats[chat], shown);
                if chat == user || whose() == Some(user) {
                    heard.extend(phone::said(shown).into_iter().map(|text| (chat, phone::kind(&text), text)));
                }
            }
        }
        let his = |text: &str| sent.iter().any(|sent| sent.what != What::Crash && sent.text == text);
        let given = evidence.journal.iter().map(String::as_str).filter(|text| his(text)).collect();
        let open_id = evidence.chats[user].iter().find_map(|shown| shown.from.as_ref());
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        let records: Vec<&Value> = evidence
            .audit
            .iter()
            .filter(|line| open_id.is_some_and(|id| line["user"] == id.as_str()))
            .collect();
        let turns = records.iter();
        let turns =
            turns.map(|line| (text(&line["prompt"]), text(&line["outcome"]), text(&line["response"])));
        let turns = turns.collect();
        Self { evidence, user, sent, heard, given, turns, records }
    }

    fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        self.every_prompt_has_one_ending(&mut broken);
        self.every_command_has_one_answer(&mut broken);
        self.what_came_late_is_run_only_when_asked_for(&mut broken);
        self.what_was_taken_back_while_it_waited_is_not_run(&mut broken);
        self.what_needs_leave_runs_only_with_it(&mut broken);
        self.the_phone_shows_what_is_on_record(&mut broken);
        self.no_prompt_is_run_twice_unasked(&mut broken);
        self.order_is_kept(&mut broken);
        self.parts_come_in_order(&mut broken);
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

    /// How often they were told this, where a message of the bot's speaks of several of their messages.
    fn told(&self, many: impl Fn(&Kind) -> Option<usize>) -> usize {
        self.heard.iter().filter_map(|(_, kind, _)| many(kind)).sum()
    }

    /// Every prompt that was taken over is answered, or its sender is told that it was cut, stopped, failed, dropped
    /// or had no session; once. One that was taken back may have no ending.
    fn every_prompt_has_one_ending(&self, broken: &mut Vec<String>) {
        let prompts: Vec<&&Sent> = self.sent.iter().filter(|sent| !sent.what.is_command()).collect();
        let has_turn = |text: &str| self.turns.iter().any(|turn| turn.0 == text);
        let taken_back =
            prompts.iter().filter(|sent| sent.recalled.is_some() && !has_turn(&sent.text)).count();
        let closed = self.told(|kind| if let Kind::Closed(many) = kind { Some(*many) } else { None });
        let dropped = self.told(|kind| if let Kind::Discarded(many) = kind { Some(*many) } else { None });
        let unrun = self.stopped_while_waiting() + closed + dropped + self.count(&Kind::NoSession);
        let endings = self.turns.len() + self.count(&Kind::NothingToRetry) + unrun;
        // A press that runs something again is one more.
        let again = pressed::done(self.evidence, self.user, Button::Again);
        let (least, most) = (prompts.len() + again.start(), prompts.len() + again.end());
        if least > endings + taken_back || most < endings {
            broken.push(format!(
                "{} prompts and {again:?} presses have {endings} endings: {} turns on record, {} with nothing to retry, \
                 {unrun} not run (closed {closed}, dropped {dropped}); {taken_back} were taken back",
                prompts.len(),
                self.turns.len(),
                self.count(&Kind::NothingToRetry)
            ));
        }
        let unseen: Vec<&str> = prompts
            .iter()
            .filter(|sent| sent.what != What::Retry && !has_turn(&sent.text))
            .map(|sent| sent.text.as_str())
            .collect();
        if unseen.len() > unrun + taken_back {
            broken.push(format!("these were never run, {unrun} of them for a reason: {unseen:?}"));
        }
        for (_, kind, text) in &self.heard {
            if *kind == Kind::Unknown {
                broken.push(format!("this was shown and nobody knows why: {text:?}"));
            }
        }
    }

    /// Every command is answered once, with a sentence or with the emoji for what speaks for itself.
    fn every_command_has_one_answer(&self, broken: &mut Vec<String>) {
        let heard = |what: What| self.sent.iter().filter(|sent| sent.what == what && sent.heard).count();
        let mut compare = |name: &str, asked: usize, answered: usize| {
            if asked != answered {
                broken.push(format!("{answered} answers for {asked} {name}"));
            }
        };
        compare("/list", self.sent(What::List), self.count(&Kind::List));
        // One was opened in their own chat before all else; the one in the group answers a message that is not counted here.
        compare("/new", self.sent(What::New) + 1, self.count(&Kind::Opened));
        let numbered = |kind: &Kind| matches!(kind, Kind::Switched | Kind::Closed(_) | Kind::NoNumber);
        compare(
            "/switch and /close",
            self.sent(What::Switch) + self.sent(What::Close),
            self.heard.iter().filter(|(_, kind, _)| numbered(kind)).count(),
        );
        let dropped = self.heard.iter().filter(|(_, kind, _)| matches!(kind, Kind::Discarded(_))).count();
        compare(
            "/run and /discard",
            self.sent(What::Run) + self.sent(What::Discard),
            heard(What::Run) + heard(What::Discard) + dropped + self.count(&Kind::NothingKept),
        );
        compare(
            "/approve and /deny",
            self.sent(What::Approve) + self.sent(What::Deny),
            heard(What::Approve) + heard(What::Deny) + self.count(&Kind::NothingAsked),
        );
        let stops = self.stopped_while_waiting() + heard(What::Stop) + self.count(&Kind::NothingRuns);
        compare("/stop", self.sent(What::Stop), stops);
    }

    /// A message that came long after it was sent reaches an agent only after its sender said so.
    fn what_came_late_is_run_only_when_asked_for(&self, broken: &mut Vec<String>) {
        for late in self.sent.iter().filter(|sent| sent.late) {
            let asked = self.sent.iter().filter(|sent| sent.what == What::Run && sent.at > late.at);
            let asked = asked.map(|sent| sent.at).min();
            for turn in self.records.iter().filter(|line| line["prompt"] == late.text.as_str()) {
                let ended = turn["at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
                if asked.is_none_or(|asked| ended.is_none_or(|ended| ended < asked)) {
                    broken.push(format!("came late and was run unasked: {:?}", late.text));
                }
            }
        }
    }

    /// A message that waits behind another when it is taken back is never run: its turn begins at the earliest when
    /// the one before it ends, which is later. Where the daemon was killed, it may not have lived to hear it.
    fn what_was_taken_back_while_it_waited_is_not_run(&self, broken: &mut Vec<String>) {
        for sent in self.sent.iter().filter(|_| !self.evidence.daemon_killed) {
            let heard = self.evidence.recalls.iter().find(|(id, _)| *id == sent.id).map(|(_, at)| *at);
            let accepted = self.evidence.acked.iter().find(|(id, _)| *id == sent.id).map(|(_, at)| *at);
            let (Some(heard), Some(accepted)) = (heard, accepted) else { continue };
            let turn = self.records.iter().find(|line| line["prompt"] == sent.text.as_str());
            let Some(began) = turn.and_then(|turn| began(turn)) else { continue };
            let other = self.records.iter().any(|line| {
                let ended = line["at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
                let before = began_before(line, heard);
                before && ended.is_some_and(|ended| ended > heard + GRACE && ended <= began)
            });
            if accepted < heard && other {
                broken.push(format!("taken back while it waited, and run: {:?}", sent.text));
            }
        }
    }

    /// A command runs when its owner allowed it, and only then.
    fn what_needs_leave_runs_only_with_it(&self, broken: &mut Vec<String>) {
        let mut allowed = 0;
        for line in self.records.iter().filter(|line| line["outcome"] == "answered") {
            let Some(command) = line["prompt"].as_str().and_then(|prompt| prompt.strip_prefix("run echo "))
            else {
                continue;
            };
            let leave = line["approvals"][0]["decision"] == "allowed";
            let response = line["response"].as_str().unwrap_or_default();
            allowed += usize::from(leave);
            if leave != response.contains(&format!("The command said:\n{command}")) {
                broken.push(format!("leave given: {leave}, and what it did: {response:?}"));
            }
        }
        let given = self.sent(What::Approve) + pressed::done(self.evidence, self.user, Button::Allow).end();
        if allowed > given {
            broken.push(format!("{allowed} leaves were given, {given} by him"));
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
        let failed = ["failed", "crashed", "open_elsewhere"].map(|outcome| self.outcomes(outcome));
        let failed: usize = failed.iter().sum();
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
        if again > self.sent(What::Retry) + pressed::done(self.evidence, self.user, Button::Again).end() {
            let again: Vec<_> = given.iter().filter(|(_, times)| **times > 1).collect();
            broken.push(format!("run again though nobody asked: {again:?}"));
        }
        // And none is answered that no agent was given.
        for turn in self.turns.iter().filter(|turn| turn.1 == "answered" && turn.0 != "crash") {
            if !given.contains_key(turn.0) {
                broken.push(format!("answered, but not by an agent: {turn:?}"));
            }
        }
    }

    /// A person's prompts reach the agents, and their answers come, in the order in which they wrote. Not so one that came late:
    /// it was taken over when a later one was sent already; nor one that they had run again.
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
        let once: Vec<&&Sent> = self.sent.iter().filter(|sent| !again(sent) && !sent.late).collect();
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

    /// The parts of an answer come one after the other, from the first to the last.
    fn parts_come_in_order(&self, broken: &mut Vec<String>) {
        for chat in [self.user, NAMES.len()] {
            let mut open = None;
            for text in self.heard.iter().filter(|heard| heard.0 == chat).map(|heard| heard.2.as_str()) {
                let head = text.strip_prefix('[').and_then(|rest| rest.split_once("]\n"));
                let Some((place, total)) = head.and_then(|(head, _)| head.split_once('/')) else { continue };
                let number = |digits: &str| digits.parse::<usize>().unwrap_or_default();
                let (place, total) = (number(place), number(total));
                if open.unwrap_or((1, total)) != (place, total) {
                    broken.push(format!("part {place} of {total} came where {open:?} was due"));
                }
                open = (place < total).then_some((place + 1, total));
            }
        }
    }

    /// Nothing of one is shown to the other outside of the group.
    fn nothing_is_anothers(&self, broken: &mut Vec<String>) {
        let others: Vec<String> =
            NAMES.iter().filter(|name| **name != NAMES[self.user]).map(|name| format!("{name}-")).collect();
        for shown in &self.evidence.chats[self.user] {
            if others.iter().any(|other| shown.text.contains(other)) {
                broken.push(format!("this is another's: {:?}", shown.text));
            }
        }
    }
}

/// Between the acknowledgement of an event and what follows from it.
const GRACE: jiff::SignedDuration = jiff::SignedDuration::from_millis(300);

fn began(turn: &Value) -> Option<jiff::Timestamp> {
    let ended: jiff::Timestamp = turn["at"].as_str()?.parse().ok()?;
    ended.checked_sub(jiff::SignedDuration::from_millis(turn["duration_ms"].as_i64()?)).ok()
}

fn began_before(turn: &Value, moment: jiff::Timestamp) -> bool {
    began(turn).is_some_and(|began| began < moment)
}
