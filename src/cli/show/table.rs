//! Tables that fit the terminal.

use unicode_width::UnicodeWidthChar as _;

use super::{Colour, Style, width};

const GAP: usize = 2;

/// Which part of a text is kept if there is no room for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TruncatedEnd {
    /// All of it: the column is never narrowed.
    All,
    /// Its beginning; holds the minimum number of columns.
    Beginning(usize),
    /// Its end; holds the minimum number of columns.
    End(usize),
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// The text in the first row.
    pub(crate) title: &'static str,
    /// What is kept of it on a narrow terminal.
    pub(crate) keep: TruncatedEnd,
}

/// A cell of a table. Its text is one line and safe ([`super::plain`]).
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// One line of text.
    pub(crate) text: String,
    /// The style that it is shown in.
    pub(crate) style: Style,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, style: Style::Plain }
    }
}

/// The lines of a table: the titles, then the rows. If the width of the terminal is given, no line is wider: columns are
/// narrowed as far as they may be, the widest first, and then whole lines are cut.
#[must_use]
pub(crate) fn table<const N: usize>(
    columns: [Column; N],
    rows: &[[Cell; N]],
    columns_of_terminal: Option<usize>,
    colour: Colour,
) -> Vec<String> {
    let titles = columns.map(|column| Cell { text: column.title.to_owned(), style: Style::Faint });
    let mut widths = columns.map(|column| width(column.title));
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(&cell.text));
        }
    }
    let room = columns_of_terminal.unwrap_or(usize::MAX);
    while widths.iter().sum::<usize>() + GAP * (N - 1) > room {
        let narrowable = widths.iter_mut().zip(columns).filter(|(width, column)| match column.keep {
            TruncatedEnd::All => false,
            TruncatedEnd::Beginning(least) | TruncatedEnd::End(least) => {
                **width > least.max(column.title.len())
            }
        });
        let Some((widest, _)) = narrowable.max_by_key(|(width, _)| **width) else { break };
        *widest -= 1;
    }
    std::iter::once(&titles).chain(rows).map(|row| line(columns, row, widths, room, colour)).collect()
}

fn line<const N: usize>(
    columns: [Column; N],
    row: &[Cell; N],
    widths: [usize; N],
    room: usize,
    colour: Colour,
) -> String {
    let mut line = String::new();
    // Spaces are written only when more text follows, so that no line ends with spaces.
    let (mut taken, mut owed) = (0, 0);
    for ((cell, column), wanted) in row.iter().zip(columns).zip(widths) {
        let left = room.saturating_sub(taken + owed).min(wanted);
        let text = match column.keep {
            TruncatedEnd::All | TruncatedEnd::Beginning(_) => beginning(&cell.text, left),
            TruncatedEnd::End(_) => end(&cell.text, left),
        };
        let used = width(&text);
        if used > 0 {
            line.extend(std::iter::repeat_n(' ', owed));
            line.push_str(&colour.paint(cell.style, &text));
            taken += owed + used;
            owed = 0;
        }
        owed += wanted.saturating_sub(used) + GAP;
    }
    line
}

/// As much of the beginning as fits into the columns, with `…` if something is left out.
fn beginning(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let mut shown = fitting(text.chars(), room);
    shown.push('…');
    shown
}

/// As much of the end as fits into the columns, with `…` if something is left out.
fn end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let reversed = fitting(text.chars().rev(), room);
    std::iter::once('…').chain(reversed.chars().rev()).collect()
}

fn fitting(text: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    text.take_while(|c| {
        let fits = left.checked_sub(c.width().unwrap_or(0));
        left = fits.unwrap_or(0);
        fits.is_some()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "NO", keep: TruncatedEnd::All },
        Column { title: "PROJECT", keep: TruncatedEnd::End(8) },
        Column { title: "STATE", keep: TruncatedEnd::All },
    ];

    fn rows() -> [[Cell; 3]; 2] {
        [["1", "网店/前端", "ready"], ["12", "a/long/way/to/the/shop", ""]]
            .map(|row| row.map(|text| Cell::from(text.to_owned())))
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let shown: Vec<String> = [None, Some(30), Some(20), Some(9), Some(0)]
            .into_iter()
            .map(|columns| {
                let lines = table(COLUMNS, &rows(), columns, Colour::Off);
                assert!(lines.iter().all(|line| width(line) <= columns.unwrap_or(usize::MAX)), "{lines:#?}");
                lines.join("\n")
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n--\n"), @r"
        NO  PROJECT                 STATE
        1   网店/前端               ready
        12  a/long/way/to/the/shop
        --
        NO  PROJECT              STATE
        1   网店/前端            ready
        12  …ng/way/to/the/shop
        --
        NO  PROJECT    STATE
        1   网店/前端  ready
        12  …the/shop
        --
        NO  …JECT
        1   …前端
        12  …shop
        --
        ");
    }

    #[test]
    fn colours_take_no_columns() {
        let row = [
            Cell { text: "1".into(), style: Style::Strong },
            Cell { text: "shop".into(), style: Style::Plain },
            Cell { text: "ready".into(), style: Style::Good },
        ];
        let lines = table(COLUMNS, &[row], Some(40), Colour::On);
        assert_eq!(lines[1], "\x1b[1m1\x1b[0m   shop     \x1b[32mready\x1b[0m");
    }
}
