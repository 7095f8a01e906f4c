//! A turn that was cut when the daemon went down, and what its person decided.

use uuid::Uuid;

use super::in_chat;
use crate::act::Act;
use crate::ids::ConvId;
use crate::render::document::{Block, Button, Document, Heading, Look, Tone};
use crate::words::Words;

/// A turn that was cut: its prompt can be run again, its session can go on, or it is left at that.
#[must_use]
pub fn cut(conv_id: &ConvId, turn: Uuid, prompt: &str, words: Words, group: bool) -> Document {
    let conv_id = || conv_id.clone();
    let buttons = vec![
        Button::new(words.label_again(), Look::Primary, Act::Again { conv_id: conv_id(), turn }),
        Button::new(words.label_continue(), Look::Plain, Act::Continue { conv_id: conv_id(), turn }),
        Button::new(words.label_dismiss(), Look::Plain, Act::Dismiss { conv_id: conv_id(), turn }),
    ];
    let blocks = vec![
        Block::text(words.cut_open(prompt)),
        Block::Buttons { buttons },
        Block::typed(words.cut_typed()),
    ];
    in_chat(Document::new(blocks).headed(Tone::Bad, words.interrupted_head()), group)
}

/// The same of a session that was closed meanwhile.
#[must_use]
pub fn cut_and_closed(prompt: &str, words: Words) -> Document {
    Document::new(vec![Block::text(words.cut_and_closed(prompt))])
        .headed(Tone::Past, words.interrupted_head())
}

/// The same when that is decided, as `sentence` says.
#[must_use]
pub fn decided(prompt: &str, sentence: String, words: Words) -> Document {
    let blocks = vec![Block::text(words.cut_before(prompt)), Block::small(sentence)];
    Document::new(blocks).headed(Tone::Past, words.interrupted_head())
}

/// A card of a turn that was cut without what it offered, now that it is decided, as `sentence` says.
#[must_use]
pub fn left(document: Document, sentence: String) -> Document {
    let offers = |block: &Block| match block {
        Block::Buttons { .. } | Block::Form { .. } | Block::Typed { .. } => true,
        Block::Markdown { .. }
        | Block::Stream { .. }
        | Block::Text { .. }
        | Block::Small { .. }
        | Block::Code { .. }
        | Block::Fold { .. }
        | Block::Rule
        | Block::Row { .. } => false,
    };
    let heading = document.heading.map(|heading| Heading { tone: Tone::Past, ..heading });
    let said = document.blocks.into_iter().filter(|block| !offers(block));
    let blocks = said.chain([Block::small(sentence)]).collect();
    Document { heading, blocks, ..document }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::show::tests::both;

    #[test]
    fn a_cut_turn_can_be_run_again_gone_on_with_or_left() {
        let turn = Uuid::from_u128(7);
        let shown = both(|words| cut(&"c-1".into(), turn, "build it\nall", words, false))
            + &both(|words| cut_and_closed("build it", words))
            + &both(|words| decided("build it", words.runs_again(), words));
        insta::assert_snapshot!(shown);
    }
    #[test]
    fn a_card_that_says_more_keeps_it_and_loses_its_buttons() {
        let card = |words: Words| {
            let cut = cut(&"c-1".into(), Uuid::from_u128(7), "build", words, false);
            let blocks = [Block::markdown("half of *it*")].into_iter().chain(cut.blocks).collect();
            left(Document { blocks, ..cut }, words.dismissed())
        };
        insta::assert_snapshot!(both(card));
    }
}
