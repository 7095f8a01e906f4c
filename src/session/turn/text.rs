//! What Claude has said in a turn: complete texts, and the one that is being written.

/// Collects the texts of a turn. Texts of one message with nothing between them are one text.
#[derive(Debug, Default)]
pub(super) struct TurnText {
    texts: Vec<String>,
    /// The message of the last text, if nothing came after that text.
    last_message: Option<String>,
    /// Whether the next text continues the last one, which broke off at a length limit.
    continues: bool,
    /// The text that is being written, with the position of its block in the message.
    streaming: Option<(u64, String)>,
    /// The position up to which the message's blocks are complete.
    complete: Option<u64>,
}

impl TurnText {
    /// Notes that a message begins.
    pub(super) fn message_begins(&mut self) {
        (self.streaming, self.complete) = (None, None);
    }

    /// Adds a piece of a text that is being written.
    pub(super) fn stream(&mut self, index: u64, text: &str) {
        if self.complete.is_some_and(|complete| index <= complete) {
            return;
        }
        match &mut self.streaming {
            Some((at, so_far)) if *at == index => so_far.push_str(text),
            Some(_) | None => self.streaming = Some((index, text.to_owned())),
        }
    }

    /// Adds a complete text. It replaces the pieces that came while it was written.
    pub(super) fn add(&mut self, text: String, message: Option<&str>) {
        if let Some((index, _)) = self.streaming.take() {
            self.complete = Some(index);
        }
        let continues = std::mem::take(&mut self.continues);
        match self.texts.last_mut() {
            Some(last) if continues || (message.is_some() && self.last_message.as_deref() == message) => {
                last.push_str(&text);
            }
            _ => self.texts.push(text),
        }
        self.last_message = message.map(str::to_owned);
    }

    /// Notes a block that is neither text nor a tool use.
    pub(super) fn other_block(&mut self) {
        self.last_message = None;
    }

    /// Notes a tool use.
    pub(super) fn tool_used(&mut self) {
        self.last_message = None;
        self.continues = false;
    }

    /// Notes that the text so far broke off at a length limit; the next message continues it.
    pub(super) fn cut_off(&mut self) {
        self.continues = true;
    }

    /// Whether there is no complete text yet.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The last complete text.
    pub(super) fn last(&self) -> Option<&str> {
        self.texts.last().map(String::as_str)
    }

    /// The last `max_bytes` of everything so far, and the number of bytes before them.
    pub(super) fn end(&self, max_bytes: usize) -> (String, usize) {
        let streaming = self.streaming.as_ref().map(|(_, text)| text.as_str());
        let all = self.texts.iter().map(String::as_str).chain(streaming);
        let length: usize = all.clone().map(str::len).sum();
        let mut said = String::new();
        let mut left_out = length.saturating_sub(max_bytes);
        let mut skip = left_out;
        for (nth, text) in all.enumerate() {
            let from = text.ceil_char_boundary(skip.min(text.len()));
            left_out += from.saturating_sub(skip);
            skip = skip.saturating_sub(text.len());
            let continues_last = nth == self.texts.len() && self.continues;
            if !said.is_empty() && !continues_last {
                said.push_str("\n\n");
            }
            said.push_str(&text[from..]);
        }
        (said, left_out)
    }

    /// All texts with an empty line in between; the unfinished one comes last. They may be long, so each is copied at most
    /// once.
    pub(super) fn joined(mut self) -> String {
        if let Some((_, text)) = self.streaming.take() {
            self.add(text, None);
        }
        let mut texts = self.texts.into_iter();
        let mut all = texts.next().unwrap_or_default();
        for text in texts {
            all.push_str("\n\n");
            all.push_str(&text);
        }
        all
    }
}
