//! What waits while a turn runs.

use super::in_chat;
use crate::card_action::CardAction;
use crate::render::document::{Block, Button, ButtonStyle, Document, Tone};
use crate::words::{Words, beginning};

/// So many waiting messages are shown.
pub const SHOWN: usize = 10;

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// Its number in its sender's queue, from 1.
    pub number: usize,
    /// Its place in the inbox.
    pub mail: i64,
    /// What it says; none where others read along who cannot see it.
    pub text: Option<String>,
    /// The project that it goes to.
    pub project: String,
}

/// The queue: its first messages, [`SHOWN`] at most, and how many there are in all.
#[must_use]
pub fn queue(rows: &[QueueRow], waiting: usize, words: Words, group: bool) -> Document {
    let mut blocks: Vec<Block> = rows.iter().take(SHOWN).map(|row| waits(row, words)).collect();
    if let Some(more) = waiting.checked_sub(blocks.len()).filter(|more| *more > 0) {
        blocks.push(Block::small(words.queue_more(more)));
    }
    blocks.push(Block::typed(words.queue_typed()));
    in_chat(Document::new(blocks).headed(Tone::Plain, words.queue_head(waiting)), group)
}

/// Its last word.
#[must_use]
pub fn over(sentence: String) -> Document {
    Document::new(vec![Block::small(sentence)])
}

fn waits(row: &QueueRow, words: Words) -> Block {
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
    fn what_waits_can_be_taken_out_or_run_at_once() {
        let rows = [row(1), row(2)];
        let shown = both(|words| queue(&rows, 2, words, true))
            + &both(|words| over(words.queue_empty()))
            + &both(|words| over(words.queue_gone()));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn of_what_others_cannot_see_only_the_project_is_shown() {
        let hidden = QueueRow { text: None, ..row(1) };
        let shown = read(&queue(&[hidden, row(2)], 2, Words(Language::En), true));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn of_a_long_queue_the_beginning_is_shown() {
        let rows: Vec<QueueRow> = (1..=30).map(row).collect();
        let shown = read(&queue(&rows, 200, Words(Language::En), false));
        assert!(shown.contains("10. message 10") && !shown.contains("11. message 11"), "{shown}");
        assert!(shown.contains("and 190 more"), "{shown}");
    }
}
