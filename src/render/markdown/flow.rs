//! The words of a line as they are read: with the emphases and links that are open.

use super::{Emphasis, InlineToken, urls};

/// The tokens of the piece at work.
#[derive(Default)]
pub(super) struct Flow {
    tokens: Vec<InlineToken>,
    /// Characters that came after the last token.
    text: String,
    /// How often each emphasis is open; it is shown once.
    open: [u32; 3],
    /// The links and pictures that are open: where each leads, and at which token it began.
    links: Vec<Opened>,
}

struct Opened {
    leads: String,
    at: usize,
    /// Whether it is shown as a link.
    shown: bool,
}

impl Flow {
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Words that are not searched for URLs.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.settle();
        self.plain(text);
    }

    pub(super) fn code(&mut self, code: &str) {
        self.settle();
        self.tokens.push(InlineToken::Code(code.to_owned()));
    }

    pub(super) fn line_break(&mut self) {
        self.settle();
        self.tokens.push(InlineToken::Break);
    }

    pub(super) fn open(&mut self, mark: Emphasis) {
        self.settle();
        let open = &mut self.open[mark as usize];
        *open += 1;
        if *open == 1 {
            self.tokens.push(InlineToken::Open(mark));
        }
    }

    pub(super) fn close(&mut self, mark: Emphasis) {
        self.settle();
        let open = &mut self.open[mark as usize];
        *open = open.saturating_sub(1);
        if *open == 0 {
            self.tokens.push(InlineToken::Close(mark));
        }
    }

    pub(super) fn open_link(&mut self, leads: &str) {
        self.settle();
        let target = if self.links.iter().any(|link| link.shown) { None } else { urls::target(leads) };
        let shown = target.is_some();
        let at = self.tokens.len();
        self.links.push(Opened { leads: leads.to_owned(), at, shown });
        self.tokens.extend(target.map(InlineToken::LinkOpen));
    }

    pub(super) fn close_link(&mut self) {
        self.settle();
        let Some(link) = self.links.pop() else { return };
        if link.shown {
            let Some(InlineToken::LinkOpen(target)) = self.tokens.get(link.at) else { return };
            let target = target.clone();
            if self.tokens.len() == link.at + 1 {
                self.tokens.push(InlineToken::Text(link.leads));
            }
            self.tokens.push(InlineToken::LinkClose(target));
            return;
        }
        // Inside of what is a link already, where else it would lead is of no use.
        if self.links.iter().any(|link| link.shown) {
            return;
        }
        let says_so = match self.tokens.get(link.at..) {
            Some([InlineToken::Text(text) | InlineToken::Code(text)]) => {
                *text == link.leads || link.leads.strip_prefix("mailto:") == Some(text)
            }
            Some(_) | None => false,
        };
        if !says_so && !link.leads.is_empty() {
            let space = if self.tokens.len() == link.at { "" } else { " " };
            self.tokens.push(InlineToken::Text(format!("{space}({})", link.leads)));
        }
    }

    /// The tokens so far. What is open stays open only in what follows in the same piece: there is none.
    pub(super) fn take(&mut self) -> Vec<InlineToken> {
        self.settle();
        self.open = [0; 3];
        self.links.clear();
        std::mem::take(&mut self.tokens)
    }

    /// Makes tokens of the characters that wait.
    fn settle(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        if self.links.iter().any(|link| link.shown) {
            self.tokens.push(InlineToken::Text(text));
            return;
        }
        let mut at = 0;
        while let Some((begin, end)) = urls::find(&text, at) {
            let url = &text[begin..end];
            let Some(target) = urls::target(url) else {
                self.plain(&text[at..end]);
                at = end;
                continue;
            };
            self.plain(&text[at..begin]);
            self.tokens.push(InlineToken::LinkOpen(target.clone()));
            self.tokens.push(InlineToken::Text(url.to_owned()));
            self.tokens.push(InlineToken::LinkClose(target));
            at = end;
        }
        self.plain(&text[at..]);
    }

    fn plain(&mut self, text: &str) {
        if !text.is_empty() {
            self.tokens.push(InlineToken::Text(text.to_owned()));
        }
    }
}
