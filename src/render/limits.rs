//! How much fits into one message, and where each number comes from.

/// Bytes of a card's JSON. Feishu allows 30 KB but does not say whether a KB has 1,000 or 1,024 bytes, nor what else it
/// counts; the difference is a margin.
pub const MAX_CARD_BYTES: usize = 28_000;

/// Elements of a card, including containers and columns. Feishu allows 200.
pub const MAX_CARD_ELEMENTS: usize = 200;

/// Tables on a card. Feishu documents 5 for a card and 4 for an element, but has refused cards with more than 3.
pub(crate) const MAX_CARD_TABLES: usize = 3;

/// Characters on a button. Feishu allows 100.
pub(crate) const MAX_LABEL_CHARS: usize = 100;

/// Characters that a person can type into a field. Feishu allows 1,000.
pub(crate) const MAX_FIELD_CHARS: usize = 1_000;

/// Characters of a heading. Feishu shows at most four lines.
pub(crate) const MAX_HEADING_CHARS: usize = 160;

/// Characters of a preview for the list of chats: more than any phone shows.
pub(crate) const MAX_PREVIEW_CHARS: usize = 200;

/// Bytes of a button's action as JSON: enough for the longest path that Linux allows. A longer action would fill the
/// card, and phonework makes none.
pub(crate) const MAX_ACTION_BYTES: usize = 5_000;

/// Characters of the question that a button asks before it acts.
pub(crate) const MAX_CONFIRM_CHARS: usize = 300;

/// Buttons in a row, and buttons of a form.
pub(crate) const MAX_BUTTONS_PER_ROW: usize = 20;

/// Fields of a form: more than anybody fills in on a phone.
pub(crate) const MAX_FORM_FIELDS: usize = 40;

/// Bytes of a form's labels. Longer labels are placed above the form.
pub(crate) const MAX_FORM_LABEL_BYTES: usize = 3_000;

/// Bytes of one piece of Markdown. The rest of the card is left for its heading and frame.
pub(crate) const MAX_PIECE_BYTES: usize = 22_000;

/// Bytes of anything else that is not divided (forms included), and of a piece of Markdown on a small card.
pub(crate) const MAX_ATOM_BYTES: usize = 9_000;

/// Elements of anything that is not divided.
pub(crate) const MAX_ATOM_ELEMENTS: usize = 100;

/// Bytes of the content of a fold.
pub(crate) const MAX_FOLD_BYTES: usize = 8_000;

/// Elements inside a fold.
pub(crate) const MAX_FOLD_ELEMENTS: usize = 60;

/// Bytes of a small card. Even if Feishu's own conversion doubles it, it still fits.
pub(crate) const MAX_SMALL_CARD_BYTES: usize = 12_000;

/// Characters from which a document is sent as a file to people who prefer files: about three screens of a phone.
pub(crate) const LONG_ANSWER_CHARS: usize = 6_000;

/// Characters of the beginning that is shown when a file holds the full text.
pub(crate) const BEGINNING_CHARS: usize = 1_500;

/// Characters of the message before a file that is sent as a last resort.
pub(crate) const FILE_PREVIEW_CHARS: usize = 300;

/// Maximum number of cards for one document; a longer document becomes a file. At Feishu's rate of 5 messages a second,
/// these take 4 seconds.
pub(crate) const MAX_CARDS: usize = 20;

/// Maximum number of text messages for one document: 20 seconds at Feishu's rate of 5 a second, and more than anybody
/// reads on a phone. Of a longer document, the beginning and the end are sent.
pub(crate) const MAX_TEXTS: usize = 100;

/// Bytes of each text on the card of a running turn. That card is sent again with every change.
pub(crate) const SNAPSHOT_TEXT_BYTES: usize = 12_000;
