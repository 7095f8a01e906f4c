//! Snapshots of a card that changes while a turn runs: always one card, however much there is to show.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::graphemes;
use crate::render::card::{self, CardElement, CardFrame};
use crate::render::document::{Block, Document};
use crate::render::fence::Fence;
use crate::render::layout::{CardLayout, Detail};
use crate::render::limits;
use crate::words::Words;

/// The `element_id` of the element whose text Feishu types out.
pub(crate) const STREAM: &str = "stream";

/// One state of a card that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardSnapshot {
    /// The card as JSON of schema 2.0, always within Feishu's limits.
    pub card: String,
    /// The text of the element [`STREAM`]. `None` if the card has no such element.
    pub stream: Option<String>,
    /// A hash of everything else. If two snapshots have the same, only the streamed text differs.
    pub shape: u64,
}

/// A document as one card, whatever its length; of a long text, the end is shown. `streaming` is for a card entity, whose
/// text Feishu can type out; an inline card cannot.
#[must_use]
pub fn snapshot(document: &Document, words: Words, streaming: bool) -> CardSnapshot {
    let frame = CardFrame {
        heading: document.heading.as_ref(),
        preview: document.preview.as_deref(),
        streaming,
        ..CardFrame::default()
    };
    let lay_out = |max_bytes| {
        let blocks = document.blocks.iter().map(|block| ending(block, max_bytes)).collect();
        CardLayout::of(&Document { blocks, group: document.group, ..Document::default() }, true)
    };
    let mut max_bytes = limits::SNAPSHOT_TEXT_BYTES;
    let mut layout = lay_out(max_bytes);
    while max_bytes > MIN_TEXT_BYTES && !fits(&frame, &layout.elements(&layout.atoms, Detail::Whole)) {
        max_bytes /= 2;
        layout = lay_out(max_bytes);
    }
    let mut elements = layout.elements(&layout.atoms, Detail::Whole);
    if !fits(&frame, &elements) {
        elements = fitting(&frame, layout.elements(&layout.atoms, Detail::Reduced), words);
    }
    let stream = elements.iter().find(|element| element.streamed().is_some());
    let mut hasher = DefaultHasher::new();
    frame.around([]).hash(&mut hasher);
    for element in &elements {
        // Of the streamed element, only its presence counts.
        element.streamed().map_or(element.json(), |_| STREAM).hash(&mut hasher);
    }
    CardSnapshot {
        card: frame.around(&elements),
        stream: stream.and_then(CardElement::streamed).map(str::to_owned),
        shape: hasher.finish(),
    }
}

/// Bytes of each text below which showing less would not help.
const MIN_TEXT_BYTES: usize = 200;

fn fits(frame: &CardFrame<'_>, elements: &[CardElement]) -> bool {
    let total = |what: fn(&CardElement) -> usize| elements.iter().map(what).sum::<usize>();
    frame.bytes() + total(CardElement::bytes) <= limits::MAX_CARD_BYTES
        && total(CardElement::count) <= limits::MAX_CARD_ELEMENTS
        && total(CardElement::tables) <= limits::MAX_CARD_TABLES
}

/// As many of the last elements as fit, with a note that there is more above.
fn fitting(frame: &CardFrame<'_>, elements: Vec<CardElement>, words: Words) -> Vec<CardElement> {
    let mut kept = vec![card::small(&words.more_above())];
    let at = kept.len();
    for element in elements.into_iter().rev() {
        kept.insert(at, element);
        if !fits(frame, &kept) {
            kept.remove(at);
            break;
        }
    }
    kept
}

/// The block with only the end of its text if that is long.
fn ending(block: &Block, max_bytes: usize) -> Block {
    match block {
        Block::Markdown { text } => Block::Markdown { text: markdown_end(text, max_bytes) },
        Block::Stream { text } => {
            Block::Stream { text: markdown_end(without_possible_underline(text), max_bytes) }
        }
        Block::Text { text } => Block::Text { text: end(text, max_bytes) },
        Block::Small { text } => Block::Small { text: end(text, max_bytes) },
        Block::TypedHint { text } => Block::TypedHint { text: end(text, max_bytes) },
        Block::Code { language, text } => {
            Block::Code { language: language.clone(), text: end(text, max_bytes) }
        }
        Block::Fold { title, blocks } => Block::Fold {
            title: title.clone(),
            blocks: blocks.iter().map(|block| ending(block, max_bytes)).collect(),
        },
        Block::Row { text, small, buttons } => Block::Row {
            text: end(text, max_bytes),
            small: small.as_ref().map(|small| end(small, max_bytes)),
            buttons: buttons.clone(),
        },
        Block::Rule | Block::Buttons { .. } | Block::Form { .. } => block.clone(),
    }
}

/// The text without its last line if that would make the line before a heading: it may become a list item.
fn without_possible_underline(text: &str) -> &str {
    match text.rsplit_once('\n') {
        Some((before, last)) if last.bytes().all(|byte| matches!(byte, b'-' | b'=' | b' ')) => before,
        Some(_) | None => text,
    }
}

/// An ellipsis and the end of a text, from [`end_start`].
fn end(text: &str, max_bytes: usize) -> String {
    match end_start(text, max_bytes) {
        0 => text.to_owned(),
        from => format!("…\n{}", &text[from..]),
    }
}

/// The same for Markdown: if a code block is cut, its fence is opened again.
fn markdown_end(text: &str, max_bytes: usize) -> String {
    let from = end_start(text, max_bytes);
    if from == 0 {
        return text.to_owned();
    }
    let mut fence: Option<Fence> = None;
    for line in text[..from].split_inclusive('\n') {
        fence = match fence {
            Some(fence) if fence.is_closed_by(line) => None,
            Some(fence) => Some(fence),
            None => Fence::opened_by(line, limits::MAX_HEADING_CHARS),
        };
    }
    let open = fence.map_or_else(String::new, |fence| fence.open);
    format!("…\n\n{open}{}", &text[from..])
}

/// Where the shown end of a text starts if at most `max_bytes` bytes fit: at the beginning of a line if one is near. It
/// moves in large steps, so that the shown text of a growing text mostly just grows too.
fn end_start(text: &str, max_bytes: usize) -> usize {
    if text.len() <= max_bytes {
        return 0;
    }
    let step = (max_bytes / 2).max(1);
    let least = ((text.len() - max_bytes).div_ceil(step) * step).min(text.len());
    let from = graphemes::ceil(text, least);
    let line = text[from..].find('\n').filter(|at| *at < step / 2);
    line.map_or(from, |at| from + at + 1)
}

/// The card that stays behind when its text had to be sent as messages of their own.
#[must_use]
pub(crate) fn words_below_card(words: Words) -> String {
    CardFrame::default().around(&[card::small(&words.text_below())])
}
