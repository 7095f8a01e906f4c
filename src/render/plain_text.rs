//! A document as plain text: for text messages, for files, and for places that show only its first words. Pure.

use super::document::{Block, Document, Field};
use super::fence::fenced;
use crate::graphemes;

/// The text of a document, as it was written, with an empty line between blocks. Folds and buttons are left out; the
/// sentence that says how to do the same by typing is kept.
pub(super) fn of(document: &Document) -> String {
    let heading = document.heading.iter().map(|heading| heading.text.clone());
    let blocks = document.blocks.iter().filter_map(block);
    heading.chain(blocks).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The first `max_chars` characters of the text of a document, with an ellipsis if there are more.
#[must_use]
pub(crate) fn beginning(document: &Document, max_chars: usize) -> String {
    let text = of(document);
    match graphemes::first_chars(&text, max_chars) {
        (_, true) => text,
        (beginning, false) => format!("{beginning}…"),
    }
}

/// The text of a block. `None` for a block that plain text does not show.
pub(super) fn block(block: &Block) -> Option<String> {
    match block {
        Block::Markdown { text }
        | Block::Stream { text }
        | Block::Text { text }
        | Block::Small { text }
        | Block::TypedHint { text } => Some(text.clone()),
        Block::Code { language, text } => Some(fenced(language, text)),
        Block::Row { text, small, .. } => Some(row(text, small.as_deref())),
        Block::Rule => Some("---".to_owned()),
        Block::Form { fields, .. } => form(fields),
        Block::Fold { .. } | Block::Buttons { .. } => None,
    }
}

/// The two texts of a row, one below the other.
pub(super) fn row(text: &str, small: Option<&str>) -> String {
    [Some(text), small].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// The labels of a form and its numbered options. `None` if it has neither.
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
        Field::Input { .. } => None,
    }
}
