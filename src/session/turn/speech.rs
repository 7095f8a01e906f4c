//! What Claude has said in a turn: whole texts, and the one that is being written.

/// The texts of a turn.
#[derive(Debug, Default)]
pub(super) struct TurnText {
    texts: Vec<String>,
    /// The message whose text was the last thing that was heard.
    speaking: Option<String>,
    /// Whether the next text goes on where the last one broke off.
    goes_on: bool,
    /// The text that is being written, and the place of its block in its message.
    streaming: Option<(u64, String)>,
    /// Blocks up to this one of the message are whole.
    whole: Option<u64>,
}

impl TurnText {
    /// A message begins.
    pub(super) fn begin(&mut self) {
        (self.streaming, self.whole) = (None, None);
    }

    /// A piece of a text that is being written.
    pub(super) fn stream(&mut self, index: u64, text: &str) {
        if self.whole.is_some_and(|whole| index <= whole) {
            return;
        }
        match &mut self.streaming {
            Some((at, so_far)) if *at == index => so_far.push_str(text),
            Some(_) | None => self.streaming = Some((index, text.to_owned())),
        }
    }

    /// A whole text; it takes the place of what was heard of it while it was written. Texts of one message with nothing
    /// between them are one text in pieces.
    pub(super) fn hear(&mut self, text: String, message: Option<&str>) {
        if let Some((index, _)) = self.streaming.take() {
            self.whole = Some(index);
        }
        let goes_on = std::mem::take(&mut self.goes_on);
        match self.texts.last_mut() {
            Some(last) if goes_on || (message.is_some() && self.speaking.as_deref() == message) => {
                last.push_str(&text);
            }
            _ => self.texts.push(text),
        }
        self.speaking = message.map(str::to_owned);
    }

    /// Something that is no text stands between the last text and the next.
    pub(super) fn pause(&mut self) {
        self.speaking = None;
    }

    /// A tool stands between them.
    pub(super) fn work(&mut self) {
        self.speaking = None;
        self.goes_on = false;
    }

    /// The text so far broke off at a limit; the next message goes on with it.
    pub(super) fn cut_off(&mut self) {
        self.goes_on = true;
    }

    /// Whether nothing was said yet; what is being written does not count.
    pub(super) fn is_silent(&self) -> bool {
        self.texts.is_empty()
    }

    /// The last whole text.
    pub(super) fn last(&self) -> Option<&str> {
        self.texts.last().map(String::as_str)
    }

    /// Everything so far, but no more than so many bytes at its end; and how many bytes are left out.
    pub(super) fn end(&self, at_most: usize) -> (String, usize) {
        let streaming = self.streaming.as_ref().map(|(_, text)| text.as_str());
        let all = self.texts.iter().map(String::as_str).chain(streaming);
        let length: usize = all.clone().map(str::len).sum();
        let mut said = String::new();
        let mut left_out = length.saturating_sub(at_most);
        let mut skip = left_out;
        for (nth, text) in all.enumerate() {
            let from = text.ceil_char_boundary(skip.min(text.len()));
            left_out += from.saturating_sub(skip);
            skip = skip.saturating_sub(text.len());
            let glued = nth == self.texts.len() && self.goes_on;
            if !said.is_empty() && !glued {
                said.push_str("\n\n");
            }
            said.push_str(&text[from..]);
        }
        (said, left_out)
    }

    /// The texts with an empty line between them, what was being written last; they may be long, so they are not copied
    /// twice.
    pub(super) fn joined(mut self) -> String {
        if let Some((_, text)) = self.streaming.take() {
            self.hear(text, None);
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
