//! What a prompt makes the practice agent do; pure.

use std::time::Duration;

use jiff::Timestamp;

/// Begins or is part of every answer that was not ordered word for word.
pub(super) const LABEL: &str = "(practice agent, not Claude)";

/// A prompt, understood by its first word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deed {
    /// `echo TEXT`: the text word for word.
    Echo(String),
    /// `say N characters`, or `say N characters in M texts`: so many, in numbered lines.
    Say { length: usize, texts: usize },
    /// `slow S`: an answer after so many seconds.
    Slow(Duration),
    /// `stamp`: when it had read the prompt, and when it begins to write the answer; see [`stamp`].
    Stamp,
    /// `hang`: no answer, and no reaction to an interrupt.
    Hang,
    /// `run COMMAND`: asks, then runs it in a shell.
    Run(String),
    /// `remember TEXT`.
    Remember(String),
    /// `recall`.
    Recall,
    /// `crash`: ends in the middle of the turn.
    Crash,
    /// `quit`: the same as if all were well, with status 0.
    Quit,
    /// `mute`: closes its stdout in the middle of the turn and lives on.
    Mute,
    /// `garbage`: lines that are no JSON, and then an answer.
    Garbage,
    /// `babble`: such lines without end.
    Babble,
    /// `flood N`: a line of so many megabytes, and then an answer.
    Flood(usize),
    /// `compact`: the conversation is summarised, and then an answer comes.
    Compact,
    /// `later S TEXT`: after so many seconds it begins a turn by itself and says the text.
    Later(Duration, String),
    /// `error 401`, `error 429`, `error overloaded`.
    Fail(Failure),
    /// Anything else.
    Chat(String),
}

/// A failure as Claude Code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) words: &'static str,
}

const FAILURES: [(&str, Failure); 3] = [
    (
        "401",
        Failure {
            status: 401,
            kind: "authentication_failed",
            words: "Failed to authenticate. API Error: 401",
        },
    ),
    (
        "429",
        Failure {
            status: 429,
            kind: "rate_limit",
            words: "You've hit your 5-hour limit · resets 5:10pm (UTC) (practice agent, not Claude)",
        },
    ),
    ("overloaded", Failure { status: 529, kind: "server_error", words: "API Error: 529 Overloaded" }),
];

/// More would only fill a disk.
const MOST_CHARACTERS: usize = 64_000_000;
const MOST_TEXTS: usize = 10_000;
const MOST_MEGABYTES: usize = 200;

impl Deed {
    pub(super) fn of(prompt: &str) -> Self {
        let chat = || Self::Chat(prompt.to_owned());
        let (word, rest) = prompt.split_once([' ', '\n']).unwrap_or((prompt, ""));
        match (word, rest.trim()) {
            ("echo", _) if !rest.is_empty() => Self::Echo(rest.to_owned()),
            ("say", rest) => {
                let mut words = rest.split_whitespace().step_by(3).map(str::parse);
                let (length, texts) = (words.next().and_then(Result::ok), words.next());
                match (length, texts.unwrap_or(Ok(1))) {
                    (Some(length), Ok(texts @ 1..=MOST_TEXTS)) if length <= MOST_CHARACTERS => {
                        Self::Say { length, texts }
                    }
                    (_, _) => chat(),
                }
            }
            ("slow", rest) => {
                let seconds = rest.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                seconds.map_or_else(chat, Self::Slow)
            }
            ("stamp", "") => Self::Stamp,
            ("hang", "") => Self::Hang,
            ("run", rest) if !rest.is_empty() => Self::Run(rest.to_owned()),
            ("remember", rest) if !rest.is_empty() => Self::Remember(rest.to_owned()),
            ("recall", "") => Self::Recall,
            ("crash", "") => Self::Crash,
            ("quit", "") => Self::Quit,
            ("mute", "") => Self::Mute,
            ("garbage", "") => Self::Garbage,
            ("babble", "") => Self::Babble,
            ("flood", rest) => {
                let megabytes = rest.parse().ok().filter(|&megabytes| megabytes <= MOST_MEGABYTES);
                megabytes.map_or_else(chat, Self::Flood)
            }
            ("compact", "") => Self::Compact,
            ("later", rest) => later(rest).unwrap_or_else(chat),
            ("error", rest) => FAILURES
                .iter()
                .find(|(name, _)| *name == rest)
                .map_or_else(chat, |&(_, failure)| Self::Fail(failure)),
            _ => chat(),
        }
    }
}

fn later(rest: &str) -> Option<Deed> {
    let (seconds, text) = rest.split_once(' ')?;
    let time = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    Some(Deed::Later(time, text.to_owned()))
}

/// The answer to a prompt that is nothing in particular.
pub(super) fn chat(prompt: &str) -> String {
    format!(
        "{LABEL} You wrote: {prompt}\n\n\
         I only practise. What I understand:\n\
         echo TEXT: the text comes back\n\
         say 9000 characters: a long answer, in parts\n\
         run COMMAND: I ask for permission first\n\
         slow 60: an answer that takes 60 seconds, to /stop\n\
         remember TEXT, and later recall\n\
         error 429, crash: something goes wrong"
    )
}

/// Exactly `length` characters in numbered lines, so that a missing or doubled part shows.
pub(super) fn say(length: usize) -> String {
    let mut text = format!("{LABEL} {length} characters:\n");
    let mut characters = text.chars().count();
    let mut line = 0;
    while characters < length {
        line += 1;
        let next = format!("{line:>6} {}\n", "The quick brown fox jumps over the lazy dog. 敏捷的棕色狐狸。");
        characters += next.chars().count();
        text.push_str(&next);
    }
    text.chars().take(length).collect()
}

/// Two moments, in nanoseconds since 1970: `(practice agent, not Claude) read 1764 wrote 1765`.
pub(super) fn stamp(read: Timestamp, wrote: Timestamp) -> String {
    format!("{LABEL} read {} wrote {}", read.as_nanosecond(), wrote.as_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_understood_by_its_first_word() {
        let table = [
            ("echo  two\nlines ", Deed::Echo(" two\nlines ".to_owned())),
            ("say 9000 characters", Deed::Say { length: 9000, texts: 1 }),
            ("say 9000 characters in 3 texts", Deed::Say { length: 9000, texts: 3 }),
            ("slow 1.5", Deed::Slow(Duration::from_millis(1500))),
            ("stamp", Deed::Stamp),
            ("hang", Deed::Hang),
            ("run ls -l", Deed::Run("ls -l".to_owned())),
            ("remember blue", Deed::Remember("blue".to_owned())),
            ("recall", Deed::Recall),
            ("crash", Deed::Crash),
            ("quit", Deed::Quit),
            ("mute", Deed::Mute),
            ("garbage", Deed::Garbage),
            ("babble", Deed::Babble),
            ("flood 50", Deed::Flood(50)),
            ("compact", Deed::Compact),
            ("later 0.5 two words", Deed::Later(Duration::from_millis(500), "two words".to_owned())),
            ("error 429", Deed::Fail(FAILURES[1].1)),
        ];
        for (prompt, deed) in table {
            assert_eq!(Deed::of(prompt), deed);
        }
    }

    #[test]
    fn what_only_looks_like_an_order_is_talk() {
        for prompt in [
            "",
            "echo",
            "say hello",
            "flood 201",
            "later",
            "later x y",
            "say 99999999999",
            "say 9 characters in no texts",
            "slow -1",
            "error 418",
            "running late",
            "crash it",
        ] {
            assert_eq!(Deed::of(prompt), Deed::Chat(prompt.to_owned()));
        }
    }

    #[test]
    fn it_says_exactly_as_many_characters_as_asked() {
        for length in [0, 5, 100, 9000] {
            assert_eq!(say(length).chars().count(), length);
        }
        assert!(say(9000).starts_with(LABEL));
    }
}
