//! Pictures of the stage: one card each, however much there is to show.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::render::card::{self, Element, Frame, Names};
use crate::render::document::{Block, Document};
use crate::render::layout::{self, Detail};
use crate::render::{limits, markdown};
use crate::words::Words;

/// The `element_id` of the text that is streamed.
pub const STREAM: &str = "stream";

/// A picture as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
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
pub fn moment(document: &Document, words: Words, streaming: bool) -> Moment {
    let _ = words;
    let mut most = limits::PICTURE_BYTES;
    let mut detail = Detail::Whole;
    let frame = Frame {
        heading: document.heading.as_ref(),
        preview: document.preview.as_deref(),
        streaming,
        ..Frame::default()
    };
    loop {
        let mut stream = None;
        let blocks: Vec<Block> = document.blocks.iter().map(|block| ending(block, most)).collect();
        for block in &blocks {
            if let Block::Stream { text } = block {
                stream = Some(markdown::translate(text));
            }
        }
        let elements = layout::elements(&blocks, document.group, detail, &mut Names::default());
        if super::fits(&frame, &elements) {
            return finished(&frame, &elements, stream);
        }
        if most > 100 {
            most /= 2;
        } else if detail == Detail::Whole {
            (most, detail) = (limits::PICTURE_BYTES, Detail::Reduced);
        } else {
            let fitting = fitting(&frame, elements);
            return finished(&frame, &fitting, None);
        }
    }
}

/// The elements at the end for which there is room.
fn fitting(frame: &Frame, elements: Vec<Element>) -> Vec<Element> {
    let mut kept: Vec<Element> = Vec::new();
    for element in elements.into_iter().rev() {
        kept.insert(0, element);
        if !super::fits(frame, &kept) {
            kept.remove(0);
        }
    }
    kept
}

fn finished(frame: &Frame, elements: &[Element], stream: Option<String>) -> Moment {
    let mark = format!("\"element_id\":\"{STREAM}\"");
    let mut hasher = DefaultHasher::new();
    frame.around([]).hash(&mut hasher);
    for element in elements {
        let shape = if element.json().contains(&mark) { STREAM } else { element.json() };
        shape.hash(&mut hasher);
    }
    Moment { card: frame.around(elements), stream, shape: hasher.finish() }
}

/// A block of which only the end is shown when it is long.
fn ending(block: &Block, most: usize) -> Block {
    match block {
        Block::Markdown { text } => Block::Markdown { text: end(text, most) },
        Block::Stream { text } => Block::Stream { text: end(text, most) },
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

/// The end of a text of more bytes than that, after an ellipsis. It begins anew only every so often, so that a text which
/// grows is mostly one that the text before begins.
fn end(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let step = (most / 2).max(1);
    let from = (text.len() - most).div_ceil(step) * step;
    let from = (from.min(text.len())..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let line = text[from..].find('\n').filter(|at| *at < step / 2).map_or(from, |at| from + at + 1);
    format!("…\n{}", &text[line..])
}

/// The card in a slot whose words had to go out as messages of their own.
#[must_use]
pub fn below(words: Words) -> String {
    Frame::default().around(&[card::small(&words.said_below())])
}
