//! The cards of `/status`, `/mode` and `/help`.

use super::{in_chat, sessions};
use crate::card_action::CardAction;
use crate::ids::ConvId;
use crate::keyring::PermissionMode;
use crate::render::document::{Block, Button, ButtonStyle, Document, Tone};
use crate::render::permission::visible;
use crate::words::Words;

/// The modes that have a button; the others can be typed.
const MODES_WITH_BUTTON: [PermissionMode; 3] =
    [PermissionMode::Default, PermissionMode::AcceptEdits, PermissionMode::Plan];
/// Maximum number of rules that are shown.
const MAX_RULES: usize = 20;

/// What `/status` shows of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionStatus<'a> {
    /// The id of the session.
    pub conv_id: &'a ConvId,
    /// The name of the project.
    pub project: &'a str,
    /// Claude Code's name of the permission mode.
    pub mode: &'a str,
    /// The lines, each a name and its value.
    pub lines: &'a [(String, String)],
    /// The rules that its owner has allowed for the rest of the session, oldest first.
    pub rules: &'a [String],
}

/// The card of `/status`.
#[must_use]
pub fn status(status: &SessionStatus<'_>, words: Words, group: bool) -> Document {
    let SessionStatus { conv_id, project, mode, lines, rules } = *status;
    let lines: Vec<String> = lines.iter().map(|(name, value)| words.pair(name, value)).collect();
    let mut blocks = vec![Block::text(lines.join("\n"))];
    if !rules.is_empty() {
        let shown = rules.iter().rev().take(MAX_RULES).map(|rule| Block::code("", visible(rule))).collect();
        blocks.push(Block::Fold { title: words.rules_head(rules.len()), blocks: shown });
    }
    let mut buttons = modes(conv_id, mode);
    buttons.push(sessions::close(conv_id, project, words));
    blocks.push(Block::Buttons { buttons });
    blocks.push(Block::typed_hint(words.status_typed()));
    in_chat(Document::new(blocks).headed(Tone::Plain, words.status_head(project)), group)
}

/// The card of `/mode`: the current mode, and buttons for the others.
#[must_use]
pub fn mode(conv_id: &ConvId, project: &str, mode: &str, words: Words, group: bool) -> Document {
    let blocks = vec![
        Block::text(words.mode_is(project, mode)),
        Block::small(words.modes()),
        Block::Buttons { buttons: modes(conv_id, mode) },
        Block::typed_hint(words.modes_typed()),
    ];
    in_chat(Document::new(blocks).headed(Tone::Plain, words.mode_head()), group)
}

/// The card of `/help`.
#[must_use]
pub fn help(words: Words, group: bool) -> Document {
    in_chat(Document::new(vec![Block::text(words.help())]).headed(Tone::Plain, words.help_head()), group)
}

fn modes(conv_id: &ConvId, now: &str) -> Vec<Button> {
    let others = MODES_WITH_BUTTON.into_iter().map(PermissionMode::as_str).filter(|mode| *mode != now);
    let action = |mode: &str| CardAction::Mode { conv_id: conv_id.clone(), mode: mode.to_owned() };
    others.map(|mode| Button::new(mode, ButtonStyle::Plain, action(mode))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::show::tests::both;

    #[test]
    fn the_status_shows_every_line_and_the_other_modes() {
        let lines = [("project", "shop"), ("mode", "plan")];
        let lines = lines.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (conv_id, rules) = ("c-1".into(), ["Bash(npm test *)".to_owned(), "Bash(ls)".to_owned()]);
        let shown =
            SessionStatus { conv_id: &conv_id, project: "shop", mode: "plan", lines: &lines, rules: &rules };
        insta::assert_snapshot!(both(|words| status(&shown, words, false)));
    }

    #[test]
    fn a_mode_is_shown_with_the_others() {
        insta::assert_snapshot!(both(|words| mode(&"c-1".into(), "shop", "dontAsk", words, false)));
    }

    #[test]
    fn the_help_names_every_command() {
        insta::assert_snapshot!(both(|words| help(words, false)));
    }
}
