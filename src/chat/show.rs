//! What commands, the queue and what came too late look like: as documents. Pure.
//!
//! A document says what its reader can do next, by buttons and by typing. Names of files and what people wrote are shown
//! as they are, never as Markdown.

pub mod cut;
pub mod late;
pub mod queue;
pub mod sessions;
pub mod status;

use crate::render::document::Document;

/// The document, with buttons that know whether they are in a group.
fn in_chat(document: Document, group: bool) -> Document {
    Document { group, ..document }
}

#[cfg(test)]
mod tests {
    use crate::language::Language;
    use crate::render::document::{Block, Button, Document};
    use crate::render::ladder::is_taken;
    use crate::words::Words;

    /// A document as lines, with what each button does.
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
            Block::Typed { text } => format!("typed: {text}"),
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
            let act = serde_json::to_string(&button.act).unwrap();
            format!("  [{}]{confirm} {:?} {act}", button.label, button.look)
        };
        buttons.iter().map(label).collect::<Vec<_>>().join("\n")
    }

    /// The same document in each language, which Feishu takes.
    pub(super) fn both(show: impl Fn(Words) -> Document) -> String {
        let [english, chinese] = [Language::En, Language::Zh].map(|language| {
            let words = Words(language);
            let document = show(words);
            is_taken(&document, words);
            read(&document)
        });
        format!("{english}\n{chinese}\n")
    }
}
