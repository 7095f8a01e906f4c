//! Deciding which atoms go on which card.

use std::ops::Range;

use super::{Atom, AtomContent, MARKDOWN_BYTES};

/// What fits on a card beside its frame.
#[derive(Clone, Copy, Debug)]
pub(in crate::render) struct CardCapacity {
    pub(in crate::render) bytes: usize,
    pub(in crate::render) elements: usize,
}

/// What the atoms on a card use so far.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::render) struct CardUsage {
    bytes: usize,
    elements: usize,
    /// Whether the last atom is a piece of Markdown, so that a further piece joins its element.
    run: bool,
}

impl CardUsage {
    pub(in crate::render) fn with(self, atom: &Atom) -> Self {
        let run = matches!(atom.content, AtomContent::Piece(_));
        let begins = usize::from(run && !self.run);
        Self {
            bytes: self.bytes + atom.bytes + begins * MARKDOWN_BYTES,
            elements: self.elements + atom.count + begins,
            run,
        }
    }

    pub(in crate::render) fn fits(self, room: CardCapacity) -> bool {
        self.bytes <= room.bytes && self.elements <= room.elements
    }
}

/// The atoms of each card, in order. Each card takes as many as fit; an atom that fits on no card gets one to itself.
pub(in crate::render) fn pack(atoms: &[Atom], room: CardCapacity) -> Vec<Range<usize>> {
    let mut cards = Vec::new();
    let (mut start, mut used) = (0, CardUsage::default());
    let mut at = 0;
    while at < atoms.len() {
        let more = used.with(&atoms[at]);
        if more.fits(room) || at == start {
            used = more;
            at += 1;
            continue;
        }
        // A heading stays with the text below it.
        let mut end = at;
        while end > start + 1 && atoms[end - 1].is_heading() {
            end -= 1;
        }
        cards.push(start..end);
        (start, at, used) = (end, end, CardUsage::default());
    }
    if start < atoms.len() || cards.is_empty() {
        cards.push(start..atoms.len());
    }
    cards
}
