//! A turn that was cut when the daemon went down, and what its person decided.

use uuid::Uuid;

use super::in_chat;
use crate::card_action::CardAction;
use crate::ids::ConvId;
use crate::render::document::{Block, Button, ButtonStyle, Document, Heading, LongAnswers, Tone};
use crate::render::ladder::{LadderPosition, SendPlan};
use crate::render::split;
use crate::words::Words;

/// A turn that was cut: its prompt can be run again, its session can go on, or it is left at that.
#[must_use]
pub fn cut(conv_id: &ConvId, turn: Uuid, prompt: &str, words: Words, group: bool) -> Document {
    let conv_id = || conv_id.clone();
    let buttons = vec![
        Button::new(
            words.label_again(),
            ButtonStyle::Primary,
            CardAction::Again { conv_id: conv_id(), turn },
        ),
        Button::new(
            words.label_continue(),
            ButtonStyle::Plain,
            CardAction::Continue { conv_id: conv_id(), turn },
        ),
        Button::new(
            words.label_dismiss(),
            ButtonStyle::Plain,
            CardAction::Dismiss { conv_id: conv_id(), turn },
        ),
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

/// A card of a turn that was cut without what it offered, now that it is decided, as `sentence` says. It stays one card:
/// of what came as several messages, or with a file, it keeps the end, where its buttons were.
#[must_use]
pub fn left(document: Document, sentence: String, words: Words) -> Document {
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
    let whole = Document { heading, blocks, long: LongAnswers::Parts, ..document };
    if is_one_card(&whole, words) {
        return whole;
    }
    let end = |most| Document { blocks: end_of(&whole.blocks, most), ..whole.clone() };
    let fitting = KEPT.into_iter().map(end).find(|document| is_one_card(document, words));
    fitting
        .unwrap_or_else(|| Document { blocks: whole.blocks.last().cloned().into_iter().collect(), ..whole })
}

/// Of words that do not fit on one card so many characters stay, or else so many.
const KEPT: [usize; 4] = [12_000, 6_000, 2_000, 500];

fn is_one_card(document: &Document, words: Words) -> bool {
    let plan = SendPlan::of(document, words);
    plan.sheet(&plan.next(&LadderPosition::default())).is_none()
}

/// The last blocks, with so many characters of words.
fn end_of(blocks: &[Block], most: usize) -> Vec<Block> {
    let mut left = most;
    let mut end = Vec::new();
    for block in blocks.iter().rev() {
        let mut block = block.clone();
        if let Block::Markdown { text }
        | Block::Text { text }
        | Block::Small { text }
        | Block::Code { text, .. } = &mut block
        {
            let length = text.chars().count();
            if length > left {
                let last = split::parts(text, left.max(1)).pop();
                let last = last.map(|part| format!("{}{}{}", part.open, part.body, part.close));
                *text = format!("…\n\n{}", last.unwrap_or_default());
                end.push(block);
                break;
            }
            left -= length;
        }
        end.push(block);
    }
    end.reverse();
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::show::tests::both;
    use crate::language::Language;

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
            left(Document { blocks, ..cut }, words.dismissed(), words)
        };
        insta::assert_snapshot!(both(card));
    }

    #[test]
    fn a_card_of_what_was_several_messages_stays_one_and_keeps_the_end() {
        let words = Words(Language::En);
        let paragraphs = |count: usize| (1..=count).map(|n| format!("It found number {n:05}."));
        let long = paragraphs(5_000).collect::<Vec<_>>().join("\n\n");
        for long in [long.clone(), format!("```text\n{}\n```", long.replace("\n\n", "\n"))] {
            for kind in [LongAnswers::Parts, LongAnswers::File] {
                let cut = cut(&"c-1".into(), Uuid::from_u128(7), "build", words, false);
                let said = [Block::markdown(&long), Block::small("12 s")];
                let blocks = said.into_iter().chain(cut.blocks).collect();
                let document = Document { blocks, long: kind, ..cut };
                assert!(!is_one_card(&document, words));
                let left = left(document, words.dismissed(), words);
                assert!(is_one_card(&left, words));
                let [Block::Markdown { text }, Block::Small { text: time }, Block::Text { .. }, decided] =
                    &left.blocks[..]
                else {
                    panic!("{left:?}");
                };
                assert_eq!((time.as_str(), decided), ("12 s", &Block::small(words.dismissed())));
                assert!(text.starts_with("…\n\n") && text.contains("It found number 05000."), "{text}");
                assert!(!text.contains("number 00001.") && text.len() < 13_000);
                assert_eq!(text.matches("```").count() % 2, 0);
            }
        }
    }
}
