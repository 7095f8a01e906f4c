//! The card of a turn that was interrupted by the end of phonework, and of the decision about it.

use uuid::Uuid;

use super::in_chat;
use crate::card_action::CardAction;
use crate::ids::ConvId;
use crate::render::document::{Block, Button, ButtonStyle, Document, Heading, LongAnswers, Tone};
use crate::render::ladder::{LadderPosition, SendPlan};
use crate::render::split;
use crate::words::Words;

/// The card of an interrupted turn. Its prompt can be run again, Claude can continue, or the card can be dismissed.
#[must_use]
pub(crate) fn offer(conv_id: &ConvId, turn: Uuid, prompt: &str, words: Words, group: bool) -> Document {
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
        Block::typed_hint(words.cut_typed()),
    ];
    in_chat(Document::new(blocks).headed(Tone::Bad, words.interrupted_head()), group)
}

/// The card of an interrupted turn whose session was closed in the meantime.
#[must_use]
pub(crate) fn session_closed(prompt: &str, words: Words) -> Document {
    Document::new(vec![Block::text(words.cut_and_closed(prompt))])
        .headed(Tone::Past, words.interrupted_head())
}

/// The card after the decision; `sentence` says what was decided.
#[must_use]
pub fn decided(prompt: &str, sentence: String, words: Words) -> Document {
    let blocks = vec![Block::text(words.cut_before(prompt)), Block::small(sentence)];
    Document::new(blocks).headed(Tone::Past, words.interrupted_head())
}

/// The card of an interrupted turn with its text but without its buttons, after the decision in `sentence`. It stays a
/// single card: if its text was several messages or a file, only the end is kept, where the buttons were.
#[must_use]
pub(crate) fn without_buttons(document: Document, sentence: String, words: Words) -> Document {
    let offers = |block: &Block| match block {
        Block::Buttons { .. } | Block::Form { .. } | Block::TypedHint { .. } => true,
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
    let kept = document.blocks.into_iter().filter(|block| !offers(block));
    let blocks = kept.chain([Block::small(sentence)]).collect();
    let full = Document { heading, blocks, long: LongAnswers::Parts, ..document };
    if is_one_card(&full, words) {
        return full;
    }
    let end = |max_chars| Document { blocks: end_of(&full.blocks, max_chars), ..full.clone() };
    let fitting = KEPT_CHARS.into_iter().map(end).find(|document| is_one_card(document, words));
    fitting.unwrap_or_else(|| Document { blocks: full.blocks.last().cloned().into_iter().collect(), ..full })
}

/// Characters of text that are kept if not everything fits on one card; the first value that makes it fit counts.
const KEPT_CHARS: [usize; 4] = [12_000, 6_000, 2_000, 500];

fn is_one_card(document: &Document, words: Words) -> bool {
    let plan = SendPlan::of(document, words);
    plan.message(&plan.next(&LadderPosition::default())).is_none()
}

/// The last blocks with at most `max_chars` characters of text.
fn end_of(blocks: &[Block], max_chars: usize) -> Vec<Block> {
    let mut left = max_chars;
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
    fn an_interrupted_turn_can_be_run_again_continued_or_dismissed() {
        let turn = Uuid::from_u128(7);
        let shown = both(|words| offer(&"c-1".into(), turn, "build it\nall", words, false))
            + &both(|words| session_closed("build it", words))
            + &both(|words| decided("build it", words.runs_again(), words));
        insta::assert_snapshot!(shown);
    }
    #[test]
    fn a_decided_card_keeps_its_text_and_loses_its_buttons() {
        let card = |words: Words| {
            let card = offer(&"c-1".into(), Uuid::from_u128(7), "build", words, false);
            let blocks = [Block::markdown("half of *it*")].into_iter().chain(card.blocks).collect();
            without_buttons(Document { blocks, ..card }, words.dismissed(), words)
        };
        insta::assert_snapshot!(both(card));
    }

    #[test]
    fn a_decided_card_of_several_messages_becomes_one_with_the_end() {
        let words = Words(Language::En);
        let paragraphs = |count: usize| (1..=count).map(|n| format!("It found number {n:05}."));
        let long = paragraphs(5_000).collect::<Vec<_>>().join("\n\n");
        for long in [long.clone(), format!("```text\n{}\n```", long.replace("\n\n", "\n"))] {
            for kind in [LongAnswers::Parts, LongAnswers::File] {
                let card = offer(&"c-1".into(), Uuid::from_u128(7), "build", words, false);
                let answer = [Block::markdown(&long), Block::small("12 s")];
                let blocks = answer.into_iter().chain(card.blocks).collect();
                let document = Document { blocks, long: kind, ..card };
                assert!(!is_one_card(&document, words));
                let left = without_buttons(document, words.dismissed(), words);
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
