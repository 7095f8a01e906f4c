//! The blocks of a document as elements of a card. Pure.

use super::card::{self, Element, Names};
use super::document::Block;
use super::markdown;

/// How much of a document a card shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// All of it.
    Whole,
    /// What cannot be spared: nothing that opens at a touch, no tables.
    Reduced,
}

/// The elements of some blocks, from top to bottom.
pub(super) fn elements(blocks: &[Block], group: bool, detail: Detail, names: &mut Names) -> Vec<Element> {
    let mut elements = Vec::new();
    for block in blocks {
        match block {
            Block::Markdown { text } => elements.push(card::markdown(&markdown::translate(text), 0)),
            Block::Stream { text } => elements.push(card::stream(&markdown::translate(text), 0)),
            Block::Text { text } => elements.push(card::plain(text)),
            Block::Small { text } => elements.push(card::small(text)),
            Block::Code { language, text } => elements.push(card::code(language, text)),
            Block::Fold { title, blocks } if detail == Detail::Whole => {
                let inside = self::elements(blocks, group, detail, names);
                elements.extend(card::panel(title, &inside));
            }
            Block::Fold { .. } => {}
            Block::Rule => elements.push(card::rule()),
            Block::Row { text, small, buttons } => {
                elements.extend(card::row(text, small.as_deref(), buttons, group));
            }
            Block::Buttons { buttons } => elements.extend(card::button_row(buttons, group)),
            Block::Form { fields, buttons } => {
                elements.extend(names.form(fields, buttons, group, true));
            }
            Block::Typed { text } => elements.push(card::hint(text)),
        }
    }
    elements
}
