//! The beginning of a document whose whole comes as a file.

use crate::render::document::{Block, Document};
use crate::render::{limits, split};
use crate::words::Words;

/// Characters of the words that a document is about.
pub(super) fn length(document: &Document) -> usize {
    let words = document.blocks.iter().filter_map(words);
    words.map(|text| text.chars().count()).sum()
}

/// The document with only the beginning of its words, and with all else.
pub(super) fn of(document: &Document, words: Words) -> Document {
    let mut left = limits::BEGINNING;
    let mut told = false;
    let mut blocks = Vec::new();
    for block in &document.blocks {
        let Some(text) = self::words(block) else {
            blocks.push(short(block));
            continue;
        };
        if left == 0 {
            continue;
        }
        let whole = text.chars().nth(left).is_none();
        let fences = matches!(block, Block::Markdown { .. } | Block::Stream { .. });
        let shown = if whole { text.to_owned() } else { first(text, left, fences) };
        left = if whole { left - text.chars().count() } else { 0 };
        blocks.push(with(block, shown));
        if left == 0 && !told {
            told = true;
            blocks.push(Block::small(words.whole_in_the_file()));
        }
    }
    if !told {
        blocks.push(Block::small(words.whole_in_the_file()));
    }
    Document { blocks, ..document.clone() }
}

/// The words of a block that a document is about, not those that belong below them.
fn words(block: &Block) -> Option<&str> {
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
        | Block::Typed { .. } => None,
    }
}

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
        | Block::Typed { .. } => Block::markdown(text),
    }
}

/// A block that belongs below the words, its own not longer than those.
fn short(block: &Block) -> Block {
    match block {
        Block::Small { text } => Block::small(first(text, limits::BEGINNING, false)),
        Block::Typed { text } => Block::typed(first(text, limits::BEGINNING, false)),
        Block::Row { text, small, buttons } => Block::Row {
            text: first(text, limits::BEGINNING, false),
            small: small.as_ref().map(|small| first(small, limits::BEGINNING, false)),
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

/// The first so many characters of a text, or fewer, so that no line that fits is cut and, if it has fences, none stays
/// open.
pub(super) fn first(text: &str, most: usize, fences: bool) -> String {
    // Enough to see where a line ends.
    let enough = text.char_indices().nth(4 * most).map_or(text.len(), |(at, _)| at);
    match split::parts(&text[..enough], most).first() {
        Some(part) if fences => format!("{}{}{}", part.open, part.body, part.close),
        Some(part) => part.body.to_owned(),
        None => String::new(),
    }
}
