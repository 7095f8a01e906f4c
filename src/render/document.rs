//! What people are shown, whatever it is sent as: a card, several cards, text in parts or a file. Pure.
//!
//! Who has something to show makes a document; what becomes of it on the way is `render::ladder`'s. It is kept in the
//! outbox as JSON until Feishu has it.

use serde::{Deserialize, Serialize};

use crate::card_action::CardAction;

/// Something to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// The coloured head of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<Heading>,
    /// What the list of chats and the notification show; none leaves it to Feishu.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// What it says, from top to bottom.
    pub blocks: Vec<Block>,
    /// Whether it is shown in a group: its buttons say so.
    pub group: bool,
    /// What becomes of it when it is longer than a few screens.
    pub long: LongAnswers,
    /// The file's name without its ending, should it become one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the whole of it stands, for the case that not even a file is taken and some of it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<Box<str>>,
}

/// A card's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// One line, shown as it is.
    pub text: String,
    /// The colour.
    pub tone: Tone,
}

/// What a card is about, as a colour says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Nothing in particular.
    Plain,
    /// Something goes on.
    Working,
    /// Somebody is asked.
    Asking,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// It is over and done with.
    Past,
}

/// What becomes of a long document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongAnswers {
    /// Several messages.
    #[default]
    Parts,
    /// Its beginning, and a file with the whole.
    File,
}

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all = "snake_case")]
pub enum Block {
    /// Markdown as Claude writes it; it is translated to what Feishu renders.
    Markdown {
        /// The Markdown.
        text: String,
    },
    /// Markdown that is still being written: the place that is streamed. One in a document at most; not in one that is
    /// kept.
    Stream {
        /// The text so far.
        text: String,
    },
    /// Words that are shown as they are, whatever they look like.
    Text {
        /// The words.
        text: String,
    },
    /// The same in small grey print.
    Small {
        /// The words.
        text: String,
    },
    /// Code, word for word.
    Code {
        /// What Markdown's fences call it: `bash`, `diff`, or nothing.
        language: String,
        /// The code.
        text: String,
    },
    /// Something that opens at a touch. It is the first to be left out where there is no room for all, and text does not
    /// show it.
    Fold {
        /// What is seen of it at first, as it is.
        title: String,
        /// What is inside; no form.
        blocks: Vec<Block>,
    },
    /// A line across.
    Rule,
    /// Words with buttons beside or below them, as a list has them.
    Row {
        /// The words, as they are.
        text: String,
        /// More words, in small grey print.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        small: Option<String>,
        /// The buttons.
        buttons: Vec<Button>,
    },
    /// Buttons in a line.
    Buttons {
        /// The buttons.
        buttons: Vec<Button>,
    },
    /// Fields, and the buttons that submit them.
    Form {
        /// The fields.
        fields: Vec<Field>,
        /// The buttons.
        buttons: Vec<Button>,
    },
    /// How to do by typing what the buttons do: small print in a card, and all there is in a text.
    Typed {
        /// The sentence.
        text: String,
    },
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What stands on it; Feishu shows 100 characters at most.
    pub label: String,
    /// How it looks.
    pub look: ButtonStyle,
    /// What it asks for.
    pub act: CardAction,
    /// What is asked before it does so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

/// How a button looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonStyle {
    /// As any.
    Plain,
    /// As what most people want.
    Primary,
    /// As what destroys something.
    Danger,
}

/// A field of a form. Its name is known to who reads the press: see [`crate::card_action`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "snake_case")]
pub enum Field {
    /// One or several of some options.
    Choice {
        /// Its name.
        name: String,
        /// What is seen before anything is chosen.
        placeholder: String,
        /// What can be chosen; each comes back as its text.
        options: Vec<String>,
        /// Whether several can be.
        many: bool,
    },
    /// Words; Feishu takes 1,000 characters at most.
    Words {
        /// Its name.
        name: String,
        /// What is seen before anything is typed.
        placeholder: String,
    },
    /// Something to read between the fields.
    Label {
        /// Markdown as Claude writes it.
        text: String,
    },
}

impl Document {
    /// A document of these parts.
    #[must_use]
    pub fn new(blocks: Vec<Block>) -> Self {
        Self { blocks, ..Self::default() }
    }

    /// The same with a head.
    #[must_use]
    pub fn headed(self, tone: Tone, text: impl Into<String>) -> Self {
        Self { heading: Some(Heading { text: text.into(), tone }), ..self }
    }
}

impl Block {
    /// [`Block::Markdown`].
    #[must_use]
    pub fn markdown(text: impl Into<String>) -> Self {
        Self::Markdown { text: text.into() }
    }

    /// [`Block::Text`].
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// [`Block::Small`].
    #[must_use]
    pub fn small(text: impl Into<String>) -> Self {
        Self::Small { text: text.into() }
    }

    /// [`Block::Code`].
    #[must_use]
    pub fn code(language: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Code { language: language.into(), text: text.into() }
    }

    /// [`Block::Typed`].
    #[must_use]
    pub fn typed(text: impl Into<String>) -> Self {
        Self::Typed { text: text.into() }
    }
}

impl Button {
    /// A button that asks nothing before.
    #[must_use]
    pub fn new(label: impl Into<String>, look: ButtonStyle, act: CardAction) -> Self {
        Self { label: label.into(), look, act, confirm: None }
    }
}
