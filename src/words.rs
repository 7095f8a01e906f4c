//! Every sentence that the bot itself says in a chat, in English and Chinese. What Claude says is never changed.
//!
//! Each sentence is a method of [`Words`]. Sentences with a number or a name in them take it as a parameter.

use std::time::Duration;

use crate::graphemes;
use crate::language::Language;

mod buttons;
mod command;
mod messages;
mod press;
mod request;
mod sessions;
mod trouble;
mod turn;
mod waiting;

/// The sentences in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(pub Language);

/// `say!(self, "English", "中文")`: the string in the language of `self`, formatted as by `format!`.
macro_rules! say {
    ($self:ident, $en:literal, $zh:literal) => {
        match $self.0 {
            Language::En => format!($en),
            Language::Zh => format!($zh),
        }
    };
}

pub(crate) use say;

/// A duration as people write it: `90s`, `10m`, `2h`.
#[must_use]
pub fn short(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// A cost in US dollars. `None` if it rounds to nothing.
#[must_use]
pub(crate) fn dollars(cost_usd: f64) -> Option<String> {
    (cost_usd >= 0.000_05).then(|| format!("${cost_usd:.4}"))
}

/// A long duration rounded down: to minutes from ten minutes on, to hours from ten hours on.
fn rounded(time: Duration) -> Duration {
    let unit = match time.as_secs() {
        0..600 => 1,
        600..36_000 => 60,
        _ => 3600,
    };
    Duration::from_secs(time.as_secs() / unit * unit)
}

/// The first 60 characters of a text in one line, so that its writer can tell which one it is.
pub(crate) fn beginning(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match graphemes::first_chars(&line, MAX_CHARS) {
        (_, true) => line,
        (_, false) => format!("{}…", graphemes::first_chars(&line, MAX_CHARS - 1).0),
    }
}

/// A duration in whole minutes, such as `2 min` or `1 h 5 min`.
fn minutes(words: Words, time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => say!(words, "{minutes} min", "{minutes} 分钟"),
        (hours, minutes) => say!(words, "{hours} h {minutes} min", "{hours} 小时 {minutes} 分钟"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let of = |seconds| short(Duration::from_secs(seconds));
        assert_eq!(
            (of(5), of(90), of(600), of(7200)),
            ("5s".into(), "90s".into(), "10m".into(), "2h".into())
        );
    }

    #[test]
    fn a_small_cost_is_not_rounded_to_nothing() {
        let told = [0.0042, 12.3, 0.000_05, 0.000_049, 0.0].map(dollars);
        let shown = ["$0.0042", "$12.3000", "$0.0001"].map(|cost| Some(cost.to_owned()));
        assert_eq!(told[..3], shown);
        assert_eq!(told[3..], [None, None]);
    }

    #[test]
    fn a_long_prompt_is_named_by_its_beginning() {
        let notice = Words(Language::En).cut_by_crash(&"word\n".repeat(100));
        insta::assert_snapshot!(notice, @"⚠️ phonework was interrupted while this was running: “word word word word word word word word word word word word…”. What was done so far is kept. /retry runs it again.");
    }
}
