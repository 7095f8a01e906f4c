//! Pictures of the stage: one card each, however much there is to show.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::render::card::{self, CardElement, CardFrame};
use crate::render::document::{Block, Document};
use crate::render::layout::{CardLayout, Detail};
use crate::render::limits;
use crate::render::split::fence::Fence;
use crate::words::Words;

/// The `element_id` of the text that is streamed.
pub const STREAM: &str = "stream";

/// A picture as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardSnapshot {
    /// The card: JSON of schema 2.0, never too large for Feishu.
    pub card: String,
    /// What the element [`STREAM`] says; none when there is no such element.
    pub stream: Option<String>,
    /// A hash of all the rest: of two pictures with the same, only the streamed text differs.
    pub shape: u64,
}

/// A document as one card, whatever its length: of long texts the end is shown. `streaming` is for a card entity, whose
/// text Feishu types out; an inline card goes without.
#[must_use]
pub fn moment(document: &Document, words: Words, streaming: bool) -> CardSnapshot {
    let frame = CardFrame {
        heading: document.heading.as_ref(),
        preview: document.preview.as_deref(),
        streaming,
        ..CardFrame::default()
    };
    let of = |most| {
        let blocks = document.blocks.iter().map(|block| ending(block, most)).collect();
        CardLayout::of(&Document { blocks, group: document.group, ..Document::default() }, true)
    };
    let mut most = limits::PICTURE_BYTES;
    let mut layout = of(most);
    while most > LEAST && !fits(&frame, &layout.elements(&layout.atoms, Detail::Whole)) {
        most /= 2;
        layout = of(most);
    }
    let mut elements = layout.elements(&layout.atoms, Detail::Whole);
    if !fits(&frame, &elements) {
        elements = fitting(&frame, layout.elements(&layout.atoms, Detail::Reduced), words);
    }
    let stream = elements.iter().find(|element| element.streamed().is_some());
    let mut hasher = DefaultHasher::new();
    frame.around([]).hash(&mut hasher);
    for element in &elements {
        // Of what is streamed only that it is there.
        element.streamed().map_or(element.json(), |_| STREAM).hash(&mut hasher);
    }
    CardSnapshot {
        card: frame.around(&elements),
        stream: stream.and_then(CardElement::streamed).map(str::to_owned),
        shape: hasher.finish(),
    }
}

/// Bytes of each text below which nothing is gained by showing less of it.
const LEAST: usize = 200;

fn fits(frame: &CardFrame<'_>, elements: &[CardElement]) -> bool {
    let of = |what: fn(&CardElement) -> usize| elements.iter().map(what).sum::<usize>();
    frame.bytes() + of(CardElement::bytes) <= limits::CARD_BYTES
        && of(CardElement::count) <= limits::CARD_ELEMENTS
        && of(CardElement::tables) <= limits::CARD_TABLES
}

/// The last elements, as many as find room; what comes above them is not shown.
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

/// A block of which only the end is shown when it is long.
fn ending(block: &Block, most: usize) -> Block {
    match block {
        Block::Markdown { text } => Block::Markdown { text: markdown_end(text, most) },
        Block::Stream { text } => Block::Stream { text: markdown_end(settled(text), most) },
        Block::Text { text } => Block::Text { text: end(text, most) },
        Block::Small { text } => Block::Small { text: end(text, most) },
        Block::Typed { text } => Block::Typed { text: end(text, most) },
        Block::Code { language, text } => Block::Code { language: language.clone(), text: end(text, most) },
        Block::Fold { title, blocks } => Block::Fold {
            title: title.clone(),
            blocks: blocks.iter().map(|block| ending(block, most)).collect(),
        },
        Block::Row { text, small, buttons } => Block::Row {
            text: end(text, most),
            small: small.as_ref().map(|small| end(small, most)),
            buttons: buttons.clone(),
        },
        Block::Rule | Block::Buttons { .. } | Block::Form { .. } => block.clone(),
    }
}

/// A text without its last line when that would make a heading of the one before: it may become a list.
fn settled(text: &str) -> &str {
    match text.rsplit_once('\n') {
        Some((before, last)) if last.bytes().all(|byte| matches!(byte, b'-' | b'=' | b' ')) => before,
        Some(_) | None => text,
    }
}

/// The end of a text, as [`from`] finds it, after an ellipsis.
fn end(text: &str, most: usize) -> String {
    match from(text, most) {
        0 => text.to_owned(),
        from => format!("…\n{}", &text[from..]),
    }
}

/// The same of Markdown: a fence that is open there is opened again.
fn markdown_end(text: &str, most: usize) -> String {
    let from = from(text, most);
    if from == 0 {
        return text.to_owned();
    }
    let mut fence: Option<Fence> = None;
    for line in text[..from].split_inclusive('\n') {
        fence = match fence {
            Some(fence) if fence.is_closed_by(line) => None,
            Some(fence) => Some(fence),
            None => Fence::opened_by(line, limits::HEADING),
        };
    }
    let open = fence.map_or_else(String::new, |fence| fence.open);
    format!("…\n\n{open}{}", &text[from..])
}

/// From where on a text is shown of which there is room for so many bytes: a beginning of a line if one is near. It
/// moves only every so often, so that a text which grows is mostly one that the text before begins.
fn from(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return 0;
    }
    let step = (most / 2).max(1);
    let least = ((text.len() - most).div_ceil(step) * step).min(text.len());
    let from = (least..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let line = text[from..].find('\n').filter(|at| *at < step / 2);
    line.map_or(from, |at| from + at + 1)
}

/// The card in a slot whose words had to go out as messages of their own.
#[must_use]
pub fn below(words: Words) -> String {
    CardFrame::default().around(&[card::small(&words.said_below())])
}
