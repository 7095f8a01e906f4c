//! The card of a person's queue: the messages that wait while a turn is running.

use super::in_chat;
use crate::card_action::CardAction;
use crate::render::document::{Block, Button, ButtonStyle, Document, Tone};
use crate::words::{Words, beginning};

/// Maximum number of waiting messages that are shown.
pub(crate) const MAX_SHOWN: usize = 10;

/// A row of the queue's card: one waiting message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// Its number in the sender's queue, from 1.
    pub number: usize,
    /// Its row id in the inbox.
    pub mail: i64,
    /// Its text. `None` if the card is in a group and the message is from another chat.
    pub text: Option<String>,
    /// The project of its session.
    pub project: String,
}

/// The card of a queue with its first messages (at most [`MAX_SHOWN`] are shown); `waiting` is the number of all.
#[must_use]
pub fn queue(rows: &[QueueRow], waiting: usize, words: Words, group: bool) -> Document {
    let mut blocks: Vec<Block> = rows.iter().take(MAX_SHOWN).map(|row| waiting_row(row, words)).collect();
    if let Some(more) = waiting.checked_sub(blocks.len()).filter(|more| *more > 0) {
        blocks.push(Block::small(words.queue_more(more)));
    }
    blocks.push(Block::typed_hint(words.queue_typed()));
    in_chat(Document::new(blocks).headed(Tone::Plain, words.queue_head(waiting)), group)
}

/// The final state of the card.
#[must_use]
pub fn over(sentence: String) -> Document {
    Document::new(vec![Block::small(sentence)])
}

fn waiting_row(row: &QueueRow, words: Words) -> Block {
    let QueueRow { number, mail, text, project } = row;
    let mail = *mail;
    let (what, small) = match text {
        Some(text) => (beginning(text), Some(project.clone())),
        None => (project.clone(), None),
    };
    Block::Row {
        text: format!("{number}. {what}"),
        small,
        buttons: vec![
            Button::new(words.label_now(), ButtonStyle::Plain, CardAction::SendNow { mail }),
            Button::new(words.label_cancel(), ButtonStyle::Danger, CardAction::Cancel { mail }),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::show::tests::{both, read};
    use crate::language::Language;

    fn row(number: usize) -> QueueRow {
        let mail = i64::try_from(number).unwrap() + 100;
        QueueRow { number, mail, text: Some(format!("message\n{number}")), project: "shop".to_owned() }
    }

    #[test]
    fn waiting_messages_can_be_cancelled_or_run_now() {
        let rows = [row(1), row(2)];
        let shown = both(|words| queue(&rows, 2, words, true))
            + &both(|words| over(words.queue_empty()))
            + &both(|words| over(words.queue_gone()));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_message_from_another_chat_shows_only_its_project() {
        let hidden = QueueRow { text: None, ..row(1) };
        let shown = read(&queue(&[hidden, row(2)], 2, Words(Language::En), true));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn only_the_beginning_of_a_long_queue_is_shown() {
        let rows: Vec<QueueRow> = (1..=30).map(row).collect();
        let shown = read(&queue(&rows, 200, Words(Language::En), false));
        assert!(shown.contains("10. message 10") && !shown.contains("11. message 11"), "{shown}");
        assert!(shown.contains("and 190 more"), "{shown}");
    }
}
