//! Every sentence that the bot itself says in a chat, in each language. What Claude says is never touched.

use std::time::Duration;

use crate::language::Language;

mod buttons;
mod card;
mod command;
mod ladder;
mod mail;
mod press;
mod request;
mod sessions;
mod trouble;
mod turn;
mod waiting;

/// The sentences in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(pub Language);

/// `say!(self, "English", "中文")`, with what `format!` takes.
macro_rules! say {
    ($self:ident, $en:literal, $zh:literal) => {
        match $self.0 {
            Language::En => format!($en),
            Language::Zh => format!($zh),
        }
    };
}

pub(crate) use say;

/// A time in a person's words: `90s`, `10m`, `2h`.
#[must_use]
pub fn short(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// What something has cost in US dollars, if it is worth telling.
#[must_use]
pub fn dollars(cost_usd: f64) -> Option<String> {
    (cost_usd >= 0.000_05).then(|| format!("${cost_usd:.4}"))
}

/// A long time without what nobody asks for: whole minutes, or whole hours.
fn rounded(time: Duration) -> Duration {
    let unit = match time.as_secs() {
        0..600 => 1,
        600..36_000 => 60,
        _ => 3600,
    };
    Duration::from_secs(time.as_secs() / unit * unit)
}

/// The beginning of a text, so that its writer knows which one is meant.
pub(crate) fn beginning(text: &str) -> String {
    const LENGTH: usize = 60;
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > LENGTH {
        line = line.chars().take(LENGTH - 1).collect();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let of = |seconds| short(Duration::from_secs(seconds));
        assert_eq!(
            (of(5), of(90), of(600), of(7200)),
            ("5s".into(), "90s".into(), "10m".into(), "2h".into())
        );
    }

    #[test]
    fn what_a_short_turn_costs_is_not_rounded_to_nothing() {
        let told = [0.0042, 12.3, 0.000_05, 0.000_049, 0.0].map(dollars);
        let shown = ["$0.0042", "$12.3000", "$0.0001"].map(|cost| Some(cost.to_owned()));
        assert_eq!(told[..3], shown);
        assert_eq!(told[3..], [None, None]);
    }

    #[test]
    fn a_long_prompt_is_named_by_its_beginning() {
        let notice = Words(Language::En).cut_by_crash(&"word\n".repeat(100));
        insta::assert_snapshot!(notice, @"⚠️ phonework was interrupted while this ran: “word word word word word word word word word word word word…”. What it did so far stands; /retry runs it again.");
    }
}
