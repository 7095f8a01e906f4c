//! The documents that answer commands, and those about the queue, late messages and interrupted turns. Pure.
//!
//! Each document says what its reader can do next, with buttons and by typing. File names and messages from people are
//! plain text, never Markdown.

pub mod interrupted;
pub mod late;
pub mod queue;
pub mod sessions;
pub mod status;

use crate::render::document::Document;

/// The document for this kind of chat; its buttons say whether it is a group.
fn in_chat(document: Document, group: bool) -> Document {
    Document { group, ..document }
}

#[cfg(test)]
mod tests {
    use crate::language::Language;
    use crate::render::document::{Block, Button, Document};
    use crate::render::ladder::assert_accepted;
    use crate::words::Words;

    /// A document as lines of text, with the action of each button.
    pub(super) fn read(document: &Document) -> String {
        let mut text = String::new();
        if let Some(heading) = &document.heading {
            text.push_str(&format!("# {} ({:?})\n", heading.text, heading.tone));
        }
        if document.group {
            text.push_str("(in a group)\n");
        }
        document.blocks.iter().for_each(|block| read_block(block, &mut text));
        text
    }

    fn read_block(block: &Block, text: &mut String) {
        let line = match block {
            Block::Markdown { text } => format!("markdown: {text}"),
            Block::Stream { text } => format!("stream: {text}"),
            Block::Text { text } => text.clone(),
            Block::Small { text } => format!("small: {text}"),
            Block::Code { language, text } => format!("code {language}: {text}"),
            Block::Rule => "---".to_owned(),
            Block::Row { text, small, buttons } => {
                let small = small.as_ref().map(|small| format!("\n  small: {small}")).unwrap_or_default();
                format!("{text}{small}\n{}", labels(buttons))
            }
            Block::Buttons { buttons } | Block::Form { buttons, .. } => labels(buttons),
            Block::TypedHint { text } => format!("typed: {text}"),
            Block::Fold { title, blocks } => {
                text.push_str(&format!("fold: {title}\n"));
                return blocks.iter().for_each(|block| read_block(block, text));
            }
        };
        text.push_str(&line);
        text.push('\n');
    }

    fn labels(buttons: &[Button]) -> String {
        let label = |button: &Button| {
            let confirm = button.confirm.as_ref().map(|confirm| format!(" ({confirm})")).unwrap_or_default();
            let action = serde_json::to_string(&button.action).unwrap();
            format!("  [{}]{confirm} {:?} {action}", button.label, button.style)
        };
        buttons.iter().map(label).collect::<Vec<_>>().join("\n")
    }

    /// A document in both languages. Checks that Feishu accepts it.
    pub(super) fn both(show: impl Fn(Words) -> Document) -> String {
        let [english, chinese] = [Language::En, Language::Zh].map(|language| {
            let words = Words(language);
            let document = show(words);
            assert_accepted(&document, words);
            read(&document)
        });
        format!("{english}\n{chinese}\n")
    }
}
