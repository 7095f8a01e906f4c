//! Cards about a person's sessions: the list, an opened or closed session, and the projects for a new one.

use std::time::Duration;

use super::in_chat;
use crate::card_action::CardAction;
use crate::ids::ConvId;
use crate::render::document::{Block, Button, ButtonStyle, Document, Tone};
use crate::words::{Words, beginning};

/// Sessions on a page of the list. A card has at most 200 elements, and a session takes about ten.
const PAGE_SIZE: usize = 15;
/// Maximum number of projects that are offered.
const MAX_OFFERED: usize = 8;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The number of the session, from 1.
    pub number: usize,
    /// The id of the session.
    pub conv_id: ConvId,
    /// The directory, relative to `WORKING_DIR` if possible.
    pub place: String,
    /// The state of the session in one or two words.
    pub state: String,
    /// Whether it is the active session of the chat.
    pub active: bool,
    /// The last prompt, if it may be shown here.
    pub last: Option<String>,
}

/// A page of the list, counted from 1. A page beyond the end is the last one.
#[must_use]
pub fn list(rows: &[SessionRow], page: usize, words: Words, group: bool) -> Document {
    let pages = rows.len().div_ceil(PAGE_SIZE).max(1);
    let page = page.clamp(1, pages);
    let shown = rows.iter().skip((page - 1) * PAGE_SIZE).take(PAGE_SIZE);
    let mut blocks: Vec<Block> = shown.map(|row| listed(row, words)).collect();
    if pages > 1 {
        blocks.push(Block::text(words.list_pages(page, pages)));
    }
    blocks.push(Block::typed_hint(words.list_typed()));
    in_chat(Document::new(blocks).headed(Tone::Plain, words.list_head(rows.len())), group)
}

/// The indexes of the rows on that page.
#[must_use]
pub(crate) fn on_page(rows: usize, page: usize) -> std::ops::Range<usize> {
    let page = page.clamp(1, rows.div_ceil(PAGE_SIZE).max(1));
    (page - 1) * PAGE_SIZE..rows.min(page * PAGE_SIZE)
}

fn listed(row: &SessionRow, words: Words) -> Block {
    let SessionRow { number, conv_id, place, state, active, last } = row;
    let mark = if *active { "▶ " } else { "" };
    let switch = (!active).then(|| {
        Button::new(words.label_switch(), ButtonStyle::Plain, CardAction::Switch { conv_id: conv_id.clone() })
    });
    let buttons = switch.into_iter().chain([close(conv_id, place, words)]).collect();
    Block::Row {
        text: format!("{mark}{number}. {place} · {state}"),
        small: last.as_deref().map(beginning).filter(|last| !last.is_empty()),
        buttons,
    }
}

/// The card of a session that has just become active; `sentence` says so.
#[must_use]
pub fn active(sentence: String, conv_id: &ConvId, project: &str, words: Words, group: bool) -> Document {
    let blocks = vec![
        Block::text(sentence),
        Block::Buttons { buttons: vec![close(conv_id, project, words)] },
        Block::typed_hint(words.opened_typed()),
    ];
    in_chat(Document::new(blocks), group)
}

/// The card of a session that was closed, as `sentence` says. A new one can be opened in its directory.
#[must_use]
pub fn closed(sentence: String, directory: Option<String>, words: Words, group: bool) -> Document {
    let open =
        |directory| Button::new(words.label_open_again(), ButtonStyle::Plain, CardAction::Open { directory });
    let buttons: Vec<Button> = directory.map(open).into_iter().collect();
    let mut blocks = vec![Block::text(sentence)];
    if !buttons.is_empty() {
        blocks.push(Block::Buttons { buttons });
    }
    blocks.push(Block::typed_hint(words.closed_typed()));
    in_chat(Document::new(blocks), group)
}

/// The card with the projects in which a session can be opened, latest first, each with the time since its last use.
#[must_use]
pub fn projects(projects: &[(String, Duration)], words: Words, group: bool) -> Document {
    let row = |(directory, ago): &(String, Duration)| Block::Row {
        text: directory.clone(),
        small: Some(words.used(*ago)),
        buttons: vec![Button::new(
            words.label_open(),
            ButtonStyle::Plain,
            CardAction::Open { directory: directory.clone() },
        )],
    };
    let mut blocks: Vec<Block> = projects.iter().take(MAX_OFFERED).map(row).collect();
    blocks.push(Block::typed_hint(words.projects_typed()));
    in_chat(Document::new(blocks).headed(Tone::Asking, words.projects_head()), group)
}

/// The button that closes a session.
pub(super) fn close(conv_id: &ConvId, project: &str, words: Words) -> Button {
    Button {
        confirm: Some(words.confirm_close(project)),
        ..Button::new(
            words.label_close(),
            ButtonStyle::Danger,
            CardAction::Close { conv_id: conv_id.clone() },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::show::tests::{both, read};
    use crate::language::Language;

    fn row(number: usize) -> SessionRow {
        SessionRow {
            number,
            conv_id: format!("c-{number}").as_str().into(),
            place: "shop".to_owned(),
            state: "asleep".to_owned(),
            active: number == 2,
            last: (number == 1).then(|| "fix\nthe  <at user_id=\"all\"></at> **basket**".to_owned()),
        }
    }

    #[test]
    fn the_list_shows_each_session_with_its_buttons() {
        let rows = [row(1), row(2)];
        insta::assert_snapshot!(both(|words| list(&rows, 1, words, false)));
    }

    #[test]
    fn a_long_list_has_pages_and_a_page_beyond_the_end_is_the_last() {
        let rows: Vec<SessionRow> = (1..=40).map(row).collect();
        let page = |page| read(&list(&rows, page, Words(Language::En), false));
        let last = page(3);
        assert!(last.contains("31. shop") && last.contains("40. shop") && !last.contains("30. shop"));
        assert!(last.contains("Page 3 of 3. /list 1 shows the next."), "{last}");
        assert_eq!((page(9), page(0)), (last, page(1)));
        let on = [1, 3, 9].map(|page| on_page(40, page));
        assert_eq!((on, on_page(0, 1)), ([0..15, 30..40, 30..40], 0..0));
    }

    #[test]
    fn an_opened_or_closed_session_says_what_to_do_next() {
        let shown = both(|words| active(words.switched(1, "shop"), &"c-1".into(), "shop", words, true))
            + &both(|words| closed(words.closed("shop", 2), Some("shop".to_owned()), words, false))
            + &both(|words| closed(words.closed("shop", 0), None, words, false));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_new_session_is_offered_in_the_projects_used_last() {
        let ago = Duration::from_secs;
        let places = [5, 300, 7500, 90_000, 200_000].map(|seconds| (format!("p{seconds}"), ago(seconds)));
        insta::assert_snapshot!(both(|words| projects(&places, words, false)));
        let many = vec![("p".to_owned(), ago(1)); 100];
        assert_eq!(projects(&many, Words(Language::En), false).blocks.len(), MAX_OFFERED + 1);
    }
}
