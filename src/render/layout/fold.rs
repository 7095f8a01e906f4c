//! What opens at a touch.

use super::pack::{CardRoom, UsedRoom};
use super::{CardLayout, Detail};
use crate::render::card::{self, CardElement};
use crate::render::document::{Block, Document};
use crate::render::limits;

/// A panel with as much in it as a part of a card has room for; none when there is nothing in it. Forms are not: Feishu
/// takes none there. One in another is shown open.
pub(super) fn panel(title: &str, blocks: &[Block], group: bool) -> Option<CardElement> {
    let document = Document { blocks: flat(blocks), group, ..Document::default() };
    let layout = CardLayout::of(&document, false);
    let room = CardRoom { bytes: limits::FOLD_BYTES, elements: limits::FOLD_ELEMENTS };
    let small = layout.small(&layout.atoms);
    let mut used = UsedRoom::default();
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
            | Block::Typed { .. } => out.push(block.clone()),
        }
    }
    out
}
