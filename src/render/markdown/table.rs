//! Tables: in Feishu's dialect, or as aligned columns of code where a card has too many.

use pulldown_cmark::Alignment;
use unicode_width::UnicodeWidthStr as _;

use super::InlineToken;
use super::write::{LineSyntax, plain};

/// A table. The first row is the header.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::render) struct Table {
    pub(super) columns: Vec<Alignment>,
    pub(super) rows: Vec<Vec<Vec<InlineToken>>>,
}

/// Characters up to which a column of code is aligned. A wider cell sticks out.
const MAX_ALIGNED_WIDTH: usize = 40;

impl Table {
    /// Writes the table in Feishu's dialect.
    pub(super) fn write(&self, out: &mut String) {
        for (at, row) in self.rows.iter().enumerate() {
            out.push_str(if at == 0 { "|" } else { "\n|" });
            for cell in row {
                out.push(' ');
                LineSyntax::in_table().write(cell, out);
                out.push_str(" |");
            }
            if at == 0 {
                out.push_str("\n|");
                for column in &self.columns {
                    out.push_str(match column {
                        Alignment::None => " --- |",
                        Alignment::Left => " :-- |",
                        Alignment::Center => " :-: |",
                        Alignment::Right => " --: |",
                    });
                }
            }
        }
    }

    /// The table as text with aligned columns.
    pub(super) fn aligned(&self) -> String {
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.width()).max().unwrap_or(0).min(MAX_ALIGNED_WIDTH)
            })
            .collect();
        let mut lines = Vec::new();
        for row in &rows {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()))));
            lines.push(cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned());
        }
        let rule = widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("-|-");
        lines.insert(1.min(lines.len()), rule);
        lines.join("\n")
    }

    /// The tokens of all cells.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &InlineToken> {
        self.rows.iter().flatten().flatten()
    }

    /// An upper bound for the number of `|` it is written with.
    pub(super) fn cells(&self) -> usize {
        self.rows.iter().map(|row| row.len() + 1).sum::<usize>() + self.columns.len() + 1
    }
}

/// Whether no row of a table, as it was written, has more cells than the table has columns. CommonMark would drop the
/// text in them.
pub(super) fn fits(lines: &str, columns: usize) -> bool {
    lines.lines().map(row).all(|row| {
        let row = row.strip_prefix('|').unwrap_or(row);
        cells(row).skip(columns).all(|cell| cell.trim().is_empty())
    })
}

/// A row of a table without what the quotes around it begin its line with.
pub(super) fn row(line: &str) -> &str {
    line.trim_start_matches([' ', '\t', '>']).trim_end()
}

/// The cells of a row, divided at the pipes that are not escaped.
fn cells(row: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    row.split(move |character| {
        let divides = character == '|' && !escaped;
        escaped = character == '\\' && !escaped;
        divides
    })
}
