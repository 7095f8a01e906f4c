//! The beginning of a document whose full text is sent as a file.

use crate::render::document::{Block, Document};
use crate::render::{limits, split};
use crate::words::Words;

/// Characters of the main text of a document.
pub(super) fn main_text_chars(document: &Document) -> usize {
    let texts = document.blocks.iter().filter_map(main_text);
    texts.map(|text| text.chars().count()).sum()
}

/// The document with only the beginning of its main text, and with everything else.
pub(super) fn of(document: &Document, words: Words) -> Document {
    let mut left = limits::BEGINNING_CHARS;
    let mut has_notice = false;
    let mut blocks = Vec::new();
    for block in &document.blocks {
        let Some(text) = main_text(block) else {
            blocks.push(short(block));
            continue;
        };
        if left == 0 {
            continue;
        }
        let fits = text.chars().nth(left).is_none();
        let fences = matches!(block, Block::Markdown { .. } | Block::Stream { .. });
        let shown = if fits { text.to_owned() } else { first(text, left, fences) };
        left = if fits { left - text.chars().count() } else { 0 };
        blocks.push(with(block, shown));
        if left == 0 && !has_notice {
            has_notice = true;
            blocks.push(Block::small(words.whole_in_the_file()));
        }
    }
    if !has_notice {
        blocks.push(Block::small(words.whole_in_the_file()));
    }
    Document { blocks, ..document.clone() }
}

/// The text of a block that belongs to the main text of a document, not to what is below it.
fn main_text(block: &Block) -> Option<&str> {
    match block {
        Block::Markdown { text }
        | Block::Stream { text }
        | Block::Text { text }
        | Block::Code { text, .. } => Some(text),
        Block::Small { .. }
        | Block::Fold { .. }
        | Block::Rule
        | Block::Row { .. }
        | Block::Buttons { .. }
        | Block::Form { .. }
        | Block::TypedHint { .. } => None,
    }
}

/// The same kind of block with another text.
fn with(block: &Block, text: String) -> Block {
    match block {
        Block::Code { language, .. } => Block::code(language.clone(), text),
        Block::Text { .. } => Block::text(text),
        Block::Markdown { .. }
        | Block::Stream { .. }
        | Block::Small { .. }
        | Block::Fold { .. }
        | Block::Rule
        | Block::Row { .. }
        | Block::Buttons { .. }
        | Block::Form { .. }
        | Block::TypedHint { .. } => Block::markdown(text),
    }
}

/// A block below the main text, shortened if it is longer than the beginning.
fn short(block: &Block) -> Block {
    match block {
        Block::Small { text } => Block::small(first(text, limits::BEGINNING_CHARS, false)),
        Block::TypedHint { text } => Block::typed_hint(first(text, limits::BEGINNING_CHARS, false)),
        Block::Row { text, small, buttons } => Block::Row {
            text: first(text, limits::BEGINNING_CHARS, false),
            small: small.as_ref().map(|small| first(small, limits::BEGINNING_CHARS, false)),
            buttons: buttons.clone(),
        },
        Block::Markdown { .. }
        | Block::Stream { .. }
        | Block::Text { .. }
        | Block::Code { .. }
        | Block::Fold { .. }
        | Block::Rule
        | Block::Buttons { .. }
        | Block::Form { .. } => block.clone(),
    }
}

/// At most `max_chars` characters from the start of a text. Lines that fit are not cut; if `fences` is set, an open fence
/// is closed.
pub(super) fn first(text: &str, max_chars: usize, fences: bool) -> String {
    // Enough to see where the lines end.
    let enough = text.char_indices().nth(4 * max_chars).map_or(text.len(), |(at, _)| at);
    match split::parts(&text[..enough], max_chars).first() {
        Some(part) if fences => format!("{}{}{}", part.open, part.body, part.close),
        Some(part) => part.body.to_owned(),
        None => String::new(),
    }
}
