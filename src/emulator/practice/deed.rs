//! What a prompt makes the practice agent do; pure.

use std::time::Duration;

/// Begins or is part of every answer that was not ordered word for word.
pub(super) const LABEL: &str = "(practice agent, not Claude)";

/// A prompt, understood by its first word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PracticeDeed {
    /// `echo TEXT`: the text word for word.
    Echo(String),
    /// `say N characters`, or `say N characters in M texts`: an answer of N characters, in numbered lines.
    Say { length: usize, texts: usize },
    /// `slow S`: an answer after S seconds.
    Slow(Duration),
    /// `stamp`: when it had read the prompt, and when it begins to write the answer; see [`super::texts::stamp`].
    Stamp,
    /// `hang`: no answer, and no reaction to an interrupt.
    Hang,
    /// `run COMMAND`: asks, then runs it in a shell.
    Run(String),
    /// `ask30`: asks so often in one turn, each time for another command.
    AskOften(usize),
    /// `stream N words`, or `stream N words in S`: N words as deltas, spread over S seconds.
    Stream { words: usize, time: Duration },
    /// `work N`, `work N BYTES`, `work N BYTES in S`: N tool uses with results of BYTES bytes, spread over S seconds.
    Work { times: usize, bytes: usize, time: Duration },
    /// `write FILE TEXT`: asks, then writes it.
    WriteFile { file: String, text: String },
    /// `edit FILE OLD -> NEW`: asks, then puts the new text in the place of the old one; `edit` alone takes a file of
    /// its own.
    Edit(Option<[String; 3]>),
    /// `fetch URL`: asks for a page.
    Fetch(String),
    /// `ask`: a question with a few answers; `ask many`: several, of all kinds.
    Ask { many: bool },
    /// `plan`: a plan to approve or to send back.
    Plan,
    /// `remember TEXT`: keeps the text in the session's file.
    Remember(String),
    /// `recall`: says what was remembered, which shows that the session was resumed.
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
    /// `flood N`: a line of N megabytes, and then an answer.
    Flood(usize),
    /// `compact`: the conversation is summarised, and then an answer comes.
    Compact,
    /// `later S TEXT`: after S seconds it begins a turn by itself and says the text.
    Later(Duration, String),
    /// `error 401`, `error 429`, `error overloaded`.
    Fail(SimulatedFailure),
    /// Anything else is echoed.
    Chat(String),
}

/// A failure as Claude Code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SimulatedFailure {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) words: &'static str,
}

const FAILURES: [(&str, SimulatedFailure); 3] = [
    (
        "401",
        SimulatedFailure {
            status: 401,
            kind: "authentication_failed",
            words: "Failed to authenticate. API Error: 401",
        },
    ),
    (
        "429",
        SimulatedFailure {
            status: 429,
            kind: "rate_limit",
            words: "You've hit your 5-hour limit · resets 5:10pm (UTC) (practice agent, not Claude)",
        },
    ),
    (
        "overloaded",
        SimulatedFailure { status: 529, kind: "server_error", words: "API Error: 529 Overloaded" },
    ),
];

/// More would only fill a disk.
const MAX_CHARACTERS: usize = 64_000_000;
const MAX_TEXTS: usize = 10_000;
const MAX_MEGABYTES: usize = 200;
const MAX_WORDS: usize = 100_000;
const MAX_TOOLS: usize = 100_000;
const MAX_RESULT_BYTES: usize = 1_000_000;
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// What a tool of `work` says.
const FEW_BYTES: usize = 200;
/// Permission requests that the prompt `ask30` makes in one turn.
const OFTEN: usize = 30;

impl PracticeDeed {
    pub(super) fn of(prompt: &str) -> Self {
        let chat = || Self::Chat(prompt.to_owned());
        let (word, rest) = prompt.split_once([' ', '\n']).unwrap_or((prompt, ""));
        match (word, rest.trim()) {
            ("echo", _) if !rest.is_empty() => Self::Echo(rest.to_owned()),
            ("say", rest) => {
                let mut words = rest.split_whitespace().step_by(3).map(str::parse);
                let (length, texts) = (words.next().and_then(Result::ok), words.next());
                match (length, texts.unwrap_or(Ok(1))) {
                    (Some(length), Ok(texts @ 1..=MAX_TEXTS)) if length <= MAX_CHARACTERS => {
                        Self::Say { length, texts }
                    }
                    (_, _) => chat(),
                }
            }
            ("slow", rest) => {
                let time = rest.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                time.map_or_else(chat, Self::Slow)
            }
            ("stamp", "") => Self::Stamp,
            ("hang", "") => Self::Hang,
            ("run", rest) if !rest.is_empty() => Self::Run(rest.to_owned()),
            ("ask30", "") => Self::AskOften(OFTEN),
            ("stream", rest) => stream(rest).unwrap_or_else(chat),
            ("work", rest) => work(rest).unwrap_or_else(chat),
            ("write", rest) => match rest.split_once(char::is_whitespace) {
                Some((file, text)) => Self::WriteFile { file: file.to_owned(), text: text.to_owned() },
                None => chat(),
            },
            ("edit", "") => Self::Edit(None),
            ("edit", rest) => edit(rest).unwrap_or_else(chat),
            ("fetch", url) if url.starts_with("http://") || url.starts_with("https://") => {
                Self::Fetch(url.to_owned())
            }
            ("ask", "") => Self::Ask { many: false },
            ("ask", "many") => Self::Ask { many: true },
            ("plan", "") => Self::Plan,
            ("remember", rest) if !rest.is_empty() => Self::Remember(rest.to_owned()),
            ("recall", "") => Self::Recall,
            ("crash", "") => Self::Crash,
            ("quit", "") => Self::Quit,
            ("mute", "") => Self::Mute,
            ("garbage", "") => Self::Garbage,
            ("babble", "") => Self::Babble,
            ("flood", rest) => {
                let megabytes = rest.parse().ok().filter(|&megabytes| megabytes <= MAX_MEGABYTES);
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

/// `N words [in S]`
fn stream(rest: &str) -> Option<PracticeDeed> {
    let (count, rest) = rest.split_once(' ')?;
    let words = count.parse().ok().filter(|&words| words <= MAX_WORDS)?;
    let time = time(rest.trim().strip_prefix("words")?)?;
    Some(PracticeDeed::Stream { words, time })
}

/// `N [BYTES] [in S]`
fn work(rest: &str) -> Option<PracticeDeed> {
    let (numbers, seconds) = rest.split_at(rest.find("in").unwrap_or(rest.len()));
    let mut numbers = numbers.split_whitespace().map(str::parse);
    let times = numbers.next()?.ok().filter(|&times| times <= MAX_TOOLS)?;
    let bytes = numbers.next().unwrap_or(Ok(FEW_BYTES)).ok().filter(|&bytes| bytes <= MAX_RESULT_BYTES)?;
    (numbers.next().is_none()).then_some(PracticeDeed::Work { times, bytes, time: time(seconds)? })
}

/// Nothing, or `in S`.
fn time(rest: &str) -> Option<Duration> {
    if rest.trim().is_empty() {
        return Some(Duration::ZERO);
    }
    let seconds = rest.trim().strip_prefix("in ")?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|&time| time <= LONGEST)
}

/// `FILE OLD -> NEW`
fn edit(rest: &str) -> Option<PracticeDeed> {
    let (file, change) = rest.split_once(' ')?;
    let (old, new) = change.split_once(" -> ")?;
    Some(PracticeDeed::Edit(Some([file, old, new].map(str::to_owned))))
}

fn later(rest: &str) -> Option<PracticeDeed> {
    let (seconds, text) = rest.split_once(' ')?;
    let time = Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    Some(PracticeDeed::Later(time, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_understood_by_its_first_word() {
        let table = [
            ("echo  two\nlines ", PracticeDeed::Echo(" two\nlines ".to_owned())),
            ("say 9000 characters", PracticeDeed::Say { length: 9000, texts: 1 }),
            ("say 9000 characters in 3 texts", PracticeDeed::Say { length: 9000, texts: 3 }),
            ("slow 1.5", PracticeDeed::Slow(Duration::from_millis(1500))),
            ("stamp", PracticeDeed::Stamp),
            ("hang", PracticeDeed::Hang),
            ("run ls -l", PracticeDeed::Run("ls -l".to_owned())),
            ("ask30", PracticeDeed::AskOften(30)),
            ("stream 9 words", PracticeDeed::Stream { words: 9, time: Duration::ZERO }),
            ("stream 90 words in 1.5", PracticeDeed::Stream { words: 90, time: Duration::from_millis(1500) }),
            ("work 5", PracticeDeed::Work { times: 5, bytes: 200, time: Duration::ZERO }),
            (
                "work 500 4096 in 2",
                PracticeDeed::Work { times: 500, bytes: 4096, time: Duration::from_secs(2) },
            ),
            (
                "write a.txt two  words",
                PracticeDeed::WriteFile { file: "a.txt".to_owned(), text: "two  words".to_owned() },
            ),
            ("edit", PracticeDeed::Edit(None)),
            (
                "edit a.rs x = 1 -> x = 2",
                PracticeDeed::Edit(Some(["a.rs", "x = 1", "x = 2"].map(str::to_owned))),
            ),
            ("fetch https://a.example/b", PracticeDeed::Fetch("https://a.example/b".to_owned())),
            ("ask", PracticeDeed::Ask { many: false }),
            ("ask many", PracticeDeed::Ask { many: true }),
            ("plan", PracticeDeed::Plan),
            ("remember blue", PracticeDeed::Remember("blue".to_owned())),
            ("recall", PracticeDeed::Recall),
            ("crash", PracticeDeed::Crash),
            ("quit", PracticeDeed::Quit),
            ("mute", PracticeDeed::Mute),
            ("garbage", PracticeDeed::Garbage),
            ("babble", PracticeDeed::Babble),
            ("flood 50", PracticeDeed::Flood(50)),
            ("compact", PracticeDeed::Compact),
            ("later 0.5 two words", PracticeDeed::Later(Duration::from_millis(500), "two words".to_owned())),
            ("error 429", PracticeDeed::Fail(FAILURES[1].1)),
        ];
        for (prompt, deed) in table {
            assert_eq!(PracticeDeed::of(prompt), deed);
        }
    }

    #[test]
    fn what_only_looks_like_an_order_is_talk() {
        for prompt in [
            "",
            "echo",
            "say hello",
            "flood 201",
            "stream of words",
            "stream 9 words at once",
            "work hard",
            "work 5 in no time",
            "work 5 5 5",
            "write",
            "edit this",
            "fetch it",
            "ask him",
            "planes",
            "later",
            "later x y",
            "say 99999999999",
            "say 9 characters in no texts",
            "slow -1",
            "error 418",
            "running late",
            "crash it",
        ] {
            assert_eq!(PracticeDeed::of(prompt), PracticeDeed::Chat(prompt.to_owned()));
        }
    }
}
