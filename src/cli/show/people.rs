//! The table of people who may talk to the bot.

use jiff::tz::TimeZone;

use super::{Cell, Colour, Column, Style, TruncatedEnd, plain, table};
use crate::control::wire::{AllowSource, Person};

const COLUMNS: [Column; 4] = [
    Column { title: "OPEN_ID", keep: TruncatedEnd::Beginning(12) },
    Column { title: "LET IN BY", keep: TruncatedEnd::Beginning(12) },
    Column { title: "AT", keep: TruncatedEnd::All },
    Column { title: "WHO DID IT", keep: TruncatedEnd::Beginning(10) },
];

/// The people who may talk to the bot, as a table.
#[must_use]
pub(crate) fn people(
    people: &[Person],
    zone: &TimeZone,
    columns: Option<usize>,
    colour: Colour,
) -> Vec<String> {
    let rows: Vec<_> = people
        .iter()
        .map(|person| {
            let source = match person.source {
                AllowSource::Keyring => "ALLOWED_OPEN_IDS",
                AllowSource::Operator => "phonework allow",
            };
            let at = person.at.map(|at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
            [
                Cell { text: plain(person.open_id.as_str()), style: Style::Strong },
                source.to_owned().into(),
                at.unwrap_or_else(|| "-".to_owned()).into(),
                person.by.as_deref().map_or_else(|| "-".to_owned(), plain).into(),
            ]
        })
        .collect();
    table(COLUMNS, &rows, columns, colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_listed_with_how_they_were_allowed() {
        let keyring = Person { open_id: "ou_anna".into(), source: AllowSource::Keyring, at: None, by: None };
        let operator = Person {
            open_id: "ou_ming".into(),
            source: AllowSource::Operator,
            at: Some(jiff::Timestamp::from_second(1_790_000_000).unwrap()),
            by: Some("root\x1b[2J".to_owned()),
        };
        let lines = people(&[keyring, operator], &TimeZone::UTC, Some(80), Colour::Off);
        insta::assert_snapshot!(lines.join("\n"), @r"
        OPEN_ID  LET IN BY         AT                WHO DID IT
        ou_anna  ALLOWED_OPEN_IDS  -                 -
        ou_ming  phonework allow   2026-09-21 14:13  root\u{1b}[2J
        ");
    }
}
