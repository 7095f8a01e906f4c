//! Claude's side of a round: the practice agent, or the real Claude Code with a script for a model.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::processes::{Process, processes};
use crate::support::journal::prompts;
use crate::support::messages_api::{Asked, Gate, MessagesApi, Reply};
use crate::support::phonework::Phonework;
use crate::support::tools::tool;

/// Who answers in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Practice,
    /// It does what the practice agent does for the same words: a script orders it to.
    Real,
}

/// The start of a real one takes half a second of a processor and 125 MB.
impl Side {
    /// Whose rounds are run when the environment asks for rounds.
    pub(super) fn asked_for() -> Self {
        match std::env::var("PHONEWORK_HARNESS_CLAUDE").as_deref() {
            Ok("real") => Self::Real,
            Ok(other) => panic!("PHONEWORK_HARNESS_CLAUDE is {other}, not real"),
            Err(_) => Self::Practice,
        }
    }

    pub(super) fn most_seats(self) -> usize {
        match self {
            Self::Practice => 7,
            Self::Real => 2,
        }
    }

    pub(super) fn messages(self) -> RangeInclusive<usize> {
        match self {
            Self::Practice => 10..=22,
            Self::Real => 6..=12,
        }
    }

    /// In milliseconds; about what a start takes.
    pub(super) fn longest_pause(self) -> u64 {
        match self {
            Self::Practice => 80,
            Self::Real => 800,
        }
    }

    /// In milliseconds: how long it mostly takes until a prompt that needs permission asks for it.
    pub(super) fn asks_within(self) -> u64 {
        match self {
            Self::Practice => 300,
            Self::Real => 8_000,
        }
    }

    pub(super) fn rounds_at_once(self) -> usize {
        match self {
            // A round mostly waits.
            Self::Practice => 6,
            Self::Real => 2,
        }
    }

    /// A round that takes longer is worth a look.
    pub(super) fn long(self) -> Duration {
        match self {
            Self::Practice => Duration::from_secs(15),
            Self::Real => Duration::from_secs(60),
        }
    }

    pub(super) fn command(self) -> String {
        match self {
            Self::Practice => Phonework::practice_agent(),
            Self::Real => {
                let claude = tool("node_modules/@anthropic-ai/claude-code-linux-x64/claude");
                claude.to_str().unwrap().to_owned()
            }
        }
    }
}

/// The agents of a round, and what they are given.
pub(super) struct Agents {
    /// Named in the environment of each of them, and written by the practice agent.
    journal: PathBuf,
    /// What the real one asked its model, if it is the real one: the texts of people, in order.
    asked: Option<Arc<Mutex<Vec<String>>>>,
}

impl Agents {
    /// Prepares what agents of this side need; before the daemon's start.
    pub(super) async fn install(side: Side, phonework: &mut Phonework) -> Self {
        let journal = phonework.claude_folder().with_file_name("journal");
        phonework.add_claude_env(json!({ "PRACTICE_JOURNAL": &journal }));
        match side {
            Side::Practice => Self { journal, asked: None },
            Side::Real => {
                let asked = Arc::new(Mutex::new(Vec::new()));
                let noted = Arc::clone(&asked);
                let api = MessagesApi::start(move |asked| {
                    // What follows a tool's result belongs to the same turn.
                    if asked.tool_results.is_empty() {
                        noted.lock().unwrap().push(asked.text.clone());
                    }
                    obey(asked)
                })
                .await;
                phonework.add_claude_env(
                    json!({ "ANTHROPIC_BASE_URL": api.url(), "ANTHROPIC_API_KEY": "a-key-of-the-test" }),
                );
                Self { journal, asked: Some(asked) }
            }
        }
    }

    /// The prompts that they were given so far, in order.
    pub(super) fn given(&self) -> Vec<String> {
        match &self.asked {
            Some(asked) => asked.lock().unwrap().clone(),
            None => prompts(&self.journal),
        }
    }

    /// The processes on Claude's side: wardens, agents, and what these run.
    pub(super) fn processes(&self) -> Vec<Process> {
        processes(&self.journal)
    }
}

/// Before what a command wrote, as the practice agent has it.
const SAID: &str = "The command said:";

/// The script: what the practice agent would do.
fn obey(asked: &Asked) -> Reply {
    let (word, rest) = asked.text.split_once(' ').unwrap_or((&asked.text, ""));
    match (word, asked.tool_results.last()) {
        (_, Some(result)) if result.starts_with(SAID) => Reply::text(result),
        (_, Some(result)) => Reply::text(format!("I did not run it: {result}")),
        // What only reads needs no leave.
        ("run", None) => Reply::bash(&format!(": >made && echo '{SAID}' && {rest}")),
        ("slow", None) => {
            let (gate, seconds) = (Gate::new(), rest.parse().unwrap());
            let held = gate.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                gate.open();
            });
            Reply::Hold("That took time: ".to_owned(), held, format!("{rest} seconds."))
        }
        ("echo", None) => Reply::text(rest),
        (_, None) => Reply::text(format!("What is {word}?")),
    }
}
