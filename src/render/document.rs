//! A document: what to show in a chat, independent of the form in which it is sent. Pure.
//!
//! Whoever has something to show builds a [`Document`]. [`super::ladder`] decides whether it becomes a card, several
//! cards, text in parts or a file. Until Feishu has it, the outbox stores it as JSON, so the JSON names of this module
//! must not change.

use serde::{Deserialize, Serialize};

use crate::card_action::CardAction;

/// What to show, from the heading down to the buttons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// The coloured title bar of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<Heading>,
    /// The text for the list of chats and for notifications. With `None`, Feishu chooses one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// The content, from top to bottom.
    pub blocks: Vec<Block>,
    /// Whether the chat is a group. Buttons carry this in their value.
    pub group: bool,
    /// How the document is sent if it is longer than a few screens.
    pub long: LongAnswers,
    /// The file name without its extension, used if the document is sent as a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The path of the file on the host that holds the full text. A reader is sent there if parts are left out.
    #[serde(rename = "whole", skip_serializing_if = "Option::is_none")]
    pub full_text_path: Option<Box<str>>,
}

/// The title bar of a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// One line of plain text.
    pub text: String,
    /// The colour of the bar.
    pub tone: Tone,
}

/// What a card is about, shown as the colour of its title bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Neutral information (no colour).
    Plain,
    /// A turn is running (blue).
    Working,
    /// The reader is asked something (orange).
    Asking,
    /// Something succeeded (green).
    Good,
    /// Something failed (red).
    Bad,
    /// Nothing more will happen here (grey).
    Past,
}

/// How a long document is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongAnswers {
    /// As several text messages, headed `[1/3]` and so on.
    #[default]
    Parts,
    /// As one message with its beginning, and a file with the full text.
    File,
}

/// One part of a document's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum Block {
    /// Markdown as Claude writes it. It is translated into Feishu's dialect.
    Markdown {
        /// CommonMark with tables, strikethrough and task lists.
        text: String,
    },
    /// Markdown that is still being written, and that Feishu types out as it grows. A document has at most one, and a
    /// document that is stored has none.
    Stream {
        /// The Markdown so far.
        text: String,
    },
    /// Plain text, shown character for character.
    Text {
        /// Not Markdown: `*` stays `*`.
        text: String,
    },
    /// Plain text in small grey print.
    Small {
        /// Not Markdown: `*` stays `*`.
        text: String,
    },
    /// A block of code, shown character for character.
    Code {
        /// The info string of a Markdown fence, such as `bash` or `diff`; may be empty.
        language: String,
        /// The code without a fence.
        text: String,
    },
    /// A panel that the reader can open. It is the first thing to be left out when there is not enough room, and is never
    /// part of a text message.
    Fold {
        /// The line that is always visible; plain text.
        title: String,
        /// The content of the panel. Forms in it are not shown.
        blocks: Vec<Block>,
    },
    /// A horizontal line.
    Rule,
    /// A line of a list: text with buttons beside or below it.
    Row {
        /// Plain text.
        text: String,
        /// More plain text, in small grey print.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        small: Option<String>,
        /// The buttons that belong to this line.
        buttons: Vec<Button>,
    },
    /// Buttons in a row.
    Buttons {
        /// From left to right.
        buttons: Vec<Button>,
    },
    /// Input fields and the buttons that submit them.
    Form {
        /// From top to bottom.
        fields: Vec<Field>,
        /// Each of them submits all fields.
        buttons: Vec<Button>,
    },
    /// How to do by typing what the buttons do. Small print on a card; in a text message it replaces the buttons.
    #[serde(rename = "typed")]
    TypedHint {
        /// One sentence that names the commands.
        text: String,
    },
}

/// A button on a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// The text on the button. Feishu shows at most 100 characters.
    pub label: String,
    /// The colour of the button.
    #[serde(rename = "look")]
    pub style: ButtonStyle,
    /// What a press asks the daemon to do.
    #[serde(rename = "act")]
    pub action: CardAction,
    /// A question that the reader must confirm before the press counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

/// The colour of a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonStyle {
    /// No emphasis.
    Plain,
    /// The choice that most people want.
    Primary,
    /// A choice that ends or discards something.
    Danger,
}

/// A field of a form. [`crate::card_action`] defines the names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "snake_case")]
pub enum Field {
    /// A menu with one or several options to choose.
    Choice {
        /// The key under which the press reports what was chosen.
        name: String,
        /// The text shown while nothing is chosen.
        placeholder: String,
        /// The options. The press reports the text of the chosen ones.
        options: Vec<String>,
        /// Whether several options can be chosen.
        many: bool,
    },
    /// A text field. Feishu accepts at most 1,000 characters.
    #[serde(rename = "words")]
    Input {
        /// The key under which the press reports the text.
        name: String,
        /// The text shown while the field is empty.
        placeholder: String,
    },
    /// Text between the fields.
    Label {
        /// Markdown as Claude writes it.
        text: String,
    },
}

impl Document {
    /// A document with these blocks and nothing else.
    #[must_use]
    pub fn new(blocks: Vec<Block>) -> Self {
        Self { blocks, ..Self::default() }
    }

    /// The same document with a title bar.
    #[must_use]
    pub fn headed(self, tone: Tone, text: impl Into<String>) -> Self {
        Self { heading: Some(Heading { text: text.into(), tone }), ..self }
    }
}

impl Block {
    /// Makes a [`Block::Markdown`].
    #[must_use]
    pub fn markdown(text: impl Into<String>) -> Self {
        Self::Markdown { text: text.into() }
    }

    /// Makes a [`Block::Text`].
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// Makes a [`Block::Small`].
    #[must_use]
    pub fn small(text: impl Into<String>) -> Self {
        Self::Small { text: text.into() }
    }

    /// Makes a [`Block::Code`].
    #[must_use]
    pub fn code(language: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Code { language: language.into(), text: text.into() }
    }

    /// Makes a [`Block::TypedHint`].
    #[must_use]
    pub(crate) fn typed_hint(text: impl Into<String>) -> Self {
        Self::TypedHint { text: text.into() }
    }
}

impl Button {
    /// A button that asks for no confirmation.
    #[must_use]
    pub fn new(label: impl Into<String>, style: ButtonStyle, action: CardAction) -> Self {
        Self { label: label.into(), style, action, confirm: None }
    }
}
