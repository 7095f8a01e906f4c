//! Who writes what, and whether every message got its one answer.

use std::collections::BTreeMap;

use phonework::emulator::ShownMessage;
use phonework::ids::{ChatId, MessageId, OpenId};
use serde_json::Value;

use crate::rig::Rig;

/// Number of lines of a long answer, which takes three messages.
const LONG_ANSWER_LINES: usize = 230;
/// How the practice agent begins its sentences.
const LABEL: &str = "(practice agent, not Claude) ";

pub(crate) struct People {
    people: Vec<Person>,
    number: usize,
}

struct Person {
    user: OpenId,
    chat: ChatId,
    /// The prompts, each with the token that its answer shows.
    prompts: Vec<(String, String)>,
    /// For each command, what is in the sentence that answers it.
    commands: Vec<&'static str>,
    /// The messages that allow or deny a permission request.
    decisions: Vec<MessageId>,
    /// Number of permission requests that this person has seen.
    seen: usize,
    /// Number of prompts that lead to one.
    asking: usize,
}

/// What the bot said in a chat.
fn said(shown: &[ShownMessage]) -> Vec<String> {
    let said = shown.iter().filter(|shown| shown.from_bot() && !shown.is_unfinished());
    let words = said.map(|shown| if is_request(shown) { "🔐 ".to_owned() } else { shown.answer() });
    // The card of the queue shows no answer.
    words.filter(|words| !words.is_empty()).collect()
}

/// Whether a message is the card of a permission request, open or decided.
fn is_request(shown: &ShownMessage) -> bool {
    let head = shown.text.lines().next().unwrap_or_default();
    let heads = ["May Claude use ", "Allowed · ", "Denied · ", "Expired · ", "No longer needed · "];
    shown.is_card() && heads.iter().any(|each| head.starts_with(each))
}

/// What a chat shows, counted.
#[derive(Default)]
struct Heard<'a> {
    answers: BTreeMap<&'a str, usize>,
    requests: usize,
    /// Number of requests that were denied or expired.
    refused: usize,
    crashed: usize,
    replies: BTreeMap<&'static str, usize>,
    unknown: Vec<&'a str>,
}

const LIST: &str = " · ";
const STATUS: &str = "project: ";
const SWITCHED: &str = "is now active here.";
const NOTHING_ASKED: &str = "Claude is not asking for anything right now.";

impl People {
    pub(crate) fn new(rig: &Rig) -> Self {
        let person = |(user, chat): &(OpenId, ChatId)| Person {
            user: user.clone(),
            chat: chat.clone(),
            prompts: Vec::new(),
            commands: Vec::new(),
            decisions: Vec::new(),
            seen: 0,
            asking: 0,
        };
        Self { people: rig.people.iter().map(person).collect(), number: 0 }
    }

    pub(crate) fn sent(&self) -> usize {
        self.number
    }

    pub(crate) fn everybody_says_hello(&mut self, rig: &Rig) {
        for person in &mut self.people {
            self.number += 1;
            let token = format!("hello-{:06}", self.number);
            person.prompt(rig, format!("echo {token}"), token);
        }
    }

    pub(crate) fn somebody_writes(&mut self, rig: &Rig) {
        self.number += 1;
        let number = self.number;
        let place = fastrand::usize(..self.people.len());
        let person = &mut self.people[place];
        let token = format!("token-{number:06}");
        match fastrand::u8(..100) {
            0..62 => person.prompt(rig, format!("echo {token}"), token),
            62..70 => {
                let lines = (0..LONG_ANSWER_LINES)
                    .map(|line| format!("{token} {line:04} the quick brown fox jumps on"));
                person.prompt(rig, format!("echo {}", lines.collect::<Vec<_>>().join("\n")), token);
            }
            70..78 => {
                let time = format!("0.{}{number:06}", fastrand::u8(1..9));
                let token = time.trim_end_matches('0').to_owned();
                person.prompt(rig, format!("slow {time}"), token);
            }
            78..86 => {
                person.asking += 1;
                person.prompt(rig, format!("run echo {token}"), token);
            }
            86..91 => person.command(rig, "/list", LIST),
            91..95 => person.command(rig, "/status", STATUS),
            _ => person.command(rig, ["/switch 1", "/switch 2"][fastrand::usize(..2)], SWITCHED),
        }
    }

    /// Has the people whom Claude asks allow, deny or ignore it.
    pub(crate) fn decide(&mut self, rig: &Rig) {
        for person in self.people.iter_mut().filter(|person| person.seen < person.asking) {
            let said = said(&rig.emulator.shown(&person.chat));
            let requests = person.heard(&said).requests;
            while person.seen < requests {
                person.seen += 1;
                let decision = match fastrand::u8(..10) {
                    0..5 => "/approve",
                    5..8 => "/deny",
                    _ => continue,
                };
                person.decisions.push(rig.emulator.say(&person.user, &person.chat, decision));
            }
        }
    }

    /// Number of messages without an answer.
    pub(crate) fn unanswered(&self, rig: &Rig) -> usize {
        let open = |person: &Person| {
            let said = said(&rig.emulator.shown(&person.chat));
            let heard = person.heard(&said);
            let replies: usize = heard.replies.values().sum();
            (person.prompts.len() + person.commands.len() + person.decisions.len())
                .saturating_sub(heard.answers.len() + heard.refused + heard.crashed + replies)
                .saturating_sub(person.heard_decisions(rig))
        };
        self.people.iter().map(open).sum()
    }

    /// Compares the phones with the audit log; every message that did not get its one answer.
    pub(crate) fn judge(&self, rig: &Rig) -> Vec<String> {
        let audit = audit(rig);
        let mut complaints = Vec::new();
        for person in &self.people {
            let said = said(&rig.emulator.shown(&person.chat));
            let heard = person.heard(&said);
            let mut complain = |what: String| complaints.push(format!("{}: {what}", person.user));
            let audited: Vec<&Value> =
                audit.iter().filter(|line| line["user"] == person.user.as_str()).collect();
            let outcome = |word: &str| audited.iter().filter(|line| line["outcome"] == word).count();
            for (prompt, token) in &person.prompts {
                let turns: Vec<&&Value> =
                    audited.iter().filter(|line| line["prompt"] == prompt.as_str()).collect();
                let [turn] = turns.as_slice() else {
                    complain(format!("{} turns for {token}", turns.len()));
                    continue;
                };
                let named =
                    turn["response"].as_str().is_some_and(|text| text.contains(token.as_str())) as usize;
                let shown = heard.answers.get(token.as_str()).copied().unwrap_or_default();
                if shown != named {
                    complain(format!("{token} was answered {shown} times and is on record {named} times"));
                }
            }
            if audited.len() != person.prompts.len() {
                complain(format!("{} turns for {} prompts", audited.len(), person.prompts.len()));
            }
            if outcome("crashed") != heard.crashed || outcome("answered") + heard.crashed != audited.len() {
                complain(format!("{} crashes are on record, {} told", outcome("crashed"), heard.crashed));
            }
            for kind in [LIST, STATUS, SWITCHED] {
                let asked = person.commands.iter().filter(|command| **command == kind).count();
                let told = heard.replies.get(kind).copied().unwrap_or_default();
                if asked != told {
                    complain(format!("{told} replies with {kind:?} to {asked} commands"));
                }
            }
            let refused = heard.replies.get(NOTHING_ASKED).copied().unwrap_or_default();
            if person.heard_decisions(rig) + refused != person.decisions.len() {
                complain("a decision was not heard, or twice".to_owned());
            }
            for text in heard.unknown {
                complain(format!("nobody knows why this was shown: {text:?}"));
            }
        }
        complaints
    }
}

impl Person {
    fn prompt(&mut self, rig: &Rig, text: String, token: String) {
        rig.emulator.say(&self.user, &self.chat, &text);
        self.prompts.push((text, token));
    }

    fn command(&mut self, rig: &Rig, text: &str, reply: &'static str) {
        rig.emulator.say(&self.user, &self.chat, text);
        self.commands.push(reply);
    }

    fn heard_decisions(&self, rig: &Rig) -> usize {
        let heard = |id: &&MessageId| {
            let shown = rig.emulator.shown_message(id);
            shown.is_some_and(|shown| shown.reactions.iter().any(|reaction| reaction.emoji == "OK"))
        };
        self.decisions.iter().filter(heard).count()
    }

    fn heard<'a>(&self, said: &'a [String]) -> Heard<'a> {
        let mut heard = Heard::default();
        // For each token, the number of lines of long answers. All lines have to be shown before the token counts.
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        for text in said {
            let own = text.strip_prefix(LABEL);
            if let Some(slow) = own.and_then(|own| own.strip_prefix("That took ")) {
                let token = slow.split_whitespace().next().unwrap_or_default();
                *heard.answers.entry(token).or_default() += 1;
            } else if let Some(said) = own.and_then(|own| own.strip_prefix("The command said:\n")) {
                *heard.answers.entry(said.trim()).or_default() += 1;
            } else if own.is_some_and(|own| own.starts_with("I did not run it: ")) {
                heard.refused += 1;
            } else if text.starts_with("🔐 ") {
                heard.requests += 1;
            } else if text.starts_with("⚠️ Claude has lost") || text.starts_with("⌛ ") {
                // A notice beside the answer.
            } else if text.starts_with("⚠️ ") {
                heard.crashed += 1;
            } else if text.starts_with("token-") || text.starts_with("hello-") || text.starts_with('[') {
                for line in text.lines().filter(|line| !line.starts_with('[')) {
                    let (token, rest) = line.split_once(' ').unwrap_or((line, ""));
                    if rest.is_empty() {
                        *heard.answers.entry(token).or_default() += 1;
                    } else {
                        *lines.entry(token).or_default() += 1;
                    }
                }
            } else if let Some(kind) =
                [NOTHING_ASKED, SWITCHED, STATUS, LIST].into_iter().find(|kind| text.contains(kind))
            {
                *heard.replies.entry(kind).or_default() += 1;
            } else {
                heard.unknown.push(text);
            }
        }
        for (token, lines) in lines {
            // Otherwise a part is missing or was shown twice.
            heard.answers.insert(
                token,
                if lines.is_multiple_of(LONG_ANSWER_LINES) { lines / LONG_ANSWER_LINES } else { 99 },
            );
        }
        heard
    }
}

/// The lines of the audit logs of all sessions.
fn audit(rig: &Rig) -> Vec<Value> {
    let files = std::fs::read_dir(rig.shop().join(".phonework")).unwrap().flatten();
    let logs = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "jsonl"));
    let texts = logs.map(|file| std::fs::read_to_string(file.path()).unwrap());
    texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>())
        .collect()
}
