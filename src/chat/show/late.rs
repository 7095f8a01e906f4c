//! The card about messages that arrived late: the question what to do with them, and the decision.

use std::time::Duration;

use super::in_chat;
use crate::card_action::CardAction;
use crate::render::document::{Block, Button, ButtonStyle, Document, Tone};
use crate::words::{Words, beginning};

/// Maximum number of messages that are shown.
const MAX_SHOWN: usize = 5;

/// The question about late messages, oldest first; `oldest` is the age of the first one.
#[must_use]
pub fn late(messages: &[&str], oldest: Duration, words: Words, group: bool) -> Document {
    let mut blocks = vec![Block::text(words.late_by(messages.len(), oldest))];
    blocks.extend(messages.iter().take(MAX_SHOWN).map(|text| Block::small(format!("• {}", beginning(text)))));
    if let Some(more) = messages.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        blocks.push(Block::small(words.queue_more(more)));
    }
    let buttons = vec![
        Button::new(words.label_run(), ButtonStyle::Primary, CardAction::RunLate),
        Button::new(words.label_discard(), ButtonStyle::Danger, CardAction::DiscardLate),
    ];
    blocks.push(Block::Buttons { buttons });
    blocks.push(Block::typed_hint(words.late_typed()));
    in_chat(Document::new(blocks).headed(Tone::Asking, words.late_head(messages.len())), group)
}

/// The card after the decision about `many` messages; `sentence` says what was decided.
#[must_use]
pub fn decided(many: usize, sentence: String, words: Words) -> Document {
    Document::new(vec![Block::text(sentence)]).headed(Tone::Past, words.late_head(many))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::show::tests::both;

    #[test]
    fn late_messages_are_asked_about_together_and_the_card_shows_the_decision() {
        let texts = ["one", "two\nlines", "<b>3</b>", "4", "5", "6", "7"];
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let shown = both(|words| late(&texts[..1], minutes(7), words, false))
            + &both(|words| late(&texts, minutes(130), words, true))
            + &both(|words| decided(7, words.late_run(7), words))
            + &both(|words| decided(1, words.discarded(1), words))
            + &both(|words| decided(7, words.late_asked_anew(), words))
            + &both(|words| decided(1, words.late_gone(), words));
        insta::assert_snapshot!(shown);
    }
}
