//! Which atoms go on which card.

use std::ops::Range;

use super::{Atom, AtomContent, MARKDOWN_BYTES};

/// What a card has room for, beside its frame.
#[derive(Clone, Copy, Debug)]
pub(in crate::render) struct CardRoom {
    pub(in crate::render) bytes: usize,
    pub(in crate::render) elements: usize,
}

/// What atoms take on one card, one below the other.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::render) struct UsedRoom {
    bytes: usize,
    elements: usize,
    /// Whether the last ones are words that the next words join.
    run: bool,
}

impl UsedRoom {
    pub(in crate::render) fn with(self, atom: &Atom) -> Self {
        let run = matches!(atom.thing, AtomContent::Piece(_));
        let begins = usize::from(run && !self.run);
        Self {
            bytes: self.bytes + atom.bytes + begins * MARKDOWN_BYTES,
            elements: self.elements + atom.count + begins,
            run,
        }
    }

    pub(in crate::render) fn fits(self, room: CardRoom) -> bool {
        self.bytes <= room.bytes && self.elements <= room.elements
    }
}

/// The atoms that each card holds, in order: as many as find room. One that would find none on any card has one for
/// itself.
pub(in crate::render) fn pack(atoms: &[Atom], room: CardRoom) -> Vec<Range<usize>> {
    let mut cards = Vec::new();
    let (mut start, mut used) = (0, UsedRoom::default());
    let mut at = 0;
    while at < atoms.len() {
        let more = used.with(&atoms[at]);
        if more.fits(room) || at == start {
            used = more;
            at += 1;
            continue;
        }
        // A heading goes where its words go.
        let mut end = at;
        while end > start + 1 && atoms[end - 1].is_heading() {
            end -= 1;
        }
        cards.push(start..end);
        (start, at, used) = (end, end, UsedRoom::default());
    }
    if start < atoms.len() || cards.is_empty() {
        cards.push(start..atoms.len());
    }
    cards
}
