//! Folds: panels that the reader can open.

use super::pack::{CardCapacity, CardUsage};
use super::{CardLayout, Detail};
use crate::render::card::{self, CardElement};
use crate::render::document::{Block, Document};
use crate::render::limits;

/// A panel with as much content as fits. `None` if it has no content. Forms are left out, as Feishu refuses them inside a
/// panel; a panel inside a panel is shown open.
pub(super) fn panel(title: &str, blocks: &[Block], group: bool) -> Option<CardElement> {
    let document = Document { blocks: flat(blocks), group, ..Document::default() };
    let layout = CardLayout::of(&document, false);
    let room = CardCapacity { bytes: limits::MAX_FOLD_BYTES, elements: limits::MAX_FOLD_ELEMENTS };
    let small = layout.small(&layout.atoms);
    let mut used = CardUsage::default();
    let fitting = small.atoms.iter().take_while(|atom| {
        used = used.with(atom);
        used.fits(room)
    });
    let kept = fitting.count();
    let mut elements = small.elements(&small.atoms[..kept], Detail::Reduced);
    if kept < small.atoms.len() {
        elements.push(card::small("…"));
    }
    card::panel(title, &elements)
}

/// The blocks without forms, and with nested folds opened.
fn flat(blocks: &[Block]) -> Vec<Block> {
    let mut out = Vec::new();
    let mut left: Vec<&Block> = blocks.iter().rev().collect();
    while let Some(block) = left.pop() {
        match block {
            Block::Fold { title, blocks } => {
                out.push(Block::text(title.as_str()));
                left.extend(blocks.iter().rev());
            }
            Block::Form { .. } => {}
            Block::Markdown { .. }
            | Block::Stream { .. }
            | Block::Text { .. }
            | Block::Small { .. }
            | Block::Code { .. }
            | Block::Rule
            | Block::Row { .. }
            | Block::Buttons { .. }
            | Block::TypedHint { .. } => out.push(block.clone()),
        }
    }
    out
}
