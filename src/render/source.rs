//! A document as text: what is sent where no card is taken, and what a file holds. Pure.

use super::document::{Block, Document, Field};
use super::markdown::fenced;

/// The words of a document as they were written; blocks are kept apart by an empty line. What opens at a touch is not
/// among them, nor are buttons: how to do the same by typing is.
pub(super) fn of(document: &Document) -> String {
    let heading = document.heading.iter().map(|heading| heading.text.clone());
    let blocks = document.blocks.iter().filter_map(block);
    heading.chain(blocks).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The first so many characters of the words of a document.
#[must_use]
pub fn beginning(document: &Document, most: usize) -> String {
    let mut words = of(document);
    if let Some((end, _)) = words.char_indices().nth(most) {
        words.truncate(end);
        words.push('…');
    }
    words
}

/// The words of a block; none of one that text does not show.
pub(super) fn block(block: &Block) -> Option<String> {
    match block {
        Block::Markdown { text }
        | Block::Stream { text }
        | Block::Text { text }
        | Block::Small { text }
        | Block::Typed { text } => Some(text.clone()),
        Block::Code { language, text } => Some(fenced(language, text)),
        Block::Row { text, small, .. } => Some(row(text, small.as_deref())),
        Block::Rule => Some("---".to_owned()),
        Block::Form { fields, .. } => form(fields),
        Block::Fold { .. } | Block::Buttons { .. } => None,
    }
}

/// The words of a row.
pub(super) fn row(text: &str, small: Option<&str>) -> String {
    [Some(text), small].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// The words of a form, with what can be chosen; none when there are none.
pub(super) fn form(fields: &[Field]) -> Option<String> {
    let fields: Vec<String> = fields.iter().filter_map(field).collect();
    (!fields.is_empty()).then(|| fields.join("\n\n"))
}

fn field(field: &Field) -> Option<String> {
    match field {
        Field::Label { text } => Some(text.clone()),
        Field::Choice { options, .. } => {
            let options = options.iter().zip(1..).map(|(option, n)| format!("{n}. {option}"));
            Some(options.collect::<Vec<_>>().join("\n"))
        }
        Field::Words { .. } => None,
    }
}
