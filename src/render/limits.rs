//! What one message can hold, and where the numbers come from.

/// Bytes of a card's JSON. Feishu: 30 KB, not saying whether of 1,000 or 1,024 bytes nor what it counts beside the card;
/// the rest is for that.
pub const CARD_BYTES: usize = 28_000;

/// Elements of a card, containers and columns among them. Feishu: 200.
pub const CARD_ELEMENTS: usize = 200;

/// Tables of a card. Feishu documents 5 in a card and 4 in one element; more than 3 were seen to be refused.
pub const CARD_TABLES: usize = 3;

/// Characters on a button. Feishu: 100.
pub const LABEL: usize = 100;

/// Characters that a person can type into a field. Feishu: 1,000.
pub const FIELD: usize = 1_000;

/// Characters of a heading: Feishu shows four lines at most.
pub const HEADING: usize = 160;

/// Characters of what the list of chats shows of a card: more than any phone has room for.
pub const PREVIEW: usize = 200;

/// Bytes of what a button asks for, as JSON: a path of the longest that Linux has. What is longer is no act of
/// phonework's, and a button for it would fill the card.
pub const ACT_BYTES: usize = 5_000;

/// Characters of what is asked before a button does what it says.
pub const QUESTION: usize = 300;

/// Buttons in a line, and on a form.
pub const BUTTONS: usize = 20;

/// Fields of a form: more than anybody fills in on a phone.
pub const FIELDS: usize = 40;

/// Bytes of a form's labels; longer ones stand above it.
pub const LABEL_BYTES: usize = 3_000;

/// Bytes of a piece of Markdown, so that there is room for the card's head and for what stands around it.
pub const PIECE_BYTES: usize = 22_000;

/// Bytes of all else that is not divided, and of a piece on a small card; a form has as many.
pub const ATOM_BYTES: usize = 9_000;

/// Elements of what is not divided.
pub const ATOM_ELEMENTS: usize = 100;

/// Bytes of what opens at a touch, and the elements in it.
pub const FOLD_BYTES: usize = 8_000;
/// See [`FOLD_BYTES`].
pub const FOLD_ELEMENTS: usize = 60;

/// Bytes of a card on the rung of several small ones: one that Feishu's own conversion makes twice as long still fits.
pub const SMALL_CARD_BYTES: usize = 12_000;

/// Characters of a document of which people would rather have a file: about three screens of a phone.
pub const LONG: usize = 6_000;

/// Characters of a document's beginning that are shown where a file holds the whole.
pub const BEGINNING: usize = 1_500;

/// Characters of what is sent before a file that is the last way for an answer.
pub const FILE_PREVIEW: usize = 300;

/// Cards that one document becomes at most; a longer one becomes a file. At Feishu's 5 messages a second these are
/// 4 seconds.
pub const MOST_CARDS: usize = 20;

/// Texts that one document becomes at most: 20 seconds at Feishu's 5 a second, and more than anybody reads on a phone.
/// Of a longer one the beginning and the end are sent.
pub const MOST_TEXTS: usize = 100;

/// Bytes of the text in the picture of a running turn: it is sent again with each change.
pub const PICTURE_BYTES: usize = 12_000;
